"""Joint covariance of the rates of two models, on the same cases (paired) or on different ones (unpaired)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from raikit.stats._types import BoolArray, FloatArray, IntArray
from raikit.stats.constants import TINY
from raikit.stats.covariance import clip_eigenvalues, influence_covariance, rate_covariance, weights_vary
from raikit.stats.covariance_result import PER_GROUP, CovarianceResult
from raikit.stats.validation import case_weights


def paired_covariance(
    events_a: ArrayLike,
    events_b: ArrayLike,
    denominator: ArrayLike,
    group: ArrayLike,
    clusters: Sequence[ArrayLike] = (),
    weight: ArrayLike | None = None,
    *,
    squares: ArrayLike | None = None,
    counts: ArrayLike | None = None,
    groups: int | None = None,
) -> CovarianceResult:
    """Compute the rates of k groups under two models on the same cases, and the joint covariance of all 2k.

    Parameters
    ----------
    events_a, events_b : array_like, shape (n,)
        What the baseline (A) and the candidate (B) count in each case: 0 or 1, or any number for a mean.
    denominator, group, clusters, weight, squares, counts, groups
        As in `raikit.stats.rate_covariance`. An entry may be a case, or a cell of cases alike in all these arguments.

    Returns
    -------
    CovarianceResult
        Entries 0 .. k-1 are A, entries k .. 2k-1 are B. NaN where a group has no case in the denominator. `few_events` are the
        groups of cases of unequal weight of which the models decide none differently, although they do elsewhere.

    Raises
    ------
    ValueError
        If lengths differ, there are over two cluster columns, or a weight is negative.

    Notes
    -----
    Counts without clusters: the variances of A, of B and of B - A come from the table of (A, B) of each group, with half
    a case added to each of its four cells. The variances of A and B are then Agresti and Caffo's. Different groups are
    independent.

    Weights or clusters: the covariances of A, of B and of B - A are those of `raikit.stats.rate_covariance`, by leaving out
    each case or cluster. A group in which A and B always agree would have a difference without error. So with clusters alone
    the variance of a group's own B - A is never below that of its table. With weights, one more case that the models decide
    differently is allowed for: the square of its mean share of the group's weight is added.
    """
    a, b, den = (np.asarray(v, dtype=float) for v in (events_a, events_b, denominator))
    code = np.asarray(group).astype(np.int64)
    columns = [np.asarray(c) for c in clusters]
    if any(len(v) != len(a) for v in (b, den, code, *columns)):
        raise ValueError("events, denominator, group and clusters must have one entry per case")
    w, w2, rows = case_weights(len(a), weight, squares, counts)
    k = groups if groups is not None else int(code.max(initial=-1)) + 1
    keep = (code >= 0) & (w > 0) & ((den != 0) | (a != 0) | (b != 0))
    a, b, den, code, w, w2, rows = (v[keep] for v in (a, b, den, code, w, w2, rows))
    columns = [c[keep] for c in columns]
    binary = bool(np.all((den == 1) & ((a == 0) | (a == 1)) & ((b == 0) | (b == 1))))
    both = rate_covariance(
        np.append(a, b),
        np.tile(den, 2),
        np.append(code, code + k),
        [np.tile(c, 2) for c in columns],
        np.tile(w, 2),
        2 * k,
        scale="proportion" if binary else "real",
        squares=np.tile(w2, 2),
        counts=np.tile(rows, 2),
    )
    M, change = both.M.copy(), _change_covariance(both, code, w, w2, rows, b - a, den, columns)
    unseen = np.zeros(k, dtype=bool)
    if binary and weights_vary(w, w2, rows):
        flips = _Flips.of(code, w, rows, a != b, k)
        unseen = flips.unseen
        change = change + np.diag(flips.share**2)
    elif binary:
        table = _joint_table(code, rows, a, b, k, both.n_rows[:k])
        change = change + np.diag(np.maximum(table.difference - np.diag(change), 0.0)) if columns else np.diag(table.difference)
        if not columns:
            M[np.diag_indices(2 * k)] = np.append(table.first, table.second)
    return replace(both, M=_with_change(M, change), few_events=np.tile(unseen, 2))


def _change_covariance(
    both: CovarianceResult,
    code: IntArray,
    w: FloatArray,
    w2: FloatArray,
    counts: FloatArray,
    change: FloatArray,
    denominator: FloatArray,
    clusters: Sequence[IntArray],
) -> FloatArray:
    """Return the covariance of the groups' B - A, from what each case contributes to the difference."""
    k = len(both.rates) // 2
    difference = both.rates[k:] - both.rates[:k]
    unit = (change - difference[code] * denominator) / both.sizes[code]
    return influence_covariance(
        difference,
        w * unit,
        code,
        clusters,
        both.n_rows[:k],
        both.sizes[:k],
        squares=w2 * unit**2,
        counts=counts,
        weight=w * denominator,
        weight_squares=w2 * denominator**2,
    ).M


