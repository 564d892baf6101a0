"""Rates of many overlapping groups, each beside the rate of all other rows, and the joint uncertainty of them all.

Groups of a search share rows: ``sex=F`` holds ``sex=F, age=old``. They are unions of *base cells* (the finest groups,
which share none), so whatever is summed once within base cells, or within clusters and base cells, gives the exact
covariance of every group with every other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from raikit.stats._types import BoolArray, FloatArray, IntArray
from raikit.stats.covariance import MIN_CLUSTERS, _correction, _crossed, _effective, cluster_codes

_DENSE = 30_000_000  # elements of a matrix of units x groups up to which its square is taken densely


@dataclass(frozen=True)
class Subgroups:
    """Rates of N groups that may overlap, each with the rate of the rest of the rows.

    Parameters
    ----------
    rates, rests : ndarray, shape (N,)
        Of the group, and of all rows outside it.
    shares : ndarray, shape (N,)
        Of the group in all rows, by weight; strictly between 0 and 1.
    overall : float
        Rate of all rows: ``shares * rates + (1 - shares) * rests``.
    n_rows : ndarray of int, shape (N,)
        Rows in the group.
    n_effective, rest_effective : ndarray, shape (N,)
        Independent rows of equal weight that would be as informative.
    correlation : ndarray, shape (N,)
        Of `rates` and `rests` with each other: 0 unless clusters reach into both.
    n_clusters : ndarray of int, shape (N,)
        Clusters of the group or of its rest, whichever has fewer; rows without cluster columns.
    joint : ndarray, shape (N, N)
        Correlation matrix of the differences ``rates - rests``.
    ways : int
        Cluster columns used: 0 (rows), 1 or 2.
    """

    rates: FloatArray
    rests: FloatArray
    shares: FloatArray
    overall: float
    n_rows: IntArray
    n_effective: FloatArray
    rest_effective: FloatArray
    correlation: FloatArray
    n_clusters: IntArray
    joint: FloatArray
    ways: int

    def __len__(self) -> int:
        return len(self.rates)

    @property
    def difference(self) -> FloatArray:
        """Rate of the group minus rate of the rest."""
        return np.asarray(self.rates - self.rests)

    @property
    def df(self) -> FloatArray:
        """Degrees of freedom of each group's limits: its clusters less one; infinite for independent rows."""
        if not self.ways:
            return np.full(len(self), np.inf)
        return np.maximum(self.n_clusters - 1, 1).astype(float)

    @property
    def few_clusters(self) -> BoolArray:
        """Groups that have, or whose rest has, fewer than 8 clusters: no limit holds, and they are not to be judged."""
        return np.asarray((self.ways > 0) & (self.n_clusters < MIN_CLUSTERS))

    def subset(self, index: ArrayLike) -> Subgroups:
        """Keep the groups at `index` (positions or a mask), in that order."""
        keep = np.arange(len(self))[np.asarray(index)]
        names = (
            "rates", "rests", "shares", "n_rows", "n_effective", "rest_effective", "correlation", "n_clusters",
        )  # fmt: skip
        return replace(self, **{name: getattr(self, name)[keep] for name in names}, joint=self.joint[np.ix_(keep, keep)])


