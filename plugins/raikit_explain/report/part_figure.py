"""The figure of parts: the share of each in the decision; of words, which way each moves it."""

from __future__ import annotations

from dataclasses import dataclass

import raikit
from raikit.format import case_noun, confidence, count, joined, number, percent, sample_size
from raikit_explain.estimates.part_measures import PartMeasures
from raikit_explain.names import input_name
from raikit_explain.report.canvas import SMALL, WIDTH, Canvas, shortened
from raikit_explain.report.part_words import Word, most_moving

_MOST_BARS = 10
_STEP, _TOP = 24.0, 22.0
_BARS, _END, _VALUE = 168.0, 342.0, WIDTH


@dataclass(frozen=True)
class _Bar:
    """One part with its number and interval."""

    name: str
    value: float
    low: float | None
    high: float | None
    unreliable: bool = False


def figure(measures: PartMeasures, *, redact: bool) -> raikit.Figure | None:
    """Draw the parts with the largest shares, or the words that move decisions most; None where there is nothing to draw."""
    if measures.explanations.kind == "word":
        return None if redact else _words_figure(measures)
    bars = []
    for part in measures.largest[:_MOST_BARS]:
        metric = measures.share_of(part)
        assert metric.value is not None
        name = input_name(part) if measures.explanations.kind == "input" else part
        bars.append(_Bar(name, metric.value, metric.low or 0.0, metric.high or 0.0, "unreliable" in metric.flags))
    if len(bars) < 2:
        return None
    n = measures.share_of(measures.largest[0]).n
    left = len(measures.largest) - len(bars)
    more = f"; {count(left)} smaller ones are not drawn" if left else ""
    return raikit.Figure(
        id="parts",
        title=f"What the decisions rest on, by {measures.explanations.kind}",
        subtitle=f"Mean share of the decision over {sample_size(n)}, %; line: {confidence(measures.level)} CI, each by itself"
        f"{more}.",
        alt=f"Shares of the decision: {joined([f'{bar.name} {percent(bar.value)}' for bar in bars])}.",
        spec=_shares(bars),
        data=[{measures.explanations.kind: bar.name, "share": bar.value, "low": bar.low, "high": bar.high} for bar in bars],
    )


def _shares(bars: list[_Bar]) -> dict[str, object]:
    highest = max(bar.high or bar.value for bar in bars)
    top = next(end for end in (0.1, 0.25, 0.5, 0.75, 1.0) if highest <= end or end == 1.0)
    return _draw(bars, 0.0, top, [0.0, top / 2, top], 100.0, "%")


def _words_figure(measures: PartMeasures) -> raikit.Figure | None:
    words = most_moving(measures)
    if len(words) < 2:
        return None
    bars = [_Bar(word.text, word.mean, word.low, word.high, word.unreliable) for word in words]
    reach = _round_up(max(abs(end) for bar in bars for end in (bar.value, bar.low, bar.high) if end is not None))
    toward = words[0].toward
    return raikit.Figure(
        id="parts",
        title=f"Words that move decisions {toward}",
        subtitle=f"Mean contribution in {measures.explanations.unit} over {case_noun()} that have the word, right: {toward}; "
        f"line: {confidence(measures.level)} CI, each by itself.",
        alt=f"Contributions by word: {joined([f'{word.text} {_short(word.mean)}' for word in words])}.",
        spec=_draw(bars, -reach, reach, [-reach, 0.0, reach], 1.0, ""),
        data=[_record(word) for word in words],
    )


def _record(word: Word) -> dict[str, object]:
    return {
        "word": word.text,
        "contribution": word.mean,
        "low": word.low,
        "high": word.high,
        case_noun(): word.cases,
    }


def _round_up(reach: float) -> float:
    """Return the next of 1, 2 and 5 times a power of ten."""
    import math

    power = 10.0 ** math.floor(math.log10(reach))
    return next(step * power for step in (1.0, 2.0, 5.0, 10.0) if reach <= step * power * (1 + 1e-9))


def _short(value: float) -> str:
    return number(value, 2, signed=True)


def _draw(bars: list[_Bar], start: float, end: float, ticks: list[float], factor: float, unit: str) -> dict[str, object]:
    """Draw one bar a part from zero, with its interval and number."""
    canvas = Canvas()

    def at(value: float) -> float:
        return _BARS + (_END - _BARS) * (min(max(value, start), end) - start) / (end - start)

    bottom = _TOP + _STEP * len(bars)
    for tick in ticks:
        canvas.line(at(tick), 20, at(tick), bottom, colour="var(--line)")
        canvas.text(at(tick), 10, f"{factor * tick:g}", align="center", size=SMALL, colour="var(--ink-2)")
    if unit:
        canvas.text(_VALUE, 10, unit, align="right", size=SMALL, colour="var(--ink-2)")
    for place, bar in enumerate(bars):
        middle = _TOP + _STEP * place + 12
        canvas.text(0, middle, shortened(bar.name, _BARS - 10))
        first, last = sorted((at(0.0), at(bar.value)))
        canvas.box(first, middle - 7, max(last - first, 0.5), 14, fill="var(--q2)")
        if bar.low is not None and bar.high is not None:
            canvas.line(at(bar.low), middle, at(bar.high), middle, thick=2, dashed=bar.unreliable)
        text = f"{factor * bar.value:.0f}" if unit else _short(bar.value)
        canvas.text(_VALUE, middle, text, align="right", weight=600)
    return canvas.spec(bottom + 2)
