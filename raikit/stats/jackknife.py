"""Variances of estimates by leaving one unit out: a cluster, or a case that shares none.

An estimate of a group is a sum of contributions. Without a unit that holds the share h of the group's weight, it moves by
the unit's summed contribution divided by ``1 - h``. The squares of these moves estimate the variance [1]_ [2]_. They see
what plain sums of squares hide: a large unit pulls the estimate towards itself, so that its own residual is small.

References
----------
.. [1] Bell and McCaffrey, "Bias reduction in standard errors for linear regression with multi-stage samples", Survey
   Methodology 2002.
.. [2] MacKinnon, Nielsen and Webb, "Cluster-robust jackknife and bootstrap inference", 2024.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from scipy.sparse import csr_array

from raikit.stats._types import AnyArray, BoolArray, FloatArray, IntArray
from raikit.stats.dominance import dominated
from raikit.stats.skewness import pooled_moments

_SMALL = 1 << 16  # A table of so many cells is never sparse.
_WHOLE = 1e-9  # A unit that holds all but this share of a group cannot be left out.


@dataclass(frozen=True)
class Contributions:
    """Contributions of n entries to the estimates of k groups. An entry is a case, a cell of alike cases or a cluster.

    Parameters
    ----------
    group, part : ndarray of int, shape (n,)
        Group of each entry, and the denominator that it belongs to: that of a group, or of one of a group's classes.
    influence, squares : ndarray, shape (n,)
        Sum of the contributions of the entry's units, and sum of their squares.
    share, share_squares : ndarray, shape (n,)
        The same of their shares of the part's weight.
    support, support_squares : ndarray, shape (n,)
        The same of the weight of the rarer outcome; where there are no outcomes, of the squared contributions.
    counts : ndarray, shape (n,)
        Units of each entry.
    case_shares, case_squares, case_cubes : ndarray, shape (n,)
        Sums over single cases, whatever the unit: of their squared shares, squared and cubed contributions.
    """

    group: IntArray
    part: IntArray
    influence: FloatArray
    squares: FloatArray
    share: FloatArray
    share_squares: FloatArray
    support: FloatArray
    support_squares: FloatArray
    counts: FloatArray
    case_shares: FloatArray
    case_squares: FloatArray
    case_cubes: FloatArray

    def take(self, keep: AnyArray | slice) -> Contributions:
        """Keep the entries at a mask or at positions."""
        return Contributions(*(getattr(self, column.name)[keep] for column in fields(self)))

    def within_clusters(self, cluster: IntArray, outcomes: bool) -> tuple[Contributions, IntArray]:
        """Make one entry of each cluster's cases in each part; a case without a cluster (a negative number) remains.

        Parameters
        ----------
        cluster : ndarray of int, shape (n,)
        outcomes : bool
            Whether `support` is the weight of the rarer outcome, which adds up, or squared contributions.

        Returns
        -------
        (entries, cluster) : Contributions and ndarray of int
        """
        shared = cluster >= 0
        every = bool(shared.all())
        inside, of_inside = (self, cluster) if every else (self.take(shared), cluster[shared])
        parts = int(self.part.max(initial=0)) + 1
        keys = of_inside * parts + inside.part
        if every and _distinct(keys):
            squares = self.influence**2
            support = self.support if outcomes else squares
            together = replace(
                self, squares=squares, share_squares=self.share**2, support=support, support_squares=support**2,
                counts=np.ones(len(keys)),
            )  # fmt: skip
            return together, cluster
        key, (influence, share, support, *of_cases) = _sums_by_key(
            keys, inside.influence, inside.share, inside.support, inside.case_shares, inside.case_squares, inside.case_cubes
        )
        support = support if outcomes else influence**2
        part = key % parts
        group = np.zeros(parts, dtype=np.int64)
        group[self.part] = self.group
        together = Contributions(
            group[part], part, influence, influence**2, share, share**2, support, support**2, np.ones(len(key)), *of_cases
        )
        if every:
            return together, key // parts
        alone = self.take(~shared)
        joined = (np.append(getattr(together, c.name), getattr(alone, c.name)) for c in fields(self))
        return Contributions(*joined), np.append(key // parts, cluster[~shared])


@dataclass(frozen=True)
class LeaveOneOut:
    """What leaving out each unit shows about the estimates of k groups.

    Parameters
    ----------
    covariance : ndarray, shape (k, k)
    number : ndarray of int, shape (k,)
        Units of each group.
    concentration : ndarray, shape (k, k)
        Sum over units of the product of their shares in two groups. The diagonal is 1 / (effective number of units).
    one_more : ndarray, shape (k,)
        Square of the largest move of one unit towards more of the rarer outcome.
    skew : ndarray, shape (k,)
        Third central moment of the estimate divided by its variance, as far as clusters cause it and towards more of the rarer
        outcome; at least 0 (`raikit.stats.skewness`).
    supporting : ndarray, shape (k,)
        Effective number of units that hold the rarer outcome, ``(sum s)^2 / sum s^2``.
    dominated : ndarray of bool, shape (k,)
        Whether one to three clusters are in a class of their own (`raikit.stats.dominance`).
    several : ndarray, shape (k,)
        Number of clusters of several cases.
    repeatable : ndarray, shape (k,)
        Share of the cases that are not the first of their cluster, all of which may repeat it.
    """

    covariance: FloatArray
    number: IntArray
    concentration: FloatArray
    one_more: FloatArray
    skew: FloatArray
    supporting: FloatArray
    dominated: BoolArray
    several: FloatArray
    repeatable: FloatArray


def leave_one_out(entries: Contributions, cluster: IntArray, k: int, upward: FloatArray) -> LeaveOneOut:
    """Estimate the covariance of k groups by leaving out each unit.

    Parameters
    ----------
    entries : Contributions
        One entry of each cluster in each part.
    cluster : ndarray of int, shape (n,)
        Cluster of each entry; negative for entries that share none.
    k : int
    upward : ndarray, shape (k,)
        1 where the rarer outcome raises the estimate, else -1.

    Notes
    -----
    The sum of squares is multiplied by (G - 1) / G for G units, so that equal units give the usual variance. Of cases that
    share no cluster, each counts with their mean share (by weight), so that cells of alike cases give what the cases give.
    """
    parts = int(entries.part.max(initial=0)) + 1
    number = group_sums(entries.part, entries.counts, parts)
    inside, of_inside, alone = _split(entries, cluster)
    moves = _table(of_inside, inside.group, _scale(number, inside.part, inside.share) * inside.influence, k)
    shares = _table(of_inside, inside.part, inside.share, parts)
    covariance, products = _gram(moves), _gram(shares)
    units, largest = _units(of_inside, inside, parts, k), _largest(moves, upward)
    if len(alone.group):
        share = _mean_share(alone, parts)
        scale = _scale(number, np.arange(parts), share)
        each = upward[alone.group] * scale[alone.part] * alone.influence / alone.counts
        np.maximum.at(largest, alone.group, each)
        covariance = covariance + np.diag(_variances(alone, scale, k))
        products = products + np.diag(group_sums(alone.part, alone.share_squares, parts))
        units = units + group_sums(alone.group, alone.counts, k)
    support = group_sums(entries.group, entries.support, k)
    by_part = dominated(inside.part, inside.share, np.diag(products), _mean_share(alone, parts))
    return LeaveOneOut(
        covariance,
        units.astype(np.int64),
        _largest_of_parts(products, _groups_of_parts(entries, parts), k),
        largest**2,
        _skew(inside, upward, np.diag(covariance)),
        _ratio(support**2, group_sums(entries.group, entries.support_squares, k)),
        np.isin(np.arange(k), _groups_of_parts(entries, parts)[by_part]),
        *_of_several_cases(inside, _groups_of_parts(entries, parts), k),
    )


def _of_several_cases(clusters: Contributions, group: IntArray, k: int) -> tuple[FloatArray, FloatArray]:
    """Return `LeaveOneOut.several` and `LeaveOneOut.repeatable` from one entry of each cluster in each part."""
    held = np.where(clusters.share > 0, clusters.share, np.inf)
    common = clusters.share - clusters.case_shares / held
    several = (common > _WHOLE * clusters.share).astype(float)
    fewest, most = np.full(k, np.inf), np.zeros(k)
    np.minimum.at(fewest, group, group_sums(clusters.part, several, len(group)))
    np.maximum.at(most, group, group_sums(clusters.part, several * common, len(group)))
    return np.where(np.isfinite(fewest), fewest, 0.0), most


def _skew(clusters: Contributions, upward: FloatArray, variance: FloatArray) -> FloatArray:
    """Return `LeaveOneOut.skew` from one entry of each cluster. The sample's variance counts where it exceeds the pooled one."""
    sign = upward[clusters.group]
    sums = clusters.influence**2, sign * clusters.influence**3
    of_cases = clusters.case_shares, clusters.case_squares, sign * clusters.case_cubes
    pooled, third = pooled_moments(clusters.group, clusters.share, sums, of_cases, len(variance))
    return _ratio(third, np.maximum(variance, pooled))