def subgroup_rates(
    events: ArrayLike,
    cell: ArrayLike,
    members: ArrayLike,
    clusters: Sequence[ArrayLike] = (),
    weight: ArrayLike | None = None,
    *,
    squares: ArrayLike | None = None,
    counts: ArrayLike | None = None,
) -> Subgroups:
    """Rates of overlapping groups against the rest of the rows, with their joint covariance.

    Parameters
    ----------
    events : array_like of bool, shape (n,)
        Whether what is counted happened, in each row of the denominator (leave other rows out).
    cell : array_like of int, shape (n,)
        Base cell of each row, from 0 to m - 1; no two base cells share a row.
    members : array_like of bool, shape (N, m)
        Which base cells make up each group.
    clusters : sequence of array_like of int, each shape (n,)
        No column (rows are independent), one or two. A negative number: the row shares no cluster with another.
    weight : array_like, shape (n,), optional
        Sampling weights, >= 0; their scale does not matter.
    squares, counts : array_like, shape (n,), optional
        If entries are cells of alike rows: sums of squared weights and numbers of rows (`weight` are sums of weights).

    Returns
    -------
    Subgroups

    Raises
    ------
    ValueError
        If a group has no row with a weight or no row is left outside it, or lengths differ.

    Notes
    -----
    The contribution of row i to the difference of group g is ``w_i (x_i - p_g) / W_g`` inside and
    ``-w_i (x_i - q_g) / (W - W_g)`` outside. Independent rows: products of contributions are summed over rows, exactly,
    because all rows of one base cell and outcome contribute alike. Clustered rows: contributions are summed within
    clusters first, two columns by ``V_1 + V_2 - V_12`` [1]_, as in `raikit.stats.rate_covariance`; no variance is
    allowed below that of independent rows. It is the covariance that a Gaussian multiplier bootstrap draws from [2]_.

    References
    ----------
    .. [1] Cameron, Gelbach and Miller, "Robust inference with multiway clustering", JBES 2011, section 2.
    .. [2] Chernozhukov, Chetverikov and Kato, "Gaussian approximations and multiplier bootstrap for maxima of sums of
       high-dimensional random vectors", Annals of Statistics 2013.

    Examples
    --------
    >>> found = subgroup_rates([1, 0, 0, 0, 1, 1], [0, 0, 1, 1, 2, 2], [[1, 0, 0], [1, 1, 0]])
    >>> found.rates.tolist(), found.rests.tolist()
    ([0.5, 0.25], [0.5, 1.0])
    """
    rows = _Rows.of(events, cell, members, clusters, weight, squares, counts)
    sums = _Sums.of(rows)
    matrix, own, rest = _moments(rows.separate(np.ones(len(rows.cell), dtype=bool)), rows.members, sums)
    floor = np.diag(matrix).copy(), own, rest
    found = np.array([sums.n, sums.n_rest])
    if rows.clusters:
        matrix, own, rest, found = _clustered(rows, sums)
    apart, own, rest = (np.maximum(part, least) for part, least in zip((np.diag(matrix), own, rest), floor, strict=True))
    sizes = [
        _effective(rate, variance, least, kish, units, True)
        for rate, variance, least, kish, units in (
            (sums.p, own, floor[1], sums.kish, found[0]),
            (sums.q, rest, floor[2], sums.kish_rest, found[1]),
        )
    ]
    covariance = (own + rest - apart) / 2 if rows.clusters else np.zeros(len(own))
    correlation = np.clip(covariance / np.sqrt(np.maximum(own * rest, 1e-300)), -1.0, 1.0)
    smoothed = _agresti_caffo(sums.p, sizes[0]) + _agresti_caffo(sums.q, sizes[1])
    return Subgroups(
        sums.p, sums.q, sums.w / sums.total, sums.overall, sums.n, sizes[0], sizes[1], correlation, found.min(axis=0),
        _correlations(matrix, np.maximum(apart, smoothed)), len(rows.clusters),
    )  # fmt: skip


@dataclass(frozen=True)
class _Units:
    """What adds its own square to the variance: clusters, or rows by themselves. Matrices are units x base cells."""

    events: Any
    trials: Any
    named: int = 0  # the first so many are clusters; the others stand for rows that share none


