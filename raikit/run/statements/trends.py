"""What became of the rules of an audit over its runs, as statements."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from raikit import format as fmt
from raikit.naming import using
from raikit.run.across import Point, RunHistory, Series
from raikit.run.labelled import labelled
from raikit.run.record import Record
from raikit.run.statements import phrases
from raikit.run.statements.gaps import GroupNumbers

_NOW = {"pass": "keeps its limit", "fail": "breaks its limit", "inconclusive": "cannot be decided", "missing": "is not measured",
        "waived": "breaks its limit, which is waived"}  # fmt: skip
_WAS = {"pass": "it kept it", "fail": "it broke it", "inconclusive": "it could not be decided", "missing": "it was not measured",
        "waived": "it was waived"}  # fmt: skip


@dataclass(frozen=True)
class VerdictChange:
    """A rule that got another verdict than in the run before.

    Parameters
    ----------
    metric : str
        Its address.
    run, started : str
        The first run with the new verdict.
    before, after : str
        Statuses of the rule.
    sentence : str
    """

    metric: str
    run: str
    started: str
    before: str
    after: str
    sentence: str


def verdict_changes(history: RunHistory) -> list[VerdictChange]:
    """Return each change of a rule's verdict from one run to the next that judged it, the newest first."""
    with using(history.records[-1].data.labels):
        found = [change for series in history.series for change in _of(series, history.records)]
    return sorted(found, key=lambda change: change.started, reverse=True)


def lede_of_history(history: RunHistory) -> str:
    """Return how the rules of the newest run stand, and whether a verdict is new in it."""
    last = [series.points[-1].status for series in history.series if series.points[-1].status]
    if not last:
        return "No rule of the newest run is about a metric."
    words = (("fail", "broken"), ("inconclusive", "undecided"), ("missing", "not measured"), ("waived", "waived"), ("pass", "kept"))
    counts = [f"{fmt.count(last.count(status))} {word}" for status, word in words if status in last]
    newest = history.records[-1].provenance.started
    new = sum(change.started == newest for change in verdict_changes(history))
    changed = f" {fmt.capitalised(fmt.counted(new, 'verdict', words=True))} changed in it." if len(history.records) > 1 else ""
    return f"Newest run: {fmt.joined(counts)}, of {fmt.counted(len(last), 'metric')} with a rule.{changed}"


def quantity_of(address: str, records: Sequence[Record]) -> str:
    """Return what a metric is called in the newest run that has it; its address if none does."""
    for record in reversed(records):
        metric = record.find(address)
        if metric is not None:
            with using(records[-1].data.labels):
                gap = GroupNumbers(record).of_gap(metric) if phrases.is_gap(metric) else None
                readable = labelled(record).find(address)
                name = phrases.about(readable, gap) if phrases.is_gap(readable) else phrases.name_of(readable or metric)
                return fmt.capitalised(name)
    return address


def _of(series: Series, records: Sequence[Record]) -> list[VerdictChange]:
    judged = [point for point in series.points if point.status]
    name = quantity_of(series.metric, records)
    return [
        VerdictChange(series.metric, new.run, new.started, old.status, new.status, _sentence(name, old, new))
        for old, new in itertools.pairwise(judged)
        if old.status != new.status
    ]


def _sentence(name: str, old: Point, new: Point) -> str:
    since = f" from {fmt.moment(new.started)}" if new.started else ""
    return f"{name} {_NOW.get(new.status, new.status)}{since}; before, {_WAS.get(old.status, old.status)}."
