"""The policy's rules arranged for reading: worst first, each with its words, its strip and its measurement."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import raikit
from raikit import format as fmt
from raikit_reports import strips, verdicts
from raikit_reports.texts import sentence, words
from raikit_reports.verdicts import Verdict


@dataclass(frozen=True)
class RuleRow:
    """One rule as every format shows it."""

    rule: raikit.Rule
    verdict: Verdict
    title: str
    address: str
    measured: str
    interval: str
    limit: str
    strip: strips.Strip | None
    decision: str
    needed: str
    against: str
    rows: str
    waiver: str


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
    rows = [_row(rule, metrics.get(rule.metric)) for rule in record.gate.rules]
    return sorted(rows, key=lambda row: (row.verdict.rank, _distance(row.rule)))


def _row(rule: raikit.Rule, metric: raikit.Metric | None) -> RuleRow:
    unit, signed = unit_of(rule, metric), rule.kind == "regression"
    return RuleRow(
        rule=rule,
        verdict=verdicts.of_rule(rule),
        title=_title(rule, metric, unit),
        address="" if metric is None and rule.sentence.startswith(rule.metric) else rule.metric,
        measured=_measured(rule, unit, signed),
        interval=_interval(rule, unit, signed),
        limit=limit_text(rule, unit),
        strip=strips.draw(rule.value, rule.low, rule.high, rule.limit, rule.bound or "max"),
        decision=_decision(rule),
        needed=rows_needed_text(rule, unit),
        against=_against(rule, unit),
        rows=fmt.sample_size(rule.n, rule.n_clusters),
        waiver=_waiver(rule),
    )


def label(metric: raikit.Metric) -> str:
    """A metric's name for people: ``Equalized odds difference, sex``."""
    arguments = ", ".join(f"{key} = {fmt.as_stored(value)}" for key, value in metric.args.items())
    place = fmt.group_text(metric.over, metric.group)
    return words(metric.name) + (f" ({arguments})" if arguments else "") + (f", {place}" if place else "")


def _title(rule: raikit.Rule, metric: raikit.Metric | None, unit: str | None) -> str:
    """The gate's sentence; where that only repeats the address, the metric's name in words."""
    if metric is None or rule.kind == "required" or not rule.sentence.startswith(rule.metric):
        return rule.sentence
    growth = "may get worse by " if rule.kind == "regression" else ""
    return f"{label(metric)}: {growth}{limit_text(rule, unit)}"


def _measured(rule: raikit.Rule, unit: str | None, signed: bool) -> str:
    if rule.kind == "required":
        return "ran" if rule.status == "pass" else "did not run"
    return "–" if rule.value is None else fmt.measure(rule.value, rule.low, rule.high, unit, signed=signed)


def _interval(rule: raikit.Rule, unit: str | None, signed: bool) -> str:
    if rule.kind == "required":
        return ""
    if rule.value is None:
        return "not measured"
    return fmt.interval(rule.low, rule.high, unit, value=rule.value, signed=signed, bare=True)


def limit_text(rule: raikit.Rule, unit: str | None) -> str:
    """The limit in words: ``at most 10 pp``."""
    if rule.limit is None:
        return ""
    bound = "at least" if rule.bound == "min" else "at most"
    return f"{bound} {fmt.measure(rule.limit, unit=unit, signed=rule.kind == 'regression')}"


# The gate repeats its raw numbers ("the whole interval [0.1132, 0.2071] is above 0.1; judged without …"). They stand
# in the row already, in their unit, so only what comes after them is kept.
_NUMBERS = re.compile(r"^[a-z ]*\[[^\]]*\] (?:is (?:at most|at least|above|below)|contains the limit) \S+?(?:; |$)")


def _decision(rule: raikit.Rule) -> str:
    reason = rule.reason
    if rule.status == "waived" and rule.waiver:  # the gate repeats the waiver, which has a sentence of its own
        until, who, why = (rule.waiver.get(key) for key in ("until", "who", "reason"))
        reason = reason.removeprefix(f"waived until {until} by {who}: {why}; ")
    known = _NUMBERS.match(reason)
    rest = sentence(reason[known.end() :] if known else reason)
    if rest and not known:
        return rest
    if rule.status == "inconclusive":
        said = "The interval lies on both sides of the limit."
    elif rule.status == "missing":
        said = "No check gave it a measurement."
    else:
        what = "The value" if rule.low is not None and rule.low == rule.high else "The whole interval"
        said = f"{what} {'keeps to the limit' if rule.status == 'pass' else 'is beyond the limit'}."
    return f"{said} {rest}".strip()


def rows_needed_text(rule: raikit.Rule, unit: str | None) -> str:
    """How much data would decide an inconclusive rule."""
    told = rule.describe_needed_data(lambda assumed: fmt.measure(assumed, unit=unit))
    return f"{sentence(told)}" if told else ""


def _against(rule: raikit.Rule, unit: str | None) -> str:
    if rule.kind != "regression":
        return ""
    paired = {True: "on the same rows", False: "unpaired", None: ""}[rule.paired]
    baseline = "" if rule.baseline is None else f"baseline {fmt.measure(rule.baseline, rule.low, rule.high, unit)}"
    return ", ".join(part for part in (baseline, paired) if part) or "against the baseline"


def _waiver(rule: raikit.Rule) -> str:
    if rule.status != "waived" or not rule.waiver:
        return ""
    known = {key: fmt.scalar(value) for key, value in rule.waiver.items() if value is not None}
    by, until = known.pop("who", "") or known.pop("by", ""), known.pop("until", "")
    why = known.pop("reason", "")
    said = "Waived" + (f" by {by}" if by else "") + (f" until {fmt.moment(until)}" if until else "")
    rest = "; ".join(f"{words(key)}: {value}" for key, value in known.items())
    return sentence(said + (f": {why}" if why else "")) + (f" {sentence(rest)}" if rest else "")


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
    bad = [row for row in rows if row.verdict in (verdicts.FAIL, verdicts.WARN, verdicts.OPEN)]
    places = whom(record)
    return [_wrong(row, told.get(row.rule.metric), places) for row in bad[:limit]]


def whom(record: raikit.Record) -> dict[str, str]:
    """Whom each address concerns, in the words of a finding that rests on it, else its groups; absent: all rows."""
    found = {
        metric.id: place if metric.group else f"Over {place}"
        for _, metric in record.metrics()
        if metric.id and (place := fmt.group_text(metric.over, metric.group))
    }
    said: dict[str, str] = {}
    for check in record.checks:
        for finding in check.findings:
            for address in finding.metrics:
                said.setdefault(address, finding.who)  # the first that rests on it tells it
    return found | {address: who for address, who in said.items() if who}


def _wrong(row: RuleRow, finding: raikit.Finding | None, places: dict[str, str]) -> Wrong:
    what = finding.what if finding and finding.what and row.rule.kind != "regression" else ""
    numbers = f"{row.measured}, {row.limit}" if row.limit else row.measured
    return Wrong(
        row=row,
        what=what or row.title,
        detail=f"{numbers}; {row.against}" if row.against else numbers,
        who=row.rule.loser or places.get(row.rule.metric, "All rows"),
        settled="Not settled" if row.verdict is verdicts.OPEN else "Settled",
        sure=_sure(row),
    )


def _sure(row: RuleRow) -> str:
    if row.strip is None or row.strip.low is None:
        return row.decision
    if row.verdict is verdicts.OPEN:
        return f"{row.interval} lies on both sides. {row.needed}".strip()
    return f"All of {row.interval} is beyond {row.limit.removeprefix('at most ').removeprefix('at least ')}"
