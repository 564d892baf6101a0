"""Records of two runs and of several, made by hand, for the pages that compare them."""

from __future__ import annotations

from raikit import Metric
from raikit.run.across import Point, RunComparison, RunHistory, Series
from raikit.run.record import CheckRecord, DataRecord, Gate, Provenance, Record, Rule


def rate(value, code, text=""):
    made = Metric("false_negative_rate", value, low=value - 0.02, high=value + 0.02, n=400, method="m", level=0.95, direction="lower",
                  unit="rate", over=["sex"], group={"sex": code + text})  # fmt: skip
    return made.model_copy(update={"id": made.address("fairness")})


def run(values, day=1, text="", rules=()):
    checks = [CheckRecord(name="c", pillar="p", plugin="x", status="ok", metrics=[rate(value, code, text) for code, value in values.items()])]
    return Record(name=f"model {text}", verdict="pass", checks=checks, gate=Gate(verdict="pass", rules=list(rules)),
                  data=DataRecord(fingerprint=f"sha256:{day}{text}", splits={"test": 900}),
                  provenance=Provenance(run_id=f"id{day}{text}", started=f"2026-01-0{day}T10:00:00Z"))  # fmt: skip


def comparison(text="", many=1):
    old, new = run({"F": 0.1, "M": 0.1, "X": 0.1}, text=text), run({"F": 0.2, "M": 0.05, "X": 0.1}, 2, text)
    rows = []
    for metric, before, (value, low, high) in zip(new.checks[0].metrics, old.checks[0].metrics,
                                                  [(0.1, 0.06, 0.14), (-0.05, -0.08, -0.02), (0.0, -0.03, 0.03)], strict=True):  # fmt: skip
        rows += [Rule(id=f"{metric.id}{text}", sentence="s", metric=str(metric.id), kind="regression", status="pass", limit=0, value=value,
                      low=low, high=high, level=0.95, unit="points", n=400, paired=True, baseline=before.value, reason=f"r{text}")] * many  # fmt: skip
    return RunComparison(baseline=old, candidate=new, gate=Gate(verdict="pass", rules=rows))


def history(text="", statuses=("pass", "inconclusive", "fail")):
    records = [run({"F": 0.1 * day}, day, text) for day in range(1, len(statuses) + 1)]
    metric = records[-1].checks[0].metrics[0]
    limit = Rule(id="l", sentence="s", metric=str(metric.id), limit=0.15, bound="max", status="fail")
    points = [Point(f"r{day}{text}", f"2026-01-0{day}T10:00:00Z", 0.1 * day, 0.1 * day - 0.02, 0.1 * day + 0.02, 400, status, f"why{text}", day == 2)
              for day, status in enumerate(statuses, 1)]  # fmt: skip
    return RunHistory(names=[point.run for point in points], records=records, series=[Series(str(metric.id), points, [limit])])
