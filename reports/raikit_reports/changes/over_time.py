"""The page of ``raikit history``: each gated metric over the runs, and which verdicts changed when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from raikit import format as fmt
from raikit.gate.history import limit_words
from raikit.naming import using
from raikit.run.across import Point, RunHistory, Series
from raikit.run.record import Record
from raikit.run.statements import lede_of_history, quantity_of, verdict_changes
from raikit_reports.changes import html
from raikit_reports.changes.trend import Trend, draw

WORDS = {"fail": "Broken", "inconclusive": "Undecided", "missing": "Not measured", "waived": "Waived", "pass": "Kept"}
# The first status among the newest run's rules answers the question.
_ANSWERS = (
    ("fail", "No. The newest run broke a limit."),
    ("inconclusive", "Not decided in the newest run."),
    ("missing", "Not measured in the newest run."),
    ("waived", "Broken limits are waived in the newest run."),
    ("pass", "Yes. The newest run kept all limits."),
)


@dataclass(frozen=True)
class SeriesView:
    """A metric as the page shows it: its name, its limits in words, its drawing, and a row of text for each run."""

    name: str
    address: str
    limits: str
    trend: Trend
    rows: list[tuple[str, str, str, str, str, str]]
    statuses: list[str]


def render(history: RunHistory) -> str:
    """Return the page of a history."""
    newest = history.records[-1]
    with using(newest.data.labels):
        return html.render(
            "history.html.j2",
            name=newest.name,
            answer=_answer(history),
            lede=lede_of_history(history),
            runs=list(history.runs()),
            series=[_view(series, history.records) for series in history.series],
            changes=verdict_changes(history),
            words=WORDS,
            newest=newest,
            others=_other_data(history.records),
        )


def _answer(history: RunHistory) -> tuple[str, str]:
    """Return the tone and the words of the answer, from what became of the rules and not from what the policy lets pass."""
    now = {series.points[-1].status for series in history.series}
    known = ((status, words) for status, words in _ANSWERS if status in now)
    return next(known, ("missing", "The newest run has no rule on a metric."))


def _view(series: Series, records: Sequence[Record]) -> SeriesView:
    unit = next((metric.unit for record in reversed(records) if (metric := record.find(series.metric)) is not None), None)
    limits = [limit_words(rule, unit) for rule in series.limits]
    return SeriesView(
        quantity_of(series.metric, records), series.metric, fmt.joined(list(dict.fromkeys(limits))) or "no limit in the newest run",
        draw(series, unit), [_row(point, unit) for point in series.points], [point.status for point in series.points],
    )  # fmt: skip


def _row(point: Point, unit: str | None) -> tuple[str, str, str, str, str, str]:
    """Return the cells of a run, for the table under a drawing."""
    value = "" if point.value is None else fmt.measure(point.value, point.low, point.high, unit)
    interval = "" if point.value is None else fmt.interval(point.low, point.high, unit, value=point.value)
    note = "other data than before" if point.other_data else point.reason
    n = "" if point.n is None else fmt.count(point.n)
    return point.started, point.run, value, interval, n, note


def _other_data(records: Sequence[Record]) -> str:
    many = len({record.data.fingerprint for record in records})
    if many == 1:
        return "All runs used the same data."
    return f"The runs used {fmt.counted(many, 'data set')}; a dotted line marks a change of data."
