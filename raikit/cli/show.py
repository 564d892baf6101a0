"""An audit's outcome on the terminal: verdict, findings, rules, where the report is."""

from __future__ import annotations

from collections.abc import Sequence

from raikit.audit.conductor import Outcome
from raikit.console import Console
from raikit.run.record import Record, Rule
from raikit.run.summary import findings, sort_rules

_WORDS = {"pass": "pass", "fail": "FAIL", "inconclusive": "open", "missing": "MISSING", "waived": "waived"}
_MOST_RULES = 20
_MOST_CHANGES = 25


def show_outcome(outcome: Outcome, console: Console) -> None:
    """Print what a person should know first."""
    record = outcome.record
    console.result()
    console.result(_one_line(f"{record.summary.question}  {record.summary.answer}"))
    for sentence in record.summary.sentences:
        console.result(f"  {_one_line(sentence)}")
    _rules(record, console)
    _tally(record, console)
    for complaint in outcome.warnings:
        console.result(f"  {_one_line(complaint)}")
    report = outcome.folder / "report.html"
    console.result(f"Report: {report if report.exists() else outcome.folder / 'audit.json'}")


def show_gate(record: Record, console: Console) -> None:
    """Print the rules of a run that was judged again."""
    from raikit.run.summary import answer

    console.result(answer(record))
    _rules(record, console)


def show_changes(new: Record, old: Record, rows: Sequence[Rule], console: Console) -> None:
    """Print how much better or worse metrics are, proven changes first, then the largest."""
    changed = sorted((row for row in rows if row.value is not None), key=_surest)
    for record, word in ((old, "from"), (new, "to")):
        run = record.provenance
        console.result(f"{word:<5} {record.name} {run.started} (run {run.run_id})")
    console.result()
    for row in changed[:_MOST_CHANGES]:
        value, low, high = row.value or 0.0, row.low or 0.0, row.high or 0.0
        word = "worse" if low > 0 else "better" if high < 0 else "even"
        who = f"; {row.loser}" if row.loser and word == "worse" else ""
        how = "same rows" if row.paired else "unpaired"
        console.result(f"  {word:<7} {row.metric}: by {value:+,.3f} [{low:+,.3f}, {high:+,.3f}] ({how}{who})")
    if len(changed) > _MOST_CHANGES:
        console.result(f"  … and {len(changed) - _MOST_CHANGES} more; --metric PATTERN chooses")
    absent = sum(row.value is None for row in rows)
    if absent:
        console.result(f"  {absent} metrics are in one of the runs only, or undefined in one")
    console.result("Positive is worse. Intervals are each by itself: of twenty, one is off by chance.")


def _surest(row: Rule) -> tuple[float, float]:
    value, low, high = row.value or 0.0, row.low or 0.0, row.high or 0.0
    sure = low if low > 0 else -high if high < 0 else 0.0
    return -sure, -abs(value)


def _rules(record: Record, console: Console) -> None:
    rules = sort_rules(record.gate.rules)
    if rules:
        console.result()
    for rule in rules[:_MOST_RULES]:
        console.result(f"  {_WORDS[rule.status]:<8} {_one_line(_about(rule))}")
    if len(rules) > _MOST_RULES:
        console.result(f"  … and {len(rules) - _MOST_RULES} more in the report")
    for warning in record.gate.warnings:
        console.result(f"  warning: {_one_line(warning)}")


def _one_line(text: str) -> str:
    """What a plugin or the data put into a reason must not begin a line: a build service reads lines as commands."""
    return " ".join(text.split())


def _about(rule: Rule) -> str:
    word = " (warning only)" if rule.severity == "warn" and rule.status != "pass" else ""
    if rule.value is None or rule.low is None or rule.high is None:
        return f"{rule.sentence}{word}: {rule.reason}"
    who = f" ({rule.loser})" if rule.loser and rule.status == "fail" else ""
    if rule.kind == "regression" and rule.status != "pass":
        who += f"; {rule.reason.removeprefix(f'{rule.loser}: ')}"
    elif rule.waiver:
        who += f"; {rule.reason.split('; ')[0]}"
    needed = f"; {told}" if (told := rule.describe_needed_data()) else ""
    return f"{rule.sentence}{word}: {rule.value:,.3f} [{rule.low:,.3f}, {rule.high:,.3f}]{who}{needed}"


def _tally(record: Record, console: Console) -> None:
    by_status: dict[str, int] = {}
    for check in record.checks:
        by_status[check.status] = by_status.get(check.status, 0) + 1
    notes = sum(finding.severity == "note" for finding in findings(record))
    counted = ", ".join(f"{count} {status}" for status, count in sorted(by_status.items()))
    console.result()
    console.result(f"Checks: {counted}; {len(findings(record))} findings ({notes} of them notes)")
