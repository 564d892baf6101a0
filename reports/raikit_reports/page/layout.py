"""The record arranged as the page shows it. Templates place these values and compute nothing."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import raikit
from raikit import format as fmt
from raikit.run.statements import Statement, lede, statements
from raikit.run.summary import question_about
from raikit_reports import strips, verdicts
from raikit_reports.page import findings, tables
from raikit_reports.page.drawings import Drawings, FigureView
from raikit_reports.page.groups import Chart, Groups
from raikit_reports.page.numbers import Numbers
from raikit_reports.page.renderer import ForeignRenderer
from raikit_reports.page.sections import Section, SectionBuilder, Tally, rule_tally
from raikit_reports.page.tables import TableView
from raikit_reports.page.training import curves
from raikit_reports.search import trials_of
from raikit_reports.texts import beside, flat, words
from raikit_reports.unchecked import MissingResult, Unchecked, unchecked
from raikit_reports.verdicts import Verdict

_ROWS_FIRST = 5  # rules on the first screen
_LABEL = 5  # words of a limit before its colon
_NAMED = 3  # groups named on the first screen
_SHORT = 60  # letters of a fact about the model that need not be folded
_BRIEF = 5  # facts about the model that are not folded
_FOLDED = ("capabilities", "preprocessing")
_TALL = 10  # groups of a chart that fits beside the answer
_NOT_HELD = ("rule_broken", "undecided", "not_measured", "waived")


@dataclass(frozen=True)
class RuleView:
    """A rule as a row: its statement, its verdict and a drawing of its number around its limit."""

    statement: Statement
    verdict: Verdict
    strip: strips.Strip | None
    beside: str = ""


@dataclass(frozen=True)
class Page:
    """Everything that the templates show."""

    record: raikit.Record
    title: str
    answer: Verdict
    short: str
    question: str
    reply: str
    lede: str
    rules: list[RuleView]
    tally: Tally
    first: list[RuleView]
    more: int
    chart: Chart | None
    changes: list[tuple[Verdict, str]]
    pillars: list[Section]
    others: list[Section]
    others_tally: Tally
    unchecked: Unchecked
    gaps: list[tuple[Verdict, str]]
    model_brief: list[tuple[str, str]]
    model_more: list[tuple[str, str]]
    training: FigureView | None
    trials: TableView | None
    level: str
    hidden: int
    figures: dict[str, Any]
    alive: bool
    tables: list[dict[str, Any]]
    numbers: dict[str, Any]

    @property
    def broken(self) -> bool:
        """Whether a rule is broken or waived, so that something is wrong and not only unknown."""
        return any(row.statement.kind in ("rule_broken", "waived") for row in self.rules)

    @property
    def held(self) -> bool:
        """Whether every rule holds, so that the first screen shows those nearest to their limit."""
        return not any(row.statement.kind in _NOT_HELD for row in self.rules)


def build(record: raikit.Record) -> Page:
    """Arrange the whole record."""
    answer, short, fallback = verdicts.answer(record)
    said = statements(record)
    checks = {check.name: check for check in record.checks}
    rules = [_rule(one, checks.get(one.check)) for one in said if one.rule is not None]
    grouped, searched = Groups(record, said), trials_of(record)
    with ForeignRenderer() as renderer:
        # The renderer works in a process of its own: its memory is not ours, and it ends its process where a figure is hostile.
        drawings = Drawings(renderer.render)
        builder = SectionBuilder(record, said, drawings, grouped)
        pillars, others, training = builder.pillars(), builder.others(), curves(record.model)
        learned = drawings.later(training) if training is not None else None
    first, missing = _first(rules), unchecked(record)
    brief, more = _model(record, training is not None, searched is not None)
    not_held = [row for row in rules if row.statement.kind in _NOT_HELD]
    return Page(
        record=record, title=flat(f"{answer.word}: {record.name}, raikit audit"), answer=answer, short=short,
        question=record.summary.question or question_about(record.name),
        reply=record.summary.answer or fallback, lede=lede(record, said), rules=rules,
        tally=rule_tally([row.statement for row in rules]), first=first, more=max(len(not_held) - len(first), 0),
        chart=_first_chart(first, grouped), changes=[(row.verdict, row.statement.change) for row in rules if row.statement.change],
        pillars=pillars, others=others, others_tally=_tally_of(others, rules), unchecked=missing, gaps=_gaps(missing),
        model_brief=brief, model_more=more, training=learned,
        trials=tables.view(searched) if searched is not None else None, level=fmt.confidence(record.confidence),
        hidden=sum(section.hidden for section in [*pillars, *others]), figures=drawings.specs, alive=drawings.alive,
        tables=[_as_data(table) for table in builder.tables], numbers=_numbers([*pillars, *others]),
    )  # fmt: skip


def _model(record: raikit.Record, trained: bool, searched: bool) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Return the facts about the model without those that stand elsewhere: a few, the short ones first, and the rest."""
    told = {"history": trained, "search": searched, "inputs": _same_inputs(record)}
    brief = {key: value for key, value in record.model.items() if not told.get(key) and key not in _FOLDED}
    known = sorted(facts(brief), key=lambda fact: len(fact[1]) > _SHORT)
    return known[:_BRIEF], [*known[_BRIEF:], *facts({key: record.model[key] for key in _FOLDED if key in record.model})]


