"""Statements as blocks of a section: in four groups, few of them open, each with a small drawing of its number."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from markupsafe import Markup

import raikit
from raikit import format as fmt
from raikit.run.results import Side
from raikit.run.statements import Statement
from raikit_reports import verdicts
from raikit_reports.page import charts
from raikit_reports.verdicts import Verdict

_KNOWN = 3  # of those worth knowing, with which a section stays within three screens
OPEN = 5  # findings of a section that are not folded; rules broken and undecided are always open
_KNOW = Verdict("Worth knowing", "know", "note", 5)
_VERDICTS = {
    "undecided": verdicts.OPEN, "not_measured": verdicts.MISSING, "waived": verdicts.WAIVED, "worth_knowing": _KNOW,
    "fine": verdicts.PASS, "method": verdicts.NOTE,
}  # fmt: skip
_TITLES = {
    "rule_broken": "Rules broken", "undecided": "Cannot be decided", "not_measured": "Not measured", "waived": "Waived",
    "worth_knowing": "Worth knowing",
}  # fmt: skip


@dataclass(frozen=True)
class Block:
    """A statement with its verdict and a drawing of its number."""

    statement: Statement
    verdict: Verdict
    drawing: Markup | None
    beside: str = ""


@dataclass(frozen=True)
class BlockGroup:
    """Statements of one kind; `folded` are those behind a fold."""

    title: str
    shown: list[Block]
    folded: list[Block]

    @property
    def total(self) -> int:
        """The number of statements."""
        return len(self.shown) + len(self.folded)


def verdict_of(statement: Statement) -> Verdict:
    """Return the verdict that a statement shows."""
    if statement.kind == "rule_broken" and statement.rule is not None:
        return verdicts.of_rule(statement.rule)
    return _VERDICTS.get(statement.kind, verdicts.FAIL)


def fine(statements: Iterable[Statement], beside: dict[str, str]) -> BlockGroup:
    """Return what was checked and is fine; as with the undecided, only what a rule depends on is not folded."""
    known = blocks((one for one in statements if one.kind == "fine"), beside)
    shown = [block for block in known if block.statement.rule is not None]
    return BlockGroup("Checked and fine", shown, [block for block in known if block.statement.rule is None])


def groups(statements: Sequence[Statement], budget: int, beside: dict[str, str]) -> list[BlockGroup]:
    """Return the groups of a section, without those that are fine or tell of a method.

    Parameters
    ----------
    statements : sequence of Statement
        Of one section, ranked.
    budget : int
        How many may be open that no rule is about.
    beside : dict of str to str
        What is to be said of all numbers of a check, by its name.
    """
    by_kind = {kind: [one for one in statements if one.kind == kind] for kind in _TITLES}
    rules = sum(one.rule is not None for kind in ("rule_broken", "undecided", "not_measured", "waived") for one in by_kind[kind])
    room = min(max(OPEN - rules, 1), _KNOWN, budget)
    axes, made = _axes(statements), []
    for kind, title in _TITLES.items():
        known = by_kind[kind]
        shown = known[:room] if kind == "worth_knowing" else [one for one in known if one.rule is not None]
        folded = [one for one in known if not any(one is other for other in shown)]
        if known:
            opened, closed = ([_block(one, axes, beside) for one in part] for part in (shown, folded))
            made.append(BlockGroup(title, opened, closed))
    return made


def blocks(statements: Iterable[Statement], beside: dict[str, str]) -> list[Block]:
    """Return statements without drawings, for lists and folds."""
    return [Block(one, verdict_of(one), None, beside.get(one.check, "")) for one in statements]


def _block(statement: Statement, axes: dict[str, charts.Axis], beside: dict[str, str]) -> Block:
    drawing = _drawing(statement)
    drawn = None if drawing is None else charts.gap(drawing, axes[_axis_name(statement)], statement.evidence or statement.headline)
    return Block(statement, verdict_of(statement), drawn, beside.get(statement.check, ""))


def _axes(statements: Sequence[Statement]) -> dict[str, charts.Axis]:
    """Return one axis for each measure of a section, so that its drawings can be compared."""
    values: dict[str, list[float | None]] = {}
    for one in statements:
        if drawing := _drawing(one):
            values.setdefault(_axis_name(one), []).extend(drawing.values())
    return {name: charts.axis_of(known, 10, 310, None) for name, known in values.items()}


def _axis_name(statement: Statement) -> str:
    gap = statement.gap
    if gap is not None and statement.unit != "ratio":
        return f"{gap.measure} {gap.unit}"
    return f"{statement.metric.name if statement.metric else ''} {statement.unit}"


def _drawing(statement: Statement) -> charts.GapDrawing | None:
    tone = "open" if statement.kind == "undecided" else verdict_of(statement).tone
    gap = statement.gap
    if gap is not None and statement.unit != "ratio" and gap.worse.value is not None and gap.better.value is not None:
        return replace(_both_ends(statement, gap.worse, gap.better), tone=tone)
    if statement.value is None or (statement.finding is not None and statement.metric is None):
        return None
    limit = statement.rule.limit if statement.rule is not None else None
    bound = statement.rule.bound if statement.rule is not None else None
    far = max(abs(statement.value), abs(limit or 0.0), abs(statement.high or 0.0)) * 1.05
    allowed = None if limit is None else far if bound == "min" else min(0.0, limit)
    return charts.GapDrawing(
        statement.value, fmt.measure(statement.value, statement.low, statement.high, statement.unit), low=statement.low,
        high=statement.high, limit=limit, allowed=allowed, tone=tone,
    )  # fmt: skip


def _both_ends(statement: Statement, worse: Side, better: Side) -> charts.GapDrawing:
    """Return a gap on the axis of its measure: interval and limit begin at the better-served group."""
    assert worse.value is not None and better.value is not None and statement.gap is not None
    sign = 1 if worse.value >= better.value else -1
    ends = [None if end is None else better.value + sign * end for end in (statement.low, statement.high)]
    limit = statement.rule.limit if statement.rule is not None else None
    return charts.GapDrawing(
        worse.value, _side(worse, statement.gap.unit), better.value, _side(better, statement.gap.unit), ends[0], ends[1],
        None if limit is None else better.value + sign * limit, None if limit is None else better.value,
    )  # fmt: skip


def _side(side: Side, unit: str | None) -> str:
    name = ", ".join(fmt.value_text(column, value) for column, value in side.group.items())
    return f"{fmt.capitalised(name)} {fmt.measure(side.value, side.low, side.high, unit)}".strip()


def stats(statements: Sequence[Statement], checks: Iterable[raikit.CheckRecord], level: float) -> list[tuple[str, str]]:
    """Return three numbers of a section, each with what it is: those of its statements, then those of all cases."""
    made: dict[str, tuple[str, str]] = {}
    for one in sorted(statements, key=lambda one: (one.rule is None, one.kind != "worth_knowing")):
        gap = one.gap
        if gap is not None and gap.worse.value is not None and gap.better.value is not None:
            ends = sorted((gap.worse, gap.better), key=lambda side: side.value or 0.0)
            low, high = (fmt.measure(end.value, end.low, end.high, gap.unit) for end in ends)
            by = f"{fmt.capitalised(fmt.metric_words(gap.measure))}, by {fmt.columns_text(gap.columns)}"
            made.setdefault(by, (f"{low} to {high}", by))
        elif one.metric is not None and not one.metric.group and one.number:
            made.setdefault(one.subject, (one.number, _with_interval(one.subject, one, one.level or level)))
    for check in checks:
        for metric in check.metrics:
            name = fmt.capitalised(fmt.metric_words(metric.name))
            if not metric.over and not metric.args and metric.value is not None and metric.subject == "model":
                number = fmt.measure(metric.value, metric.low, metric.high, metric.unit)
                made.setdefault(name, (number, _with_interval(name, metric, metric.level or level)))
    return list(made.values())[:3]


def _with_interval(name: str, of: Statement | raikit.Metric, level: float) -> str:
    if of.low is None or of.high is None or of.low == of.high:
        return name
    interval = fmt.interval(of.low, of.high, of.unit, value=of.value, bare=True).removesuffix("%")
    return f"{name}, {fmt.confidence(level)} CI {interval}"
