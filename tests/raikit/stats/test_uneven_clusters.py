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
    influence_covariance,
    loss_interval,
    mean_interval,
    rate_covariance,
    ratio_of_means_interval,
    subgroup_rates,
)
from raikit.stats.dominance import dominated

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


@pytest.mark.parametrize(("share", "number", "rates"), [
    (0.1, 1, (0.033, 0.3)), (0.33, 1, (0.033, 0.3)), (0.04, 1, (0.02, 0.5)), (0.2, 2, (0.2, 0.5)), (0.5, 3, (0.2, 0.5)),
])  # fmt: skip
def test_a_rate_is_undecided_or_holds_where_the_largest_clusters_are_of_another_kind(share, number, rates):
    rng, runs, missed = np.random.default_rng(5), 300, 0
    sizes = np.repeat([round(share / (1 - share) * 20 * (150 - number) / number), 20], [number, 150 - number])
    cluster, mean = np.repeat(np.arange(150), sizes), np.repeat(rates[::-1], [number, 150 - number])
    for _ in range(runs):
        y = (rng.random(len(cluster)) < np.clip(mean * rng.gamma(2, 0.5, 150), 0, 1)[cluster]).astype(int)
        cov = rate_covariance(y, np.ones(len(y)), np.zeros(len(y), dtype=int), [cluster], proportion=True)
        missed += clustered_rate_interval(cov).high[0] < sizes @ mean / sizes.sum() and not cov.few_clusters[0]
    assert at_most(missed, runs, 0.025)


def mean_of(values, cluster):
    return mean_interval(values, clusters=[cluster])


def loss_of(values, cluster):
    return loss_interval(values**2, clusters=[cluster])


def ratio_of(values, cluster):
    return ratio_of_means_interval(values**2, np.full(len(values), 4.0), clusters=[cluster])


def brier_of(values, cluster):
    return loss_interval(np.clip(np.abs(values) / 10, 0, 1), clusters=[cluster], largest=1.0)


@pytest.mark.parametrize(("estimate", "times", "number"), [
    (mean_of, 2.0, 40), (mean_of, 2.5, 40), (mean_of, 3.0, 40), (loss_of, 3.0, 150), (ratio_of, 3.0, 150), (brier_of, 3.0, 150),
])  # fmt: skip
def test_a_mean_is_undecided_or_holds_where_the_largest_cluster_is_of_another_kind(estimate, times, number):
    """Its mean is nine times as high, so that a sample in which it happens to be like the others looks precise."""
    rng, runs = np.random.default_rng(7), 600
    cluster = np.repeat(np.arange(number), np.append(round(20 * times), np.full(number - 1, 20)))
    mean = np.append(3.0, np.full(number - 1, 0.33))
    found = [
        estimate((mean * rng.gamma(2, 0.5, number))[cluster] + 0.3 * rng.normal(size=len(cluster)), cluster) for _ in range(runs)
    ]
    truth = np.mean([each.value for each in found])
    missed = sum(each.high < truth and not {"few_clusters", "open_high"} & set(each.flags) for each in found)
    assert missed <= 0.05 * runs + 1


def test_a_mean_of_clusters_of_one_kind_is_decided_as_often_as_a_rate():
    """The step of the largest cluster is judged by the spread of the sizes, and counts only for means."""
    rng, kinds = np.random.default_rng(8), {
        "equal": lambda: np.full(40, 20), "chance": lambda: rng.poisson(20, 40), "uniform": lambda: rng.integers(5, 36, 40),
        "zipf": lambda: SIZES["zipf"], "log-normal": lambda: np.ceil(20 * rng.lognormal(0, 0.5, 40)).astype(int),
    }  # fmt: skip
    undecided = dict.fromkeys(kinds, 0)
    for kind, draw in kinds.items():
        for _ in range(200):
            cluster = np.repeat(np.arange(40), draw())
            values = rng.normal(size=len(cluster))
            cov = rate_covariance(values > 0, np.ones(len(values)), np.zeros(len(values), dtype=int), [cluster])
            undecided[kind] += "few_clusters" in mean_of(values, cluster).flags and not cov.few_clusters[0]
    assert undecided == {kind: pytest.approx(0, abs=2 if kind != "log-normal" else 12) for kind in kinds}


