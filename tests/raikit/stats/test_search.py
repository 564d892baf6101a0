"""Search over overlapping groups: `subgroups` and `search`."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from scipy.stats import binom, norm

from raikit import stats
from raikit.stats.quantiles import upper_quantile
from raikit.stats.quantities import Quantities, limits_of
from raikit.stats.skewness import skewness_shifts
from raikit.stats.subgroups import Subgroups
from raikit.stats.unseen import Repeats

DRAWS = 2_000  # where the test is not about a tail


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def alone(x, n, x_rest, n_rest):
    """One group and its rest, by counts."""
    cells = np.array([[x, n - x], [x_rest, n_rest - x_rest]])
    return stats.subgroup_rates([1, 0, 1, 0], [0, 0, 1, 1], [[1, 0]], counts=cells.ravel())


def crossings(levels):
    """Members of every group of up to all features, features having so many levels each; base cells are crossings."""
    cells = np.array(list(itertools.product(*(range(k) for k in levels))))
    found = []
    for depth in range(1, len(levels) + 1):
        for columns in itertools.combinations(range(len(levels)), depth):
            for values in itertools.product(*(range(levels[c]) for c in columns)):
                found.append(np.all(cells[:, columns] == values, axis=1))
    return np.array(found)


@st.composite
def rows(draw, least=12, clusters=0):
    n, cells = draw(st.integers(least, 60)), draw(st.integers(2, 5))
    rng = np.random.default_rng(draw(st.integers(0, 1 << 30)))
    cell = np.concatenate([np.arange(cells), rng.integers(0, cells, n - cells)])
    members = rng.random((draw(st.integers(1, 6)), cells)) < 0.5
    members[:, 0], members[:, 1] = True, False
    weight = rng.exponential(size=n) + 0.05 if draw(st.booleans()) else None
    codes = [rng.integers(-1, 8, n) for _ in range(clusters)]
    return rng.random(n) < draw(st.floats(0.1, 0.9)), cell, members, codes, weight


def contributions(events, cell, members, weight):
    """Of every row to the difference of every group, its rate and its rest's: the definition."""
    w = np.ones(len(events)) if weight is None else weight
    result = []
    for group in members:
        inside = group[cell]
        parts = []
        for side in (inside, ~inside):
            rate = np.sum(w[side] * events[side]) / w[side].sum()
            parts.append(side * w * (events - rate) / w[side].sum())
        result.append((parts[0] - parts[1], parts[0], parts[1]))
    return [np.array(part).T for part in zip(*result, strict=True)]


@settings(max_examples=40, deadline=None)
@given(rows())
def test_rates_shares_and_correlations_are_those_of_a_loop_over_rows(table):
    events, cell, members, _, weight = table
    found = stats.subgroup_rates(events, cell, members, weight=weight)
    w = np.ones(len(events)) if weight is None else weight
    apart = contributions(events, cell, members, weight)[0]
    covariance = apart.T @ apart
    for at, group in enumerate(members):
        inside = group[cell]
        assert found.rates[at] == pytest.approx(np.average(events[inside], weights=w[inside]))
        assert found.rests[at] == pytest.approx(np.average(events[~inside], weights=w[~inside]))
        assert found.shares[at] == pytest.approx(w[inside].sum() / w.sum())
        assert found.n_rows[at] == inside.sum()
        kish = w[inside].sum() ** 2 / np.sum(w[inside] ** 2)
        assert found.n_effective[at] <= kish * (1 + 1e-9)
        if weight is None:
            assert found.n_effective[at] == pytest.approx(kish)
    # variances are kept away from 0, so correlations are shrunk, by the same factor in a row and column
    shrunk = found.joint * np.sqrt(np.outer(*[_widened(found, covariance)] * 2))
    off = ~np.eye(len(members), dtype=bool)
    np.testing.assert_allclose(shrunk[off], covariance[off], atol=1e-12)
    assert found.overall == pytest.approx(np.average(events, weights=w))


def _widened(found, covariance):
    smooth = 0.0
    for rate, n in ((found.rates, found.n_effective), (found.rests, found.rest_effective)):
        p = (rate * n + 1) / (n + 2)
        smooth = smooth + p * (1 - p) / (n + 2)
    return np.maximum(np.diag(covariance), smooth)


