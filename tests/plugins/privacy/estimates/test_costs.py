"""Costs of privacy: the numbers against pandas, the intervals by simulation."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit, ndtr

from raikit_privacy.estimates import costs
from raikit_privacy.estimates.costs import PairedCorrectness
from raikit_privacy.estimates.features import features_of


def answers(n, rng, open_rate=0.9, private_rate=0.8):
    """Two models that are right together more often than by chance."""
    ease = rng.random(n)
    return ease < open_rate, (0.6 * ease + 0.4 * rng.random(n)) < private_rate


def test_costs_equal_pandas(tmp_path):
    rng = np.random.default_rng(0)
    first, second = answers(500, rng)
    frame = pd.DataFrame({"sex": rng.choice(["F", "M", None], 500), "cost": first.astype(int) - second})
    [feature] = features_of(frame, ["sex"])
    cost = costs.costs(PairedCorrectness(first, second), feature, 0.95)
    expected = frame.groupby("sex", dropna=False)["cost"].agg(["mean", "size"])
    assert feature.groups == ["F", "M", None]
    assert cost.value == pytest.approx(expected["mean"].to_numpy())
    assert cost.n.tolist() == expected["size"].tolist()
    assert np.all((cost.low < cost.value) & (cost.value < cost.high))


def test_weighted_costs_are_weighted_means():
    rng = np.random.default_rng(1)
    first, second = answers(200, rng)
    weight = rng.uniform(0.2, 3, 200)
    cost = costs.costs(PairedCorrectness(first, second, weight), None, 0.95)
    assert cost.value[0] == pytest.approx(np.average(first.astype(float) - second, weights=weight))


def simulate(runs, n, clusters, seed):
    """Share of intervals of the cost that miss the truth (0: both models are equally good)."""
    rng, missed, widths = np.random.default_rng(seed), 0, []
    for _ in range(runs):
        person = np.repeat(np.arange(n // clusters), clusters)
        easy = rng.normal(size=n // clusters)[person] if clusters > 1 else rng.normal(size=n)
        first, second = (easy + rng.normal(size=n) > -1.5 for _ in range(2))
        cost = costs.costs(PairedCorrectness(first, second, None, [person] if clusters > 1 else []), None, 0.95)
        missed += not cost.low[0] <= 0 <= cost.high[0]
        widths.append(cost.high[0] - cost.low[0])
    return missed / runs, np.mean(widths)


def test_the_interval_of_a_cost_holds_its_level_and_is_not_wide():
    missed, width = simulate(400, 300, 1, 2)
    assert missed <= 0.075
    assert width < 2 * 1.96 * np.sqrt(2 * 0.14 * 0.86 / 300)           # narrower than an unpaired interval


def test_the_interval_of_a_cost_holds_its_level_with_clusters():
    assert simulate(250, 240, 6, 3)[0] <= 0.08


@pytest.mark.parametrize("share", [0.3, 0.6])
def test_a_large_cluster_makes_no_cost(share):
    """By plain residual sums a cost is claimed in 8 to 20% of the runs in which there is none."""
    rng, wrong, runs = np.random.default_rng(6), 0, 150
    for _ in range(runs):
        person = np.where(rng.random(600) < share, 0, rng.integers(1, 60, 600))
        easy = 1.5 + rng.normal(0, 0.8, (3, 60))[:, person]
        same = rng.random(600)
        first, second = (same < 1 / (1 + np.exp(-(easy[0] + easy[at]))) for at in (1, 2))
        cost = costs.costs(PairedCorrectness(first, second, None, [person]), None, 0.95)
        wrong += not cost.few_clusters[0] and not cost.low[0] <= 0 <= cost.high[0]
    assert wrong / runs <= 0.09  # nominal 5%, standard error 1.8 points


def test_models_that_always_agree_are_not_known_to_agree_everywhere():
    right = np.arange(40) < 36
    cost = costs.costs(PairedCorrectness(right, right), None, 0.95)
    assert cost.value[0] == 0
    assert cost.high[0] > 0.02
    assert cost.low[0] < -0.02


def test_pairs_of_rows_without_a_cluster_stay_paired():
    """A muted row (code -1) is one row answered twice, not two rows."""
    rng = np.random.default_rng(4)
    first, second = answers(400, rng)
    alone = costs.costs(PairedCorrectness(first, second, None, [np.full(400, -1)]), None, 0.95)
    free = costs.costs(PairedCorrectness(first, second), None, 0.95)
    assert alone.high[0] - alone.low[0] == pytest.approx(free.high[0] - free.low[0], rel=0.1)


def test_the_gap_of_costs_is_the_largest_difference_and_seldom_claims_what_is_not_there():
    rng = np.random.default_rng(5)
    claimed = 0
    for run in range(100):
        first, second = answers(400, rng)
        [feature] = features_of(pd.DataFrame({"g": rng.choice(list("abcd"), 400)}), ["g"])
        gap, kept = costs.cost_gap(PairedCorrectness(first, second), feature, 0.95, np.random.default_rng(run))
        each = costs.costs(PairedCorrectness(first, second), feature, 0.95).value
        assert gap.value == pytest.approx(each.max() - each.min())
        claimed += gap.low > 0
    assert claimed / 100 <= 0.08
    assert kept.tolist() == [0, 1, 2, 3]


def test_a_real_gap_of_costs_is_found():
    rng = np.random.default_rng(6)
    [feature] = features_of(pd.DataFrame({"g": np.repeat(["a", "b"], 600)}), ["g"])
    first = rng.random(1200) < 0.95
    second = first & (rng.random(1200) < np.where(feature.code == 0, 0.95, 0.75))
    gap, _ = costs.cost_gap(PairedCorrectness(first, second), feature, 0.95, rng)
    assert gap.low > 0.1


def test_a_group_of_five_on_which_models_agree_proves_no_gap():
    rng = np.random.default_rng(7)
    code = np.repeat(["big", "tiny"], [2000, 5])
    [feature] = features_of(pd.DataFrame({"g": code}), ["g"])
    first = np.ones(2005, dtype=bool)
    second = np.where(code == "tiny", True, rng.random(2005) < 0.9)
    gap, _ = costs.cost_gap(PairedCorrectness(first, second), feature, 0.95, rng)
    assert gap.value == pytest.approx(1 - second[:2000].mean())
    assert gap.low == 0


def trainings_that_differ(rng, trainings, n=400):
    """Each training shifts the accuracy of the private model, and that of each of four groups, by its own amount."""
    ease, group = rng.normal(size=n), rng.integers(0, 4, n)
    shift = 0.3 * rng.normal(size=(trainings, 1)) + 0.15 * rng.normal(size=(trainings, 4))[:, group]
    own = np.sqrt(0.3) * rng.normal(size=(trainings + 1, n)) + np.sqrt(0.7) * ease
    [feature] = features_of(pd.DataFrame({"g": np.array(list("abcd"))[group]}), ["g"])
    truth = ndtr(1.3) - ndtr(0.9 / np.sqrt(1 + 0.3**2 + 0.15**2))
    return PairedCorrectness(own[0] < 1.3, own[1:] < 0.9 + shift), feature, truth


@pytest.mark.parametrize("trainings", [3, 5])
def test_intervals_over_several_trainings_hold_their_level_for_the_expected_cost(trainings):
    """One training misses it in two runs of three here, and finds a gap that is not there in one of six."""
    rng, runs, missed, claimed = np.random.default_rng(8), 250, 0, 0
    for run in range(runs):
        pairs, feature, truth = trainings_that_differ(rng, trainings)
        cost = costs.costs(pairs, None, 0.95)
        missed += not cost.low[0] <= truth <= cost.high[0]
        claimed += costs.cost_gap(pairs, feature, 0.95, np.random.default_rng(run))[0].low > 0
    assert missed / runs <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / runs)
    assert claimed / runs <= 0.025 + 2 * np.sqrt(0.025 * 0.975 / runs)


def test_trainings_that_agree_cost_as_much_as_one_and_are_no_surer_than_their_cases():
    rng = np.random.default_rng(9)
    first, second = answers(400, rng)
    one = costs.costs(PairedCorrectness(first, second), None, 0.95)
    same = costs.costs(PairedCorrectness(first, np.stack([second] * 4)), None, 0.95)
    assert (one.value, one.low, one.high) == (same.value, same.low, same.high)


def test_a_gap_needs_two_groups_large_enough():
    [feature] = features_of(pd.DataFrame({"g": ["a"] * 50 + ["b"] * 3}), ["g"])
    right = np.ones(53, dtype=bool)
    with pytest.raises(ValueError, match="two groups"):
        costs.cost_gap(PairedCorrectness(right, right), feature, 0.95, np.random.default_rng(0), at_least=30)


@pytest.mark.parametrize("trainings", [3, 5])
def test_trainings_of_which_some_go_badly_are_covered(trainings):
    """Accuracies of trainings are skewed; t limits of their mean miss the expected accuracy in 8% of runs here."""
    rng, cases, missed = np.random.default_rng(0), 400, 0
    ease = (np.arange(cases) + 0.5) / cases
    truth = ndtr(0.9 / np.sqrt(1 + 0.6**2))
    for _ in range(3000):
        right = ease < ndtr(0.9 + 0.6 * rng.normal(size=(trainings, 1)))
        pairs = PairedCorrectness(np.ones(cases, dtype=bool), right)
        less, more = costs._training_widths_of_cost(pairs, np.zeros(cases, dtype=np.int64), 1, 0.95)
        missed += not -less[0] <= (1 - truth) - pairs.differences.mean() <= more[0]
    assert missed / 3000 < 0.06


@pytest.mark.parametrize(("base", "spread", "trainings"), [
    (0.97, 0.8, 10), (0.97, 0.8, 5), (0.945, 0.5, 10), (0.8, 0.335, 3), (0.99, 0.8, 3), (0.99, 0.8, 5),
])  # fmt: skip
def test_limits_of_accuracies_near_one_allow_for_trainings_that_go_worse_than_any_seen(base, spread, trainings):
    rng = np.random.default_rng(0)
    truth = expit(logit(base) + spread * rng.normal(size=1_000_000)).mean()
    drawn = expit(logit(base) + spread * rng.normal(size=(trainings, 10_000)))
    down, up = costs.widths_of_mean(drawn, np.full(10_000, 1e-5), 0.95)
    mean = drawn.mean(axis=0)
    assert np.mean((mean - down > truth) | (mean + up < truth)) < 0.054  # 0.086, 0.075, 0.06, 0.049, … by t limits alone


@pytest.mark.parametrize("trainings", [3, 10])
def test_limits_cover_all_trainings_if_one_that_fails_is_seen_and_else_those_that_do_not_fail(trainings):
    rng = np.random.default_rng(0)
    good, bad = (expit(logit(0.97) + 0.1 * rng.normal(size=1_000_000) - lower).mean() for lower in (0, 2.4))
    failed = rng.random((trainings, 10_000)) < 0.1
    drawn = expit(logit(0.97) + 0.1 * rng.normal(size=failed.shape) - 2.4 * failed)
    down, up = costs.widths_of_mean(drawn, np.full(10_000, 1e-5), 0.95)
    truth = np.where(failed.any(axis=0), 0.9 * good + 0.1 * bad, good)
    assert np.mean(np.abs(drawn.mean(axis=0) - truth + (up - down) / 2) > (up + down) / 2) < 0.05


def test_trainings_that_agree_have_no_width():
    down, up = costs.widths_of_mean(np.full((3, 2), 1.0), np.full(2, 0.01), 0.95)
    assert (down.tolist(), up.tolist()) == ([0.0, 0.0], [0.0, 0.0])
