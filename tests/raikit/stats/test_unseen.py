"""Limits at levels above 98% allow for a cluster that was not seen; up to 98% nothing changes."""

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
)
from raikit.stats.unseen import with_unseen_cluster


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
