"""Rates of groups: exact limits, effective counts of weighted cases, and limits simultaneous over all groups.

Limits for clustered cases are in `raikit.stats.clusters`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betainccinv, betaincinv

from raikit.stats._types import FloatArray
from raikit.stats.constants import TINY
from raikit.stats.quantiles import tail_of

_MANY, _MOST = 200, 50_000  # Of so many groups, those with the same counts are computed once.


def clopper_pearson(
    x: ArrayLike, n: ArrayLike, level: float = 0.95, sided: Literal["two", "lower", "upper"] = "two"
) -> tuple[FloatArray, FloatArray]:
    """Compute exact limits of a binomial rate (Clopper-Pearson).

    Parameters
    ----------
    x, n : array_like
        Successes and trials; they broadcast. Real numbers are accepted (see `effective_counts`).
    level : float, in (0, 1)
    sided : {"two", "lower", "upper"}
        ``"lower"``: all of the error is on the lower limit, and `high` is 1; ``"upper"``: `low` is 0.

    Returns
    -------
    (low, high) : ndarrays of the broadcast shape, in [0, 1]
        NaN where n is 0: the rate is undefined. 0 of 5 gives [0, 0.52], not [0, 0].

    Raises
    ------
    ValueError
        If x is outside [0, n] or `level` outside (0, 1).

    Notes
    -----
    The coverage is at least `level` for independent, unweighted cases [1]_. With effective counts it is approximate.

    References
    ----------
    .. [1] Clopper and Pearson, "The use of confidence or fiducial limits", Biometrika 1934.

    Examples
    --------
    >>> low, high = clopper_pearson([0, 5], [5, 5])
    >>> low.round(2).tolist(), high.round(2).tolist()
    ([0.0, 0.48], [0.52, 1.0])
    """
    tail = tail_of(level) * (1 if sided == "two" else 2)
    low, high = limits_at(x, n, tail)
    defined = ~np.isnan(low)
    if sided == "lower":
        high = np.where(defined, 1.0, np.nan)
    elif sided == "upper":
        low = np.where(defined, 0.0, np.nan)
    return low, high


def limits_at(x: ArrayLike, n: ArrayLike, tail: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Compute Clopper-Pearson limits that each err with probability `tail`, which broadcasts with x and n."""
    events, trials, tail = np.broadcast_arrays(*(np.asarray(v, dtype=float) for v in (x, n, tail)))
    if np.any((events < 0) | (events > trials * (1 + 1e-12))):
        raise ValueError("x must lie between 0 and n")
    if events.ndim == 1 and _MANY <= len(events) <= _MOST:
        alike, place = np.unique(np.column_stack([events, trials, tail]), axis=0, return_inverse=True)
        if len(alike) <= len(events) // 2:
            low, high = _limits(*alike.T)
            return low[place.reshape(-1)], high[place.reshape(-1)]
    return _limits(events, trials, tail)


def _limits(events: FloatArray, trials: FloatArray, tail: FloatArray) -> tuple[FloatArray, FloatArray]:
    failures = np.maximum(trials - events, 0.0)
    with np.errstate(invalid="ignore"):
        low = np.where(events > 0, betaincinv(np.maximum(events, TINY), failures + 1, tail), 0.0)
        high = np.where(failures > 0, betainccinv(events + 1, np.maximum(failures, TINY), tail), 1.0)
    undefined = ~(trials > 0)
    return np.where(undefined, np.nan, low), np.where(undefined, np.nan, high)


def agresti_caffo_variance(x: ArrayLike, n: ArrayLike) -> FloatArray:
    """Compute the variance of a rate after adding one success and one failure, which is never 0.

    References
    ----------
    .. [1] Agresti and Caffo, "Simple and effective confidence intervals for proportions and differences of proportions
       result from adding two successes and two failures", The American Statistician 2000.

    Examples
    --------
    >>> round(float(agresti_caffo_variance(0, 10)), 4)
    0.0064
    """
    events, trials = np.asarray(x, dtype=float), np.asarray(n, dtype=float)
    smoothed = (events + 1) / (trials + 2)
    return np.asarray(smoothed * (1 - smoothed) / (trials + 2))


def effective_counts(sum_w_x: ArrayLike, sum_w: ArrayLike, sum_w2: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Compute successes and trials that are as informative as weighted cases (Kish), for exact limits.

    Parameters
    ----------
    sum_w_x : array_like
        Sum of the weights of the successes.
    sum_w, sum_w2 : array_like, >= 0
        Sums of the weights and of their squares. The scale of the weights does not matter.

    Returns
    -------
    (x, n) : ndarrays of the broadcast shape
        ``n = (sum w)^2 / sum w^2`` and ``x = rate * n``; both 0 where there is no weight.

    Notes
    -----
    Kish's number supposes that weights are unrelated to the outcome. Where successes weigh more than failures, intervals
    at this sample size are too narrow; where they weigh less, too wide. `rate_covariance` takes the weights of successes
    into account (benchmarks/simulate_weights.py shows both).

    References
    ----------
    .. [1] Kish, "Survey Sampling", 1965, section 11.7.

    Examples
    --------
    >>> x, n = effective_counts(3.0, 10.0, 10.0)      # ten cases of weight 1
    >>> float(x), float(n)
    (3.0, 10.0)
    """
    events, total, squares = (np.asarray(v, dtype=float) for v in (sum_w_x, sum_w, sum_w2))
    with np.errstate(divide="ignore", invalid="ignore"):
        n = np.where(squares > 0, total**2 / squares, 0.0)
        rate = np.where(total > 0, events / total, 0.0)
    return np.clip(rate, 0.0, 1.0) * n, n


@dataclass(frozen=True)
class RateIntervals:
    """Rates of k groups, each with a pointwise interval and with one that is simultaneous over the groups.

    Parameters
    ----------
    value, low, high : ndarray, shape (k,)
        Rates and *simultaneous* limits.
    low_pointwise, high_pointwise : ndarray, shape (k,)
        Limits of each group alone.
    method : str
    """

    value: FloatArray
    low: FloatArray
    high: FloatArray
    low_pointwise: FloatArray
    high_pointwise: FloatArray
    method: str


def simultaneous_rates(x: ArrayLike, n: ArrayLike, level: float = 0.95) -> RateIntervals:
    """Compute exact intervals of the rates of k separate groups, each alone and simultaneously (Sidak).

    Parameters
    ----------
    x, n : array_like, shape (k,)
        Successes and trials; a group with n = 0 is undefined (NaN) and not counted in k.
    level : float, in (0, 1)

    Returns
    -------
    RateIntervals

    Raises
    ------
    ValueError
        If some x is outside [0, n] or `level` outside (0, 1).

    References
    ----------
    .. [1] Sidak, "Rectangular confidence regions for the means of multivariate normal distributions", JASA 1967.
    """
    events, trials = np.asarray(x, dtype=float), np.asarray(n, dtype=float)
    k = max(int(np.sum(trials > 0)), 1)
    low, high = clopper_pearson(events, trials, level ** (1 / k))
    low_one, high_one = clopper_pearson(events, trials, level)
    value = np.divide(events, trials, out=np.full(events.shape, np.nan), where=trials > 0)
    method = "Clopper-Pearson" if k == 1 else f"Clopper-Pearson, Sidak over {k} groups"
    return RateIntervals(value, low, high, low_one, high_one, method)
