"""The check on small data sets made in memory by raikit.testing."""

import pytest
from raikit.testing import (
    assert_finding,
    assert_metric,
    assert_ok,
    assert_skipped,
    check_conformance,
)

import raikit_plugin_name
from raikit_plugin_name.selective import SelectiveRisk

RISK = f"{SelectiveRisk.prefix()}.selective_risk"
COVERAGE = f"{SelectiveRisk.prefix()}.coverage"


def test_the_plugin_keeps_the_contract():
    check_conformance(raikit_plugin_name)


def test_the_risk_is_the_error_rate_of_confident_cases(
    raikit_data, raikit_context, raikit_run_check
):
    data = raikit_data("binary")
    rows = raikit_context(SelectiveRisk, data=data).predictions.frame()
    confident = rows[(rows["score"] >= 0.7) | (rows["score"] <= 0.3)]
    record = raikit_run_check(SelectiveRisk, {"threshold": 0.7}, data=data)
    wrong = (confident["target"] != confident["prediction"]).mean()
    metric = assert_metric(record, RISK, wrong, abs=1e-12)
    assert 0 <= metric.low <= metric.value <= metric.high <= 1
    assert metric.n == len(confident)
    assert_metric(record, COVERAGE, len(confident) / len(rows), abs=1e-12)


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_at_threshold_zero_every_case_counts(raikit_data, raikit_run_check, task):
    data = raikit_data(task)
    record = raikit_run_check(SelectiveRisk, {"threshold": 0}, data=data)
    assert_ok(record)
    assert_metric(record, COVERAGE, 1)
    assert assert_metric(record, RISK).n == data.size("test")
    assert [figure.id for figure in record.figures] == ["risk_by_coverage"]
    assert len(record.tables[0].rows) == 10


def test_without_confident_cases_the_risk_is_undefined(raikit_data, raikit_run_check):
    data = raikit_data("binary")
    record = raikit_run_check(SelectiveRisk, {"threshold": 1}, data=data)
    metric = assert_metric(record, RISK)
    assert metric.value is None
    assert metric.reason == "no decision is that confident"
    assert_finding(record, "No decision reaches the threshold")


def test_cases_of_one_cluster_are_not_independent(raikit_data, raikit_run_check):
    data = raikit_data("binary", clusters=True)
    record = raikit_run_check(SelectiveRisk, {"threshold": 0}, data=data)
    assert "cluster" in assert_metric(record, RISK).method


def test_regression_has_no_scores(raikit_data, raikit_run_check):
    record = raikit_run_check(SelectiveRisk, data=raikit_data("regression"))
    assert_skipped(record, "regression")