def _split(entries: Contributions, cluster: IntArray) -> tuple[Contributions, IntArray, Contributions]:
    """Return the entries with clusters, their clusters, and those without, none of which is copied if all are alike."""
    shared = cluster >= 0
    nothing = entries.take(slice(0))
    if shared.all():
        return entries, cluster, nothing
    if not shared.any():
        return nothing, cluster[:0], entries
    return entries.take(shared), cluster[shared], entries.take(~shared)


def independent_variances(entries: Contributions, k: int) -> FloatArray:
    """Return the variances of k groups by leaving out each case, whatever cluster it is in."""
    parts = int(entries.part.max(initial=0)) + 1
    number = group_sums(entries.part, entries.counts, parts)
    return _variances(entries, _scale(number, np.arange(parts), _mean_share(entries, parts)), k)


def _scale(number: FloatArray, part: IntArray, share: FloatArray) -> FloatArray:
    """Return by what contributions are multiplied to be moves; `number` are the units of each part."""
    left = 1 - share
    return np.sqrt(np.maximum(number - 1, 1) / np.maximum(number, 1))[part] / np.where(left > _WHOLE, left, 1.0)


def _variances(entries: Contributions, scale: FloatArray, k: int) -> FloatArray:
    """Return the sums of squared moves of single cases by group; `scale` is that of each part."""
    squares = group_sums(entries.part, entries.squares, len(scale)) * scale**2
    return group_sums(_groups_of_parts(entries, len(scale)), squares, k)


