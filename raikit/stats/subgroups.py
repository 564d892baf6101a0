"""Rates of many overlapping groups, each beside the rate of all other cases, and their joint covariance.

Groups of a search share cases: "sex: F" contains "sex: F, age: old". All are unions of *base cells*, the finest groups,
which share none. Sums within base cells, or within clusters and base cells, therefore give the exact covariance estimate
of every group with every other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csr_array, diags_array, vstack

from raikit.stats._types import BoolArray, FloatArray, IntArray
from raikit.stats.constants import TINY
from raikit.stats.covariance import MIN_CLUSTERS, cluster_codes, cluster_correction, crossed_codes, effective_size
from raikit.stats.rates import agresti_caffo_variance
from raikit.stats.validation import case_weights

_DENSE = 30_000_000  # Largest number of elements of a matrix of units x groups that is multiplied densely.


@dataclass(frozen=True)
class Subgroups:
    """Rates of N groups that may overlap, each with the rate of all other cases.

    Parameters
    ----------
    rates, rests : ndarray, shape (N,)
        Rate of the group, and of all cases outside it.
    shares : ndarray, shape (N,)
        Share of the group in all cases, by weight; strictly between 0 and 1.
    overall : float
        Rate of all cases: ``shares * rates + (1 - shares) * rests``.
    n_rows : ndarray of int, shape (N,)
        Cases in the group.
    n_effective, rest_effective : ndarray, shape (N,)
        Number of independent cases of equal weight that would be as informative, in the group and outside it.
    correlation : ndarray, shape (N,)
        Correlation of `rates` with `rests`: 0 unless clusters have cases in both.
    n_clusters : ndarray of int, shape (N,)
        Clusters of the group or of its rest, whichever has fewer. Without cluster columns, cases.
    joint : ndarray, shape (N, N)
        Correlation matrix of the differences ``rates - rests``.
    ways : int
        Number of cluster columns used: 0 (independent cases), 1 or 2.
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
        """Degrees of freedom of each group's limits: its clusters minus one; infinite for independent cases."""
        if not self.ways:
            return np.full(len(self), np.inf)
        return np.maximum(self.n_clusters - 1, 1).astype(float)

    @property
    def few_clusters(self) -> BoolArray:
        """Which groups, or their rests, have fewer than 8 clusters. Their limits are unreliable: judge none of them."""
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
    """Compute the rates of overlapping groups and of all other cases, with their joint covariance.

    Parameters
    ----------
    events : array_like of bool, shape (n,)
        Whether the event occurred, for each case of the denominator. Leave other cases out.
    cell : array_like of int, shape (n,)
        Base cell of each case, from 0 to m - 1.
    members : array_like of bool, shape (N, m)
        Which base cells make up each group.
    clusters : sequence of array_like of int, each shape (n,)
        No column (independent cases), one or two. A negative number marks a case that shares no cluster.
    weight : array_like, shape (n,), optional
        Sampling weights, >= 0; their scale does not matter.
    squares, counts : array_like, shape (n,), optional
        If entries are cells of alike cases: sums of squared weights and numbers of cases (`weight` holds sums of weights).

    Returns
    -------
    Subgroups

    Raises
    ------
    ValueError
        If a group or its rest has no case with a weight, lengths differ, there are over two cluster columns, or a weight
        is negative.

    Notes
    -----
    The contribution of case i to the difference of group g is ``w_i (x_i - p_g) / W_g`` inside and
    ``-w_i (x_i - q_g) / (W - W_g)`` outside. For independent cases, products of contributions are summed over cases; all
    cases of one base cell and outcome contribute alike, so this is fast. For clustered cases, contributions are first
    summed within clusters, with two columns as ``V_1 + V_2 - V_12`` [1]_, as in `raikit.stats.rate_covariance`. No variance
    is below that of independent cases. A Gaussian multiplier bootstrap draws from the same covariance [2]_.

    References
    ----------
    .. [1] Cameron, Gelbach and Miller, "Robust inference with multiway clustering", JBES 2011, section 2.
    .. [2] Chernozhukov, Chetverikov and Kato, "Gaussian approximations and multiplier bootstrap for maxima of sums of
       high-dimensional random vectors", Annals of Statistics 2013.

    Examples
    --------
    >>> groups = subgroup_rates([1, 0, 0, 0, 1, 1], [0, 0, 1, 1, 2, 2], [[1, 0, 0], [1, 1, 0]])
    >>> groups.rates.tolist(), groups.rests.tolist()
    ([0.5, 0.25], [0.5, 1.0])
    """
    cases = _Cases.of(events, cell, members, clusters, weight, squares, counts)
    sums = _Sums.of(cases)
    matrix, own, rest = _moments(cases.separate(np.ones(len(cases.cell), dtype=bool)), cases.members, sums)
    floor = np.diag(matrix).copy(), own, rest
    numbers = np.array([sums.n, sums.n_rest])
    if cases.clusters:
        matrix, own, rest, numbers = _clustered(cases, sums)
    difference, own, rest = (
        np.maximum(part, least) for part, least in zip((np.diag(matrix), own, rest), floor, strict=True)
    )
    inside = effective_size(sums.p, own, floor[1], sums.kish, numbers[0], proportion=True)
    outside = effective_size(sums.q, rest, floor[2], sums.kish_rest, numbers[1], proportion=True)
    covariance = (own + rest - difference) / 2 if cases.clusters else np.zeros(len(own))
    smoothed = agresti_caffo_variance(sums.p * inside, inside) + agresti_caffo_variance(sums.q * outside, outside)
    return Subgroups(
        rates=sums.p,
        rests=sums.q,
        shares=sums.w / sums.total,
        overall=sums.overall,
        n_rows=sums.n,
        n_effective=inside,
        rest_effective=outside,
        correlation=np.clip(covariance / np.sqrt(np.maximum(own * rest, TINY)), -1.0, 1.0),
        n_clusters=numbers.min(axis=0),
        joint=_correlations(matrix, np.maximum(difference, smoothed)),
        ways=len(cases.clusters),
    )


