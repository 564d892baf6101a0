"""Averages over classes, each with an interval that holds for empty, rare and nearly perfect classes.

Plain ("macro") averages: two intervals are computed, and the outer ends are kept. MOVER over the classes' exact limits holds
where classes are rare; exact limits at the effective size of the whole average hold where classes are nearly perfect. Each fails
where the other holds (benchmarks/simulate_averages.py). Weighted averages need the latter only: a rare class has a small weight.

An *empty* class has no case in the denominator of its measure. It is left out of the value, as in scikit-learn, but the interval
allows for every value that the class may have, from 0 to 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

import raikit
from raikit import stats
from raikit.arrays import BoolArray, FloatArray
from raikit.stats.contributions import known_df
from raikit.stats.covariance_result import MIN_EFFECTIVE_CASES
from raikit_performance.shares import Shares, min_clusters

Measure = Literal["precision", "recall", "f1"]


@dataclass(frozen=True)
class ConfusionAverage:
    """An average over classes as a function of the confusion matrix.

    Parameters
    ----------
    value : float
        Over the classes that are not empty.
    effect : ndarray, shape (k, k)
        How fast the value changes with the share of cases of each true class (rows) and predicted class (columns).
    unseen : float
        Largest effect among the cells without a case.
    share : float
        Weight of the classes that are not empty, 1 if none is.
    """

    value: float
    effect: FloatArray
    unseen: float
    share: float


def confusion_average(
    matrix: FloatArray, measure: Measure, weighted: bool, classes: int | None = None
) -> ConfusionAverage:
    """Compute a macro or weighted average of a measure, with its derivatives by the cells of the confusion matrix.

    Parameters
    ----------
    matrix : ndarray, shape (k, k)
        Sums of weights by true class (rows) and predicted class (columns).
    measure : {"precision", "recall", "f1"}
        Every one is ``c M_tt / (a M_t. + b M_.t)``.
    weighted : bool
        Whether classes count by their number of cases, which is estimated too, or equally.
    classes : int, optional
        How many of the classes are averaged, the first ones; absent: all. The others stand for what is no class.

    References
    ----------
    .. [1] Takahashi, Yamamoto, Kuchiba and Koyama, "Confidence interval for micro-averaged F1 and macro-averaged F1 scores",
       Applied Intelligence 2022.
    """
    shares = matrix / matrix.sum()
    rows, columns = (1, 0) if measure == "recall" else (0, 1) if measure == "precision" else (1, 1)
    truth = shares.sum(axis=1)
    denominator = rows * truth + columns * shares.sum(axis=0)
    counted = np.arange(len(truth)) < (len(truth) if classes is None else classes)
    defined = (denominator > 0) & counted
    ratio = np.divide((rows + columns) * np.diag(shares), denominator, out=np.zeros(len(truth)), where=defined)
    weight = np.where(defined, truth if weighted else 1 / counted.sum(), 0.0)
    share = float(weight.sum())
    if not share > 0:
        return ConfusionAverage(float("nan"), np.zeros_like(shares), 0.0, 0.0)
    value = float(weight @ ratio) / share
    slope = np.divide(weight / share, denominator, out=np.zeros(len(truth)), where=defined)
    loss = slope * ratio
    effect = np.diag((rows + columns) * slope) - rows * loss[:, None] - columns * loss
    if weighted:
        effect += (np.where(defined, ratio - value, 0.0) / share)[:, None]
    possible = (shares == 0) & ((rows * defined)[:, None] | (columns * defined)).astype(bool)
    unseen = float(np.abs(effect[possible]).max(initial=0.0))
    return ConfusionAverage(value, effect, unseen, min(share / (float(truth[counted].sum()) if weighted else 1.0), 1.0))


@dataclass(frozen=True)
class AverageEstimate:
    """The average of a measure over classes with its variance, from which limits follow at every level.

    Parameters
    ----------
    measure : {"precision", "recall", "f1"}
    weighted : bool
        Whether classes count by their number of cases, or equally.
    value, share : float
        As in `ConfusionAverage`.
    covariance : CovarianceResult or None
        None where no class has the measure.
    """

    measure: Measure
    weighted: bool
    value: float
    share: float
    covariance: stats.CovarianceResult | None

    def limits(self, by_class: Shares) -> tuple[float, float, str]:
        """Compute the limits, with their method, at the level of the classes' limits."""
        assert self.covariance is not None
        low, high, method = exact_limits(self.covariance, by_class.level)
        if not self.weighted:
            defined = ~np.isnan(by_class.value)
            pair = (by_class.value[defined], by_class.low[defined], by_class.high[defined])
            outer = mover_average(*pair, by_class.correlation[np.ix_(defined, defined)])
            method = outer_method(int(defined.sum()), by_class.method, method)
            low, high = min(low, outer[0]), max(high, outer[1])
        return *allow_for_empty(low, high, self.share), method