def _groups_of_parts(entries: Contributions, parts: int) -> IntArray:
    group = np.zeros(parts, dtype=np.int64)
    group[entries.part] = entries.group
    return group


def worst_of(ways: Sequence[LeaveOneOut], covariance: FloatArray) -> LeaveOneOut:
    """Combine cluster columns: the fewest units, the largest shares and moves."""
    return LeaveOneOut(
        covariance,
        np.min([way.number for way in ways], axis=0),
        np.max([way.concentration for way in ways], axis=0),
        np.max([way.one_more for way in ways], axis=0),
        np.max([way.skew for way in ways], axis=0),
        np.min([way.supporting for way in ways], axis=0),
        np.any([way.dominated for way in ways], axis=0),
        np.min([way.several for way in ways], axis=0),
        np.max([way.repeatable for way in ways], axis=0),
    )


def _largest_of_parts(products: FloatArray, group: IntArray, k: int) -> FloatArray:
    """Return the concentration of groups from that of their parts: that of the most concentrated part."""
    found = np.zeros((k, k))
    np.maximum.at(found, np.ix_(group, group), products)
    return found


def _mean_share(alone: Contributions, parts: int) -> FloatArray:
    """Return the mean share, by weight, of the cases of each part, which share no cluster."""
    squares, shares = (group_sums(alone.part, v, parts) for v in (alone.share_squares, alone.share))
    return _ratio(squares, shares)


def _table(row: IntArray, column: IntArray, values: FloatArray, columns: int) -> FloatArray | csr_array:
    """Return a table of sums of values by row and column; a sparse one if few of its cells are filled."""
    rows = int(row.max(initial=-1)) + 1
    if rows * columns <= max(4 * len(row), _SMALL):
        return group_sums(row * columns + column, values, rows * columns).reshape(rows, columns)
    table = csr_array((values, (row, column)), shape=(rows, columns))
    table.sum_duplicates()
    return table


def _gram(table: FloatArray | csr_array) -> FloatArray:
    products = table.T @ table
    return products if isinstance(products, np.ndarray) else np.asarray(products.toarray())


def _largest(table: FloatArray | csr_array, upward: FloatArray) -> FloatArray:
    """Return the largest move upward in each column, at least 0."""
    if isinstance(table, np.ndarray):
        return np.asarray((table * upward).max(axis=0, initial=0))
    largest = np.zeros(len(upward))
    np.maximum.at(largest, table.indices, upward[table.indices] * table.data)
    return largest


def _units(cluster: IntArray, entries: Contributions, parts: int, k: int) -> FloatArray:
    """Return how many clusters each group has; `entries` are one of each cluster in each part."""
    of_part = np.full(parts, -1)
    of_part[entries.part] = entries.group
    if np.bincount(of_part[of_part >= 0], minlength=1).max() <= 1:  # no group has two parts
        return np.bincount(entries.group, minlength=k).astype(float)
    return _occupied(cluster, entries.group, k)


def _distinct(key: IntArray) -> bool:
    """Return whether no key, of an array of small ones, occurs twice; False also where that takes long to find out."""
    size = int(key.max(initial=-1)) + 1
    return size <= max(4 * len(key), _SMALL) and bool(np.bincount(key, minlength=1).max() <= 1)


def _occupied(row: IntArray, column: IntArray, columns: int) -> FloatArray:
    """Return how many rows have an entry in each column."""
    key, _ = _sums_by_key(row * columns + column)
    return np.bincount(key % columns, minlength=columns).astype(float)


def _sums_by_key(key: IntArray, *values: FloatArray) -> tuple[IntArray, list[FloatArray]]:
    """Return the keys that occur, in ascending order, and the sums of values by key."""
    size = int(key.max(initial=-1)) + 1
    if size <= max(4 * len(key), _SMALL):
        found = np.flatnonzero(np.bincount(key, minlength=size))
        return found, [group_sums(key, value, size)[found] for value in values]
    found, place = np.unique(key, return_inverse=True)
    return found, [group_sums(place, value, len(found)) for value in values]


def group_sums(code: IntArray, values: FloatArray, k: int) -> FloatArray:
    """Return the sum of the values of each of k codes."""
    return np.bincount(code, values, minlength=k).astype(np.float64, copy=False)


def _ratio(a: FloatArray, b: FloatArray) -> FloatArray:
    """Return a / b, and 0 where b is 0."""
    return np.asarray(np.divide(a, b, out=np.zeros(len(b)), where=b > 0))
