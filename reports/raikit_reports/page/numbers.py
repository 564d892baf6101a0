"""All metrics of a section as data for the script, which builds rows when a reader opens them: nothing is cut, little is drawn."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import raikit
from raikit import format as fmt
from raikit_reports.texts import clean, words

FLAGS = {
    "small_group": "small group",
    "few_clusters": "too few clusters to decide",
    "few_events": "too few of the weighted {cases} that the value rests on",
    "unreliable": "no valid interval",
    "one_training": "of one training: how much trainings differ is not covered",
    "one_sided": "one-sided",
    "open_high": "high end not valid: tail too heavy or clusters too few",
    "open_low": "low end not valid: tail too heavy or clusters too few",
    "empty_class": "interval allows for any value of an empty class",
}
_SCALES = {"rate": (100, "%"), "points": (100, " pp")}


class Numbers:
    """Rows of metrics; texts that repeat stand once, in `texts`, and rows name their places."""

    def __init__(self) -> None:
        self._texts: dict[str, int] = {}
        self._formats: dict[tuple[int, int, str], int] = {}

    @property
    def texts(self) -> list[str]:
        """The texts that rows name."""
        return list(self._texts)

    @property
    def formats(self) -> list[tuple[int, int, str]]:
        """How values are shown: decimals, scale, unit."""
        return list(self._formats)

    def rows(self, checks: Iterable[raikit.CheckRecord]) -> list[list[Any]]:
        """Return a row for each metric: measure, group, value, low, high, n, format, notes, both parts of its address."""
        return [self._row(metric) for check in checks for metric in check.metrics]

    def _row(self, metric: raikit.Metric) -> list[Any]:
        scale, suffix = _SCALES.get(metric.unit or "", (1, fmt.suffix(metric.unit)))
        exact = metric.method == "exact" or metric.low == metric.high
        ends = (None, None) if exact else (_short(metric.low), _short(metric.high))
        form = fmt.decimals(metric.value, metric.low, metric.high, metric.unit), scale, clean(suffix)
        name, bracket, group = (metric.id or metric.name).partition("[")
        return [
            self._place(_measure(metric)), self._place(fmt.group_text(metric.over, metric.group) or f"all {fmt.case_noun()}"),
            _short(metric.value), *ends, None if exact and metric.n == 1 else metric.n,
            self._formats.setdefault(form, len(self._formats)), self._place("; ".join(_notes(metric))), self._place(name),
            self._place(bracket + group),
        ]  # fmt: skip

    def _place(self, text: str) -> int:
        return self._texts.setdefault(clean(text), len(self._texts))


def _measure(metric: raikit.Metric) -> str:
    arguments = ", ".join(f"{fmt.metric_words(key)} {fmt.as_stored(value)}" for key, value in metric.args.items())
    subject = "" if metric.subject == "model" else f"of the {metric.subject}"
    return ", ".join(part for part in (words(metric.name), arguments, subject) if part)


def _short(value: float | None) -> float | None:
    """Return a number with six significant digits; the record has all."""
    return None if value is None else float(f"{value:.6g}")


def _notes(metric: raikit.Metric) -> Iterator[str]:
    if metric.method and metric.method != "exact":
        yield metric.method
    yield from (FLAGS[flag].format(cases=fmt.case_noun()) if flag in FLAGS else words(flag).lower() for flag in metric.flags)
    if metric.n_clusters is not None:
        yield f"{fmt.count(metric.n_clusters)} clusters"
    if metric.value is None and metric.reason:
        yield metric.reason
    if metric.judged is not None and metric.judged.value is None:
        yield f"cannot be judged: {metric.judged.reason}"
    elif metric.judged is not None:
        value = fmt.measure(metric.judged.value, metric.judged.low, metric.judged.high, metric.unit)
        spread = fmt.interval(metric.judged.low, metric.judged.high, metric.unit, value=metric.judged.value)
        yield f"judged without {_named(metric.judged.left_out)}: {value}, {spread}"
    if metric.excluded:
        yield f"undefined for {_named(metric.excluded)}"
    if metric.condition and metric.value is not None:
        yield f"provided that {metric.condition}"
    if metric.p_adjusted is not None:
        yield f"p {fmt.p_value(metric.p_adjusted)}, {metric.adjustment or 'adjusted'}"
    elif metric.p_value is not None:
        yield f"p {fmt.p_value(metric.p_value)}"
    if smallest := detectable(metric):
        yield f"would detect {smallest} or {'less' if metric.unit == 'ratio' else 'more'} (80% power)"


def detectable(metric: raikit.Metric) -> str:
    """Return the difference or the ratio that would have been detected with 80% power; empty if none would."""
    size = metric.minimum_detectable
    if size is None or (metric.unit == "points" and size >= 1) or (metric.unit == "ratio" and size <= 0):
        return ""
    return fmt.measure(size, unit=metric.unit)


def _named(groups: list[str]) -> str:
    more = f" and {len(groups) - 4} more" if len(groups) > 4 else ""
    return "; ".join(groups[:4]) + more
