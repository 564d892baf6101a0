"""Shares of cases, each with an interval that respects clusters and weights."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

import raikit
from raikit import stats
from raikit.arrays import BoolArray, FloatArray, IntArray


@dataclass(frozen=True)
class Shares:
    """A share for each of k classes: values, exact limits and the correlation of the estimates.

    Parameters
    ----------
    value, low, high : ndarray, shape (k,)
        NaN where the share is undefined.
    level : float
        Level of each interval.
    n, n_clusters : ndarray of int, shape (k,)
        Cases in the denominator and their clusters (None without cluster columns).
    n_effective : ndarray, shape (k,), or None
        None without weights and clusters: it is `n` then.
    correlation : ndarray, shape (k, k)
    few_clusters, few_events : ndarray of bool, shape (k,)
        Shares on which nothing is decided: too few clusters or, with weights, cases of the rarer outcome.
    method : str
    """

    value: FloatArray
    low: FloatArray
    high: FloatArray
    level: float
    n: IntArray
    n_clusters: IntArray | None
    n_effective: FloatArray | None
    correlation: FloatArray
    few_clusters: BoolArray
    few_events: BoolArray
    method: str

    def transform(self, function: Callable[[FloatArray], FloatArray], note: str) -> Shares:
        """Apply an increasing function to values and limits, which keeps the coverage of the intervals."""
        value, low, high = (function(part) for part in (self.value, self.low, self.high))
        return replace(self, value=value, low=low, high=high, method=f"{self.method}, {note}")


@dataclass(frozen=True)
class ShareEstimates:
    """What shares of cases have at every level: counted once, they give limits at any.

    Parameters
    ----------
    hits, n : ndarray, shape (k,)
        Cases that count, without weights, and cases in the denominator.
    correlation : ndarray, shape (k, k)
    covariance : CovarianceResult or None
        Of the shares by themselves, which gives limits with weights or clusters; None for independent, unweighted cases.
    """

    hits: IntArray
    n: IntArray
    correlation: FloatArray
    covariance: stats.CovarianceResult | None

    def at(self, level: float) -> Shares:
        """Compute the limits at a level."""
        common: dict[str, Any] = {"level": level, "n": self.n, "correlation": self.correlation}
        cov, none = self.covariance, np.zeros(len(self.n), dtype=bool)
        if cov is not None:
            rates = stats.clustered_rate_interval(cov, level)
            return Shares(rates.value, rates.low, rates.high, n_clusters=cov.n_clusters if cov.ways else None,
                          n_effective=rates.n_effective, few_clusters=rates.few_clusters, few_events=cov.few_events,
                          method=rates.method.removeprefix("row "), **common)
        low, high = stats.clopper_pearson(self.hits, self.n, level)
        value = np.divide(self.hits, self.n, out=np.full(len(self.n), np.nan), where=self.n > 0)
        return Shares(value, low, high, n_clusters=None, n_effective=None, few_clusters=none, few_events=none,
                      method="Clopper-Pearson", **common)


def estimate_shares(
    hit: BoolArray, group: IntArray, k: int, cases: raikit.Arrays, positions: IntArray | None = None
) -> ShareEstimates:
    """Count the share of hits among the cases of each group.

    Parameters
    ----------
    hit : ndarray of bool, shape (m,)
    group : ndarray of int, shape (m,)
        Class whose denominator the entry belongs to; a negative one belongs to none.
    k : int
    cases : Arrays
    positions : ndarray of int, shape (m,), optional
        Case of each entry, where a case may be in several denominators; by default entry i is case i.
    """
    at = np.arange(len(cases)) if positions is None else positions
    weight = None if cases.weight is None else cases.weight[at]
    counts = None if cases.counts is None else cases.counts[at]
    clusters, ones = [column[at] for column in cases.clusters], np.ones(len(at))
    inside = group >= 0
    hits, n = (_count(group[where], None if counts is None else counts[where], k) for where in (inside & hit, inside))
    # Without clusters a case is the unit. That matters only where it is in several denominators.
    units = clusters or ([at] if positions is not None and counts is None else [])
    cov = stats.rate_covariance(hit, ones, group, units, weight, groups=k, proportion=True, counts=counts)
    M = cov.M
    if positions is not None and counts is not None:
        M = np.where(np.eye(k, dtype=bool), M, _covariance_of_shared_cases(hit, group, at, counts, hits, n))
    # A share of 0 or 1 hides its correlation with the others. It counts as full, unless classes have no unit in common.
    correlation = correlations(M, (cov.vrow <= 0) & (bool(units) or positions is not None))
    own: stats.CovarianceResult | None = cov if clusters or weight is not None else None
    if own is not None and not clusters and units:  # within one denominator, cases are independent
        own = stats.rate_covariance(hit, ones, group, (), weight, groups=k, proportion=True)
    return ShareEstimates(hits=hits, n=n, correlation=correlation, covariance=own)


def _count(group: IntArray, counts: IntArray | None, k: int) -> IntArray:
    return np.bincount(group, counts, minlength=k).astype(np.int64)


def _covariance_of_shared_cases(
    hit: BoolArray, group: IntArray, cell: IntArray, counts: IntArray, hits: IntArray, n: IntArray
) -> FloatArray:
    """Compute the covariance of shares that have cases in common, by leaving out each case of each cell.

    Parameters
    ----------
    hit, group, cell, counts : ndarray, shape (m,)
        Entries: cells of alike cases in a denominator.
    hits, n : ndarray of int, shape (k,)
    """
    share = hits / np.maximum(n, 1)
    move = (hit - share[group]) / np.sqrt(np.maximum(n * np.maximum(n - 1.0, 1.0), 1.0))[group]
    moves = np.zeros((int(cell.max(initial=-1)) + 1, len(n)))
    moves[cell, group] = move * np.sqrt(counts)
    return np.asarray(moves.T @ moves)


def correlations(covariance: FloatArray, hidden: BoolArray) -> FloatArray:
    """Compute correlations of estimates; those with a hidden covariance count as fully correlated with all.

    Parameters
    ----------
    covariance : ndarray, shape (k, k)
    hidden : ndarray of bool, shape (k,)

    Returns
    -------
    ndarray, shape (k, k)
        From -1 to 1.
    """
    scale = np.sqrt(np.maximum(np.diag(covariance), 1e-300))
    visible = np.clip(covariance / np.outer(scale, scale), -1, 1)
    return np.asarray(np.where(hidden[:, None] | hidden, 1.0, visible))


def metric_of_share(name: str, shares: Shares, at: int, reason: str, **fields: Any) -> raikit.Metric:
    """Return entry `at` as a metric, or as undefined with `reason`."""
    value = float(shares.value[at])
    if math.isnan(value):
        return raikit.Metric.undefined(name, reason, n=0, **fields)
    return raikit.Metric(
        name, value, low=min(float(shares.low[at]), value), high=max(float(shares.high[at]), value),
        level=shares.level, n=int(shares.n[at]), method=shares.method,
        n_clusters=None if shares.n_clusters is None else int(shares.n_clusters[at]),
        effective_n=None if shares.n_effective is None else float(shares.n_effective[at]),
        flags=["few_clusters"] * bool(shares.few_clusters[at]) + ["few_events"] * bool(shares.few_events[at]),
        **{"unit": "rate", **fields},
    )


def simultaneous(metric: raikit.Metric, shares: Shares, at: int) -> raikit.Metric:
    """Return a share with the interval that holds for all of several shares at once, of which it is entry `at`.

    What is chosen from a sample because it is extreme there lies outside its own interval far more often than nominal.
    """
    low, high = min(float(shares.low[at]), metric.value or 0.0), max(float(shares.high[at]), metric.value or 0.0)
    return metric.model_copy(update={"low": low, "high": high, "simultaneous": True})


def min_clusters(cases: raikit.Arrays) -> int | None:
    """Return the number of clusters of the cluster column that has fewest; None without cluster columns.

    A case without a cluster counts as one.
    """
    return min((len(np.unique(column[column >= 0])) + int(np.sum(column < 0)) for column in cases.clusters), default=None)


def metric_of_interval(
    name: str, interval: stats.Interval, cases: raikit.Arrays, level: float, **fields: Any
) -> raikit.Metric:
    """Return an interval of `raikit.stats` as a metric.

    Raises
    ------
    ValueError
        If an end is infinite, which a record cannot hold.
    """
    if not (math.isfinite(interval.low) and math.isfinite(interval.high)):
        raise ValueError(f"{name}: an end of the interval is infinite and cannot be recorded; give bounds.")
    return raikit.Metric(
        name, interval.value, low=min(interval.low, interval.value), high=max(interval.high, interval.value), level=level,
        n=cases.size, n_clusters=interval.n_clusters, method=interval.method,
        flags=[flag for flag in interval.flags if flag != "no_variation"],
        effective_n=interval.n if cases.weight is not None else None, **fields,
    )
