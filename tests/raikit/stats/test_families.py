"""Values and covariances of pooled rests, computed as one product and by running sums."""

import tracemalloc

import numpy as np
import pytest

from raikit import stats
from raikit.stats import clusters, families, gaps, quantities
from raikit.stats.families import groups_and_rests, pairs_and_rests, two_sided


def draw_family(name, rng):
    sizes = rng.integers(1, 50, 40).astype(float)
    sizes[7] = 0
    return groups_and_rests(sizes) if name == "rests" else pairs_and_rests(sizes, rng.choice([0, 1, 2, 3], 40, p=[0.5, 0.3, 0.15, 0.05]))


def dense_pooling(family):
    """The share of each group in each rest, one rest at a time."""
    rows = []
    for group in family.rest_of:
        inside = (family.strata == family.strata[group]) & (np.arange(len(family.sizes)) != group)
        rows.append(np.where(inside, family.sizes, 0) / family.sizes[inside].sum())
    return np.array(rows)


@pytest.mark.parametrize("most", [0, 500])
@pytest.mark.parametrize("name", ["rests", "strata"])
def test_rests_are_pooled_as_by_one_product(name, most, monkeypatch):
    monkeypatch.setattr(families, "_DENSE", most)
    rng = np.random.default_rng(3)
    family = draw_family(name, rng)
    pooling = np.vstack([np.eye(40), dense_pooling(family)])
    values, root = rng.random((40, 3)), rng.normal(size=(40, 40))
    np.testing.assert_allclose(family.extend(values), pooling @ values, rtol=1e-13)
    np.testing.assert_allclose(family.extend(values[:, 0]), pooling @ values[:, 0], rtol=1e-13)
    np.testing.assert_allclose(family.extend_covariance(root @ root.T), pooling @ root @ root.T @ pooling.T, rtol=1e-11, atol=1e-12)
    noise = values.astype(np.float32)
    assert family.extend(noise).dtype == np.float32
    np.testing.assert_allclose(family.extend(noise), pooling @ values, rtol=1e-5)


@pytest.mark.parametrize("name", ["rests", "strata"])
def test_errors_of_independent_groups_are_those_of_their_covariance_matrix(name):
    rng = np.random.default_rng(4)
    family = two_sided(draw_family(name, rng))
    variance = rng.random(40)
    expected = family.standard_errors(family.extend_covariance(np.diag(variance)))
    np.testing.assert_allclose(family.independent_standard_errors(variance), expected, rtol=1e-13)


def test_a_group_that_outweighs_all_others_does_not_blur_their_rest(monkeypatch):
    monkeypatch.setattr(families, "_DENSE", 0)
    family = groups_and_rests(np.array([1.0, 1e17, 2.0]))
    assert family.extend(np.array([0.25, 0.5, 0.125]))[4] == pytest.approx(0.5 / 3, rel=1e-15)


def test_no_table_of_all_groups_and_rests_is_made_for_many_groups():
    family = groups_and_rests(np.ones(3_000))
    tracemalloc.start()
    family.extend(np.arange(3_000.0))
    family.independent_standard_errors(np.ones(3_000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5e6


def test_two_groups_of_each_kind_have_the_extremes_of_all(monkeypatch):
    monkeypatch.setattr(families, "_DENSE", 0)
    rng = np.random.default_rng(6)
    strata, kind, n = rng.integers(0, 2, 60), rng.integers(0, 5, 60).astype(float), rng.integers(2, 4, 60).astype(float)
    family = pairs_and_rests(n, strata)
    kept = family.of_each_kind(kind, n)
    assert len(kept.plus) < len(family.plus) / 2
    level = {key: rng.normal(size=2) for key in zip(strata, kind, n, strict=True)}
    quantity = np.array([level[key] for key in zip(strata, kind, n, strict=True)])
    rest = np.array([level[key][::-1] + 1 for key in zip(*(part[family.rest_of] for part in (strata, kind, n)), strict=True)])
    up, down = np.vstack([quantity, rest]).T
    for some in (family, kept):
        value = np.hypot(up[some.plus], down[some.minus]) - up[some.plus] * down[some.minus]
        pairs = value[some.pairs]
        if some is family:
            expected = value.max(), value.min(), pairs.max(), pairs.min()
        else:
            assert (value.max(), value.min(), pairs.max(), pairs.min()) == expected


@pytest.mark.parametrize("estimate", [stats.clustered_gap, stats.clustered_ratio])
@pytest.mark.parametrize("scale", ["proportion", "positive"])
def test_the_ends_of_independent_groups_are_those_of_all_contrasts(estimate, scale, monkeypatch):
    rng = np.random.default_rng(9)
    n = rng.integers(4, 7, 40)
    group = np.repeat(np.arange(40), n)
    value = (rng.random(len(group)) < 0.5) if scale == "proportion" else rng.choice([1.0, 2.0], len(group))
    cov = stats.rate_covariance(value, np.ones(len(group)), group, scale=scale)
    expected = estimate(cov, rng=np.random.default_rng(1))
    contrasts = []
    limits = quantities.differences if estimate is stats.clustered_gap else quantities.ratios

    def counted(q, i, j, z):
        contrasts.append(len(i))
        return limits(q, i, j, z)

    monkeypatch.setattr(clusters, limits.__name__, counted)
    monkeypatch.setattr(families, "_DENSE", 0)
    found = estimate(cov, rng=np.random.default_rng(1))
    assert (found.low, found.high, found.value) == pytest.approx((expected.low, expected.high, expected.value), rel=1e-12)
    assert (found.worst, found.best) == (expected.worst, expected.best)
    assert max(contrasts) < 40 * 39 * 0.8


@pytest.mark.parametrize("estimate", [stats.gap, stats.ratio])
def test_the_ends_of_counts_are_those_of_all_contrasts(estimate, monkeypatch):
    rng = np.random.default_rng(9)
    n = rng.integers(4, 7, 40)
    x = rng.integers(1, n + 1)
    expected = estimate(x, n, rng=np.random.default_rng(1))
    contrasts = []
    limits = gaps.difference_limits if estimate is stats.gap else gaps.ratio_limits
    monkeypatch.setattr(gaps, limits.__name__, lambda *args: contrasts.append(len(args[0])) or limits(*args))
    monkeypatch.setattr(families, "_DENSE", 0)
    found = estimate(x, n, rng=np.random.default_rng(1))
    assert (found.low, found.high, found.value) == pytest.approx((expected.low, expected.high, expected.value), rel=1e-12)
    assert (found.worst, found.best) == (expected.worst, expected.best)
    assert max(contrasts) < 40 * 39 * 0.8
