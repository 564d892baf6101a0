"""Intervals of smooth statistics from the influence of each case (the infinitesimal jackknife)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import stdtrit

import raikit
from raikit import stats
from raikit.arrays import BoolArray, FloatArray
from raikit.stats.constants import LEAST_DF
from raikit.stats.contributions import known_df

_FEWEST = 10  # Effective cases of a scarce class with weights; by simulation (benchmarks/simulate_auc.py).
WAYS = {0: "", 1: "one-way cluster ", 2: "two-way cluster "}  # how many cluster columns the variance respects


@dataclass(frozen=True)
class InfluenceInterval:
    """Standard error and degrees of freedom of a statistic, with what describes them.

    Parameters
    ----------
    variance : float
    units : int
        Clusters, or the given number of independent cases without cluster columns.
    df : int
    method : str
    n_clusters : int or None
    flags : tuple of str
    """

    variance: float
    units: int
    df: float
    method: str
    n_clusters: int | None
    flags: tuple[str, ...]

    def with_heavy_cases(self, influence: FloatArray, cases: raikit.Arrays, scarce: BoolArray) -> InfluenceInterval:
        """Return the same with one more case that counts, where few heavy cases of those without clusters make the variance.

        Parameters
        ----------
        influence : ndarray, shape (n,)
        cases : Arrays
        scarce : ndarray of bool, shape (n,)
            Cases of the scarce class: with fewer than 10 effective ones, those that were not seen may weigh too much.
        """
        if cases.weight is None or cases.clusters or np.ptp(cases.weight) == 0:
            return self
        known, w = known_df(influence, cases.weight), cases.weight[scarce]
        few = known < LEAST_DF or float(w.sum() ** 2) < _FEWEST * float(w @ w)
        return replace(
            self, variance=self.variance * (1 + 1 / known), df=min(self.df, known), flags=(*self.flags, *["few_events"] * few)
        )

    def half_width(self, level: float) -> float:
        """Return half the width of the t interval at `level`."""
        return float(-float(stdtrit(self.df, (1 - level) / 2)) * self.variance**0.5)

    def widest(self, value: float, low: float, high: float, n: int) -> stats.Interval:
        """Return the widest interval there can be, for cases that do not vary; flagged as unreliable."""
        method = f"none (no variation for {self.method})"
        return stats.Interval(value, low, high, method, n, self.n_clusters, (*self.flags, "unreliable"))

    def interval(self, value: float, low: float, high: float, n: int) -> stats.Interval:
        """Return an interval with these ends."""
        return stats.Interval(value, low, high, self.method, n, self.n_clusters, self.flags)


def influence_interval(
    value: float, influence: FloatArray, cases: raikit.Arrays, *, scale: str = "", units: int | None = None
) -> InfluenceInterval:
    """Estimate the variance of a statistic from the influence of each case on it, cluster-robust.

    Parameters
    ----------
    value : float
    influence : ndarray, shape (n,)
        Contribution of each case; they sum to 0.
    cases : Arrays
    scale : str
        Named in the method: ``logit``.
    units : int, optional
        Independent units where there are no cluster columns; absent: the cases.
    """
    one, size, group = np.array([value]), np.array([float(len(cases))]), np.zeros(len(cases), dtype=np.int64)
    cov = stats.influence_covariance(one, influence, group, cases.clusters, size, size, weight=cases.weight)
    clusters = int(cov.n_clusters[0])
    if cases.clusters or units is None:
        units = clusters
    df = float(cov.df[0]) if cases.clusters else max(min(units - 1, float(cov.df[0])), 1)
    return InfluenceInterval(
        variance=float(cov.M[0, 0]), units=units, df=df,
        method=f"influence, {f'{scale}, ' if scale else ''}{WAYS[cov.ways]}t (df {df:.3g})",
        n_clusters=clusters if cases.clusters else None,
        flags=("few_clusters",) if cov.few_clusters[0] else (),
    )
