"""Adjusted p-values of many tests: Holm (family-wise error rate), Benjamini-Hochberg (false discovery rate)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from raikit.stats._types import FloatArray


def holm(p: ArrayLike) -> FloatArray:
    """Adjust p-values by Holm's step-down procedure, which is valid under any dependence.

    Parameters
    ----------
    p : array_like, shape (m,)
        p-values in [0, 1]; NaN (a test that could not be done) stays NaN and does not count.

    Returns
    -------
    ndarray, shape (m,)

    Raises
    ------
    ValueError
        If a p-value is outside [0, 1].

    References
    ----------
    .. [1] Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Statist. 1979.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03]).round(4).tolist()
    [0.03, 0.06, 0.06]
    """
    return _stepwise(p, lambda ordered: np.maximum.accumulate(ordered * np.arange(len(ordered), 0, -1)))


def benjamini_hochberg(p: ArrayLike) -> FloatArray:
    """Adjust p-values by Benjamini and Hochberg, for independent or positively dependent tests.

    Parameters
    ----------
    p : array_like, shape (m,)
        p-values in [0, 1]; NaN stays NaN and does not count.

    Returns
    -------
    ndarray, shape (m,)

    Raises
    ------
    ValueError
        If a p-value is outside [0, 1].

    References
    ----------
    .. [1] Benjamini and Hochberg, "Controlling the false discovery rate", JRSS B 1995.

    Examples
    --------
    >>> benjamini_hochberg([0.01, 0.04, 0.03]).round(4).tolist()
    [0.03, 0.04, 0.04]
    """

    def step_up(ordered: FloatArray) -> FloatArray:
        scaled = ordered * len(ordered) / np.arange(1, len(ordered) + 1)
        return np.minimum.accumulate(scaled[::-1])[::-1]

    return _stepwise(p, step_up)


def _stepwise(p: ArrayLike, adjust: Callable[[FloatArray], FloatArray]) -> FloatArray:
    values = np.asarray(p, dtype=float)
    known = np.flatnonzero(~np.isnan(values))
    if np.any((values[known] < 0) | (values[known] > 1)):
        raise ValueError("p-values must lie in [0, 1]")
    order = known[np.argsort(values[known], kind="stable")]
    adjusted = np.full(values.shape, np.nan)
    adjusted[order] = np.minimum(adjust(values[order]), 1.0)
    return adjusted
