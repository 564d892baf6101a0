"""Limits of groups and pooled rests, and of their differences and ratios, from a cluster covariance."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

from raikit.stats._types import FloatArray, IntArray
from raikit.stats.constants import TINY
from raikit.stats.covariance import CovarianceResult, Scale, effective_number
from raikit.stats.families import Family
from raikit.stats.mover import difference_limits, ratio_limits
from raikit.stats.quantiles import upper_tail
from raikit.stats.rates import limits_at


@dataclass(frozen=True)
class Quantities:
    """Rates, covariance and effective sizes of k groups and, with a family, of their r pooled rests.

    Parameters
    ----------
    rates, n_effective : ndarray, shape (k + r,)
    covariance : ndarray, shape (k + r, k + r)
    df : ndarray, shape (k + r,)
        Degrees of freedom of each variance.
    scale : {"proportion", "positive", "real"}
    """

    rates: FloatArray
    covariance: FloatArray
    n_effective: FloatArray
    df: FloatArray
    scale: Scale

    @classmethod
    def of(cls, cov: CovarianceResult, family: Family | None = None) -> Quantities:
        """Pool the rests of a family and derive their effective sizes from their variances."""
        if family is None or not len(family.rest_of):
            return cls(cov.rates, cov.M, cov.n_effective, cov.df, cov.scale)
        rates, covariance = family.extend(cov.rates), family.extend_covariance(cov.M)
        k = len(cov.rates)
        others = family.others
        p, variance = rates[k:], np.diag(covariance)[k:]
        with np.errstate(divide="ignore", invalid="ignore"):
            n = np.where((p > 0) & (p < 1), p * (1 - p) / variance, np.max(others * cov.n_effective, axis=1))
        n = np.minimum(n, others @ cov.n_rows)
        units = effective_number(np.diag(family.extend_covariance(cov.concentration)))
        return cls(rates, covariance, np.append(cov.n_effective, n), np.maximum(units - 1, 1.0), cov.scale)

    @property
    def symmetric(self) -> Quantities:
        """The same with symmetric limits."""
        return replace(self, scale="real")

    def widen(self, more: FloatArray) -> Quantities:
        """Add variance to each group; proportions keep at most as much information as they had."""
        variance = np.diag(self.covariance) + more
        with np.errstate(divide="ignore", invalid="ignore"):
            n = self.rates * (1 - self.rates) / variance
        n = np.where((n > 0) & (self.scale == "proportion"), np.fmin(n, self.n_effective), self.n_effective)
        return replace(self, covariance=self.covariance + np.diag(np.nan_to_num(more)), n_effective=n)

    def contrast_df(self, i: IntArray, j: IntArray) -> FloatArray:
        """Return the degrees of freedom of the differences of quantities i and j: the fewer of the two."""
        return np.minimum(self.df[i], self.df[j])


def limits_of(
    q: Quantities, critical: ArrayLike, df: ArrayLike, at: IntArray | None = None
) -> tuple[FloatArray, FloatArray]:
    """Compute the limits of each quantity, or of those at `at`, at `critical` standard errors of t on `df`."""
    critical = np.asarray(critical, dtype=float)
    rates, variance, n_effective = q.rates, np.diag(q.covariance), q.n_effective
    if at is not None:
        rates, variance, n_effective = rates[at], variance[at], n_effective[at]
    if q.scale == "real":
        half = critical * np.sqrt(variance)
        return rates - half, rates + half
    if q.scale == "positive":
        half = critical * np.sqrt(variance)
        reach = half / np.maximum(rates, TINY)
        # A value of 0 has no logarithm, and a reach of over two units would be orders of magnitude: add on the plain
        # scale instead.
        return rates * np.exp(-reach), np.maximum(rates * np.exp(np.minimum(reach, 2.0)), rates + half * (reach > 2))
    tail = upper_tail(critical, df)
    n = n_effective * (-ndtri(tail) / critical) ** 2
    return limits_at(np.clip(np.nan_to_num(rates), 0, 1) * n, n, tail)


def _mover_arguments(
    q: Quantities, i: IntArray, j: IntArray, critical: FloatArray | float, df: FloatArray | float
) -> tuple[FloatArray, ...]:
    """Return the arguments of MOVER for contrasts (i, j): estimates, limits, correlation."""
    if np.ndim(critical) == 0:
        low, high = limits_of(q, critical, df)
        parts = q.rates[i], low[i], high[i], q.rates[j], low[j], high[j]
    else:
        first, second = (limits_of(q, critical, df, side) for side in (i, j))
        parts = q.rates[i], *first, q.rates[j], *second
    scale = np.sqrt(np.diag(q.covariance))
    correlation = q.covariance[i, j] / np.maximum(scale[i] * scale[j], TINY)
    return *parts, np.clip(correlation, -1.0, 1.0)


def difference_of(
    q: Quantities, i: IntArray, j: IntArray, critical: FloatArray | float, df: FloatArray | float
) -> tuple[FloatArray, FloatArray]:
    """Compute the limits of quantities i minus quantities j, by MOVER."""
    return difference_limits(*_mover_arguments(q, i, j, critical, df))


def ratio_of(
    q: Quantities, i: IntArray, j: IntArray, critical: FloatArray | float, df: FloatArray | float
) -> tuple[FloatArray, FloatArray]:
    """Compute the limits of quantities i divided by quantities j, by MOVER-R."""
    p1, l1, u1, p2, l2, u2, r = _mover_arguments(q, i, j, critical, df)
    return ratio_limits(p1, np.maximum(l1, 0), u1, p2, np.maximum(l2, 0), u2, r)
