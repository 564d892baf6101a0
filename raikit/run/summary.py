"""The answer in words, composed once from the record for all formats."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from raikit import format as fmt
from raikit.run.labelled import labelled
from raikit.run.record import Record, Rule, Summary, failed_plugins
from raikit.run.results import Finding

_MOST_SENTENCES = 3
_NOT_ISOLATED = (
    "Plugins and the model ran in the process that judges them (--isolation none), so their code could have changed any number."
)
_SEVERITIES = {"fail": 0, "warn": 1, "note": 2}


def compose(record: Record) -> Summary:
    """Compose the summary of a record, whose checks and gate must be final, in the words in use (`raikit.naming`).

    What is missing keeps its address, by which a person looks it up.
    """
    names = {str(metric.id): fmt.metric_text(metric) for _, metric in labelled(record).metrics()}
    return Summary(
        question=f"May {record.name} be released?",
        answer=answer(record),
        sentences=sentences(record, names),
        not_measured=not_measured(record),
        what_would_change=[
            _remedy(rule, names.get(rule.metric, rule.metric))
            for rule in record.gate.rules
            if rule.status in ("fail", "inconclusive", "missing")
        ],
    )


def answer(record: Record) -> str:
    """Return the verdict in words; never "safe", "fair" or "compliant", which no measurement shows."""
    rules = record.gate.rules
    count = Counter(rule.status for rule in rules)
    if record.gate.exit_code == 5:
        return "Cannot say. No check ran."
    if record.verdict == "error":
        return "Cannot say. The audit is incomplete."
    if record.verdict == "fail":
        broken = sum(rule.status == "fail" and rule.severity == "fail" for rule in rules)
        if not broken:
            undecided = fmt.counted(count["inconclusive"], "rule", words=True).capitalize()
            return f"No. {undecided} could not be decided, and the policy counts that as a failure."
        missing = f", and {fmt.in_words(count['missing'])} could not be judged" if count["missing"] else ""
        return f"No. {_share(broken, len(rules))} {'is' if broken == 1 else 'are'} broken{missing}."
    if record.verdict == "inconclusive":
        undecided = fmt.counted(count["inconclusive"], "rule", words=True).capitalize()
        return f"Not decided. {undecided} {'needs' if count['inconclusive'] == 1 else 'need'} more data."
    if not rules:
        return "Measured, not judged. The policy has no rules."
    if record.verdict == "warn" and count["inconclusive"]:
        return f"Undecided, and the policy lets it pass. {_undecided(count['inconclusive'], len(rules))}"
    if record.verdict == "warn":
        return f"Yes, with {fmt.counted(_n_warnings(record), 'warning', words=True)}."
    if waived := count["waived"]:
        passed = len(rules) - waived
        holding = f"{_share(passed, len(rules))} {'holds' if passed == 1 else 'hold'}, " if passed else ""
        text = f"{holding}{fmt.counted(waived, 'broken rule', words=True)} {'is' if waived == 1 else 'are'} waived."
        return f"Yes, by waiver. {text[0].upper()}{text[1:]}"
    return f"Yes. {_share(len(rules), len(rules))} {'holds' if len(rules) == 1 else 'hold'}."


def _share(number: int, total: int) -> str:
    """Write ``Two of three rules``, ``Both rules`` or ``The one rule``."""
    if number < total:
        return f"{fmt.in_words(number).capitalize()} of {fmt.counted(total, 'rule', words=True)}"
    return {1: "The one rule", 2: "Both rules"}.get(total, f"All {fmt.in_words(total)} rules")


def _undecided(number: int, total: int) -> str:
    """Write ``Two of ten rules could not be decided.`` or ``None of ten rules could be decided.``."""
    if number < total or total == 1:
        return f"{_share(number, total)} could not be decided."
    return f"None of {fmt.counted(total, 'rule', words=True)} could be decided."


def _n_warnings(record: Record) -> int:
    bad = sum(rule.status in ("fail", "missing", "inconclusive") for rule in record.gate.rules)
    return bad + len(record.gate.warnings)


def findings(record: Record) -> list[Finding]:
    """Return all findings, worst first; findings of equal severity keep the order of their checks."""
    unsorted = (finding for check in record.checks for finding in check.findings)
    return sorted(unsorted, key=lambda finding: _SEVERITIES[finding.severity])


def sentences(record: Record, names: Mapping[str, str]) -> list[str]:
    """Select the most important sentences: at most three findings, those behind broken rules first, then what is missing."""
    broken = {rule.metric for rule in record.gate.rules if rule.status == "fail"}
    ordered = sorted(findings(record), key=lambda finding: not broken.intersection(finding.metrics))
    important = [finding for finding in ordered if finding.severity != "note"]
    chosen = _regressions(record, names)
    chosen += [finding.sentence for finding in _without_nested(important or ordered)[: _MOST_SENTENCES - len(chosen)]]
    undecided = sum(rule.status == "inconclusive" for rule in record.gate.rules)
    if undecided and record.verdict != "inconclusive":
        chosen.append(f"{fmt.counted(undecided, 'rule', words=True).capitalize()} cannot be decided with this much data.")
    if crashed := [check.name for check in record.checks if check.status == "error"]:
        chosen.append(f"{fmt.counted(len(crashed), 'check', words=True).capitalize()} crashed: {', '.join(crashed)}.")
    for plugin in failed_plugins(record.plugins):
        chosen.append(f"The plugin {plugin.name} of {plugin.distribution} could not be loaded: {plugin.reason}.")
    if record.provenance.isolation == "none":
        chosen.append(_NOT_ISOLATED)
    return chosen


def _regressions(record: Record, names: Mapping[str, str]) -> list[str]:
    """Describe what surely got worse since the baseline, in at most two sentences."""
    failed = [rule for rule in sort_rules(record.gate.rules) if rule.kind == "regression" and rule.status == "fail"]
    texts: list[str] = []
    for rule in failed[:2]:
        loss = fmt.measure(rule.value, rule.low, rule.high, rule.unit, short=False)
        ends = fmt.interval(rule.low, rule.high, rule.unit, value=rule.value, bare=True)
        more = f"; {fmt.in_words(len(failed) - 2)} more regressed" if len(texts) == 1 and len(failed) > 2 else ""
        pair, now, name = rule.pair_of_loss, record.find(rule.metric), names.get(rule.metric, rule.metric)
        what = f"{pair[0]} lost {loss} against {pair[1]} since the baseline in {name}" if pair else (
            f"{_first(name, rule)} is worse than in the baseline by {loss}")
        itself = ""
        if pair and now is not None and now.value is not None and rule.baseline is not None:
            from_to = (fmt.measure(value, unit=now.unit, short=False) for value in (rule.baseline, now.value))
            itself = f"; the difference itself went from {' to '.join(from_to)}"
        texts.append(f"{what} (interval {ends}{itself}){more}.")
    return texts


def _without_nested(ordered: Sequence[Finding]) -> list[Finding]:
    """Drop findings over an intersection of columns that includes the columns of an earlier finding."""
    selected: list[Finding] = []
    for finding in ordered:
        columns = set(finding.group or ())
        if not any(before.group and set(before.group) < columns for before in selected):
            selected.append(finding)
    return selected


def not_measured(record: Record) -> list[str]:
    """List what was not measured, crashes first, then the limits that the owner of the data declares."""
    order = ("error", "missing", "not_loaded", "skipped", "deselected")
    silent = [check for status in order for check in record.checks if check.status == status]
    words = {"error": "the check crashed", "skipped": "skipped", "deselected": "left out"}
    texts = [f"{check.name}: {words.get(check.status, check.status)} ({check.reason})." for check in silent]
    texts += [
        f"Plugin {plugin.name} of {plugin.distribution}: not loaded ({plugin.reason})."
        for plugin in record.plugins
        if plugin.status not in ("ok", "local")
    ]
    return texts + list(record.data.limits)


def _first(name: str, rule: Rule) -> str:
    """Return the name of a rule's metric as the beginning of a sentence; an address stays as it is."""
    return name if name == rule.metric else fmt.capitalised(name)


