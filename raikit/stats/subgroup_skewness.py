"""Skewness of the rates of overlapping groups and of their rests, whose cases share clusters.

The moments are those of `raikit.stats.skewness.pooled_moments`, group by group. What a cluster adds to them is a polynomial in the
rate. So the sums of a rest are those of all clusters, corrected for the clusters that have cases in the group, which are sparse.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import csr_array

from raikit.stats._types import FloatArray, IntArray
from raikit.stats.constants import TINY
from raikit.stats.subgroup_sums import Cases, Sums

_ROUNDING = 1e-9
_ENTRIES = 1 << 20  # of clusters x groups that are looked at together, to bound memory


def subgroup_skewness(cases: Cases, sums: Sums, code: IntArray, variances: tuple[FloatArray, FloatArray]) -> FloatArray:
    """Return the third central moments that clusters cause, divided by the variances, of N groups and of their rests.

    Parameters
    ----------
    cases : Cases
    sums : Sums
    code : ndarray of int, shape (n,)
        Cluster of each case; negative for one that shares none.
    variances : tuple of ndarray, each shape (N,)
        Of the groups' rates and of the rests'.

    Returns
    -------
    ndarray, shape (2, N)
        Positive or 0 where the rate is at most one half, else negative or 0: only towards more of the rarer outcome.
    """
    inside, outside = _sums_of_terms(cases, code)
    parts = (inside, sums.p, sums.w, variances[0]), (outside, sums.q, sums.w_rest, variances[1])
    return np.array([_skewness(*part) for part in parts])


def _skewness(terms: FloatArray, rate: FloatArray, total: FloatArray, variance: FloatArray) -> FloatArray:
    """Return skewness from the sums of `_terms`, shape (10, N)."""
    common, second, third, (squares, cubes) = terms[0], terms[1:4], terms[4:8], terms[8:]
    sign, power = np.where(rate <= 0.5, 1.0, -1.0), rate ** np.arange(4)[:, None]
    known = common > _ROUNDING * total
    mean = np.where(known, common, np.inf)
    pooled = np.maximum(np.sum(second * power[:3], axis=0) / mean, 0.0) * squares / total**2
    moment = np.maximum(sign * np.sum(third * power, axis=0) / mean, 0.0) * cubes / total**3
    return np.asarray(sign * moment / np.maximum(np.maximum(variance, pooled), TINY))


def _sums_of_terms(cases: Cases, code: IntArray) -> tuple[FloatArray, FloatArray]:
    """Return the sums of `_terms` over the clusters of groups and of rests, each shape (10, N)."""
    tables = _tables(cases, code)
    whole = _parts([np.asarray(table.sum(axis=1)).ravel() for table in tables])
    alone, groups = _terms(whole), cases.members.shape[0]
    total = alone.sum(axis=1)[:, None]
    step, inside, outside = max(_ENTRIES // max(len(whole[0]), 1), 1), [], []
    for start in range(0, groups, step):
        within = [table @ cases.members[start : start + step].T for table in tables]
        for table in within:
            table.sort_indices()  # All have the same entries: no weight is 0.
        first, entries = within[0], _parts([table.data for table in within])
        of_cluster = np.repeat(whole, np.diff(first.indptr), axis=1)
        left = np.where(entries[0] < (1 - _ROUNDING) * of_cluster[0], of_cluster - entries, 0.0)
        inside.append(_by_group(_terms(entries), first))
        present = csr_array((np.ones(first.nnz), first.indices, first.indptr), shape=first.shape)
        outside.append(total - (present.T @ alone.T).T + _by_group(_terms(left), first))
    return np.hstack(inside), np.hstack(outside)


def _tables(cases: Cases, code: IntArray) -> list[Any]:
    """Return matrices of clusters x base cells: weights, squares and cubes, as real parts; with the event, as imaginary parts.

    Cases of one cluster, base cell and outcome count as alike, so that cells of alike cases give what cases give. Of other weights
    the sum of cubes is larger. Clusters of a single case, which show nothing, are left out.
    """
    number = np.append(np.bincount(code[code >= 0], cases.n[code >= 0]), 0)  # the last for cases without a cluster
    shared, m = (code >= 0) & (number[code] > 1.5), cases.members.shape[1]
    key = 2 * (code[shared] * m + cases.cell[shared]) + cases.events[shared].astype(np.int64)
    found, at = np.unique(key, return_inverse=True)
    w, w2 = (np.bincount(at.reshape(-1), part[shared], minlength=len(found)) for part in (cases.w, cases.w2))
    row = np.unique(found // (2 * m), return_inverse=True)[1].reshape(-1)
    shape = int(row.max(initial=-1)) + 1, m
    both = 1 + 1j * (found % 2)
    return [csr_array((np.maximum(part, TINY) * both, (row, found // 2 % m)), shape=shape) for part in (w, w2, w2**2 / w)]


def _parts(tables: list[Any]) -> FloatArray:
    return np.array([part for table in tables for part in (table.real, table.imag)], dtype=float)


def _by_group(terms: FloatArray, table: Any) -> FloatArray:
    return np.array([np.bincount(table.indices, term, minlength=table.shape[1]) for term in terms], dtype=float)


def _terms(sums: FloatArray) -> FloatArray:
    """Return what clusters add to `pooled_moments`, shape (10, n).

    `sums`, shape (6, n), hold weights, squared and cubed weights of a cluster's cases, each of all and of those with the event. The
    terms are its weight as far as shared, the coefficients of second and third moments as polynomials in the rate, and the factors
    by which the pooled moments are multiplied.
    """
    t, e, t2, e2, t3, e3 = sums
    squares, mixed = t * t - t2, e * t
    several = squares > _ROUNDING * t * t  # a single case shows nothing of what clusters add
    held = np.where(several, t, 1.0)
    second = [e * e - e2, 2 * (e2 - mixed), squares]
    third = [e * e * e - e3, 3 * (e3 - e * mixed), 3 * (mixed * t - e3), t3 - t * t * t]
    factors = [squares, squares * t]
    terms = [squares / held, *(each / held for each in second), *(each / (held * held) for each in third), *factors]
    return np.asarray(several * np.array(terms))