@dataclass(frozen=True)
class _Rows:
    """The rows of the denominator, or cells of alike rows."""

    events: FloatArray
    cell: IntArray
    members: Any
    clusters: list[IntArray]
    w: FloatArray
    w2: FloatArray
    n: FloatArray

    @classmethod
    def of(
        cls, events: ArrayLike, cell: ArrayLike, members: ArrayLike, clusters: Sequence[ArrayLike],
        weight: ArrayLike | None, squares: ArrayLike | None, counts: ArrayLike | None,
    ) -> _Rows:  # fmt: skip
        from scipy.sparse import csr_array

        x, code = np.asarray(events, dtype=bool).astype(float), np.asarray(cell, dtype=np.int64)
        n = np.ones(len(x)) if counts is None else np.asarray(counts, dtype=float)
        w = n if weight is None else np.asarray(weight, dtype=float)
        w2 = (w**2 if weight is not None else w) if squares is None else np.asarray(squares, dtype=float)
        columns = [np.asarray(column) for column in clusters]
        if len(columns) > 2:
            raise ValueError(f"at most two cluster columns, not {len(columns)}")
        if any(len(part) != len(x) for part in (code, n, w, w2, *columns)):
            raise ValueError("events, cell, weight and clusters must have one entry per row")
        if np.any(w < 0):
            raise ValueError("weights must not be negative")
        keep = w > 0
        groups = csr_array(np.asarray(members, dtype=bool)).astype(float)
        return cls(x[keep], code[keep], groups, [cluster_codes(c[keep]) for c in columns], w[keep], w2[keep], n[keep])

    def sums(self, values: FloatArray) -> FloatArray:
        """Sum within base cells."""
        return np.bincount(self.cell, values, minlength=self.members.shape[1]).astype(float)

    def separate(self, which: BoolArray) -> _Units:
        """Rows as units of their own: those of one base cell and outcome are alike, so one row stands for them all."""
        from scipy.sparse import csr_array

        m = self.members.shape[1]
        kind = 2 * self.cell[which] + self.events[which].astype(np.int64)
        size = np.sqrt(np.bincount(kind, self.w2[which], minlength=2 * m))
        there = np.flatnonzero(size > 0)
        at = np.arange(len(there)), there // 2
        shape = len(there), m
        return _Units(csr_array((size[there] * (there % 2), at), shape=shape), csr_array((size[there], at), shape=shape))

    def together(self, code: IntArray) -> _Units:
        """Clusters as units, then the rows that share none."""
        from scipy.sparse import csr_array, vstack

        shared = code >= 0
        shape = int(code.max(initial=-1)) + 1, self.members.shape[1]
        at = code[shared], self.cell[shared]
        events, trials = (csr_array((part[shared], at), shape=shape) for part in (self.w * self.events, self.w))
        alone = self.separate(~shared)
        return _Units(vstack([events, alone.events], "csr"), vstack([trials, alone.trials], "csr"), shape[0])


@dataclass(frozen=True)
class _Sums:
    """Rates and sizes of each group (p, w, n) and of its rest (q, w_rest, n_rest)."""

    p: FloatArray
    q: FloatArray
    w: FloatArray
    w_rest: FloatArray
    n: IntArray
    n_rest: IntArray
    kish: FloatArray
    kish_rest: FloatArray
    total: float
    overall: float

    @classmethod
    def of(cls, rows: _Rows) -> _Sums:
        parts = [rows.sums(part) for part in (rows.w * rows.events, rows.w, rows.w2, rows.n)]
        x, w, w2, n = (rows.members @ part for part in parts)
        x_rest, w_rest, w2_rest, n_rest = (part.sum() - inside for part, inside in zip(parts, (x, w, w2, n), strict=True))
        if np.any(n < 0.5) or np.any(n_rest < 0.5):
            raise ValueError("a group without rows, or one that leaves none outside it, cannot be compared: leave it out")
        total = float(parts[1].sum())
        return cls(
            _snapped(x / w), _snapped(x_rest / w_rest), w, w_rest, np.rint(n).astype(np.int64),
            np.rint(n_rest).astype(np.int64), w**2 / w2, w_rest**2 / w2_rest, total, float(parts[0].sum()) / total,
        )  # fmt: skip


def _snapped(rate: FloatArray) -> FloatArray:
    """Rates of exactly 0 and 1 where sums of weights were taken off each other."""
    near = np.rint(rate)
    return np.asarray(np.where(np.abs(rate - near) < 1e-12, near, rate))


