"""The levels at which the gate may need the interval of a metric, so that a check measures there and nothing is rescaled."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Literal

from raikit.address import Pattern
from raikit.run.results import Limits, Metric

Ends = Callable[[float], Sequence[float | None] | None]
"""From a two-sided level to ``(low, high)``, or to ``(low, high, judged_low, judged_high)`` where groups are judged; None if
the metric cannot be measured at that level."""


@dataclass(frozen=True)
class LevelRequest:
    """What one rule of the policy needs of the metrics that it matches.

    Parameters
    ----------
    pattern : str
        Of addresses.
    limit : float
    bound : {"max", "min"}
    confidence : float, optional
        The rule's own level.
    errors : tuple of float
        One-sided errors at which a breach may have to be proven, descending; empty where the rule's own level decides.
    spare : tuple of float
        One-sided errors at which intervals are measured in any case, so that a stored run can be judged by another policy.
    """

    pattern: str
    limit: float
    bound: Literal["max", "min"]
    confidence: float | None = None
    errors: tuple[float, ...] = ()
    spare: tuple[float, ...] = ()

    @cached_property
    def matcher(self) -> Pattern:
        """The pattern, made once: an audit has many metrics, and each meets every rule."""
        return Pattern(self.pattern)

    def is_broken(self, low: float | None, high: float | None) -> bool:
        """Return whether a whole interval is beyond the limit."""
        end = low if self.bound == "max" else high
        return end is not None and (end > self.limit if self.bound == "max" else end < self.limit)


@dataclass(frozen=True)
class Levels:
    """The levels at which the gate may need the interval of a metric.

    Without rules nothing is computed. A breach is measured at smaller and smaller errors only while the interval stays beyond
    the limit, because the gate then needs the smallest error at which it does.

    Parameters
    ----------
    requests : sequence of LevelRequest
    confidence : float
        The level of the run.
    prefix : str
        The first part of the check's metric addresses.
    """

    requests: Sequence[LevelRequest] = ()
    confidence: float = 0.95
    prefix: str = ""

    def of(self, prefix: str) -> Levels:
        """Return the same levels for the checks whose addresses begin with `prefix`."""
        return replace(self, prefix=prefix)

    def without_spares(self) -> Levels:
        """Return only the levels that the rules of this policy need."""
        return replace(self, requests=[replace(request, spare=()) for request in self.requests])

    def measure(self, metric: Metric, ends: Ends) -> Metric:
        """Add to a metric its interval at the levels that the gate may need.

        Parameters
        ----------
        metric : Metric
            With its interval at its own level; changed in place.
        ends : callable
            From a two-sided level to ``(low, high)``, or to ``(low, high, judged_low, judged_high)`` where `metric.judged`
            has a value. It must use the same random numbers at every level.

        Returns
        -------
        Metric
            The same metric.

        Examples
        --------
        >>> levels = Levels([LevelRequest("mine.gap", 0.3, "max", confidence=0.9)], prefix="mine")
        >>> metric = Metric("gap", 0.2, low=0.1, high=0.4, n=96, method="normal")
        >>> levels.measure(metric, lambda level: (0.2 - 0.1 * level, 0.2 + 0.2 * level)).limits[0].level
        0.9
        """
        if not self.requests or metric.value is None or metric.method == "exact":
            return metric
        address = metric.address(self.prefix)
        for request in self.requests:
            if request.matcher.matches(address):
                self._measure_for(request, metric, ends)
        metric.limits.sort(key=lambda limits: limits.level)
        return metric

    def measure_all(self, metrics: Sequence[Metric], at: Callable[[float], Iterable[Metric]]) -> list[Metric]:
        """Add to metrics their intervals at the levels that the gate may need, by computing all of them there.

        Parameters
        ----------
        metrics : sequence of Metric
            At the run's level; changed in place.
        at : callable
            From a level to the same metrics with their intervals at that level. It is called only for levels that some
            metric needs, and must use the same random numbers every time.

        Returns
        -------
        list of Metric
            The same metrics.
        """
        known: dict[float, dict[str, Metric]] = {}

        def at_level(level: float, metric: Metric) -> Sequence[float | None] | None:
            if level not in known:
                known[level] = {other.address(self.prefix): other for other in at(level)}
            other = known[level].get(metric.address(self.prefix))
            if other is None or not _is_same_measurement(metric, other, level):
                return None
            judged = (other.judged.low, other.judged.high) if other.judged is not None else ()
            return other.low, other.high, *judged

        return [self.measure(metric, partial(at_level, metric=metric)) for metric in metrics]

    def _measure_for(self, request: LevelRequest, metric: Metric, ends: Ends) -> None:
        own = request.confidence or metric.level or self.confidence
        for error in request.spare:
            self._at(1 - 2 * error, metric, ends)
        base = self._at(own, metric, ends)
        if base is None or not request.is_broken(base.low, base.high):
            return
        # Bisect for the smallest error at which the interval is beyond the limit; intervals are nested.
        errors = [error for error in request.errors if error < (1 - own) / 2 - 1e-12]
        first, last = -1, len(errors)
        while last - first > 1:
            middle = (first + last) // 2
            limits = self._at(1 - 2 * errors[middle], metric, ends)
            if limits is None:
                return
            first, last = (middle, last) if request.is_broken(limits.low, limits.high) else (first, middle)

    def _at(self, level: float, metric: Metric, ends: Ends) -> Limits | None:
        """Return the limits at a level, measured if they are not known; None if they cannot be."""
        own = metric.level or self.confidence
        assert metric.low is not None and metric.high is not None and metric.value is not None
        if same_level(level, own):
            return Limits(level=own, low=metric.low, high=metric.high)
        known = next((limits for limits in metric.limits if same_level(limits.level, level)), None)
        if known is not None:
            return known
        measured = ends(level)
        if measured is None:
            return None
        low, high, *judged = measured
        limits = Limits(level=level, low=_least(low, metric.value), high=_most(high, metric.value))
        if judged and metric.judged is not None and metric.judged.value is not None:
            limits.judged_low = _least(judged[0], metric.judged.value)
            limits.judged_high = _most(judged[1], metric.judged.value)
        metric.limits.append(limits)
        return limits


def same_level(first: float, second: float) -> bool:
    """Return whether two levels are the same but for rounding."""
    return abs(first - second) < 1e-9


def _is_same_measurement(metric: Metric, other: Metric, level: float) -> bool:
    """Return whether a metric that was computed again is the same quantity at another level.

    A check that gives the same interval at every level ignores the level that it is asked for.
    """
    if other.value is None or metric.value is None or not math.isclose(metric.value, other.value, rel_tol=1e-9, abs_tol=1e-12):
        return False
    at_level = other.level is None or same_level(other.level, level)
    return at_level and (metric.low == metric.high or (metric.low, metric.high) != (other.low, other.high))


def _least(end: float | None, value: float) -> float | None:
    """Return a low end that rounding has not moved past the value; None, as in the record, where there is no end."""
    return None if end is None else min(float(end), value)


def _most(end: float | None, value: float) -> float | None:
    return None if end is None else max(float(end), value)
