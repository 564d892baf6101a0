"""Metrics of the record for every group by itself."""

from __future__ import annotations

from functools import cache, partial
from typing import Any

import raikit
from raikit.format import case_noun
from raikit_fairness.estimates.case_counts import Cells
from raikit_fairness.estimates.features import Feature
from raikit_fairness.estimates.group_estimates import Estimates, Intervals
from raikit_fairness.estimates.ingredients import value_ingredients
from raikit_fairness.measures import Measure
from raikit_fairness.settings import IntervalSettings


def count_metrics(cells: Cells, feature: Feature, args: dict[str, Any]) -> list[raikit.Metric]:
    """Return the number of cases of each group."""
    n = feature.sums(cells.n)
    return [
        raikit.Metric.exact(
            "count", int(n[group]), n=int(n[group]), unit="rows", args=args,
            over=list(feature.columns), group=feature.group(group),
        )
        for group in range(feature.k)
    ]  # fmt: skip


def metrics_by_group(
    measure: Measure, estimates: Estimates, feature: Feature, args: dict[str, Any], positive: Any,
    settings: IntervalSettings,
) -> list[raikit.Metric]:  # fmt: skip
    """Return one measure in each group; undefined where the denominator is empty, with the reason."""
    value, defined = estimates.value, estimates.defined
    n_defined = int(defined.sum())
    limits = estimates.intervals(settings.group_level(n_defined))
    sidak = settings.simultaneous and n_defined > 1
    method = limits.method + (f", Sidak over {n_defined} groups" if sidak else "")
    metrics, uncertainty = [], estimates.uncertainty()

    @cache
    def limits_at(level: float) -> Intervals:
        return estimates.intervals(settings.at(level).group_level(n_defined))

    def ends_at(level: float, group: int) -> tuple[float, float]:
        return float(limits_at(level).low[group]), float(limits_at(level).high[group])

    for group in range(feature.k):
        n = int(estimates.n[group])
        place: dict[str, Any] = {
            "args": {**measure.args, **args}, "over": list(feature.columns), "group": feature.group(group),
            "direction": measure.direction, "unit": measure.unit,
        }  # fmt: skip
        if not defined[group]:
            empty = not estimates.support[group]
            reason = measure.why_empty(positive) if empty else f"every {case_noun(1)} has weight 0"
            metrics.append(raikit.Metric.undefined(measure.name, f"{reason} in {feature.label(group)}", n=n, **place))
            continue
        effective = float(limits.effective_n[group])
        metric = raikit.Metric(
            measure.name, float(value[group]), level=settings.level, n=n,
            low=min(float(limits.low[group]), float(value[group])),
            high=max(float(limits.high[group]), float(value[group])),
            n_clusters=None if estimates.n_clusters is None else int(estimates.n_clusters[group]), method=method,
            simultaneous=settings.simultaneous, effective_n=effective if abs(effective - n) > 1e-9 * effective else None,
            flags=group_flags(estimates, limits, group, settings),
            ingredients=value_ingredients(measure.name, estimates, uncertainty, group) if measure.direction else [], **place,
        )  # fmt: skip
        metrics.append(settings.levels.measure(metric, partial(ends_at, group=group)))
    return metrics


def group_flags(estimates: Estimates, limits: Intervals, group: int, settings: IntervalSettings) -> list[str]:
    """Return why a group's value may not decide, as flags of its metric."""
    flags = {
        "small_group": estimates.support[group] < settings.min_group,
        "few_clusters": estimates.few_clusters[group],
        "few_events": estimates.few_events[group],
        "unreliable": limits.unreliable[group],
        "open_high": estimates.open_high[group],
    }
    return [flag for flag, raised in flags.items() if raised]
