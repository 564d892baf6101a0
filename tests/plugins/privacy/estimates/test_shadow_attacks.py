"""Attacks with shadow models, on a game whose best attack is known, and on arrays whose scores can be computed by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, ndtr
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from raikit_privacy.estimates import shadow_attacks
from raikit_privacy.estimates.shadow_attacks import Signals

WITH_SHADOWS = [shadow_attacks.lira, shadow_attacks.lira_offline, shadow_attacks.rmia, shadow_attacks.bavaria,
                shadow_attacks.calibrated_attack]


def game(shift, models, seed, spread=1.0, uneven=0.0, cases=4000):
    """Half of the cases are members; a signal is a level of the case, a shift of members, and noise of the training."""
    rng = np.random.default_rng(seed)
    noise, level = np.exp(uneven * rng.normal(size=cases)), spread * rng.normal(size=cases)
    member, inside = np.arange(cases) % 2 == 0, shadow_attacks.balanced_halves(cases, models, rng)
    audited = level + noise * (shift * member + rng.normal(size=cases))
    return member, Signals(audited, level + noise * (shift * inside + rng.normal(size=inside.shape)), inside)


def areas(shift, models, attack, seeds=4, **more):
    games = [game(shift, models, seed, **more) for seed in range(seeds)]
    return float(np.mean([roc_auc_score(member, attack(signals)) for member, signals in games]))


@pytest.mark.parametrize("uneven", [0.0, 0.7])
@pytest.mark.parametrize("attack", [shadow_attacks.lira, shadow_attacks.bavaria])
def test_with_many_shadow_models_the_area_is_that_of_the_best_attack(attack, uneven):
    assert areas(1.0, 256, attack, uneven=uneven, seeds=3) == pytest.approx(ndtr(1 / np.sqrt(2)), abs=0.01)


@pytest.mark.parametrize("models", [2, 4])
@pytest.mark.parametrize("attack", [shadow_attacks.rmia, shadow_attacks.bavaria])
@pytest.mark.parametrize(("spread", "uneven"), [(1.0, 0.0), (1.0, 0.7), (3.0, 0.0)])
def test_with_few_shadow_models_rmia_and_bavaria_are_not_below_lira(models, attack, spread, uneven):
    more = {"spread": spread, "uneven": uneven}
    assert areas(1.0, models, attack, **more) >= areas(1.0, models, shadow_attacks.lira, **more) - 0.002


@pytest.mark.parametrize("attack", WITH_SHADOWS)
def test_permuted_members_are_not_recognised(attack):
    member, signals = game(2.0, 8, 1)
    permuted = np.random.default_rng(5).permutation(member)
    assert roc_auc_score(permuted, attack(signals)) == pytest.approx(0.5, abs=0.03)


def test_lira_with_many_models_is_a_ratio_of_normal_densities_of_each_case():
    _, signals = game(1.0, 128, 2, cases=5, uneven=0.5)
    expected = []
    for case in range(5):
        seen, unseen = (signals.shadow[side[:, case], case] for side in (signals.inside, ~signals.inside))
        expected.append(norm.logpdf(signals.audited[case], seen.mean(), seen.std(ddof=1))
                        - norm.logpdf(signals.audited[case], unseen.mean(), unseen.std(ddof=1)))
    assert shadow_attacks.lira(signals) == pytest.approx(np.array(expected))


def test_rmia_ranks_as_the_share_of_a_population_that_it_beats():
    """The definition of Zarifzadeh et al., written out over the population of all cases."""
    _, signals = game(1.0, 4, 3, cases=300)
    probability = expit(signals.shadow)
    means = [np.where(side, probability, 0).sum(0) / side.sum(0) for side in (signals.inside, ~signals.inside)]
    ratio = expit(signals.audited) / (sum(means) / 2)
    share = np.array([(own / ratio >= 1).mean() for own in ratio])
    assert np.array_equal(np.argsort(share, kind="stable"), np.argsort(shadow_attacks.rmia(signals), kind="stable"))


def test_bavaria_shrinks_a_variance_that_few_models_got_by_chance():
    """Two models that happen to agree on a case do not make every other signal impossible."""
    _, signals = game(1.0, 4, 4, cases=400)
    shadow = signals.shadow.copy()
    shadow[signals.inside[:, 0], 0] = 0.5
    agreeing = Signals(np.r_[3.0, signals.audited[1:]], shadow, signals.inside)
    assert abs(shadow_attacks.bavaria(agreeing)[0]) < 10


def test_quantiles_that_depend_on_features_are_taken_out():
    rng = np.random.default_rng(0)
    group = rng.integers(0, 2, 4000)
    member = rng.random(4000) < np.where(group == 1, 0.5, 0.5)
    signal = 6.0 * group + 1.5 * member + rng.normal(size=4000)
    score = shadow_attacks.quantile_attack(signal, group[:, None].astype(float), member, rng)
    assert roc_auc_score(member, score) > roc_auc_score(member, signal) + 0.1


def test_quantiles_do_not_recognise_non_members_by_having_learnt_from_them():
    rng = np.random.default_rng(1)
    features, signal = rng.normal(size=(3000, 6)), rng.normal(size=3000)
    member = np.arange(3000) % 2 == 0
    score = shadow_attacks.quantile_attack(signal, features, member, rng)
    assert roc_auc_score(member, score) == pytest.approx(0.5, abs=0.03)


def test_log_odds_tell_confident_predictions_apart():
    scores = np.array([[1 - 1e-20, 1e-20], [1.0, 1e-30], [0.0, 1.0], [0.25, 0.75]])
    odds = shadow_attacks.log_odds(scores, np.array([0, 0, 0, 1]))
    assert odds[:2] == pytest.approx(np.log([1e20, 1e30]))
    assert odds[2] < -600
    assert odds[3] == pytest.approx(np.log(3))


@pytest.mark.parametrize("models", [2, 3, 16])
def test_each_case_is_in_half_of_the_models(models):
    inside = shadow_attacks.balanced_halves(200, models, np.random.default_rng(0))
    assert (inside.sum(axis=0) == models // 2).all()
    assert inside.sum(axis=1).min() > 0
    with pytest.raises(ValueError, match="two shadow models"):
        shadow_attacks.balanced_halves(5, 1, np.random.default_rng(0))


def test_signals_that_do_not_belong_together_are_refused():
    one = np.zeros(3)
    with pytest.raises(ValueError, match="belong together"):
        Signals(one, np.zeros((2, 4)), np.zeros((2, 4), dtype=bool))
    with pytest.raises(ValueError, match="NaN"):
        Signals(np.array([np.nan, 0, 0]), np.zeros((2, 3)), np.array([[True] * 3, [False] * 3]))
    with pytest.raises(ValueError, match="some shadow models and not of others"):
        Signals(one, np.zeros((2, 3)), np.ones((2, 3), dtype=bool))
