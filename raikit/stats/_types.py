"""Array types and the few checks that every procedure here shares."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
AnyArray = NDArray[Any]


def counts(x: ArrayLike, n: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Check successes and trials of groups: one-dimensional, equally long, at least two groups, 0 <= x <= n, n > 0."""
    events, trials = np.asarray(x, dtype=float), np.asarray(n, dtype=float)
    if events.ndim != 1 or events.shape != trials.shape:
        raise ValueError(f"x and n must be equally long and one-dimensional, not {events.shape} and {trials.shape}")
    if len(events) < 2:
        raise ValueError("fewer than two groups in which the rate is defined, so there is nothing to compare")
    if not np.all(trials > 0):
        raise ValueError("a group with n = 0 has no rate: leave it out and name it as excluded")
    if not np.all((events >= 0) & (events <= trials)):
        raise ValueError("x must lie between 0 and n in every group")
    return events, trials


def tail_of(level: float) -> float:
    """Return the error probability of one end of a two-sided interval, (1 - level) / 2."""
    if not 0 < level < 1:
        raise ValueError(f"level must lie strictly between 0 and 1, not {level!r}")
    return (1 - level) / 2