@dataclass(frozen=True)
class _Units:
    """Independent units that add their squares to the variance: clusters, or single cases.

    `events` and `trials` are matrices of units x base cells. The first `clusters` units are clusters, the others stand for
    cases that share none.
    """

    events: Any
    trials: Any
    clusters: int = 0


@dataclass(frozen=True)
class _Cases:
    """Cases of the denominator, or cells of alike cases, with their base cells and weights."""

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
    ) -> _Cases:  # fmt: skip
        x, code = np.asarray(events, dtype=bool).astype(float), np.asarray(cell, dtype=np.int64)
        w, w2, n = case_weights(len(x), weight, squares, counts)
        columns = [np.asarray(column) for column in clusters]
        if len(columns) > 2:
            raise ValueError(f"at most two cluster columns, not {len(columns)}")
        if any(len(part) != len(x) for part in (code, n, w, w2, *columns)):
            raise ValueError("events, cell, weight and clusters must have one entry per case")
        if np.any(w < 0):
            raise ValueError("weights must not be negative")
        keep = w > 0
        groups = csr_array(np.asarray(members, dtype=bool)).astype(float)
        return cls(x[keep], code[keep], groups, [cluster_codes(c[keep]) for c in columns], w[keep], w2[keep], n[keep])

    def sums(self, values: FloatArray) -> FloatArray:
        """Sum within base cells."""
        return np.bincount(self.cell, values, minlength=self.members.shape[1]).astype(float)

    def separate(self, which: BoolArray) -> _Units:
        """Return single cases as units; one unit stands for all cases of a base cell and outcome, which are alike."""
        m = self.members.shape[1]
        kind = 2 * self.cell[which] + self.events[which].astype(np.int64)
        size = np.sqrt(np.bincount(kind, self.w2[which], minlength=2 * m))
        kinds = np.flatnonzero(size > 0)
        at = np.arange(len(kinds)), kinds // 2
        shape = len(kinds), m
        return _Units(csr_array((size[kinds] * (kinds % 2), at), shape=shape), csr_array((size[kinds], at), shape=shape))

    def together(self, code: IntArray) -> _Units:
        """Return clusters as units, then the cases that share none."""
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
    def of(cls, cases: _Cases) -> _Sums:
        parts = [cases.sums(part) for part in (cases.w * cases.events, cases.w, cases.w2, cases.n)]
        x, w, w2, n = (cases.members @ part for part in parts)
        x_rest, w_rest, w2_rest, n_rest = (part.sum() - inside for part, inside in zip(parts, (x, w, w2, n), strict=True))
        if np.any(n < 0.5) or np.any(n_rest < 0.5):
            raise ValueError("a group without cases, or one that leaves none outside it, cannot be compared: leave it out")
        total = float(parts[1].sum())
        return cls(
            _snapped(x / w), _snapped(x_rest / w_rest), w, w_rest, np.rint(n).astype(np.int64),
            np.rint(n_rest).astype(np.int64), w**2 / w2, w_rest**2 / w2_rest, total, float(parts[0].sum()) / total,
        )  # fmt: skip


