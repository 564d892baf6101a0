"""The loss-threshold attack against scikit-learn, brute force, and worlds in which the answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.metrics import roc_auc_score, roc_curve

from raikit_privacy.estimates import membership
from raikit_privacy.estimates.membership import Losses


def world(members, others, shift, rng, ties=False):
    """Normal losses, members' lower by `shift`."""
    loss = np.concatenate([rng.normal(-shift, 1, members), rng.normal(0, 1, others)])
    return Losses(np.arange(members + others) < members, np.round(loss, 1) if ties else loss)


@given(seed=st.integers(0, 10_000), shift=st.floats(0, 2), ties=st.booleans())
def test_area_equals_scikit_learn(seed, shift, ties):
    losses = world(80, 50, shift, np.random.default_rng(seed), ties)
    assert membership.area(losses, 0.95).value == pytest.approx(roc_auc_score(losses.member, -losses.loss))


@given(seed=st.integers(0, 10_000), fpr=st.sampled_from([0.01, 0.05, 0.1]), ties=st.booleans())
def test_rate_at_few_false_positives_equals_scikit_learn(seed, fpr, ties):
    losses = world(200, 310, 0.5, np.random.default_rng(seed), ties)
    false, true, _ = roc_curve(losses.member, -losses.loss, drop_intermediate=False)
    assert membership.true_positive_rate_at(losses, fpr, 0.95).value == pytest.approx(true[false <= fpr].max())


def test_the_curve_equals_scikit_learn():
    losses = world(100, 120, 0.7, np.random.default_rng(0), ties=True)
    false, true = membership.roc(losses)
    known = roc_curve(losses.member, -losses.loss, drop_intermediate=False)
    assert false == pytest.approx(known[0])
    assert true == pytest.approx(known[1])


def test_rate_at_few_false_positives_by_brute_force():
    losses = world(60, 40, 1.0, np.random.default_rng(1))
    inside, outside = losses.loss[losses.member], losses.loss[~losses.member]
    best = max(np.mean(inside < t) for t in losses.loss if np.mean(outside < t) <= 0.1)
    assert membership.true_positive_rate_at(losses, 0.1, 0.95).value == pytest.approx(best)


@pytest.mark.parametrize("shift", [0.0, 0.5, 2.0])
def test_the_interval_of_that_rate_covers_the_truth(shift):
    truth, rng, missed = norm.cdf(norm.ppf(0.02) + shift), np.random.default_rng(2), 0
    for _ in range(300):
        rate = membership.true_positive_rate_at(world(400, 500, shift, rng), 0.02, 0.95)
        missed += not rate.low <= truth <= rate.high
    assert missed / 300 <= 0.05


def test_the_interval_of_that_rate_covers_the_truth_with_clusters():
    """Ten rows of each person, who is hard or easy as a whole."""
    rng, missed, missed_by_rows = np.random.default_rng(3), 0, 0
    truth = norm.cdf(norm.ppf(0.05) + 1)
    for _ in range(200):
        person = np.repeat(np.arange(60), 20)
        member = person < 30
        loss = np.sqrt(0.9) * rng.normal(size=60)[person] + np.sqrt(0.1) * rng.normal(size=1200) - member
        clustered = membership.true_positive_rate_at(Losses(member, loss, [person]), 0.05, 0.95)
        by_rows = membership.true_positive_rate_at(Losses(member, loss), 0.05, 0.95)
        missed += not clustered.low <= truth <= clustered.high
        missed_by_rows += not by_rows.low <= truth <= by_rows.high
    assert missed / 200 <= 0.06
    assert missed_by_rows / 200 > 0.1                                    # what clusters are there for


