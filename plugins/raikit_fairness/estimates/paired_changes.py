"""Two decisions about the same cases: how much a mean, a gap between two groups, or accuracy changes between them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from raikit import stats
from raikit.arrays import BoolArray, FloatArray, IntArray
from raikit.format import case_noun
from raikit.stats import CovarianceResult
from raikit_fairness.estimates.case_counts import Cells


@dataclass(frozen=True)
class Change:
    """One number with its interval.

    Parameters
    ----------
    value, low, high : float
    n : int
        Cases behind it.
    n_clusters : int or None
    method : str
    few_clusters : bool
        Whether there are fewer clusters than an interval can rest on.
    """

    value: float
    low: float
    high: float
    n: int
    n_clusters: int | None
    method: str
    few_clusters: bool = False

    @property
    def established(self) -> bool:
        """Return whether the interval excludes 0 and rests on enough clusters."""
        return not (self.low <= 0 <= self.high or self.few_clusters)


def group_means(
    cells: Cells, values: FloatArray, cases: BoolArray, code: IntArray, k: int, span: float = 1.0
) -> CovarianceResult:
    """Estimate means of `values` over `cases` in k groups, with their covariance.

    Parameters
    ----------
    values : ndarray, shape (m,)
        Between -span and span.
    cases : ndarray of bool, shape (m,)
    code : ndarray of int, shape (m,)
        Group of each case; negative: none.

    Notes
    -----
    A mean is not known exactly because its cases happen to agree. So the variance is at least that of independent cases
    with half a case added to each side (Agresti and Min 2005), of as many cases as weights and clusters leave. Without
    this, five cases that two models decide alike would count more than thousands.
    """
    cov = stats.rate_covariance(
        values * cases, cases, code, cells.clusters, cells.w, k, scale="real", squares=cells.w2, counts=cells.n
    )
    n = np.maximum(cov.n_effective, 1e-9)
    up, down = (
        (_weighted_mean(cells, np.clip(sign * values / span, 0, None), cases, code, k) * n + 0.5) / (n + 2)
        for sign in (1, -1)
    )
    floor = span**2 * (up + down - (up - down) ** 2) / (n + 2)
    variance = np.maximum(np.diag(cov.M), floor)
    return replace(cov, M=cov.M + np.diag(variance - np.diag(cov.M)))


def _weighted_mean(cells: Cells, values: FloatArray, cases: BoolArray, code: IntArray, k: int) -> FloatArray:
    inside = cases & (code >= 0)
    total, part = (np.bincount(code[inside], weights[inside], minlength=k) for weights in (cells.w, cells.w * values))
    return np.divide(part, total, out=np.zeros(k), where=total > 0)


def mean_change(cells: Cells, values: FloatArray, cases: BoolArray, level: float) -> Change:
    """Estimate the mean of `values`, each between -1 and 1, over `cases`, with t limits."""
    return group_changes(cells, values, np.where(cases, 0, -1), 1, level)[0]


def group_changes(cells: Cells, values: FloatArray, code: IntArray, k: int, level: float) -> list[Change]:
    """Estimate the mean of `values`, each between -1 and 1, in each of k groups; t limits, simultaneous by Sidak."""
    cov = group_means(cells, values, np.ones(len(cells), dtype=bool), code, k)
    result = stats.clustered_rate_interval(cov, level, simultaneous=k > 1)
    n = np.bincount(code[code >= 0], cells.n[code >= 0], minlength=k).astype(int)
    return [
        Change(
            float(result.value[group]),
            max(float(result.low[group]), -1.0),
            min(float(result.high[group]), 1.0),
            int(n[group]),
            int(cov.n_clusters[group]) if cov.ways else None,
            f"paired, {result.method.strip()}",
            bool(cov.ways and cov.few_clusters[group]),
        )
        for group in range(k)
    ]


def gap_change(
    cells: Cells,
    before: FloatArray,
    after: FloatArray,
    cases: BoolArray,
    pair: tuple[BoolArray, BoolArray],
    level: float,
) -> Change:
    """Estimate how much smaller the difference of two groups' rates becomes, paired on cases.

    Parameters
    ----------
    before, after : ndarray, shape (m,)
        Decision about each case, or its probability.
    cases : ndarray of bool
        The denominator of the rate.
    pair : two ndarrays of bool
        Cases of the two groups, which were chosen without looking at these cases.

    Notes
    -----
    With differences d (before) and e (after) the gain is ``|d| - |e|``, so a difference that changes its sign counts by
    what is left of it. ``d - e`` and ``d + e`` are differences of two means, with t limits by MOVER. The gain is the larger
    over the sign of d of the smaller over the sign of e of ``±d ± e``. For the larger, each upper limit at its own error
    covers it, and for the smaller, each lower one. The other choice of two costs half of the error, at which every limit
    is taken (Bonferroni).
    """
    code = np.where(pair[0], 0, np.where(pair[1], 1, -1))
    less = group_means(cells, before - after, cases, code, 2, 1.0)
    more = group_means(cells, before + after, cases, code, 2, 2.0)
    differences = [stats.clustered_difference(cov, 1 - (1 - level) / 2) for cov in (less, more)]
    lows, highs = ([float(getattr(one, end)[0]) for one in differences] for end in ("low", "high"))
    low = max(min(lows), -max(highs))
    high = max(min(highs), -max(lows))
    sums = float(less.rates[0] - less.rates[1]), float(more.rates[0] - more.rates[1])
    value = abs(sum(sums) / 2) - abs((sums[1] - sums[0]) / 2)
    return Change(
        value,
        max(min(low, value), -1.0),
        min(max(high, value), 1.0),
        int(cells.n[cases & (code >= 0)].sum()),
        int(less.n_clusters.min()) if less.ways else None,
        f"paired, two groups fixed on validation {case_noun()}, {differences[0].method.strip()}",
        bool(less.ways and less.few_clusters.any()),
    )
