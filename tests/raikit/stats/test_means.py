import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t

from raikit.stats import mean_interval


@pytest.fixture
def rng():
    return np.random.default_rng(5)


@given(st.lists(st.floats(-100, 100), min_size=2, max_size=40).filter(lambda v: np.std(v) > 1e-3))
def test_a_mean_has_the_t_interval(values):
    found = mean_interval(values)
    oracle = t.interval(0.95, len(values) - 1, loc=np.mean(values), scale=np.std(values, ddof=1) / np.sqrt(len(values)))
    assert (found.low, found.high) == pytest.approx(oracle, abs=1e-6)


def test_what_does_not_vary_is_as_wide_as_can_be():
    for found in (mean_interval([1, 1, 1], bounds=(0, 1)), mean_interval([0.3], bounds=(0, 1))):
        assert (found.low, found.high) == (0, 1)
        assert "unreliable" in found.flags
    with pytest.raises(ValueError, match="no cases"):
        mean_interval([])


def test_few_clusters_are_flagged(rng):
    found = mean_interval(rng.normal(size=60), clusters=[np.arange(60) // 20])
    assert found.n_clusters == 3
    assert "few_clusters" in found.flags
    assert "one-way cluster t, one more cluster (df" in found.method


@pytest.mark.parametrize("kind", ["even", "Zipf"])
@pytest.mark.parametrize("sign", [1, -1])
def test_skewed_cluster_means_hold_or_the_end_on_their_side_is_open(kind, sign):
    rng, runs, missed, beyond = np.random.default_rng(0), 400, 0, 0
    sizes = np.full(40, 20) if kind == "even" else np.round(190 / np.arange(1, 41)).astype(int)
    cluster = np.repeat(np.arange(40), sizes)
    truth = sign * np.exp(0.5)
    for _ in range(runs):
        found = mean_interval(sign * rng.lognormal(size=40)[cluster] + 0.1 * rng.normal(size=len(cluster)), clusters=[cluster])
        high, low = found.high < truth, found.low > truth
        missed += (high and "open_high" not in found.flags) or (low and "open_low" not in found.flags)
        beyond += high or low
    assert missed / runs <= 0.025 + 2 * (0.025 * 0.975 / runs) ** 0.5
    assert beyond / runs <= 0.1


def test_normal_values_are_decided_and_a_skewed_sample_is_open_on_its_side_only(rng):
    assert mean_interval(rng.normal(size=200)).flags == ()
    assert mean_interval(rng.normal(size=60)[np.arange(600) // 10], clusters=[np.arange(600) // 10]).flags == ()
    assert mean_interval(rng.pareto(1.5, 200)).flags == ("open_high",)
    assert mean_interval(-rng.pareto(1.5, 200)).flags == ("open_low",)


def test_a_mean_between_bounds_has_ends_that_hold_although_few_cases_make_its_variance():
    rng, runs, missed = np.random.default_rng(0), 400, 0
    for _ in range(runs):
        values = np.where(rng.random(120) < 0.05, 1.0, 0.001 * rng.random(120))
        truth = 0.05 + 0.95 * 0.0005
        interval = mean_interval(values, bounds=(-1, 1))
        missed += truth > interval.high
        assert not {"open_high", "open_low"} & set(interval.flags)
        assert interval.high < 0.35
    assert missed / runs <= 0.025
    assert "open_high" in mean_interval(values).flags
