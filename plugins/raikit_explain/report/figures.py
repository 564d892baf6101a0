"""The figure of the inputs' shares: two ways of asking side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import raikit
from raikit_explain.estimates.measures import Measures
from raikit_explain.report.canvas import SMALL, WIDTH, Canvas, shortened
from raikit_explain.words import listed, percent

_NAME, _BARS, _END, _VALUE = 84.0, 168.0, 318.0, 352.0
_WAYS = {"modality_share": "gradients", "modality_shapley": "leaving out"}


@dataclass(frozen=True)
class _Bar:
    name: str
    way: str
    metric: raikit.Metric
    having: int


def share_figure(measures: Measures) -> raikit.Figure | None:
    """Bars of each input's share with intervals, the largest first; None if there is nothing to divide."""
    names = sorted((name for name in measures.explained.inputs
                    if measures.of("modality_share", input=name).value is not None),
                   key=lambda name: -(measures.of("modality_share", input=name).value or 0.0))
    if len(names) < 2:
        return None
    bars = [_Bar(name, written, measures.of(metric, input=name), _having(measures, name))
            for name in names for metric, written in _WAYS.items()
            if measures.of(metric, input=name).value is not None]
    parts = [f"{name} {percent(measures.of('modality_share', input=name).value or 0.0)}" for name in names]
    level = round(100 * measures.level, 1)
    return raikit.Figure(
        id="shares", title="What the decisions rest on",
        subtitle=f"Share of what moved a decision, mean over {measures.of('modality_share', input=names[0]).n} rows, "
                 f"%; line: {level:g} % interval, each by itself; rows: how many have the input.",
        alt=f"Shares of the decision by gradients: {listed(parts)}; leaving inputs out gives "
            + (listed([f"{bar.name} {percent(bar.metric.value or 0.0)}" for bar in bars if bar.way == "leaving out"])
               or "nothing, there are too many") + ".",
        spec=_drawn(bars), data=[_numbers(bar) for bar in bars],
    )


def _having(measures: Measures, name: str) -> int:
    return int(measures.explained.present[:, measures.explained.inputs.index(name)].sum())


def _numbers(bar: _Bar) -> dict[str, Any]:
    return {"input": bar.name, "by": bar.way, "share": bar.metric.value, "low": bar.metric.low,
            "high": bar.metric.high, "rows with it": bar.having}


def _drawn(bars: list[_Bar]) -> dict[str, Any]:
    canvas = Canvas()
    highest = max(bar.metric.high or 0.0 for bar in bars)
    top = next(end for end in (0.25, 0.5, 0.75, 1.0) if highest <= end)

    def at(share: float | None) -> float:
        return _BARS + (_END - _BARS) * (share or 0.0) / top

    previous, y, ticks = None, 22.0, (0.0, top / 2, top)
    places = []
    for bar in bars:
        y += 0 if bar.name == previous or previous is None else 10
        places.append((bar, y, bar.name != previous))
        previous, y = bar.name, y + 22
    for tick in ticks:
        canvas.line(at(tick), 20, at(tick), y, colour="var(--line)")
        canvas.text(at(tick), 10, f"{100 * tick:g}", align="center", size=SMALL, colour="var(--ink-2)")
    canvas.text(_VALUE, 10, "%", align="right", size=SMALL, colour="var(--ink-2)")
    canvas.text(WIDTH, 10, "rows", align="right", size=SMALL, colour="var(--ink-2)")
    for bar, row, first in places:
        _bar(canvas, bar, row, at(0), at(bar.metric.value), (at(bar.metric.low), at(bar.metric.high)), first)
    return canvas.spec(y + 2)


def _bar(
    canvas: Canvas, bar: _Bar, y: float, zero: float, value: float, ends: tuple[float, float], first: bool
) -> None:
    middle = y + 10
    if first:
        canvas.text(0, middle, shortened(bar.name, _NAME - 6), weight=600)
        canvas.text(WIDTH, middle, f"{bar.having:,}", align="right", colour="var(--ink-2)")
    canvas.text(_BARS - 8, middle, bar.way, align="right", size=SMALL, colour="var(--ink-2)")
    canvas.box(zero, middle - 7, max(value - zero, 0.5), 14, fill="var(--q2)")
    canvas.line(ends[0], middle, ends[1], middle, thick=2, dashed="unreliable" in bar.metric.flags)
    canvas.text(_VALUE, middle, f"{100 * (bar.metric.value or 0.0):.0f}", align="right",
                weight=600 if bar.way == "gradients" else 400)