def test_in_large_samples_the_correlations_are_those_of_the_estimates_over_many_samples(rng):
    members = crossings([2, 3])
    chance, rate = rng.dirichlet(np.full(6, 5.0)), rng.uniform(0.1, 0.5, 6)
    apart = []
    for _ in range(3_000):
        n = rng.multinomial(2_000, chance)
        x = rng.binomial(n, rate)
        (p, q) = ((side @ x) / (side @ n) for side in (members.astype(float), ~members + 0.0))
        apart.append((p - q)[:11])
    n = np.rint(chance * 2_000)
    x = np.rint(n * rate)
    found = stats.subgroup_rates([1, 0] * 6, np.repeat(range(6), 2), members, counts=np.column_stack([x, n - x]).ravel())
    np.testing.assert_allclose(found.joint, np.corrcoef(np.array(apart).T), atol=0.07)


@settings(max_examples=40, deadline=None)
@given(rows(clusters=1))
def test_clusters_enter_by_sums_within_them(table):
    _compare_clusters(*table)


@settings(max_examples=40, deadline=None)
@given(rows(clusters=2))
def test_two_columns_add_and_their_crossing_is_taken_off(table):
    _compare_clusters(*table)


def _compare_clusters(events, cell, members, codes, weight):
    found = stats.subgroup_rates(events, cell, members, codes, weight)
    w = np.ones(len(events)) if weight is None else weight
    plain = [np.sum(part**2, axis=0) for part in contributions(events, cell, members, weight)]
    columns = list(codes)
    if len(codes) == 2:
        columns.append(np.where((codes[0] < 0) | (codes[1] < 0), -1, codes[0] * 100 + codes[1]))
    moves = [moves_without_each(events, cell, members, w, code) for code in columns]
    parts = [[part.T @ part for part in of_column] for of_column in moves]
    apart, own, rest = (sum(side[:2]) - side[2] if len(side) == 3 else side[0] for side in zip(*parts, strict=True))
    candidates = [[np.diag(part) for part in of_column] for of_column in parts[: len(codes)]] + [
        [np.diag(part) for part in (apart, own, rest)], plain
    ]  # fmt: skip
    size = [np.max(variances, axis=0) for variances in zip(*candidates, strict=True)]
    counts = [units_of(cell, members, w, code) for code in codes]
    assert found.n_clusters.tolist() == np.min([number for number, _ in counts], axis=0).tolist()
    effective = np.min([share for _, share in counts], axis=0)
    np.testing.assert_allclose(found.effective_clusters, effective)
    assert found.ways == len(codes)
    assert found.few_clusters.tolist() == ((effective < 4) | found.dominated).tolist()
    np.testing.assert_allclose(found.df, np.maximum(effective - 1, 1))
    for rate, variance, n in ((found.rates, size[1], found.n_effective), (found.rests, size[2], found.rest_effective)):
        inner = (rate > 0) & (rate < 1)
        limit = rate * (1 - rate) / np.where(variance > 0, variance, 1)
        assert np.all(n[inner] <= limit[inner] * (1 + 1e-9))
    widened = np.maximum(size[0], _widened(found, np.zeros_like(apart)))
    off = ~np.eye(len(members), dtype=bool)
    np.testing.assert_allclose((found.joint * np.sqrt(np.outer(widened, widened)))[off], apart[off], atol=1e-9)


def sampling_units(code):
    """Clusters, and each case that shares none by itself."""
    return np.unique(np.where(code >= 0, code, 10_000 + np.arange(len(code))), return_inverse=True)[1]


def moves_without_each(events, cell, members, w, code):
    """How far the difference, the group's rate and the rest's move without each unit; a whole group cannot be left out."""
    unit = sampling_units(code)
    result = np.zeros((3, unit.max() + 1, len(members)))
    for at, group in enumerate(members):
        for row, side in enumerate((group[cell], ~group[cell]), start=1):
            total, number = w[side].sum(), len(np.unique(unit[side]))
            rate = w[side] @ events[side] / total
            for u in np.unique(unit[side]):
                within = side & (unit == u)
                # Cases that share no cluster are left out with their mean weight.
                weight = w @ w / w.sum() if code[within][0] < 0 else w[within].sum()
                left = total - weight if total - weight > 1e-9 * total else total
                result[row, u, at] = np.sqrt(max(number - 1, 1) / number) * (w[within] @ (events[within] - rate)) / left
    result[0] = result[1] - result[2]
    return result


