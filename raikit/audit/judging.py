"""Judge what was measured: by the gate of an audit, of a stored run again, or of one run against another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from raikit.address import Pattern
from raikit.audit.inputs import WatchedInputs
from raikit.audit.refusals import refuse_unmeasured
from raikit.audit.remeasuring import remeasure
from raikit.config.load import read_policy
from raikit.config.schema import GateConfig
from raikit.errors import ConfigError, RunError, listed
from raikit.files import write_text
from raikit.gate import regressions
from raikit.gate.aliases import Aliases
from raikit.gate.baseline import open_baseline, policy_and_baseline, refuse_another_task
from raikit.gate.outcomes import refuse_many_outcomes
from raikit.gate.stored import stored_policy
from raikit.gate.suggestions import suggest_metric
from raikit.gate.verdict import judge
from raikit.isolation.parent import Children
from raikit.naming import using
from raikit.plugins.discovery import discover
from raikit.run import manifest, summary
from raikit.run.across import RunComparison
from raikit.run.labelled import labelled
from raikit.run.reader import RunView, load_run
from raikit.run.record import Measurements

if TYPE_CHECKING:
    from raikit.audit.plan import Plan
    from raikit.gate.regressions import Comparer
    from raikit.plugins.registry import CheckEntry, Registry
    from raikit.run.record import CheckRecord, DataRecord, Gate, Record

JUDGED_AGAIN = "gate.json"


def judge_audit(
    plan: Plan, folder: Path, data: DataRecord, checks: list[CheckRecord]
) -> Gate:
    """Judge the checks of an audit, whose run directory is `folder`, by the rules and regressions of its policy."""
    policy = plan.settings.gate
    confidence, compared = plan.settings.confidence, None
    measured = Measurements(name=plan.settings.name, checks=checks, data=data, confidence=confidence)
    refuse_many_outcomes(policy, checks)
    with using(data.labels):
        if policy.regressions:
            comparers = _planned_comparers(plan)
            compared = regressions.compare(policy, RunView(folder, measured), plan.baseline, comparers, confidence)
        readable = labelled(measured).checks
        return judge(policy, readable, plan.registry.plugins, _audited_cases(data), compared, confidence=confidence)


def judge_run(
    folder: Path, policy: Path | None, baseline: Path | None, no_baseline: bool, measure_again: bool = False
) -> tuple[Record, list[str]]:
    """Judge a stored run again, by its own policy or that of a file, and write ``gate.json`` beside its record.

    Parameters
    ----------
    folder, policy, baseline : Path
    no_baseline : bool
    measure_again : bool
        Whether to measure again from the predictions what the rules rest on.

    Returns
    -------
    record : Record
        That of the run with the new verdict; ``audit.json`` is not touched.
    left : list of str
        Checks that rules rest on and that could not be measured again.

    Raises
    ------
    RunError
        If the run is not as it was written, or its numbers are not those that its predictions give.
    ConfigError
        If the policy cannot be applied to this run.
    """
    inputs = WatchedInputs(path for path in (folder, policy, baseline) if path is not None)
    if problems := manifest.verify(folder, rewriting=JUDGED_AGAIN):
        raise RunError(f"{folder} is not as it was written: {listed(problems)}.")
    run = load_run(folder)
    record = run.record
    with Children() as children, using(record.data.labels):
        checks = Installed(children)
        applied, before = policy_and_baseline(
            stored_policy(record) if policy is None else _policy_for(record, policy, checks.aliases(record)),
            baseline,
            no_baseline,
            lambda problem: ConfigError(f"gate.regressions: {problem}"),
        )
        if before is not None:
            refuse_another_task(record.data, before.record.data)
        measured, left = record.checks, list[str]()
        if measure_again:
            measured, left = remeasure(run, record, applied, checks.registry)
        refuse_many_outcomes(applied, measured)
        comparers = checks.comparers(record) if applied.regressions else {}
        compared = regressions.compare(applied, run, before, comparers, record.confidence)
        readable = labelled(record.model_copy(update={"checks": measured})).checks
        verdict = judge(
            applied, readable, record.plugins, _audited_cases(record.data), compared, confidence=record.confidence
        )
    inputs.refuse_changes()
    written = write_text(folder / JUDGED_AGAIN, verdict.model_dump_json(indent=1) + "\n")
    manifest.update(folder, [written])
    return record.model_copy(update={"gate": verdict, "verdict": verdict.verdict}), left


def compare_runs(before: Path, after: Path, patterns: Sequence[str]) -> RunComparison:
    """Compare every metric of two runs that has a better direction; nothing is judged.

    Parameters
    ----------
    before, after : Path
        Runs, or files that ``raikit baseline save`` wrote.
    patterns : sequence of str
        Of addresses; empty for all.

    Raises
    ------
    ConfigError
        If the runs cannot be compared, or no metric of both matches.
    """
    inputs = WatchedInputs([before, after])
    old, new = open_baseline(before), open_baseline(after)
    refuse_another_task(new.record.data, old.record.data)
    wanted = [{"metric": pattern, "margin": 0.0, "severity": "warn"} for pattern in patterns or ["*"]]
    candidate = new.record
    with Children() as children, using(candidate.data.labels):
        checks = Installed(children)
        aliases = checks.aliases(candidate)
        policy = aliases.resolve_policy(GateConfig.model_validate({"regressions": wanted}))
        compared = regressions.compare(policy, new, old, checks.comparers(candidate), candidate.confidence)
        for claim in compared.claims:  # each interval stands alone, with half of the error at either end
            claim.decide(claim.own_error / 2, 1)
        decided = regressions.Regressions(compared.rules, warnings=compared.warnings)
        gate = judge(policy, labelled(candidate).checks, candidate.plugins, regressions=decided)
    inputs.refuse_changes()
    if not any(row.value is not None for row in gate.rules):
        addresses = [str(metric.id) for _, metric in candidate.metrics()]
        unknown = [rule.metric for rule in policy.regressions if not any(map(Pattern(rule.metric).matches, addresses))]
        hint = suggest_metric(unknown[0], addresses, aliases) if unknown else ""
        raise ConfigError(f"no metric common to both runs matches {', '.join(patterns) or '*'}.{hint}")
    return RunComparison(baseline=old.record, candidate=candidate, gate=gate)


def comparison_record(comparison: RunComparison) -> Record:
    """Return the candidate's record with the comparison as its gate, for reports of one run."""
    gate = comparison.gate
    record = comparison.candidate.model_copy(update={"gate": gate, "verdict": gate.verdict})
    with using(record.data.labels):
        record.summary = summary.compose(record)
    return record


