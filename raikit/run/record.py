"""The record of an audit, `audit.json`: the only source of every report, gate and reader. Schema version 1."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal

from pydantic import Field

from raikit.deprecation import deprecated
from raikit.format import cases, confidence, significant
from raikit.naming import DisplayNames
from raikit.run.results import (
    SCHEMA_VERSION,
    Artifact,
    CheckStatus,
    Count,
    Figure,
    Finding,
    Metric,
    Number,
    RecordModel,
    Table,
    Value,
)

Verdict = Literal["pass", "warn", "fail", "inconclusive", "error"]
AGAINST = " against "  # between the group that lost and the one it lost against
RuleStatus = Literal["pass", "fail", "inconclusive", "waived", "missing"]


class CheckRecord(RecordModel):
    """One check of the run: its results, or why there are none.

    `process` says whose code ran beside the check: ``audit`` raikit's alone, ``plugin`` that of its distribution, ``model`` that
    of the audited model.
    """

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
    process: Literal["audit", "plugin", "model"] = "audit"
    warnings: list[str] = Field(default_factory=list)
    metrics: list[Metric] = Field(default_factory=list)
    findings: list[Finding] = Field(default_factory=list)
    tables: list[Table] = Field(default_factory=list)
    figures: list[Figure] = Field(default_factory=list)
    artifacts: list[Artifact] = Field(default_factory=list)


class Rule(RecordModel):
    """A gate rule judged on one metric, or without a metric if nothing matched.

    `low`, `high` and `level` are those of the interval that decided. `p_value` is an upper bound: the smallest measured
    one-sided error at which the whole interval is beyond the limit, or the p-value of a regression's test. `not_judged` names
    the groups about which the rule says nothing. `metric` and `pattern` are ids; `written` is what the policy has for
    `pattern`, if it is another name.
    """

    id: str
    sentence: str
    metric: str
    pattern: str = ""
    written: str | None = None
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
    counts: str = ""
    unit: str | None = None
    check: str | None = None
    p_value: Number = None
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
    not_judged: list[str] = Field(default_factory=list)

    @property
    def pair_of_loss(self) -> tuple[str, str] | None:
        """The group that lost and the one it lost against, of a regression that compares groups."""
        lost, separator, against = (self.loser or "").partition(AGAINST)
        return (lost, against) if separator else None

    def describe_needed_data(self, write: Callable[[float], str] = significant) -> str:
        """Describe how much data would decide the rule.

        Parameters
        ----------
        write : callable
            Writes the assumed true value for people.

        Returns
        -------
        str
            The number of cases, its range, the assumed true value, and the number of clusters that must grow alike; empty if
            no number is known.
        """
        if self.status != "inconclusive" or self.rows_needed is None:
            return ""
        needed = f"about {cases(self.rows_needed)} in all would decide"
        if self.rows_low is None or self.rows_assume is None:
            return needed + self._if_clusters_grow()
        # Without an upper end, the true value may be the limit itself.
        span = f"{self.rows_low:,} or more" if self.rows_high is None else f"{self.rows_low:,} to {self.rows_high:,}"
        return f"{needed} ({span}, if the true value is {write(self.rows_assume)}){self._if_clusters_grow()}"

    def _if_clusters_grow(self) -> str:
        """Write the condition on which more cases help: cases of the clusters that are there already tell little that is new."""
        return f", with as many more clusters; now {self.n_clusters:,}" if self.n_clusters else ""

    @deprecated("raikit.Rule.rows_told", since="0.2", removed_in="0.4", instead="use raikit.Rule.describe_needed_data")
    def rows_told(self, assumed: Callable[[float], str] = significant) -> str:
        """Call `describe_needed_data`."""
        return self.describe_needed_data(assumed)


class RuleFamily(RecordModel):
    """All rules and regressions that can fail a build, judged together by Holm's method.

    Parameters
    ----------
    size : int
        Number of tests.
    error : float
        Bound on the probability that the build fails although nothing is broken.
    level : float
        Two-sided level of the interval that must be beyond a limit for a rule to fail; at least that of the run.
    """

    size: int
    error: float
    level: float

    def describe(self) -> str:
        """Describe how many rules were judged together, and at which level."""
        fails = f"by chance in at most {confidence(self.error)} of builds"
        many = "One rule or regression" if self.size == 1 else f"{self.size} rules and regressions"
        together = "" if self.size == 1 else "together "
        return (
            f"{many} can fail this build, {together}{fails}. "
            f"A rule fails if its whole {confidence(self.level)} interval is beyond the limit."
        )


class Gate(RecordModel):
    """All judged rules, with the verdict and the exit code that follow.

    `family` is None if no rule can fail by chance, or if each rule has its own error rate (``gate.error_rate: rule``).
    """

    verdict: Verdict
    rules: list[Rule] = Field(default_factory=list)
    warnings: list[str] = Field(default_factory=list)
    exit_code: int = 0
    family: RuleFamily | None = None


class Summary(RecordModel):
    """The answer in words, composed once for all formats.

    `lede` is what the answer rests on; `sentences` begin with it and go on with what else a reader must know first.
    """

    question: str = ""
    answer: str = ""
    lede: str = ""
    sentences: list[str] = Field(default_factory=list)
    not_measured: list[str] = Field(default_factory=list)
    what_would_change: list[str] = Field(default_factory=list)


class InputRecord(RecordModel):
    """An input of the model."""

    name: str
    modality: str
    columns: list[str] = Field(default_factory=list)


class DataRecord(RecordModel):
    """The data that was audited."""

    source: str = ""
    fingerprint: str = ""
    media_fingerprint: str | None = None
    task: str = ""
    task_guessed: bool = False
    target: str | None = None
    classes: list[Value] = Field(default_factory=list)
    positive: Value = None
    favourable: Value = None
    inputs: list[InputRecord] = Field(default_factory=list)
    sensitive: list[str] = Field(default_factory=list)
    reference: dict[str, str] = Field(default_factory=dict)
    missing_group: dict[str, str] = Field(default_factory=dict)
    labels: DisplayNames = Field(default_factory=DisplayNames)
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


class PluginRecord(RecordModel):
    """An entry point of a distribution, and whether it could be loaded."""

    name: str
    distribution: str
    version: str = ""
    status: Literal["ok", "error", "incompatible", "ambiguous", "disabled", "local"] = "ok"
    reason: str | None = None
    hooks: list[str] = Field(default_factory=list)
    checks: list[str] = Field(default_factory=list)
    warnings: list[str] = Field(default_factory=list)  # deprecated features used while it was loaded


def failed_plugins(plugins: Iterable[PluginRecord]) -> Iterator[PluginRecord]:
    """Iterate over the plugins whose loss counts as a crash."""
    return (plugin for plugin in plugins if plugin.status in ("error", "incompatible", "ambiguous"))


class Provenance(RecordModel):
    """What identifies a run and is needed to repeat it.

    `in_memory` names the objects that were audited where they were, such as ``model: Pipeline of sklearn``. No file holds them.
    """

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
    isolation: Literal["process", "none"] = "process"
    in_memory: list[str] = Field(default_factory=list)


class Measurements(RecordModel):
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
    confidence: float = Field(0.95, gt=0, lt=1)
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
