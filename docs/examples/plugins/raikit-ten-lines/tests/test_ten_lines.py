import pytest
from raikit.testing import assert_metric, assert_skipped, check_conformance

import raikit_ten_lines
from raikit_ten_lines import Promise

PROMISE = "ten_lines.calibration_in_the_large"


def test_the_plugin_keeps_the_contract():
    check_conformance(raikit_ten_lines)


def test_it_is_the_mean_score_minus_the_share_of_positive_cases(
    raikit_data, raikit_context, raikit_run_check
):
    data = raikit_data("binary")
    rows = raikit_context(Promise, data=data).predictions.frame()
    expected = rows["score"].mean() - (rows["target"] == 1).mean()
    metric = assert_metric(raikit_run_check(Promise, data=data), PROMISE, expected)
    assert -1 <= metric.low < metric.value < metric.high <= 1
    assert metric.n == len(rows)


@pytest.mark.parametrize("role", ["clusters", "weights"])
def test_clusters_and_weights_count(raikit_data, raikit_run_check, role):
    record = raikit_run_check(Promise, data=raikit_data("binary", **{role: True}))
    metric = assert_metric(record, PROMISE)
    assert ("cluster" in metric.method) == (role == "clusters")


def test_multiclass_targets_have_no_single_score(raikit_data, raikit_run_check):
    record = raikit_run_check(Promise, data=raikit_data("multiclass"))
    assert_skipped(record, "multiclass")
