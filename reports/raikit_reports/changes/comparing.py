"""The page of ``raikit compare``: what got worse, what got better, and what cannot be told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from raikit import format as fmt
from raikit.naming import using
from raikit.run.across import RunComparison
from raikit.run.record import Record
from raikit.run.statements import Change, changes, how_compared, lede_of_changes, multiplicity
from raikit_reports import texts
from raikit_reports.changes import html

MOST = 8  # of a group; all stand in the table
WIDTH, HEIGHT = 240, 28  # of the drawing of a change
_EDGE = 8
WORDS = {"worse": "Worse", "better": "Better", "undecided": "Cannot be told", "same": "The same", "not_compared": "Not compared"}
_GROUPS = (
    ("worse", "Got worse", "The whole interval is on the side of worse.", "Nothing is surely worse."),
    ("better", "Got better", "The whole interval is on the side of better.", "Nothing is surely better."),
    ("undecided", "Cannot be told", "The interval holds 0. The largest possible losses come first.", "Every change is sure."),
)

_COLUMNS = ["verdict", "metric", "for_whom", "before", "after", "worse_by", "low", "high", "level", "unit", "n", "paired",
            "address"]  # fmt: skip


@dataclass(frozen=True)
class Drawing:
    """Positions of a change on a drawing of `WIDTH` units: 0 is in the middle, worse is to the right."""

    at: float
    low: float | None
    high: float | None
    margin: float | None


@dataclass(frozen=True)
class Row:
    """A change with its drawing."""

    change: Change
    drawing: Drawing | None


@dataclass(frozen=True)
class Group:
    """Changes of one kind: the first of them, and how many there are."""

    kind: str
    title: str
    note: str
    none: str
    rows: list[Row]
    total: int


def render(comparison: RunComparison) -> str:
    """Return the page of a comparison."""
    written = changes(comparison)
    with using(comparison.candidate.data.labels):
        shown = {kind: [one for one in written if one.kind == kind][:MOST] for kind, *_ in _GROUPS}
        spans = _spans([one for ones in shown.values() for one in ones])
        groups = [
            Group(kind, title, note, none, [Row(one, draw(one, spans)) for one in shown[kind]], _count(written, kind))
            for kind, title, note, none in _GROUPS
        ]
        return html.render(
            "compare.html.j2",
            name=comparison.candidate.name,
            answer=_answer(written),
            lede=lede_of_changes(comparison, written),
            tally=[(kind, _count(written, kind), WORDS[kind].lower()) for kind in WORDS if _count(written, kind)],
            runs=[("Before", comparison.baseline), ("After", comparison.candidate)],
            fingerprint=_fingerprint,
            how=how_compared(comparison, written),
            groups=groups,
            scales=_scales(spans),
            multiplicity=multiplicity(written, comparison.candidate.confidence),
            total=len(written),
            table=texts.script_json(_table(written)),
        )


def _count(written: Sequence[Change], kind: str) -> int:
    return sum(one.kind == kind for one in written)


def _answer(written: Sequence[Change]) -> tuple[str, str]:
    """Return the tone and the words of the answer."""
    worse, better = _count(written, "worse"), _count(written, "better")
    if worse:
        return "worse", f"{fmt.counted(worse, 'metric')} got worse, {fmt.count(better)} got better."
    if better:
        return "better", f"Nothing is surely worse; {fmt.counted(better, 'metric')} got better."
    return "undecided", "No change is sure."


def _fingerprint(record: Record) -> str:
    return record.data.fingerprint.rpartition(":")[2][:12] or "unknown"


def _spans(written: Sequence[Change]) -> dict[str, float]:
    """Return the half-width of the axis of each unit, so that changes in one unit compare by eye."""
    spans: dict[str, float] = {}
    for one in written:
        ends = [abs(end) for end in (one.value, one.low, one.high, one.margin) if end is not None]
        spans[one.unit or ""] = max([spans.get(one.unit or "", 0.0), *ends])
    return spans


def _scales(spans: dict[str, float]) -> str:
    known = [fmt.measure(span, unit=unit or None) for unit, span in spans.items() if span]
    by_unit = ", by unit," if len(known) > 1 else ""
    return f"Half an axis is{by_unit} {fmt.joined(known)}." if known else ""


def draw(change: Change, spans: dict[str, float]) -> Drawing | None:
    """Return where a change is drawn; None without a number or an axis."""
    span = spans.get(change.unit or "", 0.0)
    if change.value is None or not span:
        return None

    def place(value: float | None) -> float | None:
        return None if value is None else round(WIDTH / 2 + (WIDTH / 2 - _EDGE) * value / span, 1)

    at = place(change.value)
    assert at is not None
    return Drawing(at, place(change.low), place(change.high), place(change.margin))


def _table(written: Sequence[Change]) -> dict[str, Any]:
    """Return all compared metrics for the page's script: texts, what they are sorted by, and the cells of a CSV file."""
    heads = ["Verdict", "Metric", "For whom", "Before", "After", "Change", "Interval", "n", "Address"]
    rows = []
    for one in written:
        now = one.metric.value if one.metric is not None else None
        n = fmt.count(one.n) if one.n is not None else ""
        shown = [WORDS[one.kind], one.subject, one.whom, one.before, one.after, one.number or one.evidence, one.interval, n, one.id]
        keys = [None, None, None, one.was, now, one.value, one.low, one.n, None]
        cells = [one.kind, one.subject, one.whom, one.was, now, one.value, one.low, one.high, one.level, one.unit or "", one.n,
                 one.paired, one.id]  # fmt: skip
        rows.append({"t": _clean(shown), "k": keys, "c": _clean(cells)})
    return {"heads": heads, "numeric": [3, 4, 5, 6, 7], "rows": rows, "csv": _COLUMNS}


def _clean(cells: Sequence[Any]) -> list[Any]:
    return [texts.clean(cell) if isinstance(cell, str) else cell for cell in cells]
