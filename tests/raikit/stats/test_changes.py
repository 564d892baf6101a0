"""Comparisons of two runs keep their level where cases differ, and their interval is beyond the margin where the test rejects."""

from __future__ import annotations

import numpy as np
import pytest

from raikit.stats import (
    BinErrors,
    CaseInfluences,
    RunEstimates,
    calibration_change,
    equal_bins,
    estimate_change,
    gap_change,
    gap_widening,
    influence_estimates,
    shared_loss,
)
from raikit.stats.changes import range_tail


def shares(rng, sizes, rate):
    """Estimates of shares, with two more successes and failures in their variance."""
    m = rng.binomial(sizes, 0.5)
    x = rng.binomial(m, rate)
    smoothed = (x + 2) / (m + 4)
    return RunEstimates.independent(x / m, smoothed * (1 - smoothed) / m, m - 1)


def failures(runs, before, after, rate, now, margin=0.0, test=gap_change, k=5, seed=0):
    rng, failed = np.random.default_rng(seed), 0
    for _ in range(runs):
        old, new = (shares(rng, np.full(k, n // k), r) for n, r in ((before, rate), (after, now)))
        change = test(old, new, margin, higher_is_better=True, level=0.95)
        assert (change.low > margin) == (change.p_value <= 0.05)
        assert change.low <= change.value <= change.high or change.high == margin
        failed += change.p_value <= 0.05
    return failed / runs


@pytest.mark.parametrize(
    ("rate", "now", "margin"),
    [
        ([0.8] * 5, [0.8] * 5, 0.0),
        ([0.8] * 4 + [0.7], [0.8] * 4 + [0.68], 0.02),
        ([0.6, 0.7, 0.8, 0.9, 0.95], [0.8] * 5, 0.0),  # gaps that close
    ],
)
@pytest.mark.parametrize(("before", "after"), [(20_000, 400), (2_000, 2_000)])
def test_a_small_candidate_does_not_fail_because_it_is_small(rate, now, margin, before, after):
    assert failures(400, before, after, np.array(rate), np.array(now), margin) <= 0.05 + 2 * 0.011


def test_a_loss_of_five_points_is_found():
    assert failures(200, 20_000, 10_000, 0.7, np.array([0.65] + [0.7] * 4)) > 0.38
    assert failures(200, 20_000, 10_000, 0.8, np.array([0.75] + [0.8] * 4)) > 0.45


def test_the_gap_itself_is_harder_to_prove():
    one_behind = np.array([0.8] * 4 + [0.7])
    assert failures(200, 20_000, 4_000, one_behind, one_behind, test=gap_widening) <= 0.05
    assert failures(50, 20_000, 20_000, one_behind, np.array([0.8] * 4 + [0.5]), test=gap_widening) > 0.9


def test_pairs_are_corrected_as_by_the_studentised_range():
    from scipy.stats import studentized_range

    z = np.array([0.5, 2.0, 2.728, 4.0])
    for k in (2, 5, 12):
        assert range_tail(z, k) == pytest.approx(studentized_range.sf(z * 2**0.5, k, np.inf), rel=1e-3, abs=1e-7)


def test_a_single_value_is_compared_by_welch():
    from scipy.stats import ttest_ind_from_stats

    old, new = RunEstimates.independent([0.5], [0.001], [29]), RunEstimates.independent([0.4], [0.002], [19])
    change = estimate_change(old, new, higher_is_better=True)
    oracle = ttest_ind_from_stats(0.5, (0.001 * 30) ** 0.5, 30, 0.4, (0.002 * 20) ** 0.5, 20, False, "greater")
    assert change.p_value == pytest.approx(oracle.pvalue)


def scored(rng, n, off):
    score = rng.beta(2, 3, n)
    hit = rng.random(n) < np.clip(score + off * np.where(score > 0.4, 1, -1), 0.01, 0.99)
    place = equal_bins(score, 10)
    size = np.bincount(place)
    rate = (np.bincount(place, hit) + 1) / (size + 2)
    return BinErrors(np.bincount(place, hit - score) / size, rate * (1 - rate) / size, size / n)


@pytest.mark.parametrize(("after", "most", "power"), [(300, 0.05, 0.15), (1_000, 0.03, 0.7)])
def test_a_small_calibrated_candidate_is_not_worse_calibrated(after, most, power):
    rng = np.random.default_rng(3)
    old = [scored(rng, 20_000, 0.0) for _ in range(120)]
    same = [calibration_change([a], [scored(rng, after, 0.0)]).p_value for a in old]
    worse = [calibration_change([a], [scored(rng, after, 0.07)]) for a in old]
    assert np.mean(np.array(same) <= 0.05) <= most
    assert np.mean([change.p_value <= 0.05 for change in worse]) >= power
    assert all((change.low > 0) == (change.p_value <= 0.05) for change in worse)


def test_the_p_value_of_a_calibration_error_with_few_clusters_inverts_its_limits():
    rng = np.random.default_rng(0)
    few = [BinErrors(each.error, each.variance, each.weight, df=9) for each in (scored(rng, 900, 0), scored(rng, 900, 0.1))]
    change = calibration_change(few[:1], few[1:], 0.01)
    at = calibration_change(few[:1], few[1:], 0.01, level=1 - change.p_value)
    assert at.low == pytest.approx(0.01, abs=1e-6)


def means(a, b, group, unit_a, unit_b):
    """Return both runs' group means of two samples, and the change between them."""
    runs, cases = [], []
    for values, code, unit in ((a, group[unit_a], unit_a), (b, group[unit_b], unit_b)):
        size = np.bincount(code)
        value = np.bincount(code, values) / size
        influence = (values - value[code]) / size[code]
        runs.append(influence_estimates(value, influence, code, [], size.astype(float), largest=np.zeros(len(size))))
        cases.append(CaseInfluences(influence, code, unit, []))
    return *runs, shared_loss(*runs, *cases)


def test_shared_cases_cancel_and_others_are_kept():
    rng = np.random.default_rng(0)
    n = 4_000
    group, common = rng.integers(0, 2, n), rng.normal(size=n)
    a, b = common + rng.normal(0, 0.1, n), common + rng.normal(0, 0.1, n)
    unit = np.arange(n)
    old, new, same = means(a, b, group, unit, unit)
    assert np.diag(same.covariance) == pytest.approx(2 * 0.01 / np.bincount(group), rel=0.1)
    first, second = unit[:3_000], unit[1_000:]
    old, new, some = means(a[first], b[second], group, first, second)
    separate = np.diag(old.covariance) + np.diag(new.covariance)
    assert np.diag(some.covariance) == pytest.approx(separate * (1 / 3 + 0.0067), rel=0.1)  # two thirds of each are shared
    old, new, none = means(a[:2_000], b[2_000:], group, unit[:2_000], unit[2_000:])
    assert np.diag(none.covariance) == pytest.approx(np.diag(old.covariance) + np.diag(new.covariance), rel=1e-3)


def test_models_that_agree_on_every_case_may_differ_on_the_next():
    rng = np.random.default_rng(0)
    group, hit, unit = rng.integers(0, 2, 200), (rng.random(200) < 0.8).astype(float), np.arange(200)
    old, new, loss = means(hit, hit, group, unit, unit)
    change = gap_change(old, new, higher_is_better=True, loss=loss)
    assert change.p_value > 0.5
    assert change.high > 0.01


@pytest.mark.parametrize(
    ("test", "k", "old"),
    [(estimate_change, 1, 0.0), (gap_change, 2, 0.0), (gap_widening, 2, 0.0), (gap_widening, 5, 0.0), (gap_widening, 5, 0.15)],
)
@pytest.mark.parametrize(("rate", "n"), [(0.97, 500), (0.98, 200)])
def test_the_minimum_detectable_is_found_four_times_in_five(test, k, old, rate, n):
    rng = np.random.default_rng(21)
    before = np.full(k, rate) - old * (np.arange(k) == 0)

    def change(worse):
        runs = shares(rng, np.full(k, n), before), shares(rng, np.full(k, n), before - worse * (np.arange(k) == 0))
        return test(*runs, higher_is_better=True)

    promised = float(np.median([change(0.0).minimum_detectable for _ in range(25)]))
    found = np.mean([change(promised).p_value <= 0.05 for _ in range(200)])
    assert found >= 0.74  # 0.35 to 0.7 with the variance of a group that did not get worse


@pytest.mark.parametrize(("n", "k"), [(1_000, 1), (300, 1), (1_000, 2)])
def test_the_minimum_detectable_of_a_calibration_error_is_found(n, k):
    rng = np.random.default_rng(21)
    before = [[scored(rng, n, 0.0) for _ in range(k)] for _ in range(100)]
    calibrated = [calibration_change(old, [scored(rng, n, 0.0) for _ in range(k)]) for old in before]
    promised = float(np.median([change.minimum_detectable for change in calibrated]))
    off = min(np.arange(0.0, 0.5, 0.01), key=lambda off: abs(scored(np.random.default_rng(9), 300_000, off).value - promised))
    found = [calibration_change(old, [scored(rng, n, o) for o in (off, *[0.0] * (k - 1))]).p_value <= 0.05 for old in before]
    assert np.mean(found) >= 0.74  # 0.2 to 0.46 without what noise adds to the baseline's error
