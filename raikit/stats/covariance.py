"""Covariance of the rates (or means) of groups when rows share clusters in one or two ways."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from raikit.stats._types import BoolArray, FloatArray, IntArray

MIN_CLUSTERS = 8  # below this, in one group, no simulation vouches for the covariance


@dataclass(frozen=True)
class CovarianceResult:
    """Estimates of k groups with their joint uncertainty.

    Parameters
    ----------
    rates : ndarray, shape (k,)
        NaN where a group has no row in the denominator.
    M : ndarray, shape (k, k)
        Covariance of the rates: positive semi-definite, diagonal at least `vrow`.
    df : int
        Degrees of freedom: the fewest clusters (of any column) in any group that has at least 8, less one. If no two
        groups have 8, over all groups.
    n_clusters : ndarray of int, shape (k,)
        Clusters of each group, of the column that has fewer.
    vrow : ndarray, shape (k,)
        Variance of each rate if rows were independent.
    n_rows : ndarray, shape (k,)
        Rows in the denominator (Kish's effective number if weighted).
    n_effective : ndarray, shape (k,)
        Independent rows that would be as informative: rate (1 - rate) / variance, at most `n_rows`. Where a rate
        of exactly 0 or 1 hides its variance, the number of clusters. For means: ``n_rows * vrow / M_ii``.
    sizes : ndarray, shape (k,)
        Sum of weight times denominator, with which groups are pooled.
    proportion : bool
        Whether every row contributes 0 or 1, so that limits of proportions apply.
    ways : int
        Cluster columns used: 0 (rows), 1 or 2.
    """

    rates: FloatArray
    M: FloatArray
    df: int
    n_clusters: IntArray
    vrow: FloatArray
    n_rows: FloatArray
    n_effective: FloatArray
    sizes: FloatArray
    proportion: bool
    ways: int

    @property
    def few_clusters(self) -> BoolArray:
        """Groups with fewer than 8 clusters: shown, flagged, and never deciding."""
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
) -> CovarianceResult:
    """Rates (ratios of sums) of groups and their covariance.

    Parameters
    ----------
    numerator, denominator : array_like, shape (n,)
        The rate of a group is ``sum(weight * numerator) / sum(weight * denominator)`` over its rows. For a mean the
        denominator is 1; for a true positive rate it is ``y`` and the numerator ``y * yhat``.
    group : array_like of int, shape (n,)
        Group of each row, from 0; rows with a negative group are left out. For the equalized odds gap code
        group and class together (``group + k * y``) and give the class to `clustered_odds_gap` as stratum.
    clusters : sequence of array_like of int, each shape (n,)
        No column (rows are independent), one or two. A negative number: the row shares no cluster with another.
    weight : array_like, shape (n,), optional
        Sampling weights, >= 0; their scale does not matter.
    groups : int, optional
        Number of groups k, if the last ones may have no rows.
    proportion : bool, optional
        Whether rows contribute 0 or 1, so that limits of proportions apply; by default, whether they do.

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
    ``V = sum_c S_c S_c' G / (G - 1)`` (G clusters of each group), and two columns ``M = V_1 + V_2 - V_12``, V_12 by
    their intersection [1]_ [2]_. The diagonal is not allowed below the independent-rows variance, for proportions
    of Agresti-Caffo; negative eigenvalues are set to 0.

    References
    ----------
    .. [1] Cameron, Gelbach and Miller, "Robust inference with multiway clustering", JBES 2011, section 2.
    .. [2] MacKinnon, Nielsen and Webb, "Cluster-robust jackknife and bootstrap inference", 2024.
    """
    num, den, code = np.asarray(numerator, dtype=float), np.asarray(denominator, dtype=float), np.asarray(group)
    w = np.ones(len(num)) if weight is None else np.asarray(weight, dtype=float)
    columns = [np.asarray(c) for c in clusters]
    if any(len(v) != len(num) for v in (den, code, w, *columns)):
        raise ValueError("numerator, denominator, group, weight and clusters must have one entry per row")
    if np.any(w < 0):
        raise ValueError("weights must not be negative")
    k = groups if groups is not None else int(code.max(initial=-1)) + 1
    keep = (code >= 0) & (w > 0) & ((den != 0) | (num != 0))
    num, den, code, w = num[keep], den[keep], code[keep].astype(np.int64), w[keep]
    total = _sums(code, w * den, k)
    with np.errstate(divide="ignore", invalid="ignore"):
        rates = _sums(code, w * num, k) / total
        influence = w * (num - rates[code] * den) / total[code]
        n_rows = _sums(code, w, k) ** 2 / _sums(code, w**2, k)
    if proportion is None:
        proportion = bool(np.all((den == 1) & ((num == 0) | (num == 1))))
    return influence_covariance(
        rates, influence, code, [c[keep] for c in columns], np.nan_to_num(n_rows), total, proportion=proportion
    )


def influence_covariance(
    rates: FloatArray,
    influence: FloatArray,
    group: IntArray,
    clusters: Sequence[ArrayLike],
    n_rows: FloatArray,
    sizes: FloatArray,
    *,
    proportion: bool = False,
) -> CovarianceResult:
    """Covariance of any estimates that are sums of row contributions to first order (rates, means, AUCs).

    Parameters
    ----------
    rates, n_rows, sizes : ndarray, shape (k,)
    influence : ndarray, shape (n,)
        Row contributions to the estimate of the row's own group; they sum to 0 in each group.
    group : ndarray of int, shape (n,)
    clusters : sequence of array_like of int
    proportion : bool

    Returns
    -------
    CovarianceResult
    """
    k = len(rates)
    columns = [cluster_codes(c) for c in clusters]
    if len(columns) > 2:
        raise ValueError(f"at most two cluster columns, not {len(columns)}")
    vrow = _sums(group, influence**2, k)
    if not columns:
        n_clusters = np.bincount(group, minlength=k)
        M = np.diag(vrow * _correction(n_clusters) ** 2)
    else:
        products, found = zip(*(_summed_products(influence, group, c, shared, k) for c, shared in columns), strict=True)
        M, n_clusters = sum(products), np.min(found, axis=0)
        if len(columns) == 2:
            (first, _), (second, _) = columns
            both = np.unique(first * (second.max(initial=0) + 1) + second, return_inverse=True)[1]
            M = M - _summed_products(influence, group, both, 0, k, correct=False)[0]
    variance = np.maximum(np.diag(M), vrow)
    n_effective = _effective(rates, variance, vrow, n_rows, n_clusters, proportion)
    if proportion:
        smoothed = (rates * n_effective + 1) / (n_effective + 2)
        variance = np.fmax(variance, smoothed * (1 - smoothed) / (n_effective + 2))
    M = _positive_semidefinite(M + np.diag(np.nan_to_num(variance) - np.diag(M)))
    ways, df = len(columns), degrees_of_freedom(n_clusters)
    return CovarianceResult(rates, M, df, n_clusters, vrow, n_rows, n_effective, sizes, proportion, ways)


def cluster_codes(cluster: ArrayLike) -> tuple[IntArray, int]:
    """Number clusters from 0, those of a single row without a cluster last; and how many are shared ones.

    Parameters
    ----------
    cluster : array_like of int, shape (n,)
        Negative: the row shares no cluster with another (a muted query has no speaker).

    Returns
    -------
    codes : ndarray of int, shape (n,)
    shared : int
        Codes below it are clusters that were named. Rows that stand alone add their own variance, but they are no
        replicates of a cluster and do not count as clusters unless a group has nothing else.
    """
    written = np.asarray(cluster)
    alone = written < 0 if written.dtype.kind == "i" else np.zeros(written.shape, dtype=bool)
    codes = np.zeros(len(written), dtype=np.int64)
    known, codes[~alone] = np.unique(written[~alone], return_inverse=True)
    codes[alone] = len(known) + np.arange(alone.sum())
    return codes, len(known)


def degrees_of_freedom(n_clusters: IntArray) -> int:
    """Fewest clusters less one, over the groups with at least 8 if there are two of them; at least 1."""
    enough = n_clusters[n_clusters >= MIN_CLUSTERS]
    return max(int((enough if len(enough) > 1 else n_clusters).min(initial=1 << 30)) - 1, 1)


def _sums(code: IntArray, values: FloatArray, k: int) -> FloatArray:
    return np.bincount(code, values, minlength=k).astype(np.float64)


def _correction(found: IntArray) -> FloatArray:
    """Square root of G / (G - 1)."""
    return np.sqrt(found / np.maximum(found - 1, 1))


def _summed_products(
    influence: FloatArray, group: IntArray, cluster: IntArray, shared: int, k: int, correct: bool = True
) -> tuple[FloatArray, IntArray]:
    """Return ``sum_c S_c S_c'`` of the contributions summed within clusters, and the clusters found in each group.

    Where a group has shared clusters (numbered below `shared`), only they are counted.
    """
    from scipy.sparse import csr_array

    rows = int(cluster.max(initial=0)) + 1
    sums = csr_array((influence, (cluster, group)), shape=(rows, k))
    sums.sum_duplicates()
    found = np.bincount(sums.indices, minlength=k)
    named = np.bincount(sums.indices[: sums.indptr[min(shared, rows)]], minlength=k)
    found = np.where(named > 0, named, found)
    factor = _correction(found) if correct else np.ones(k)
    return np.asarray((sums.T @ sums).toarray()) * np.outer(factor, factor), found


def _effective(
    rates: FloatArray,
    variance: FloatArray,
    vrow: FloatArray,
    n_rows: FloatArray,
    n_clusters: IntArray,
    proportion: bool,
) -> FloatArray:
    with np.errstate(divide="ignore", invalid="ignore"):
        n = rates * (1 - rates) / variance if proportion else n_rows * vrow / variance
    n = np.where(variance > 0, np.minimum(n, n_rows), np.minimum(n_clusters, n_rows))
    return np.asarray(np.nan_to_num(n))


def _positive_semidefinite(matrix: FloatArray) -> FloatArray:
    values, vectors = np.linalg.eigh(np.nan_to_num((matrix + matrix.T) / 2))
    if values.min(initial=0) >= 0:
        return np.asarray((matrix + matrix.T) / 2)
    return np.asarray((vectors * np.maximum(values, 0)) @ vectors.T)
