"""How far predicted numbers are from the true ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

import raikit
from raikit import stats
from raikit.arrays import FloatArray
from raikit.format import case_noun, interval, sample_size
from raikit_performance.findings import is_decisive, numbers
from raikit_performance.shares import metric_of_interval

_LARGE_LEAN = 0.5  # of the mean absolute error: predictions that surely lean less hardly lean to one side


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


def error_findings(
    metrics: Sequence[raikit.Metric], cluster_names: Sequence[str], address: Callable[[raikit.Metric], str]
) -> list[raikit.Finding]:
    """Say whether predictions beat the mean of the target, how far they are off, and whether they lean to one side."""
    absolute, _, explained, signed = metrics
    first = (_mean_finding(explained, absolute, cluster_names, address) if explained.value is not None else raikit.Finding(
        kind="worth_knowing", headline="Errors have no comparison, because all targets are the same", what="mean absolute error",
        who=f"all {case_noun()}", metrics=[address(absolute)], facts=[("Method", str(absolute.method))]))
    return [first, _lean_finding(signed, absolute, cluster_names, address)]


def _mean_finding(
    explained: raikit.Metric, absolute: raikit.Metric, cluster_names: Sequence[str], address: Callable[[raikit.Metric], str]
) -> raikit.Finding:
    size = sample_size(explained.n, explained.n_clusters, cluster_names)
    common: dict[str, Any] = {
        "evidence": f"{numbers('R²', explained)}; {numbers('mean absolute error', absolute)}; {size}",
        "facts": [("R²", "One minus the mean squared error as a share of the variance of the target; zero for the mean."),
                  ("Method", str(explained.method))],
        "what": "variance explained", "who": f"all {case_noun()}", "metrics": [address(explained), address(absolute)],
    }
    if is_decisive(explained) and "open_low" not in explained.flags and (explained.low or 0.0) > 0:
        return raikit.Finding(kind="fine", headline="Predictions are closer to the truth than always predicting the mean", **common)
    if is_decisive(explained) and "open_high" not in explained.flags and (explained.high or 0.0) < 0:
        return raikit.Finding(kind="worth_knowing", severity="warn",
                              headline="Always predicting the mean is closer to the truth than the model", **common)
    return raikit.Finding(kind="undecided", severity="warn", headline="The model may be no better than always predicting the mean",
                          **common)


def _lean_finding(
    signed: raikit.Metric, absolute: raikit.Metric, cluster_names: Sequence[str], address: Callable[[raikit.Metric], str]
) -> raikit.Finding:
    common: dict[str, Any] = {"what": "signed error", "who": f"all {case_noun()}", "metrics": [address(signed)],
              "facts": [("Signed error", "Prediction minus truth, averaged: errors to both sides cancel out."),
                        ("Cases", sample_size(signed.n, signed.n_clusters, cluster_names)), ("Method", str(signed.method))]}
    low, high = signed.low or 0.0, signed.high or 0.0
    up, down = ("open_low" not in signed.flags and low > 0), ("open_high" not in signed.flags and high < 0)
    if is_decisive(signed) and (up or down):
        return raikit.Finding(kind="worth_knowing", severity="warn",
                              headline=f"Predictions are too {'high' if up else 'low'} on average", **common)
    large = max(-low, high) > _LARGE_LEAN * (absolute.value or 0.0)
    if large or not is_decisive(signed) or {"open_low", "open_high"}.intersection(signed.flags):
        return raikit.Finding(kind="undecided", headline="Predictions may lean to one side", **common)
    excluded = f"An average error beyond {interval(low, high, signed.unit, value=signed.value)}."
    common["facts"].insert(0, ("Excluded", excluded))
    return raikit.Finding(kind="fine", headline="Predictions are not shown to lean to one side", **common)
