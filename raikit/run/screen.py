"""The last screen of an audit, as lines: for the command line, ``raikit gate`` and pytest.

What a line says comes from `raikit.run.statements`; this module chooses lines and their order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from raikit.console import Style
from raikit.format import counted
from raikit.run.record import Record, Summary
from raikit.run.statements import Statement, statements

MOST_RULES, MOST_FINDINGS, MOST_CHANGES, MOST_GROUPS = 10, 3, 5, 5
_WIDTH = 14  # of the words before headlines: "not measured" and two spaces
_RULE_WORDS: dict[str, tuple[str, Style]] = {
    "rule_broken": ("broken", "bad"), "undecided": ("undecided", "open"), "not_measured": ("not measured", "open"),
    "waived": ("waived", "open"), "fine": ("holds", "good"),
}  # fmt: skip
_ANSWERS: dict[str, Style] = {"pass": "good", "warn": "open", "inconclusive": "open", "fail": "bad", "error": "bad"}
_SEVERITIES = ("fail", "warn", "note")


@dataclass(frozen=True)
class ScreenLine:
    """A line of the screen.

    Parameters
    ----------
    text : str
    head : str
        What the line begins with and what may be coloured: a word that says by itself what the colour says.
    style : {"", "strong", "bad", "open", "good"}
        Of `head`.
    hang : int
        Number of columns by which the rest of the line is indented where a terminal wraps it.
    """

    text: str = ""
    head: str = ""
    style: Style = ""
    hang: int = 0


def final_screen(record: Record, summary: Summary, *, verbose: bool = False) -> Iterator[ScreenLine]:
    """Yield the lines that end an audit: verdict, rules that do not hold, worst findings, what would change it, counts.

    Call it under the labels of the record (`raikit.naming.using`).

    Parameters
    ----------
    record : Record
    summary : Summary
        That of the record and its gate.
    verbose : bool
        Whether to add rules that hold, all findings, and how each is known.
    """
    told = statements(record)
    yield verdict_line(record, summary)
    yield from (ScreenLine(sentence) for sentence in summary.sentences)
    yield from _rules(told, verbose)
    yield from _findings(told, verbose)
    yield from _changes(told, verbose)
    yield ScreenLine()
    yield ScreenLine(_counts(record, told))
    if record.gate.family is not None and record.gate.family.size > 1:
        yield ScreenLine(record.gate.family.describe())
    yield from (ScreenLine(f"warning: {warning}", "warning:", "open") for warning in record.gate.warnings)


def verdict_line(record: Record, summary: Summary) -> ScreenLine:
    """Return the question and its answer as one line."""
    text = f"{summary.question} {summary.answer}"
    return ScreenLine(text, text, _ANSWERS.get(record.verdict, ""))


def _rules(told: Sequence[Statement], verbose: bool) -> Iterator[ScreenLine]:
    """Yield the rules that do not hold, or hold for some groups only; all rules if `verbose`."""
    rules = [one for one in told if one.rule is not None and (verbose or one.kind != "fine" or one.rule.not_judged)]
    if rules:
        yield from _heading("Rules")
    shown = rules if verbose else rules[:MOST_RULES]
    for one in shown:
        word, style = _RULE_WORDS[one.kind]
        if one.rule is not None and one.rule.severity == "warn" and one.kind != "fine":
            word, style = "warning", "open"
        yield from _statement(one, word, style, verbose)
    yield from _more(len(rules) - len(shown))


def _findings(told: Sequence[Statement], verbose: bool) -> Iterator[ScreenLine]:
    """Yield the worst findings that no rule covers; all findings if `verbose`."""
    findings = [one for one in told if one.rule is None and (verbose or one.kind == "worth_knowing")]
    findings.sort(key=lambda one: (one.kind != "worth_knowing", _SEVERITIES.index(one.finding.severity) if one.finding else 0))
    if findings:
        yield from _heading("Findings that no rule covers")
    shown = findings if verbose else findings[:MOST_FINDINGS]
    for one in shown:
        yield from _statement(one, one.kind.replace("_", " ") if verbose else "-", "", verbose)
    yield from _more(len(findings) - len(shown))


def _changes(told: Sequence[Statement], verbose: bool) -> Iterator[ScreenLine]:
    changes = list(dict.fromkeys(one.change for one in told if one.change))
    if changes:
        yield from _heading("What would change the answer")
    shown = changes if verbose else changes[:MOST_CHANGES]
    yield from (ScreenLine(f"  - {text}", hang=4) for text in shown)
    yield from _more(len(changes) - len(shown))


def _heading(text: str) -> Iterator[ScreenLine]:
    yield ScreenLine()
    yield ScreenLine(text, text, "strong")


def _more(number: int) -> Iterator[ScreenLine]:
    if number > 0:
        yield ScreenLine(f"  … and {number} more in the report")


def _statement(one: Statement, word: str, style: Style, verbose: bool) -> Iterator[ScreenLine]:
    """Yield the headline with its word before it, the line of evidence, and the rows of the fold if `verbose`."""
    indent = _WIDTH + 2 if style or verbose else 4
    head = f"  {word}"
    yield ScreenLine(f"{head:<{indent}}{one.headline}", head, style, indent)
    if evidence := _evidence(one):
        yield ScreenLine(f"{'':<{indent}}{evidence}", hang=indent)
    if verbose:
        yield from (ScreenLine(f"{'':<{indent}}{name}: {text}", hang=indent + 2) for name, text in one.facts)


def _evidence(one: Statement) -> str:
    """Return the line of evidence, with who waived a rule and about which groups it says nothing."""
    if one.kind == "not_measured":
        return one.sure_detail
    parts = [one.evidence]
    if one.rule is not None and one.kind == "waived":
        parts.append(one.rule.reason.partition("; ")[0])
    if one.rule is not None and one.rule.not_judged:
        shown, more = one.rule.not_judged[:MOST_GROUPS], len(one.rule.not_judged) - MOST_GROUPS
        parts.append(f"not judged: {', '.join(shown)}{f' and {more} more' if more > 0 else ''}")
    return "; ".join(part for part in parts if part)


def _counts(record: Record, told: Sequence[Statement]) -> str:
    """Count rules by what was decided, checks by status, and findings."""
    rules = Counter[str](one.kind for one in told if one.rule is not None)
    checks = Counter(check.status for check in record.checks)
    parts = []
    if rules:
        decided = [f"{rules[kind]} {'hold' if word == 'holds' and rules[kind] != 1 else word}"
                   for kind, (word, _) in _RULE_WORDS.items() if rules[kind]]
        parts.append(f"Rules: {', '.join(decided)}.")
    words = {"ok": "ran", "error": "crashed", "deselected": "left out"}
    counts = [f"{number} {words.get(status, status)}" for status, number in sorted(checks.items(), key=_ran_first)]
    parts.append(f"Checks: {', '.join(counts) or 'none'}.")
    return " ".join([*parts, f"{counted(sum(len(check.findings) for check in record.checks), 'finding').capitalize()}."])


def _ran_first(item: tuple[str, int]) -> tuple[bool, str]:
    return item[0] != "ok", item[0]
