"""Shares of rows and averages of them, each with an interval that respects clusters and weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import raikit

if TYPE_CHECKING:
    from raikit.stats import Interval
    from raikit_performance.rows import BoolArray, FloatArray, IntArray, Rows


@dataclass(frozen=True)
class Shares:
    """A share for each of k classes: values, exact limits, and how the estimates hang together.

    Parameters
    ----------
    value, low, high : ndarray, shape (k,)
        NaN where the share is undefined.
    n, n_clusters : ndarray of int, shape (k,)
        Rows in the denominator and their clusters (None without cluster columns).
    n_effective : ndarray, shape (k,)
    correlation : ndarray, shape (k, k)
    few_clusters : ndarray of bool, shape (k,)
    method : str
    """

    value: FloatArray
    low: FloatArray
    high: FloatArray
    n: IntArray
    n_clusters: IntArray | None
    n_effective: FloatArray
    correlation: FloatArray
    few_clusters: BoolArray
    method: str

    def through(self, function: Callable[[FloatArray], FloatArray], note: str) -> Shares:
        """Pass values and limits through an increasing function; coverage stays what it was."""
        value, low, high = (function(part) for part in (self.value, self.low, self.high))
        return replace(self, value=value, low=low, high=high, method=f"{self.method}, {note}")


def shares(hit: BoolArray, group: IntArray, k: int, rows: Rows, chosen: IntArray | None = None) -> Shares:
    """Share of hits among the rows of each group.

    Parameters
    ----------
    hit : ndarray of bool, shape (m,)
    group : ndarray of int, shape (m,)
        Class whose denominator the entry belongs to; a negative one to none.
    k : int
    rows : Rows
    chosen : ndarray of int, shape (m,), optional
        Row of each entry, where a row may stand in several denominators; by default entry i is row i.
    """
    import numpy as np

    from raikit import stats

    at = np.arange(rows.n) if chosen is None else chosen
    weight = None if rows.weight is None else rows.weight[at]
    clusters = [column[at] for column in rows.clusters]
    # without clusters a row is the unit: needed only where it stands in several denominators
    units = clusters or ([at] if chosen is not None else [])
    cov = stats.rate_covariance(hit, np.ones(len(at)), group, units, weight, groups=k, proportion=True)
    inside = group >= 0
    n = np.bincount(group[inside], minlength=k)
    # 0 or 1 in every row hides how the estimates hang together: as closely as possible, unless classes share no unit
    hidden = (cov.vrow <= 0) & bool(units)
    common: dict[str, Any] = {"n": n, "correlation": correlation_of(cov.M, hidden)}
    if clusters:
        found = stats.clustered_rate_interval(cov, rows.level)
        return Shares(found.value, found.low, found.high, n_clusters=cov.n_clusters, n_effective=found.n_effective,
                      few_clusters=found.few_clusters, method=found.method, **common)
    w = np.ones(len(at)) if weight is None else weight
    sums = [np.bincount(group[inside], part[inside], minlength=k) for part in (w * hit, w, w**2)]
    x, m = stats.effective_counts(*sums)
    low, high = stats.clopper_pearson(x, m, rows.level)
    value = np.divide(sums[0], sums[1], out=np.full(k, np.nan), where=sums[1] > 0)
    method = "Clopper-Pearson" if weight is None else "Clopper-Pearson at Kish's effective n"
    return Shares(value, low, high, n_clusters=None, n_effective=m, few_clusters=np.zeros(k, dtype=bool),
                  method=method, **common)


def correlation_of(covariance: FloatArray, hidden: BoolArray) -> FloatArray:
    """Correlations of estimates; those whose covariance cannot be seen count as fully correlated with all."""
    import numpy as np

    scale = np.sqrt(np.maximum(np.diag(covariance), 1e-300))
    seen = np.clip(covariance / np.outer(scale, scale), -1, 1)
    return np.asarray(np.where(hidden[:, None] | hidden, 1.0, seen))


def average(
    value: FloatArray, low: FloatArray, high: FloatArray, correlation: FloatArray, weight: FloatArray
) -> tuple[float, float, float]:
    """Weighted average of k estimates, with limits from theirs (MOVER for sums, Zou and Donner 2008).

    Parameters
    ----------
    value, low, high : ndarray, shape (k,)
    correlation : ndarray, shape (k, k)
        Of the estimates. The diagonal counts as 1.
    weight : ndarray, shape (k,)
        Non-negative; scaled to sum to 1, and taken as known.

    Returns
    -------
    (value, low, high)
    """
    import numpy as np

    share = weight / weight.sum()
    together = correlation.copy()
    np.fill_diagonal(together, 1.0)
    down, up = share * (value - low), share * (high - value)
    center = float(share @ value)
    reach = [float(np.sqrt(max(part @ together @ part, 0.0))) for part in (down, up)]
    return center, max(center - reach[0], float(low.min())), min(center + reach[1], float(high.max()))


def metric_of_share(name: str, found: Shares, at: int, rows: Rows, reason: str, **fields: Any) -> raikit.Metric:
    """Write entry `at` as a metric, or as undefined with `reason`."""
    import numpy as np

    if np.isnan(found.value[at]):
        return raikit.Metric.undefined(name, reason, n=0, **fields)
    n_clusters = None if found.n_clusters is None else int(found.n_clusters[at])
    weighted = rows.weight is not None or n_clusters is not None
    return raikit.Metric(
        name, float(found.value[at]), low=min(float(found.low[at]), float(found.value[at])),
        high=max(float(found.high[at]), float(found.value[at])), level=rows.level, n=int(found.n[at]),
        n_clusters=n_clusters, method=found.method, flags=["few_clusters"] if found.few_clusters[at] else [],
        effective_n=float(found.n_effective[at]) if weighted else None, **{"unit": "rate", **fields},
    )


def metric_of_average(
    name: str, found: Shares, weight: FloatArray, rows: Rows, *, excluded: Sequence[str] = (), **fields: Any
) -> raikit.Metric:
    """Write an average over the classes in which `found` is defined."""
    import numpy as np

    defined = np.flatnonzero(~np.isnan(found.value) & (weight > 0))
    if not len(defined):
        return raikit.Metric.undefined(name, "undefined in every class", **fields)
    parts = (found.value[defined], found.low[defined], found.high[defined])
    value, low, high = average(*parts, found.correlation[np.ix_(defined, defined)], weight[defined])
    n_clusters = None if found.n_clusters is None else min_clusters(rows)
    return raikit.Metric(
        name, value, low=low, high=high, level=rows.level, n=rows.n, n_clusters=n_clusters,
        method=f"MOVER over {len(defined)} classes, {found.method}", excluded=list(excluded),
        flags=["few_clusters"] if n_clusters is not None and n_clusters < 8 else [], **{"unit": "rate", **fields},
    )


def min_clusters(rows: Rows) -> int | None:
    """Clusters of the column that has fewer."""
    import numpy as np

    return min((len(np.unique(column[column >= 0])) or len(column) for column in rows.clusters), default=None)


def metric_of_interval(name: str, found: Interval, rows: Rows, **fields: Any) -> raikit.Metric:
    """Write what `raikit.stats` found as a metric."""
    import math

    flags = [flag for flag in found.flags if flag != "no_variation"]
    if not (math.isfinite(found.low) and math.isfinite(found.high)):
        raise ValueError(f"{name}: give bounds, an infinite end cannot be recorded")
    return raikit.Metric(
        name, found.value, low=min(found.low, found.value), high=max(found.high, found.value), level=rows.level,
        n=rows.n, n_clusters=found.n_clusters, method=found.method, flags=flags,
        effective_n=found.n if rows.weight is not None else None, **fields,
    )
