"""The accuracy that privacy costs, on the same cases: overall, in each group, and the gap between groups.

A private model depends on the noise of its training as well as on the cases that it is compared on. With several trainings,
estimates are means over them, and intervals cover both: the variance of the mean over trainings is added to that of the cases.
With one training, intervals cover the cases only.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit, logit, ndtri, stdtrit

from raikit import stats
from raikit.arrays import BoolArray, FloatArray, IntArray
from raikit_privacy.estimates.features import SensitiveFeature

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


_SHARE_OF_ERROR = 0.8  # By simulation (benchmarks/simulate_training_randomness.py).


@dataclass(frozen=True)
class PairedCorrectness:
    """Whether two models are right on the same cases.

    Parameters
    ----------
    reference, private : ndarray of bool, shape (n,) or (trainings, n)
        Whether the model without privacy is right, and whether the private one is, in each of its trainings.
    weight : ndarray, shape (n,), or None
    clusters : sequence of ndarray of int
        At most two columns; a case with a negative code shares no cluster.
    """

    reference: BoolArray
    private: BoolArray
    weight: FloatArray | None = None
    clusters: Sequence[IntArray] = ()

    @property
    def trainings(self) -> int:
        """Number of private models."""
        return len(self.differences)

    @property
    def differences(self) -> FloatArray:
        """Correctness of the reference minus that of the private model, shape (trainings, n)."""
        return np.asarray(np.atleast_2d(self.reference).astype(float) - np.atleast_2d(self.private).astype(float))

    def covariance(self, values: ArrayLike, code: IntArray, k: int, proportion: bool) -> stats.CovarianceResult:
        """Compute the means of `values` in k groups with their covariance."""
        return stats.rate_covariance(np.asarray(values, dtype=float), np.ones(len(code)), code, self.clusters,
                                     self.weight, groups=k, proportion=proportion)


@dataclass(frozen=True)
class GroupEstimates:
    """Estimates of k groups with their intervals; NaN where a group has no cases.

    Parameters
    ----------
    value, low, high : ndarray, shape (k,)
    n : ndarray of int, shape (k,)
    n_clusters : ndarray of int, shape (k,), or None
    few_clusters : ndarray of bool, shape (k,)
    method : str
    """

    value: FloatArray
    low: FloatArray
    high: FloatArray
    n: IntArray
    n_clusters: IntArray | None
    few_clusters: BoolArray
    method: str


def accuracies(pairs: PairedCorrectness, right: BoolArray, feature: SensitiveFeature | None, level: float) -> GroupEstimates:
    """Compute accuracy, with exact limits at the effective sample size; simultaneous over the groups of a feature.

    `right` has shape (n,) or (trainings, n); of several trainings the mean is estimated.
    """
    runs = np.atleast_2d(right).astype(float)
    code, k = _groups(feature, runs.shape[1])
    cov = pairs.covariance(runs.mean(axis=0), code, k, proportion=True)
    rates = stats.clustered_rate_interval(cov, level, simultaneous=feature is not None)
    down, up = training_widths(runs, code, k, pairs.weight, level ** (1 / _defined(code, k)))
    low, high = _widened(rates.value, rates.low, rates.high, down, up)
    return _estimates(rates.value, np.maximum(low, 0), np.minimum(high, 1), cov, code, rates.method)


def costs(pairs: PairedCorrectness, feature: SensitiveFeature | None, level: float) -> GroupEstimates:
    """Compute accuracy without privacy minus accuracy with it, paired on cases; simultaneous over groups of a feature.

    Notes
    -----
    MOVER: each accuracy's exact limits at its effective sample size, joined by the correlation of the two [1]_. The
    correlation follows from the variances, ``(V_reference + V_private - V_difference) / 2``, which keeps the pairing
    of a case whatever its clusters are. Over k groups each interval has level ``level ** (1 / k)`` (Sidak). With several
    trainings, the limits of their mean on these cases (see `training_widths`) are joined to it as those of an independent
    term, again by MOVER.
    With clusters, t limits of the mean paired difference take the place of MOVER.

    References
    ----------
    .. [1] Zou and Donner, "Construction of confidence limits about effect measures", Statistics in Medicine 2008.
    """
    code, k = _groups(feature, pairs.differences.shape[1])
    groups = _defined(code, k)
    first, second = (pairs.covariance(np.atleast_2d(right).mean(axis=0), code, k, proportion=True)
                     for right in (pairs.reference, pairs.private))
    limits = [stats.clustered_rate_interval(cov, level ** (1 / groups)) for cov in (first, second)]
    difference = difference_covariance(pairs, code, k)
    own = np.sqrt(np.diag(first.M) * np.diag(second.M))
    joint = (np.diag(first.M) + np.diag(second.M) - np.diag(difference.M)) / 2
    correlation = np.clip(np.divide(joint, own, out=np.zeros(k), where=own > 0), -1.0, 1.0)
    a, b = limits
    low, high = stats.difference_limits(a.value, a.low, a.high, b.value, b.low, b.high, correlation)
    paired = f"paired MOVER, {a.method}"
    if difference.ways:
        ends = stats.clustered_rate_interval(difference, level ** (1 / groups))
        low, high, paired = ends.low, ends.high, f"paired, {ends.method}"
    low, high = _widened(a.value - b.value, low, high, *_training_widths_of_cost(pairs, code, k, level ** (1 / groups)))
    method = paired + (f", Sidak over {groups} groups" if groups > 1 else "")
    return _estimates(a.value - b.value, np.maximum(low, -1), np.minimum(high, 1), first, code, method)


def difference_covariance(pairs: PairedCorrectness, code: IntArray, k: int) -> stats.CovarianceResult:
    """Compute mean paired differences of k groups; a group on which both models agree is not taken to be known exactly.

    The variance is at least that of independent cases with half a case added to each of the four ways in which two models
    can answer (Agresti and Min 2005). Without it, five cases on which the models agree would be worth more than thousands.
    """
    difference = pairs.differences.mean(axis=0)
    cov = pairs.covariance(difference, code, k, proportion=False)
    n = np.maximum(cov.n_rows, 1e-9)
    mean = np.nan_to_num(cov.rates) * n / (n + 2)
    squares = np.nan_to_num(pairs.covariance(difference**2, code, k, proportion=False).rates) * n
    floor = ((squares + 1) / (n + 2) - mean**2) / (n + 2)
    variance = np.maximum(np.diag(cov.M), floor)
    return replace(cov, M=cov.M + np.diag(variance - np.diag(cov.M)))


def cost_gap(
    pairs: PairedCorrectness, feature: SensitiveFeature, level: float, rng: np.random.Generator, at_least: int = 1
) -> tuple[stats.Gap, IntArray]:
    """Compute the largest difference between costs of groups with at least `at_least` cases, and name those groups.

    Returns
    -------
    Gap, ndarray of int
        The gap, and the positions of the groups that it is over.

    Raises
    ------
    ValueError
        If there are fewer than two such groups.
    """
    counts = np.bincount(feature.code, minlength=feature.k)
    groups = np.flatnonzero(counts >= max(at_least, 1))
    cov = difference_covariance(pairs, feature.code, feature.k).subset(groups)
    noise = training_covariance(pairs.differences, feature.code, feature.k, pairs.weight)[np.ix_(groups, groups)]
    cov = replace(cov, M=cov.M + _t_factor(level, len(groups), pairs.trainings) * noise)
    gap = stats.clustered_gap(cov, level, rng=rng)
    return replace(gap, high=min(gap.high, 2.0)), groups


def training_covariance(runs: FloatArray, code: IntArray, k: int, weight: FloatArray | None) -> FloatArray:
    """Compute how far the mean over trainings varies, on these cases: covariance of k groups, 0 of one training.

    Parameters
    ----------
    runs : ndarray, shape (trainings, n)
        A value of each case in each training.
    code : ndarray of int, shape (n,)
    k : int
    weight : ndarray, shape (n,), or None
    """
    if len(runs) < 2:
        return np.zeros((k, k))
    return np.atleast_2d(np.cov(_means_of_groups(runs, code, k, weight), rowvar=False)) / len(runs)


def _means_of_groups(runs: FloatArray, code: IntArray, k: int, weight: FloatArray | None) -> FloatArray:
    each = np.ones(len(code)) if weight is None else weight
    total = np.maximum(np.bincount(code, each, k), 1e-300)
    return np.stack([np.bincount(code, each * values, k) / total for values in runs])


def training_widths(
    runs: FloatArray, code: IntArray, k: int, weight: FloatArray | None, level: float
) -> tuple[FloatArray, FloatArray]:
    """Return how far below and above a mean accuracy over trainings the expected one may lie, on these cases; 0 of one training.

    See `widths_of_mean` for how it is computed.

    Parameters
    ----------
    runs : ndarray, shape (trainings, n)
        Where each private model is right, as 0 and 1.
    code : ndarray of int, shape (n,)
    k : int
    weight : ndarray, shape (n,), or None
    level : float
    """
    if len(runs) < 2:
        return np.zeros(k), np.zeros(k)
    means = _means_of_groups(runs, code, k, weight)
    return widths_of_mean(means, 0.5 / (np.bincount(code, minlength=k) + 1), level)


def widths_of_mean(accuracies: FloatArray, half_case: FloatArray, level: float) -> tuple[FloatArray, FloatArray]:
    """Return how far below and above the mean of several trainings' accuracies the expected one may lie.

    Accuracies of trainings are skewed: one that goes badly is far below the others, and few trainings have none. So each width
    is the largest of three: from t limits of the mean, from t limits on the logit scale, moved to the mean, and from limits of
    the mean of a log-normal error rate (below) or accuracy (above) [1]_, with four fifths of the error, because t limits of
    skewed values are too near. Trainings of which a few fail altogether are not covered unless one is among them: otherwise
    the expectation is that of trainings that do not fail.

    Parameters
    ----------
    accuracies : ndarray, shape (trainings, k)
        Of at least two trainings.
    half_case : ndarray, shape (k,)
        The least error rate, and the least accuracy, that is told from 0.
    level : float

    References
    ----------
    .. [1] Zhou and Gao, "Confidence intervals for the log-normal mean", Statistics in Medicine 1997, Cox's method, with the
       quantile of t.
    """
    m, mean, shown = len(accuracies), accuracies.mean(axis=0), np.clip(accuracies, half_case, 1 - half_case)
    t, scaled = stdtrit(m - 1, 1 - _SHARE_OF_ERROR * (1 - level) / 2), logit(shown)
    plain, half, centre = (t * accuracies.std(axis=0, ddof=1) / math.sqrt(m), t * scaled.std(axis=0, ddof=1) / math.sqrt(m),
                           scaled.mean(axis=0))  # fmt: skip
    down, up = expit(centre) - expit(centre - half), expit(centre + half) - expit(centre)
    most_wrong, most_right = (_largest_log_normal_mean(share, t) for share in (1 - shown, shown))
    return np.maximum.reduce([plain, down, most_wrong - (1 - mean)]), np.maximum.reduce([plain, up, most_right - mean])


def _largest_log_normal_mean(shares: FloatArray, t: float) -> FloatArray:
    """Return the upper limit of the expectation of log-normal shares, at most 1."""
    m, logs = len(shares), np.log(shares)
    centre, variance = logs.mean(axis=0), logs.var(axis=0, ddof=1)
    reach = t * np.sqrt(variance / m + variance**2 / (2 * (m - 1)))
    return np.asarray(np.where(variance > 0, np.exp(np.minimum(centre + variance / 2 + reach, 0.0)), 0.0))


def _training_widths_of_cost(
    pairs: PairedCorrectness, code: IntArray, k: int, level: float
) -> tuple[FloatArray, FloatArray]:
    """Return the same for the accuracy without privacy, which may be that of several trainings too, minus that with it."""
    reference = np.atleast_2d(pairs.reference).astype(float)
    down, up = training_widths(np.atleast_2d(pairs.private).astype(float), code, k, pairs.weight, level)
    if len(reference) < 2:
        return up, down
    less, more = training_widths(reference, code, k, pairs.weight, level)
    paired = stdtrit(pairs.trainings - 1, (1 + level) / 2) * np.sqrt(
        np.diag(training_covariance(pairs.differences, code, k, pairs.weight)))
    return np.maximum(np.hypot(less, up), paired), np.maximum(np.hypot(more, down), paired)


def _widened(
    value: FloatArray, low: FloatArray, high: FloatArray, down: FloatArray, up: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Join the limits of the cases with widths of the mean over trainings (MOVER for a sum of independent terms)."""
    if not (down.any() or up.any()):
        return low, high
    return value - np.hypot(value - low, down), value + np.hypot(high - value, up)


def _t_factor(level: float, groups: int, trainings: int) -> float:
    """Return the factor by which a variance over few trainings is as unsure as a large one, for all pairs of groups."""
    if trainings < 2:
        return 0.0
    tail = (1 - level) / 2 / max(groups * (groups - 1) / 2, 1)
    return float((stdtrit(trainings - 1, 1 - tail) / ndtri(1 - tail)) ** 2)


def _defined(code: IntArray, k: int) -> int:
    """Return the number of groups that have a case, at least 1."""
    return max(int((np.bincount(code, minlength=k) > 0).sum()), 1)


def _groups(feature: SensitiveFeature | None, n: int) -> tuple[IntArray, int]:
    return (np.zeros(n, dtype=np.int64), 1) if feature is None else (feature.code, feature.k)


def _estimates(
    value: FloatArray, low: FloatArray, high: FloatArray, cov: stats.CovarianceResult, code: IntArray, method: str
) -> GroupEstimates:
    few = cov.few_clusters if cov.ways else np.zeros(len(value), dtype=bool)
    return GroupEstimates(value, low, high, np.bincount(code, minlength=len(value)), cov.n_clusters if cov.ways else None,
                     few, method.strip())
