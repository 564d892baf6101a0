import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from raikit.stats import auc_influence, auc_interval


@pytest.fixture
def rng():
    return np.random.default_rng(5)


@settings(deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 6), st.floats(0.1, 5)), min_size=2, max_size=40))
def test_the_area_is_scikit_learns_with_ties_and_weights(rows):
    y, score, weight = (np.array(column) for column in zip(*rows, strict=True))
    if y.min() == y.max():
        with pytest.raises(ValueError, match="undefined"):
            auc_interval(y, score, weight)
        return
    for w in (None, weight):
        found = auc_interval(y, score, w)
        assert found.value == pytest.approx(roc_auc_score(y, score, sample_weight=w))
        assert 0 <= found.low <= found.value + 1e-12
        assert found.value - 1e-12 <= found.high <= 1


def test_the_variance_is_delongs(rng):
    y, score = rng.integers(0, 2, 80), np.round(rng.normal(size=80), 1)
    positive, negative = score[y == 1], score[y == 0]
    kernel = (positive[:, None] > negative) + (positive[:, None] == negative) / 2
    variance = np.var(kernel.mean(axis=1), ddof=1) / len(positive) + np.var(kernel.mean(axis=0), ddof=1) / len(negative)
    found = auc_interval(y, score)
    half = (np.log(found.high / (1 - found.high)) - np.log(found.low / (1 - found.low))) / 2
    assert half == pytest.approx(1.959964 * np.sqrt(variance) / (found.value * (1 - found.value)), rel=1e-6)
    value, influence = auc_influence(y, score)
    assert value == found.value
    assert influence[y == 1].sum() == pytest.approx(0, abs=1e-12)


def test_an_area_of_one_is_never_certain():
    found = auc_interval([0] * 10 + [1] * 7, range(17))
    assert (found.value, found.high) == (1, 1)
    assert found.low == pytest.approx(0.025 ** (1 / 7))
    assert auc_interval([1] * 10 + [0] * 7, range(17)).high == pytest.approx(1 - 0.025 ** (1 / 7))


def test_rows_told_four_times_do_not_narrow_the_area(rng):
    y, score = rng.integers(0, 2, 150), rng.normal(size=150)
    once = auc_interval(y, score)
    again = auc_interval(np.repeat(y, 4), np.repeat(score, 4), clusters=[np.repeat(np.arange(150), 4)])
    assert (again.low, again.high) == pytest.approx((once.low, once.high), abs=4e-3)


def test_areas_of_clustered_rows_are_covered(rng):
    missed_row, missed, runs = 0, 0, 200
    for _ in range(runs):
        cluster = np.repeat(np.arange(40), 10)
        y = rng.integers(0, 2, 40)[cluster]
        score = y + rng.normal(0, 1, 40)[cluster] + rng.normal(0, 0.5, 400)
        truth = 0.7365  # P(N(1, 2 * 1.25) > 0)
        row, own = auc_interval(y, score), auc_interval(y, score, clusters=[cluster])
        missed_row += not row.low <= truth <= row.high
        missed += not own.low <= truth <= own.high
    assert missed_row > 0.3 * runs
    assert missed <= 0.11 * runs
