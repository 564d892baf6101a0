"""Joint covariance of the rates of two models, on the same cases (paired) or on different ones (unpaired)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from raikit.stats._types import FloatArray, IntArray
from raikit.stats.constants import TINY
from raikit.stats.covariance import (
    PER_GROUP,
    CovarianceResult,
    clip_eigenvalues,
    influence_covariance,
    rate_covariance,
)
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
        Entries 0 .. k-1 are A, entries k .. 2k-1 are B. NaN where a group has no case in the denominator.

    Raises
    ------
    ValueError
        If lengths differ, there are over two cluster columns, or a weight is negative.

    Notes
    -----
    Counts without clusters: the variances of A, of B and of B - A come from the table of (A, B) of each group, with half
    a case added to each of its four cells. The variances of A and B are then Agresti and Caffo's. Different groups are
    independent.

    Clusters: contributions of both models are summed within clusters [1]_. The variance of a group's own B - A is never
    below that of its table; otherwise a group in which A and B always agree would have a difference without error.

    References
    ----------
    .. [1] Cameron, Gelbach and Miller, "Robust inference with multiway clustering", JBES 2011.
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
    total = both.sizes[code]
    influence = w * ((b - a) - (both.rates[k:] - both.rates[:k])[code] * den) / total
    own = influence_covariance(
        both.rates[k:] - both.rates[:k],
        influence,
        code,
        columns,
        both.n_rows[:k],
        both.sizes[:k],
        squares=w2 * (influence / w) ** 2,
        counts=rows,
    )
    variance, M = np.diag(own.M).copy(), both.M.copy()
    if binary:
        n = both.n_rows[:k]
        table = _joint_table(code, w, a, b, k, n)
        variance = np.maximum(variance, table.difference) if columns else table.difference
        if not columns:
            M[np.diag_indices(2 * k)] = np.append(table.first, table.second)
    each = np.diag(M)
    i = np.arange(k)
    M[i, k + i] = M[k + i, i] = (each[:k] + each[k:] - variance) / 2
    return replace(both, M=M if np.isnan(M).any() else clip_eigenvalues(M))


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
