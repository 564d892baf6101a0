"""Estimates of one run from the influence of each case, and their change between two runs that share cases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from raikit.stats._types import FloatArray, IntArray
from raikit.stats.changes import NORMAL_DF, RunEstimates, welch
from raikit.stats.covariance import influence_covariance
from raikit.stats.covariance_result import Scale

_ROUNDING = 1e-9  # of what is compared: smaller contributions are errors of rounding


def influence_estimates(
    value: FloatArray,
    influence: FloatArray,
    group: IntArray,
    clusters: Sequence[ArrayLike],
    n_rows: FloatArray,
    *,
    largest: FloatArray,
    scale: Scale = "real",
    squares: FloatArray | None = None,
    counts: FloatArray | None = None,
) -> RunEstimates:
    """Return estimates with the covariance that the influences of their cases give.

    Parameters
    ----------
    value, n_rows : ndarray, shape (k,)
    influence : ndarray, shape (n,)
        Contribution of each case to the estimate of its own group; contributions sum to 0 in each group.
    group, clusters, scale, squares, counts
        As in `raikit.stats.influence_covariance`.
    largest : ndarray, shape (k,)
        Largest contribution that one more case could make to each group's estimate. Its square is added to the variance:
        cases that all agree may hide one that does not.

    Notes
    -----
    Degrees of freedom come from the squared contributions of cases or clusters, ``(sum f^2)^2 / sum f^4 - 1``, and from the
    effective number of clusters if that is smaller: a few large contributions make a variance that is little known.
    """
    cov = influence_covariance(
        value, influence, group, clusters, n_rows, n_rows, scale=scale, squares=squares, counts=counts
    )  # fmt: skip
    known = np.where(np.diag(cov.M) > 0, np.maximum(cov.supporting - 1, 0.0), NORMAL_DF)
    df = np.where(cov.few_clusters, 0.0, np.minimum(known, cov.df) if cov.ways else known)
    return RunEstimates(value, cov.M + np.diag(largest**2), df)


@dataclass(frozen=True)
class CaseInfluences:
    """Influence of each case of one run on the estimate of its group.

    Parameters
    ----------
    influence : ndarray, shape (n,)
    group : ndarray of int, shape (n,)
        Negative: none.
    unit : ndarray of int, shape (n,)
        The case, from 0: the same number in both runs is the same case.
    clusters : sequence of ndarray of int, each of shape (n,)
        The same number in both runs is the same cluster.
    """

    influence: FloatArray
    group: IntArray
    unit: IntArray
    clusters: Sequence[IntArray]


def shared_loss(before: RunEstimates, after: RunEstimates, first: CaseInfluences, second: CaseInfluences) -> RunEstimates:
    """Return how much estimates changed, ``after - before``, with a variance that knows which cases both runs share.

    Parameters
    ----------
    before, after : RunEstimates
        Of the same k groups.
    first, second : CaseInfluences
        Of all their cases.

    Notes
    -----
    The contributions of a case to both estimates are subtracted before they are squared, so ``var(b - a) = var(a) + var(b) -
    2 cov(a, b)`` with the covariance of the shared cases. Where every case is shared, one more case with the largest difference
    is added to the variance (with the largest contribution, where most cases show no difference; with the variance of a run, where
    no case contributes to either, such as to two recalls of 1). Else what `before` and `after` have beyond the squared
    contributions stays.
    """
    k = len(before.value)
    cases = [(each.influence[keep], each.group[keep], each.unit[keep], [c[keep] for c in each.clusters])
             for each in (first, second) for keep in (each.group >= 0,)]
    group = np.concatenate([group for _, group, _, _ in cases])
    unit = np.concatenate([unit for _, _, unit, _ in cases])
    # A case whose group differs between the runs counts as two.
    _, place, row = np.unique(unit * k + group, return_index=True, return_inverse=True)
    row = row.reshape(-1)
    signed = np.concatenate([-cases[0][0], cases[1][0]])
    clusters = [np.concatenate(both)[place] for both in zip(*(columns for *_, columns in cases), strict=True)]
    change: FloatArray = np.bincount(row, signed).astype(float)
    sizes: FloatArray = np.bincount(group[place], minlength=k).astype(float)
    where = group[place]
    differ = np.abs(change) > _ROUNDING * np.max(np.abs(signed), initial=0.0)
    seen = change if np.count_nonzero(differ) * 2 > len(change) else signed  # decisions that agree hide one that does not
    relative = float(np.max(np.abs(seen) * sizes[where if seen is change else group], initial=0.0))
    largest = relative / np.maximum(sizes, 1)
    of_run = np.sqrt(np.maximum(np.diag(before.covariance), np.diag(after.covariance)))
    largest = np.where(largest > _ROUNDING * of_run, largest, of_run)
    if len(place) * 2 == len(unit):
        return influence_estimates(after.value - before.value, change, where, clusters, sizes, largest=largest)
    estimate = influence_estimates(after.value - before.value, change, where, clusters, sizes, largest=np.zeros(k))
    separate = [
        influence_estimates(run.value, part, code, columns, sizes, largest=np.zeros(k))
        for run, (part, code, _, columns) in zip((before, after), cases, strict=True)
    ]
    floors = sum(np.diag(run.covariance) - np.diag(raw.covariance) for run, raw in zip((before, after), separate, strict=True))
    df = np.minimum(estimate.df, welch(np.diag(before.covariance), before.df, np.diag(after.covariance), after.df))
    return RunEstimates(estimate.value, estimate.covariance + np.diag(np.maximum(floors, 0.0)), df)
