"""Levels where weights are related to the outcome; each of these fails at Kish's effective number of cases."""

import numpy as np
import pytest

from raikit.stats import clopper_pearson, clustered_gap, clustered_rate_interval, gap, rate_covariance

RUNS = 400


def at_most(misses, nominal):
    """Whether the share of misses is within three Monte-Carlo errors of nominal."""
    return misses <= RUNS * nominal + 3 * np.sqrt(RUNS * nominal)


def groups_of(rng, ratio, rate=0.05, n=600, k=1, spread=0.0):
    """Alike groups in which a success weighs so many times as much as a failure."""
    y = (rng.random(k * n) < rate).astype(int)
    w = np.where(y == 1, ratio, 1.0) * np.exp(rng.normal(0, spread, k * n))
    return rate_covariance(y, np.ones(k * n), np.repeat(np.arange(k), n), (), w, k, scale="proportion")


@pytest.mark.parametrize("ratio", [2.7, 5, 10, 0.2])
def test_the_rate_is_covered_whatever_successes_weigh(ratio):
    rng, low, high = np.random.default_rng(1), 0, 0
    truth = 0.05 * ratio / (0.05 * ratio + 0.95)
    for _ in range(RUNS):
        found = clustered_rate_interval(groups_of(rng, ratio))
        low, high = low + (found.low[0] > truth), high + (found.high[0] < truth)
    assert at_most(low, 0.025)
    assert at_most(high, 0.025)


def test_alike_groups_show_no_gap_whatever_successes_weigh():
    rng, found = np.random.default_rng(2), 0
    for _ in range(RUNS):
        found += clustered_gap(groups_of(rng, 5, k=2, spread=0.5), draws=2_000, rng=rng).low > 0
    assert at_most(found, 0.025)


def test_successes_that_weigh_little_leave_more_information_than_kish_counts():
    cov = groups_of(np.random.default_rng(3), 0.2, rate=0.6)
    assert cov.n_effective[0] > 1.4 * cov.n_rows[0]
    assert cov.n_effective[0] <= 600


def test_weights_that_are_alike_are_none():
    y, group = np.arange(90) < 4, np.arange(90) % 3
    n, x = np.bincount(group), np.bincount(group, y)
    for weight in (None, np.full(90, 3.7)):
        cov = rate_covariance(y, np.ones(90), group, (), weight)
        found, exact = clustered_rate_interval(cov), clopper_pearson(x, n)
        np.testing.assert_allclose((found.low, found.high), exact, rtol=1e-7)
        assert not cov.few_events.any()
        ends, counted = clustered_gap(cov, rng=np.random.default_rng(1)), gap(x, n, rng=np.random.default_rng(1))
        assert (ends.low, ends.high) == pytest.approx((counted.low, counted.high), abs=1e-6)


def test_a_rate_without_an_outcome_of_known_weight_cannot_be_decided():
    y, w = np.arange(200) < 4, np.random.default_rng(4).lognormal(size=200)
    cov = rate_covariance(y, np.ones(200), np.zeros(200, dtype=int), (), w, scale="proportion")
    assert cov.supporting[0] < 5
    assert cov.few_events.tolist() == [True]
