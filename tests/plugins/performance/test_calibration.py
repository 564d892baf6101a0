"""Calibration errors are found where they are, and clusters make them no surer."""

from __future__ import annotations

import numpy as np

from raikit_performance.checks import Calibration

from .conftest import measured, table_of


def test_a_calibrated_model_is_not_called_miscalibrated_and_a_bad_one_is():
    rng = np.random.default_rng(8)
    false_alarms = 0
    for _ in range(40):
        score = rng.random(400)
        truth = (rng.random(400) < score).astype(int)
        error = measured(Calibration, table_of(truth, truth, np.column_stack([1 - score, score])), 2)
        false_alarms += error["performance.expected_calibration_error"].low > 0
    assert false_alarms <= 5  # nominal 2.5 %
    truth = (rng.random(2000) < 0.5).astype(int)
    score = np.where(rng.random(2000) < 0.5, 0.9, 0.2)
    bad = measured(Calibration, table_of(truth, truth, np.column_stack([1 - score, score])), 2)
    error = bad["performance.expected_calibration_error"]
    assert error.low < 0.35 < error.high  # half are 0.4 off, half 0.3
    assert error.low > 0.25
    assert "not debiased" in error.method


def test_calibration_of_clustered_cases_is_no_surer_than_their_clusters():
    rng = np.random.default_rng(9)
    score = rng.random(60)
    truth = (rng.random(60) < score).astype(int)
    table = table_of(truth, truth, np.column_stack([1 - score, score]))
    copies = table.loc[table.index.repeat(40)].assign(c=np.repeat(np.arange(60), 40).astype(str))
    naive, robust = (measured(Calibration, copies, 2, cluster=c)["performance.expected_calibration_error"]
                     for c in ((), ("c",)))
    assert naive.low > 0
    assert robust.low == 0


def test_errors_of_bins_that_share_clusters_add_up():
    """One threshold a cluster decides all its rows: calibrated, and every bin errs the same way by chance."""
    ends = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        cluster = np.repeat(np.arange(30), 60)
        score = rng.random(1800)
        truth = (rng.random(30)[cluster] < score).astype(int)
        table = table_of(truth, truth, np.column_stack([1 - score, score]), c=cluster.astype(str))
        ends.append(measured(Calibration, table, 2, cluster=("c",))["performance.expected_calibration_error"])
    assert sum(error.low > 0 for error in ends) <= 1
    assert np.mean([error.high - error.value for error in ends]) > 0.08  # the standard error is that of 30 thresholds
