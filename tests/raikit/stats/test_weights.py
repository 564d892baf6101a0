"""Levels where weights are related to the outcome; each of these fails at Kish's effective number of cases."""

import numpy as np
import pytest

from raikit.stats import clopper_pearson, gap, rate_covariance, weighted_counts

RUNS = 400


def at_most(misses, nominal):
    """Whether the share of misses is within three Monte-Carlo errors of nominal."""
    return misses <= RUNS * nominal + 3 * np.sqrt(RUNS * nominal)


def sums(y, w):
    """Number, sum of weights and of squared weights, of all cases and of the successes."""
    return (len(y), w.sum(), w @ w), (y.sum(), w @ y, w**2 @ y)


def drawn(rng, ratio, rate=0.05, n=600, spread=0.0):
    """A group in which a success weighs so many times as much as a failure."""
    y = (rng.random(n) < rate).astype(float)
    return y, np.where(y == 1, ratio, 1.0) * np.exp(rng.normal(0, spread, n))


@pytest.mark.parametrize("ratio", [2.7, 5, 10, 0.2])
def test_the_rate_is_covered_whatever_successes_weigh(ratio):
    rng, low_misses, high_misses = np.random.default_rng(1), 0, 0
    truth = 0.05 * ratio / (0.05 * ratio + 0.95)
    for _ in range(RUNS):
        counts = weighted_counts(*sums(*drawn(rng, ratio)))
        low, high = clopper_pearson(counts.x, counts.n)
        low_misses, high_misses = low_misses + (low > truth), high_misses + (high < truth)
    assert at_most(low_misses, 0.025)
    assert at_most(high_misses, 0.025)


def test_alike_groups_show_no_gap_whatever_successes_weigh():
    rng, found = np.random.default_rng(2), 0
    for _ in range(RUNS):
        groups = [weighted_counts(*sums(*drawn(rng, 5))) for _ in range(2)]
        x, n = (np.array([float(getattr(counts, name)) for counts in groups]) for name in ("x", "n"))
        found += gap(x, n, draws=2_000, rng=rng).low > 0
    assert at_most(found, 0.025)


def test_successes_that_weigh_little_leave_more_information_than_kish_counts():
    y, w = drawn(np.random.default_rng(3), 0.2, rate=0.6)
    kish = w.sum() ** 2 / (w @ w)
    assert weighted_counts(*sums(y, w)).n > 1.4 * kish


def test_equal_weights_are_none():
    y = np.arange(50) < 2
    for weight in (1.0, 3.7):
        counts = weighted_counts(*sums(y, np.full(50, weight)))
        assert (float(counts.x), float(counts.n)) == pytest.approx((2, 50), rel=1e-8)
    free, same = (rate_covariance(y, np.ones(50), np.zeros(50, dtype=int), weight=w) for w in (None, np.full(50, 3.7)))
    for name in ("M", "n_effective", "df", "few_events"):
        np.testing.assert_allclose(getattr(same, name), getattr(free, name))
    assert not same.few_events.any()


def test_a_rate_without_an_outcome_of_known_weight_cannot_be_decided():
    y, w = np.zeros(200), np.random.default_rng(4).lognormal(size=200)
    y[:4] = 1
    few = rate_covariance(y, np.ones(200), np.zeros(200, dtype=int), weight=w)
    assert few.few_events.tolist() == [True]
    assert float(weighted_counts(*sums(y, w)).rare) < 5
    assert not rate_covariance(y, np.ones(200), np.zeros(200, dtype=int)).few_events.any()
