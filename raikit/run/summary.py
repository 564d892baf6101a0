"""The answer in words, composed once from the record so that every format says the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from raikit.format import significant
from raikit.run.record import Record, Rule, Summary, failed_plugins
from raikit.run.results import Finding

_SPELT = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_MOST_SENTENCES = 3
_SEVERITIES = {"fail": 0, "warn": 1, "note": 2}


def compose(record: Record) -> Summary:
    """Compose the summary of a record whose checks and gate are final."""
    return Summary(
        question=f"May {record.name} be released?",
        answer=answer(record),
        sentences=sentences(record),
        not_measured=not_measured(record),
        what_would_change=[
            _way_out(rule) for rule in record.gate.rules if rule.status in ("fail", "inconclusive", "missing")
        ],
    )


def spelt(number: int) -> str:
    """Numbers up to twelve as words."""
    return _SPELT[number] if number < len(_SPELT) else f"{number:,}"


def plural(number: int, one: str, many: str | None = None) -> str:
    """``one rule``, ``two rules``."""
    return f"{spelt(number)} {one if number == 1 else many or one + 's'}"


def answer(record: Record) -> str:
    """The verdict in the words of the gate; never "safe", "fair" or "compliant"."""
    rules = record.gate.rules
    count = Counter(rule.status for rule in rules)
    if record.gate.exit_code == 5:
        return "Cannot say. No check ran."
    if record.verdict == "error":
        return "Cannot say. The audit is incomplete."
    if record.verdict == "fail":
        broken = sum(rule.status == "fail" and rule.severity == "fail" for rule in rules)
        if not broken:
            undecided = plural(count["inconclusive"], "rule").capitalize()
            return f"No. {undecided} could not be decided, and the policy counts that as a failure."
        beside = f", and {spelt(count['missing'])} could not be judged" if count["missing"] else ""
        return f"No. {_share(broken, len(rules))} {'is' if broken == 1 else 'are'} broken{beside}."
    if record.verdict == "inconclusive":
        return f"Not decided. {plural(count['inconclusive'], 'rule').capitalize()} {_need(count['inconclusive'])} more data."
    if not rules:
        return "Measured, not judged. The policy has no rules."
    if record.verdict == "warn":
        return f"Yes, with {plural(len(_warnings(record)), 'warning')}."
    if waived := count["waived"]:
        kept = len(rules) - waived
        held = f"{_share(kept, len(rules))} {'holds' if kept == 1 else 'hold'}, " if kept else ""
        told = f"{held}{plural(waived, 'broken rule')} {'is' if waived == 1 else 'are'} waived."
        return f"Yes, by waiver. {told[0].upper()}{told[1:]}"
    return f"Yes. {_share(len(rules), len(rules))} {'holds' if len(rules) == 1 else 'hold'}."


def _share(number: int, total: int) -> str:
    """``Two of three rules``, ``Both rules``, ``The one rule``."""
    if number < total:
        return f"{spelt(number).capitalize()} of {plural(total, 'rule')}"
    return {1: "The one rule", 2: "Both rules"}.get(total, f"All {spelt(total)} rules")


def _need(number: int) -> str:
    return "needs" if number == 1 else "need"


def _warnings(record: Record) -> list[str]:
    rows = [rule.sentence for rule in record.gate.rules if rule.status in ("fail", "missing", "inconclusive")]
    return rows + record.gate.warnings


def findings(record: Record) -> list[Finding]:
    """All findings, worst first, in the order of the checks where they are equally bad."""
    every = [finding for check in record.checks for finding in check.findings]
    return sorted(every, key=lambda finding: _SEVERITIES[finding.severity])


def sentences(record: Record) -> list[str]:
    """What to know in at most three sentences: findings behind broken rules first, then the worst others."""
    broken = {rule.metric for rule in record.gate.rules if rule.status == "fail"}
    ordered = sorted(findings(record), key=lambda finding: not broken.intersection(finding.metrics))
    weighty = [finding for finding in ordered if finding.severity != "note"]
    chosen = _regressions(record)
    chosen += [finding.sentence for finding in _apart(weighty or ordered)[: _MOST_SENTENCES - len(chosen)]]
    undecided = sum(rule.status == "inconclusive" for rule in record.gate.rules)
    if undecided and record.verdict != "inconclusive":
        chosen.append(f"{plural(undecided, 'rule').capitalize()} cannot be decided with this much data.")
    if crashed := [check.name for check in record.checks if check.status == "error"]:
        chosen.append(f"{plural(len(crashed), 'check').capitalize()} crashed: {', '.join(crashed)}.")
    for plugin in failed_plugins(record.plugins):
        chosen.append(f"The plugin {plugin.name} of {plugin.distribution} could not be loaded: {plugin.reason}.")
    return chosen


def _regressions(record: Record) -> list[str]:
    """What got worse since the baseline beyond doubt, at most two sentences."""
    proven = [rule for rule in sort_rules(record.gate.rules) if rule.kind == "regression" and rule.status == "fail"]
    said: list[str] = []
    for rule in proven[:2]:
        who = f"{rule.loser}; " if rule.loser else ""
        much, low, high = (written(end, rule.unit) for end in (rule.value, rule.low, rule.high))
        more = f"; {spelt(len(proven) - 2)} more regressed" if len(said) == 1 and len(proven) > 2 else ""
        said.append(f"{rule.metric} is worse than in the baseline by {much} ({who}interval {low} to {high}){more}.")
    return said


def _apart(ordered: Sequence[Finding]) -> list[Finding]:
    """Findings without those over an intersection of a feature that an earlier one is already over."""
    kept: list[Finding] = []
    for finding in ordered:
        columns = set(finding.group or ())
        if not any(before.group and set(before.group) < columns for before in kept):
            kept.append(finding)
    return kept


def not_measured(record: Record) -> list[str]:
    """What no check reached, crashes first, then what the data's owner declares."""
    order = ("error", "missing", "not_loaded", "skipped", "deselected")
    silent = sorted(
        (check for check in record.checks if check.status in order), key=lambda check: order.index(check.status)
    )
    words = {"error": "the check crashed", "skipped": "skipped", "deselected": "left out"}
    said = [f"{check.name}: {words.get(check.status, check.status)} ({check.reason})." for check in silent]
    said += [
        f"Plugin {plugin.name} of {plugin.distribution}: not loaded ({plugin.reason})."
        for plugin in record.plugins
        if plugin.status not in ("ok", "local")
    ]
    return said + list(record.data.limits)


