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
    assert found.flags == ("few_clusters",)
    assert "df 2" in found.method
