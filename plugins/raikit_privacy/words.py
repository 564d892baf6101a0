"""How findings of this pillar write numbers and groups."""

from __future__ import annotations

from collections.abc import Sequence

import raikit


def percent(value: float) -> str:
    """Write a share.

    Examples
    --------
    >>> percent(0.1651), percent(0.0004)
    ('16.5 %', '0.04 %')
    """
    return f"{value * 100:.1f} %" if abs(value) >= 0.001 or value == 0 else f"{value * 100:.2g} %"


def points(value: float) -> str:
    """Write a difference of shares.

    Examples
    --------
    >>> points(-0.012)
    '−1.2 points'
    """
    return f"{signed(value)} points"


def signed(value: float) -> str:
    """Write a difference of shares in points, without the word."""
    return f"{value * 100:.1f}".replace("-", "−")


def span(metric: raikit.Metric, level: float) -> str:
    """Write an interval in percent or points: ``95 % interval 85.0 to 89.1``."""
    kind = "simultaneous interval" if metric.simultaneous else "interval"
    low, high = metric.low or 0.0, metric.high or 0.0
    return f"{level * 100:g} % {kind} {signed(low)} to {signed(high)}"


def ground(metric: raikit.Metric, clusters: Sequence[str] = ()) -> str:
    """Write what a number rests on: ``1,200 rows, 40 clusters (speaker)``."""
    rows = f"{metric.n:,} row{'' if metric.n == 1 else 's'}"
    if metric.n_clusters is None:
        return rows
    return f"{rows}, {metric.n_clusters:,} clusters ({' and '.join(clusters)})"


def number(value: float) -> int | float:
    """Whole numbers as such, so that an address says ``target=8``."""
    return int(value) if float(value).is_integer() else value
