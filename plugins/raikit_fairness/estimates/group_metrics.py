"""Every group's own numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import raikit

if TYPE_CHECKING:
    from raikit_fairness.estimates.case_counts import Cells, Feature
    from raikit_fairness.estimates.group_estimates import Estimates, Settings
    from raikit_fairness.measures import Measure


def counts(cells: Cells, feature: Feature, args: dict[str, Any]) -> list[raikit.Metric]:
    """Rows of each group."""
    import numpy as np

    rows = np.bincount(feature.code, cells.n, minlength=feature.k)
    return [
        raikit.Metric.exact("count", int(rows[at]), n=int(rows[at]), unit="rows", args=args,
                            over=list(feature.columns), group=feature.group(at))
        for at in range(feature.k)
    ]


def by_group(
    measure: Measure, found: Estimates, feature: Feature, args: dict[str, Any], positive: Any, settings: Settings
) -> list[raikit.Metric]:
    """One measure in each group, by itself; undefined where the denominator is empty, with the reason."""
    value, defined = found.value, found.defined
    count = int(defined.sum())
    limits = found.intervals(settings.of_groups(count))
    method = limits.method + (f", Sidak over {count} groups" if settings.simultaneous and count > 1 else "")
    metrics = []
    for at in range(feature.k):
        place: dict[str, Any] = {"args": {**measure.args, **args}, "over": list(feature.columns), "group": feature.group(at),
                                 "direction": measure.direction, "unit": measure.unit}
        if not defined[at]:
            why = measure.empty.format(positive=positive) if not found.support[at] else "every row has weight 0"
            metrics.append(raikit.Metric.undefined(measure.name, f"{why} in {feature.name(at)}", n=int(found.n[at]), **place))
            continue
        flags = [flag for flag, raised in (
            ("small_group", found.support[at] < settings.min_group), ("few_clusters", found.few_clusters[at]),
            ("unreliable", limits.unreliable[at])) if raised]
        effective = float(limits.effective_n[at])
        metrics.append(raikit.Metric(
            measure.name, float(value[at]), low=min(float(limits.low[at]), float(value[at])),
            high=max(float(limits.high[at]), float(value[at])), level=settings.level, n=int(found.n[at]),
            n_clusters=None if found.n_clusters is None else int(found.n_clusters[at]), method=method,
            simultaneous=settings.simultaneous,
            effective_n=effective if abs(effective - found.n[at]) > 1e-9 * effective else None, flags=flags, **place,
        ))
    return metrics
