"""Search over many overlapping groups: which are worse than the rest, and a bound on how much worse any is.

Two questions with two kinds of error. `worse_than_rest` flags groups at a false-discovery rate: the expected share of
wrongly flagged groups among the flagged ones. `certificate` gives confidence limits of the largest excess over all cases.
Both follow Cherian and Candes [1]_, with limits for small groups in place of their bootstrap's normal ones.

References
----------
.. [1] Cherian and Candes, "Statistical Inference for Fairness Auditing", arXiv 2305.03712, 2023: flagging and
   certification.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import ndtr, ndtri, stdtrit

from raikit.stats._types import BoolArray, FloatArray
from raikit.stats.constants import DRAW_BLOCK, DRAWS
from raikit.stats.covariance_result import cluster_prefix
from raikit.stats.mover import difference_limits
from raikit.stats.multiplicity import benjamini_hochberg
from raikit.stats.quantiles import tail_of
from raikit.stats.rates import limits_at
from raikit.stats.skewness import skewness_shifts
from raikit.stats.subgroups import Subgroups
from raikit.stats.unseen import farthest

Dependence = Literal["positive", "any"]
_LARGEST_Z = 8.0  # The smallest p-value is 6e-16.
_HALVINGS = 30


@dataclass(frozen=True)
class FlaggedGroups:
    """Result of `worse_than_rest`, for N groups.

    Parameters
    ----------
    value : ndarray, shape (N,)
        Rate of the group minus rate of the rest.
    low, high : ndarray, shape (N,)
        Limits of `value`, adjusted for the selection of flagged groups: the expected share of flagged groups whose limit
        misses on one side is at most the false-discovery rate. A group is flagged if and only if `low` is above the
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
) -> FlaggedGroups:
    """Flag the groups whose rate exceeds that of all other cases by more than a tolerance.

    Parameters
    ----------
    groups : Subgroups
        Rates of something harmful. Leave groups with few clusters out with `groups.subset`.
    tolerance : float, >= 0
    fdr : float, in (0, 1)
        Expected share of wrongly flagged groups among the flagged ones (0 where none is flagged).
    dependence : {"positive", "any"}
        Benjamini-Hochberg, or Benjamini-Yekutieli, which is valid under any dependence of the tests and costs a factor of
        about ``log N``.

    Returns
    -------
    FlaggedGroups

    Raises
    ------
    ValueError
        If `fdr` is outside (0, 1).

    Notes
    -----
    A p-value is the smallest error probability at which the lower limit of the difference is above the tolerance. The
    limit is MOVER's on one-sided Clopper-Pearson limits of the group and its rest, which share no cases. With clusters, the
    limits are at the effective sample size and t, each group with its own degrees of freedom, with the correlation of the two.
    The end towards which few clusters make errors skew lies further out (`raikit.stats.skewness`), as if the group and its rest
    shared no cluster.

    Benjamini and Hochberg's procedure is proved for tests that depend on each other positively [1]_, as those of nested
    and overlapping groups do. Groups without common cases depend on each other negatively, and weakly if a feature has
    more than two values; there the error is bounded by a constant factor [2]_. No theorem covers the mixture that
    intersections make. ``benchmarks/simulate_search.py`` simulates it: independent cases, and clusters of equal size, of
    Zipf sizes, and with one that holds a third or half of all cases. ``benchmarks/simulate_repeats.py`` simulates clusters that
    repeat one of their cases. The limits are Benjamini and Yekutieli's for selected
    parameters [3]_.

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
    method = f"{name}, {_limits_name(groups.ways)}"
    return FlaggedGroups(groups.difference, low, high, p, adjusted, np.asarray(flagged), method)


def excess_p(groups: Subgroups, tolerance: float = 0.0) -> FloatArray:
    """Compute one-sided p-values of "the group's rate exceeds that of the rest by no more than `tolerance`".

    Parameters
    ----------
    groups : Subgroups
    tolerance : float, >= 0

    Returns
    -------
    ndarray, shape (N,)
        At least 6e-16; 1 where it would be above one half.

    Notes
    -----
    The lower limit decreases with its error probability, so bisection finds the probability at which it equals the
    tolerance (see `worse_than_rest`).
    """
    p = np.ones(len(groups))
    candidates = np.flatnonzero(groups.difference > tolerance)
    if not len(candidates):
        return p
    searched = groups.subset(candidates)
    # The limit exceeds the tolerance at z_low but not at z_high.
    z_low, z_high = np.zeros(len(searched)), np.full(len(searched), _LARGEST_Z)
    for _ in range(_HALVINGS):
        middle = (z_low + z_high) / 2
        exceeds = _difference_limits(searched, ndtr(-middle))[0] > tolerance
        z_low, z_high = np.where(exceeds, middle, z_low), np.where(exceeds, z_high, middle)
    p[candidates] = np.where(z_low > 0, ndtr(-z_low), 1.0)
    return p


@dataclass(frozen=True)
class Certificate:
    """Excess of each of N groups over all cases together, and a bound for all groups.

    Parameters
    ----------
    value : ndarray, shape (N,)
        Rate of the group minus rate of all cases.
    low, high : ndarray, shape (N,)
        Simultaneous limits of all groups.
    low_pointwise, high_pointwise : ndarray, shape (N,)
        Limits of each group alone.
    worst : int
        The group with the largest value.
    floor, bound : float
        Limits of the largest true value over all groups: some group is worse by at least `floor`, none by more than
        `bound`.
    critical : float
        Critical value of `low` and `high`, in standard errors.
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
    groups: Subgroups, level: float = 0.95, draws: int = DRAWS, *, rng: np.random.Generator
) -> Certificate:
    """Compute a bound on how much worse any group is than all cases together.

    Parameters
    ----------
    groups : Subgroups
        At least one group. Leave groups with few clusters out with `groups.subset`.
    level : float, in (0, 1)
        Level of two-sided limits. The nominal error of `bound` alone, and of `floor` alone, is half of ``1 - level``.
    draws : int
        At least 20,000 where a tail decides.
    rng : numpy.random.Generator

    Returns
    -------
    Certificate

    Raises
    ------
    ValueError
        If there is no group, or `level` is outside (0, 1).

    Notes
    -----
    A group's difference to all cases is ``(1 - share)`` times its difference to the rest, whose limits are those of
    `worse_than_rest`; shares are treated as known. The critical value of the simultaneous limits is a quantile of the
    largest absolute standardised error, in Gaussian draws with the joint covariance of all groups (max-t) [1]_. Each
    group's exact limits are taken at that error probability.

    The bound is the largest pointwise limit (intersection-union): "no group is worse by more than X" is wrong only if the
    limit of the truly worst group is. The floor is simultaneous, because any group may look worst by chance.

    Simulated like `worse_than_rest`.

    References
    ----------
    .. [1] Chernozhukov, Chetverikov and Kato, "Gaussian approximations and multiplier bootstrap for maxima of sums of
       high-dimensional random vectors", Annals of Statistics 2013.
    """
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
    method = f"max-t over {len(groups)} groups below, pointwise above; {_limits_name(groups.ways)}"
    return Certificate(value, low, high, low_one, high_one, worst, floor, bound, critical, method)


