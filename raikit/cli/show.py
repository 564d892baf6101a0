"""An audit's outcome on the terminal: verdict, findings, rules, where the report is."""

from __future__ import annotations

from raikit.audit import Outcome
from raikit.console import Console
from raikit.record import Record, Rule
from raikit.summary import findings, sort_rules

_WORDS = {"pass": "pass", "fail": "FAIL", "inconclusive": "open", "missing": "MISSING", "waived": "waived"}
_MOST_RULES = 20


def show_outcome(outcome: Outcome, console: Console) -> None:
    """Print what a person should know first."""
    record = outcome.record
    console.result()
    console.result(f"{record.summary.question}  {record.summary.answer}")
    for sentence in record.summary.sentences:
        console.result(f"  {sentence}")
    _rules(record, console)
    _tally(record, console)
    for complaint in outcome.warnings:
        console.result(f"  {complaint}")
    report = outcome.folder / "report.html"
    console.result(f"Report: {report if report.exists() else outcome.folder / 'audit.json'}")


def show_gate(record: Record, console: Console) -> None:
    """Print the rules of a run that was judged again."""
    from raikit.summary import answer

    console.result(answer(record))
    _rules(record, console)


def _rules(record: Record, console: Console) -> None:
    rules = sort_rules(record.gate.rules)
    if rules:
        console.result()
    for rule in rules[:_MOST_RULES]:
        console.result(f"  {_WORDS[rule.status]:<8} {_about(rule)}")
    if len(rules) > _MOST_RULES:
        console.result(f"  … and {len(rules) - _MOST_RULES} more in the report")
    for warning in record.gate.warnings:
        console.result(f"  warning: {warning}")


def _about(rule: Rule) -> str:
    word = " (warning only)" if rule.severity == "warn" and rule.status != "pass" else ""
    if rule.value is None or rule.low is None or rule.high is None:
        return f"{rule.sentence}{word}: {rule.reason}"
    needed = f"; about {rule.rows_needed:,} rows would decide" if rule.rows_needed else ""
    return f"{rule.sentence}{word}: {rule.value:,.3f} [{rule.low:,.3f}, {rule.high:,.3f}]{needed}"


def _tally(record: Record, console: Console) -> None:
    by_status: dict[str, int] = {}
    for check in record.checks:
        by_status[check.status] = by_status.get(check.status, 0) + 1
    notes = sum(finding.severity == "note" for finding in findings(record))
    counted = ", ".join(f"{count} {status}" for status, count in sorted(by_status.items()))
    console.result()
    console.result(f"Checks: {counted}; {len(findings(record))} findings ({notes} of them notes)")
