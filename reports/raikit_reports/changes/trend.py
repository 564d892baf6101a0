"""A gated metric over runs, as positions of a drawing that the server makes: dates to the right, values upwards."""

from __future__ import annotations

import datetime
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from raikit import format as fmt
from raikit.run.across import Point, Series

WIDTH, HEIGHT = 880, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 80, 30, 16, 34
_LEAST_APART = 26  # units between two marks that can be told apart
_MOST_DATES = 6
_NOTHING = 1e-12  # a range below this is that of rounding errors


@dataclass(frozen=True)
class Mark:
    """One run of a metric: where it is, the ends of its interval, and the shape of its verdict."""

    x: float
    y: float
    low: float | None
    high: float | None
    status: str


@dataclass(frozen=True)
class Trend:
    """What a template draws; positions are in units of the drawing."""

    marks: list[Mark] = field(default_factory=list)
    line: str = ""
    limits: list[tuple[float, str]] = field(default_factory=list)  # y, and the side that breaks it
    ticks: list[tuple[float, str]] = field(default_factory=list)
    dates: list[tuple[float, str, str]] = field(default_factory=list)  # x, the day, and the anchor of the text
    other_data: list[float] = field(default_factory=list)
    evenly: bool = False


def draw(series: Series, unit: str | None) -> Trend:
    """Return the drawing of a metric; an empty one where no run has a value."""
    ends = [end for point in series.points for end in (point.value, point.low, point.high) if end is not None]
    if not ends:
        return Trend()
    limits = [rule for rule in series.limits if rule.limit is not None]
    ends += [rule.limit for rule in limits if rule.limit is not None]
    ticks = nice_ticks(min(ends), max(ends))
    bottom, top = ticks[0], ticks[-1]

    def height(value: float) -> float:
        return round(HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * (value - bottom) / (top - bottom), 1)

    places, evenly = places_of([point.started for point in series.points])
    marks, parts, parted = [], list[str](), True
    for x, point in zip(places, series.points, strict=True):
        if point.value is None:
            parted = True  # no line across a run without a value
            continue
        y = height(point.value)
        low, high = (None if end is None else height(end) for end in (point.low, point.high))
        marks.append(Mark(x, y, low, high, point.status or "missing"))
        parts.append(f"{'M' if parted else 'L'}{x} {y}")
        parted = False
    return Trend(
        marks, "".join(parts),
        [(height(rule.limit or 0.0), "above" if rule.bound == "max" else "below") for rule in limits],
        [(height(tick), fmt.measure(tick, bottom, top, unit)) for tick in ticks], _dates(series.points, places),
        [x for x, point in zip(places, series.points, strict=True) if point.other_data], evenly,
    )  # fmt: skip


def places_of(moments: Sequence[str]) -> tuple[list[float], bool]:
    """Return where runs stand by their dates, and whether they had to be spaced evenly because some are too close, or undated.

    Examples
    --------
    >>> places_of(["2026-01-01", "2026-01-02", "2026-01-05"])
    ([80.0, 272.5, 850.0], False)
    >>> places_of(["2026-01-01T10:00", "2026-01-01T10:01", "2026-02-05"])
    ([80.0, 465.0, 850.0], True)
    """
    wide = WIDTH - _LEFT - _RIGHT
    try:
        seconds = [datetime.datetime.fromisoformat(moment).replace(tzinfo=datetime.UTC).timestamp() for moment in moments]
    except ValueError:
        seconds = []
    if len(moments) == 1:
        return [_LEFT + wide / 2], False
    if seconds and (whole := seconds[-1] - seconds[0]) > 0:
        places = [round(_LEFT + wide * (at - seconds[0]) / whole, 1) for at in seconds]
        if all(after - before >= _LEAST_APART for before, after in itertools.pairwise(places)):
            return places, False
    return [round(_LEFT + wide * at / (len(moments) - 1), 1) for at in range(len(moments))], True


def nice_ticks(low: float, high: float) -> list[float]:
    """Return three to seven round numbers that enclose a range.

    Examples
    --------
    >>> nice_ticks(0.031, 0.24), nice_ticks(5, 5)
    ([0.0, 0.05, 0.1, 0.15, 0.2, 0.25], [4.0, 4.5, 5.0, 5.5, 6.0])
    """
    largest = max(abs(low), abs(high))
    if high - low <= max(1e-9 * largest, _NOTHING):
        around = 0.2 * largest if largest > _NOTHING else 1
        low, high = low - around, high + around
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(step * power for step in (1, 2, 5, 10) if step * power >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [float(f"{at * step:.12g}") for at in range(first, last + 1)]


def _dates(points: Sequence[Point], places: Sequence[float]) -> list[tuple[float, str, str]]:
    """Return the dates under a drawing: the first, the last, and some between."""
    step = max(1, math.ceil((len(points) - 1) / (_MOST_DATES - 1)))
    shown = [at for at in range(len(points)) if at % step == 0 and at < len(points) - step] + [len(points) - 1]
    written, dates = "", []
    for at in dict.fromkeys(shown):
        day = fmt.moment(points[at].started[:10])
        anchor = "end" if at == len(points) - 1 and len(points) > 1 else "start" if at == 0 and len(points) > 1 else "middle"
        if day != written:
            dates.append((places[at], day, anchor))
        written = day
    return dates
