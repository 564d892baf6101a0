"""Plans and outcomes on the terminal: what would run, the verdict, findings, rules, where the report is."""

from __future__ import annotations

from collections.abc import Sequence
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
    case_noun,
    cases,
    class_text,
    column_text,
    confidence_interval,
    count,
    group_text,
    measure,
    seconds,
    stored_group,
)
from raikit.gate.rules import as_written
from raikit.run.record import Record, Rule, Summary
from raikit.run.screen import final_screen, verdict_line
from raikit.run.summary import compose

_MOST_CHANGES = 25
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


def show_changes(new: Record, old: Record, rows: Sequence[Rule], console: Console) -> None:
    """Print how much better or worse metrics are: proven changes first, then the largest."""
    changed = sorted((row for row in rows if row.value is not None), key=_by_evidence)
    for record, word in ((old, "from"), (new, "to")):
        run = record.provenance
        console.result(f"{word:<5} {record.name} {run.started} (run {run.run_id})")
    console.result()
    for row in changed[:_MOST_CHANGES]:
        word = "worse" if (row.low or 0.0) > 0 else "better" if (row.high or 0.0) < 0 else "even"
        who = f"; {row.loser}" if row.loser and word == "worse" else ""
        how = f"same {case_noun()}" if row.paired else "unpaired"
        by = measure(row.value, row.low, row.high, row.unit, signed=True)
        ends = "no interval" if row.low is None or row.high is None else confidence_interval(
            row.low, row.high, row.unit, level=row.level, value=row.value)
        console.result(f"  {word:<7} {row.metric}{_in_words(row, new)}: by {by} ({ends}; {how}{who}{_went(row, new)})")
    if len(changed) > _MOST_CHANGES:
        console.result(f"  … and {len(changed) - _MOST_CHANGES} more; --metric PATTERN chooses")
    absent = sum(row.value is None for row in rows)
    if absent:
        why = f"in one of the runs only, undefined, or too few {case_noun()} or clusters"
        console.result(f"  {absent} metrics could not be compared: {why}")
    console.result("Positive is worse. Each interval stands alone: about one in twenty misses by chance.")


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


def _went(row: Rule, new: Record) -> str:
    """Return from where to where the metric itself went, where the change is that of two of its groups."""
    now = new.find(row.metric)
    if row.pair_of_loss is None or now is None or now.value is None or row.baseline is None:
        return ""
    before, after = (measure(value, unit=now.unit) for value in (row.baseline, now.value))
    return f"; the difference itself went from {before} to {after}"


def _by_evidence(row: Rule) -> tuple[float, float]:
    """Return a sort key: changes whose interval excludes 0 first, then the largest."""
    value, low, high = row.value or 0.0, row.low or 0.0, row.high or 0.0
    proven = low if low > 0 else -high if high < 0 else 0.0
    return -proven, -abs(value)


def _one_line(text: str) -> str:
    """Join a text from a plugin or the data into one line, because build services read lines as commands."""
    return " ".join(text.split())
