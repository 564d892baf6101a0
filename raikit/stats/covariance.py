"""Covariance of the rates or means of groups whose cases may share clusters, in one or two ways."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csr_array

from raikit.stats._types import BoolArray, FloatArray, IntArray
from raikit.stats.rates import agresti_caffo_variance
from raikit.stats.validation import case_weights

Scale = Literal["proportion", "positive", "real"]
MIN_CLUSTERS = 8  # The covariance was not simulated with fewer clusters in a group.


@dataclass(frozen=True)
class CovarianceResult:
    """Estimates of k groups with their joint uncertainty.

    Parameters
    ----------
    rates : ndarray, shape (k,)
        NaN where a group has no case in the denominator.
    M : ndarray, shape (k, k)
        Covariance of the rates: positive semi-definite, diagonal at least `vrow`.
    df : int
        Degrees of freedom: the fewest clusters (of any column) in any group that has at least 8, minus one. If no two
        groups have 8, over all groups.
    n_clusters : ndarray of int, shape (k,)
        Clusters of each group, of the column that has fewer. Without clusters, cases.
    vrow : ndarray, shape (k,)
        Variance of each rate if cases were independent.
    n_rows : ndarray, shape (k,)
        Cases in the denominator (Kish's effective number if weighted).
    n_effective : ndarray, shape (k,)
        Number of independent cases that would be as informative: rate (1 - rate) / variance, at most `n_rows`. Where a
        rate of exactly 0 or 1 hides its variance, the number of clusters. For means: ``n_rows * vrow / M_ii``.
    sizes : ndarray, shape (k,)
        Sum of weight times denominator, by which groups are pooled.
    scale : {"proportion", "positive", "real"}
        Which limits apply: exact limits of a proportion at the effective sample size (a rate, or any quantity between 0
        and 1), symmetric limits of the logarithm (errors and losses), or symmetric limits.
    ways : int
        Number of cluster columns used: 0 (independent cases), 1 or 2.
    """

    rates: FloatArray
    M: FloatArray
    df: int
    n_clusters: IntArray
    vrow: FloatArray
    n_rows: FloatArray
    n_effective: FloatArray
    sizes: FloatArray
    scale: Scale
    ways: int

    @property
    def proportion(self) -> bool:
        """Whether limits of proportions apply."""
        return self.scale == "proportion"

    @property
    def few_clusters(self) -> BoolArray:
        """Which groups have fewer than 8 clusters. They are shown and flagged, but decide nothing."""
        return np.asarray(self.n_clusters < MIN_CLUSTERS)

    def subset(self, index: ArrayLike) -> CovarianceResult:
        """Keep the groups at `index` (positions or a mask), in that order."""
        keep = np.arange(len(self.rates))[np.asarray(index)]
        names = ("rates", "n_clusters", "vrow", "n_rows", "n_effective", "sizes")
        return replace(
            self,
            **{name: getattr(self, name)[keep] for name in names},
            M=self.M[np.ix_(keep, keep)],
            df=degrees_of_freedom(self.n_clusters[keep]),
        )


def rate_covariance(
    numerator: ArrayLike,
    denominator: ArrayLike,
    group: ArrayLike,
    clusters: Sequence[ArrayLike] = (),
    weight: ArrayLike | None = None,
    groups: int | None = None,
    proportion: bool | None = None,
    *,
    scale: Scale | None = None,
    squares: ArrayLike | None = None,
    counts: ArrayLike | None = None,
) -> CovarianceResult:
    """Compute the rates (ratios of sums) of groups and their covariance.

    Parameters
    ----------
    numerator, denominator : array_like, shape (n,)
        The rate of a group is ``sum(weight * numerator) / sum(weight * denominator)`` over its cases. For a mean the
        denominator is 1; for a true positive rate it is ``y`` and the numerator ``y * yhat``.
    group : array_like of int, shape (n,)
        Group of each case, from 0; cases with a negative group are left out. For the equalized odds gap code
        group and class together (``group + k * y``) and give the class to `clustered_odds_gap` as stratum.
    clusters : sequence of array_like of int, each shape (n,)
        No column (independent cases), one or two. A negative number marks a case that shares no cluster.
    weight : array_like, shape (n,), optional
        Sampling weights, >= 0; their scale does not matter.
    groups : int, optional
        Number of groups k, if the last ones may have no cases.
    proportion : bool, optional
        Whether cases contribute 0 or 1, so that limits of proportions apply. By default the data decide.
    scale : {"proportion", "positive", "real"}, optional
        Instead of `proportion`.
    squares, counts : array_like, shape (n,), optional
        If entries are cells of alike cases: sums of squared weights and numbers of cases (`weight` holds sums of weights).

    Returns
    -------
    CovarianceResult

    Raises
    ------
    ValueError
        If lengths differ, there are over two cluster columns, or a weight is negative.

    Notes
    -----
    With residuals ``r = w (num - rate den) / sum(w den)`` summed within clusters, each column gives
    ``V = sum_c S_c S_c' G / (G - 1)`` (G clusters of each group), and two columns ``M = V_1 + V_2 - V_12``, with V_12 of
    their intersection [1]_ [2]_. The diagonal is never below the variance of independent cases, for proportions Agresti
    and Caffo's. Negative eigenvalues are set to 0.

    Limits and tests built on this covariance were simulated with clusters of similar size
    (benchmarks/simulate_intervals.py). With clusters of very uneven size the variance is too small, and they err more
    often than stated. So it is with weights that are related to the outcome.

    References
    ----------
    .. [1] Cameron, Gelbach and Miller, "Robust inference with multiway clustering", JBES 2011, section 2.
    .. [2] MacKinnon, Nielsen and Webb, "Cluster-robust jackknife and bootstrap inference", 2024.
    """
    num, den, code = np.asarray(numerator, dtype=float), np.asarray(denominator, dtype=float), np.asarray(group)
    w, w2, rows = case_weights(len(num), weight, squares, counts)
    columns = [np.asarray(c) for c in clusters]
    if any(len(v) != len(num) for v in (den, code, w, w2, rows, *columns)):
        raise ValueError("numerator, denominator, group, weight and clusters must have one entry per case")
    if np.any(w < 0):
        raise ValueError("weights must not be negative")
    k = groups if groups is not None else int(code.max(initial=-1)) + 1
    keep = (code >= 0) & (w > 0) & ((den != 0) | (num != 0))
    num, den, code, w, w2, rows = num[keep], den[keep], code[keep].astype(np.int64), w[keep], w2[keep], rows[keep]
    total = _sums(code, w * den, k)
    with np.errstate(divide="ignore", invalid="ignore"):
        rates = _sums(code, w * num, k) / total
        unit = (num - rates[code] * den) / total[code]
        n_rows = _sums(code, w, k) ** 2 / _sums(code, w2, k)
    if scale is None:
        if proportion is None:
            proportion = bool(np.all((den == 1) & ((num == 0) | (num == 1))))
        scale = "proportion" if proportion else "real"
    return influence_covariance(
        rates,
        w * unit,
        code,
        [c[keep] for c in columns],
        np.nan_to_num(n_rows),
        total,
        scale=scale,
        squares=w2 * unit**2,
        counts=rows,
    )


def influence_covariance(
    rates: FloatArray,
    influence: FloatArray,
    group: IntArray,
    clusters: Sequence[ArrayLike],
    n_rows: FloatArray,
    sizes: FloatArray,
    *,
    scale: Scale = "real",
    squares: FloatArray | None = None,
    counts: FloatArray | None = None,
    still: FloatArray | None = None,
    extra: FloatArray | None = None,
) -> CovarianceResult:
    """Compute the covariance of estimates that are sums of the cases' contributions to first order.

    Rates, means and areas under the ROC curve are such estimates.

    Parameters
    ----------
    rates, n_rows, sizes : ndarray, shape (k,)
        Estimates, cases in their denominators, and sizes by which groups are pooled.
    influence : ndarray, shape (n,)
        Contribution of each case to the estimate of its own group; contributions sum to 0 in each group.
    group : ndarray of int, shape (n,)
    clusters : sequence of array_like of int
    scale : {"proportion", "positive", "real"}
    squares, counts : ndarray, shape (n,), optional
        If entries are cells of alike cases: the sum of their squared contributions, and the number of cases.
    still : ndarray, shape (k,), optional
        Effective sample size where a proportion of 0 or 1 hides its variance, if smaller than the number of clusters. (An
        area of 1 under the ROC curve rests on as many disjoint pairs as the scarcer class has cases.)
    extra : ndarray, shape (k,), optional
        Variance to add to each estimate, for values that did not occur in the sample.

    Returns
    -------
    CovarianceResult

    Raises
    ------
    ValueError
        If there are over two cluster columns.
    """
    k = len(rates)
    columns = [cluster_codes(c) for c in clusters]
    if len(columns) > 2:
        raise ValueError(f"at most two cluster columns, not {len(columns)}")
    entries = _Entries(
        influence,
        influence**2 if squares is None else squares,
        np.ones(len(influence)) if counts is None else counts,
        group,
        k,
    )
    vrow, rows = entries.sums(entries.squares), entries.sums(entries.counts).astype(np.int64)
    if not columns:
        n_clusters = rows
        M = np.diag(vrow * cluster_correction(n_clusters) ** 2)
    else:
        products, numbers = zip(*(entries.products(c) for c in columns), strict=True)
        M, n_clusters = sum(products), np.min(numbers, axis=0)
        if len(columns) == 2:
            M = M - entries.products(crossed_codes(*columns), correct=False)[0]
    if extra is not None:
        M = M + np.diag(np.nan_to_num(extra))
    variance = np.maximum(np.diag(M), vrow)
    proportion = scale == "proportion"
    hidden = n_clusters if still is None else np.minimum(n_clusters, still)
    n_effective = effective_size(rates, variance, vrow, n_rows, hidden, proportion)
    if proportion:
        variance = np.fmax(variance, agresti_caffo_variance(rates * n_effective, n_effective))
    M = M + np.diag(np.nan_to_num(variance) - np.diag(M))
    M = clip_eigenvalues((M + M.T) / 2)
    ways, df = len(columns), degrees_of_freedom(n_clusters)
    return CovarianceResult(rates, M, df, n_clusters, vrow, n_rows, n_effective, sizes, scale, ways)


@dataclass(frozen=True)
class _Entries:
    """Contributions of cases, or of cells of alike cases, to the estimates of k groups."""

    influence: FloatArray
    squares: FloatArray
    counts: FloatArray
    group: IntArray
    k: int

    def sums(self, values: FloatArray) -> FloatArray:
        return _sums(self.group, values, self.k)

    def products(self, cluster: IntArray, correct: bool = True) -> tuple[FloatArray, IntArray]:
        """Return ``sum_c S_c S_c'`` of the contributions summed within clusters, and the number of clusters per group.

        Cases that share no cluster (a negative number) add their own squares. They do not count as clusters, except in
        a group that has no others.
        """
        shared = cluster >= 0
        shape = int(cluster.max(initial=-1)) + 1, self.k
        sums = csr_array((self.influence[shared], (cluster[shared], self.group[shared])), shape=shape)
        sums.sum_duplicates()
        clusters = np.bincount(sums.indices, minlength=self.k)
        rows = _sums(self.group[~shared], self.counts[~shared], self.k).astype(np.int64)
        clusters = np.where(clusters > 0, clusters, rows)
        factor = cluster_correction(clusters) if correct else np.ones(self.k)
        alone = np.diag(_sums(self.group[~shared], self.squares[~shared], self.k))
        return (np.asarray((sums.T @ sums).toarray()) + alone) * np.outer(factor, factor), clusters


def cluster_codes(cluster: ArrayLike) -> IntArray:
    """Assign numbers to clusters, from 0, with -1 for a case that shares none (a muted query has no speaker).

    Parameters
    ----------
    cluster : array_like of int, shape (n,)
        Negative for a case that shares no cluster.

    Returns
    -------
    ndarray of int, shape (n,)
    """
    values = np.asarray(cluster)
    alone = values < 0 if values.dtype.kind == "i" else np.zeros(values.shape, dtype=bool)
    codes = np.full(len(values), -1, dtype=np.int64)
    codes[~alone] = np.unique(values[~alone], return_inverse=True)[1]
    return codes


def unit_codes(cluster: ArrayLike) -> IntArray:
    """Assign numbers to sampling units: clusters from 0, then the cases that share none, each by itself."""
    codes = cluster_codes(cluster)
    alone = codes < 0
    codes[alone] = codes.max(initial=-1) + 1 + np.arange(int(alone.sum()))
    return codes


def crossed_codes(first: IntArray, second: IntArray) -> IntArray:
    """Assign numbers to the combinations of two cluster columns; a case alone in either is alone."""
    both = first * (second.max(initial=0) + 1) + second
    return cluster_codes(np.where((first < 0) | (second < 0), -1, both))


def degrees_of_freedom(n_clusters: IntArray) -> int:
    """Return the fewest clusters minus one, at least 1, over the groups with at least 8 if there are two of them."""
    enough = n_clusters[n_clusters >= MIN_CLUSTERS]
    return max(int((enough if len(enough) > 1 else n_clusters).min(initial=1 << 30)) - 1, 1)


def _sums(code: IntArray, values: FloatArray, k: int) -> FloatArray:
    return np.bincount(code, values, minlength=k).astype(np.float64)


def cluster_prefix(ways: int) -> str:
    """Return the beginning of a method's name that says how many cluster columns were used."""
    return {0: "", 1: "one-way cluster ", 2: "two-way cluster "}[ways]


def cluster_correction(clusters: IntArray) -> FloatArray:
    """Return the square root of G / (G - 1), for G clusters."""
    return np.sqrt(clusters / np.maximum(clusters - 1, 1))


def effective_size(
    rates: FloatArray,
    variance: FloatArray,
    vrow: FloatArray,
    n_rows: FloatArray,
    n_clusters: IntArray,
    proportion: bool,
) -> FloatArray:
    """Return `CovarianceResult.n_effective`; all arrays have shape (k,)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        n = rates * (1 - rates) / variance if proportion else n_rows * vrow / variance
    # A rate of 0 or 1 hides its variance, whatever has been added to it.
    n = np.where((variance > 0) & (n > 0), np.minimum(n, n_rows), np.minimum(n_clusters, n_rows))
    return np.asarray(np.nan_to_num(n))


def clip_eigenvalues(matrix: FloatArray) -> FloatArray:
    """Return a symmetric matrix with its negative eigenvalues set to 0, unchanged if there are none."""
    values, vectors = np.linalg.eigh(np.nan_to_num(matrix))
    if values.min(initial=0) >= 0:
        return np.asarray(matrix)
    return np.asarray((vectors * np.maximum(values, 0)) @ vectors.T)