def test_single_cases_and_a_pair_decide_a_mean():
    values = np.random.default_rng(9).normal(size=60)
    assert "few_clusters" not in mean_of(values, np.append([0, 0], np.full(58, -1))).flags
    assert "few_clusters" in mean_of(values, np.append(np.zeros(6, dtype=int), np.full(54, -1))).flags


def mean_share(weights):
    """Return the weighted mean of cases of which every third is 1."""
    return weights[:, ::3].sum(axis=1) / weights.sum(axis=1)


def test_wherever_clusters_are_used_up_to_three_that_dominate_leave_a_result_undecided():
    rng, found = np.random.default_rng(2), {}
    kinds = {"one": [200], "of many": [80], "two": [200, 180], "three": [200, 180, 70], "four": [200] * 4, "steps": [60, 60, 20]}
    for kind, largest in kinds.items():
        sizes = np.append(largest, np.full(100 - len(largest), 20))
        cluster = np.repeat(np.arange(100), sizes)
        y, score = rng.integers(0, 2, len(cluster)), rng.random(len(cluster))
        everyone, half = np.zeros(len(y), dtype=int), np.arange(100) // 50
        groups = subgroup_rates(y, half[cluster], [[1, 0]], [cluster])
        found[kind] = [
            bool(rate_covariance(y, np.ones(len(y)), everyone, [cluster]).few_clusters[0]),
            "few_clusters" in mean_interval(score, clusters=[cluster]).flags,
            "few_clusters" in auc_interval(y, score, clusters=[cluster]).flags,
            calibration_error(y, score, everyone, clusters=[cluster], rng=rng, draws=50).few_clusters,
            bool(groups.few_clusters[0]),
            "few_clusters" in bootstrap_interval(mean_share, len(y), clusters=[cluster], draws=50, rng=rng).flags,
        ]  # fmt: skip
    decided = {"four", "steps"}
    assert found == {kind: [kind not in decided] * 6 for kind in kinds}


def test_sizes_of_one_kind_are_decided_as_often_as_if_only_one_cluster_could_dominate():
    rng, undecided = np.random.default_rng(4), {"one": 0, "few": 0}
    for _ in range(400):
        sizes = np.maximum(np.round(20 * rng.lognormal(size=40)), 1)
        share, largest = sizes / sizes.sum(), np.sort(sizes)[::-1]
        undecided["one"] += largest[0] > 3 * largest[1]
        undecided["few"] += bool(dominated(np.zeros(40, dtype=int), share, np.array([share @ share]))[0])
    assert undecided["few"] <= undecided["one"] + 0.02 * 400


def test_cases_without_a_cluster_keep_small_clusters_from_dominating():
    column = np.append(np.repeat([0, 1], 3), np.full(60, -1))
    y, rng = np.arange(66) % 2, np.random.default_rng(0)
    everyone = np.zeros(66, dtype=int)
    assert not rate_covariance(y, np.ones(66), everyone, [column]).dominated.any()
    assert not calibration_error(y, np.full(66, 0.4), everyone, clusters=[column], rng=rng, draws=50).few_clusters
    assert not subgroup_rates(y, np.arange(66) // 33, [[1, 0]], [column]).dominated.any()


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


def test_a_family_among_single_cases_leaves_a_group_decided():
    """Any family is over three times as large as a single case; it is of a class of its own where it makes much of the group."""
    for size, flagged in ((4, False), (5, True)):
        share = np.array([size / 60])
        concentration = np.array([(size**2 + 60 - size) / 3600])
        found = dominated(np.zeros(1, dtype=int), share, concentration, np.array([1 / 60]))
        assert found[0] == flagged


def test_an_average_allows_for_one_more_cluster_on_the_side_away_from_its_nearer_bound():
    """An average of .9 and the share of errors that goes with it have mirrored limits."""
    rng = np.random.default_rng(0)
    cluster = np.repeat(np.arange(40), SIZES["zipf"])
    right = (rng.random(len(cluster)) < np.where(np.arange(40) == 5, 0.2, 0.95)[cluster]).astype(float)
    n, one_group, size = len(right), np.zeros(len(right), dtype=int), np.array([1e15])

    def ends(values):
        mean = np.array([values.mean()])
        cov = influence_covariance(mean, (values - mean) / n, one_group, [cluster], size, np.array([n]), scale="proportion")
        found = clustered_rate_interval(cov)
        return found.low[0], found.high[0]

    low, high = ends(right)
    assert (1 - high, 1 - low) == pytest.approx(ends(1 - right))
