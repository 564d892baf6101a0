"""The policy's rules arranged for reading: worst first, each with its words, its strip and its measurement."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import raikit
from raikit_reports import formatting as fmt
from raikit_reports import strips, verdicts
from raikit_reports.texts import words
from raikit_reports.verdicts import Verdict


@dataclass(frozen=True)
class RuleRow:
    """One rule as every format shows it."""

    rule: raikit.Rule
    verdict: Verdict
    measured: str
    interval: str
    limit: str
    strip: strips.Strip | None
    decision: str
    against: str
    rows: str
    waiver: str
    pillar: str = ""


@dataclass(frozen=True)
class Wrong:
    """A row of the first screen: what is wrong, for whom, how sure."""

    row: RuleRow
    what: str
    detail: str
    who: str
    settled: str
    sure: str


def unit_of(rule: raikit.Rule, metric: raikit.Metric | None) -> str | None:
    """The rule's unit, or its metric's where the gate did not copy it."""
    return rule.unit or (metric.unit if metric else None)


def rule_rows(record: raikit.Record) -> list[RuleRow]:
    """All rules, worst first; inside a verdict the one nearest its limit first."""
    metrics = {metric.id: metric for _, metric in record.metrics()}
    pillars = {check.name: check.pillar for check in record.checks}
    rows = [_row(rule, metrics.get(rule.metric), pillars) for rule in record.gate.rules]
    return sorted(rows, key=lambda row: (row.verdict.rank, _distance(row.rule)))


def _row(rule: raikit.Rule, metric: raikit.Metric | None, pillars: dict[str, str]) -> RuleRow:
    unit, signed = unit_of(rule, metric), rule.kind == "regression"
    return RuleRow(
        rule=rule,
        verdict=verdicts.of_rule(rule),
        measured="–" if rule.value is None else fmt.measure(rule.value, rule.low, rule.high, unit, signed=signed),
        interval=_interval(rule, unit, signed),
        limit=limit_text(rule, unit),
        strip=strips.draw(rule.value, rule.low, rule.high, rule.limit, rule.bound or "max"),
        decision=_decision(rule),
        against=_against(rule, unit),
        rows=fmt.rows_and_clusters(rule.n, rule.n_clusters),
        waiver=_waiver(rule),
        pillar=pillars.get(rule.check or "", ""),
    )


def _interval(rule: raikit.Rule, unit: str | None, signed: bool) -> str:
    if rule.value is None:
        return "not measured"
    return fmt.interval(rule.low, rule.high, unit, value=rule.value, signed=signed)


def limit_text(rule: raikit.Rule, unit: str | None) -> str:
    """The limit in words: ``at most 10 points``."""
    if rule.limit is None:
        return ""
    bound = "at least" if rule.bound == "min" else "at most"
    return f"{bound} {fmt.measure(rule.limit, unit=unit, signed=rule.kind == 'regression')}"


def _decision(rule: raikit.Rule) -> str:
    if rule.reason:
        return rule.reason
    if rule.status == "inconclusive":
        return "The interval lies on both sides of the limit."
    exact = rule.low is not None and rule.low == rule.high
    ends = {"pass": "keeps to the limit", "fail": "is beyond the limit", "waived": "is beyond the limit"}
    if rule.status in ends:
        return f"{'The value' if exact else 'The whole interval'} {ends[rule.status]}."
    return "No check gave it a measurement."


def rows_needed_text(rule: raikit.Rule) -> str:
    """How much data would decide an inconclusive rule."""
    if rule.status != "inconclusive" or rule.rows_needed is None:
        return ""
    return f"About {fmt.count(rule.rows_needed)} rows in all would decide."


def _against(rule: raikit.Rule, unit: str | None) -> str:
    if rule.kind != "regression":
        return ""
    paired = {True: "on the same rows", False: "on other rows", None: ""}[rule.paired]
    baseline = "" if rule.baseline is None else f"baseline {fmt.measure(rule.baseline, rule.low, rule.high, unit)}"
    return ", ".join(part for part in (baseline, paired) if part) or "against the baseline"


def _waiver(rule: raikit.Rule) -> str:
    if rule.status != "waived" or not rule.waiver:
        return ""
    return "; ".join(f"{words(key)}: {fmt.scalar(value)}" for key, value in rule.waiver.items())


def _distance(rule: raikit.Rule) -> float:
    if rule.value is None or rule.limit is None:
        return float("inf")
    return abs(rule.value - rule.limit) / (abs(rule.limit) or 1)


def tally(rows: Iterable[RuleRow]) -> list[tuple[Verdict, int, str]]:
    """How many rules got which verdict, worst first."""
    counted = Counter(row.verdict for row in rows)
    return [
        (verdict, counted[verdict], verdicts.TALLY[verdict])
        for verdict in sorted(counted, key=lambda verdict: verdict.rank)
    ]


def wrong_rows(record: raikit.Record, rows: list[RuleRow], limit: int = 4) -> list[Wrong]:
    """The rules that are broken or undecided, told in the words of the findings that rest on them."""
    told: dict[str, raikit.Finding] = {}
    for check in record.checks:
        for finding in check.findings:
            for address in finding.metrics:
                told.setdefault(address, finding)
    metrics = {metric.id: metric for _, metric in record.metrics()}
    bad = [row for row in rows if row.verdict in (verdicts.FAIL, verdicts.WARN, verdicts.OPEN)]
    return [_wrong(row, told.get(row.rule.metric), metrics.get(row.rule.metric)) for row in bad[:limit]]


def _wrong(row: RuleRow, finding: raikit.Finding | None, metric: raikit.Metric | None) -> Wrong:
    rule = row.rule
    place = fmt.group_text(metric.over, metric.group) if metric else ""
    what = finding.what if finding and finding.what else ""
    numbers = f"{row.measured}, {row.limit}" if row.limit else row.measured
    who = (
        finding.who if finding and finding.who else f"Over {place}" if place and metric and not metric.group else place
    )
    return Wrong(
        row=row,
        what=what or rule.sentence,
        detail=f"{numbers}; {row.against}" if row.against else numbers,
        who=who or "All rows",
        settled="Not settled" if row.verdict is verdicts.OPEN else "Settled",
        sure=_sure(row),
    )


def _sure(row: RuleRow) -> str:
    if row.strip is None or row.strip.low is None:
        return row.decision
    side = "All of" if row.verdict is not verdicts.OPEN else "From"
    if row.verdict is verdicts.OPEN:
        return f"{row.interval} lies on both sides. {rows_needed_text(row.rule)}".strip()
    return f"{side} {row.interval} is beyond {row.limit.removeprefix('at most ').removeprefix('at least ')}"