def _same_inputs(record: raikit.Record) -> bool:
    """Return whether the inputs of the model are those of the data, which stand there."""
    return record.model.get("inputs") == {each.name: each.modality for each in record.data.inputs}


def _tally_of(sections: Sequence[Section], rules: Sequence[RuleView]) -> Tally:
    names = {check.name for section in sections for check in section.checks}
    return rule_tally([row.statement for row in rules if row.statement.check in names])


def _rule(statement: Statement, check: raikit.CheckRecord | None) -> RuleView:
    rule = statement.rule
    assert rule is not None
    strip = strips.draw(rule.value, rule.low, rule.high, rule.limit, rule.bound or "max")
    return RuleView(statement, findings.verdict_of(statement), strip, beside(check))


def _first(rules: Sequence[RuleView]) -> list[RuleView]:
    """Return the rules of the first screen: those not held; if all hold, the three that come nearest to their limit."""
    bad = [row for row in rules if row.statement.kind in _NOT_HELD]
    if bad:
        return bad[:_ROWS_FIRST]
    drawn = [row for row in rules if row.strip is not None]
    return sorted(drawn, key=lambda row: abs(row.strip.at - strips.MIDDLE) if row.strip else 0)[:3]


def _first_chart(rules: Sequence[RuleView], groups: Groups) -> Chart | None:
    """Draw the groups of the first rule that compares some."""
    drawn = (groups.alone(row.statement, most=_TALL) for row in rules if row.statement.gap is not None)
    return next((chart for chart in drawn if chart is not None), None)


def _gaps(missing: Unchecked) -> list[tuple[Verdict, str]]:
    """Return the gaps of the first screen, a short line each, what crashed before all else."""

    def line(item: MissingResult) -> tuple[Verdict, str]:
        return item.verdict, f"{item.name}: {item.short}"

    crashed = [line(item) for item in missing.not_run if item.verdict.icon == "crash"]
    left_out = verdicts.CHECKS["deselected"]
    rest = [line(item) for item in missing.not_run if item.verdict.icon != "crash" and item.verdict is not left_out]
    wanted = [line(item) for item in missing.not_run if item.verdict is left_out]
    limits = [(verdicts.MISSING, _short_limit(text)) for text in missing.limits]
    few = [(verdicts.MISSING, _few(*entry)) for entry in missing.unjudged]
    return [*crashed[:2], *limits[:1], *few[:1], *rest[:1], *limits[1:], *rest[1:], *wanted, *few[1:]][:3]


def _short_limit(text: str) -> str:
    """Return a limit without its reasons: its label, of at most five words before a colon, else its first clause."""
    label, colon, told = text.partition(": ")
    if colon and len(label.split()) <= _LABEL:
        return f"{label}: {_FIRST_CLAUSE.split(told, maxsplit=1)[0]}"
    return _FIRST_CLAUSE.split(text, maxsplit=1)[0]


def _few(reason: str, names: Sequence[str], more: int) -> str:
    """Write which groups were not judged and why, or how many where they are many."""
    why, many = reason.partition(", ")[0].removesuffix(" in the denominator"), len(names) + more
    if many > _NAMED:
        return f"{why}: {fmt.counted(many, 'group')}"
    columns = {column for name in names for column in _COLUMN.findall(name)}
    bare = ", ".join(_COLUMN.sub("", name) for name in names)
    return f"{why}: {bare} ({columns.pop().removesuffix(': ')})" if len(columns) == 1 else f"{why}: {bare}"


_FIRST_CLAUSE = re.compile(r"[:.;](?:\s|$)")
_COLUMN = re.compile(r"(?<![^ ])[^:,]+: ")


def _as_data(table: TableView) -> dict[str, Any]:
    """Return a table for the script; a cell with an interval is a pair."""

    def shown(cell: tables.Cell) -> str | list[str]:
        text = flat(cell.text, 400)
        return [text, flat(cell.interval)] if cell.interval else text

    cells = [[shown(cell) for cell in row] for row in table.rows]
    return {"heads": [flat(head) for head in table.heads], "right": table.right, "rows": cells, "more": table.left_out}


def _numbers(sections: Sequence[Section]) -> dict[str, Any]:
    numbers = Numbers()
    rows = {section.anchor: numbers.rows(section.checks) for section in sections}
    return {"texts": numbers.texts, "formats": numbers.formats, "rows": rows}


def facts(values: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the entries of a mapping as names and texts; nested mappings become one text."""
    made = []
    for key, value in values.items():
        if isinstance(value, dict):
            text = ", ".join(f"{name}: {fmt.scalar(item)}" for name, item in value.items())
        elif isinstance(value, list | tuple):
            text = ", ".join(fmt.scalar(item) for item in value)
        else:
            text = fmt.scalar(value)
        if text and text != "–":
            made.append((words(key), text))
    return made
