"""Records that every report format must be able to write: an ordinary one, an empty one and a hostile one."""

from __future__ import annotations

import itertools

from raikit.run.record import (
    CheckRecord,
    DataRecord,
    Gate,
    InputRecord,
    PluginRecord,
    Provenance,
    Record,
    Rule,
    Summary,
)
from raikit.run.results import Column, Figure, Finding, Metric, Table

_HOSTILE = (
    "<script>alert(1)</script>", "]]></style></script><!--", '" onmouseover="alert(1)', "{{ 7*7 }}{% raw %}",
    "::error::x\r\n::warning::y", "\u202edetrever\u202c", "قسم الأشعة", "a|b\n# heading `code`", "javascript:alert(1)", "../../x",
    "x\x00\x07y\x1b[31m", "long " * 500, "", "%0A%0D", "[a](javascript:b)",
)  # fmt: skip


def ordinary() -> Record:
    """Return a record as an audit writes it, with one of everything."""
    return _record("triage", ["F", "M"], "A sentence.")


def hostile() -> Record:
    """Return the same record with texts that attack a report in every field."""
    texts = _Texts()
    record = _record(texts(), [texts(), texts(), texts()], texts())
    for check in record.checks:
        check.title, check.description, check.reason, check.traceback = texts(), texts(), texts(), texts()
        check.output, check.warnings, check.help = texts(), [texts()], texts()
        check.options = {texts(): texts()}
    for rule in record.gate.rules:
        rule.sentence, rule.reason, rule.loser, rule.pattern = texts(), texts(), texts(), texts()
    record.gate.warnings = [texts()]
    record.plugins = [PluginRecord(name=texts(), distribution=texts(), version=texts(), status="error", reason=texts())]
    record.owner = {texts(): texts(), "nested": {"a": [texts()]}}
    record.intended_use = texts()
    record.summary = Summary(question=texts(), answer=texts(), sentences=[texts()], not_measured=[texts()])
    record.data.notes, record.data.limits, record.data.credits = [texts()], [texts()], [texts()]
    return record


def bare() -> Record:
    """Return the record of an audit in which no check ran and no rule was evaluated."""
    return Record(name="nothing", verdict="error", gate=Gate(verdict="error", exit_code=5))


class _Texts:
    """An endless cycle of hostile texts; each call returns the next one."""

    def __init__(self) -> None:
        self._texts = itertools.cycle(_HOSTILE)

    def __call__(self) -> str:
        return next(self._texts)


def _record(name: str, groups: list[str], text: str) -> Record:
    checks = [_measured(groups, text), *_failed()]
    metric = checks[0].metrics[0]
    rule = Rule(
        id="rule-1", sentence=f"{metric.id} is at most 0.1", metric=str(metric.id), limit=0.1, bound="max", value=metric.value,
        low=metric.low, high=metric.high, n=metric.n, unit="rate", check="mine.rates", status="fail", reason="it is higher",
    )  # fmt: skip
    undecided = rule.model_copy(update={"id": "rule-2", "status": "inconclusive", "rows_needed": 4000, "severity": "warn"})
    missing = rule.model_copy(update={"id": "rule-3", "status": "missing", "value": None, "low": None, "high": None, "n": None})
    return Record(
        name=name, verdict="fail", checks=checks, gate=Gate(verdict="fail", rules=[rule, undecided, missing], exit_code=1),
        summary=Summary(question="Is it fair?", answer="No.", sentences=[text or "-"]),
        data=DataRecord(
            source="cases.csv", fingerprint="0" * 64, task="binary", target="urgent", classes=[0, 1], positive=1,
            inputs=[InputRecord(name="note", modality="text", columns=["note"])], sensitive=["group"], splits={"test": 200},
        ),
        model={"kind": "predictions"}, plugins=[PluginRecord(name="mine", distribution="raikit-mine", version="1.0")],
        provenance=Provenance(run_id="abc", started="2026-01-01T00:00:00Z", config="{}", versions={"raikit": "0.1.0"}),
    )  # fmt: skip


def _measured(groups: list[str], text: str) -> CheckRecord:
    metrics = [
        Metric("rate", 0.3, low=0.2, high=0.4, n=100, method="Clopper-Pearson", over=["group"], group={"group": group}, unit="rate")
        for group in dict.fromkeys(groups)
    ]
    metrics += [Metric.exact("rows", 200), Metric.undefined("gap", "one group has no rows", over=["group"], unit="points")]
    for metric in metrics:
        metric.id = metric.address("mine")
    data = [{"group": group, "rate": 0.3} for group in groups]
    axes = {"x": {"field": "rate", "type": "quantitative"}, "y": {"field": "group", "type": "nominal"}}
    return CheckRecord(
        name="mine.rates", pillar="mine", title="Rates by group.", plugin="raikit-mine", plugin_version="1.0", status="ok",
        seconds=0.1, metrics=metrics,
        findings=[Finding(sentence=text or "-", severity="warn", metrics=[str(metrics[0].id)], figures=["rates"])],
        tables=[Table(id="t", title=text, columns=[Column(name="g", title=text)], rows=[[group] for group in groups], note=text)],
        figures=[Figure(id="rates", title=text, alt=text or "-", spec={"mark": "bar", "encoding": axes}, data=data)],
    )  # fmt: skip


def _failed() -> list[CheckRecord]:
    shared = {"pillar": "mine", "plugin": "raikit-mine"}
    return [
        CheckRecord(name="mine.crashed", **shared, status="error", reason="ValueError: no", traceback="Traceback: …"),
        CheckRecord(name="mine.skipped", **shared, status="skipped", reason="the data has no weight"),
    ]
