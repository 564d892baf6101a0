"""Intervals of means. Areas under curves are in `areas`, other smooth statistics in `bootstrap`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from raikit.stats._types import FloatArray
from raikit.stats.covariance import rate_covariance
from raikit.stats.covariance_result import CovarianceResult, cluster_prefix
from raikit.stats.interval import Interval, cluster_flags, cluster_number, without_variation
from raikit.stats.quantiles import tail_of, upper_quantile


def mean_interval(
    values: ArrayLike,
    weight: ArrayLike | None = None,
    clusters: Sequence[ArrayLike] = (),
    level: float = 0.95,
    bounds: tuple[float, float] = (-np.inf, np.inf),
) -> Interval:
    """Compute a mean with a t interval, cluster-robust if cases share clusters.

    Parameters
    ----------
    values : array_like, shape (n,)
    weight : array_like, shape (n,), optional
        Sampling weights.
    clusters : sequence of array_like of int, each shape (n,)
        No column, one or two. Degrees of freedom are the clusters (their effective number, of the column with fewer) minus one.
    level : float, in (0, 1)
    bounds : (float, float)
        Range of possible means; the interval is cut to it.

    Returns
    -------
    Interval
        Where the data show no spread (one case, one cluster, or all values alike) the ends are the bounds and the flag is
        ``unreliable``. The flag ``few_clusters`` marks fewer than 4 effective clusters.

    Raises
    ------
    ValueError
        If there are no cases, lengths differ, or `level` is outside (0, 1).

    Notes
    -----
    A t interval is approximate. With values that are skewed from cluster to cluster, its end on the side of the tail misses
    two to five times as often as nominal (benchmarks/simulate_clusters.py); `loss_interval` and `skewed_mean_interval` allow
    for it.
    """
    return _t_interval(mean_covariance(np.asarray(values, dtype=float), weight, clusters), level, bounds)


def mean_covariance(
    values: FloatArray, weight: ArrayLike | None, clusters: Sequence[ArrayLike]
) -> CovarianceResult:
    """Return a mean with its variance; raise if there are no cases."""
    n = len(values)
    cov = rate_covariance(values, np.ones(n), np.zeros(n, dtype=np.int64), clusters, weight, groups=1, proportion=False)
    if not cov.n_rows[0]:
        raise ValueError("no cases, so there is no mean")
    return cov


def _t_interval(cov: CovarianceResult, level: float, bounds: tuple[float, float]) -> Interval:
    value, n, df = float(cov.rates[0]), float(cov.n_rows[0]), float(cov.df[0])
    method, flags = f"{cluster_prefix(cov.ways)}t (df {df:.3g})", cluster_flags(cov)
    half = float(upper_quantile(tail_of(level), df)) * float(np.sqrt(cov.M[0, 0]))
    if "unreliable" in flags or half <= 1e-12 * abs(value):
        return without_variation(value, bounds, method, n, cluster_number(cov), flags)
    low, high = max(value - half, bounds[0]), min(value + half, bounds[1])
    return Interval(value, low, high, method, n, cluster_number(cov), flags)
