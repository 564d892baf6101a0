"""All metrics of a check as one table."""

from __future__ import annotations

from raikit.run.record import CheckRecord
from raikit.run.results import JudgedOver, Metric
from raikit_reports.page.metrics import metric_table


def test_groups_that_hold_commas_do_not_run_together():
    judged = JudgedOver(value=0.1, low=0.0, high=0.2, left_out=["age=[-inf, 33)", "region=a,b"])
    gap = Metric("gap", 0.2, low=0.1, high=0.3, n=9, method="m", over=["age"], judged=judged)
    check = CheckRecord(name="a.b", pillar="a", plugin="x", status="ok", metrics=[gap])
    assert metric_table(check, {}).rows[0].notes[0].startswith("judged without age=[-inf, 33); region=a,b: ")
