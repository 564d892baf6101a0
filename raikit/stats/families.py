"""Families of contrasts: which differences between groups are tested together.

A family lists differences between quantities of one stratum (the cases over which a rate is taken): every ordered pair of
groups and, with more than two groups, each group against the pooled rest in both directions. The gap is the largest true
difference, so a lower limit of the largest difference is a lower limit of the gap.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from raikit.stats._types import AnyArray, BoolArray, FloatArray, IntArray
from raikit.stats.constants import TINY

_DENSE = 500  # Up to so many groups, all contrasts and one product of matrices are quick enough.


@dataclass(frozen=True)
class Family:
    """Contrasts between quantities: the k groups, then the pooled rest of each group in `rest_of`.

    Parameters
    ----------
    sizes : ndarray, shape (k,)
        Weights with which groups are pooled into a rest.
    strata : ndarray of int, shape (k,)
    rest_of : ndarray of int, shape (r,)
    plus, minus : ndarray of int, shape (c,)
        Contrast i is quantity ``plus[i]`` minus quantity ``minus[i]``.
    """

    sizes: FloatArray
    strata: IntArray
    rest_of: IntArray
    plus: IntArray
    minus: IntArray

    @cached_property
    def pairs(self) -> BoolArray:
        """Which contrasts are between two groups, neither of them a rest; shape (c,)."""
        k = len(self.sizes)
        return np.asarray((self.plus < k) & (self.minus < k))

    def of_each_kind(self, *columns: FloatArray) -> Family:
        """Keep the contrasts of at most two groups of each kind, in their order.

        Any quantity of a contrast that depends only on its groups' kinds has the same extremes over those.

        Parameters
        ----------
        columns : ndarray, each of shape (k,)
            Groups of one stratum with the same values are of one kind.
        """
        if len(self.sizes) <= _DENSE:
            return self
        order = np.lexsort((*columns, self.strata))
        ordered = np.column_stack([self.strata, *columns])[order]
        alike = np.all(ordered[1:] == ordered[:-1], axis=1)
        third = np.append([False, False], alike[1:] & alike[:-1])
        groups = np.ones(len(order), dtype=bool)
        groups[order[third]] = False
        keep = np.append(groups, groups[self.rest_of])
        inside = keep[self.plus] & keep[self.minus]
        return replace(self, plus=self.plus[inside], minus=self.minus[inside])

    def extend(self, values: AnyArray) -> AnyArray:
        """Append the pooled values of the rests: shape (k, ...) becomes (k + r, ...)."""
        if not len(self.rest_of):
            return values
        if len(self.rest_of) <= _DENSE:
            return np.concatenate([values, self._pooling.astype(values.dtype) @ values])
        return np.concatenate([values, self._pool(values)])

    def _pool(self, values: AnyArray) -> AnyArray:
        """Return the pooled values of the rests by running sums from both ends, as many steps as there are groups."""
        sizes = self.sizes.reshape(-1, *(1,) * (values.ndim - 1)).astype(values.dtype)
        return np.asarray(self._sums(sizes * values) / np.maximum(self._sums(sizes), np.finfo(values.dtype).tiny))

    def _sums(self, values: AnyArray) -> AnyArray:
        """Sum over the groups of each rest; shape (k, ...) becomes (r, ...)."""
        sums = np.zeros((len(self.rest_of), *values.shape[1:]), dtype=values.dtype)
        for stratum in np.unique(self.strata[self.rest_of]):
            members = np.flatnonzero(self.strata == stratum)
            rests = self.strata[self.rest_of] == stratum
            sums[rests] = _sums_of_others(values[members])[np.searchsorted(members, self.rest_of[rests])]
        return sums

    @cached_property
    def _pooling(self) -> FloatArray:
        """Share of each group in each rest, shape (r, k).

        Rests are summed directly: a total minus one group would be a difference of large numbers.
        """
        sizes = np.where(self.others, self.sizes, 0.0)
        return np.asarray(sizes / np.maximum(sizes.sum(axis=1, keepdims=True), TINY))

    @property
    def others(self) -> BoolArray:
        """Which groups make up each rest, shape (r, k)."""
        others = self.strata[self.rest_of][:, None] == self.strata
        others[np.arange(len(self.rest_of)), self.rest_of] = False
        return np.asarray(others)

    def extend_covariance(self, covariance: FloatArray) -> FloatArray:
        """Return the covariance of groups and rests, shape (k + r, k + r)."""
        return np.asarray(self.extend(self.extend(covariance).T).T)

    def extend_third(self, third: FloatArray) -> FloatArray:
        """Append the third central moments of the rests, of groups that are independent: shape (k,) becomes (k + r,)."""
        return np.append(third, self._sums(self.sizes**3 * third) / np.maximum(self._sums(self.sizes), TINY) ** 3)

    def least_favourable(self, values: FloatArray) -> float:
        """Return the largest over groups of the smallest value of any contrast that begins with the group.

        Parameters
        ----------
        values : ndarray, shape (c,)
            One per contrast, such as standard errors.
        """
        smallest = np.full(len(self.sizes) + len(self.rest_of), np.inf)
        np.minimum.at(smallest, self.plus, values)
        return float(smallest[: len(self.sizes)].max())

    def standard_errors(self, extended: FloatArray) -> FloatArray:
        """Return the standard error of each contrast, never 0, from the covariance of groups and rests."""
        return self._errors(np.diag(extended), extended[self.plus, self.minus])

    def independent_standard_errors(self, variance: FloatArray) -> FloatArray:
        """Return the same of independent groups, whose covariance matrix is not needed: nor does a group covary with its rest.

        Parameters
        ----------
        variance : ndarray, shape (k,)
        """
        rests = self._sums(self.sizes**2 * variance) / np.maximum(self._sums(self.sizes) ** 2, TINY)
        return self._errors(np.append(variance, rests), 0.0)

    def _errors(self, variance: FloatArray, covariance: FloatArray | float) -> FloatArray:
        squares = variance[self.plus] + variance[self.minus] - 2 * covariance
        return np.asarray(np.sqrt(np.maximum(squares, max(1e-18 * float(variance.max(initial=0.0)), TINY))))


def _sums_of_others(values: AnyArray) -> AnyArray:
    """Sum over all rows but each, by adding the sums of those before and after it, so that nothing is subtracted."""
    sums = np.zeros_like(values)
    np.cumsum(values[:-1], axis=0, out=sums[1:])
    sums[:-1] += np.cumsum(values[:0:-1], axis=0)[::-1]
    return sums


def pairs_and_rests(sizes: FloatArray, strata: IntArray) -> Family:
    """Build the family of all ordered pairs within each stratum and, where it has over two groups, all rests."""
    k = len(sizes)
    first, second = np.nonzero((strata[:, None] == strata) & ~np.eye(k, dtype=bool))
    members = np.sum(strata[:, None] == strata, axis=1)
    rest_of = np.flatnonzero(members > 2)
    rest = k + np.arange(len(rest_of))
    plus = np.concatenate([first, rest_of, rest])
    minus = np.concatenate([second, rest, rest_of])
    return Family(sizes, strata, rest_of, plus, minus)


def groups_and_rests(sizes: FloatArray) -> Family:
    """Build the family of each group minus its pooled rest."""
    k = len(sizes)
    return Family(sizes, np.zeros(k, dtype=np.int64), np.arange(k), np.arange(k), k + np.arange(k))


def two_sided(family: Family) -> Family:
    """Add every contrast in the other direction."""
    plus, minus = np.append(family.plus, family.minus), np.append(family.minus, family.plus)
    return Family(family.sizes, family.strata, family.rest_of, plus, minus)
