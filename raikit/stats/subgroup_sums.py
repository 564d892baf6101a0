"""Sums of overlapping groups and of their rests, and the products of what independent units contribute to their rates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csr_array, diags_array, vstack

from raikit.stats._types import BoolArray, FloatArray, IntArray
from raikit.stats.covariance import cluster_codes
from raikit.stats.validation import case_weights

_DENSE = 30_000_000  # Largest number of elements of a matrix of units x groups that is multiplied densely.


@dataclass(frozen=True)
class Units:
    """Independent units that add their squares to the variance: clusters, or single cases.

    `events` and `trials` are matrices of units x base cells. The first `clusters` units are clusters, the others stand for
    cases that share none.
    """

    events: Any
    trials: Any
    clusters: int = 0


@dataclass(frozen=True)
class Cases:
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
    ) -> Cases:  # fmt: skip
        """Validate the arguments of `raikit.stats.subgroup_rates`."""
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

    def separate(self, which: BoolArray) -> Units:
        """Return single cases as units; one unit stands for all cases of a base cell and outcome, which are alike."""
        m = self.members.shape[1]
        kind = 2 * self.cell[which] + self.events[which].astype(np.int64)
        size = np.sqrt(np.bincount(kind, self.w2[which], minlength=2 * m))
        kinds = np.flatnonzero(size > 0)
        at = np.arange(len(kinds)), kinds // 2
        shape = len(kinds), m
        return Units(csr_array((size[kinds] * (kinds % 2), at), shape=shape), csr_array((size[kinds], at), shape=shape))

    def together(self, code: IntArray) -> Units:
        """Return clusters as units, then the cases that share none."""
        shared = code >= 0
        shape = int(code.max(initial=-1)) + 1, self.members.shape[1]
        at = code[shared], self.cell[shared]
        events, trials = (csr_array((part[shared], at), shape=shape) for part in (self.w * self.events, self.w))
        alone = self.separate(~shared)
        return Units(vstack([events, alone.events], "csr"), vstack([trials, alone.trials], "csr"), shape[0])


@dataclass(frozen=True)
class Sums:
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
    def of(cls, cases: Cases) -> Sums:
        """Add up cases within groups and outside them."""
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


def moments(units: Units, members: Any, sums: Sums) -> tuple[FloatArray, FloatArray, FloatArray]:
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
    matrix = square(inside) - crossed - crossed.T + outside
    rest = column_squares(shifted) - 2 * np.sum((shifted.T @ whole) * parts.T, axis=1) + np.diag(outside)
    return matrix, column_squares(own), np.where(rest * sums.kish_rest < 1e-12, 0.0, rest)


def square(matrix: Any) -> FloatArray:
    """Return ``matrix' matrix``, computed densely where that is quicker."""
    units, groups = matrix.shape
    if units * groups <= _DENSE and matrix.nnz > 0.02 * units * groups:
        dense = matrix.toarray()
        return np.asarray(dense.T @ dense)
    return np.asarray((matrix.T @ matrix).toarray())


def column_squares(matrix: Any) -> FloatArray:
    """Return the sum of squares of each column of a sparse matrix."""
    squares: FloatArray = np.asarray((matrix**2).sum(axis=0), dtype=float)
    return squares