def _policy_for(record: Record, path: Path, aliases: Aliases) -> GateConfig:
    """Read a policy file, and raise if it names what the run has not measured."""
    policy, document, at = read_policy(path)
    policy = aliases.resolve_policy(policy)
    refuse_unmeasured(
        policy, record, lambda key, problem: ConfigError(f"{document.where((*at, *key))}: {problem}"), aliases
    )
    return policy


class Installed:
    """The installed checks, to judge a stored run with; found when they are first needed."""

    def __init__(self, children: Children) -> None:
        self._children = children

    @cached_property
    def registry(self) -> Registry:
        """What the installed plugins provide."""
        return discover(processes=self._children)

    @property
    def _checks(self) -> Mapping[str, CheckEntry]:
        return self.registry.checks

    def aliases(self, record: Record) -> Aliases:
        """Return the other names of a run's metrics, as the checks declare them."""
        return Aliases.of((entry.check for entry in self._checks.values()), list(record.data.sensitive))

    def comparers(self, record: Record) -> dict[str, Comparer]:
        """Return the checks that made a record, with the options that they had; others are compared by their intervals."""
        comparers: dict[str, Comparer] = {}
        for check in record.checks:
            if check.name not in self._checks:
                continue
            entry = self._checks[check.name]
            try:
                options = entry.check.Options.model_validate(check.options)
            except ValidationError:
                continue  # The options are those of another version.
            comparers[check.name] = self._children.comparer(entry.check(options), entry.plugin)
        return comparers


def _planned_comparers(plan: Plan) -> dict[str, Comparer]:
    """Return the checks of an audit that ran, each where it can compare runs."""
    comparers: dict[str, Comparer] = {}
    for item in plan.checks:
        if item.status is None:
            check = item.entry.check(item.options)
            comparers[item.name] = check if plan.children is None else plan.children.comparer(check, item.entry.plugin)
    return comparers


def _audited_cases(data: DataRecord) -> int:
    return data.splits.get(data.audited_split, 0)
