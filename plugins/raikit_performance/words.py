"""How findings write numbers."""

from __future__ import annotations

from collections.abc import Sequence

import raikit


def percent(value: float) -> str:
    """Write a share, with the decimals that a small one needs.

    Examples
    --------
    >>> percent(0.1651), percent(0.0004)
    ('16.5 %', '0.04 %')
    """
    return f"{value * 100:.1f} %" if value >= 0.001 or value == 0 else f"{value * 100:.2g} %"


def span(metric: raikit.Metric) -> str:
    """Write the interval of a share: ``95 % interval 85.0 to 89.1``."""
    low, high = metric.low or 0.0, metric.high or 0.0
    return f"{(metric.level or 0.95) * 100:g} % interval {low * 100:.1f} to {high * 100:.1f}"


def ground(metric: raikit.Metric, clusters: Sequence[str] = ()) -> str:
    """Write what a number rests on: ``1,200 rows, 40 clusters (speaker)``."""
    rows = f"{metric.n:,} row{'' if metric.n == 1 else 's'}"
    if metric.n_clusters is None:
        return rows
    return f"{rows}, {metric.n_clusters:,} clusters ({' and '.join(clusters)})"
