"""How far predicted numbers are from the true ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

import raikit
from raikit import stats
from raikit.arrays import FloatArray
from raikit.format import case_noun, measure, metric_interval, sample_size
from raikit_performance.shares import metric_of_interval


def error_metrics(cases: raikit.Arrays, level: float) -> list[raikit.Metric]:
    """Return mean absolute error, root mean squared error, R² and mean signed error, in this order."""
    error = cases.prediction - cases.truth
    # Where errors do not vary there is no valid interval. These are the widest that the values at hand allow.
    reach = float(np.ptp(np.concatenate([cases.prediction, cases.truth])))
    arguments = cases.weight, cases.clusters, level
    absolute = stats.loss_interval(np.abs(error), *arguments, bounds=(0.0, _bound(reach, np.abs(error))))
    squared = stats.loss_interval(error**2, *arguments, bounds=(0.0, _bound(reach**2, error**2)), squares=True)
    signed = stats.skewed_mean_interval(error, *arguments, bounds=(-_bound(reach, error), _bound(reach, error)))
    root = replace(squared, value=squared.value**0.5, low=squared.low**0.5, high=squared.high**0.5,
                   method=f"{squared.method}, root of the mean square's limits")
    return [
        metric_of_interval("mean_absolute_error", absolute, cases, level, direction="lower"),
        metric_of_interval("root_mean_squared_error", root, cases, level, direction="lower"),
        _r2(error, cases, level),
        metric_of_interval("mean_signed_error", signed, cases, level),
    ]


def _bound(reach: float, values: FloatArray) -> float:
    """Return a bound that the mean's interval never meets unless the values do not vary."""
    largest = float(np.abs(values).max(initial=0.0))
    return max(reach, 1e3 * largest) if np.ptp(values) > 0 else max(reach, largest)


def _r2(error: FloatArray, cases: raikit.Arrays, level: float) -> raikit.Metric:
    """Compute R², one minus the ratio of the mean squared error to the variance of the target."""
    spread = (cases.truth - np.average(cases.truth, weights=cases.weight)) ** 2
    if not spread.sum() > 0:
        return raikit.Metric.undefined("r2", f"the target is the same in every {case_noun(1)}", direction="higher")
    ratio = stats.ratio_of_means_interval(error**2, spread, cases.weight, cases.clusters, level, squares=True)
    swapped = {"open_high": "open_low", "open_low": "open_high"}
    high = 1 - ratio.low
    interval = replace(
        ratio, value=1 - ratio.value, low=1 - ratio.high if np.isfinite(ratio.high) else min(1 - ratio.value, 0.0), high=high,
        flags=tuple(swapped.get(flag, flag) for flag in ratio.flags),
    )
    return metric_of_interval("r2", interval, cases, level, direction="higher")


def error_finding(
    metrics: Sequence[raikit.Metric], cluster_names: Sequence[str], address: Callable[[raikit.Metric], str]
) -> raikit.Finding:
    """Say how large errors are on average, and whether they lean to one side."""
    absolute, signed = metrics[0], metrics[3]
    sentence = (f"Predictions are off by {_value(absolute)} on average ({metric_interval(absolute)}; "
                f"{sample_size(absolute.n, absolute.n_clusters, cluster_names)}).")
    if (signed.low or 0.0) > 0 or (signed.high or 0.0) < 0:
        direction = "high" if (signed.value or 0.0) > 0 else "low"
        sentence += f" They are too {direction} by {_value(signed)} on average ({metric_interval(signed)})."
    return raikit.Finding(sentence=sentence, what="Error of predictions", who=f"all {case_noun()}",
                          certainty=metric_interval(absolute), metrics=[address(absolute), address(signed)])


def _value(metric: raikit.Metric) -> str:
    return measure(abs(metric.value or 0.0), metric.low, metric.high, metric.unit)
