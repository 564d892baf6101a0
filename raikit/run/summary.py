"""The answer in words, composed once from the record for all formats."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from raikit import format as fmt
from raikit.run.record import Record, Rule, Summary, failed_plugins
from raikit.run.statements import lede, statements

_NOT_ISOLATED = (
    "Plugins and the model ran in the process that judges them (--isolation none), so their code could have changed any number."
)
_IN_MEMORY = (
    "The audit shared a process with objects in memory ({}), so code of the model or of plugins could have changed any number."
)


def compose(record: Record) -> Summary:
    """Compose the summary of a record, whose checks and gate must be final, in the words in use (`raikit.naming`)."""
    told = statements(record)
    first = lede(record, told)
    return Summary(
        question=question_about(record.name),
        answer=answer(record),
        lede=first,
        sentences=[*([first] if first else []), *_must_be_known(record)],
        not_measured=not_measured(record),
        what_would_change=[statement.change for statement in told if statement.change],
    )


def question_about(name: str) -> str:
    """Return the question that an audit answers; the name is quoted, because it may be any words.

    Examples
    --------
    >>> question_about("house prices")
    'May the model “house prices” be released?'
    """
    return f"May the model “{name}” be released?" if name else "May this model be released?"


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


def _must_be_known(record: Record) -> Iterator[str]:
    """Yield what a reader must know before the verdict: what crashed, could not be loaded or was not isolated."""
    undecided = sum(rule.status == "inconclusive" for rule in record.gate.rules)
    if undecided and record.verdict not in ("inconclusive", "warn"):
        yield f"{fmt.counted(undecided, 'rule', words=True).capitalize()} cannot be decided with this much data."
    if crashed := [check.name for check in record.checks if check.status == "error"]:
        yield f"{fmt.counted(len(crashed), 'check', words=True).capitalize()} crashed: {', '.join(crashed)}."
    for plugin in failed_plugins(record.plugins):
        yield f"The plugin {plugin.name} of {plugin.distribution} could not be loaded: {plugin.reason}."
    if record.provenance.isolation == "none":
        objects = record.provenance.in_memory
        yield _IN_MEMORY.format("; ".join(objects)) if objects else _NOT_ISOLATED


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


def sort_rules(rules: Sequence[Rule]) -> list[Rule]:
    """Sort rules worst first: fail, warn, inconclusive, missing, waived, pass; then by the distance to their limit."""
    order = {"fail": 0, "inconclusive": 2, "missing": 3, "waived": 4, "pass": 5}

    def key(rule: Rule) -> tuple[int, float]:
        rank = 1 if rule.status == "fail" and rule.severity == "warn" else order[rule.status]
        distance = abs(rule.value - rule.limit) if rule.value is not None and rule.limit is not None else float("inf")
        return rank, distance

    return sorted(rules, key=key)