@dataclass(frozen=True)
class _Flips:
    """Cases of each group that the models decide differently.

    Parameters
    ----------
    share : ndarray, shape (k,)
        Mean share of such a case in its group's weight; the heaviest case's share where there are none.
    unseen : ndarray of bool, shape (k,)
        Groups without such a case in which cases weigh differently: those that were not seen may weigh anything. If the models
        decide no case at all differently, none counts as unseen.
    """

    share: FloatArray
    unseen: BoolArray

    @classmethod
    def of(cls, code: IntArray, w: FloatArray, counts: FloatArray, flipped: BoolArray, k: int) -> _Flips:
        weight, number = (np.bincount(code[flipped], part[flipped], minlength=k) for part in (w, counts))
        total, cases = (np.maximum(np.bincount(code, part, minlength=k), TINY) for part in (w, counts))
        heaviest = np.zeros(k)
        np.maximum.at(heaviest, code, w / counts)
        mean = np.where(number > 0, weight / np.maximum(number, TINY), heaviest)
        varied = heaviest > total / cases * (1 + 1e-9)
        return cls(mean / total, np.asarray((number == 0) & varied & bool(flipped.any())))


def _with_change(M: FloatArray, change: FloatArray) -> FloatArray:
    """Return the joint covariance of A and B with covariances between the two that make B - A vary as `change`."""
    k = len(change)
    cross = M[:k, k:]
    between = (M[:k, :k] + M[k:, k:] - change) / 2 + (cross - cross.T) / 2
    joint = np.block([[M[:k, :k], between], [between.T, M[k:, k:]]])
    return joint if np.isnan(joint).any() else clip_eigenvalues(joint)


@dataclass(frozen=True)
class _JointTable:
    """Variances of the rates of A, of B and of their difference, one per group."""

    first: FloatArray
    second: FloatArray
    difference: FloatArray


def _joint_table(
    code: IntArray, w: FloatArray, a: FloatArray, b: FloatArray, k: int, n: FloatArray
) -> _JointTable:
    """Compute variances from the 2x2 table of each group, with half a case added to each cell (of n effective cases)."""
    cell = np.bincount(4 * code + 2 * a.astype(np.int64) + b.astype(np.int64), w, minlength=4 * k).reshape(k, 4)
    share = cell / np.maximum(cell.sum(axis=1, keepdims=True), TINY)
    p = (share * n[:, None] + 0.5) / (n[:, None] + 2)
    first, second, differing = p[:, 2] + p[:, 3], p[:, 1] + p[:, 3], p[:, 1] + p[:, 2]
    difference = differing - (p[:, 1] - p[:, 2]) ** 2
    return _JointTable(*(v / (n + 2) for v in (first * (1 - first), second * (1 - second), difference)))


def unpaired_covariance(
    a: CovarianceResult | tuple[ArrayLike, ArrayLike], b: CovarianceResult | tuple[ArrayLike, ArrayLike]
) -> CovarianceResult:
    """Compute the rates of k groups under two models measured on different cases, and their covariance.

    A baseline that is known only by its counts enters here.

    Parameters
    ----------
    a, b : (x, n) or CovarianceResult
        Events and trials per group (effective ones if weighted), or rates with their covariance.

    Returns
    -------
    CovarianceResult
        Entries 0 .. k-1 are A, entries k .. 2k-1 are B; no covariance between the two.

    Raises
    ------
    ValueError
        If the models have different numbers of groups, or some x is outside [0, n].
    """
    first, second = (v if isinstance(v, CovarianceResult) else _of_counts(*v) for v in (a, b))
    if len(first.rates) != len(second.rates):
        raise ValueError("both models need the same groups")
    parts: dict[str, Any] = {name: np.append(getattr(first, name), getattr(second, name)) for name in PER_GROUP}
    k = len(first.rates)
    for name in ("M", "concentration"):
        parts[name] = np.zeros((2 * k, 2 * k))
        parts[name][:k, :k], parts[name][k:, k:] = getattr(first, name), getattr(second, name)
    return replace(first, ways=max(first.ways, second.ways), **parts)


def _of_counts(x: ArrayLike, n: ArrayLike) -> CovarianceResult:
    events, trials = np.asarray(x, dtype=float), np.asarray(n, dtype=float)
    if events.shape != trials.shape or np.any((events < 0) | (events > trials)):
        raise ValueError("x must lie between 0 and n in every group")
    k = len(trials)
    group = np.tile(np.arange(k), 2)
    cells = np.append(np.ones(k), np.zeros(k))
    rows = np.append(events, trials - events)
    return rate_covariance(cells, np.ones(2 * k), group, groups=k, proportion=True, counts=rows)
