"""All metrics of a section as data: every number, the texts once, the address whole."""

from __future__ import annotations

from report_record import make_record

from raikit.run.record import CheckRecord
from raikit.run.results import JudgedOver, Metric
from raikit_reports.page.numbers import Numbers


def check_of(*metrics):
    return CheckRecord(name="a.b", pillar="a", plugin="x", status="ok", metrics=list(metrics))


def row_of(metric):
    numbers = Numbers()
    (row,) = numbers.rows([check_of(metric)])
    return row, numbers.texts, numbers.formats


def test_groups_that_hold_commas_do_not_run_together():
    judged = JudgedOver(value=0.1, low=0.0, high=0.2, left_out=["age=[-inf, 33)", "region=a,b"])
    row, texts, _ = row_of(Metric("gap", 0.2, low=0.1, high=0.3, n=9, method="m", over=["age"], judged=judged))
    assert "judged without age=[-inf, 33); region=a,b: " in texts[row[7]]


def test_a_row_has_value_interval_unit_and_the_whole_address():
    metric = Metric("selection_rate", 0.2123456789, low=0.1, high=0.3, n=90, method="m", over=["a"], group={"a": "x[1]"}, unit="rate")
    metric.id = metric.address("fairness")
    row, texts, formats = row_of(metric)
    assert texts[row[8]] + texts[row[9]] == metric.id
    assert row[2:6] == [0.212346, 0.1, 0.3, 90]
    assert formats[row[6]] == (1, 100, "%")


def test_a_number_that_is_no_estimate_has_no_interval_and_an_undefined_one_its_reason():
    row, _, _ = row_of(Metric.exact("epsilon", 3.0))
    assert row[2:6] == [3.0, None, None, None]
    row, texts, _ = row_of(Metric.undefined("rate", "no case is positive"))
    assert row[2] is None and "no case is positive" in texts[row[7]]


def test_every_metric_of_every_check_has_a_row():
    record = make_record()
    assert sum(len(Numbers().rows([check])) for check in record.checks) == sum(1 for _ in record.metrics())
