"""Metrics of explained rows, each with its interval over rows and clusters."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

import raikit
from raikit import stats
from raikit_explain.estimates.attributions import Floats
from raikit_explain.estimates.explanation import Explained
from raikit_explain.estimates.sampling import Sample
from raikit_explain.estimates.shares import MOST_INPUTS, shares

Mask = npt.NDArray[np.bool_]
NO_ROW = "no explained row has this input"
ONE_INPUT = "with one input there is nothing to divide"
TOO_MANY = f"more than {MOST_INPUTS} inputs: too many combinations to try them all"


@dataclass
class Measures:
    """Metrics, and the shares of rows that tables and findings look at again.

    Attributes
    ----------
    by_gradients, by_removal : ndarray, shape (n, m)
        Shares of each row's decision, NaN where nothing moved it; `by_removal` is None with too many inputs.
    """

    sample: Sample
    explained: Explained
    level: float
    by_gradients: Floats
    by_removal: Floats | None
    metrics: list[raikit.Metric] = field(default_factory=list)

    def mean(self, values: Floats, *, level: float | None = None, rows: Mask | None = None,
             bounds: tuple[float, float] = (-np.inf, np.inf)) -> stats.Interval | None:
        """Mean over the rows where `values` is defined; None if there is none."""
        kept = np.isfinite(values) if rows is None else rows & np.isfinite(values)
        if not kept.any():
            return None
        weight = None if self.sample.weight is None else self.sample.weight[kept]
        if weight is not None and not weight.any():
            return None
        return stats.mean_interval(values[kept], weight, [codes[kept] for codes in self.sample.clusters],
                                   level or self.level, bounds)

    def count(self, values: Floats, rows: Mask | None = None) -> int:
        """Rows behind a mean."""
        return int((np.isfinite(values) if rows is None else rows & np.isfinite(values)).sum())

    def of(self, name: str, **args: Any) -> raikit.Metric:
        """The metric of that name and those arguments."""
        return next(metric for metric in self.metrics if metric.name == name and metric.args == args)


def measure(sample: Sample, explained: Explained, *, level: float, tolerance: float, regression: bool) -> Measures:
    """All metrics of the check."""
    measures = Measures(sample, explained, level, shares(explained.gradients),
                        None if explained.shapley is None else shares(explained.shapley))
    for index, name in enumerate(explained.inputs):
        measures.metrics.append(_share(measures, "modality_share", name, measures.by_gradients, index,
                                       "Integrated Gradients"))
        measures.metrics.append(_share(measures, "modality_shapley", name, measures.by_removal, index,
                                       "exact Shapley values"))
        measures.metrics.append(_removal(measures, name, index, regression))
    measures.metrics += _completeness(measures, tolerance)
    return measures


def _share(
    measures: Measures, metric: str, name: str, by_row: Floats | None, index: int, way: str
) -> raikit.Metric:
    args = {"input": name}
    if len(measures.explained.inputs) == 1:
        return raikit.Metric.undefined(metric, ONE_INPUT, args=args)
    if by_row is None:
        return raikit.Metric.undefined(metric, TOO_MANY, args=args)
    if not measures.explained.present[:, index].any():
        return raikit.Metric.undefined(metric, NO_ROW, args=args)
    interval = measures.mean(by_row[:, index], bounds=(0.0, 1.0))
    return metric_of(metric, interval, measures.count(by_row[:, index]), "no decision was moved by any input",
                     args=args, unit="rate", way=f"mean over rows of |input| / sum |inputs|, {way}")


def _removal(measures: Measures, name: str, index: int, regression: bool) -> raikit.Metric:
    rows = measures.explained.present[:, index]
    values = measures.explained.removal[:, index]
    interval = measures.mean(values, rows=rows, bounds=(0.0, np.inf) if regression else (-1.0, 1.0))
    way = ("mean absolute change of the value" if regression else "mean fall of the decided class's probability")
    return metric_of("modality_removal", interval, measures.count(values, rows), NO_ROW, args={"input": name},
                     unit=None if regression else "points", way=f"{way} without the input, rows that have it")


def _completeness(measures: Measures, tolerance: float) -> list[raikit.Metric]:
    error = measures.explained.error
    mean = metric_of("completeness_error", measures.mean(error, bounds=(0.0, 1.0)), len(error), "no rows",
                     direction="lower", unit="rate", way="mean of |sum of attributions - change| / |change|, at most 1")
    above = (error > tolerance).astype(float)
    ones = np.ones(len(error))
    covariance = stats.rate_covariance(above, ones, np.zeros(len(error), dtype=np.int64), measures.sample.clusters,
                                       measures.sample.weight, groups=1, proportion=True)
    found = stats.clustered_rate_interval(covariance, measures.level)
    flags = ["few_clusters"] if covariance.ways and bool(found.few_clusters[0]) else []
    rate = raikit.Metric(
        "completeness_violation_rate", float(found.value[0]), low=float(found.low[0]), high=float(found.high[0]),
        n=len(error), n_clusters=int(covariance.n_clusters[0]) if covariance.ways else None,
        effective_n=float(found.n_effective[0]), flags=flags, direction="lower", unit="rate",
        method=f"rows whose completeness error is above {tolerance:g};{found.method}",
    )
    return [mean, rate]


def metric_of(
    name: str, interval: stats.Interval | None, n: int, otherwise: str, *, way: str, **fields: Any
) -> raikit.Metric:
    """A metric from an interval of a mean, or undefined with the reason `otherwise`."""
    if interval is None:
        return raikit.Metric.undefined(name, otherwise, **fields)
    if not (np.isfinite(interval.low) and np.isfinite(interval.high)):
        return raikit.Metric.undefined(name, "rows that are all alike do not tell how far off their mean is", **fields)
    return raikit.Metric(name, interval.value, low=interval.low, high=interval.high, n=n,
                         n_clusters=interval.n_clusters, effective_n=interval.n, flags=list(interval.flags),
                         method=f"{way}; {interval.method}", **fields)