@pytest.mark.parametrize("share", [0.3, 0.5])
def test_a_large_cluster_recognises_no_members(share):
    """By plain residual sums 17 and 38% of areas, 10 and 30% of advantages are wrong."""
    rng, wrong, runs = np.random.default_rng(5), np.zeros(2), 120
    member = np.arange(1200) < 600
    for _ in range(runs):
        cluster = np.where(rng.random(1200) < share, 0, rng.integers(1, 60, 1200)) + 60 * member
        losses = Losses(member, np.exp(rng.normal(size=1200) + rng.normal(0, 0.7, 120)[cluster]), [cluster])
        found = membership.area(losses, 0.95), membership.advantage(losses, 0.95, rng)
        for at, (interval, truth) in enumerate(zip(found, (0.5, 0.0), strict=True)):
            wrong[at] += "few_clusters" not in interval.flags and not interval.low <= truth <= interval.high
    assert np.all(wrong / runs <= 0.1)  # nominal 5%, standard error 2 points


def test_a_case_without_a_cluster_counts_as_one():
    losses = world(60, 60, 0.5, np.random.default_rng(1))
    cluster = np.where(np.arange(120) % 60 < 4, 0, -1) + (np.arange(120) >= 60) * (np.arange(120) % 60 < 4)
    rate = membership.true_positive_rate_at(Losses(losses.member, losses.loss, [cluster]), 0.1, 0.95)
    assert (rate.n_clusters, rate.flags) == (114, ())


def test_too_few_non_members_are_named_as_the_reason():
    rate = membership.true_positive_rate_at(world(500, 299, 1, np.random.default_rng(4)), 0.01, 0.95)
    assert rate.value is None
    assert "300" in rate.reason
    assert membership.true_positive_rate_at(world(500, 300, 1, np.random.default_rng(4)), 0.01, 0.95).value is not None


def test_advantage_is_zero_where_nothing_is_remembered_and_holds_its_level():
    rng, missed = np.random.default_rng(5), 0
    for _ in range(200):
        advantage = membership.advantage(world(300, 200, 0, rng), 0.95, rng)
        missed += not advantage.low <= 0 <= advantage.high
    assert missed / 200 <= 0.075


def test_advantage_of_a_threshold_at_the_mean_is_what_it_must_be():
    advantage = membership.advantage(world(40_000, 40_000, 1.0, np.random.default_rng(6)), 0.95, np.random.default_rng(6))
    assert advantage.value == pytest.approx(0.5 - norm.cdf(-1), abs=0.01)      # threshold -1: TPR 0.5, FPR Phi(-1)
    assert advantage.low < 0.5 - norm.cdf(-1) < advantage.high


def test_no_row_is_judged_by_a_threshold_that_it_helped_to_set():
    losses = world(9, 7, 1.0, np.random.default_rng(8))
    half = membership._halves(losses, np.random.default_rng(3))
    flagged = np.array([loss <= losses.loss[losses.member & (half != side)].mean()
                        for loss, side in zip(losses.loss, half, strict=True)])
    assert not np.array_equal(flagged, losses.loss <= losses.loss[losses.member].mean())
    advantage = membership.advantage(losses, 0.95, np.random.default_rng(3))
    assert advantage.value == pytest.approx(flagged[losses.member].mean() - flagged[~losses.member].mean())


def test_the_halves_of_the_advantage_keep_clusters_whole():
    person = np.repeat(np.arange(30), 7)
    half = membership._halves(Losses(person < 15, np.zeros(210), [person]), np.random.default_rng(0))
    assert all(len(set(half[person == name])) == 1 for name in range(30))
    assert half.mean() == pytest.approx(0.5)


def test_cross_entropy_keeps_its_digits_near_one():
    loss = membership.binary_cross_entropy(np.array([1e-18, 0.25, 0.0]), np.array([False, True, True]))
    assert loss[0] == pytest.approx(1e-18, rel=1e-6)
    assert loss[1] == pytest.approx(np.log(4))
    assert np.isfinite(loss).all()
    assert membership.cross_entropy([[0.5, 0.25, 0.25]], np.array([1]))[0] == pytest.approx(np.log(4))
