"""Limits where few clusters are much worse than the others, so that errors are skew."""

import numpy as np
import pytest

from raikit.stats import (
    clustered_difference,
    clustered_gap,
    clustered_group_vs_rest,
    clustered_rate_interval,
    clustered_ratio,
    rate_covariance,
)
from raikit.stats.covariance import summed_rate_covariance
from raikit.stats.skewness import deskewed, skewness_shift


def repeated(clusters, zipf, right, copies, cases, rng):
    """Return whether predictions are right, and their clusters, each of which repeats its first case."""
    share = np.arange(1, clusters + 1.0) ** -zipf
    cluster = rng.choice(clusters, cases, p=share / share.sum())
    y = (rng.random(cases) < right).astype(int)
    first = np.full(clusters, -1)
    first[cluster[::-1]] = np.arange(cases)[::-1]
    return np.where(rng.random(cases) < copies, y[first[cluster]], y), cluster


def covariance(y, clusters, group=None, weight=None):
    group = np.zeros(len(y), dtype=int) if group is None else group
    return rate_covariance(y, np.ones(len(y)), group, clusters, weight, proportion=True)


@pytest.mark.parametrize("design", [(40, 1, 0.9, 0.4), (40, 1, 0.7, 0.4), (150, 1, 0.9, 0.4), (40, 1, 0.1, 0.4)])
def test_a_rate_of_uneven_clusters_that_repeat_a_case_holds_its_level(design):
    rng, runs, missed, right = np.random.default_rng(11), 400, 0, design[2]
    for _ in range(runs):
        y, cluster = repeated(*design, 600, rng)
        found = clustered_rate_interval(covariance(y, [cluster]))
        missed += bool(found.low[0] > right if right > 0.5 else found.high[0] < right)
    assert missed <= runs * 0.025 + 2 * np.sqrt(runs * 0.025)


def test_a_shift_for_skewness_only_widens_and_only_towards_the_rarer_outcome():
    rng = np.random.default_rng(2)
    y, cluster = repeated(40, 1, 0.9, 0.4, 600, rng)
    for cov in (covariance(y, [cluster]), covariance(1 - y, [cluster])):
        plain = clustered_rate_interval(type(cov)(**{**vars(cov), "skew": np.zeros(1)}))
        shifted = clustered_rate_interval(cov)
        far, near = ("low", "high") if cov.rates[0] > 0.5 else ("high", "low")
        assert abs(getattr(shifted, far) - cov.rates)[0] > abs(getattr(plain, far) - cov.rates)[0]
        assert getattr(shifted, near) == getattr(plain, near)


def test_clusters_of_single_cases_are_not_skew():
    y = np.append(np.ones(5), np.zeros(195))
    assert covariance(y, [np.arange(200)]).skew.tolist() == [0.0]
    assert covariance(y, [np.full(200, -1)]).skew.tolist() == [0.0]
    assert covariance(y, []).skew.tolist() == [0.0]


@pytest.mark.parametrize("ways", [1, 2])
@pytest.mark.parametrize("weighted", [False, True])
def test_skewness_does_not_depend_on_how_the_cases_are_written(ways, weighted):
    """Cases or their sums, single cases with a code of their own or without, the event or its absence, two groups or one."""
    rng = np.random.default_rng(5)
    y, cluster = repeated(40, 1, 0.8, 0.5, 2_000, rng)
    clusters, weight = [cluster, rng.integers(0, 50, 2_000)][:ways], rng.choice([1.0, 3.0], 40)[cluster] if weighted else None
    cov = covariance(y, clusters, weight=weight)
    assert cov.skew[0] > 0
    np.testing.assert_allclose(covariance(1 - y, clusters, weight=weight).skew, cov.skew)
    if not weighted:
        np.testing.assert_allclose(covariance(y, clusters, weight=np.full(2_000, 7.0)).skew, cov.skew)
    cells, cell = np.unique(np.column_stack(clusters), axis=0, return_inverse=True)
    w = np.ones(2_000) if weight is None else weight
    hits, misses = (
        tuple(np.bincount(cell.reshape(-1), part * of, minlength=len(cells)) for of in (np.ones(2_000), w, w**2))
        for part in (y, 1 - y)
    )
    summed = summed_rate_covariance(misses, hits, np.zeros(len(cells), dtype=int), list(cells.T), 1)
    np.testing.assert_allclose(summed.skew, cov.skew)


def test_the_shift_grows_with_the_critical_value():
    shift = skewness_shift(np.array([1.0, 2.0, 3.0]), np.array([0.12, 0.12, 0.12]))
    np.testing.assert_allclose(shift, [0.03, 0.09, 0.19])


def groups(first, second, rng):
    """Return the covariance of two alike groups of clusters that repeat a case; designs end with the number of cases."""
    parts = repeated(*first, rng), repeated(*second, rng)
    y, cluster = np.append(parts[0][0], parts[1][0]), np.append(parts[0][1], first[0] + parts[1][1])
    return covariance(y, [cluster], np.repeat([0, 1], [first[-1], second[-1]]))


@pytest.mark.parametrize("right", [0.9, 0.1])
def test_a_group_of_uneven_clusters_shows_no_gap_to_a_large_one_that_is_alike(right):
    rng, runs, claimed = np.random.default_rng(13), 200, np.zeros(4)
    for _ in range(runs):
        cov = groups((40, 1, right, 0.4, 600), (400, 0, right, 0.4, 6_000), rng)
        gap, ratio = (of(cov, draws=2_000, rng=rng) for of in (clustered_gap, clustered_ratio))
        rest, difference = clustered_group_vs_rest(cov, draws=2_000, rng=rng), clustered_difference(cov)
        off = ((rest.low > 0) | (rest.high < 0)).any() / 2  # two ends
        claimed += [gap.low > 0, ratio.high < 1, off, (difference.low if right > 0.5 else -difference.high)[0] > 0]
    assert np.all(claimed <= runs * 0.025 + 2 * np.sqrt(runs * 0.025)), claimed


def test_p_values_agree_with_shifted_limits():
    rng = np.random.default_rng(3)
    for _ in range(40):
        cov = groups((40, 1, 0.9, 0.4, 600), (400, 0, 0.8, 0.4, 6_000), rng)
        difference = clustered_difference(cov)
        assert (difference.p_value[0] <= 0.05) == bool(difference.low[0] > 0 or difference.high[0] < 0)
        gap = clustered_gap(cov, draws=2_000, rng=rng)
        assert gap.low == 0 or gap.p_value <= 0.05


def test_the_shift_of_a_difference_only_widens_and_cancels_between_groups_that_are_skew_alike():
    cov = groups((40, 1, 0.9, 0.4, 600), (400, 0, 0.9, 0.4, 6_000), np.random.default_rng(2))
    plain = type(cov)(**{**vars(cov), "skew": np.zeros(2)})
    shifted, unshifted = clustered_difference(cov), clustered_difference(plain)
    assert shifted.low < unshifted.low
    assert shifted.high == unshifted.high
    alike = cov.subset([0, 0])
    assert clustered_difference(alike).low == clustered_difference(plain.subset([0, 0])).low


def test_critical_values_are_those_at_which_shifted_limits_are_zero():
    value, se, skew = np.array([0.3, 0.3, -0.1]), np.full(3, 0.1), np.array([-0.2, 0.2, -0.2])
    t = deskewed(value, se, skew)
    np.testing.assert_allclose(value[0], t[0] * se[0] + skewness_shift(t[:1], np.array([0.2]))[0])
    assert t[1] == value[1] / se[1]
    assert t[2] <= value[2] / se[2]
