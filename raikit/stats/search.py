"""Which of many overlapping groups are worse than the rest, and a certificate that none is worse by more than so much.

Two questions, two kinds of error. *Which groups* is answered at a false-discovery rate: of the groups that are flagged,
so few are flagged wrongly. *None is worse* is a confidence limit of the largest excess over all rows. Both follow
Cherian and Candes [1]_, with limits that hold for small groups in the place of their bootstrap's normal ones.

References
----------
.. [1] Cherian and Candes, "Statistical Inference for Fairness Auditing", arXiv 2305.03712, 2023: flagging and
   certification.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from raikit.stats._types import BoolArray, FloatArray, tail_of
from raikit.stats.mover import difference_limits
from raikit.stats.multiplicity import benjamini_hochberg
from raikit.stats.rates import limits_at
from raikit.stats.subgroups import Subgroups

Dependence = Literal["positive", "any"]
_LARGEST_Z = 8.0  # p-values below 6e-16 are written as that
_HALVINGS = 30
_BLOCK = 2_000  # draws at a time


@dataclass(frozen=True)
class Flagged:
    """Groups worse than the rest of the rows by more than a tolerance.

    Parameters
    ----------
    value : ndarray, shape (N,)
        Rate of the group minus rate of the rest.
    low, high : ndarray, shape (N,)
        Limits of `value`, fit for reading the flagged groups: over many audits, the share of limits of flagged groups
        that miss on one side is at most the false-discovery rate. A group is flagged just if `low` is over the
        tolerance.
    p_value, p_adjusted : ndarray, shape (N,)
        Of "worse by no more than the tolerance".
    flagged : ndarray of bool, shape (N,)
    method : str
    """

    value: FloatArray
    low: FloatArray
    high: FloatArray
    p_value: FloatArray
    p_adjusted: FloatArray
    flagged: BoolArray
    method: str


def worse_than_rest(
    groups: Subgroups, tolerance: float = 0.0, fdr: float = 0.05, dependence: Dependence = "positive"
) -> Flagged:
    """Flag the groups whose rate is higher than that of the rest by more than a tolerance.

    Parameters
    ----------
    groups : Subgroups
        Of something bad that happens to rows; leave groups with few clusters out with `groups.subset`.
    tolerance : float, >= 0
    fdr : float, in (0, 1)
        Expected share of wrongly flagged groups among the flagged ones (0 where none is flagged).
    dependence : {"positive", "any"}
        Benjamini-Hochberg, or Benjamini-Yekutieli, which holds whatever the tests have to do with each other and
        costs a factor of about ``log N``.

    Returns
    -------
    Flagged

    Notes
    -----
    A p-value is the smallest error probability at which the lower limit of the difference is over the tolerance. The
    limit is MOVER's on one-sided Clopper-Pearson limits of group and rest, which are separate rows; with clusters, on
    limits at the effective sample size and t, with the correlation of the two.

    Benjamini-Hochberg is proven for tests that depend on each other positively [1]_, as those of nested and overlapping
    groups do. Groups that share no row depend on each other negatively, weakly where there are more than two of a
    feature, and there its error is bounded by a constant factor [2]_. ``benchmarks/simulate_search.py`` looks at the
    mixture that intersections make. The limits are Benjamini and Yekutieli's for selected parameters [3]_.

    References
    ----------
    .. [1] Benjamini and Yekutieli, "The control of the false discovery rate in multiple testing under dependency",
       Annals of Statistics 2001, theorems 1.2 and 1.3.
    .. [2] Chi, Ramdas and Wang, "Multiple testing under negative dependence", Bernoulli 2025, section 5.
    .. [3] Benjamini and Yekutieli, "False discovery rate-adjusted multiple confidence intervals for selected
       parameters", JASA 2005.
    """
    if not 0 < fdr < 1:
        raise ValueError(f"fdr must lie strictly between 0 and 1, not {fdr!r}")
    p = excess_p(groups, tolerance)
    factor = float(np.sum(1 / np.arange(1, len(p) + 1))) if dependence == "any" else 1.0
    adjusted = np.minimum(benjamini_hochberg(p) * factor, 1.0)
    flagged = adjusted <= fdr
    tail = fdr / factor * max(int(flagged.sum()), 1) / max(len(p), 1)
    low, high = _difference_limits(groups, np.full(len(p), tail))
    name = "Benjamini-Yekutieli" if dependence == "any" else "Benjamini-Hochberg"
    method = f"{name}, {_LIMITS[groups.ways]}"
    return Flagged(groups.difference, low, high, p, adjusted, np.asarray(flagged), method)


def excess_p(groups: Subgroups, tolerance: float = 0.0) -> FloatArray:
    """One-sided p-values of "the group's rate is above that of the rest by no more than `tolerance`".

    Parameters
    ----------
    groups : Subgroups
    tolerance : float, >= 0

    Returns
    -------
    ndarray, shape (N,)
        1 where it would be over one half, at least 6e-16.

    Notes
    -----
    The lower limit falls as its error probability does, so the probability at which it meets the tolerance is found by
    halving (see `worse_than_rest`).
    """
    from scipy.special import ndtr

    p = np.ones(len(groups))
    open_ = np.flatnonzero(groups.difference > tolerance)
    if not len(open_):
        return p
    part = groups.subset(open_)
    above, below = np.zeros(len(part)), np.full(len(part), _LARGEST_Z)  # limits over the tolerance, and not over it
    for _ in range(_HALVINGS):
        middle = (above + below) / 2
        over = _difference_limits(part, ndtr(-middle))[0] > tolerance
        above, below = np.where(over, middle, above), np.where(over, below, middle)
    p[open_] = np.where(above > 0, ndtr(-above), 1.0)
    return p


@dataclass(frozen=True)
class Certificate:
    """How much worse than all rows together each group is, and a bound for all of them.

    Parameters
    ----------
    value : ndarray, shape (N,)
        Rate of the group minus rate of all rows.
    low, high : ndarray, shape (N,)
        Limits that hold for every group at once.
    low_pointwise, high_pointwise : ndarray, shape (N,)
        Limits of each group by itself.
    worst : int
        The group with the largest value.
    floor, bound : float
        Limits of the largest true value over all groups: some group is worse by at least `floor`, none by more than
        `bound`.
    critical : float
        Behind `low` and `high`, in standard errors.
    method : str
    """

    value: FloatArray
    low: FloatArray
    high: FloatArray
    low_pointwise: FloatArray
    high_pointwise: FloatArray
    worst: int
    floor: float
    bound: float
    critical: float
    method: str


def certificate(
    groups: Subgroups, level: float = 0.95, draws: int = 20_000, *, rng: np.random.Generator
) -> Certificate:
    """Bound by how much any group is worse than all rows together.

    Parameters
    ----------
    groups : Subgroups
        At least one; leave groups with few clusters out with `groups.subset`.
    level : float, in (0, 1)
        Of two-sided limits: `bound` alone, and `floor` alone, err in at most half of ``1 - level``.
    draws : int
        At least 20,000 where a tail decides.
    rng : numpy.random.Generator

    Returns
    -------
    Certificate

    Raises
    ------
    ValueError
        If there is no group.

    Notes
    -----
    A group differs from all rows by ``(1 - share)`` times its difference to the rest, whose limits are those of
    `worse_than_rest`; shares of rows are taken as they are. Limits of every group at once come from the largest absolute
    standardised error in Gaussian draws with the joint covariance of all groups (max-t) [1]_; each group takes that
    error probability to its own exact limits.

    The bound needs no such correction: that *none* is worse by more than X is wrong only if the limit of the truly
    worst group is, whichever group that is, so the largest pointwise limit will do (intersection-union). The floor does
    need it: any group may look worst by chance.

    References
    ----------
    .. [1] Chernozhukov, Chetverikov and Kato, "Gaussian approximations and multiplier bootstrap for maxima of sums of
       high-dimensional random vectors", Annals of Statistics 2013.
    """
    from scipy.special import ndtr

    if not len(groups):
        raise ValueError("no group to look at")
    critical = _largest_error(groups.joint, level, draws, rng)
    outside = 1 - groups.shares
    (low, high), (low_one, high_one) = (
        [outside * end for end in _difference_limits(groups, np.full(len(groups), tail))]
        for tail in (float(ndtr(-critical)), tail_of(level))
    )
    value = outside * groups.difference
    worst, floor, bound = int(np.argmax(value)), float(low.max()), float(high_one.max())
    method = f"max-t over {len(groups)} groups below, pointwise above; {_LIMITS[groups.ways]}"
    return Certificate(value, low, high, low_one, high_one, worst, floor, bound, critical, method)


_LIMITS = {
    0: "MOVER, exact limits",
    1: "one-way cluster MOVER, exact limits at effective n",
    2: "two-way cluster MOVER, exact limits at effective n",
}


def _difference_limits(groups: Subgroups, tail: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Limits of the differences to the rests that each err with probability `tail` on either side."""
    (l1, u1), (l2, u2) = (
        _rate_limits(rate, n, tail, groups)
        for rate, n in ((groups.rates, groups.n_effective), (groups.rests, groups.rest_effective))
    )
    return difference_limits(groups.rates, l1, u1, groups.rests, l2, u2, groups.correlation)


def _rate_limits(
    rate: FloatArray, n: FloatArray, tail: FloatArray, groups: Subgroups
) -> tuple[FloatArray, FloatArray]:
    """Clopper-Pearson limits; with clusters at a sample size shrunk by (normal / t quantile)^2 (Korn and Graubard)."""
    from scipy.special import ndtri, stdtrit

    if groups.ways:
        n = n * (ndtri(tail) / stdtrit(groups.df, tail)) ** 2
    return limits_at(rate * n, n, tail)


def _largest_error(joint: FloatArray, level: float, draws: int, rng: np.random.Generator) -> float:
    """Quantile of the largest absolute error of correlated standard normal variables."""
    values, vectors = np.linalg.eigh(joint)
    kept = values > 1e-7 * values[-1]
    root = (vectors[:, kept] * np.sqrt(values[kept])).astype(np.float32)
    largest = np.empty(draws, dtype=np.float32)
    for start in range(0, draws, _BLOCK):
        size = min(_BLOCK, draws - start)
        noise = root @ rng.standard_normal((root.shape[1], size), dtype=np.float32)
        largest[start : start + size] = np.maximum(noise.max(axis=0), -noise.min(axis=0))
    return float(np.quantile(largest, level, method="higher"))
