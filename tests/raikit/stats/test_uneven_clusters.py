"""Levels where one cluster holds much of a group; each of these fails with sums of squares and counts of clusters."""

import numpy as np
import pytest

from raikit.stats import (
    auc_interval,
    bootstrap_interval,
    calibration_error,
    clustered_gap,
    clustered_group_vs_rest,
    clustered_rate_interval,
    mean_interval,
    rate_covariance,
    subgroup_rates,
)

RUNS = 200
SIZES = {
    "third": np.append(400, np.full(39, 20)),
    "half": np.append(780, np.full(39, 20)),
    "zipf": np.maximum(1600 / np.arange(1, 41) / np.sum(1 / np.arange(1, 41)), 1).astype(int),
}


def at_most(misses, runs, nominal):
    """Whether the share of misses is within three Monte-Carlo errors of nominal."""
    return misses <= runs * nominal + 3 * np.sqrt(runs * nominal)


def group_of(sizes, rate, spread, rng):
    """Outcomes and clusters of a group whose clusters have beta-distributed rates."""
    a = rate * (1 / spread - 1)
    cluster = np.repeat(np.arange(len(sizes)), sizes)
    return (rng.random(len(cluster)) < rng.beta(a, a * (1 - rate) / rate, len(sizes))[cluster]).astype(int), cluster


def groups_of(sizes, k, rng, rate=0.3, spread=0.2):
    """Alike groups, each of clusters of its own."""
    parts = [group_of(sizes, rate, spread, rng) for _ in range(k)]
    y = np.concatenate([events for events, _ in parts])
    cluster = np.concatenate([len(sizes) * g + codes for g, (_, codes) in enumerate(parts)])
    return rate_covariance(y, np.ones(len(y)), np.repeat(np.arange(k), sizes.sum()), [cluster])


@pytest.mark.parametrize("name", ["third", "zipf"])
def test_alike_groups_of_uneven_clusters_show_no_gap(name):
    rng, found = np.random.default_rng(3), 0
    for _ in range(RUNS):
        found += clustered_gap(groups_of(SIZES[name], 2, rng), draws=2_000, rng=rng).low > 0
    assert at_most(found, RUNS, 0.025)


def test_a_group_of_which_one_cluster_holds_half_does_not_decide():
    cov = groups_of(SIZES["half"], 2, np.random.default_rng(3))
    assert cov.n_clusters.tolist() == [40, 40]
    assert cov.few_clusters.all()


@pytest.mark.parametrize("share", [0.1, 0.33])
def test_a_rate_is_undecided_or_holds_where_the_largest_cluster_is_of_another_kind(share):
    rng, runs, missed = np.random.default_rng(5), 300, 0
    sizes = np.append(round(share / (1 - share) * 20 * 149), np.full(149, 20))
    cluster, mean = np.repeat(np.arange(150), sizes), np.append(0.3, np.full(149, 0.033))
    for _ in range(runs):
        y = (rng.random(len(cluster)) < np.clip(mean * rng.gamma(2, 0.5, 150), 0, 1)[cluster]).astype(int)
        cov = rate_covariance(y, np.ones(len(y)), np.zeros(len(y), dtype=int), [cluster], proportion=True)
        missed += clustered_rate_interval(cov).high[0] < sizes @ mean / sizes.sum() and not cov.few_clusters[0]
    assert at_most(missed, runs, 0.025)


def mean_share(weights):
    """Return the weighted mean of cases of which every third is 1."""
    return weights[:, ::3].sum(axis=1) / weights.sum(axis=1)


def test_wherever_clusters_are_used_one_that_dominates_leaves_a_result_undecided():
    rng, found = np.random.default_rng(2), {}
    for kind, largest in (("one", 200), ("two", 60)):
        sizes = np.append([largest, 60], np.full(98, 20))
        cluster = np.repeat(np.arange(100), sizes)
        y, score = rng.integers(0, 2, len(cluster)), rng.random(len(cluster))
        everyone, half = np.zeros(len(y), dtype=int), np.arange(100) % 2
        groups = subgroup_rates(y, half[cluster], [[1, 0]], [cluster])
        found[kind] = [
            bool(rate_covariance(y, np.ones(len(y)), everyone, [cluster]).few_clusters[0]),
            "few_clusters" in mean_interval(score, clusters=[cluster]).flags,
            "few_clusters" in auc_interval(y, score, clusters=[cluster]).flags,
            calibration_error(y, score, everyone, clusters=[cluster], rng=rng, draws=50).few_clusters,
            bool(groups.few_clusters[0]),
            "few_clusters" in bootstrap_interval(mean_share, len(y), clusters=[cluster], draws=50, rng=rng).flags,
        ]  # fmt: skip
    assert found == {"one": [True] * 6, "two": [False] * 6}


@pytest.mark.parametrize(("rate", "spread"), [(0.3, 0.2), (0.03, 0.1), (0.95, 0.3)])
@pytest.mark.parametrize("name", ["third", "zipf"])
def test_the_rate_of_a_group_of_uneven_clusters_is_covered(name, rate, spread):
    rng, low, high = np.random.default_rng(4), 0, 0
    for _ in range(2 * RUNS):
        y, cluster = group_of(SIZES[name], rate, spread, rng)
        cov = rate_covariance(y, np.ones(len(y)), np.zeros(len(y), dtype=int), [cluster], proportion=True)
        found = clustered_rate_interval(cov)
        low, high = low + (found.low[0] > rate), high + (found.high[0] < rate)
    assert at_most(low, 2 * RUNS, 0.025)
    assert at_most(high, 2 * RUNS, 0.025)


def test_a_group_with_few_events_is_not_far_from_a_well_known_rest():
    rng, gaps, rests = np.random.default_rng(5), 0, 0
    for _ in range(RUNS):
        cov = groups_of(np.full(40, 20), 5, rng, 0.95, 0.3)
        gaps += clustered_gap(cov, draws=2_000, rng=rng).low > 0
        each = clustered_group_vs_rest(cov, draws=2_000, rng=rng)
        rests += bool(np.any((each.low > 0) | (each.high < 0)))
        np.testing.assert_array_equal((each.p_value < 1e-12), np.zeros(5, dtype=bool))
    assert at_most(gaps, RUNS, 0.025)
    assert at_most(rests, RUNS, 0.05)


def test_a_column_that_ties_few_cases_changes_almost_nothing():
    rng = np.random.default_rng(6)
    y, group = rng.random(6000) < 0.3, np.arange(6000) % 3
    column = np.full(6000, -1)
    column[:4] = [0, 0, 1, 1]
    free, tied = (rate_covariance(y, np.ones(6000), group, columns) for columns in ([], [column]))
    assert not tied.few_clusters.any()
    assert tied.n_clusters.min() >= 1998
    np.testing.assert_allclose(np.diag(tied.M), np.diag(free.M), rtol=0.01)
    ends = [clustered_gap(cov, rng=np.random.default_rng(1)) for cov in (free, tied)]
    assert (ends[1].low, ends[1].high) == pytest.approx((ends[0].low, ends[0].high), abs=0.004)