def _remedy(rule: Rule, name: str) -> str:
    """Describe what would make a rule pass or decide it; `name` is its metric's."""
    first = _first(name, rule)
    if rule.status == "missing":
        must = "have run" if rule.kind == "required" else "be measured"
        return f"{first} must {must}: {rule.reason.removeprefix('no measurement: ')}."
    value, limit = _measure(rule, rule.value), fmt.measure(rule.limit, unit=rule.unit)
    if rule.kind == "regression":
        if rule.status == "fail":
            return f"{first} must not be worse than in the baseline by more than {limit}; it is by {value}."
        return f"{first}: {rule.reason}."
    if rule.status == "fail":
        fall = rule.bound == "max"
        end = rule.high if fall else rule.low
        if end is None or rule.low == rule.high:
            return f"{first} must {'fall' if fall else 'rise'} from {value} to {limit}."
        side, must = ("upper", "fall to") if fall else ("lower", "reach")
        the = "" if name == rule.metric else "the "
        return f"The {side} end of {the}{name}, now {_measure(rule, end)}, must {must} {limit}."
    # The reason may begin with the interval in raw numbers; this sentence has them in their unit.
    why = rule.reason.partition("; ")[2] if rule.reason.startswith("the interval [") else rule.reason
    needed = rule.describe_needed_data(lambda assumed: fmt.measure(assumed, rule.low, rule.high, rule.unit)) or why
    return f"{first} is {value}, its limit {limit}: {needed}."


def _measure(rule: Rule, value: float | None) -> str:
    """Write a value in the rule's unit, with the decimals that its interval justifies."""
    return fmt.measure(value, rule.low, rule.high, rule.unit)


def sort_rules(rules: Sequence[Rule]) -> list[Rule]:
    """Sort rules worst first: fail, warn, inconclusive, missing, waived, pass; then by the distance to their limit."""
    order = {"fail": 0, "inconclusive": 2, "missing": 3, "waived": 4, "pass": 5}

    def key(rule: Rule) -> tuple[int, float]:
        rank = 1 if rule.status == "fail" and rule.severity == "warn" else order[rule.status]
        distance = abs(rule.value - rule.limit) if rule.value is not None and rule.limit is not None else float("inf")
        return rank, distance

    return sorted(rules, key=key)
