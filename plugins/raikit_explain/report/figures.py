"""The figure of the inputs' shares, by gradients and by leaving inputs out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import raikit
from raikit.format import case_noun, confidence, count, joined, percent, sample_size
from raikit_explain.estimates.measures import Measures
from raikit_explain.names import input_name
from raikit_explain.report.canvas import SMALL, WIDTH, Canvas, shortened

_NAME, _BARS, _END, _VALUE = 84.0, 168.0, 318.0, 352.0
_METHODS = {"modality_share": "gradients", "modality_shapley": "leaving out"}


@dataclass(frozen=True)
class _Bar:
    """The share of one input by one method; `cases` is how many have the input."""

    input: str
    method: str
    metric: raikit.Metric
    cases: int


def share_figure(measures: Measures) -> raikit.Figure | None:
    """Draw each input's share with its interval, the largest first; None with fewer than two inputs."""
    inputs = measures.explanations.inputs
    shares = {name: measures.of("modality_share", input=name) for name in inputs}
    names = sorted((name for name in inputs if shares[name].value is not None), key=lambda name: -(shares[name].value or 0.0))
    if len(names) < 2:
        return None
    present = dict(zip(inputs, measures.explanations.present.sum(axis=0).tolist(), strict=True))
    bars = [
        _Bar(name, method, metric, int(present[name]))
        for name in names for address, method in _METHODS.items()
        if (metric := measures.of(address, input=name)).value is not None
    ]
    return raikit.Figure(
        id="shares", title="What the decisions rest on",
        subtitle=f"Mean share of the decision over {sample_size(shares[names[0]].n)}, %; line: {confidence(measures.level)} CI, "
                 f"each by itself; {case_noun()}: how many have the input.",
        alt=f"Shares of the decision by gradients: {_described(bars, 'gradients')}; by leaving inputs out: "
            f"{_described(bars, 'leaving out') or 'not measured, there are too many inputs'}.",
        spec=_spec(bars), data=[_record(bar) for bar in bars],
    )


def _described(bars: Sequence[_Bar], method: str) -> str:
    return joined([f"{input_name(bar.input)} {percent(bar.metric.value or 0.0)}" for bar in bars if bar.method == method])


def _record(bar: _Bar) -> dict[str, Any]:
    return {"input": input_name(bar.input), "by": bar.method, "share": bar.metric.value, "low": bar.metric.low,
            "high": bar.metric.high, "rows with it": bar.cases}


def _spec(bars: Sequence[_Bar]) -> dict[str, Any]:
    canvas = Canvas()
    highest = max(bar.metric.high or 0.0 for bar in bars)
    top = next(end for end in (0.25, 0.5, 0.75, 1.0) if highest <= end)

    def at(share: float | None) -> float:
        return _BARS + (_END - _BARS) * (share or 0.0) / top

    previous, y = None, 22.0
    positions = []
    for bar in bars:
        y += 0 if bar.input == previous or previous is None else 10
        positions.append((bar, y, bar.input != previous))
        previous, y = bar.input, y + 22
    for tick in (0.0, top / 2, top):
        canvas.line(at(tick), 20, at(tick), y, colour="var(--line)")
        canvas.text(at(tick), 10, f"{100 * tick:g}", align="center", size=SMALL, colour="var(--ink-2)")
    canvas.text(_VALUE, 10, "%", align="right", size=SMALL, colour="var(--ink-2)")
    canvas.text(WIDTH, 10, "cases", align="right", size=SMALL, colour="var(--ink-2)")
    for bar, bar_y, first in positions:
        _draw_bar(canvas, bar, bar_y, at(0), at(bar.metric.value), (at(bar.metric.low), at(bar.metric.high)), first)
    return canvas.spec(y + 2)


def _draw_bar(
    canvas: Canvas, bar: _Bar, y: float, zero: float, value: float, ends: tuple[float, float], first: bool
) -> None:
    middle = y + 10
    if first:
        canvas.text(0, middle, shortened(input_name(bar.input), _NAME - 6), weight=600)
        canvas.text(WIDTH, middle, count(bar.cases), align="right", colour="var(--ink-2)")
    canvas.text(_BARS - 8, middle, bar.method, align="right", size=SMALL, colour="var(--ink-2)")
    canvas.box(zero, middle - 7, max(value - zero, 0.5), 14, fill="var(--q2)")
    canvas.line(ends[0], middle, ends[1], middle, thick=2, dashed="unreliable" in bar.metric.flags)
    canvas.text(_VALUE, middle, f"{100 * (bar.metric.value or 0.0):.0f}", align="right",
                weight=600 if bar.method == "gradients" else 400)
