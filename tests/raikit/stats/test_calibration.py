"""Intervals of calibration errors keep their level, and show what can be shown. Long: benchmarks/simulate_calibration.py."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, logit

from raikit import stats
from raikit.stats.absolute_sums import AbsoluteSums


def group(rng, n, slope=1.0, base=0.3, shift=0.0):
    """Draw a group; return its estimate and the true error of its bins."""
    z = rng.normal(logit(base), 1.2, n)
    score, p = expit(z), expit(slope * z + shift)
    bins = stats.equal_bins(score, 10)
    error = stats.calibration_error(rng.random(n) < p, score, bins, rng=rng, draws=500)
    return error, float(np.abs(np.bincount(bins, p - score)).sum() / n)


def test_a_gap_of_calibration_errors_is_found_where_the_data_show_it():
    rng = np.random.default_rng(1)
    runs = [(group(rng, 1_000, 0.6, 0.05), group(rng, 1_000, 0.4, 0.05)) for _ in range(40)]
    gaps = [stats.calibration_gap([a[0], b[0]], draws=2_000, rng=rng) for a, b in runs]
    truth = np.array([abs(a[1] - b[1]) for a, b in runs])
    assert np.mean([gap.low > 0 for gap in gaps]) > 0.9  # separate limits of each group find 36%
    assert np.mean([gap.low > true for gap, true in zip(gaps, truth, strict=True)]) <= 0.1
    assert np.mean([gap.high < true for gap, true in zip(gaps, truth, strict=True)]) <= 0.1


@pytest.mark.parametrize(("n", "base"), [(50, 0.3), (200, 0.05), (1_000, 0.3)])
def test_calibrated_groups_show_no_error_and_no_gap(n, base):
    rng = np.random.default_rng(2)
    low, gaps = [], []
    for _ in range(60):
        errors = [group(rng, n, base=base)[0] for _ in range(4)]
        low.extend(error.limits(0.025)[0] > 0 for error in errors)
        gaps.append(stats.calibration_gap(errors, draws=2_000, rng=rng).low > 0)
    assert np.mean(low) <= 0.04  # 240 groups, nominal 2.5%
    assert np.mean(gaps) <= 0.05


def test_the_upper_limit_of_few_events_is_not_lowered_by_a_bias_that_is_not_there():
    """The floors of sparse bins make their noise, and with it the bias, look larger than it is."""
    rng = np.random.default_rng(3)
    runs = [group(rng, 200, base=0.05, shift=0.5) for _ in range(150)]
    assert np.mean([error.limits(0.025)[1] < true for error, true in runs]) <= 0.04


def test_signs_that_are_clear_cost_nothing():
    """With clear signs the interval is that of a sum of independent errors."""
    errors = stats.calibration_error(
        np.tile([1, 1, 1, 0], 500), np.where(np.arange(2_000) < 1_000, 0.2, 0.3), np.arange(2_000) // 1_000,
        rng=np.random.default_rng(0), draws=100,
    )  # fmt: skip
    low, high = errors.limits(0.025)
    assert errors.value - low == pytest.approx(1.96 * errors.se, rel=0.01)
    assert high - errors.value == pytest.approx(1.96 * errors.se, rel=0.01)


def test_bins_say_what_a_comparison_of_two_runs_needs():
    error, _ = group(np.random.default_rng(4), 500)
    assert error.errors.shape == error.variances.shape == error.shares.shape == (error.bins,)
    assert error.value == pytest.approx(float(error.shares @ np.abs(error.errors)))
    assert np.all(error.variances >= error.observed_variances)


def test_estimates_that_bracket_a_sum_bracket_it():
    """Over noise, the floor lies below the true sum on average, whatever the errors, and the plain estimate above it."""
    rng = np.random.default_rng(5)
    for true in (np.zeros(8), np.full(8, 1.0), np.full(8, -3.0), np.linspace(-4, 4, 8)):
        ones, share = np.ones(8), np.full(8, 1 / 8)
        sums = AbsoluteSums.join(
            [AbsoluteSums.of(true + rng.normal(size=8), ones, ones, share, 0.35, 1e6) for _ in range(4_000)]
        )
        theta = np.abs(true).mean()
        assert sums.floor.mean() < theta + 0.02
        assert sums.value.mean() > theta - 0.02