def units_of(cell, members, w, code):
    """The fewest units of a group or of its rest, and the fewest effective ones."""
    unit, numbers, effective = sampling_units(code), [], []
    for group in members:
        sides = [np.bincount(unit[side], w[side]) for side in (group[cell], ~group[cell])]
        numbers.append(min(int(np.sum(side > 0)) for side in sides))
        effective.append(min(side.sum() ** 2 / np.sum(side**2) for side in sides))
    return np.array(numbers), np.array(effective)


def test_small_clusters_share_a_divisor_and_small_rests_have_their_own():
    """2,000 clusters, a group of nearly all cases (small rest) and three ordinary ones."""
    rng = np.random.default_rng(6)
    n = 8_000
    cell = rng.choice(4, n, p=[0.45, 0.35, 0.195, 0.005])
    cluster = rng.integers(0, 2_000, n)
    cluster[:300] = 5_000 + np.arange(300) // 150  # two large ones
    events = rng.random(n) < 0.2 + 0.3 * rng.random(5_002)[cluster]
    members = np.array([[1, 0, 0, 0], [0, 1, 0, 0], [1, 0, 1, 0], [1, 1, 1, 0]], dtype=bool)
    found = stats.subgroup_rates(events, cell, members, [cluster])
    moves = moves_without_each(events, cell, members, np.ones(n), cluster)
    alone = [part**2 for part in contributions(events, cell, members, None)]
    least = np.maximum(np.sum(moves[0] ** 2, axis=0), alone[0].sum(axis=0))
    own, rest = (p * (1 - p) / n for p, n in ((found.rates, found.n_effective), (found.rests, found.rest_effective)))
    variance = own + rest - 2 * found.correlation * np.sqrt(own * rest)
    np.testing.assert_allclose(variance, least, rtol=0.03)
    np.testing.assert_allclose(found.effective_clusters, units_of(cell, members, np.ones(n), cluster)[1])
    assert variance[3] > 30 * variance[0]



def test_cells_of_alike_rows_give_the_same_as_rows(rng):
    n = 400
    cell, events, cluster = rng.integers(0, 6, n), rng.integers(0, 2, n), rng.integers(0, 20, n)
    weight = rng.integers(1, 4, n).astype(float)
    key = np.unique(np.column_stack([cell, events, cluster]), axis=0, return_inverse=True)
    at = key[1].reshape(-1)
    sums = [np.bincount(at, part) for part in (weight, weight**2, np.ones(n))]
    members = crossings([2, 3])[:5]
    one = stats.subgroup_rates(events, cell, members, [cluster], weight)
    other = stats.subgroup_rates(key[0][:, 1], key[0][:, 0], members, [key[0][:, 2]], sums[0], squares=sums[1], counts=sums[2])
    for name, value in arrays(one).items():
        np.testing.assert_allclose(value, arrays(other)[name], atol=1e-9)


def test_the_scale_of_weights_changes_nothing(rng):
    n = 300
    table = rng.integers(0, 2, n), rng.integers(0, 6, n), crossings([2, 3])[:5]
    weight = rng.exponential(size=n)
    one, other = (stats.subgroup_rates(*table, weight=weight * scale) for scale in (1.0, 1e6))
    for name, value in arrays(one).items():
        np.testing.assert_allclose(value, arrays(other)[name], rtol=1e-6, atol=1e-9)


def arrays(groups):
    """Return what is known about subgroups, by name."""
    return {**vars(groups), **vars(groups.repeats), "repeats": 0}


@pytest.mark.parametrize("members", [[[1, 1]], [[0, 0]], [[1, 0], [1, 1]]])
def test_a_group_without_rows_or_without_a_rest_is_refused(members):
    with pytest.raises(ValueError, match="leave it out"):
        stats.subgroup_rates([1, 0, 1], [0, 1, 1], members)


# --- p-values ---------------------------------------------------------------------------------------------------


def by_counts(x, n, x_rest, n_rest):
    """Many separate groups by counts, for p-values only."""
    size = len(x)
    filler = np.zeros(size)
    return Subgroups(
        x / n, x_rest / n_rest, filler + 0.5, 0.5, filler.astype(int) + n, filler + n, filler + n_rest, filler,
        filler.astype(int) + n, np.eye(size), 0, filler + n, filler > 0, filler, *np.zeros((2, 2, size)), Repeats(filler, filler),
    )  # fmt: skip


