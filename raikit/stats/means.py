"""Intervals of means. Those of losses and ratios are in `tails`, of areas in `areas`, other smooth statistics in `bootstrap`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from raikit.stats._types import FloatArray
from raikit.stats.contributions import (
    OPEN_HIGH,
    OPEN_LOW,
    Deviations,
    cluster_apart,
    deviations_from_mean,
    effective_contributions,
    open_ends,
)
from raikit.stats.covariance import rate_covariance
from raikit.stats.covariance_result import CovarianceResult, cluster_prefix
from raikit.stats.interval import Interval, cluster_flags, cluster_number, without_variation
from raikit.stats.quantiles import tail_of, upper_quantile
from raikit.stats.rates import limits_at


def mean_interval(
    values: ArrayLike,
    weight: ArrayLike | None = None,
    clusters: Sequence[ArrayLike] = (),
    level: float = 0.95,
    bounds: tuple[float, float] = (-np.inf, np.inf),
) -> Interval:
    """Compute a mean with a t interval; with weights or clusters, that of `skewed_mean_interval`.

    Parameters
    ----------
    values : array_like, shape (n,)
    weight : array_like, shape (n,), optional
        Sampling weights.
    clusters : sequence of array_like of int, each shape (n,)
        No column, one or two.
    level : float, in (0, 1)
    bounds : (float, float)
        Range of possible values, and so of means; the interval is cut to it.

    Returns
    -------
    Interval
        Where the data show no spread (one case, one cluster, or all values alike) the ends are the bounds and the flag is
        ``unreliable``. The flag ``few_clusters`` marks fewer than 4 effective clusters, or one of a size of its own
        (`raikit.stats.dominance`). The flags ``open_high`` and ``open_low``
        mark an end that is not valid, because the variance rests on too few cases or clusters. Between finite bounds, such an
        end of independent cases is the exact limit of a rate instead.

    Raises
    ------
    ValueError
        If there are no cases, lengths differ, or `level` is outside (0, 1).

    Notes
    -----
    Simulated for clusters whose means are normal, exponential, t(3) and log-normal, of even and uneven sizes
    (benchmarks/simulate_clusters.py).
    """
    w = None if weight is None else np.asarray(weight, dtype=float)
    if clusters or (w is not None and len(w) and np.ptp(w) > 0):
        return skewed_mean_interval(values, w, clusters, level, bounds)
    data = np.asarray(values, dtype=float)
    cov = mean_covariance(data, w, ())
    if (none := no_variation(cov, bounds)) is not None:
        return none
    value, df = float(cov.rates[0]), float(cov.df[0])
    half = float(upper_quantile(tail_of(level), df)) * float(np.sqrt(cov.M[0, 0]))
    low, high, method = value - half, value + half, f"t (df {df:.3g})"
    flags = open_ends(deviations_from_mean(data))
    if flags and np.isfinite(bounds).all():  # a rate of as many cases is more uncertain than any mean between the same bounds
        start, span = bounds[0], bounds[1] - bounds[0]
        least, most = limits_at((value - start) / span * len(data), len(data), tail_of(level))
        low = min(low, start + span * float(least)) if OPEN_LOW in flags else low
        high = max(high, start + span * float(most)) if OPEN_HIGH in flags else high
        method, flags = f"{method}, exact limits of a rate", ()
    return bounded_interval(cov, low, high, bounds, method, flags)


def skewed_mean_interval(
    values: ArrayLike,
    weight: ArrayLike | None = None,
    clusters: Sequence[ArrayLike] = (),
    level: float = 0.95,
    bounds: tuple[float, float] = (-np.inf, np.inf),
) -> Interval:
    """Compute the mean of values of either sign, each of whose tails may be heavy.

    Parameters
    ----------
    values : array_like, shape (n,)
    weight, clusters, level, bounds
        As in `mean_interval`.

    Returns
    -------
    Interval
        Each end allows for one more case (or cluster) like the one that moves the mean most to its side. The flags
        ``open_high`` and ``open_low`` mark a tail for which no such end is valid.

    Raises
    ------
    ValueError
        As `mean_interval`.
    """
    data = np.asarray(values, dtype=float)
    up, down = (mean_covariance(side * data, weight, clusters) for side in (1, -1))
    if (none := no_variation(up, bounds)) is not None:
        return none
    value, tail, deviations = float(up.rates[0]), tail_of(level), deviations_from_mean(data, weight, clusters)
    (above, df), (below, _) = (reach(cov, deviations, tail) for cov in (up, down))
    return bounded_interval(
        up, value - below, value + above, bounds, f"t, one more {unit_of(up)} (df {df:.3g})", open_ends(deviations)
    )


def mean_covariance(
    values: FloatArray, weight: ArrayLike | None, clusters: Sequence[ArrayLike]
) -> CovarianceResult:
    """Return a mean with its variance; raise if there are no cases. A cluster of a size of its own dominates it."""
    n = len(values)
    cov = rate_covariance(values, np.ones(n), np.zeros(n, dtype=np.int64), clusters, weight, groups=1, proportion=False)
    if not cov.n_rows[0]:
        raise ValueError("no cases, so there is no mean")
    return without_cluster_apart(cov, np.ones(n) if weight is None else weight, clusters)


def without_cluster_apart(cov: CovarianceResult, weight: ArrayLike, clusters: Sequence[ArrayLike]) -> CovarianceResult:
    """Return a single mean's covariance, which may not decide if the largest cluster has a size of its own."""
    return replace(cov, dominated=cov.dominated | cluster_apart(weight, clusters))


def reach(cov: CovarianceResult, deviations: Sequence[Deviations], tail: float) -> tuple[float, float]:
    """Return how far the high end is from an estimate on the plain scale, with one more unit, and its degrees of freedom."""
    df = max(min(float(cov.df[0]), effective_contributions(deviations) - 1), 1.0)
    return float(upper_quantile(tail, df)) * float(np.sqrt(cov.M[0, 0] + cov.one_more[0])), df


def unit_of(cov: CovarianceResult) -> str:
    """Return what is left out to estimate the variance."""
    return "cluster" if cov.ways else "case"


def no_variation(cov: CovarianceResult, bounds: tuple[float, float]) -> Interval | None:
    """Return the widest interval if the data show no spread, else None."""
    value, flags = float(cov.rates[0]), cluster_flags(cov)
    if "unreliable" not in flags and float(np.sqrt(cov.M[0, 0])) > 1e-12 * abs(value):
        return None
    return without_variation(value, bounds, f"{cluster_prefix(cov.ways)}t", float(cov.n_rows[0]), cluster_number(cov), flags)


def bounded_interval(
    cov: CovarianceResult, low: float, high: float, bounds: tuple[float, float], method: str, flags: Sequence[str]
) -> Interval:
    """Return an interval cut to its bounds, with the flags of its clusters."""
    return Interval(
        float(cov.rates[0]), max(low, bounds[0]), min(high, bounds[1]), f"{cluster_prefix(cov.ways)}{method}",
        float(cov.n_rows[0]), cluster_number(cov), (*cluster_flags(cov), *flags),
    )  # fmt: skip
