"""Skewness of rates whose cases share clusters, and what it adds to a limit.

Where few clusters are much worse than the others, a rate misses from one side: samples with few of them look better and more
precise at the same time. Limits of t suppose symmetric errors. With uneven sizes those few may be small ones in the sample and
large ones in truth, so moments are taken as common to clusters of all sizes.

`pooled_moments` estimates them, and `skewness_shift` gives half of the shift of a limit that Johnson proposes [1]_. The whole shift
missed as often in the designs of benchmarks/simulate_repeats.py, and the intervals were wider by up to a third. Clusters of equal
size need no shift: their exact limits reach further.

References
----------
.. [1] Johnson, "Modified t tests and confidence intervals for asymmetrical populations", JASA 1978, section 2.
"""

from __future__ import annotations

import numpy as np

from raikit.stats._types import FloatArray, IntArray
from raikit.stats.constants import TINY

_PART = 0.5  # Of Johnson's shift.
_ROUNDING = 1e-9


def pooled_moments(
    group: IntArray, share: FloatArray, sums: tuple[FloatArray, ...], of_cases: tuple[FloatArray, ...], k: int
) -> tuple[FloatArray, FloatArray]:
    """Estimate the variance and third central moment of k rates, if clusters of all sizes differ alike.

    Parameters
    ----------
    group : ndarray of int, shape (n,)
        Group of each entry: one for each cluster that has cases in it.
    share : ndarray, shape (n,)
        Share of the group's weight that the cluster holds.
    sums : tuple of ndarray, each shape (n,)
        Second and third power of the cluster's summed contribution.
    of_cases : tuple of ndarray, each shape (n,)
        Sums over the cluster's cases: of their squared shares, and of the second and third power of their contributions.
    k : int

    Returns
    -------
    (variance, third) : ndarrays, shape (k,)
        What clusters add to those of independent cases, at least 0; 0 for a group without clusters of several cases.

    Examples
    --------
    >>> share, move = np.full(4, 0.25), np.array([0.15, -0.05, -0.05, -0.05])
    >>> of_cases = share**2 / 10, move**2 / 10, move**3 / 100
    >>> [moment.round(4).tolist() for moment in pooled_moments(np.zeros(4, dtype=int), share, (move**2, move**3), of_cases, 1)]
    [[0.027], [0.003]]
    """
    held = np.where(share > 0, share, np.inf)
    common = share - of_cases[0] / held
    several = common > _ROUNDING * share  # a single case shows nothing of what clusters add
    common = np.where(several, common, 0.0)
    total = np.bincount(group, common, minlength=k)
    moments = []
    for power, whole, single in zip((2, 3), sums, of_cases[1:], strict=True):
        added = np.bincount(group, several * (whole - single) / held ** (power - 1), minlength=k)
        mean = np.divide(added, total, out=np.zeros(k), where=total > TINY)
        moments.append(np.maximum(mean, 0.0) * np.bincount(group, common * share ** (power - 1), minlength=k))
    return np.asarray(moments[0], dtype=float), np.asarray(moments[1], dtype=float)


def skewness_shift(critical: FloatArray, skew: FloatArray) -> FloatArray:
    """Return by how much a limit lies further from its estimate than `critical` standard errors.

    Parameters
    ----------
    critical : ndarray, shape (k,)
        Quantiles of t.
    skew : ndarray, shape (k,)
        Third central moment of each estimate divided by its variance.

    Returns
    -------
    ndarray, shape (k,)
    """
    return np.asarray(_PART * skew * (2 * critical**2 + 1) / 6)


def skewness_shifts(critical: FloatArray, skew: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the shifts of the low limit and of the high one, of which one is 0: limits only move outwards."""
    shift = skewness_shift(critical, np.abs(skew))
    return np.where(skew < 0, shift, 0.0), np.where(skew > 0, shift, 0.0)


def deskewed(value: FloatArray, se: FloatArray, skew: FloatArray) -> FloatArray:
    """Return the critical values at which the low limits of estimates are 0, with the shift of `skewness_shifts`.

    Parameters
    ----------
    value, se, skew : ndarray, shape (c,)
        Estimates, standard errors, and third central moments divided by variances.

    Returns
    -------
    ndarray, shape (c,)
        At most ``value / se``, and that where errors are not skew downwards.
    """
    a = _PART * np.maximum(-skew, 0.0) / 6  # value = se t + a (2 t^2 + 1)
    left = value - a
    shifted = 2 * left / (se + np.sqrt(np.maximum(se**2 + 8 * a * left, 0.0)))
    return np.asarray(np.where(a > 0, np.minimum(shifted, value / se), value / se))
