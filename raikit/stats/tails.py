"""Means of values with heavy tails: ends that allow for a larger value than any seen, and flags where no such end is valid.

The end of an interval on the side of the heavy tail is too near in small samples: the values that would show how far the mean may
be have not occurred yet. Three things move it away. The variance includes one more case (or cluster) like the largest. The degrees
of freedom are those of the squared contributions, ``(sum f^2)^2 / sum f^4 - 1``. A mean of losses has its high end on the scale of
the logarithm. Where the variance rests on so few cases that this does not hold either, the end is flagged: ``open_high``,
``open_low``. Nothing should be decided on it. Samples from which rare large values are absent altogether look like light tails;
no method sees them.

Squares count one cluster of another kind far more than a mean does: values nine times as large move it by up to a hundred times
the share of that cluster. Where few clusters are sampled, the end of a mean of squares is open on that side for this reason alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from raikit.stats._types import FloatArray
from raikit.stats.contributions import OPEN_HIGH, OPEN_LOW, deviations_from_mean, open_ends
from raikit.stats.covariance import influence_covariance
from raikit.stats.covariance_result import CovarianceResult
from raikit.stats.interval import Interval
from raikit.stats.means import bounded_interval, mean_covariance, no_variation, reach, unit_of, without_cluster_apart
from raikit.stats.quantiles import tail_of, upper_quantile
from raikit.stats.rates import limits_at
from raikit.stats.unseen import unseen_share

MIN_CLUSTERS_OF_SQUARES = 1_000
"""Effective clusters with which an end of a mean of squares may decide. With 150 to 600, of which two are of another kind, it
would miss in 11 to 15% of samples; with 1,200 in 12%, and in 1% if eight are (benchmarks/simulate_dominance.py)."""


def loss_interval(
    losses: ArrayLike,
    weight: ArrayLike | None = None,
    clusters: Sequence[ArrayLike] = (),
    level: float = 0.95,
    bounds: tuple[float, float] = (0.0, np.inf),
    *,
    largest: float | None = None,
    squares: bool = False,
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
    squares : bool
        Whether losses are squares of errors, whose high end is open with fewer than 1,000 effective clusters.

    Returns
    -------
    Interval
        The low end is that of the t interval; it holds with tails of any weight. The high end allows above 95% for a cluster
        that was not seen, of cases like the worst. The flag ``open_high`` marks a tail for which no high end is valid, unless
        `largest` is given and cases weigh alike: where large losses weigh more, Kish's number of cases is too many.
        ``unreliable`` marks losses that do not vary.

    Raises
    ------
    ValueError
        As `mean_interval`.

    Notes
    -----
    Simulated for independent cases with normal, Laplace, t, log-normal and Pareto errors (benchmarks/simulate_errors.py), for
    clusters of even and uneven sizes (simulate_clusters.py) and for weights related to the losses (simulate_weights.py).
    """
    values = np.asarray(losses, dtype=float)
    cov = mean_covariance(values, weight, clusters)
    if (none := no_variation(cov, bounds)) is not None:
        return none
    value, tail = float(cov.rates[0]), tail_of(level)
    low = value - float(upper_quantile(tail, float(cov.df[0]))) * float(np.sqrt(cov.M[0, 0]))
    deviations = deviations_from_mean(values, weight, clusters)
    above, df = reach(cov, deviations, tail)
    unseen = float(unseen_share(cov, level)[0]) * (float(values.max()) - value)
    above = float(np.hypot(above, float(upper_quantile(tail, df)) * unseen))
    high, heavy = _logarithmic(value, above), OPEN_HIGH in open_ends(deviations) or (squares and _few_for_squares(cov))
    flags = [OPEN_HIGH] if heavy else []
    if not flags or largest is None:
        return bounded_interval(cov, low, high, bounds, f"t, one more {unit_of(cov)}, log high end (df {df:.3g})", flags)
    high = largest * _rate_limit(value / largest, cov, tail)
    return bounded_interval(cov, low, high, bounds, "t, exact high end of a rate", flags if _weights_vary(cov) else ())


def ratio_of_means_interval(
    numerator: ArrayLike,
    denominator: ArrayLike,
    weight: ArrayLike | None = None,
    clusters: Sequence[ArrayLike] = (),
    level: float = 0.95,
    *,
    squares: bool = False,
) -> Interval:
    """Compute the ratio of two means of values that are at least 0 and may have heavy tails.

    Parameters
    ----------
    numerator, denominator : array_like, shape (n,)
        The mean of the denominator must be positive.
    weight, clusters, level
        As in `mean_interval`.
    squares : bool
        Whether both are squares of errors or deviations: both ends are open with fewer than 1,000 effective clusters.

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
    if (none := no_variation(up, (0.0, np.inf))) is not None:
        return none
    tail = tail_of(level)
    (above, df), (below, _) = (reach(cov, deviations_from_mean(x - value * y, w, clusters), tail) for cov in (up, down))
    high = _logarithmic(value, above)
    few = squares and _few_for_squares(up)
    heavy = (few or OPEN_HIGH in open_ends(deviations_from_mean(side, w, clusters)) for side in (x, y))
    flags = [flag for flag, is_heavy in zip((OPEN_HIGH, OPEN_LOW), heavy, strict=True) if is_heavy]
    return bounded_interval(up, value - below, high, (0.0, np.inf), f"ratio, t, one more {unit_of(up)} (df {df:.3g})", flags)


def _influence_covariance(
    value: float, influence: FloatArray, weight: FloatArray, clusters: Sequence[ArrayLike]
) -> CovarianceResult:
    kish = np.array([float(weight.sum() ** 2 / (weight**2).sum())])
    one_group = np.zeros(len(influence), dtype=np.int64)
    cov = influence_covariance(np.array([value]), influence, one_group, clusters, kish, kish, weight=weight)
    return without_cluster_apart(cov, weight, clusters)


def _rate_limit(rate: float, cov: CovarianceResult, tail: float) -> float:
    """Return the exact upper limit of a rate of as many cases, or clusters, as weigh alike."""
    n = min(float(cov.n_rows[0]), float(cov.effective_clusters[0]))
    return float(limits_at(min(rate, 1.0) * n, n, tail)[1])


def _few_for_squares(cov: CovarianceResult) -> bool:
    """Return whether so few clusters were sampled that one of another kind may make much of a mean of squares unseen."""
    return bool(cov.ways) and bool(cov.effective_clusters[0] < MIN_CLUSTERS_OF_SQUARES)


def _weights_vary(cov: CovarianceResult) -> bool:
    """Return whether cases without clusters weigh differently; Kish's number is then fewer than the cases."""
    return not cov.ways and bool(cov.n_rows[0] < cov.n_clusters[0] * (1 - 1e-9))


def _logarithmic(value: float, reach: float) -> float:
    """Return the high end on the scale of the logarithm, up to two of its units, which are orders of magnitude."""
    if reach > 2 * value:
        return max(value + reach, value * float(np.exp(2.0)))
    return value * float(np.exp(reach / value))
