"""Limits of groups and pooled rests, and of their differences and ratios, from a cluster covariance.

Critical values are normal quantiles. Each limit takes the quantile of t with the same tail probability and its own degrees
of freedom.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

from raikit.stats._types import BoolArray, FloatArray, IntArray
from raikit.stats.constants import TINY
from raikit.stats.covariance_result import CovarianceResult, Scale, effective_number
from raikit.stats.families import Family
from raikit.stats.mover import difference_limits, ratio_limits
from raikit.stats.quantiles import as_t, upper_tail
from raikit.stats.rates import limits_at
from raikit.stats.skewness import skewness_shift, skewness_shifts
from raikit.stats.unseen import Repeats, distinct_share, farthest

_LARGEST_Z = 8.0  # A tail of 6e-16: smaller p-values are not told apart.
_ROUNDING = 1e-12  # A limit that is further by less is the same.


@dataclass(frozen=True)
class Quantities:
    """Rates, covariance and effective sizes of k groups and, with a family, of their r pooled rests.

    Parameters
    ----------
    rates, n_effective : ndarray, shape (k + r,)
    covariance : ndarray, shape (k + r, k + r)
    df : ndarray, shape (k + r,)
        Degrees of freedom of each variance.
    far_size, far_df : ndarray, shape (k + r,)
        Effective size and degrees of freedom of the limit towards more of the rarer outcome.
    third : ndarray, shape (k + r,)
        Third central moment that clusters cause (`raikit.stats.skewness`); 0 but for rates of clustered cases.
    several, repeatable : ndarray, shape (k + r,)
        Number of clusters of several cases, and share of the cases that are not the first of theirs.
    repeats : Repeats
        What clusters show about how many of their cases they repeat.
    groups : int
        Number of groups k.
    scale : {"proportion", "positive", "real"}
    ways : int
        Number of cluster columns.
    weighted : bool
        Whether cases have different weights.
    """

    rates: FloatArray
    covariance: FloatArray
    n_effective: FloatArray
    df: FloatArray
    far_size: FloatArray
    far_df: FloatArray
    third: FloatArray
    several: FloatArray
    repeatable: FloatArray
    repeats: Repeats
    groups: int
    scale: Scale
    ways: int
    weighted: bool

    @classmethod
    def of(cls, cov: CovarianceResult, family: Family | None = None) -> Quantities:
        """Pool the rests of a family and derive their effective sizes from their variances."""
        far_size, far_df = _far_end(cov)
        k, distinct = len(cov.rates), distinct_share(cov.effective_clusters, cov.concentration)
        repeats = Repeats.of(cov.rates, cov.effective_clusters, cov.several, cov.between, distinct=distinct)
        if family is None or not len(family.rest_of):
            far, repeated = (far_size, far_df, _third(cov)), (cov.several, cov.repeatable, repeats)
            return cls(cov.rates, cov.M, cov.n_effective, cov.df, *far, *repeated, k, cov.scale, cov.ways, cov.weighted)
        rates, covariance = family.extend(cov.rates), family.extend_covariance(cov.M)
        others = family.others
        p, variance = rates[k:], np.diag(covariance)[k:]
        with np.errstate(divide="ignore", invalid="ignore"):
            n = np.where((p > 0) & (p < 1), p * (1 - p) / variance, np.max(others * cov.n_effective, axis=1))
        n = np.minimum(n, others @ (cov.n_rows if cov.ways else np.maximum(cov.n_rows, cov.n_clusters)))
        df = np.append(cov.df, _rest_df(cov, family))
        far = np.append(far_size, n), np.append(far_df, df[k:]), family.extend_third(_third(cov))
        repeated = np.append(cov.several, distinct * (others @ cov.several)), family.extend(cov.repeatable), repeats
        return cls(rates, covariance, np.append(cov.n_effective, n), df, *far, *repeated, k, cov.scale, cov.ways, cov.weighted)

    @property
    def clustered_proportion(self) -> bool:
        """Whether these are rates of cases that share clusters."""
        return self.scale == "proportion" and self.ways > 0

    def contrast_df(self, i: IntArray, j: IntArray) -> FloatArray:
        """Return the degrees of freedom of the differences of quantities i and j: the fewer of the two."""
        return np.minimum(self.df[i], self.df[j])

    def correlation(self, i: IntArray, j: IntArray) -> FloatArray:
        """Return the correlations of quantities i and j."""
        scale = np.sqrt(np.diag(self.covariance))
        return np.asarray(np.clip(self.covariance[i, j] / np.maximum(scale[i] * scale[j], TINY), -1.0, 1.0))

    def skew(self, i: IntArray, j: IntArray, *, of_ratio: bool = False) -> FloatArray:
        """Return the third central moments, divided by the variances, of quantities i minus quantities j as if independent.

        Where groups share clusters, part of it cancels. With `of_ratio`, those of the difference of logarithms.
        """
        scale = np.where(self.rates > 0, self.rates, np.inf) if of_ratio else np.ones(len(self.rates))
        third, variance = self.third / scale**3, np.diag(self.covariance) / scale**2
        return np.asarray((third[i] - third[j]) / np.maximum(variance[i] + variance[j], TINY))

    def standard_errors(self, i: IntArray, j: IntArray) -> FloatArray:
        """Return the standard errors of the differences of quantities i and j."""
        variance = np.diag(self.covariance)
        return np.sqrt(np.maximum(variance[i] + variance[j] - 2 * self.covariance[i, j], 0.0))


def _rest_df(cov: CovarianceResult, family: Family) -> FloatArray:
    """Return the degrees of freedom of the pooled rests: of clusters by their shares, else by Satterthwaite's formula."""
    k = len(cov.rates)
    if cov.ways:
        units = effective_number(np.diag(family.extend_covariance(cov.concentration))[k:])
        return np.maximum(units - 1, 1.0)
    each = family.extend(np.diag(np.sqrt(np.diag(cov.M))))[k:] ** 2
    df = each.sum(axis=1) ** 2 / np.maximum(np.sum(each**2 / cov.df, axis=1), TINY)
    return np.asarray(np.maximum(df, 1.0))