def _snapped(rate: FloatArray) -> FloatArray:
    """Return rates with exact 0 and 1, which differences of sums of weights may miss by rounding."""
    near = np.rint(rate)
    return np.asarray(np.where(np.abs(rate - near) < 1e-12, near, rate))


def _moments(units: _Units, members: Any, sums: _Sums) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the covariance matrix of the differences, and the variances of the groups' and of the rests' rates.

    A unit's contribution to a difference is that of its cases inside the group, which is sparse, and of those outside.
    The latter is the contribution of all its cases, a matrix of rank two, minus that of the cases inside.
    """
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


def _clustered(cases: _Cases, sums: _Sums) -> tuple[FloatArray, FloatArray, FloatArray, IntArray]:
    """Return `_moments` over one or two cluster columns, and the clusters of groups and rests, of the column with fewer."""
    matrix: FloatArray = np.zeros((len(sums.p), len(sums.p)))
    own, rest = np.zeros(len(sums.p)), np.zeros(len(sums.p))
    fewest = np.full((2, len(sums.p)), np.iinfo(np.int64).max)
    for code in cases.clusters:
        units = cases.together(code)
        numbers = _cluster_numbers(units, cases, code < 0)
        factor, fewest = cluster_correction(numbers.min(axis=0)), np.minimum(fewest, numbers)
        parts = _moments(units, cases.members, sums)
        matrix += parts[0] * np.outer(factor, factor)
        own, rest = own + parts[1] * factor**2, rest + parts[2] * factor**2
    if len(cases.clusters) == 2:
        both = _moments(cases.together(crossed_codes(*cases.clusters)), cases.members, sums)
        matrix, own, rest = matrix - both[0], own - both[1], rest - both[2]
    return matrix, own, rest, fewest


def _cluster_numbers(units: _Units, cases: _Cases, alone: BoolArray) -> IntArray:
    """Return the clusters in each group and in its rest, shape (2, N); without clusters, the cases that share none."""
    trials = units.trials[: units.clusters]
    within = (trials @ cases.members.T).tocoo()
    groups = cases.members.shape[0]
    whole = np.asarray(trials.sum(axis=1))
    only_within = within.data >= whole[within.row] * (1 - 1e-9)
    single = cases.sums(cases.n * alone)
    single_inside = cases.members @ single
    inside = np.bincount(within.col, minlength=groups)
    outside = units.clusters - np.bincount(within.col[only_within], minlength=groups)
    inside = np.where(inside > 0, inside, single_inside)
    outside = np.where(outside > 0, outside, single.sum() - single_inside)
    numbers: IntArray = np.rint(np.array([inside, outside])).astype(np.int64)
    return numbers


def _square(matrix: Any) -> FloatArray:
    """Return ``matrix' matrix``, computed densely where that is quicker."""
    units, groups = matrix.shape
    if units * groups <= _DENSE and matrix.nnz > 0.02 * units * groups:
        dense = matrix.toarray()
        return np.asarray(dense.T @ dense)
    return np.asarray((matrix.T @ matrix).toarray())


def _column_squares(matrix: Any) -> FloatArray:
    squares: FloatArray = np.asarray((matrix**2).sum(axis=0), dtype=float)
    return squares


def _correlations(matrix: FloatArray, variance: FloatArray) -> FloatArray:
    """Return correlations at variances of at least those of the matrix, so that no estimate counts as certain."""
    scale = 1 / np.sqrt(variance)
    correlations = matrix * np.outer(scale, scale)
    np.fill_diagonal(correlations, 1.0)
    return np.asarray((correlations + correlations.T) / 2)
