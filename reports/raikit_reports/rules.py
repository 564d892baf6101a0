"""The rules of the policy arranged for reading: worst first, each in words with its drawing and measurement."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import raikit
from raikit import format as fmt
from raikit.format import case_noun
from raikit_reports import strips, verdicts
from raikit_reports.texts import beside, sentence, words
from raikit_reports.verdicts import Verdict


@dataclass(frozen=True)
class RuleRow:
    """A rule as all formats show it."""

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
    written: str
    beside: str


def unit_of(rule: raikit.Rule, metric: raikit.Metric | None) -> str | None:
    """Return the unit of a rule, else that of its metric."""
    return rule.unit or (metric.unit if metric else None)


def rule_rows(record: raikit.Record) -> list[RuleRow]:
    """Return all rules, worst first, then by the relative distance to their limit."""
    metrics = {metric.id: metric for _, metric in record.metrics()}
    checks = {check.name: check for check in record.checks}
    rows = [
        _row(rule, metrics.get(rule.metric), checks.get(rule.check or ""), record.confidence) for rule in record.gate.rules
    ]
    return sorted(rows, key=lambda row: (row.verdict.rank, _distance(row.rule)))


def _row(
    rule: raikit.Rule, metric: raikit.Metric | None, check: raikit.CheckRecord | None, confidence: float
) -> RuleRow:
    unit, signed = unit_of(rule, metric), rule.kind == "regression"
    return RuleRow(
        rule=rule,
        verdict=verdicts.of_rule(rule),
        title=_title(rule, metric, unit),
        address="" if metric is None and _names_metric(rule) else rule.metric,
        measured=_measured(rule, unit, signed),
        interval=_interval(rule, unit, signed) + _level(rule, confidence),
        limit=limit_text(rule, unit),
        strip=strips.draw(rule.value, rule.low, rule.high, rule.limit, rule.bound or "max"),
        decision=_decision(rule),
        needed=needed_data(rule, unit),
        against=_against(rule, metric, unit),
        rows=fmt.sample_size(rule.n, rule.n_clusters, counts=rule.counts),
        waiver=_waiver(rule),
        written=f"The policy calls it {rule.written}." if rule.written else "",
        beside=beside(check),
    )


def _names_metric(rule: raikit.Rule) -> bool:
    """Return whether the sentence of a rule names its metric or required check already."""
    return rule.kind == "required" or rule.sentence.startswith(rule.metric)


def label(metric: raikit.Metric) -> str:
    """Write a metric's name for people: ``Equalized odds difference, sex``."""
    arguments = ", ".join(f"{key} = {fmt.as_stored(value)}" for key, value in metric.args.items())
    place = fmt.group_text(metric.over, metric.group)
    return words(metric.name) + (f" ({arguments})" if arguments else "") + (f", {place}" if place else "")


def _title(rule: raikit.Rule, metric: raikit.Metric | None, unit: str | None) -> str:
    """Return the gate's sentence, with the metric's name in words instead of its address."""
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


def _level(rule: raikit.Rule, confidence: float) -> str:
    """Write the level of a rule's interval where it is not the run's."""
    if rule.level is None or rule.low is None or rule.low == rule.high or abs(rule.level - confidence) < 1e-9:
        return ""
    return f", {fmt.confidence(rule.level)} CI"


def limit_text(rule: raikit.Rule, unit: str | None) -> str:
    """Write the limit in words: ``at most 10 pp``."""
    if rule.limit is None:
        return ""
    bound = "at least" if rule.bound == "min" else "at most"
    return f"{bound} {fmt.measure(rule.limit, unit=unit)}"


# The reason of the gate may begin with raw numbers ("the whole interval [0.1132, 0.2071] is above 0.1; judged without …").
# The row shows them in their unit, so only the rest is kept.
_NUMBERS = re.compile(r"^[a-z ]*\[[^\]]*\] (?:is (?:at most|at least|above|below)|contains the limit) \S+?(?:; |$)")


def _decision(rule: raikit.Rule) -> str:
    reason = rule.reason
    if rule.status == "waived" and rule.waiver:  # the waiver has a sentence of its own
        until, who, why = (rule.waiver.get(key) for key in ("until", "who", "reason"))
        reason = reason.removeprefix(f"waived until {until} by {who}: {why}; ")
    numbers = _NUMBERS.match(reason)
    rest = sentence(reason[numbers.end() :] if numbers else reason)
    if rest and not numbers:
        return rest
    if rule.status == "inconclusive":
        text = "The interval contains the limit."
    elif rule.status == "missing":
        text = "No check measured it."
    else:
        what = "The value" if rule.low is not None and rule.low == rule.high else "The whole interval"
        text = f"{what} is {'within' if rule.status == 'pass' else 'beyond'} the limit."
    return f"{text} {rest}".strip()


def needed_data(rule: raikit.Rule, unit: str | None) -> str:
    """Describe how much data would decide an inconclusive rule."""
    return sentence(rule.describe_needed_data(lambda assumed: fmt.measure(assumed, unit=unit)))


def _against(rule: raikit.Rule, metric: raikit.Metric | None, unit: str | None) -> str:
    """Write what a regression is about: whose loss against whom, and from where to where the metric itself went."""
    if rule.kind != "regression":
        return ""
    own = metric.unit if metric else unit  # the metric's own unit, not that of the difference
    pair, paired = rule.pair_of_loss, {True: f"on the same {case_noun()}", False: "unpaired", None: ""}[rule.paired]
    who = f"loss of {pair[0]} against {pair[1]} since the baseline" if pair else ""
    went = "" if rule.baseline is None else f"baseline {fmt.measure(rule.baseline, rule.low, rule.high, own)}"
    if went and metric is not None and metric.value is not None:
        ends = (fmt.measure(value, rule.low, rule.high, own) for value in (rule.baseline, metric.value))
        went = f"the metric{' itself' if pair else ''} went from {' to '.join(ends)}"
    return ", ".join(part for part in (who, went, paired) if part) or "against the baseline"


def _waiver(rule: raikit.Rule) -> str:
    if rule.status != "waived" or not rule.waiver:
        return ""
    fields = {key: fmt.scalar(value) for key, value in rule.waiver.items() if value is not None}
    by, until = fields.pop("who", "") or fields.pop("by", ""), fields.pop("until", "")
    why = fields.pop("reason", "")
    text = "Waived" + (f" by {by}" if by else "") + (f" until {fmt.moment(until)}" if until else "")
    rest = "; ".join(f"{words(key)}: {value}" for key, value in fields.items())
    return sentence(text + (f": {why}" if why else "")) + (f" {sentence(rest)}" if rest else "")


def _distance(rule: raikit.Rule) -> float:
    if rule.value is None or rule.limit is None:
        return float("inf")
    return abs(rule.value - rule.limit) / (abs(rule.limit) or 1)


def tally(rows: Iterable[RuleRow]) -> list[tuple[Verdict, int, str]]:
    """Count the rules by verdict, worst first."""
    counted = Counter(row.verdict for row in rows)
    return [
        (verdict, counted[verdict], verdicts.TALLY[verdict])
        for verdict in sorted(counted, key=lambda verdict: verdict.rank)
    ]
