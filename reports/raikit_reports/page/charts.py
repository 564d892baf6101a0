"""Drawings made from numbers alone: groups beside each other, both ends of a gap, an interval around its limit, a heat map.

They need no renderer, so that they stand in the page from the beginning, with and without JavaScript.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from raikit import format as fmt
from raikit_reports.texts import flat

WIDTH = 400
ROWS = 12  # of one grouping; the worst are kept, and the best
_LETTER = 7.4  # width of a letter of 13 px, on average of a wide face
_BOLD = 8.4
_ROW = 23
_HEAD = 13  # letters of the head over the sizes
_NARROW = 46  # a cell of a heat map that still holds its number


@dataclass(frozen=True)
class Bar:
    """A group with its value; `tone` is its hue, empty for ink. What no rule judges is dashed, and its interval may be cut.

    `key` is the same for the same group in every drawing of a section, which marks them together.
    """

    name: str
    value: float
    low: float | None
    high: float | None
    n: int | None
    tone: str = ""
    judged: bool = True
    key: str = ""


@dataclass(frozen=True)
class Grouping:
    """The groups of some columns, the worst first, and what a rule allows: from the best group to the limit.

    Parameters
    ----------
    title : str
    bars : sequence of Bar
    band : (float, float), optional
    left_out : int
    counts : str
        What the numbers of its groups count; empty: cases.
    """

    title: str
    bars: Sequence[Bar]
    band: tuple[float, float] | None = None
    left_out: int = 0
    counts: str = ""


@dataclass(frozen=True)
class Axis:
    """A linear axis between two positions, with round ticks."""

    low: float
    high: float
    start: float
    end: float
    unit: str | None = "rate"

    def at(self, value: float) -> float:
        """Return the position of a value; what lies beyond the axis stands at its end."""
        share = (value - self.low) / ((self.high - self.low) or 1)
        return round(self.start + (self.end - self.start) * min(max(share, 0.0), 1.0), 1)

    def ticks(self) -> list[tuple[float, str]]:
        """Return three or four round values with their texts."""
        step = _round_step((self.high - self.low) / 3)
        first = math.ceil(self.low / step - 1e-9)
        values = [number * step for number in range(first, math.floor(self.high / step + 1e-9) + 1)][:6]
        scale = 100 if self.unit in ("rate", "points") else 1
        texts = [fmt.as_given(round(value * scale, 9)) for value in values]
        if texts and self.unit == "rate":
            texts[-1] += "%"
        return list(zip(values, texts, strict=True))


def axis_of(values: Iterable[float | None], start: float, end: float, unit: str | None) -> Axis:
    """Return an axis over values; it begins at 0 unless they are far from it."""
    known = [value for value in values if value is not None and math.isfinite(value)] or [0.0, 1.0]
    low, high = min(known), max(known)
    if 0 < low < 0.6 * high or low == high > 0:
        low = 0.0
    room = 0.04 * ((high - low) or abs(high) or 1.0)
    return Axis(low if low == 0 else low - room, high + room, start, end, unit)


def _round_step(rough: float) -> float:
    if not rough or not math.isfinite(rough):
        return 1.0
    power = 10.0 ** math.floor(math.log10(abs(rough)))
    return float(next(step * power for step in (1, 2, 5, 10) if step * power >= abs(rough) * 0.999))


def by_group(groupings: Sequence[Grouping], unit: str | None, alt: str, limit: str = "") -> Markup:
    """Draw groups below each other on one axis: value with interval, what is allowed in grey, value and n at the right."""
    start, end = _columns(groupings)
    bars = [bar for grouping in groupings for bar in grouping.bars]
    ends = [value for bar in bars for value in (bar.value, *((bar.low, bar.high) if bar.judged else ()))]
    axis = axis_of([*ends, *(end for grouping in groupings for end in grouping.band or ())], start, end, unit)
    parts, top = [], 0.0
    for grouping in groupings:
        drawn, height = _grouping(grouping, axis, top, titled=len(groupings) > 1)
        parts.append(drawn)
        top += height + 12
    if limit:
        band = next((grouping.band for grouping in groupings if grouping.band), None)
        where = axis.at(band[1]) if band else start
        anchor = "e" if where > 320 else "m" if where > 90 else ""
        parts.append(Markup('<text x="{}" y="{}" class="tick {}">{}</text>').format(where, top, anchor, flat(limit, 48)))
        top += 12
    return _svg(WIDTH, top - 4, alt, Markup("").join(parts))


def _columns(groupings: Sequence[Grouping]) -> tuple[float, float]:
    """Return where the axis begins and ends, for the longest name."""
    bars = (bar for grouping in groupings for bar in grouping.bars)
    widest = max((len(bar.name) * (_BOLD if bar.tone else _LETTER) for bar in bars), default=0.0)
    return round(min(max(widest + 8, 70), 172), 1), 292.0


def _grouping(grouping: Grouping, axis: Axis, top: float, *, titled: bool) -> tuple[Markup, float]:
    first = top + 20
    bottom = first + _ROW * (len(grouping.bars) + bool(grouping.left_out))
    parts = [_frame(grouping, axis, top, first, bottom)]
    if titled:
        parts.append(Markup('<text x="0" y="{}" class="tick b">{}</text>').format(top + 9, _cut(grouping.title, axis.start)))
    for place, bar in enumerate(grouping.bars):
        parts.append(_bar(bar, axis, first + _ROW * place + _ROW / 2))
    if grouping.left_out:
        text = f"and {fmt.count(grouping.left_out)} more groups"
        parts.append(Markup('<text x="0" y="{}" class="n">{}</text>').format(bottom - _ROW / 2, text))
    return Markup("").join(parts), bottom - top


def _frame(grouping: Grouping, axis: Axis, top: float, first: float, bottom: float) -> Markup:
    """Draw what is allowed, the grid with its ticks, and the limit."""
    parts = []
    if grouping.band:
        left, right = sorted(axis.at(end) for end in grouping.band)
        parts.append(Markup('<rect class="q1" x="{}" y="{}" width="{}" height="{}"/>').format(
            left, first, round(right - left, 1), bottom - first))
    for value, text in axis.ticks():
        parts.append(
            Markup('<text x="{0}" y="{1}" class="tick m">{2}</text><path class="grid" d="M{0} {3}V{4}"/>').format(
                axis.at(value), top + 9, text, first, bottom))
    head = _head_of_sizes(grouping.counts or fmt.case_noun())
    parts.append(Markup('<text x="{}" y="{}" class="tick e">{}</text>').format(WIDTH, top + 9, head))
    if grouping.band:
        parts.append(Markup('<path class="lim" d="M{} {}V{}"/>').format(axis.at(grouping.band[1]), first, bottom))
    return Markup("").join(parts)


def _head_of_sizes(counts: str) -> str:
    """Return the head of the last column: what is counted, if that is short."""
    return flat(counts) if len(counts) <= _HEAD else "n"


def _bar(bar: Bar, axis: Axis, y: float) -> Markup:
    text = fmt.measure(bar.value, bar.low, bar.high, axis.unit)
    spread = Markup("")
    if bar.low is not None and bar.high is not None and bar.low != bar.high:
        spread = Markup('<path class="ci" d="M{} {}H{}"/>').format(axis.at(bar.low), y, axis.at(bar.high))
    number = Markup('<text x="{}" y="{}" class="n e">{}</text>').format(WIDTH, y, fmt.count(bar.n)) if bar.n is not None else ""
    kind = bar.tone if bar.judged else f"{bar.tone} unjudged".strip()
    return Markup(
        '<g class="{}"{}><text x="0" y="{}" class="c">{}</text>{}<circle class="mk" cx="{}" cy="{}" r="4.5"/>'
        '<text x="352" y="{}" class="c e">{}</text>{}</g>'
    ).format(kind, _marked(bar.key), y, _cut(bar.name, axis.start), spread, axis.at(bar.value), y, y, flat(text, 24), number)


def _marked(key: str) -> Markup:
    return Markup(' data-group="{}"').format(flat(key, 200)) if key else Markup("")


def _cut(name: str, width: float) -> Markup:
    """Cut a name to a width; the whole name is its tooltip."""
    most = max(int((width - 6) / _LETTER), 6)
    if len(name) <= most:
        return escape(flat(name))
    return Markup("{}<title>{}</title>").format(flat(name, most), flat(name))


@dataclass(frozen=True)
class GapDrawing:
    """What the small figure of a finding shows; positions are values on one axis of a section.

    Parameters
    ----------
    at : float
        The worse-served group, or the value of something that is no gap.
    name : str
        Its name with its value.
    reference : float or None
        The better-served group.
    reference_name : str
    low, high : float or None
        Ends of the interval, drawn from the reference.
    limit : float or None
        On the axis.
    allowed : float or None
        Where what is allowed begins.
    tone : str
    """

    at: float
    name: str
    reference: float | None = None
    reference_name: str = ""
    low: float | None = None
    high: float | None = None
    limit: float | None = None
    allowed: float | None = None
    tone: str = "know"

    def values(self) -> list[float | None]:
        """Return all positions, for an axis."""
        return [self.at, self.reference, self.low, self.high, self.limit, self.allowed]


def gap(drawing: GapDrawing, axis: Axis, alt: str) -> Markup:
    """Draw both ends of a gap (ring and disc), the interval of the gap and what its limit allows."""
    at, parts = axis.at(drawing.at), [Markup('<path class="axis" d="M10 29H310"/>')]
    if drawing.limit is not None and drawing.allowed is not None:
        left, right = sorted((axis.at(drawing.allowed), axis.at(drawing.limit)))
        parts.append(Markup('<rect class="allow" x="{}" y="22" width="{}" height="14"/>').format(left, round(right - left, 1)))
    if drawing.limit is not None:
        parts.append(Markup('<path class="lim" d="M{} 18v22"/>').format(axis.at(drawing.limit)))
    if drawing.low is not None and drawing.high is not None and drawing.low != drawing.high:
        low, high = sorted((axis.at(drawing.low), axis.at(drawing.high)))
        parts.append(Markup('<path class="ci" d="M{} 24v10m0-5H{}m0-5v10"/>').format(low, high))
    if drawing.reference is not None:
        reference = axis.at(drawing.reference)
        parts.append(Markup('<circle class="ring" cx="{}" cy="29" r="4.5"/>').format(reference))
        parts.append(_label(reference, 50, drawing.reference_name, "n"))
    parts.append(Markup('<circle class="mk" cx="{}" cy="29" r="5"/>').format(at))
    parts.append(_label(at, 9, drawing.name, "c b"))
    return _svg(320, 58, alt, Markup('<g class="{}">{}</g>').format(drawing.tone, Markup("").join(parts)))


def _label(x: float, y: int, text: str, kind: str) -> Markup:
    half = len(text) * 3.9
    anchor, place = ("m", x) if half <= x <= 320 - half else ("e", 320.0) if x > 160 else ("", 0.0)
    return Markup('<text x="{}" y="{}" class="{} {}">{}</text>').format(place, y, kind, anchor, flat(text, 48))


@dataclass(frozen=True)
class Cell:
    """A cell of a heat map; None has no value."""

    value: float
    n: int | None
    keys: tuple[str, str] = ("", "")


def heat(
    down: Sequence[str], across: Sequence[str], cells: dict[tuple[int, int], Cell], unit: str | None, alt: str
) -> Markup:
    """Draw a number in each cell, darker for more, and frame the highest and the lowest."""
    start = min(max(max(map(len, down)) * _LETTER + 8, 60), max(WIDTH - _NARROW * len(across), 118))
    wide, tall, top = (WIDTH - start) / len(across), 26.5, 30
    values = [cell.value for cell in cells.values()]
    low, high = min(values), max(values)
    parts = []
    for place, name in enumerate(across):
        parts.append(_head(name, start + wide * (place + 0.5), wide))
    for row, name in enumerate(down):
        parts.append(Markup('<text x="0" y="{}">{}</text>').format(top + tall * (row + 0.5), _cut(name, start)))
    ends = {min(cells, key=lambda place: cells[place].value), max(cells, key=lambda place: cells[place].value)}
    for (row, column), cell in cells.items():
        step = 1 + min(int(5 * (cell.value - low) / ((high - low) or 1)), 4)
        x, y = round(start + wide * column, 1), round(top + tall * row, 1)
        drawn = _cell(cell, x, y, wide - 1, tall - 1, step, unit, framed=(row, column) in ends and low != high)
        parts.append(Markup("<g{}>{}</g>").format(_marked(" × ".join(key for key in cell.keys if key)), drawn))
    return _svg(WIDTH, top + tall * len(down), alt, Markup("").join(parts))


def _head(name: str, x: float, width: float) -> Markup:
    """Write the head of a column, on two lines if it has two words."""
    most = max(int(width / 6.2), 4)
    first, _, second = name.replace("-", " ", 1).partition(" ") if len(name) > most else (name, "", "")
    lines = [(22, second), (9, first)] if second else [(22, first)]
    return Markup("").join(
        Markup('<text x="{:.1f}" y="{}" class="tick m">{}<title>{}</title></text>').format(x, y, flat(text, most), flat(name))
        for y, text in lines
    )


def _cell(cell: Cell, x: float, y: float, wide: float, tall: float, step: int, unit: str | None, *, framed: bool) -> Markup:
    text = fmt.measure(cell.value, cell.value, cell.value, unit)
    text = f"{100 * cell.value:.1f}" if unit == "rate" else text
    size = Markup('x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"')
    drawn = Markup('<rect class="q{0}" {1}/><text x="{2:.1f}" y="{3:.1f}" class="m c{0}">{4}</text>').format(
        step, size.format(x, y, wide, tall), x + wide / 2, y + tall / 2, flat(text, 12))
    if framed:  # twice, so that it is seen on light and dark cells
        drawn += Markup('<rect class="frame" {}/>').format(size.format(x + 1, y + 1, wide - 2, tall - 2))
        drawn += Markup('<rect class="frame2" {}/>').format(size.format(x + 3.2, y + 3.2, wide - 6.4, tall - 6.4))
    return drawn


def _svg(width: float, height: float, alt: str, inside: Markup) -> Markup:
    return Markup('<svg class="draw" viewBox="0 0 {} {:g}" role="img" aria-label="{}">{}</svg>').format(
        width, round(height, 1), flat(alt, 1000), inside)