def _way_out(rule: Rule) -> str:
    if rule.status == "missing":
        must = "have run" if rule.kind == "required" else "be measured"
        return f"{rule.metric} must {must}: {rule.reason.removeprefix('no measurement: ')}."
    value, limit = written(rule.value, rule.unit), written(rule.limit, rule.unit)
    if rule.kind == "regression":
        if rule.status == "fail":
            return f"{rule.metric} must not be worse than in the baseline by more than {limit}; it is by {value}."
        return f"{rule.metric}: {rule.reason}."
    if rule.status == "fail":
        fall = rule.bound == "max"
        end = rule.high if fall else rule.low
        if end is None or rule.low == rule.high:
            return f"{rule.metric} must {'fall' if fall else 'rise'} from {value} to {limit}."
        side, must = ("upper", "fall to") if fall else ("lower", "reach")
        return f"The {side} end of {rule.metric}, now {written(end, rule.unit)}, must {must} {limit}."
    # the interval in raw numbers comes first in the reason, where there is one; here they stand in their unit
    why = rule.reason.partition("; ")[2] if rule.reason.startswith("the interval [") else rule.reason
    settled = rule.rows_told(lambda assumed: written(assumed, rule.unit)) or why
    return f"{rule.metric} is {value}, its limit {limit}: {settled}."


def written(value: float | None, unit: str | None) -> str:
    """A number as people say it: a rate in percent, a difference of rates in points."""
    if value is None:
        return "undefined"
    percent = f"{100 * value:,.1f}".removesuffix(".0")
    return {"rate": f"{percent} %", "points": f"{percent} points", "ratio": f"{value:.2f}"}.get(
        unit or "", significant(value)
    )


def sort_rules(rules: Sequence[Rule]) -> list[Rule]:
    """Worst first: fail, warn, inconclusive, not measured, waived, pass; inside a verdict the nearest to its limit first."""
    order = {"fail": 0, "inconclusive": 2, "missing": 3, "waived": 4, "pass": 5}

    def key(rule: Rule) -> tuple[int, float]:
        rank = 1 if rule.status == "fail" and rule.severity == "warn" else order[rule.status]
        distance = abs(rule.value - rule.limit) if rule.value is not None and rule.limit is not None else float("inf")
        return rank, distance

    return sorted(rules, key=key)
