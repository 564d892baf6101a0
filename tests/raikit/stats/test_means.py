import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import bootstrap, t
from sklearn.metrics import roc_auc_score

from raikit.stats import auc_influence, auc_interval, bootstrap_interval, mean_interval


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
    with pytest.raises(ValueError, match="no rows"):
        mean_interval([])


def test_few_clusters_are_flagged(rng):
    found = mean_interval(rng.normal(size=60), clusters=[np.arange(60) // 10])
    assert found.n_clusters == 6
    assert found.flags == ("few_clusters",)
    assert "df 5" in found.method


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


def test_bca_agrees_with_scipys(rng):
    values = rng.exponential(size=40)

    def variance(w):  # biased and skewed, so that both corrections matter
        n = w.sum(axis=1)
        return w @ values**2 / n - (w @ values / n) ** 2

    ours = bootstrap_interval(variance, 40, draws=20_000, rng=rng)
    oracle = bootstrap((values,), np.var, n_resamples=20_000, method="BCa", rng=rng).confidence_interval
    assert (ours.low, ours.high) == pytest.approx((oracle.low, oracle.high), abs=0.03 * (oracle.high - oracle.low))


def f1(cells):
    return 2 * cells[:, 3] / (2 * cells[:, 3] + cells[:, 1] + cells[:, 2])


def test_cells_and_rows_give_the_same_interval(rng):
    counts = np.array([50, 10, 20, 30])
    cell = np.repeat(np.arange(4), counts)

    def of_rows(weights):
        return f1(np.stack([weights[:, cell == c].sum(axis=1) for c in range(4)], axis=1))

    by_cell = bootstrap_interval(f1, counts=counts, draws=10_000, rng=rng)
    by_row = bootstrap_interval(of_rows, 110, draws=10_000, rng=rng)
    assert (by_cell.low, by_cell.high) == pytest.approx((by_row.low, by_row.high), abs=0.01)
    assert by_cell.n == 110


def test_a_perfect_score_is_as_wide_as_can_be(rng):
    found = bootstrap_interval(f1, counts=[50, 0, 0, 30], bounds=(0, 1), rng=rng)
    assert (found.value, found.low, found.high) == (1, 0, 1)
    assert set(found.flags) == {"no_variation", "unreliable"}


def test_whole_clusters_are_drawn(rng):
    values = np.repeat(rng.normal(size=50), 8)

    def mean(weights):
        return weights @ values / weights.sum(axis=1)

    clustered = bootstrap_interval(mean, 400, clusters=[np.arange(400) // 8], draws=4_000, kind="percentile", rng=rng)
    oracle = mean_interval(values, clusters=[np.arange(400) // 8])
    assert (clustered.low, clustered.high) == pytest.approx((oracle.low, oracle.high), abs=0.05)
    crossed = bootstrap_interval(mean, 400, clusters=[np.arange(400) // 8, np.arange(400) % 8], rng=rng)
    assert "conservative" in crossed.method
    assert crossed.high - crossed.low > 0.9 * (clustered.high - clustered.low)


def test_a_statistic_undefined_in_many_draws_is_unreliable(rng):
    def often_undefined(weights):
        return np.where(weights[:, 0] > 0, weights @ np.arange(20.0) / weights.sum(axis=1), np.nan)

    assert "unreliable" in bootstrap_interval(often_undefined, 20, rng=rng).flags


def test_rows_and_counts_together_are_refused(rng):
    with pytest.raises(ValueError, match="either"):
        bootstrap_interval(f1, 4, counts=[1, 1, 1, 1], rng=rng)
