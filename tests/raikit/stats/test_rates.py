import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from raikit.stats import clopper_pearson, effective_counts, rates, simultaneous_rates


@given(st.integers(1, 400), st.data(), st.floats(0.5, 0.999))
def test_limits_equal_scipys_exact_ones(n, data, level):
    x = data.draw(st.integers(0, n))
    oracle = binomtest(x, n).proportion_ci(level, method="exact")
    low, high = clopper_pearson(x, n, level)
    assert (float(low), float(high)) == pytest.approx((oracle.low, oracle.high), abs=1e-9)


@given(st.integers(1, 200), st.data())
def test_one_sided_limits_equal_scipys(n, data):
    x = data.draw(st.integers(0, n))
    lower = binomtest(x, n, alternative="greater").proportion_ci(0.9, method="exact")
    upper = binomtest(x, n, alternative="less").proportion_ci(0.9, method="exact")
    assert [float(v) for v in clopper_pearson(x, n, 0.9, "lower")] == pytest.approx([lower.low, 1.0], abs=1e-9)
    assert [float(v) for v in clopper_pearson(x, n, 0.9, "upper")] == pytest.approx([0.0, upper.high], abs=1e-9)


def test_a_rate_without_rows_is_undefined_and_the_others_are_not_touched():
    low, high = clopper_pearson([0, 3], [0, 3])
    assert np.isnan([low[0], high[0]]).all()
    assert low[1] == pytest.approx(0.025 ** (1 / 3))
    assert high[1] == 1.0


def test_more_successes_than_trials_are_refused():
    with pytest.raises(ValueError, match="between 0 and n"):
        clopper_pearson(3, 2)


@given(st.lists(st.tuples(st.booleans(), st.floats(0.1, 10)), min_size=1, max_size=30), st.floats(0.01, 100))
def test_effective_counts_do_not_depend_on_the_scale_of_the_weights(rows, scale):
    y, w = np.array([r[0] for r in rows], dtype=float), np.array([r[1] for r in rows])
    x, n = effective_counts(w @ y, w.sum(), w @ w)
    scaled = effective_counts(scale * w @ y, scale * w.sum(), scale**2 * w @ w)
    assert (float(x), float(n)) == pytest.approx((float(scaled[0]), float(scaled[1])))
    assert n <= len(rows) * (1 + 1e-9)


def test_equal_weights_count_rows():
    x, n = effective_counts(2.5 * 3, 2.5 * 8, 2.5**2 * 8)
    assert (float(x), float(n)) == pytest.approx((3, 8))


@settings(max_examples=30)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=8), st.data())
def test_simultaneous_limits_are_exact_ones_at_sidaks_level(sizes, data):
    x = [data.draw(st.integers(0, n)) for n in sizes]
    rates = simultaneous_rates(x, sizes, 0.9)
    for i, (hits, n) in enumerate(zip(x, sizes, strict=True)):
        oracle = binomtest(hits, n).proportion_ci(0.9 ** (1 / len(sizes)), method="exact")
        assert (rates.low[i], rates.high[i]) == pytest.approx((oracle.low, oracle.high), abs=1e-9)
        assert rates.low[i] <= rates.low_pointwise[i] <= rates.value[i] <= rates.high_pointwise[i] <= rates.high[i]


def test_an_undefined_group_does_not_widen_the_others():
    assert simultaneous_rates([3, 4, 0], [9, 9, 0]).low[:2] == pytest.approx(simultaneous_rates([3, 4], [9, 9]).low)


def test_limits_of_groups_with_the_same_counts_are_computed_once(monkeypatch):
    computed = []
    solve = rates.betaincinv
    monkeypatch.setattr(rates, "betaincinv", lambda *args: computed.append(np.size(args[0])) or solve(*args))
    rng = np.random.default_rng(2)
    n = rng.integers(0, 5, 3_000)
    x = rng.integers(0, n + 1)
    low, high = clopper_pearson(x, n)
    assert max(computed) <= 15
    singly = np.array([clopper_pearson(*pair) for pair in zip(x[:40], n[:40], strict=True)])
    np.testing.assert_array_equal(np.column_stack([low, high])[:40], singly)
