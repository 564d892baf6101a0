"""Variances of overlapping groups and of their rests by leaving one cluster out.

A cluster's contribution to a group's rate is divided by one minus its share of the group, and its contribution to the rest's
rate by one minus its share of the rest (see `raikit.stats.jackknife`). Contributions to groups are sparse. Those to rests are
not, but of small clusters they have rank two, up to the divisor, for which the largest small cluster's is taken.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.sparse import csr_array, diags_array

from raikit.stats._types import BoolArray, FloatArray, IntArray
from raikit.stats.covariance import crossed_codes
from raikit.stats.dominance import dominated
from raikit.stats.subgroup_skewness import subgroup_skewness
from raikit.stats.subgroup_sums import Cases, Sums, Units, column_squares, square

_LARGE = 1 / 500  # Share of all weight from which a cluster is treated by itself.
_NEARLY = 1.02  # Largest divisor that may stand for those of all small clusters.
_SEVERAL = 1.5  # Times the weight of an average case: a cluster of more is one of several cases.
_WHOLE = 1e-9  # A cluster that holds all but this share cannot be left out.


@dataclass(frozen=True)
class Moments:
    """What units show about N groups.

    Parameters
    ----------
    matrix : ndarray, shape (N, N)
        Covariance of the differences between groups and rests.
    difference, own, rest : ndarray, shape (N,)
        Variances of the differences, of the groups' rates and of the rests'.
    numbers : ndarray of int, shape (2, N)
        Units of the groups and of the rests.
    effective : ndarray, shape (2, N)
        Their effective numbers.
    dominated : ndarray of bool, shape (N,)
        Whether one to three clusters are in a class of their own in the group or in its rest.
    skew : ndarray, shape (2, N)
        Third central moments of the groups' rates and of the rests' that clusters cause, divided by their variances.
    several, repeatable : ndarray, shape (2, N)
        Clusters of several cases of the groups and of the rests, and the share of their cases that are not the first of theirs.
    """

    matrix: FloatArray
    difference: FloatArray
    own: FloatArray
    rest: FloatArray
    numbers: IntArray
    effective: FloatArray
    dominated: BoolArray
    skew: FloatArray
    several: FloatArray
    repeatable: FloatArray

    def at_least(self, other: Moments) -> Moments:
        """Return moments with no variance below that of `other`."""
        names = ("difference", "own", "rest")
        return replace(self, **{name: np.maximum(getattr(self, name), getattr(other, name)) for name in names})


def cluster_moments(cases: Cases, sums: Sums) -> Moments:
    """Leave out the clusters of one column or of two."""
    ways = [_leave_one_out(cases, sums, code) for code in cases.clusters]
    if len(ways) == 1:
        return ways[0]
    both = _leave_one_out(cases, sums, crossed_codes(*cases.clusters))
    first, second = ways
    names = ("matrix", "difference", "own", "rest")
    parts = {name: getattr(first, name) + getattr(second, name) - getattr(both, name) for name in names}
    numbers, effective = np.minimum(first.numbers, second.numbers), np.minimum(first.effective, second.effective)
    either = first.dominated | second.dominated
    skew = np.where(np.abs(first.skew) > np.abs(second.skew), first.skew, second.skew)
    found = Moments(**parts, numbers=numbers, effective=effective, dominated=either, skew=skew,
                    several=np.minimum(first.several, second.several),
                    repeatable=np.maximum(first.repeatable, second.repeatable))
    return found.at_least(first).at_least(second)


def _leave_one_out(cases: Cases, sums: Sums, code: IntArray) -> Moments:
    units = _Table.of(cases, cases.together(code))
    numbers = units.numbers(cases, code < 0)
    scale = np.sqrt(np.maximum(numbers - 1, 1) / np.maximum(numbers, 1))
    large = units.cluster & (units.whole[:, 1] >= _LARGE * sums.total)
    parts = units.take(large).moments_of_large(sums, scale), units.take(~large).moments_of_small(sums, scale, cases)
    matrix, own, rest = (first + second for first, second in zip(*parts, strict=True))
    single = float(cases.w2.sum() / cases.w.sum())
    few_large, repeated = units.dominated(sums, single), units.several(sums, single)
    skew = subgroup_skewness(cases, sums, code, (own, rest))
    return Moments(matrix, np.diag(matrix).copy(), own, rest, numbers, units.effective(sums), few_large, skew, *repeated)


_Parts = tuple[FloatArray, FloatArray, FloatArray]  # matrix, own, rest


@dataclass(frozen=True)
class _Table:
    """Events and trials of units in every group, sparse, and in all cases (`whole`, of two columns).

    A unit is a cluster, or stands for alike cases that share none.
    """

    events: Any
    trials: Any
    whole: FloatArray
    cluster: BoolArray

    @classmethod
    def of(cls, cases: Cases, units: Units) -> _Table:
        whole = np.column_stack([np.asarray(part.sum(axis=1)).ravel() for part in (units.events, units.trials)])
        events, trials = ((part @ cases.members.T).tocsr() for part in (units.events, units.trials))
        return cls(events, trials, whole, np.arange(len(whole)) < units.clusters)

    def take(self, keep: BoolArray) -> _Table:
        return _Table(self.events[keep], self.trials[keep], self.whole[keep], self.cluster[keep])

    def numbers(self, cases: Cases, alone: BoolArray) -> IntArray:
        """Return the units of each group and of its rest, shape (2, N); a case without a cluster is one."""
        within = self.trials[self.cluster].tocoo()
        whole, k = self.whole[self.cluster, 1], self.trials.shape[1]
        only_within = within.data >= whole[within.row] * (1 - 1e-9)
        inside, enclosed = np.bincount(within.col, minlength=k), np.bincount(within.col[only_within], minlength=k)
        single = cases.sums(cases.n * alone)
        single_inside = cases.members @ single
        return np.rint([inside + single_inside, len(whole) - enclosed + single.sum() - single_inside]).astype(np.int64)

    def several(self, sums: Sums, single: float) -> tuple[FloatArray, FloatArray]:
        """Return `Moments.several` and `Moments.repeatable`; `single` is the weight of a case."""
        within, whole = self.trials[self.cluster].tocoo(), self.whole[self.cluster, 1]
        k, of_all, least = self.trials.shape[1], whole[within.row], _SEVERAL * single
        many = whole > least
        every = np.array([many.sum(), np.sum(whole[many] - single)], dtype=float)
        inside, outside, touched = (
            np.array([np.bincount(within.col[weight > least], part[weight > least], minlength=k)
                      for part in (np.ones(len(weight)), weight - single)])
            for weight in (within.data, of_all - within.data, of_all)
        )  # fmt: skip
        number, repeated = np.stack([inside, every[:, None] - touched + outside], axis=1)
        return number, np.clip(repeated / np.maximum([sums.w, sums.w_rest], 1e-300), 0.0, 1.0)

    def effective(self, sums: Sums) -> FloatArray:
        """Return the effective numbers of units of each group and of its rest, shape (2, N)."""
        whole = self.whole[:, 1]
        inside = column_squares(self.trials)
        outside = whole @ whole - 2 * (self.trials.T @ whole) + inside
        return np.array([sums.w**2, sums.w_rest**2]) / np.maximum([inside, outside], 1e-300)

    def dominated(self, sums: Sums, single: float) -> BoolArray:
        """Return where few clusters are in a class of their own, in the group or in the rest.

        `single` is the weight of a case. Of the rests only the ten largest clusters of all cases are looked at; others are at
        most as large as the next.
        """
        k, inside = self.trials.shape[1], self.trials[self.cluster].tocoo()
        if not len(inside.data) or not self.cluster.any():
            return np.zeros(k, dtype=bool)
        of_own, of_rest = 1 / self.effective(sums)
        alone = 0.0 if self.cluster.all() else single
        own = dominated(inside.col, inside.data / sums.w[inside.col], of_own, alone / sums.w)
        whole = self.whole[:, 1] * self.cluster
        order = np.argsort(whole)
        largest, unseen = order[-10:], max(alone, *whole[order[-11:-10]], 0.0)
        outside = (whole[largest, None] - self.trials[largest].toarray()) / sums.w_rest
        column = np.tile(np.arange(k), len(largest))
        return own | dominated(column, outside.ravel(), of_rest, unseen / sums.w_rest)

    def moments_of_large(self, sums: Sums, scale: FloatArray) -> _Parts:
        events, trials = self.events.toarray(), self.trials.toarray()
        own = scale[0] * _moved(events - sums.p * trials, trials, sums.w)
        events, trials = self.whole[:, :1] - events, self.whole[:, 1:] - trials
        rest = scale[1] * _moved(events - sums.q * trials, trials, sums.w_rest)
        moves = own - rest
        return moves.T @ moves, np.sum(own**2, axis=0), np.sum(rest**2, axis=0)

    def moments_of_small(self, sums: Sums, scale: FloatArray, cases: Cases) -> _Parts:
        single = float(cases.w2.sum() / cases.w.sum())
        own = self._own_moves(sums, scale[0], single)
        largest = max(float(self.whole[self.cluster, 1].max(initial=0.0)), single if not self.cluster.all() else 0.0)
        near = largest * _NEARLY < (_NEARLY - 1) * sums.w_rest
        factor = np.where(near, scale[1] / np.where(near, sums.w_rest - largest, 1.0), 0.0)
        shifted = self.events @ diags_array(factor) - self.trials @ diags_array(factor * sums.q)
        parts = np.vstack([factor, -factor * sums.q])
        exact = self._rests(np.flatnonzero(~near), sums, scale[1], single)
        inside = own + shifted - exact
        crossed = (inside.T @ self.whole) @ parts
        outside = parts.T @ (self.whole.T @ self.whole) @ parts
        rest = column_squares(shifted) - 2 * np.sum((shifted.T @ self.whole) * parts.T, axis=1) + np.diag(outside)
        rest = np.where(near, np.where(rest * sums.kish_rest < 1e-12, 0.0, rest), column_squares(exact))
        return square(inside) - crossed - crossed.T + outside, column_squares(own), rest

    def _own_moves(self, sums: Sums, scale: FloatArray, single: float) -> Any:
        own = self.events @ diags_array(scale) - self.trials @ diags_array(scale * sums.p)
        weight = self.trials.tocoo()
        left = sums.w[weight.col] - np.where(self.cluster[weight.row], weight.data, single)
        total = sums.w[weight.col]
        factor = 1 / np.where(left > _WHOLE * total, left, total)
        return own.multiply(csr_array((factor, (weight.row, weight.col)), shape=weight.shape)).tocsr()

    def _rests(self, groups: IntArray, sums: Sums, scale: FloatArray, single: float) -> Any:
        """Return the moves of the rests of some groups, in a matrix of all groups."""
        trials = self.whole[:, 1:] - self.trials[:, groups].toarray()
        events = self.whole[:, :1] - self.events[:, groups].toarray()
        weight = np.where(self.cluster[:, None], trials, single)
        moves = scale[groups] * _moved(events - sums.q[groups] * trials, weight, sums.w_rest[groups])
        row, column = np.nonzero(moves)
        return csr_array((moves[row, column], (row, groups[column])), shape=self.trials.shape)


def _moved(residual: FloatArray, weight: FloatArray, total: FloatArray) -> FloatArray:
    """Return how far an estimate moves without a unit of a residual and a weight."""
    left = total - weight
    return np.asarray(residual / np.where(left > _WHOLE * total, left, total))