@pytest.mark.parametrize(("n", "n_rest"), [(30, 30), (30, 90), (60, 40)])
@pytest.mark.parametrize("tolerance", [0.0, 0.05])
def test_p_values_of_small_counts_are_valid_by_enumeration(n, n_rest, tolerance):
    x, x_rest = (part.ravel().astype(float) for part in np.mgrid[0 : n + 1, 0 : n_rest + 1])
    p = stats.excess_p(by_counts(x, n, x_rest, n_rest), tolerance)
    for q in (0.005, 0.05, 0.2, 0.5, 0.8, 0.94):
        chance = binom.pmf(x, n, q + tolerance) * binom.pmf(x_rest, n_rest, q)
        for level in (0.2, 0.05, 0.01, 1e-3, 1e-4, 1e-5):
            assert chance[p <= level].sum() <= level
        assert chance[p <= 0.2].sum() > 0.02 or q < 0.01 or q + tolerance > 0.98  # valid, and not by never rejecting


def test_a_p_value_is_where_the_lower_limit_meets_the_tolerance():
    group = alone(20, 50, 100, 500)
    for tolerance in (0.0, 0.05, 0.1):
        p = stats.excess_p(group, tolerance)[0]
        ends = [stats.clopper_pearson(x, n, 1 - 2 * p) for x, n in ((20, 50), (100, 500))]
        low = stats.difference_limits(0.4, *ends[0], 0.2, *ends[1])[0]
        assert low == pytest.approx(tolerance, abs=1e-7)


def test_in_large_samples_the_p_value_is_the_normal_one():
    x, n, x_rest, n_rest = 3_100, 10_000, 11_600, 40_000
    se = np.sqrt(0.31 * 0.69 / n + 0.29 * 0.71 / n_rest)
    assert stats.excess_p(alone(x, n, x_rest, n_rest))[0] == pytest.approx(norm.sf(0.02 / se), rel=0.15)
    assert stats.excess_p(alone(x, n, x_rest, n_rest), 0.01)[0] == pytest.approx(norm.sf(0.01 / se), rel=0.1)


def test_what_is_no_worse_has_the_p_value_one_and_what_is_certain_a_tiny_one():
    assert stats.excess_p(alone(10, 50, 100, 500)).tolist() == [1.0]
    assert stats.excess_p(alone(12, 50, 100, 500), 0.05).tolist() == [1.0]
    assert 0 < stats.excess_p(alone(5_000, 5_000, 0, 5_000))[0] < 1e-14


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 300)), min_size=1, max_size=8), st.sampled_from([0.01, 0.05, 0.2]),
       st.sampled_from(["positive", "any"]))  # fmt: skip
def test_a_group_is_flagged_just_if_its_lower_limit_is_over_the_tolerance(table, fdr, dependence):
    x, x_rest = (np.array(part, dtype=float) for part in zip(*table, strict=True))
    found = stats.worse_than_rest(by_counts(x, 40, x_rest, 300), 0.05, fdr, dependence)
    adjusted = stats.benjamini_hochberg(found.p_value)
    factor = sum(1 / k for k in range(1, len(x) + 1)) if dependence == "any" else 1
    np.testing.assert_allclose(found.p_adjusted, np.minimum(1, adjusted * factor))
    assert found.flagged.tolist() == (found.p_adjusted <= fdr).tolist()
    if found.flagged.any():
        assert found.flagged.tolist() == (found.low > 0.05 - 1e-7).tolist()
    assert np.all((found.low <= found.value) & (found.value <= found.high))


def test_more_rows_shrink_p_and_a_larger_tolerance_raises_it():
    few, many = (stats.excess_p(alone(12 * k, 40 * k, 40 * k, 200 * k))[0] for k in (1, 4))
    strict = [stats.excess_p(alone(24, 80, 80, 400), tolerance)[0] for tolerance in (0.0, 0.02, 0.05)]
    assert many < few
    assert strict == sorted(strict)


def test_clusters_raise_p_where_rows_are_alike_within_them():
    cluster = np.repeat(np.arange(60), 20)
    events = np.repeat(np.r_[np.arange(20) < 12, np.arange(40) < 12], 20)
    cell, members = (cluster >= 20).astype(int), [[1, 0]]
    free, tied = (stats.subgroup_rates(events, cell, members, codes) for codes in ([], [cluster]))
    assert tied.n_clusters.tolist() == [20]
    assert tied.n_effective[0] < 25
    assert free.n_effective[0] == pytest.approx(400)
    assert stats.excess_p(free)[0] < 1e-12
    assert 0.01 < stats.excess_p(tied)[0] < 0.1


