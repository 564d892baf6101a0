"""Limits of a difference or ratio from the limits of its two parts: MOVER, the method of variance estimates recovery."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from raikit.stats._types import FloatArray


def difference_limits(
    p1: ArrayLike,
    l1: ArrayLike,
    u1: ArrayLike,
    p2: ArrayLike,
    l2: ArrayLike,
    u2: ArrayLike,
    correlation: ArrayLike = 0.0,
) -> tuple[FloatArray, FloatArray]:
    """Compute limits of ``p1 - p2``.

    Parameters
    ----------
    p1, l1, u1, p2, l2, u2 : array_like
        Estimates with their lower and upper limits, at the level of the difference; they broadcast.
    correlation : array_like, in [-1, 1]
        Correlation of the two estimates; 0 for groups without common cases or clusters.

    Returns
    -------
    (low, high) : ndarrays of the broadcast shape

    References
    ----------
    .. [1] Zou and Donner, "Construction of confidence limits about effect measures: a general approach",
       Statistics in Medicine 2008, eq. 6 and (with correlation) section 2.

    Examples
    --------
    >>> low, high = difference_limits(0.5, 0.4, 0.6, 0.3, 0.2, 0.4)
    >>> round(float(low), 4), round(float(high), 4)
    (0.0586, 0.3414)
    """
    a, b = np.asarray(p1, dtype=float), np.asarray(p2, dtype=float)
    down_a, up_a, down_b, up_b = a - l1, np.asarray(u1) - a, b - l2, np.asarray(u2) - b
    low = a - b - np.sqrt(np.maximum(down_a**2 + up_b**2 - 2 * np.asarray(correlation) * down_a * up_b, 0.0))
    high = a - b + np.sqrt(np.maximum(up_a**2 + down_b**2 - 2 * np.asarray(correlation) * up_a * down_b, 0.0))
    return low, high


def ratio_limits(
    p1: ArrayLike,
    l1: ArrayLike,
    u1: ArrayLike,
    p2: ArrayLike,
    l2: ArrayLike,
    u2: ArrayLike,
    correlation: ArrayLike = 0.0,
) -> tuple[FloatArray, FloatArray]:
    """Compute limits of ``p1 / p2``, for quantities that cannot be negative (MOVER-R).

    Parameters
    ----------
    p1, l1, u1, p2, l2, u2 : array_like, >= 0
        Estimates with their limits; they broadcast.
    correlation : array_like, in [-1, 1]

    Returns
    -------
    (low, high) : ndarrays of the broadcast shape
        `low` is 0 where ``p1`` is 0; `high` is infinite where ``l2`` is 0.

    References
    ----------
    .. [1] Donner and Zou, "Closed-form confidence intervals for functions of the normal mean and standard
       deviation", Statistical Methods in Medical Research 2012, eq. 2.4, with the square root moved
       to the other side of the fraction, which stays finite at ``u2 = 2 p2``.

    Examples
    --------
    >>> low, high = ratio_limits(0.3, 0.2, 0.4, 0.5, 0.4, 0.6)
    >>> round(float(low), 4), round(float(high), 4)
    (0.3856, 0.8644)
    """
    a, b = np.asarray(p1, dtype=float), np.asarray(p2, dtype=float)
    lo1, hi1, lo2, hi2 = (np.asarray(v, dtype=float) for v in (l1, u1, l2, u2))
    r = np.asarray(correlation, dtype=float)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        first, second = lo1 * (2 * a - lo1), hi2 * (2 * b - hi2)
        middle = a * b - r * (a - lo1) * (hi2 - b)
        low = first / (middle + np.sqrt(np.maximum(middle**2 - first * second, 0.0)))
        first, second = hi1 * (2 * a - hi1), lo2 * (2 * b - lo2)
        middle = a * b - r * (hi1 - a) * (b - lo2)
        high = (middle + np.sqrt(np.maximum(middle**2 - first * second, 0.0))) / second
    return np.where(lo1 <= 0, 0.0, low), np.where(lo2 <= 0, np.inf, high)


def difference_of_estimates(
    p1: ArrayLike,
    l1: ArrayLike,
    u1: ArrayLike,
    p2: ArrayLike,
    l2: ArrayLike,
    u2: ArrayLike,
    correlation: ArrayLike = 0.0,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Compute the difference ``p1 - p2`` of any two estimates with intervals, and its limits.

    Parameters
    ----------
    p1, l1, u1, p2, l2, u2, correlation : array_like
        As in `difference_limits`.

    Returns
    -------
    (value, low, high) : ndarrays of the broadcast shape
    """
    low, high = difference_limits(p1, l1, u1, p2, l2, u2, correlation)
    return np.asarray(p1, dtype=float) - np.asarray(p2, dtype=float), low, high
