"""Several runs beside each other: what changed from one to another, and gated metrics over time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from raikit.run.record import Gate, Record, Rule
from raikit.run.results import RecordModel


class RunComparison(RecordModel):
    """How much worse or better each metric is in one run than in another.

    Parameters
    ----------
    baseline, candidate : Record
    gate : Gate
        A rule for each metric, whose `raikit.Rule.value` is how much worse it is.
    """

    baseline: Record
    candidate: Record
    gate: Gate

    @property
    def rules(self) -> list[Rule]:
        """Return a rule for each metric that was compared."""
        return self.gate.rules


@dataclass(frozen=True)
class Point:
    """A metric in one run, or the reason why it has no value."""

    run: str
    started: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    n: int | None = None
    status: str = ""
    reason: str = ""
    other_data: bool = False


@dataclass(frozen=True)
class Series:
    """A metric over all runs, oldest first, with the rules of the newest run that judged it."""

    metric: str
    points: list[Point]
    limits: list[Rule]


class RunHistory(RecordModel):
    """The gated metrics of an audit over its runs.

    Parameters
    ----------
    names : list of str
        Of the folders of the runs, oldest first.
    records : list of Record
        Those of the same runs.
    series : list of Series
        One for each metric that a rule names, with a point for each run.
    """

    names: list[str]
    records: list[Record]
    series: list[Series]

    def runs(self) -> Iterator[tuple[str, Record]]:
        """Iterate over the runs, oldest first, each with the name of its folder."""
        yield from zip(self.names, self.records, strict=True)
