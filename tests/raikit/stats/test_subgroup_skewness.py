"""Skewness of overlapping groups and their rests, and a search where few clusters are much worse than the others."""

from dataclasses import replace

import numpy as np
import pytest

from raikit import stats
from raikit.stats.quantities import Quantities


def repeated(clusters, zipf, right, copies, cases, rng):
    """Return whether predictions are wrong, and their clusters, each of which repeats its first case."""
    share = np.arange(1, clusters + 1.0) ** -zipf
    cluster = rng.choice(clusters, cases, p=share / share.sum())
    wrong = rng.random(cases) >= right
    first = np.full(clusters, -1)
    first[cluster[::-1]] = np.arange(cases)[::-1]
    return np.where(rng.random(cases) < copies, wrong[first[cluster]], wrong), cluster


def sample(right, other, rng):
    """Return events, clusters and whether a case is of the small group: 600 cases of 40 Zipf clusters beside another design."""
    (small, own), (large, others) = repeated(40, 1, right, 0.4, 600, rng), repeated(*other, rng)
    return np.append(small, large), np.append(own, 40 + others), np.repeat([1, 0], [600, other[-1]])


# The large group and the small one; and groups within the small one, by a feature of single cases, with what is outside them
TWO = np.array([[1, 0, 0], [0, 1, 1]], dtype=bool)
NESTED = np.array([[1, 0, 0], [0, 1, 1], [0, 1, 0], [0, 0, 1], [1, 1, 0], [1, 0, 1]], dtype=bool)


@pytest.mark.parametrize("members", [TWO, NESTED])
@pytest.mark.parametrize("right", [0.9, 0.1])
@pytest.mark.parametrize("copies", [0.0, 0.8])
def test_a_search_flags_no_large_group_beside_uneven_clusters_that_are_alike(members, right, copies):
    """The few clusters that are much worse, or better, may be absent from the small group, which then looks certain."""
    rng, runs, flagged, missed = np.random.default_rng(17), 200, 0, 0
    other = (3_000, 0, right, 0.0, 3_000) if copies == 0 else (400, 0, right, 0.4, 6_000)
    for _ in range(runs):
        events, cluster, small = sample(right, other, rng)
        cell = small * rng.integers(1, 3, len(small))
        found = stats.subgroup_rates(events, cell, members, [cluster])
        if not found.few_clusters.all():
            groups = found.subset(~found.few_clusters)
            flagged += bool(stats.worse_than_rest(groups).flagged.any())
            missed += stats.certificate(groups, draws=500, rng=rng).floor > 0
    assert flagged <= runs * 0.05 + 2 * np.sqrt(runs * 0.05), flagged
    assert missed <= runs * 0.025 + 2 * np.sqrt(runs * 0.025), missed


@pytest.mark.parametrize("ways", [1, 2])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("right", [0.8, 0.3])
def test_skewness_is_that_of_two_rates(ways, weighted, right):
    """Sums of a rest are those of all clusters, corrected for the group; here each rest is a group of its own."""
    rng, expected = np.random.default_rng(5), []
    events, cluster = repeated(40, 1, right, 0.5, 2_000, rng)
    cell = np.where(cluster < 20, 0, rng.integers(1, 4, 2_000))  # a cluster is in one cell or in several
    cluster[:200] = np.arange(1_000, 1_200) if weighted else -1
    codes, members = [cluster, rng.integers(0, 50, 2_000)][:ways], ~np.eye(4, dtype=bool)
    weight = rng.choice([1.0, 3.0], 1_200)[cluster] if weighted else np.full(2_000, 7.0)
    found = stats.subgroup_rates(events, cell, members, codes, weight).skew
    for group in members:
        cov = stats.rate_covariance(events, np.ones(2_000), (~group[cell]).astype(int), codes, weight, proportion=True)
        expected.append(Quantities.of(cov).skew(np.array([0]), np.array([1]))[0])
    assert np.all(np.abs(found) > 0)
    np.testing.assert_allclose(found, expected, rtol=1e-5)  # small clusters of a rest share a divisor of its variance


def test_clusters_of_single_cases_are_not_skew():
    events, cell = np.append(np.ones(5), np.zeros(195)), np.arange(200) % 3
    for codes in ([np.arange(200)], [np.full(200, -1)], []):
        assert stats.subgroup_rates(events, cell, NESTED, codes).skew.tolist() == [0.0] * 6


def test_the_shift_only_widens_and_p_values_agree_with_it():
    rng = np.random.default_rng(3)
    for _ in range(20):
        events, cluster, small = sample(0.9, (3_000, 0, 0.75, 0.0, 3_000), rng)
        shifted = stats.subgroup_rates(events, small, TWO[:, :2], [cluster])
        plain = replace(shifted, skew=np.zeros(2))
        assert shifted.skew[0] < 0 < shifted.skew[1]
        one, other = (stats.worse_than_rest(groups, fdr=0.001) for groups in (shifted, plain))
        np.testing.assert_array_equal(one.flagged, one.low > 0)
        assert np.all((one.low <= other.low) & (one.high >= other.high) & (one.p_value >= other.p_value))
        assert one.low[0] < other.low[0]
