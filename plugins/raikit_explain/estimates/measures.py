"""Metrics of explained cases, each with its interval over cases and clusters."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

import raikit
from raikit import stats
from raikit.arrays import BoolArray, FloatArray
from raikit.format import case_noun
from raikit_explain.estimates.explanation import Explanations
from raikit_explain.estimates.sampling import Sample
from raikit_explain.estimates.shares import MAX_INPUTS, shares
from raikit_explain.names import input_name

NO_CASE = "no explained case has this input"
_TITLES = {
    "modality_share": "share of the decision, {}", "modality_shapley": "share of the decision by leaving out, {}",
    "modality_removal": "effect of leaving out, {}",
}
ONE_INPUT = "with one input there are no shares"
TOO_MANY = f"more than {MAX_INPUTS} inputs have too many combinations to try them all"


@dataclass
class Measures:
    """Metrics, and the shares of cases from which tables and findings take further means.

    Attributes
    ----------
    by_gradients, by_removal : ndarray, shape (n, m)
        Shares of each case's decision, NaN where no input changed it; `by_removal` is None with too many inputs.
    """

    sample: Sample
    explanations: Explanations
    level: float
    by_gradients: FloatArray
    by_removal: FloatArray | None
    metrics: list[raikit.Metric] = field(default_factory=list)

    def mean(self, values: FloatArray, *, level: float | None = None, cases: BoolArray | None = None,
             bounds: tuple[float, float] = (-np.inf, np.inf)) -> stats.Interval | None:
        """Compute the mean over the cases where `values` is defined; None if there is none."""
        mask = _defined(values, cases)
        if not mask.any():
            return None
        weight = None if self.sample.weight is None else self.sample.weight[mask]
        if weight is not None and not weight.any():
            return None
        return stats.mean_interval(values[mask], weight, [codes[mask] for codes in self.sample.clusters],
                                   level or self.level, bounds)

    def count(self, values: FloatArray, cases: BoolArray | None = None) -> int:
        """Count the cases behind a mean."""
        return int(_defined(values, cases).sum())

    def of(self, name: str, **args: Any) -> raikit.Metric:
        """Return the metric of that name and those arguments."""
        return next(metric for metric in self.metrics if metric.name == name and metric.args == args)


def _defined(values: FloatArray, cases: BoolArray | None) -> BoolArray:
    finite = np.isfinite(values)
    return np.asarray(finite if cases is None else cases & finite)


def measure(sample: Sample, explanations: Explanations, *, level: float, tolerance: float, regression: bool) -> Measures:
    """Compute all metrics of the check."""
    measures = Measures(sample, explanations, level, shares(explanations.gradients),
                        None if explanations.shapley is None else shares(explanations.shapley))
    for index, name in enumerate(explanations.inputs):
        measures.metrics.append(_share(measures, "modality_share", name, measures.by_gradients, index,
                                       "Integrated Gradients"))
        measures.metrics.append(_share(measures, "modality_shapley", name, measures.by_removal, index,
                                       "exact Shapley values"))
        measures.metrics.append(_removal(measures, name, index, regression))
    measures.metrics += _completeness(measures, tolerance)
    return measures


def _share(
    measures: Measures, metric: str, name: str, by_case: FloatArray | None, index: int, way: str
) -> raikit.Metric:
    args: dict[str, Any] = {"args": {"input": name}, "title": _TITLES[metric].format(input_name(name))}
    if len(measures.explanations.inputs) == 1:
        return raikit.Metric.undefined(metric, ONE_INPUT, **args)
    if by_case is None:
        return raikit.Metric.undefined(metric, TOO_MANY, **args)
    if not measures.explanations.present[:, index].any():
        return raikit.Metric.undefined(metric, NO_CASE, **args)
    interval = measures.mean(by_case[:, index], bounds=(0.0, 1.0))
    return metric_of(metric, interval, measures.count(by_case[:, index]), "no input changed any decision",
                     **args, unit="rate", way=f"mean over {case_noun()} of |input| / sum |inputs|, {way}")


def _removal(measures: Measures, name: str, index: int, regression: bool) -> raikit.Metric:
    present = measures.explanations.present[:, index]
    values = measures.explanations.removal[:, index]
    interval = measures.mean(values, cases=present, bounds=(0.0, np.inf) if regression else (-1.0, 1.0))
    way = ("mean absolute change of the value" if regression else "mean fall of the decided class's probability")
    return metric_of("modality_removal", interval, measures.count(values, present), NO_CASE, args={"input": name},
                     title=_TITLES["modality_removal"].format(input_name(name)),
                     unit=None if regression else "points", way=f"{way} without the input, {case_noun()} that have it")


def _completeness(measures: Measures, tolerance: float) -> list[raikit.Metric]:
    error = measures.explanations.error
    mean = metric_of("completeness_error", measures.mean(error, bounds=(0.0, 1.0)), len(error), f"there are no {case_noun()}",
                     direction="lower", unit="rate", way="mean of |sum of attributions - change| / |change|, at most 1")
    above = (error > tolerance).astype(float)
    ones = np.ones(len(error))
    covariance = stats.rate_covariance(above, ones, np.zeros(len(error), dtype=np.int64), measures.sample.clusters,
                                       measures.sample.weight, groups=1, proportion=True)
    violations = stats.clustered_rate_interval(covariance, measures.level)
    flags = ["few_clusters"] if covariance.ways and bool(violations.few_clusters[0]) else []
    rate = raikit.Metric(
        "completeness_violation_rate", float(violations.value[0]), low=float(violations.low[0]),
        high=float(violations.high[0]),
        n=len(error), n_clusters=int(covariance.n_clusters[0]) if covariance.ways else None,
        effective_n=float(violations.n_effective[0]), flags=flags, direction="lower", unit="rate",
        method=f"{case_noun()} whose completeness error is above {tolerance:g};{violations.method}",
    )
    return [mean, rate]


def metric_of(
    name: str, interval: stats.Interval | None, n: int, otherwise: str, *, way: str, **fields: Any
) -> raikit.Metric:
    """Return the interval of a mean as a metric, or an undefined metric with the reason `otherwise`."""
    if interval is None:
        return raikit.Metric.undefined(name, otherwise, **fields)
    if not (np.isfinite(interval.low) and np.isfinite(interval.high)):
        return raikit.Metric.undefined(name, f"{case_noun()} that are all alike do not show how uncertain their mean is", **fields)
    return raikit.Metric(name, interval.value, low=interval.low, high=interval.high, n=n,
                         n_clusters=interval.n_clusters, effective_n=interval.n, flags=list(interval.flags),
                         method=f"{way}; {interval.method}", **fields)