def estimate_average(
    measure: Measure, cases: raikit.Arrays, weighted: bool, classes: int | None = None
) -> AverageEstimate:
    """Estimate the average of a measure over classes and its variance.

    Parameters
    ----------
    measure : {"precision", "recall", "f1"}
    cases : Arrays
    weighted : bool
        Whether classes count by their number of cases, or equally.
    classes : int, optional
        As in `confusion_average`.
    """
    k, weight = len(cases.classes), entry_weights(cases)
    counts = np.bincount(cases.truth * k + cases.prediction, weight, minlength=k * k)
    average = confusion_average(counts.reshape(k, k).astype(np.float64), measure, weighted, classes)
    if not average.share > 0:
        return AverageEstimate(measure, weighted, average.value, 0.0, None)
    influence = weight * average.effect[cases.truth, cases.prediction] / weight.sum()
    # A class that is predicted rarely and always right hides what its first error would cost.
    hidden = average.unseen if weighted and measure == "precision" else 0.0
    covariance = average_covariance(average.value, influence, cases, hidden=hidden)
    if cases.weight is not None and not cases.clusters:
        covariance = replace(covariance, one_more=np.maximum(covariance.one_more, _one_more(average, cases) ** 2))
    return AverageEstimate(measure, weighted, average.value, average.share, covariance)


def _one_more(average: ConfusionAverage, cases: raikit.Arrays) -> float:
    """Return how far one more case moves an average to its far end, if it weighs as much as the heaviest of its true class.

    In a class that weighs much, no case may have shown yet what moves the average there.
    """
    assert cases.weight is not None
    heaviest = np.zeros(len(cases.classes))
    np.maximum.at(heaviest, cases.truth, cases.weight)
    farther = average.effect.max(axis=1) if average.value <= 0.5 else -average.effect.min(axis=1)
    return float(np.max(heaviest * farther, initial=0.0) / cases.weight.sum())


def entry_weights(cases: raikit.Arrays) -> FloatArray:
    """Return the weight of each entry: its sampling weight, or its number of cases."""
    if cases.weight is not None:
        return cases.weight
    return np.ones(len(cases)) if cases.counts is None else cases.counts.astype(float)


def average_covariance(
    value: float, influence: FloatArray, cases: raikit.Arrays, *, hidden: float = 0.0
) -> stats.CovarianceResult:
    """Estimate the variance of an average, on the scale of a share.

    Parameters
    ----------
    value : float
        Between 0 and 1.
    influence : ndarray, shape (n,)
        Of each entry: the sum over its cases, where there are several.
    cases : Arrays
    hidden : float
        Effect of a case of a kind that the sample does not show. The variance of one such case is added; with clusters of
        uneven size, that of one such cluster. Clusters of even size need nothing: limits allow for one more already.
    """
    size, one_group = np.array([float(cases.size)]), np.zeros(len(cases), dtype=np.int64)
    counts = None if cases.counts is None else entry_weights(cases)
    squares = None if counts is None else influence**2 / counts

    def covariance(extra: float) -> stats.CovarianceResult:
        # An average may be far more precise than a share of as many cases, so its effective number has no ceiling.
        return stats.influence_covariance(
            np.array([value]), influence, one_group, cases.clusters, np.array([1e15]), size, scale="proportion",
            extra=np.array([extra]), weight=cases.weight, squares=squares, counts=counts,
        )

    cov = covariance(0.0)
    units = float(cov.effective_clusters[0])
    if hidden > 0 and (not cov.ways or units < float(cov.n_clusters[0]) / 2):
        cov = covariance((hidden / max(units, 1.0)) ** 2)
    return cov if cov.ways or cases.weight is None else _as_weighted_share(cov, influence, cases.weight)


