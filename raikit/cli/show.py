"""Plans and outcomes on the terminal: what would run, the verdict, findings, rules, where the report is."""

from __future__ import annotations

from pathlib import Path

from raikit.audit.conductor import Outcome
from raikit.audit.plan import Plan
from raikit.audit.preview import CheckPreview, preview_checks, preview_rule
from raikit.audit.trial import ModelTrial, try_model
from raikit.console import Console
from raikit.data.dataset import Dataset
from raikit.errors import listed
from raikit.format import (
    as_given,
    cases,
    class_text,
    column_text,
    count,
    group_text,
    seconds,
    stored_group,
)
from raikit.gate.rules import as_written
from raikit.run.across import RunComparison
from raikit.run.record import Record, Rule, Summary
from raikit.run.screen import final_screen, verdict_line
from raikit.run.statements import changes, how_compared, lede_of_changes, multiplicity
from raikit.run.summary import compose

_MOST_CHANGES = 10  # of a kind
_CHANGES = ("worse", "better", "undecided")
_MOST_METRICS = 8


def show_plan(plan: Plan, data: Dataset, console: Console) -> None:
    """Print what an audit would do."""
    model = plan.settings.model
    kind = f"train {model.train.kind}" if model.train else f"load {model.load.kind if model.load else '?'}"
    splits = ", ".join(f"{count(size)} {name}" for name, size in data.splits.items())
    console.result(f"data    {data.path.name}: {splits}")
    guessed = " (guessed)" if data.task_guessed else ""
    console.result(f"task    {data.task}{guessed}, classes {listed(class_text(label) for label in data.classes) or 'none'}")
    trial = try_model(plan, data)
    console.result(f"model   {kind}{_shown(trial, sum(data.splits.values())) if trial is not None else ''}")
    for note in [*data.notes, *(trial.notes if trial is not None else ())]:
        console.result(f"note    {_one_line(note)}")
    checks = preview_checks(plan, data, trial)
    for check in checks:
        console.result(f"check   {check.item.name}: {check.reason or _would_run(check)}")
    gate = plan.settings.gate
    for number, rule in enumerate(gate.rules, 1):
        bound = f"max {as_given(rule.max)}" if rule.max is not None else f"min {as_given(rule.min or 0.0)}"
        console.result(f"rule {number}  {rule.metric}{as_written(rule)} {bound}: {preview_rule(rule, checks)}")
    for number, regression in enumerate(gate.regressions, 1):
        against = "" if plan.baseline is not None else "; not judged without a baseline"
        what = f"{regression.metric}{as_written(regression)} margin {as_given(regression.margin)}"
        console.result(f"regression {number}  {what}: {preview_rule(regression, checks)}{against}")
    console.result(f"report  {', '.join(plan.formats) or 'none'}")
    for plugin in plan.registry.plugins:
        if plugin.status not in ("ok", "local"):
            console.result(f"plugin  {plugin.name} of {plugin.distribution}: {plugin.status} ({plugin.reason})")


def _shown(trial: ModelTrial, scored: int) -> str:
    """Return what a model has shown on trial: its size, its capabilities, and what scoring takes."""
    parameters = trial.description.get("parameters")
    size = f"{count(parameters)} parameters, " if isinstance(parameters, int) else ""
    memory = f" and {count(round(trial.memory / 1e6))} MB of memory" if trial.memory is not None else ""
    took = ""
    if trial.seconds is not None:
        time = "less than 0.1 s" if trial.seconds < 0.1 else f"about {seconds(trial.seconds)}"
        took = f"; {time}{memory} to score {cases(scored)}"
    return f": {size}provides {', '.join(sorted(trial.capabilities))}{took}"


def _would_run(check: CheckPreview) -> str:
    """Return under what condition a check would run, on which columns, and the first of its metrics."""
    over = f" over {', '.join(map(column_text, check.over))}" if check.over else ""
    more = len(check.metrics) - _MOST_METRICS
    metrics = ", ".join(check.metrics[:_MOST_METRICS]) + (f" and {more} more" if more > 0 else "")
    return f"would run{over}{f', {check.condition}' if check.condition else ''}; measures {metrics}"


def show_outcome(outcome: Outcome, console: Console) -> None:
    """Print the last screen of an audit, and where its reports are; the verdict and the paths alone if the console is quiet."""
    if not console.quiet:
        console.result()
    _show_screen(outcome.record, outcome.record.summary, console)
    for complaint in outcome.warnings:
        console.result(f"warning: {complaint}", head="warning:", style="open", hang=2)
    report = outcome.folder / "report.html"
    main = report if report.exists() else outcome.folder / "audit.json"
    console.result(f"Report: {main}")
    for path in outcome.reports:
        if path != main:
            console.result(f"        {path}")


def show_gate(record: Record, folder: Path, console: Console) -> None:
    """Print the last screen of a run that was judged again."""
    _show_screen(record, compose(record), console)
    console.result(f"Verdict: {folder / 'gate.json'}")


def _show_screen(record: Record, summary: Summary, console: Console) -> None:
    lines = [verdict_line(record, summary)] if console.quiet else final_screen(record, summary, verbose=console.verbose)
    for line in lines:
        console.result(line.text, head=line.head, style=line.style, hang=line.hang)


def show_changes(comparison: RunComparison, console: Console) -> None:
    """Print what got worse, what got better and what cannot be decided, in the sentences of every format."""
    written = changes(comparison)
    for record, word in ((comparison.baseline, "from"), (comparison.candidate, "to")):
        run = record.provenance
        console.result(f"{word:<5} {_one_line(f'{record.name} {run.started} (run {run.run_id})')}")
    console.result(f"      {how_compared(comparison, written)}")
    console.result()
    console.result(_one_line(lede_of_changes(comparison, written)))
    for kind in _CHANGES:
        of_kind = [one for one in written if one.kind == kind]
        for one in of_kind[:_MOST_CHANGES]:
            console.result(f"  {kind:<9} {_one_line(f'{one.headline}. {one.evidence} ({one.id})')}")
        if len(of_kind) > _MOST_CHANGES:
            console.result(f"  {kind:<9} … and {count(len(of_kind) - _MOST_CHANGES)} more; --metric PATTERN chooses")
    if same := sum(one.kind == "same" for one in written):
        console.result(f"  {count(same)} metrics are the same in both runs.")
    if absent := sum(one.kind == "not_compared" for one in written):
        why = f"in one of the runs only, undefined, or too few {_cases_of(comparison)} or clusters"
        console.result(f"  {absent} metrics could not be compared: {why}")
    console.result(multiplicity(written, comparison.candidate.confidence))


def _cases_of(comparison: RunComparison) -> str:
    return comparison.candidate.data.labels.unit[1]


def _in_words(rule: Rule, record: Record) -> str:
    """Return the group or the class of an address in the words of ``data.labels``, to follow it; empty if it has no others."""
    metric = record.find(rule.metric)
    if metric is None:
        return ""
    parts = [class_text(metric.args["class"])] if "class" in metric.args else []
    codes = [str(metric.args["class"])] if parts else []
    if metric.over:
        parts.append(group_text(metric.over, metric.group))
        codes.append(stored_group(metric.group) if metric.group else " and ".join(metric.over))
    return f" ({', '.join(parts)})" if parts != codes else ""




def _one_line(text: str) -> str:
    """Join a text from a plugin or the data into one line, because build services read lines as commands."""
    return " ".join(text.split())
