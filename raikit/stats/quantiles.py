"""Quantiles and tail probabilities of the standard normal distribution and of Student's t."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr, ndtri, stdtr, stdtrit

from raikit.stats._types import FloatArray


def tail_of(level: float) -> float:
    """Return the error probability of one end of a two-sided interval, (1 - level) / 2.

    Raises
    ------
    ValueError
        If `level` is not strictly between 0 and 1.
    """
    if not 0 < level < 1:
        raise ValueError(f"level must lie strictly between 0 and 1, not {level!r}")
    return (1 - level) / 2


def upper_quantile(tail: ArrayLike, df: ArrayLike = np.inf) -> FloatArray:
    """Return the value that Student's t exceeds with probability `tail`.

    Parameters
    ----------
    tail : array_like, in (0, 1)
    df : array_like, > 0
        Degrees of freedom; they broadcast with `tail`. A single infinite number means the normal distribution.
    """
    return np.asarray(-ndtri(tail) if _is_normal(df) else -stdtrit(df, tail))


def upper_tail(t: ArrayLike, df: ArrayLike = np.inf) -> FloatArray:
    """Return the probability that Student's t exceeds `t`.

    Parameters
    ----------
    t : array_like
    df : array_like, > 0
        As in `upper_quantile`.
    """
    return np.asarray(ndtr(-np.asarray(t)) if _is_normal(df) else stdtr(df, -np.asarray(t)))


def as_normal(t: ArrayLike, df: ArrayLike) -> FloatArray:
    """Return the standard normal value with the same tail probability as a value of Student's t."""
    value = np.asarray(t, dtype=float)
    if _is_normal(df):
        return value
    return np.asarray(np.sign(value) * -ndtri(upper_tail(np.abs(value), df)))


def as_t(z: ArrayLike, df: ArrayLike) -> FloatArray:
    """Return the value of Student's t with the same tail probability as a standard normal value."""
    return np.asarray(z, dtype=float) if _is_normal(df) else upper_quantile(upper_tail(z), df)


def _is_normal(df: ArrayLike) -> bool:
    return np.ndim(df) == 0 and bool(np.isinf(df))
