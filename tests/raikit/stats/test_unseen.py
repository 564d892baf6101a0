"""Limits of rates allow for clusters that repeat the rarer outcome and were not seen, above 98% for half a cluster more."""

import numpy as np
import pytest

from raikit.stats import (
    clustered_difference,
    clustered_gap,
    clustered_group_vs_rest,
    clustered_rate_interval,
    clustered_ratio,
    loss_interval,
    rate_covariance,
    subgroup_rates,
    worse_than_rest,
)
from raikit.stats.unseen import Repeats, farthest, with_unseen_cluster


def of_clusters(rates, clusters, cases=15, seed=0):
    """Return groups of even clusters, whose cases are independent of each other: what is left where none of the bad ones is seen."""
    rng, size = np.random.default_rng(seed), clusters * cases
    group = np.repeat(np.arange(len(rates)), size)
    y = (rng.random(len(group)) < np.repeat(rates, size)).astype(int)
    return rate_covariance(y, np.ones(len(y)), group, [np.arange(len(y)) // cases], proportion=True)


def test_no_strict_limit_denies_what_one_unseen_kind_of_cluster_may_change():
    # A tenth of the clusters repeats a wrong prediction in 40% of its cases: the rate is .9. In 1.5% of samples of 40 clusters
    # there is none of them, and the cases look independent, with a rate of .94.
    cov = of_clusters([0.94], 40, seed=1)
    assert clustered_rate_interval(cov, 0.95).low[0] > 0.9
    assert clustered_rate_interval(cov, 0.99).low[0] < 0.9
    assert clustered_rate_interval(cov, 0.999).low[0] < 0.9


def test_gaps_and_ratios_at_strict_levels_allow_for_it_as_well():
    cov = of_clusters([0.94, 0.89], 40, seed=1)
    rng = np.random.default_rng(0)
    assert clustered_gap(cov, 0.95, rng=rng).low > 0 and clustered_ratio(cov, 0.95, rng=rng).high < 1
    assert clustered_gap(cov, 0.99, rng=rng).low == 0 and clustered_ratio(cov, 0.99, rng=rng).high == 1
    rest, pair = clustered_group_vs_rest(cov, 0.99, rng=rng), clustered_difference(cov, 0.99)
    assert (rest.low < 0).all() and (rest.high > 0).all() and pair.low[0] < 0


@pytest.mark.parametrize("level", [0.95, 0.97, 0.98, 0.99, 0.999])
def test_p_values_are_no_smaller_than_limits_allow(level):
    rng = np.random.default_rng(0)
    for apart in np.linspace(0.02, 0.3, 12):
        cov = of_clusters([0.94, 0.94 - apart], 40)
        pair, gap = clustered_difference(cov, level), clustered_gap(cov, level, rng=rng)
        assert not pair.p_value[0] <= 1 - level or pair.low[0] > 0
        assert not gap.p_value <= (1 - level) / 2 * 0.9 or gap.low > 0  # Monte-Carlo error of the draws


def test_a_large_gap_is_found_at_every_level():
    cov = of_clusters([0.9, 0.5], 40)
    assert clustered_gap(cov, 0.999, rng=np.random.default_rng(0)).low > 0


def test_nothing_changes_up_to_98_percent_or_without_clusters():
    cov = of_clusters([0.9, 0.8], 40)
    assert with_unseen_cluster(cov, 0.98) is cov
    alone = rate_covariance([0, 1] * 40, np.ones(80), np.zeros(80, dtype=int), (), proportion=True)
    assert with_unseen_cluster(alone, 0.99) is alone


def test_limits_widen_with_the_level_and_hardly_where_there_are_many_clusters():
    cov = of_clusters([0.9], 40)
    widths = [float((each.high - each.low)[0]) for each in (clustered_rate_interval(cov, x) for x in (0.95, 0.96, 0.98, 0.99, 0.999))]
    assert widths == sorted(widths)
    many = of_clusters([0.9], 2_000)
    assert with_unseen_cluster(many, 0.99).M[0, 0] < 1.1 * many.M[0, 0]


def test_losses_at_strict_levels_allow_for_a_cluster_of_cases_like_the_worst():
    # As above: of 40 clusters none repeats one of the large losses, of which there are .1 in truth.
    cluster = np.arange(600) // 15
    losses = np.where(np.arange(600) % 17 < 1, 0.8, 0.02)
    truth = 0.1 * 0.8 + 0.9 * 0.02
    assert loss_interval(losses, clusters=[cluster], level=0.95, largest=1.0).high < truth
    assert loss_interval(losses, clusters=[cluster], level=0.99, largest=1.0).high > truth
    assert loss_interval(losses, level=0.99, largest=1.0).high < truth  # independent cases need no such allowance


def with_copies(clusters, right, copies, rng, cases=15):
    """Return a group of even clusters, each of which repeats its first case in a share of its cases."""
    cluster = np.arange(clusters * cases) // cases
    wrong = (rng.random(len(cluster)) > right).astype(int)
    return np.where(rng.random(len(cluster)) < copies, wrong[cluster * cases], wrong), cluster


@pytest.mark.parametrize("turned", [False, True])
def test_a_rate_of_clusters_that_repeat_a_case_holds_its_level_where_none_of_the_bad_ones_is_seen(turned):
    rng, runs, missed = np.random.default_rng(2), 300, 0
    for _ in range(runs):
        wrong, cluster = with_copies(40, 0.95, 0.6, rng)
        cov = rate_covariance(1 - wrong if turned else wrong, np.ones(600), np.zeros(600, dtype=int), [cluster], proportion=True)
        found = clustered_rate_interval(cov)
        missed += bool(1 - found.low[0] < 0.05 if turned else found.high[0] < 0.05)
    assert missed <= runs * 0.025 + 2 * np.sqrt(runs * 0.025)


def test_a_group_without_bad_clusters_is_not_shown_to_be_better_than_one_like_it():
    rng, runs, claims = np.random.default_rng(2), 120, np.zeros(4, dtype=int)
    for _ in range(runs):
        (few, own), (many, other) = with_copies(40, 0.95, 0.6, rng), with_copies(400, 0.95, 0.6, rng)
        wrong, cluster = np.append(few, many), np.append(own, other + 40)
        group = np.repeat([0, 1], [len(few), len(many)])
        cov = rate_covariance(wrong, np.ones(len(wrong)), group, [cluster], proportion=True)
        gap, ratio = (of(cov, draws=1_000, rng=rng) for of in (clustered_gap, clustered_ratio))
        found = worse_than_rest(subgroup_rates(wrong, group, np.eye(2, dtype=bool), [cluster]))
        claims += [gap.low > 0, gap.p_value < 0.0125, ratio.high < 1, found.flagged.any()]
    assert (claims <= runs * np.array([0.025, 0.025, 0.025, 0.05]) + 2 * np.sqrt(runs * 0.025)).all()


def test_few_wrong_predictions_do_not_exclude_what_none_among_the_clusters_could_not():
    cluster = np.arange(600) // 15
    for wrong in (0, 1, 3):
        y = (np.arange(600) % 200 == 7).astype(int) * (np.arange(600) < 200 * wrong)
        cov = rate_covariance(y, np.ones(600), np.zeros(600, dtype=int), [cluster], proportion=True)
        assert clustered_rate_interval(cov).high[0] >= 1 - 0.025 ** (1 / 40)


def test_ordinary_rates_and_clusters_of_single_cases_pay_nothing():
    group, ones = np.zeros(600, dtype=int), np.ones(600)
    ordinary = (np.arange(600) % 7 == 0).astype(int)
    rare = (np.arange(600) % 100 == 0).astype(int)
    for y, cluster in ((ordinary, np.arange(600) // 15), (rare, np.arange(600))):
        cov = rate_covariance(y, ones, group, [cluster], proportion=True)
        unbound = type(cov)(**{**vars(cov), "several": np.zeros(1)})
        assert clustered_rate_interval(cov).high == clustered_rate_interval(unbound).high
    pairs = np.append(np.arange(594), np.repeat([594, 595, 596], 2))  # three pairs hardly matter
    cov = rate_covariance(rare, ones, group, [pairs], proportion=True)
    unbound = type(cov)(**{**vars(cov), "several": np.zeros(1)})
    assert clustered_rate_interval(cov).high[0] < 1.02 * clustered_rate_interval(unbound).high[0]


def test_groups_whose_clusters_repeat_little_bound_what_clusters_of_another_group_may_repeat():
    rare, ordinary = of_clusters([0.02], 12, cases=60), of_clusters([0.02, 0.3, 0.3, 0.3], 12, cases=60)
    alone, beside = (clustered_rate_interval(cov).high[0] for cov in (rare, ordinary))
    assert beside < 0.7 * alone
    crossing = Repeats.of(np.full(4, 0.3), np.full(4, 12.0), np.full(4, 12.0), np.zeros(4), distinct=0.25)
    assert crossing.expected == pytest.approx(3.6)  # the same twelve clusters, four times
    assert crossing.at_most(1.96) == pytest.approx(1.0)


def test_no_limit_comes_nearer():
    far = np.linspace(0.001, 0.9, 50)
    for repeated in (0.0, 0.3, 1.0):
        assert (farthest(far, np.full(50, 40.0), np.array(repeated), 0.025) >= far).all()