def _moments(units: _Units, members: Any, sums: _Sums) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Covariance matrix of the differences, variances of the rates and of the rests' rates.

    A unit contributes to a difference what it has inside the group, which is sparse, and what it has outside: its whole,
    a matrix of rank two, less what it has inside.
    """
    from scipy.sparse import diags_array

    events, trials = units.events @ members.T, units.trials @ members.T
    own = events @ diags_array(1 / sums.w) - trials @ diags_array(sums.p / sums.w)
    shifted = events @ diags_array(1 / sums.w_rest) - trials @ diags_array(sums.q / sums.w_rest)
    whole = np.column_stack([units.events.sum(axis=1), units.trials.sum(axis=1)])
    parts = np.vstack([1 / sums.w_rest, -sums.q / sums.w_rest])
    inside = own + shifted
    crossed = (inside.T @ whole) @ parts
    outside = parts.T @ (whole.T @ whole) @ parts
    matrix = _square(inside) - crossed - crossed.T + outside
    rest = _column_squares(shifted) - 2 * np.sum((shifted.T @ whole) * parts.T, axis=1) + np.diag(outside)
    return matrix, _column_squares(own), np.where(rest * sums.kish_rest < 1e-12, 0.0, rest)


def _clustered(rows: _Rows, sums: _Sums) -> tuple[FloatArray, FloatArray, FloatArray, IntArray]:
    """As `_moments`, over one or two cluster columns, and the clusters of groups and rests, of the column with fewer."""
    matrix: FloatArray = np.zeros((len(sums.p), len(sums.p)))
    own, rest = np.zeros(len(sums.p)), np.zeros(len(sums.p))
    fewest = np.full((2, len(sums.p)), np.iinfo(np.int64).max)
    for code in rows.clusters:
        units = rows.together(code)
        found = _clusters_in(units, rows, code < 0)
        factor, fewest = _correction(found.min(axis=0)), np.minimum(fewest, found)
        parts = _moments(units, rows.members, sums)
        matrix += parts[0] * np.outer(factor, factor)
        own, rest = own + parts[1] * factor**2, rest + parts[2] * factor**2
    if len(rows.clusters) == 2:
        both = _moments(rows.together(_crossed(*rows.clusters)), rows.members, sums)
        matrix, own, rest = matrix - both[0], own - both[1], rest - both[2]
    return matrix, own, rest, fewest


def _clusters_in(units: _Units, rows: _Rows, alone: BoolArray) -> IntArray:
    """Clusters in each group and in its rest, shape (2, N); where there are none, rows that share none."""
    trials = units.trials[: units.named]
    inside = (trials @ rows.members.T).tocoo()
    groups = rows.members.shape[0]
    whole = np.asarray(trials.sum(axis=1))
    only = inside.data >= whole[inside.row] * (1 - 1e-9)
    single = rows.sums(rows.n * alone)
    single_in = rows.members @ single
    found = np.bincount(inside.col, minlength=groups)
    outside = units.named - np.bincount(inside.col[only], minlength=groups)
    found = np.where(found > 0, found, single_in)
    outside = np.where(outside > 0, outside, single.sum() - single_in)
    counted: IntArray = np.rint(np.array([found, outside])).astype(np.int64)
    return counted


def _square(matrix: Any) -> FloatArray:
    """``matrix' matrix``, densely where that is quicker."""
    units, groups = matrix.shape
    if units * groups <= _DENSE and matrix.nnz > 0.02 * units * groups:
        dense = matrix.toarray()
        return np.asarray(dense.T @ dense)
    return np.asarray((matrix.T @ matrix).toarray())


def _column_squares(matrix: Any) -> FloatArray:
    squares: FloatArray = np.asarray((matrix**2).sum(axis=0), dtype=float)
    return squares


def _agresti_caffo(rate: FloatArray, n: FloatArray) -> FloatArray:
    smoothed = (rate * n + 1) / (n + 2)
    return np.asarray(smoothed * (1 - smoothed) / (n + 2))


def _correlations(matrix: FloatArray, variance: FloatArray) -> FloatArray:
    """Correlations at variances that are at least those of the matrix, so that no group is taken for certain."""
    scale = 1 / np.sqrt(variance)
    found = matrix * np.outer(scale, scale)
    np.fill_diagonal(found, 1.0)
    return np.asarray((found + found.T) / 2)
