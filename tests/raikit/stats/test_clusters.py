"""Groups of cases that share clusters: `covariance`, `clusters` and `quantities`."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, norm, t

from raikit.stats import (
    clopper_pearson,
    clustered_gap,
    clustered_group_vs_rest,
    clustered_odds_gap,
    clustered_rate_interval,
    clustered_ratio,
    gap,
    influence_covariance,
    rate_covariance,
)


@pytest.fixture
def rng():
    return np.random.default_rng(11)


def left_out(numerator, denominator, weight, group, cluster, k):
    """Covariance from the rates without each cluster, computed anew, one loop per thing."""

    def rates(keep):
        return [
            np.sum((weight * numerator)[keep & (group == g)]) / np.sum((weight * denominator)[keep & (group == g)])
            for g in range(k)
        ]

    every = np.array(rates(np.ones(len(group), dtype=bool)))
    moves = np.array([rates(cluster != c) - every for c in set(cluster)])
    found = np.array([len(set(cluster[group == g])) for g in range(k)])
    factor = np.sqrt((found - 1) / found)
    return every, moves.T @ moves * np.outer(factor, factor)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.booleans())
def test_the_covariance_is_that_of_the_rates_without_each_cluster(seed, two_way):
    rng = np.random.default_rng(seed)
    n, k = 120, 3
    numerator, denominator, weight = rng.normal(size=n) + 2, rng.integers(1, 4, n), rng.random(n) + 0.5
    group, first, second = rng.integers(0, k, n), rng.integers(0, 20, n), rng.integers(0, 15, n)
    columns = [first, second] if two_way else [first]
    cov = rate_covariance(numerator, denominator, group, columns, weight)
    table = numerator, denominator, weight, group
    rates, rows = left_out(*table, np.arange(n), k)
    ways = [left_out(*table, c, k)[1] for c in columns]
    if two_way:
        ways.append(sum(ways) - left_out(*table, first * 100 + second, k)[1])
    assert cov.rates == pytest.approx(rates)
    assert cov.vrow == pytest.approx(np.diag(rows), rel=0.05)  # single cases count with their mean share
    for expected in ways:  # no variance is below that of any way of counting, of a rate or of a difference
        assert np.all(np.diag(cov.M) >= np.diag(expected) - 1e-12)
        assert np.all(differences(cov.M) >= differences(expected) - 1e-9)
    if not two_way:
        expected[np.diag_indices(k)] = np.maximum(np.diag(expected), cov.vrow)
        np.testing.assert_allclose(cov.M, expected, atol=1e-12)
    assert np.linalg.eigvalsh(cov.M).min() > -1e-12


def differences(M):
    """Variances of all differences of two estimates."""
    return np.diag(M)[:, None] + np.diag(M) - 2 * M


def test_rows_told_three_times_are_as_informative_as_once(rng):
    y, group = rng.integers(0, 2, 200), rng.integers(0, 2, 200)
    once = rate_covariance(y, np.ones(200), group)
    thrice = rate_covariance(np.repeat(y, 3), np.ones(600), np.repeat(group, 3), [np.repeat(np.arange(200), 3)])
    np.testing.assert_allclose(thrice.M, once.M, atol=1e-12)
    assert thrice.n_effective == pytest.approx(once.n_effective - 1)  # a variance was estimated
    assert thrice.n_rows == pytest.approx(3 * once.n_rows)


def test_weights_are_scale_free(rng):
    y, group, cluster, weight = rng.integers(0, 2, 90), np.arange(90) % 2, np.arange(90) // 3, rng.random(90)
    small, large = (rate_covariance(y, np.ones(90), group, [cluster], weight * s) for s in (1, 1000))
    np.testing.assert_allclose(small.M, large.M, atol=1e-12)
    assert small.n_effective == pytest.approx(large.n_effective)


def test_a_rate_of_zero_keeps_the_clusters_as_its_sample_size():
    cov = rate_covariance(np.zeros(120), np.ones(120), np.zeros(120, dtype=int), [np.arange(120) // 6])
    found = clustered_rate_interval(cov)
    shrunk = 20 * (norm.ppf(0.975) / t.ppf(0.975, 19)) ** 2
    assert found.low[0] == 0
    assert found.high[0] == pytest.approx(1 - 0.025 ** (1 / shrunk))
    assert found.high[0] > binomtest(0, 20).proportion_ci().high


def test_independent_rows_give_clopper_pearson_up_to_the_degrees_of_freedom(rng):
    y = (rng.random(4000) < 0.2).astype(int)
    found = clustered_rate_interval(rate_covariance(y, np.ones(4000), np.zeros(4000, dtype=int), [np.arange(4000)]))
    low, high = clopper_pearson(y.sum(), 4000)
    assert (found.low[0], found.high[0]) == pytest.approx((float(low), float(high)), abs=2e-4)


def test_a_mean_gets_the_t_interval_of_its_cluster_means():
    values = np.repeat(np.arange(10.0), 4)  # all rows of a cluster alike, so cluster means are the data
    found = clustered_rate_interval(rate_covariance(values, np.ones(40), np.zeros(40, dtype=int), [np.arange(40) // 4]))
    oracle = t.interval(0.95, 9, loc=4.5, scale=np.std(np.arange(10.0), ddof=1) / np.sqrt(10))
    assert (found.low[0], found.high[0]) == pytest.approx(oracle)


def test_a_group_with_few_clusters_is_flagged_and_does_not_decide(rng):
    group = np.repeat([0, 1, 2], [400, 400, 40])
    cluster = np.concatenate([np.arange(400) // 10, 40 + np.arange(400) // 10, 80 + np.maximum(np.arange(40) - 20, 0)])
    y = np.concatenate([rng.integers(0, 2, 800), np.ones(40)])
    cov = rate_covariance(y, np.ones(840), group, [cluster])
    found, without = (clustered_gap(c, rng=np.random.default_rng(1)) for c in (cov, cov.subset(~cov.few_clusters)))
    assert cov.few_clusters.tolist() == [False, False, True]
    assert cov.n_clusters.tolist() == [40, 40, 20]  # one of the 20 holds half of the third group
    assert cov.df == pytest.approx([39, 39, 40**2 / (21**2 + 19) - 1])
    assert found.best == 2
    assert (found.low, found.critical, found.p_value) == (without.low, without.critical, without.p_value)
    assert found.high > without.high + 0.3


def test_a_covariance_that_two_ways_make_impossible_is_mended():
    """Two clusters a way, each in a quarter of the cases of a group, give a matrix with a negative eigenvalue."""
    numerator = np.array([1, 0, 0, 1, 0, 1, 1, 0, 1.0, 0, 0, 1])
    group, first, second = np.arange(12) % 3, np.arange(12) // 6, np.arange(12) % 2
    ones, ways = np.ones(12), [first, second, 10 * first + second]
    one, other, both = (left_out(numerator, ones, ones, group, c, 3)[1] for c in ways)
    raw = one + other - both
    cov = rate_covariance(numerator, np.ones(12), group, [first, second], proportion=False)
    raw[np.diag_indices(3)] = np.maximum(np.diag(raw), cov.vrow)
    assert np.linalg.eigvalsh(raw).min() < -1e-6
    assert np.linalg.eigvalsh(cov.M).min() > -1e-12


def test_undefined_rates_are_refused_and_left_out_by_subset(rng):
    y, group = rng.integers(0, 2, 100), np.arange(100) % 2
    cov = rate_covariance(y, np.ones(100), group, [np.arange(100)], groups=3)
    assert np.isnan(cov.rates[2])
    with pytest.raises(ValueError, match="subset"):
        clustered_gap(cov, rng=rng)
    kept = cov.subset(~np.isnan(cov.rates))
    assert clustered_gap(kept, rng=rng).value == pytest.approx(abs(np.diff(kept.rates)[0]))


def test_three_cluster_columns_are_refused(rng):
    with pytest.raises(ValueError, match="at most two"):
        rate_covariance(np.ones(9), np.ones(9), np.zeros(9, dtype=int), [np.arange(9)] * 3)


def test_independent_rows_give_the_gap_of_counts(rng):
    n = np.array([900, 800, 1000])
    x = np.array([300, 180, 330])
    y = np.concatenate([np.arange(size) < hits for hits, size in zip(x, n, strict=True)]).astype(int)
    cov = rate_covariance(y, np.ones(len(y)), np.repeat([0, 1, 2], n), [np.arange(len(y))])
    ours, counted = clustered_gap(cov, rng=rng), gap(x, n, rng=rng)
    assert (ours.value, ours.worst, ours.best) == (pytest.approx(counted.value), counted.worst, counted.best)
    assert (ours.low, ours.high) == pytest.approx((counted.low, counted.high), abs=2e-3)


def test_an_odds_gap_takes_the_wider_stratum(rng):
    group, y = rng.integers(0, 3, 3000), rng.integers(0, 2, 3000)
    predicted = (rng.random(3000) < np.where(y == 1, 0.8 - 0.3 * (group == 1), 0.2)).astype(int)
    strata = np.repeat([0, 1], 3)
    cov = rate_covariance(predicted, np.ones(3000), group + 3 * y, [np.arange(3000) // 5])
    found = clustered_odds_gap(cov, strata, rng=rng)
    assert (found.worst, found.stratum) == (4, 1)
    assert found.value == pytest.approx(np.ptp(cov.rates[3:]))
    assert 0.2 < found.low < 0.3 < found.high < 0.4
    alone = clustered_gap(cov.subset([3, 4, 5]), rng=rng)
    assert found.low <= alone.low + 5e-3


def test_a_ratio_of_means_is_covered_on_the_log_scale(rng):
    group = np.arange(2000) % 2
    error = rng.exponential(np.where(group == 0, 1.0, 2.0))
    found = clustered_ratio(rate_covariance(error, np.ones(2000), group, [np.arange(2000) // 4]), rng=rng)
    assert found.low < 0.5 < found.high
    assert found.low > 0.4
    assert found.high < 0.6
    assert "exact" not in found.method


def test_each_group_against_the_rest(rng):
    group, cluster = np.arange(1200) % 3, np.arange(1200) // 12
    y = (rng.random(1200) < 0.3 + 0.3 * (group == 0)).astype(int)
    found = clustered_group_vs_rest(rate_covariance(y, np.ones(1200), group, [cluster]), rng=rng)
    assert found.value[0] == pytest.approx(y[group == 0].mean() - y[group != 0].mean())
    assert found.low[0] > 0.1
    assert found.p_adjusted[0] < 1e-6
    assert np.all((found.low < found.value) & (found.value < found.high))


def test_influence_covariance_serves_any_estimate(rng):
    values, group = rng.normal(size=400), np.arange(400) % 2
    means = np.array([values[group == g].mean() for g in (0, 1)])
    by_influence = influence_covariance(
        means, (values - means[group]) / 200, group, [np.arange(400) // 2], np.full(2, 200.0), np.full(2, 200.0)
    )
    by_rate = rate_covariance(values, np.ones(400), group, [np.arange(400) // 2])
    np.testing.assert_allclose(by_influence.M, by_rate.M, atol=1e-12)


def crossed(rng, pictures=120, voices=60, groups=6):
    """Rows of pictures read by voices, outcomes depending on both; groups are groups of voices, all alike."""
    cell = rng.choice(pictures * voices, size=2400, replace=False)
    picture, voice = cell // voices, cell % voices
    logit = -1.4 + rng.normal(0, 1, pictures)[picture] + rng.normal(0, 0.7, voices)[voice]
    return (rng.random(2400) < 1 / (1 + np.exp(-logit))).astype(int), voice % groups, [picture, voice]


def test_where_rows_share_voices_only_the_clustered_gap_holds_its_level(rng):
    runs, row_wise, two_way, joint = 120, 0, 0, 0
    for _ in range(runs):
        y, group, columns = crossed(rng)
        row_wise += gap(np.bincount(group, y), np.bincount(group), draws=4_000, rng=rng).low > 0
        cov = rate_covariance(y, np.ones(len(y)), group, columns)
        two_way += clustered_gap(cov, draws=4_000, rng=rng).low > 0
        each = clustered_group_vs_rest(cov, draws=4_000, rng=rng)
        joint += bool(np.any((each.low > 0) | (each.high < 0)))
    assert row_wise > 0.15 * runs
    assert two_way <= runs * 0.025 + 3 * np.sqrt(runs * 0.025)
    assert joint <= runs * 0.05 + 3 * np.sqrt(runs * 0.05)


def test_a_row_without_a_cluster_is_its_own_cluster():
    rng = np.random.default_rng(5)
    group, cluster = rng.integers(0, 2, 400), rng.integers(0, 9, 400)
    y = rng.random(400) < np.linspace(0.1, 0.9, 9)[cluster]  # clusters differ, so that no floor hides their variance
    alone = rng.random(400) < 0.3
    found = rate_covariance(y, np.ones(400), group, [np.where(alone, -1, cluster)])
    units = np.where(alone, 100 + np.arange(400), cluster)
    given = rate_covariance(y, np.ones(400), group, [units])
    for name in ("M", "n_clusters", "concentration", "one_more", "supporting", "df"):
        np.testing.assert_allclose(getattr(found, name), getattr(given, name), rtol=1e-9, atol=1e-15)
    for g in (0, 1):
        held = np.unique(units[group == g], return_counts=True)[1] / np.sum(group == g)
        assert found.n_clusters[g] == len(held)
        assert found.effective_clusters[g] == pytest.approx(1 / np.sum(held**2))
    only_alone = rate_covariance(y, np.ones(400), group, [np.full(400, -1)])
    np.testing.assert_array_equal(only_alone.n_clusters, np.bincount(group))


@pytest.mark.parametrize("unit", [1e-9, 1.0, 1e9])
def test_the_unit_of_a_mean_changes_nothing_but_its_unit(unit):
    rng = np.random.default_rng(0)
    values, group = rng.normal(size=400), np.repeat(np.arange(4), 100)
    cov = rate_covariance(values * unit, np.ones(400), group, scale="real")
    once = clustered_gap(rate_covariance(values, np.ones(400), group, scale="real"), rng=np.random.default_rng(1))
    found = clustered_gap(cov, rng=np.random.default_rng(1))
    assert (found.low / unit, found.high / unit) == pytest.approx((once.low, once.high), rel=1e-3)
    assert found.p_value == pytest.approx(once.p_value, abs=1e-3)
