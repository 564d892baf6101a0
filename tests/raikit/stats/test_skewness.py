"""Limits where few clusters are much worse than the others, so that errors are skew."""

import numpy as np
import pytest

from raikit.stats import clustered_rate_interval, rate_covariance
from raikit.stats.covariance import summed_rate_covariance
from raikit.stats.skewness import skewness_shift


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
