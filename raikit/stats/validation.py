"""Checks of arguments that several procedures share."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from raikit.stats._types import BoolArray, FloatArray, IntArray

TOO_FEW_GROUPS = "fewer than two groups in which the rate is defined, so there is nothing to compare"


def validate_counts(x: ArrayLike, n: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Return successes and trials of at least two groups as float arrays.

    Parameters
    ----------
    x, n : array_like, shape (k,)
        Successes and trials of each group.

    Returns
    -------
    (x, n) : ndarrays, shape (k,)

    Raises
    ------
    ValueError
        If the shapes differ or are not one-dimensional, k < 2, some n is not positive, or some x is outside [0, n].
    """
    events, trials = np.asarray(x, dtype=float), np.asarray(n, dtype=float)
    if events.ndim != 1 or events.shape != trials.shape:
        raise ValueError(f"x and n must be equally long and one-dimensional, not {events.shape} and {trials.shape}")
    if len(events) < 2:
        raise ValueError(TOO_FEW_GROUPS)
    if not np.all(trials > 0):
        raise ValueError("a group with n = 0 has no rate: leave it out and name it as excluded")
    if not np.all((events >= 0) & (events <= trials)):
        raise ValueError("x must lie between 0 and n in every group")
    return events, trials


def case_weights(
    size: int, weight: ArrayLike | None, squares: ArrayLike | None, counts: ArrayLike | None
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the weight, the squared weight and the number of cases of each entry.

    An entry is one case, or a cell of cases that are alike in everything else; then `counts` has their number, `weight`
    the sum of their weights and `squares` the sum of their squared weights.

    Parameters
    ----------
    size : int
        Number of entries.
    weight, squares, counts : array_like, shape (size,), optional
    """
    number = np.ones(size) if counts is None else np.asarray(counts, dtype=float)
    w = number if weight is None else np.asarray(weight, dtype=float)
    w2 = (w**2 if weight is not None else w) if squares is None else np.asarray(squares, dtype=float)
    return w, w2, number


def comparable(usable: BoolArray, strata: IntArray) -> BoolArray:
    """Return which groups are usable and have another usable group in their stratum.

    Parameters
    ----------
    usable : ndarray of bool, shape (k,)
    strata : ndarray of int, shape (k,)
    """
    labels, position = np.unique(strata, return_inverse=True)
    return np.asarray(usable & (np.bincount(position, usable, minlength=len(labels)) >= 2)[position])
