"""The record of an audit: `audit.json`, the one thing that every report, gate and reader goes by. Schema version 1."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal

from pydantic import Field

from raikit.format import significant
from raikit.run.results import (
    SCHEMA_VERSION,
    Artifact,
    CheckStatus,
    Count,
    Figure,
    Finding,
    Metric,
    Model,
    Number,
    Table,
    Value,
)

Verdict = Literal["pass", "warn", "fail", "inconclusive", "error"]
RuleStatus = Literal["pass", "fail", "inconclusive", "waived", "missing"]


class CheckRecord(Model):
    """One check of the run: what it found, or why it did not."""

    name: str
    pillar: str
    title: str = ""
    description: str = ""
    plugin: str
    plugin_version: str = ""
    status: CheckStatus
    reason: str | None = None
    help: str | None = None
    traceback: str | None = None
    output: str = ""
    seconds: float = 0.0
    cost: Literal["quick", "slow"] = "quick"
    options: dict[str, Any] = Field(default_factory=dict)
    produces: list[str] = Field(default_factory=list)
    seed: int | None = None
    warnings: list[str] = Field(default_factory=list)
    metrics: list[Metric] = Field(default_factory=list)
    findings: list[Finding] = Field(default_factory=list)
    tables: list[Table] = Field(default_factory=list)
    figures: list[Figure] = Field(default_factory=list)
    artifacts: list[Artifact] = Field(default_factory=list)


class Rule(Model):
    """One gate rule held against one address (or against nothing, when nothing matched)."""

    id: str
    sentence: str
    metric: str
    pattern: str = ""
    kind: Literal["rule", "regression", "required"] = "rule"
    limit: Number = None
    bound: Literal["max", "min"] | None = None
    severity: Literal["fail", "warn"] = "fail"
    value: Number = None
    low: Number = None
    high: Number = None
    level: Number = None
    n: Count = None
    n_clusters: Count = None
    unit: str | None = None
    check: str | None = None
    baseline: Number = None
    paired: bool | None = None
    loser: str | None = None
    status: RuleStatus
    reason: str = ""
    rows_needed: Count = None
    rows_low: Count = None
    rows_high: Count = None
    rows_assume: Number = None
    waiver: dict[str, Value] | None = None

    def rows_told(self, assumed: Callable[[float], str] = significant) -> str:
        """How much data would decide, with its range and what it takes for true; empty where no number is known."""
        if self.status != "inconclusive" or self.rows_needed is None:
            return ""
        told = f"about {self.rows_needed:,} rows in all would decide"
        if self.rows_low is None or self.rows_high is None or self.rows_assume is None:
            return told
        return f"{told} ({self.rows_low:,} to {self.rows_high:,}, if it is {assumed(self.rows_assume)} in truth)"


class Gate(Model):
    """All rules and what follows from them."""

    verdict: Verdict
    rules: list[Rule] = Field(default_factory=list)
    warnings: list[str] = Field(default_factory=list)
    exit_code: int = 0


class Summary(Model):
    """The answer in words, composed once so that every format says the same."""

    question: str = ""
    answer: str = ""
    sentences: list[str] = Field(default_factory=list)
    not_measured: list[str] = Field(default_factory=list)
    what_would_change: list[str] = Field(default_factory=list)


class InputRecord(Model):
    """An input of the model."""

    name: str
    modality: str
    columns: list[str] = Field(default_factory=list)


class DataRecord(Model):
    """The data that was audited."""

    source: str = ""
    fingerprint: str = ""
    media_fingerprint: str | None = None
    task: str = ""
    task_guessed: bool = False
    target: str | None = None
    classes: list[Value] = Field(default_factory=list)
    positive: Value = None
    inputs: list[InputRecord] = Field(default_factory=list)
    sensitive: list[str] = Field(default_factory=list)
    cluster: list[str] = Field(default_factory=list)
    weight: str | None = None
    splits: dict[str, int] = Field(default_factory=dict)
    audited_split: str = "test"
    clusters: dict[str, int] = Field(default_factory=dict)
    overlap: dict[str, str] = Field(default_factory=dict)
    skipped_rows: int = 0
    credits: list[str] = Field(default_factory=list)
    limits: list[str] = Field(default_factory=list)
    notes: list[str] = Field(default_factory=list)


class PluginRecord(Model):
    """A distribution's entry point: loaded, or why not."""

    name: str
    distribution: str
    version: str = ""
    status: Literal["ok", "error", "incompatible", "ambiguous", "disabled", "local"] = "ok"
    reason: str | None = None
    hooks: list[str] = Field(default_factory=list)
    checks: list[str] = Field(default_factory=list)
    warnings: list[str] = Field(default_factory=list)  # what it uses that is deprecated, as far as loading it showed


def failed_plugins(plugins: Iterable[PluginRecord]) -> Iterator[PluginRecord]:
    """Iterate over the plugins whose loss counts as a crash."""
    return (plugin for plugin in plugins if plugin.status in ("error", "incompatible", "ambiguous"))


class Provenance(Model):
    """What it takes to tell two runs apart or to do one again."""

    run_id: str = ""
    started: str = ""
    seconds: float = 0.0
    seed: int = 0
    config: str = ""
    config_path: str = ""
    command: str = ""
    versions: dict[str, str] = Field(default_factory=dict)
    platform: str = ""
    threads: int | None = None
    rows_scored: int = 0


class Measurements(Model):
    """What an audit measured, whether or not it has been judged: `verdict` and `gate` are None before the gate has run."""

    schema_version: str = SCHEMA_VERSION
    name: str
    verdict: Verdict | None = None
    checks: list[CheckRecord] = Field(default_factory=list)
    gate: Gate | None = None
    summary: Summary = Field(default_factory=Summary)
    data: DataRecord = Field(default_factory=DataRecord)
    model: dict[str, Any] = Field(default_factory=dict)
    plugins: list[PluginRecord] = Field(default_factory=list)
    owner: dict[str, Any] = Field(default_factory=dict)
    intended_use: str = ""
    confidence: float = 0.95
    provenance: Provenance = Field(default_factory=Provenance)

    def metrics(self) -> Iterator[tuple[CheckRecord, Metric]]:
        """Iterate over all metrics, each with the check that measured it."""
        for check in self.checks:
            for metric in check.metrics:
                yield check, metric

    def find(self, address: str) -> Metric | None:
        """Return the metric at `address`, None if no check measured it."""
        return next((metric for _, metric in self.metrics() if metric.id == address), None)


class Record(Measurements):
    """The whole audit, judged."""

    verdict: Verdict
    gate: Gate
