"""No group of few cases follows from what a baseline file keeps of the metrics of groups."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from raikit import Record
from raikit.gate import baseline_file
from raikit.run.reader import Run
from raikit.run.record import CheckRecord, DataRecord, Gate
from raikit.testing import result_of, table_context
from raikit_fairness.checks.groups import GroupMetrics


def as_run(sizes, folder):
    group = np.repeat([f"g{at}" for at in range(len(sizes))], sizes)
    rng = np.random.default_rng(0)
    target, prediction = rng.integers(0, 2, (2, len(group)))
    frame = pd.DataFrame({"target": target, "prediction": prediction, "group": group})
    result = result_of(GroupMetrics, table_context(frame, sensitive=["group"], folder=folder), draws=1000)
    check = CheckRecord(name="fairness.groups", pillar="fairness", plugin="raikit", status="ok", metrics=result.metrics)
    data = DataRecord(task="binary", classes=[0, 1], positive=1, sensitive=["group"])
    return Run(folder, Record(name="m", verdict="pass", gate=Gate(verdict="pass"), data=data, checks=[check]))


def hidden_cases(record, totals):
    """Return the cases of each part of each metric that follow from what is kept."""
    for _, metric in record.metrics():
        for part in metric.ingredients:
            if not metric.group and (kept := sum(each.n for each in part.estimates)):
                yield str(metric.id), totals[part.name] - kept


# A group of under 30 cases is not judged, so it is in no part of a metric; its cases were the total less all others.
@pytest.mark.parametrize("sizes", [(500, 400, 8), (500, 400, 40, 8), (500, 400, 15), (500, 400, 3, 4), (500, 45, 300)])
@pytest.mark.parametrize("everything", [False, True])
def test_groups_that_are_not_judged_do_not_follow_from_totals(sizes, everything, tmp_path):
    run = as_run(sizes, tmp_path)
    totals = {m.ingredients[0].name: m.n for _, m in run.record.metrics() if len(m.ingredients) == 1 and not m.group}
    record = baseline_file.open_file(baseline_file.save(run, tmp_path / "b.json", everything=everything).path).record
    few = {name: cases for name, cases in hidden_cases(record, totals) if 0 < cases < 10}
    assert not few
    assert any(metric.ingredients for _, metric in record.metrics())


def test_a_group_of_few_cases_does_not_follow_from_the_metrics_of_the_other_groups(tmp_path):
    run = as_run((500, 400, 8), tmp_path)
    record = baseline_file.open_file(baseline_file.save(run, tmp_path / "b.json", everything=True).path).record
    shown = {metric.group["group"] for _, metric in record.metrics() if metric.name == "accuracy" and metric.group}
    assert shown == {"g0"}


def test_what_suppression_left_undecidable_is_counted(tmp_path):
    saved = baseline_file.save(as_run((500, 400, 8), tmp_path), tmp_path / "b.json")
    assert (saved.left_out, saved.detectable) == (1, [])