def _third(cov: CovarianceResult) -> FloatArray:
    if not (cov.proportion and cov.ways):
        return np.zeros(len(cov.rates))
    return np.nan_to_num(np.where(cov.rates <= 0.5, 1, -1) * cov.skew * np.diag(cov.M))


def _far_end(cov: CovarianceResult) -> tuple[FloatArray, FloatArray]:
    """Return the effective size and degrees of freedom that allow for one more cluster with the rarer outcome.

    For rates of independent cases with weights, one more case.
    """
    if not cov.proportion or not (cov.ways or cov.weighted):
        return cov.n_effective, cov.df
    with np.errstate(divide="ignore", invalid="ignore"):
        n = cov.rates * (1 - cov.rates) / (np.diag(cov.M) + cov.one_more)
    size = np.where(n > 0, np.fmin(n, cov.n_effective), cov.n_effective)
    if not cov.ways:
        return size, cov.df
    few = np.minimum(cov.effective_clusters, cov.supporting)
    return size, np.where(cov.supporting > 0, np.maximum(few - 1, 1.0), cov.df)


def limits_of(
    q: Quantities, critical: ArrayLike, df: ArrayLike, at: IntArray | None = None
) -> tuple[FloatArray, FloatArray]:
    """Compute the limits of each quantity, or of those at `at`, at `critical` standard errors of t on `df`."""
    critical = np.asarray(critical, dtype=float)
    every = np.arange(len(q.rates)) if at is None else at
    rates, half = q.rates[every], critical * np.sqrt(np.diag(q.covariance)[every])
    if q.scale == "real":
        return rates - half, rates + half
    if q.scale == "positive":
        reach = half / np.maximum(rates, TINY)
        # A value of 0 has no logarithm, and a reach of over two units would be orders of magnitude: add on the plain
        # scale instead.
        return rates * np.exp(-reach), np.maximum(rates * np.exp(np.minimum(reach, 2.0)), rates + half * (reach > 2))
    return _exact_limits(rates, q.n_effective[every], upper_tail(critical, df), critical)


