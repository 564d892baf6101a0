"""Intervals of means hold with heavy tails, or flag the end that does not."""

from __future__ import annotations

import numpy as np
import pytest

from raikit.stats import loss_interval, ratio_of_means_interval, skewed_mean_interval

RUNS = 400
MOST = 0.025 + 2 * (0.025 * 0.975 / RUNS) ** 0.5


@pytest.mark.parametrize(("draw", "mean_square"), [
    (lambda rng: rng.normal(size=200), 1.0),
    (lambda rng: rng.standard_t(5, 200), 5 / 3),
    (lambda rng: rng.standard_t(3, 200), 3.0),
    (lambda rng: rng.lognormal(0, 1.2, 200), np.exp(2.88)),
    (lambda rng: rng.pareto(2.2, 200) + 1, 11.0),
], ids=["normal", "t5", "t3", "lognormal", "Pareto"])  # fmt: skip
def test_mean_squares_hold_or_their_high_end_is_open(draw, mean_square):
    rng = np.random.default_rng(0)
    intervals = [loss_interval(draw(rng) ** 2) for _ in range(RUNS)]
    assert np.mean([each.low > mean_square for each in intervals]) <= MOST
    assert np.mean([each.high < mean_square and "open_high" not in each.flags for each in intervals]) <= MOST


@pytest.mark.parametrize(("draw", "mean", "size"), [
    (lambda rng, n: rng.pareto(2.2, n) + 1, 2.2 / 1.2, 50),
    (lambda rng, n: (rng.pareto(3, n) + 1) ** 2, 3.0, 50),
    (lambda rng, n: (rng.pareto(3, n) + 1) ** 2, 3.0, 200),
    (lambda rng, n: rng.pareto(2.2, n) + 1, 2.2 / 1.2, 200),
], ids=["Pareto(2.2), 50", "squares of Pareto(3), 50", "squares of Pareto(3), 200", "Pareto(2.2), 200"])  # fmt: skip
def test_losses_with_a_tail_that_an_index_does_not_see_hold_or_are_open(draw, mean, size):
    rng, runs = np.random.default_rng(1), 2_000
    intervals = [loss_interval(draw(rng, size)) for _ in range(runs)]
    assert np.mean([each.high < mean and "open_high" not in each.flags for each in intervals]) <= 0.04


def test_normal_errors_of_50_cases_are_mostly_decided():
    rng = np.random.default_rng(0)
    assert np.mean([not loss_interval(np.abs(rng.normal(size=50))).flags for _ in range(400)]) > 0.8


def test_light_tails_of_enough_cases_are_not_flagged_and_hardly_widened():
    rng = np.random.default_rng(0)
    squares = rng.normal(size=1_000) ** 2
    interval = loss_interval(squares)
    plain = 2 * 1.962 * squares.std(ddof=1) / 1_000**0.5
    assert interval.flags == ()
    assert interval.high - interval.low < 1.1 * plain


@pytest.mark.parametrize("share", [0.01, 0.05])
def test_losses_with_a_largest_value_hold_with_any_tail_and_have_no_open_end(share):
    rng = np.random.default_rng(0)
    intervals = [loss_interval((rng.random(200) < share) * rng.random(200), largest=1.0) for _ in range(RUNS)]
    assert np.mean([each.high < share / 2 for each in intervals if "unreliable" not in each.flags]) <= MOST
    assert not any("open_high" in each.flags for each in intervals)


def test_the_heavy_side_of_a_signed_mean_is_open():
    rng = np.random.default_rng(0)
    errors = rng.pareto(1.5, 300)
    assert skewed_mean_interval(errors).flags == ("open_high",)
    assert skewed_mean_interval(-errors).flags == ("open_low",)
    assert skewed_mean_interval(rng.normal(size=300)).flags == ()


def test_a_ratio_of_means_holds_or_an_end_is_open():
    rng, truth = np.random.default_rng(0), 0.3**2 / (3 - 1.5**2 + 0.3**2)
    low, high = 0, 0
    for _ in range(RUNS):
        error, target = 0.3 * rng.normal(size=200), rng.pareto(3, 200) + 1
        target += error
        interval = ratio_of_means_interval(error**2, (target - target.mean()) ** 2)
        low += interval.low > truth and "open_low" not in interval.flags
        high += interval.high < truth and "open_high" not in interval.flags
    assert low / RUNS <= MOST
    assert high / RUNS <= MOST


def test_weights_and_copies_in_clusters_change_nothing_but_their_own():
    rng = np.random.default_rng(0)
    losses = rng.lognormal(size=150)
    once = loss_interval(losses)
    copies = loss_interval(np.repeat(losses, 3), clusters=[np.repeat(np.arange(150), 3)])
    assert copies.high == pytest.approx(once.high, rel=1e-6)
    assert copies.low == pytest.approx(once.low, rel=1e-6)
    scaled = loss_interval(losses, np.full(150, 7.0))
    assert scaled.high == pytest.approx(once.high, rel=1e-9)


def odd_cluster(rng, clusters=40):
    """Return values of even clusters, one of which has values nine times as high on average, and their clusters."""
    center = 10 * np.where(np.arange(clusters) < 1, 0.3, 0.033) * rng.gamma(2, 0.5, clusters)
    cluster = np.repeat(np.arange(clusters), 20)
    return center[cluster] + rng.normal(size=len(cluster)), cluster


def test_mean_squares_of_few_clusters_are_open_because_one_of_another_kind_may_go_unseen():
    rng = np.random.default_rng(0)
    intervals = [loss_interval(x**2, clusters=[c], squares=True) for x, c in (odd_cluster(rng) for _ in range(RUNS))]
    truth = np.mean([each.value for each in intervals])
    assert np.mean([each.high < truth for each in intervals]) > 2 * MOST  # what no interval of so few clusters would see
    assert all("open_high" in each.flags for each in intervals)
    assert np.mean([each.low > truth for each in intervals]) <= MOST


def test_mean_squares_of_many_clusters_or_of_independent_cases_may_decide():
    x = np.random.default_rng(0).normal(size=2_400)
    assert not loss_interval(x**2, clusters=[np.arange(2_400) // 2], squares=True).flags
    assert not loss_interval(x**2, squares=True).flags
    assert not loss_interval(np.abs(x), clusters=[np.arange(2_400) // 50]).flags
