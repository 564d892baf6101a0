"""The worsening since another run that data of this size would have shown with 80% power.

A metric that got worse mostly varies more than one that did not: a rate of 98% that falls to 94% has three times the variance.
What is promised with the variance of today is found far less often than four times in five.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from raikit.stats._types import FloatArray
from raikit.stats.constants import TINY

_STEPS = 20  # Iterations until the worsening no longer changes by a percent.
_POWER, _HALVINGS = 0.8, 40  # Power that is promised, and steps of the bisection that finds where it is reached.


def added_variance(
    value: FloatArray, variance: FloatArray, worse: FloatArray, *, higher_is_better: bool, shared: bool
) -> FloatArray:
    """Return by how much the variance of each value grows if the value becomes worse.

    Values between 0 and 1 are taken for rates, whose variance follows from the value. The spread of larger values, such as
    losses and errors, is taken to grow in proportion to them. Of values with both signs nothing is known, and nothing is added.

    Parameters
    ----------
    value, variance : ndarray, shape (k,)
    worse : ndarray, shape (k,)
        By how much each value becomes worse, >= 0.
    higher_is_better : bool
    shared : bool
        Whether both runs hold the same cases. The variance of a difference then grows by that of the cases that change.
    """
    if np.any(value < 0):
        return np.zeros(len(value))
    if np.any(value > 1):
        factor = np.zeros(len(value)) if higher_is_better else worse / np.maximum(value, TINY)
        return np.asarray(variance * ((1 + factor) ** 2 - 1))
    # Where no case has the rarer outcome, the variance is of one or two cases that were added, about 1 / n^2.
    n = np.maximum(value * (1 - value) / np.maximum(variance, TINY), 1 / np.sqrt(np.maximum(variance, TINY)))
    if shared:
        changed = np.minimum(worse, 0.5)
        return np.asarray(changed * (1 - changed) / n)
    after = np.clip(value - worse if higher_is_better else value + worse, 0.0, 1.0)
    return np.asarray(np.maximum(after * (1 - after) - value * (1 - value), 0.0) / n)


def settle(needed: Callable[[FloatArray], FloatArray], size: int) -> FloatArray:
    """Return the worsening, shape (size,), that is what is needed with the variance that it brings."""
    worse = np.zeros(size)
    for _ in range(_STEPS):
        worse = needed(worse)
    return worse


def first_detected(power: Callable[[FloatArray], FloatArray], se: FloatArray) -> FloatArray:
    """Return the smallest worsenings that are detected with 80% power, between one and a million standard errors."""
    low = np.log(np.maximum(se, TINY))
    high = low + np.log(1e6)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        enough = power(np.exp(middle)) >= _POWER
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    return np.asarray(np.exp(high))
