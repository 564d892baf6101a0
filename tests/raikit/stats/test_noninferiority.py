"""The comparison of two models: `noninferiority`, `gap_growth`, `paired` and `two_models`."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, norm

from raikit.stats import (
    gap_increase_test,
    mover_difference,
    paired_covariance,
    rate_covariance,
    unpaired_covariance,
    worsening_test,
)


@pytest.fixture
def rng():
    return np.random.default_rng(5)


EVENTS = np.array([1, 1, 0, 0]), np.array([1, 0, 1, 0])


def of_tables(cells):
    """Covariance from one (both, A only, B only, neither) table per group."""
    cells = np.asarray(cells)
    k = len(cells)
    a, b = (np.tile(e, k) for e in EVENTS)
    return paired_covariance(a, b, np.ones(4 * k), np.repeat(np.arange(k), 4), counts=cells.ravel(), groups=k)


def drawn(a, b, n, rng, churn=0.05):
    """Tables of groups with rates a and b, that disagree on 5 % of the rows by chance and on what changed."""
    cells = []
    for p, q in zip(a, b, strict=True):
        down, up = max(p - q, 0) + churn / 2, max(q - p, 0) + churn / 2
        cells.append(rng.multinomial(n, [p - down, down, up, 1 - p - up]))
    return of_tables(cells)


def rows(seed=3, n=600, k=3):
    rng = np.random.default_rng(seed)
    a = rng.integers(0, 2, n)
    b = np.where(rng.random(n) < 0.1, 1 - a, a)
    return a, b, rng.integers(0, k, n), rng


def at_most(failures, runs, p, chance=1e-4):
    """Whether so many failures are no surprise where each has probability p."""
    return binom.sf(failures - 1, runs, p) > chance


# -- covariances


def test_the_table_of_both_models_has_half_a_row_more_in_each_cell():
    cov = of_tables([[70, 10, 5, 15], [40, 3, 8, 49]])
    p = (np.array([70, 10, 5, 15]) + 0.5) / 102
    first, second = p[0] + p[1], p[0] + p[2]
    expected = np.array([[first * (1 - first), p[0] - first * second], [p[0] - first * second, second * (1 - second)]])
    assert cov.M[np.ix_([0, 2], [0, 2])] == pytest.approx(expected / 102)
    assert cov.rates.tolist() == [0.8, 0.43, 0.75, 0.48]
    assert cov.M[0, 1] == cov.M[0, 3] == 0


@pytest.mark.parametrize("ways", [0, 1, 2])
@pytest.mark.parametrize("weighted", [False, True])
def test_cells_are_rows(ways, weighted):
    a, b, group, rng = rows()
    den, columns = rng.integers(0, 2, 600), [rng.integers(-1, 30, 600), rng.integers(0, 12, 600)][:ways]
    weight = rng.integers(1, 4, 600).astype(float) if weighted else None
    alone = paired_covariance(a * den, b * den, den, group, columns, weight)
    if weighted:
        keys = np.stack([a * den, b * den, den, group, *columns])
        cells, index = np.unique(keys, axis=1, return_inverse=True)
        w, w2, c = (np.bincount(index.ravel(), v) for v in (weight, weight**2, np.ones(600)))
        together = paired_covariance(*cells[:4], cells[4:], w, squares=w2, counts=c)
    else:
        cells, c = np.unique(np.stack([a * den, b * den, den, group, *columns]), axis=1, return_counts=True)
        together = paired_covariance(*cells[:4], cells[4:], counts=c)
    np.testing.assert_allclose(alone.M, together.M, rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(alone.rates, together.rates)


def test_a_cluster_of_one_row_each_is_about_no_cluster():
    a, b, group, _ = rows()
    plain = paired_covariance(a, b, np.ones(600), group)
    for column in (np.arange(600), np.full(600, -1)):
        alone = paired_covariance(a, b, np.ones(600), group, [column])
        np.testing.assert_allclose(alone.M, plain.M, rtol=0.05, atol=1e-5)


def test_clusters_tie_groups_and_models_together():
    a, b, group, rng = rows()
    voice = rng.integers(0, 25, 600)
    cov = paired_covariance(a, b, np.ones(600), group, [voice])
    alone = [rate_covariance(v, np.ones(600), group, [voice]) for v in (a, b)]
    for at, one in enumerate(alone):
        block = slice(3 * at, 3 * at + 3)
        np.testing.assert_allclose(cov.M[block, block], one.M, rtol=1e-6)
    def moves(v, g):
        return np.array([v[(group == g) & (voice != c)].mean() for c in range(25)]) - v[group == g].mean()

    assert cov.M[0, 4] == pytest.approx(moves(a, 0) @ moves(b, 1) * 24 / 25, rel=1e-6)
    assert np.linalg.eigvalsh(cov.M).min() > -1e-12


def test_weights_have_no_scale_and_undefined_groups_no_rate():
    a, b, group, rng = rows()
    weight = rng.random(600) + 0.1
    first, second = (paired_covariance(a, b, np.ones(600), group, weight=w) for w in (weight, 7 * weight))
    np.testing.assert_allclose(first.M, second.M)
    cov = paired_covariance(a, b, np.ones(600), group, groups=4)
    assert np.isnan(cov.rates[[3, 7]]).all()
    with pytest.raises(ValueError, match="no rate"):
        worsening_test(cov, higher_is_better=True, rng=rng)


def test_counts_alone_know_nothing_of_each_other():
    cov = unpaired_covariance(([80, 70], [100, 100]), ([80, 60], [100, 200]))
    smoothed = np.array([81, 71]) / 102
    assert np.diag(cov.M)[:2] == pytest.approx(np.maximum(smoothed * (1 - smoothed) / 102, 0), rel=0.03)
    assert not cov.M[:2, 2:].any()
    with pytest.raises(ValueError, match="same groups"):
        unpaired_covariance(([8, 7], [10, 10]), ([8], [10]))
    with pytest.raises(ValueError, match="between 0 and n"):
        unpaired_covariance(([8, 11], [10, 10]), ([8, 8], [10, 10]))


# -- worsening_test


def test_two_groups_in_closed_form(rng):
    cells = [[1150, 40, 40, 270], [1000, 100, 45, 355]]  # the second loses and is behind
    cov = of_tables(cells)
    found = worsening_test(cov, 0.01, higher_is_better=True, rng=rng, draws=100_000)
    p = (np.array(cells) + 0.5) / 1502
    d, b = cov.rates[2:] - cov.rates[:2], cov.rates[2:]
    v = (p[:, 1] + p[:, 2] - (p[:, 1] - p[:, 2]) ** 2) / 1502
    q = p[:, 0] + p[:, 2]
    t_loss = (d[0] - d[1] - 0.01) / np.sqrt(v.sum())
    t_behind = (b[0] - b[1]) / np.sqrt((q * (1 - q) / 1502).sum())
    assert (found.loser, found.against) == (1, 0)
    assert found.value == pytest.approx(d[0] - d[1])
    # one contrast is left after selection, so a plain z-test at nine tenths of the level
    assert found.p_value == pytest.approx(norm.sf(min(t_loss, t_behind)) / 0.9, rel=0.15)
    assert found.low == pytest.approx(d[0] - d[1] - norm.isf(0.045) * np.sqrt(v.sum()), abs=0.002)
    assert found.high == pytest.approx(d[0] - d[1] + norm.isf(0.045) * np.sqrt(v.sum()), abs=1e-6)


def test_an_improvement_that_overtakes_is_not_a_regression(rng):
    closed = of_tables([[760, 40, 40, 160], [660, 40, 140, 160]])
    assert worsening_test(closed, higher_is_better=True, rng=rng).p_value > 0.2
    better = of_tables([[700, 10, 140, 150], [700, 10, 140, 150]])
    found = worsening_test(better, 0.02, higher_is_better=True, rng=rng)
    assert found.p_value > 0.5
    assert found.high < 0.05


def test_the_same_model_twice_neither_fails_nor_hides(rng):
    found = worsening_test(of_tables([[800, 0, 0, 200]] * 3), 0.02, higher_is_better=True, rng=rng)
    assert found.value == 0
    assert found.p_value > 0.5
    assert found.low < 0 < found.high < 0.02


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_direction_is_a_mirror(seed):
    rng = np.random.default_rng(seed)
    cells = rng.multinomial(400, [0.6, 0.1, 0.1, 0.2], size=3)
    up = worsening_test(of_tables(cells), higher_is_better=True, rng=np.random.default_rng(1), draws=4_000)
    # counting failures in the place of successes turns every cell around
    down = worsening_test(of_tables(cells[:, ::-1]), higher_is_better=False, rng=np.random.default_rng(1), draws=4_000)
    if up.p_value < 0.3:  # further down two contrasts may tie
        assert (up.loser, up.against, up.value) == (down.loser, down.against, pytest.approx(down.value))
    assert up.p_value == pytest.approx(down.p_value, rel=0.5, abs=0.05)
    assert up.low <= up.value <= up.high


def test_a_larger_margin_is_harder_to_exceed(rng):
    cov = drawn([0.8, 0.8, 0.7], [0.8, 0.8, 0.62], 2000, rng)
    p = [worsening_test(cov, m, higher_is_better=True, rng=np.random.default_rng(2)).p_value for m in (0, 0.02, 0.05, 0.1)]
    assert p == sorted(p)
    assert p[0] < 1e-4
    assert p[-1] > 0.5


def test_p_goes_beyond_what_draws_can_count(rng):
    found = worsening_test(drawn([0.8, 0.7], [0.8, 0.5], 2000, rng), higher_is_better=True, rng=rng)
    assert 0 <= found.p_value < 1e-8


def test_strata_have_their_own_direction_and_are_not_compared(rng):
    tpr = [[760, 20, 20, 200], [640, 120, 20, 220]]
    fpr = [[80, 20, 20, 880], [80, 20, 120, 780]]
    both = of_tables([*tpr, *fpr])
    strata = np.array([0, 0, 1, 1])
    found = worsening_test(both, higher_is_better=[True, False], strata=strata, rng=rng)
    assert (found.stratum, found.against) in {(0, 0), (1, 2)}
    assert found.p_value < 0.001
    only = worsening_test(of_tables([tpr[0], tpr[0], *fpr]), higher_is_better=[True, False], strata=strata, rng=rng)
    assert (only.loser, only.against, only.stratum) == (3, 2, 1)
    wrong = worsening_test(of_tables([tpr[0], tpr[0], *fpr]), higher_is_better=[True, True], strata=strata, rng=rng)
    assert wrong.loser == 2
    with pytest.raises(ValueError, match="directions"):
        worsening_test(both, higher_is_better=[True], strata=strata, rng=rng)
    with pytest.raises(ValueError, match="fewer than two groups"):
        worsening_test(both, higher_is_better=True, strata=[0, 0, 0, 1], rng=rng)


def test_the_rest_can_be_the_other_side(rng):
    alike, fallen = [1620, 54, 54, 372], [1440, 234, 54, 372]  # the rest is known better than any one of the others
    found = worsening_test(of_tables([alike] * 11 + [fallen]), higher_is_better=True, rng=rng)
    assert (found.loser, found.against) == (11, -1)
    assert found.p_value < 0.005


def test_groups_with_few_clusters_do_not_decide(rng):
    n = 3000
    group = rng.integers(0, 3, n)
    a = (rng.random(n) < 0.8).astype(int)
    b = np.where((group == 2) & (rng.random(n) < 0.4), 0, a)
    voice = np.where(group == 2, rng.integers(0, 3, n), 10 + rng.integers(0, 60, n))
    found = worsening_test(paired_covariance(a, b, np.ones(n), group, [voice]), higher_is_better=True, rng=rng)
    assert found.loser != 2
    assert found.p_value > 0.05
    nobody = paired_covariance(a, b, np.ones(n), group, [rng.integers(0, 3, n)])
    for test in (worsening_test, gap_increase_test):
        found = test(nobody, higher_is_better=True, rng=rng)
        assert found.p_value == 1
        assert "not tested" in found.method


def test_means_without_any_noise(rng):
    error, group = rng.random(300), rng.integers(0, 2, 300)
    cov = paired_covariance(error, error + 0.5 * (group == 1), np.ones(300), group)
    found = worsening_test(cov, 0.1, higher_is_better=False, rng=rng)
    assert found.value == pytest.approx(0.5)
    assert found.p_value < 1e-6


@pytest.mark.parametrize(
    ("a", "b", "margin"),
    [
        ([0.8] * 4, [0.8] * 4, 0.0),
        ([0.8, 0.7], [0.8, 0.68], 0.02),
        ([0.8, 0.7], [0.8, 0.8], 0.0),
        ([0.9, 0.8, 0.7, 0.6], [0.8, 0.8, 0.7, 0.58], 0.02),
    ],
)
def test_false_alarms_stay_at_the_level(a, b, margin, rng):
    runs = 300
    failures = sum(
        worsening_test(drawn(a, b, 800, rng), margin, higher_is_better=True, rng=rng, draws=4_000).p_value <= 0.05
        for _ in range(runs)
    )
    assert at_most(failures, runs, 0.06)


@pytest.mark.parametrize(
    ("a", "b", "n", "least"),
    [
        ([0.8, 0.7], [0.8, 0.65], 1500, 0.95),
        ([0.8, 0.8], [0.8, 0.75], 2500, 0.9),
        ([0.8] * 5, [0.8] * 4 + [0.75], 2500, 0.9),
    ],
)
def test_what_ten_rules_catch(a, b, n, least, rng):
    caught = sum(worsening_test(drawn(a, b, n, rng), higher_is_better=True, rng=rng).p_value <= 0.005 for _ in range(100))
    assert at_most(100 - caught, 100, 1 - least)


def test_the_minimum_detectable_is_found_four_times_in_five(rng):
    d = worsening_test(drawn([0.8, 0.8], [0.8, 0.8], 2000, rng), higher_is_better=True, rng=rng).minimum_detectable
    found = [worsening_test(drawn([0.8, 0.8], [0.8, 0.8 - d], 2000, rng), higher_is_better=True, rng=rng) for _ in range(200)]
    assert 0.7 < np.mean([f.p_value <= 0.05 for f in found]) < 0.97


@pytest.mark.parametrize(("rate", "n", "churn"), [(0.9, 40, 0.0), (0.95, 200, 0.01), (0.98, 500, 0.005)])
def test_the_minimum_detectable_is_found_where_the_models_seldom_differ(rate, n, churn, rng):
    def two_models(after):
        down, up = np.array([rate - after, 0.0]) + churn / 2, np.full(2, churn / 2)
        shares = np.stack([rate - down, down, up, 1 - rate - up], axis=1)
        cells = np.array([rng.multinomial(n, share) for share in shares])
        events = np.tile([1, 1, 0, 0], 2), np.tile([1, 0, 1, 0], 2)
        cov = paired_covariance(*events, np.ones(8), np.repeat([0, 1], 4), counts=cells.ravel(), groups=2)
        return worsening_test(cov, higher_is_better=True, draws=4_000, rng=rng)

    d = float(np.median([two_models(rate).minimum_detectable for _ in range(15)]))
    found = [two_models(rate - d).p_value <= 0.05 for _ in range(120)]
    assert np.mean(found) >= 0.68  # with the variance of models that do not differ: 0.55


# -- gap_increase_test


@pytest.mark.parametrize(("k", "old"), [(2, 0.0), (2, 0.1), (5, 0.0), (5, 0.1)])
def test_the_growth_that_would_have_been_detected_is_found(k, old, rng):
    rates, n, churn = np.full(k, 0.97) - old * (np.arange(k) == 0), 500, 0.01

    def two_models(worse):
        down, up = worse * (np.arange(k) == 0) + churn / 2, np.full(k, churn / 2)
        shares = np.stack([rates - down, down, up, 1 - rates - up], axis=1)
        cells = np.array([rng.multinomial(n, share) for share in shares])
        events = np.tile([1, 1, 0, 0], k), np.tile([1, 0, 1, 0], k)
        cov = paired_covariance(*events, np.ones(4 * k), np.repeat(np.arange(k), 4), counts=cells.ravel(), groups=k)
        return gap_increase_test(cov, draws=2_000, rng=rng)

    promised = float(np.median([two_models(0.0).minimum_detectable for _ in range(9)]))
    assert np.mean([two_models(promised).p_value <= 0.05 for _ in range(60)]) >= 0.68  # before: 0.01 to 0.71


def test_two_groups_of_an_old_gap_are_a_z_test(rng):
    cov = drawn([0.8, 0.6], [0.8, 0.56], 1500, rng)
    found = gap_increase_test(cov, 0.01, rng=rng)
    signs = np.array([-1, 1, 1, -1])
    se = np.sqrt(signs @ cov.M @ signs)
    assert found.value == pytest.approx(np.ptp(cov.rates[2:]) - np.ptp(cov.rates[:2]))
    expected = norm.sf((found.value - 0.01) / se)
    assert found.p_value == pytest.approx(expected, abs=4 * np.sqrt(max(expected, 1e-4) / 20_000) + 1e-4)
    assert found.low == pytest.approx(found.value - 1.645 * se, abs=0.003)
    assert found.high == pytest.approx(found.value + 1.645 * se, abs=0.004)
    assert (found.loser, found.against) == (1, 0)


@pytest.mark.parametrize(
    ("a", "b", "margin"),
    [
        ([0.8, 0.7], [0.8, 0.68], 0.02),
        ([0.8, 0.8, 0.7], [0.7, 0.8, 0.8], 0.0),
        ([0.8, 0.75, 0.75, 0.7], [0.8, 0.8, 0.7, 0.7], 0.0),
    ],
)
def test_equal_gaps_are_no_grown_gap(a, b, margin, rng):
    runs, failures = 120, 0
    for _ in range(runs):
        found = gap_increase_test(drawn(a, b, 1500, rng), margin, rng=rng, draws=4_000)
        failures += found.p_value <= 0.05
        assert found.low <= found.value + 1e-9
    assert at_most(failures, runs, 0.06)


def test_many_groups_and_clusters_take_the_provable_test(rng):
    found = gap_increase_test(drawn([0.8] * 11 + [0.6], [0.8] * 11 + [0.5], 1500, rng), rng=rng)
    assert "two-step" in found.method
    assert "Bonferroni" in found.method
    assert found.p_value < 0.01
    assert found.low < 0.1 < found.high
    a, b, group, _ = rows()
    cov = paired_covariance(a, b, np.ones(600), group, [rng.integers(0, 40, 600)])
    assert "two-step" in gap_increase_test(cov, rng=rng).method


# -- two intervals


def test_symmetric_intervals_give_the_z_test():
    value, low, high, p = mover_difference(0.90, 0.88, 0.92, 0.85, 0.83, 0.87, 0.01)
    se = np.hypot(0.02, 0.02) / norm.isf(0.025)
    assert value == pytest.approx(0.05)
    assert (low, high) == pytest.approx((value - norm.isf(0.05) * se, value + norm.isf(0.05) * se))
    assert p == pytest.approx(norm.sf(0.04 / se))


def test_worse_is_positive_in_either_direction():
    up = mover_difference(0.9, 0.85, 0.92, 0.8, 0.75, 0.86, 0.02)
    down = mover_difference(0.1, 0.08, 0.15, 0.2, 0.14, 0.25, 0.02, higher_is_better=False)
    assert up == pytest.approx(down)
    assert (up[3] <= 0.05) == (up[1] >= 0.02)


def test_intervals_without_width():
    assert mover_difference(1, 1, 1, 0, 0, 0)[3] == 0
    assert mover_difference(1, 1, 1, 1, 1, 1)[3] == 1
    with pytest.raises(ValueError, match="in its interval"):
        mover_difference(1, 0, 0.5, 0, 0, 0)


@pytest.mark.parametrize("alpha", [0.05, 0.025, 0.005])
@pytest.mark.parametrize("test", [worsening_test, gap_increase_test])
def test_the_limits_belong_to_the_named_pair_and_to_the_test(test, alpha):
    # One pair lost little and surely, another much and less surely.
    n, margin = np.array([20_000, 20_000, 400]), 0.01
    rng = np.random.default_rng(0)
    for _ in range(10):
        cov = unpaired_covariance((rng.binomial(n, [0.8, 0.8, 0.8]), n), (rng.binomial(n, [0.8, 0.77, 0.68]), n))
        found = test(cov, margin, higher_is_better=True, level=1 - alpha, draws=4_000, rng=rng)
        assert found.low <= found.value <= found.high
        assert (found.low > margin) == (found.p_value <= alpha)
def of_uneven_clusters(rng, share, k=2):
    """Covariance of models that do not differ; in each group one cluster holds `share` of the cases."""
    n, clusters = 600, 40
    group = np.repeat(np.arange(k), n)
    large = rng.random(n * k) < share
    cluster = np.where(large, 0, rng.integers(1, clusters, n * k)) + clusters * group
    effects = rng.normal(0, [[1.0], [0.7], [0.7]], (3, clusters * k))[:, cluster]
    odds, same = np.where(group == 0, -1.5, 1.5) + effects[0], rng.random(n * k)
    a, b = ((same < 1 / (1 + np.exp(-(odds + effects[at])))).astype(int) for at in (1, 2))
    return paired_covariance(a, b, np.ones(n * k), group, [cluster])


@pytest.mark.parametrize("share", [0.2, 0.5])
@pytest.mark.parametrize("test", [worsening_test, gap_increase_test])
def test_a_large_cluster_fails_no_build(test, share):
    """With variances of plain residual sums 16% of builds fail where one cluster holds half of a group."""
    rng = np.random.default_rng(7)
    runs = 150
    failures = sum(
        test(of_uneven_clusters(rng, share), higher_is_better=True, rng=rng, draws=2_000).p_value <= 0.05 for _ in range(runs)
    )
    assert failures <= binom.isf(0.01, runs, 0.05)


def of_heavy_changes(rng, heavy, change=0.01, n=800):
    """Covariance of models that do not differ; the cases that they decide anew weigh `heavy` times as much."""
    group, again = np.repeat([0, 1], n), rng.random(2 * n) < change
    rate = np.where(group == 0, 0.55, 0.8)
    a, anew = ((rng.random(2 * n) < rate).astype(int) for _ in range(2))
    return paired_covariance(a, np.where(again, anew, a), np.ones(2 * n), group, (), np.where(again, heavy, 1.0))


@pytest.mark.parametrize("heavy", [2.7, 10.0])
def test_weights_of_the_cases_that_change_fail_no_build(heavy):
    """With variances at Kish's effective number of cases, over 15% of builds fail."""
    rng = np.random.default_rng(8)
    runs = 200
    failures = sum(
        worsening_test(of_heavy_changes(rng, heavy), higher_is_better=True, rng=rng, draws=2_000).p_value <= 0.05
        for _ in range(runs)
    )
    assert failures <= binom.isf(0.01, runs, 0.05)


def test_light_changes_are_not_taken_for_heavy_ones():
    """Where the cases that change weigh little, the limits are far narrower than at Kish's effective number."""
    found = worsening_test(of_heavy_changes(np.random.default_rng(9), 0.1, 0.1), higher_is_better=True, rng=np.random.default_rng(1))
    assert found.high - found.low < 0.01  # 0.03 without linearising


def test_cases_that_were_not_seen_to_change_may_weigh_anything(rng):
    n = 400
    group, weight = np.repeat([0, 1], n), rng.exponential(size=2 * n)
    a = (rng.random(2 * n) < 0.7).astype(int)
    b = np.where((group == 1) & (rng.random(2 * n) < 0.05), 1 - a, a)
    cov = paired_covariance(a, b, np.ones(2 * n), group, (), weight)
    assert cov.few_events.tolist() == [True, False, True, False]
    assert worsening_test(cov, higher_is_better=True, rng=rng).high == 2
    assert not paired_covariance(a, a, np.ones(2 * n), group, (), weight).few_events.any()
    assert worsening_test(paired_covariance(a, b, np.ones(2 * n), group), higher_is_better=True, rng=rng).high < 0.2
