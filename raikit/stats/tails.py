"""Means of values with heavy tails: ends that allow for a larger value than any seen, and flags where no such end is valid.

The end of an interval on the side of the heavy tail is too near in small samples: the values that would show how far the mean may
be have not occurred yet. Three things move it away. The variance includes one more case (or cluster) like the largest. The degrees
of freedom are those of the squared contributions, ``(sum f^2)^2 / sum f^4 - 1``. A mean of losses has its high end on the scale of
the logarithm. Where tails are so heavy that this does not hold either, the end is flagged: ``open_high``, ``open_low``. Nothing
should be decided on it. Samples from which rare large values are absent altogether look like light tails; no method sees them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from raikit.stats._types import FloatArray
from raikit.stats.covariance import influence_covariance
from raikit.stats.covariance_result import CovarianceResult, cluster_prefix
from raikit.stats.interval import Interval, cluster_flags, cluster_number, without_variation
from raikit.stats.means import mean_covariance
from raikit.stats.quantiles import tail_of, upper_quantile
from raikit.stats.rates import limits_at

OPEN_HIGH, OPEN_LOW = "open_high", "open_low"
_FINITE_VARIANCE = 2.0  # Values with a smaller tail index have no finite variance.
_ALLOWANCE = 5.0  # For the error of an index from k values, divided by k; chosen by simulation (benchmarks/simulate_errors.py).
_ENOUGH = 30  # Effective number of contributions with which the end was simulated to hold whatever the index.


def loss_interval(
    losses: ArrayLike,
    weight: ArrayLike | None = None,
    clusters: Sequence[ArrayLike] = (),
    level: float = 0.95,
    bounds: tuple[float, float] = (0.0, np.inf),
    *,
    largest: float | None = None,
) -> Interval:
    """Compute the mean of losses, which are at least 0 and may have a heavy tail.

    Parameters
    ----------
    losses : array_like, shape (n,)
    weight, clusters, level, bounds
        As in `mean_interval`.
    largest : float, optional
        Largest loss that a case can have. The mean of losses up to 1 is less uncertain than a rate of the same size, so that
        exact limits of a rate are valid with any tail.

    Returns
    -------
    Interval
        The low end is that of the t interval; it holds with tails of any weight. The flag ``open_high`` marks a tail for which
        no high end is valid, unless `largest` is given; ``unreliable`` marks losses that do not vary.

    Raises
    ------
    ValueError
        As `mean_interval`.

    Notes
    -----
    Simulated for independent cases with normal, Laplace, t, log-normal and Pareto errors (benchmarks/simulate_errors.py).
    """
    values = np.asarray(losses, dtype=float)
    cov = mean_covariance(values, weight, clusters)
    if (none := _without_variation(cov, bounds)) is not None:
        return none
    value, tail = float(cov.rates[0]), tail_of(level)
    low = value - float(upper_quantile(tail, float(cov.df[0]))) * float(np.sqrt(cov.M[0, 0]))
    reach, df = _reach(cov, tail)
    high = _logarithmic(value, reach)
    if not _heavy(_weighted(values, weight), df):
        return _interval(cov, low, high, bounds, f"t, one more case, log high end (df {df:.3g})", ())
    if largest is None:
        return _interval(cov, low, high, bounds, f"t, one more case, log high end (df {df:.3g})", (OPEN_HIGH,))
    high = largest * _rate_limit(value / largest, cov, tail)
    return _interval(cov, low, high, bounds, "t, exact high end of a rate", ())


def skewed_mean_interval(
    values: ArrayLike,
    weight: ArrayLike | None = None,
    clusters: Sequence[ArrayLike] = (),
    level: float = 0.95,
    bounds: tuple[float, float] = (-np.inf, np.inf),
) -> Interval:
    """Compute the mean of values of either sign, each of whose tails may be heavy.

    Parameters
    ----------
    values : array_like, shape (n,)
    weight, clusters, level, bounds
        As in `mean_interval`.

    Returns
    -------
    Interval
        The flags ``open_high`` and ``open_low`` mark a tail for which no such end is valid.

    Raises
    ------
    ValueError
        As `mean_interval`.
    """
    data = np.asarray(values, dtype=float)
    up, down = (mean_covariance(side * data, weight, clusters) for side in (1, -1))
    if (none := _without_variation(up, bounds)) is not None:
        return none
    value, tail = float(up.rates[0]), tail_of(level)
    (above, df), (below, _) = _reach(up, tail), _reach(down, tail)
    flags = []
    if heavy_tail(_weighted(np.abs(data - value), weight), df + 1, allowance=0.0):
        rises, falls = float(up.one_more[0]), float(down.one_more[0])
        # These are squares: the side's largest move is at least half of the other side's.
        flags = [flag for flag, own in ((OPEN_HIGH, rises), (OPEN_LOW, falls)) if own >= max(rises, falls) / 4]
    return _interval(up, value - below, value + above, bounds, f"t, one more case (df {df:.3g})", flags)


def ratio_of_means_interval(
    numerator: ArrayLike,
    denominator: ArrayLike,
    weight: ArrayLike | None = None,
    clusters: Sequence[ArrayLike] = (),
    level: float = 0.95,
) -> Interval:
    """Compute the ratio of two means of values that are at least 0 and may have heavy tails.

    Parameters
    ----------
    numerator, denominator : array_like, shape (n,)
        The mean of the denominator must be positive.
    weight, clusters, level
        As in `mean_interval`.

    Returns
    -------
    Interval
        The high end is on the scale of the logarithm; it allows for one more case like the one that raises the ratio most, and
        the low end for one like that which lowers it most. A heavy tail of the numerator is flagged ``open_high``, one of the
        denominator ``open_low``. Without variation the ends are 0 and infinity.

    Raises
    ------
    ValueError
        As `mean_interval`.
    """
    x, y = np.asarray(numerator, dtype=float), np.asarray(denominator, dtype=float)
    w = np.ones(len(x)) if weight is None else np.asarray(weight, dtype=float)
    value = float(w @ x) / float(w @ y)
    influence = w * (x - value * y) / float(w @ y)
    up, down = (_influence_covariance(side * value, side * influence, w, clusters) for side in (1, -1))
    if (none := _without_variation(up, (0.0, np.inf))) is not None:
        return none
    tail = tail_of(level)
    (above, df), (below, _) = _reach(up, tail), _reach(down, tail)
    high = _logarithmic(value, above)
    flags = [flag for flag, side in ((OPEN_HIGH, w * x), (OPEN_LOW, w * y)) if _heavy(side, df)]
    return _interval(up, value - below, high, (0.0, np.inf), f"ratio, t, one more case (df {df:.3g})", flags)


def hill_index(values: ArrayLike, k: int) -> float:
    """Estimate the index of the upper tail from the k largest values (Hill); small means heavy.

    Parameters
    ----------
    values : array_like, shape (n,)
    k : int, < n

    Returns
    -------
    float
        0 where fewer than k + 1 values are positive, infinite where the largest are all alike.

    References
    ----------
    .. [1] Hill, "A simple general approach to inference about the tail of a distribution", Annals of Statistics 1975.
    """
    data = np.asarray(values, dtype=float)
    largest = np.partition(data, len(data) - k - 1)[len(data) - k - 1 :]
    if not largest[0] > 0:
        return 0.0
    spacing = float(np.mean(np.log(largest[1:] / largest[0])))
    return 1 / spacing if spacing > 0 else float("inf")


def heavy_tail(values: ArrayLike, supporting: float, allowance: float = _ALLOWANCE) -> bool:
    """Return whether the upper tail of values is too heavy for the high end of their mean.

    Parameters
    ----------
    values : array_like, shape (n,)
    supporting : float
        Effective number of contributions, ``(sum f^2)^2 / sum f^4``.
    allowance : float
        For the error of the index, divided by the number of values that it is estimated from.

    Notes
    -----
    The index of the ``max(10, sqrt(n))`` largest values is below 2, with an allowance for its error, and the variance rests on
    fewer than 30 contributions. Of 20 values or fewer the tail is unknown.
    """
    data = np.asarray(values, dtype=float)
    k = max(10, int(np.sqrt(len(data))))
    if supporting - 1 >= _ENOUGH:
        return False
    return len(data) < 2 * k or hill_index(data, k) < _FINITE_VARIANCE + allowance / k


def _heavy(values: FloatArray, df: float) -> bool:
    return heavy_tail(values, df + 1)


def _weighted(values: FloatArray, weight: ArrayLike | None) -> FloatArray:
    return values if weight is None else values * np.asarray(weight, dtype=float)


def _influence_covariance(
    value: float, influence: FloatArray, weight: FloatArray, clusters: Sequence[ArrayLike]
) -> CovarianceResult:
    kish = np.array([float(weight.sum() ** 2 / (weight**2).sum())])
    one_group = np.zeros(len(influence), dtype=np.int64)
    return influence_covariance(np.array([value]), influence, one_group, clusters, kish, kish, weight=weight)


def _reach(cov: CovarianceResult, tail: float) -> tuple[float, float]:
    """Return how far the high end is from the mean on the plain scale, and its degrees of freedom."""
    df = max(min(float(cov.df[0]), float(cov.supporting[0]) - 1), 1.0)
    return float(upper_quantile(tail, df)) * float(np.sqrt(cov.M[0, 0] + cov.one_more[0])), df


def _rate_limit(rate: float, cov: CovarianceResult, tail: float) -> float:
    """Return the exact upper limit of a rate of as many cases, or clusters, as weigh alike."""
    n = min(float(cov.n_rows[0]), float(cov.effective_clusters[0]))
    return float(limits_at(min(rate, 1.0) * n, n, tail)[1])


def _logarithmic(value: float, reach: float) -> float:
    """Return the high end on the scale of the logarithm, up to two of its units, which are orders of magnitude."""
    if reach > 2 * value:
        return max(value + reach, value * float(np.exp(2.0)))
    return value * float(np.exp(reach / value))


def _without_variation(cov: CovarianceResult, bounds: tuple[float, float]) -> Interval | None:
    value, flags = float(cov.rates[0]), cluster_flags(cov)
    if "unreliable" not in flags and float(np.sqrt(cov.M[0, 0])) > 1e-12 * abs(value):
        return None
    return without_variation(value, bounds, f"{cluster_prefix(cov.ways)}t", float(cov.n_rows[0]), cluster_number(cov), flags)


def _interval(
    cov: CovarianceResult, low: float, high: float, bounds: tuple[float, float], method: str, flags: Sequence[str]
) -> Interval:
    return Interval(
        float(cov.rates[0]), max(low, bounds[0]), min(high, bounds[1]), f"{cluster_prefix(cov.ways)}{method}",
        float(cov.n_rows[0]), cluster_number(cov), (*cluster_flags(cov), *flags),
    )  # fmt: skip