def _exact_limits(
    rates: FloatArray, n_effective: FloatArray, tail: FloatArray, critical: FloatArray
) -> tuple[FloatArray, FloatArray]:
    n = n_effective * (-ndtri(tail) / critical) ** 2
    return limits_at(np.clip(np.nan_to_num(rates), 0, 1) * n, n, tail)


def separate_limits(
    q: Quantities, z: ArrayLike, at: IntArray | None = None, *, of_contrast: bool = False
) -> tuple[FloatArray, FloatArray]:
    """Compute the limits of each quantity by itself, or of those at `at`, at the normal quantile `z`.

    The limit of a rate towards more of the rarer outcome allows for a cluster (with weights, a case) that was not seen. Where
    clusters make its errors skew, it is at least that of t with a shift for skewness. Where none of the clusters that repeat the
    rarer outcome may have been seen, it is at least that of `raikit.stats.unseen`; in contrasts, as far as groups show that
    clusters repeat their cases.
    """
    every = np.arange(len(q.rates)) if at is None else at
    low, high = _limits_if_seen(q, z, every)
    return (low, high) if not q.clustered_proportion else _farther(q, z, every, low, high, of_contrast)


def _farther(
    q: Quantities, z: ArrayLike, at: IntArray, low: FloatArray, high: FloatArray, of_contrast: bool
) -> tuple[FloatArray, FloatArray]:
    """Return limits that allow for none seen of the clusters that repeat the rarer outcome."""
    rare, repeated = q.rates[at] <= 0.5, q.repeats.seen if of_contrast else q.repeats.at_most(z)
    far = farthest(np.where(rare, high, 1 - low), q.several[at], q.repeatable[at] * repeated, upper_tail(z))
    return np.where(rare, low, 1 - far), np.where(rare, far, high)


def _limits_if_seen(q: Quantities, z: ArrayLike, every: IntArray) -> tuple[FloatArray, FloatArray]:
    """Return the limits that suppose that some clusters with the rarer outcome were seen."""
    df, far_df = q.df[every], q.far_df[every]
    low, high = limits_of(q, as_t(z, df), df, every)
    if q.scale != "proportion" or not (q.ways or q.weighted):
        return low, high
    rates, tail = q.rates[every], upper_tail(z)
    far_low, far_high = _exact_limits(rates, q.far_size[every], tail, as_t(z, far_df))
    rare = rates <= 0.5
    variance, third = np.diag(q.covariance)[every], np.where(rare, q.third[every], -q.third[every])
    if (skewed := third > 0).any():
        critical = as_t(z, df)
        reach = critical * np.sqrt(variance) + skewness_shift(critical, third / np.maximum(variance, TINY))
        far_low = np.where(skewed, np.fmin(far_low, np.maximum(rates - reach, 0.0)), far_low)
        far_high = np.where(skewed, np.fmax(far_high, np.minimum(rates + reach, 1.0)), far_high)
    return np.where(rare, low, np.fmin(low, far_low)), np.where(rare, np.fmax(high, far_high), high)


def _none_may_be_seen(q: Quantities, z: ArrayLike, at: IntArray) -> BoolArray:
    """Return which rates are so near 0 or 1 that none of the clusters that repeat the rarer outcome need have been seen."""
    low, high = _limits_if_seen(q, z, at)
    lower, higher = _farther(q, z, at, low, high, of_contrast=True)
    return np.asarray((lower < low - _ROUNDING) | (higher > high + _ROUNDING))


def _by_separate_limits(q: Quantities, i: IntArray, j: IntArray, z: ArrayLike) -> BoolArray:
    """Return in which contrasts t limits are to be no nearer than MOVER's on separate limits.

    Those against a rest, and those of a quantity of whose rarer outcome some may not have been seen.
    """
    if np.ndim(z) == 0:  # one look at each quantity serves all its contrasts
        unseen = _none_may_be_seen(q, z, np.arange(len(q.rates)))
        first, second = unseen[i], unseen[j]
    else:
        first, second = (_none_may_be_seen(q, z, side) for side in (i, j))
    return np.asarray((i >= q.groups) | (j >= q.groups) | first | second)