@pytest.mark.parametrize("reaching", [False, True])
def test_clustered_limits_are_those_of_two_estimates_that_share_clusters(rng, reaching):
    cluster = np.repeat(np.arange(24), 30)
    cell = np.tile([0, 1], 360) if reaching else (cluster % 2)
    events = rng.random(720) < np.clip(0.4 + 0.2 * rng.normal(size=24)[cluster], 0.05, 0.95)
    group = stats.subgroup_rates(events, cell, [[1, 0]], [cluster])
    cov = stats.rate_covariance(events, np.ones(720), cell, [cluster])
    limits = limits_of(Quantities.of(cov), upper_quantile(0.05, cov.df), cov.df)
    correlation = cov.M[0, 1] / np.sqrt(cov.M[0, 0] * cov.M[1, 1])
    ends = [limit for group in (0, 1) for limit in (cov.rates[group], limits[0][group], limits[1][group])]
    low, high = (np.atleast_1d(end) for end in stats.difference_limits(*ends, correlation))
    down, up = skewness_shifts(upper_quantile(0.05, cov.df.min()), group.skew)
    low, high = low - down, high + up
    found = stats.certificate(group, 0.9, DRAWS, rng=rng)
    # where clusters reach into both, the variance of the difference is kept at that of independent rows at least
    nearly = 0.003 if reaching else 1e-9
    assert found.high_pointwise[0] == pytest.approx(high[0] / 2, abs=nearly)
    assert found.low_pointwise[0] == pytest.approx(low[0] / 2, abs=nearly)


def test_clusters_that_reach_into_both_sides_are_compared_with_themselves(rng):
    """Half of each speaker's rows are in the group: what speakers do alike falls out of the difference."""
    cluster = np.repeat(np.arange(60), 20)
    cell = np.tile([0, 1], 600)
    hard = np.repeat(rng.random(60), 20)
    events = rng.random(1200) < np.clip(hard + np.where(cell == 0, 0.1, 0.0), 0, 1)
    tied = stats.subgroup_rates(events, cell, [[1, 0]], [cluster])
    assert tied.correlation[0] > 0.5
    free = stats.subgroup_rates(events, cell, [[1, 0]])
    assert stats.excess_p(tied)[0] < 3 * stats.excess_p(free)[0]


# --- the certificate --------------------------------------------------------------------------------------------


def test_the_certificate_of_one_group_is_a_closed_form(rng):
    group = alone(20, 50, 100, 450)
    found = stats.certificate(group, 0.95, rng=rng)
    low, high = stats.difference_limits(
        0.4, *stats.clopper_pearson(20, 50), 100 / 450, *stats.clopper_pearson(100, 450))  # fmt: skip
    assert found.value[0] == pytest.approx(0.4 - 120 / 500)
    assert found.bound == pytest.approx(0.9 * high)
    assert found.low_pointwise[0] == pytest.approx(0.9 * low)
    assert found.critical == pytest.approx(1.96, abs=0.04)
    assert found.floor == pytest.approx(0.9 * low, abs=0.002)


def test_separate_groups_are_corrected_as_sidak_does_and_copies_not_at_all(rng):
    n = np.full(12, 500.0)
    half = replace(by_counts(n / 5, 500, n, 5_000), shares=np.full(12, 0.1))
    apart = stats.certificate(half, 0.95, rng=rng).critical
    assert apart == pytest.approx(norm.isf((1 - 0.95 ** (1 / 12)) / 2), abs=0.03)
    copies = replace(half, joint=np.ones((12, 12)))
    assert stats.certificate(copies, 0.95, rng=rng).critical == pytest.approx(1.96, abs=0.04)


@settings(max_examples=30, deadline=None)
@given(rows(), st.sampled_from([0.8, 0.95]))
def test_limits_lie_in_order(table, level):
    events, cell, members, _, weight = table
    found = stats.certificate(
        stats.subgroup_rates(events, cell, members, weight=weight), level, DRAWS, rng=np.random.default_rng(0)
    )
    assert np.all(found.low <= found.low_pointwise + 0.02)  # few draws: the critical value is rough
    assert np.all(found.low_pointwise <= found.value + 1e-12)
    assert np.all(found.value <= found.high_pointwise + 1e-12)
    assert found.value[found.worst] == found.value.max()
    assert found.floor <= found.value.max() <= found.bound
    assert found.bound == found.high_pointwise.max()


