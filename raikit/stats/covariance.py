"""Covariance of the rates (or means) of groups when rows share clusters in one or two ways."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from raikit.stats._types import BoolArray, FloatArray, IntArray

Scale = Literal["proportion", "positive", "real"]
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
    scale : {"proportion", "positive", "real"}
        Which limits apply: exact ones of a proportion at the effective sample size (a rate, or any quantity between 0
        and 1), symmetric ones of the logarithm (errors and losses), or symmetric ones.
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
    scale: Scale
    ways: int

    @property
    def proportion(self) -> bool:
        """Whether limits of proportions apply."""
        return self.scale == "proportion"

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
    *,
    scale: Scale | None = None,
    squares: ArrayLike | None = None,
    counts: ArrayLike | None = None,
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
    scale : {"proportion", "positive", "real"}, optional
        In the place of `proportion`.
    squares, counts : array_like, shape (n,), optional
        If entries are cells of alike rows: sums of squared weights and numbers of rows (`weight` are sums of weights).

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
    rows = np.ones(len(num)) if counts is None else np.asarray(counts, dtype=float)
    w = rows if weight is None else np.asarray(weight, dtype=float)
    w2 = (w**2 if weight is not None else w) if squares is None else np.asarray(squares, dtype=float)
    columns = [np.asarray(c) for c in clusters]
    if any(len(v) != len(num) for v in (den, code, w, w2, rows, *columns)):
        raise ValueError("numerator, denominator, group, weight and clusters must have one entry per row")
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
    """Covariance of any estimates that are sums of row contributions to first order (rates, means, AUCs).

    Parameters
    ----------
    rates, n_rows, sizes : ndarray, shape (k,)
    influence : ndarray, shape (n,)
        Row contributions to the estimate of the row's own group; they sum to 0 in each group.
    group : ndarray of int, shape (n,)
    clusters : sequence of array_like of int
    scale : {"proportion", "positive", "real"}
    squares, counts : ndarray, shape (n,), optional
        If entries are cells of alike rows: the sum of their squared contributions, and how many rows there are.
    still : ndarray, shape (k,), optional
        Effective sample size where a proportion of 0 or 1 hides its variance, if fewer than the clusters (an area of 1
        under the ROC curve rests on as many disjoint pairs as the scarcer class has rows).
    extra : ndarray, shape (k,), optional
        Variance to add to each estimate, for what its rows have not shown.

    Returns
    -------
    CovarianceResult
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
        M = np.diag(vrow * _correction(n_clusters) ** 2)
    else:
        products, found = zip(*(entries.products(c) for c in columns), strict=True)
        M, n_clusters = sum(products), np.min(found, axis=0)
        if len(columns) == 2:
            M = M - entries.products(_crossed(*columns), correct=False)[0]
    if extra is not None:
        M = M + np.diag(np.nan_to_num(extra))
    variance = np.maximum(np.diag(M), vrow)
    proportion = scale == "proportion"
    hidden = n_clusters if still is None else np.minimum(n_clusters, still)
    n_effective = _effective(rates, variance, vrow, n_rows, hidden, proportion)
    if proportion:
        smoothed = (rates * n_effective + 1) / (n_effective + 2)
        variance = np.fmax(variance, smoothed * (1 - smoothed) / (n_effective + 2))
    M = _positive_semidefinite(M + np.diag(np.nan_to_num(variance) - np.diag(M)))
    ways, df = len(columns), degrees_of_freedom(n_clusters)
    return CovarianceResult(rates, M, df, n_clusters, vrow, n_rows, n_effective, sizes, scale, ways)


@dataclass(frozen=True)
class _Entries:
    """Contributions of rows, or of cells of alike rows, to the estimates of k groups."""

    influence: FloatArray
    squares: FloatArray
    counts: FloatArray
    group: IntArray
    k: int

    def sums(self, values: FloatArray) -> FloatArray:
        return _sums(self.group, values, self.k)

    def products(self, cluster: IntArray, correct: bool = True) -> tuple[FloatArray, IntArray]:
        """Return ``sum_c S_c S_c'`` of the contributions summed within clusters, and the clusters in each group.

        Rows that share no cluster (a negative number) add their own squares; they are no replicates of a cluster, and
        are counted only where a group has nothing else.
        """
        from scipy.sparse import csr_array

        shared = cluster >= 0
        shape = int(cluster.max(initial=-1)) + 1, self.k
        sums = csr_array((self.influence[shared], (cluster[shared], self.group[shared])), shape=shape)
        sums.sum_duplicates()
        named = np.bincount(sums.indices, minlength=self.k)
        rows = _sums(self.group[~shared], self.counts[~shared], self.k).astype(np.int64)
        found = np.where(named > 0, named, rows)
        factor = _correction(found) if correct else np.ones(self.k)
        alone = np.diag(_sums(self.group[~shared], self.squares[~shared], self.k))
        return (np.asarray((sums.T @ sums).toarray()) + alone) * np.outer(factor, factor), found


def cluster_codes(cluster: ArrayLike) -> IntArray:
    """Number clusters from 0; -1 for a row that shares none (a muted query has no speaker).

    Parameters
    ----------
    cluster : array_like, shape (n,)
        Of int; negative: the row stands alone.
    """
    written = np.asarray(cluster)
    alone = written < 0 if written.dtype.kind == "i" else np.zeros(written.shape, dtype=bool)
    codes = np.full(len(written), -1, dtype=np.int64)
    codes[~alone] = np.unique(written[~alone], return_inverse=True)[1]
    return codes


def unit_codes(cluster: ArrayLike) -> IntArray:
    """Number what is drawn as one: clusters from 0, then the rows that share none, each by itself."""
    codes = cluster_codes(cluster)
    alone = codes < 0
    codes[alone] = codes.max(initial=-1) + 1 + np.arange(int(alone.sum()))
    return codes


def _crossed(first: IntArray, second: IntArray) -> IntArray:
    """Number the combinations of two columns; a row alone in one is alone."""
    both = first * (second.max(initial=0) + 1) + second
    return cluster_codes(np.where((first < 0) | (second < 0), -1, both))


def degrees_of_freedom(n_clusters: IntArray) -> int:
    """Fewest clusters less one, over the groups with at least 8 if there are two of them; at least 1."""
    enough = n_clusters[n_clusters >= MIN_CLUSTERS]
    return max(int((enough if len(enough) > 1 else n_clusters).min(initial=1 << 30)) - 1, 1)


def _sums(code: IntArray, values: FloatArray, k: int) -> FloatArray:
    return np.bincount(code, values, minlength=k).astype(np.float64)


def _correction(found: IntArray) -> FloatArray:
    """Square root of G / (G - 1)."""
    return np.sqrt(found / np.maximum(found - 1, 1))


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
    # a rate of 0 or 1 hides its variance, whatever has been added to it
    n = np.where((variance > 0) & (n > 0), np.minimum(n, n_rows), np.minimum(n_clusters, n_rows))
    return np.asarray(np.nan_to_num(n))


def _positive_semidefinite(matrix: FloatArray) -> FloatArray:
    values, vectors = np.linalg.eigh(np.nan_to_num((matrix + matrix.T) / 2))
    if values.min(initial=0) >= 0:
        return np.asarray((matrix + matrix.T) / 2)
    return np.asarray((vectors * np.maximum(values, 0)) @ vectors.T)