def _limits_name(ways: int) -> str:
    return f"{cluster_prefix(ways)}MOVER, exact limits" + (" at effective n" if ways else "")


def _difference_limits(groups: Subgroups, tail: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Compute limits of the differences to the rests, each with error probability `tail`."""
    (l1, u1), (l2, u2) = (_rate_limits(groups, side, tail) for side in (0, 1))
    low, high = difference_limits(groups.rates, l1, u1, groups.rests, l2, u2, groups.correlation)
    if not groups.ways:
        return low, high
    down, up = skewness_shifts(-stdtrit(groups.df, tail), groups.skew)
    return np.maximum(low - down, -1.0), np.minimum(high + up, 1.0)


def _rate_limits(groups: Subgroups, side: int, tail: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Compute Clopper-Pearson limits of the groups (side 0) or their rests (side 1).

    With clusters at a sample size shrunk by (normal / t quantile)^2 (Korn-Graubard). The limit towards more of the rarer outcome
    then allows for clusters that were not seen (`raikit.stats.unseen`).
    """
    rate, n = (groups.rates, groups.n_effective) if side == 0 else (groups.rests, groups.rest_effective)
    if not groups.ways:
        return limits_at(rate * n, n, tail)
    t = stdtrit(groups.df, tail)
    n = n * np.divide(ndtri(tail), t, out=np.ones(len(t)), where=t < 0) ** 2
    low, high = limits_at(rate * n, n, tail)
    rare, repeated = rate <= 0.5, groups.repeatable[side] * groups.repeats.seen
    far = farthest(np.where(rare, high, 1 - low), groups.several[side], repeated, tail)
    return np.where(rare, low, 1 - far), np.where(rare, far, high)


def _largest_error(joint: FloatArray, level: float, draws: int, rng: np.random.Generator) -> float:
    """Return a quantile of the largest absolute value of correlated standard normal variables."""
    values, vectors = np.linalg.eigh(joint)
    positive = values > 1e-7 * values[-1]
    root = (vectors[:, positive] * np.sqrt(values[positive])).astype(np.float32)
    largest = np.empty(draws, dtype=np.float32)
    for start in range(0, draws, DRAW_BLOCK):
        size = min(DRAW_BLOCK, draws - start)
        noise = root @ rng.standard_normal((root.shape[1], size), dtype=np.float32)
        largest[start : start + size] = np.maximum(noise.max(axis=0), -noise.min(axis=0))
    return float(np.quantile(largest, level, method="higher"))