def _parts(
    q: Quantities, i: IntArray, j: IntArray, z: ArrayLike, separate: bool
) -> tuple[FloatArray, ...]:
    """Return the arguments of MOVER for contrasts (i, j): estimates, limits, correlation."""
    df = q.contrast_df(i, j)
    first, second = (
        separate_limits(q, z, side, of_contrast=True) if separate else limits_of(q, as_t(z, df), df, side) for side in (i, j)
    )
    return q.rates[i], *first, q.rates[j], *second, q.correlation(i, j)


def differences(q: Quantities, i: IntArray, j: IntArray, z: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Compute the limits of quantities i minus quantities j at the normal quantile `z`; of proportions, within [-1, 1].

    By MOVER; for rates of clustered cases by t, because limits from exact limits are too narrow where rates are low. The end
    towards which errors are skew is shifted. A group with few events has a small variance, which t limits take at its word:
    against a group as small the two errors balance, against a well-known rest they do not. There the limits are at least those
    of MOVER on the separate limits.
    """
    if not q.clustered_proportion:
        return difference_limits(*_parts(q, i, j, z, separate=False))
    value, critical = q.rates[i] - q.rates[j], as_t(z, q.contrast_df(i, j))
    half, (down, up) = critical * q.standard_errors(i, j), skewness_shifts(critical, q.skew(i, j))
    low, high = value - half - down, value + half + up
    if (rest := _by_separate_limits(q, i, j, z)).any():
        own = difference_limits(*_parts(q, i[rest], j[rest], z if np.ndim(z) == 0 else np.asarray(z)[rest], separate=True))
        low[rest], high[rest] = np.fmin(low[rest], own[0]), np.fmax(high[rest], own[1])
    return np.clip(low, -1.0, 1.0), np.clip(high, -1.0, 1.0)  # t limits do not know that rates end at 0 and 1


def ratios(q: Quantities, i: IntArray, j: IntArray, z: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Compute the limits of quantities i divided by quantities j at the normal quantile `z`, by MOVER-R.

    For rates of clustered cases, at least t limits of the logarithm, and against a rest as in `differences`.
    """
    low, high = _ratio_limits(q, i, j, z, separate=False)
    if not q.clustered_proportion:
        return low, high
    by_log = _log_ratio_limits(q, i, j, z)
    low, high = np.fmin(low, by_log[0]), np.fmax(high, by_log[1])
    if (rest := _by_separate_limits(q, i, j, z)).any():
        own = _ratio_limits(q, i[rest], j[rest], z if np.ndim(z) == 0 else np.asarray(z)[rest], separate=True)
        low[rest], high[rest] = np.fmin(low[rest], own[0]), np.fmax(high[rest], own[1])
    return low, high


def _log_ratio_limits(q: Quantities, i: IntArray, j: IntArray, z: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Return t limits of the logarithm of a ratio; NaN where a rate is 0."""
    rates = np.where(q.rates > 0, q.rates, np.nan)
    relative = q.covariance / np.outer(rates, rates)
    each = np.diag(relative)
    se = np.sqrt(np.maximum(each[i] + each[j] - 2 * relative[i, j], 0.0))
    critical, value = as_t(z, q.contrast_df(i, j)), rates[i] / rates[j]
    reach, (down, up) = critical * se, skewness_shifts(critical, q.skew(i, j, of_ratio=True))
    return value * np.exp(-reach - down), value * np.exp(np.minimum(reach + up, 500.0))


def _ratio_limits(
    q: Quantities, i: IntArray, j: IntArray, z: ArrayLike, separate: bool
) -> tuple[FloatArray, FloatArray]:
    p1, l1, u1, p2, l2, u2, r = _parts(q, i, j, z, separate)
    return ratio_limits(p1, np.maximum(l1, 0), u1, p2, np.maximum(l2, 0), u2, r)


def difference_p(q: Quantities, i: IntArray, j: IntArray) -> FloatArray:
    """Compute two-sided p-values of "no difference" that agree with the limits of `differences`."""
    least, most = np.zeros(len(i)), np.full(len(i), _LARGEST_Z)
    for _ in range(40):
        z = (least + most) / 2
        low, high = differences(q, i, j, np.maximum(z, 1e-3))
        apart = (low > 0) | (high < 0)
        least, most = np.where(apart, z, least), np.where(apart, most, z)
    return np.minimum(2 * upper_tail(least), 1.0)
