import numpy as np
import pytest
from scipy.stats import bootstrap

from raikit.stats import bootstrap_interval, mean_interval


@pytest.fixture
def rng():
    return np.random.default_rng(5)


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


def test_a_cluster_that_holds_half_of_all_cases_leaves_too_few(rng):
    x, even = rng.random(400), np.arange(400) // 10
    half = np.where(np.arange(400) < 200, 0, even)
    flags = [bootstrap_interval(lambda w: (w @ x) / w.sum(axis=1), 400, clusters=[c], draws=200, rng=rng).flags
             for c in (even, half, even // 9)]  # fmt: skip
    assert flags == [(), ("few_clusters",), ()]  # the last are five of similar size
