"""The intervals of a metric on which a rule is decided, at each level at which they were measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from raikit.format import estimate
from raikit.run.levels import same_level
from raikit.run.results import Metric

# Flags of metrics one end of whose interval is shown, but decides nothing.
OPEN_ENDS = ("open_low", "open_high")
ONE_TRAINING = "one_training"


@dataclass(frozen=True)
class DecidingInterval:
    """An estimate with both ends from the same groups."""

    value: float
    low: float
    high: float

    def is_beyond(self, limit: float, bound: Literal["max", "min"]) -> bool:
        """Return whether the whole interval breaks the limit."""
        return self.low > limit if bound == "max" else self.high < limit

    def keeps(self, limit: float, bound: Literal["max", "min"]) -> bool:
        """Return whether the whole interval keeps the limit."""
        return self.high <= limit if bound == "max" else self.low >= limit

    def __str__(self) -> str:
        return estimate(self.value, self.low, self.high, 4).partition(" ")[2]


@dataclass(frozen=True)
class MeasuredLevel:
    """The intervals of a metric at one level.

    Parameters
    ----------
    level : float or None
        None: the metric is not an estimate.
    whole : DecidingInterval
        Over all groups. It alone proves a breach: to take the worse end of both intervals would double the error.
    judged : DecidingInterval or None
        Over the groups that are large enough to be judged, on which a pass is decided. None if these are too few.
    """

    level: float | None
    whole: DecidingInterval
    judged: DecidingInterval | None

    @property
    def error(self) -> float:
        """Return the probability with which either end misses."""
        return 0.0 if self.level is None else (1 - self.level) / 2

    def undecided(self, limit: float) -> DecidingInterval:
        """Return the interval that shows why nothing is decided: over judged groups, if that contains the limit."""
        judged = self.judged
        return judged if judged is not None and judged.low <= limit <= judged.high else self.whole


def measured_levels(metric: Metric, confidence: float) -> list[MeasuredLevel]:
    """Return the intervals of a metric that has a value, the least strict level first.

    Parameters
    ----------
    metric : Metric
    confidence : float
        Level of a metric that names none.
    """
    assert metric.value is not None
    judged = metric.judged
    own = None if metric.method == "exact" else metric.level or confidence
    levels = [_measured(metric, own, (metric.low, metric.high), (judged.low, judged.high) if judged else (None, None))]
    if own is not None:
        levels += [
            _measured(metric, limits.level, (limits.low, limits.high), (limits.judged_low, limits.judged_high))
            for limits in metric.limits
        ]
    return sorted(levels, key=lambda measured: measured.level or 0.0)


def at_level(levels: Sequence[MeasuredLevel], wanted: float) -> MeasuredLevel | None:
    """Return the intervals at a level; None if they were not measured there."""
    return next((one for one in levels if one.level is None or same_level(one.level, wanted)), None)


_Ends = tuple[float | None, float | None]


def _measured(metric: Metric, level: float | None, whole: _Ends, judged: _Ends) -> MeasuredLevel:
    every = _interval(metric.value, whole, metric.flags)
    assert every is not None
    if metric.judged is None:
        return MeasuredLevel(level, every, every)
    known = metric.judged.value is not None and judged != (None, None)
    return MeasuredLevel(level, every, _interval(metric.judged.value, judged, metric.flags) if known else None)


def _interval(value: float | None, ends: _Ends, flags: Sequence[str]) -> DecidingInterval | None:
    """Return an interval that is open where the data do not bound a side, or where its end is flagged as not valid."""
    if value is None:
        return None
    low, high = (None if flag in flags else end for flag, end in zip(OPEN_ENDS, ends, strict=True))
    return DecidingInterval(value, float("-inf") if low is None else low, float("inf") if high is None else high)