def _as_weighted_share(cov: stats.CovarianceResult, influence: FloatArray, weight: FloatArray) -> stats.CovarianceResult:
    """Add what limits of a weighted share allow for: few heavy cases that make the average what it is.

    Degrees of freedom are those of the squared contributions. The cases that move the average to its far end, away from the
    nearer of 0 and 1, stand for the rarer outcome: that end allows for one more of them, and of fewer than 5 effective ones
    nothing is decided. An average near 1 rests on the wrong predictions.
    """
    far = np.maximum(influence if cov.rates[0] <= 0.5 else -influence, 0.0)
    supporting = np.array([far.sum() ** 2 / (far @ far) if far.any() else 0.0])
    return replace(
        cov, df=np.minimum(cov.df, known_df(influence, weight)), weighted=True, supporting=supporting,
        one_more=np.array([far.max() ** 2]),
        few_events=(supporting < MIN_EFFECTIVE_CASES) & (np.ptp(weight[weight > 0]) > 0),
    )  # fmt: skip


def exact_limits(covariance: stats.CovarianceResult, level: float) -> tuple[float, float, str]:
    """Compute exact limits of an average at its effective size, the number of cases of a share with the same variance."""
    limits = stats.clustered_rate_interval(covariance, level)
    return float(limits.low[0]), float(limits.high[0]), f"influence, {limits.method.removeprefix('row ')}"


def mover_average(
    value: FloatArray, low: FloatArray, high: FloatArray, correlation: FloatArray
) -> tuple[float, float]:
    """Compute limits of the plain average of k estimates from theirs (MOVER for sums, Zou and Donner 2008).

    Parameters
    ----------
    value, low, high : ndarray, shape (k,)
    correlation : ndarray, shape (k, k)
        Of the estimates. The diagonal counts as 1.

    Returns
    -------
    (low, high)
    """
    together = correlation.copy()
    np.fill_diagonal(together, 1.0)
    center = float(value.mean())
    down, up = (_root_of_square(part, together) / len(value) for part in (value - low, high - value))
    return max(center - down, float(low.min())), min(center + up, float(high.max()))


def _root_of_square(part: FloatArray, together: FloatArray) -> float:
    return float(np.sqrt(max(float(part @ together @ part), 0.0)))


def outer_method(classes: int, of_class: str, of_average: str) -> str:
    """Return the method of an interval that keeps the outer ends of both."""
    return f"MOVER over {classes} classes, {of_class}; not narrower than {of_average}"


def allow_for_empty(low: float, high: float, share: float) -> tuple[float, float]:
    """Widen limits of an average over a share of the classes by what the empty ones may have, 0 to 1."""
    return low * share, min(high * share + 1 - share, 1.0)


def metric_of_average(
    average: AverageEstimate, by_class: Shares, cases: raikit.Arrays, *, few_clusters: bool, name: str | None = None,
    **fields: Any,
) -> raikit.Metric:
    """Return an average over classes as a metric.

    Parameters
    ----------
    average : AverageEstimate
    by_class : Shares
        The measure of each class, with its limits at the level that is asked for.
    cases : Arrays
    few_clusters : bool
        Whether all cases have too few clusters to decide on.
    name : str, optional
        Name of the metric; absent: that of the measure.
    """
    name = name or average.measure
    if average.covariance is None:
        return raikit.Metric.undefined(name, "undefined in every class", **fields)
    low, high, method = average.limits(by_class)
    return raikit.Metric(
        name, average.value, low=min(low, average.value), high=max(high, average.value), level=by_class.level, n=cases.size,
        n_clusters=None if by_class.n_clusters is None else min_clusters(cases), method=method,
        excluded=empty_names(cases.classes, ~np.isnan(by_class.value)),
        flags=["few_clusters"] * few_clusters + ["few_events"] * (average.weighted and bool(average.covariance.few_events[0]))
        + ["empty_class"] * (average.share < 1 - 1e-12), **{"unit": "rate", **fields},
    )


def empty_names(classes: Sequence[Any], defined: BoolArray) -> list[str]:
    """Return the names of the empty classes."""
    return [str(classes[int(at)]) for at in np.flatnonzero(~defined)]