def test_a_group_that_never_fails_is_not_taken_for_certain(rng):
    groups = stats.subgroup_rates([0, 1, 0], [0, 1, 1], [[1, 0]], counts=[30, 200, 800])
    found = stats.certificate(groups, rng=rng)
    assert found.value[0] == pytest.approx(-200 / 1030)
    assert found.value[0] + 0.1 < found.high_pointwise[0] < found.value[0] + 0.15


def test_a_rest_that_always_fails_has_limits_too(rng):
    groups = stats.subgroup_rates([0, 1, 1], [0, 0, 1], [[1, 0]], weight=rng.exponential(size=3) / 3, counts=[10, 20, 40],
                                  squares=rng.exponential(size=3) / 100)  # fmt: skip
    assert groups.rests[0] == 1
    assert groups.rest_effective[0] > 1
    assert np.isfinite(stats.certificate(groups, rng=rng).bound)


def simulate(rng, runs, rows_, rate):
    """How often a false flag is raised, the bound misses, and all limits do not hold at once, with equal rates but one."""
    members = crossings([2, 3, 3])
    chance = np.outer(np.outer([0.6, 0.4], [0.5, 0.3, 0.2]).ravel(), [0.5, 0.35, 0.15]).ravel()
    inside, outside = members @ chance, 1 - members @ chance
    truth = members @ (chance * rate) / inside
    rest = (chance @ rate - members @ (chance * rate)) / outside
    false = bound = joint = 0
    for _ in range(runs):
        n = rng.multinomial(rows_, chance)
        x = rng.binomial(n, rate)
        kept = members @ n >= 30
        groups = stats.subgroup_rates([1, 0] * 18, np.repeat(range(18), 2), members[kept],
                                      counts=np.column_stack([x, n - x]).ravel())  # fmt: skip
        flagged = stats.worse_than_rest(groups).flagged
        wrong = (truth <= rest + 1e-12)[kept]
        false += np.sum(flagged & wrong) / max(flagged.sum(), 1)
        found, excess = stats.certificate(groups, 0.95, DRAWS, rng=rng), (truth - chance @ rate)[kept]
        bound += found.bound < excess.max()
        joint += np.any((found.low > excess) | (found.high < excess))
    return false / runs, bound / runs, joint / runs


def test_nothing_is_flagged_when_all_are_alike_but_for_one_audit_in_twenty(rng):
    false, bound, joint = simulate(rng, 200, 800, np.full(18, 0.2))
    assert false <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 200)
    assert bound == 0
    assert joint <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 200)


def test_the_bound_holds_where_one_group_is_worse(rng):
    rate = np.full(18, 0.15)
    rate[0] = 0.35
    false, bound, joint = simulate(rng, 200, 1500, rate)
    assert false <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 200)
    assert bound <= 0.025 + 3 * np.sqrt(0.025 * 0.975 / 200)
    assert joint <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 200)


def test_the_same_generator_gives_the_same_certificate():
    groups = stats.subgroup_rates([0, 1, 0, 1], [0, 0, 1, 1], [[1, 0]], counts=[60, 30, 200, 80])
    one, other = (stats.certificate(groups, rng=np.random.default_rng(3)) for _ in range(2))
    assert (one.critical, one.floor) == (other.critical, other.floor)


@pytest.mark.parametrize("share", [0.2, 0.35])
def test_a_large_cluster_flags_no_group(share):
    """By plain residual sums, 20% of the searches flag a group where one speaker has a third of all cases."""
    members, runs = crossings([2, 3, 2])[:11], 120
    rng = np.random.default_rng(12)
    flagged = 0
    for _ in range(runs):
        speaker = np.where(rng.random(2_000) < share, 0, rng.integers(1, 120, 2_000))
        cell = rng.integers(0, 12, 120)[speaker]
        events = rng.random(2_000) < expit(rng.normal(-1.4, 1.0, 120))[speaker]
        kept = [group for group in members if 30 <= group[cell].sum() <= 1_970]
        groups = stats.subgroup_rates(events, cell, kept, [speaker])
        flagged += bool(stats.worse_than_rest(groups.subset(~groups.few_clusters)).flagged.any())
    assert flagged <= binom.isf(0.01, runs, 0.05)
