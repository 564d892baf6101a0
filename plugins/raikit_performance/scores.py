"""Measures of scores: areas under curves and proper scores."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from scipy.special import expit, logit

import raikit
from raikit import stats
from raikit.arrays import BoolArray, FloatArray
from raikit.format import case_noun, class_text
from raikit.stats.areas import average_precision_bias, widen_for_bias
from raikit_performance.averages import allow_for_empty, average_covariance, exact_limits, mover_average, outer_method
from raikit_performance.intervals import influence_interval
from raikit_performance.shares import correlations, metric_of_interval, min_clusters

_LOG_LOSS_LIMIT = 36.043653389117154  # scores are kept 2.2e-16 away from 0 and 1, as scikit-learn does

_Area = tuple[stats.Interval, FloatArray]


def score_metrics(cases: raikit.Arrays, level: float) -> list[raikit.Metric]:
    """Return areas, log loss and Brier score; an empty list without scores."""
    if cases.scores is None:
        return []
    areas = [*_areas("roc_auc", cases, level), *_areas("average_precision", cases, level)]
    return [*areas, log_loss(cases, level), brier_score(cases, level)]


def log_loss(cases: raikit.Arrays, level: float) -> raikit.Metric:
    """Compute minus the mean logarithm of the true class's probability."""
    assert cases.scores is not None
    tiny = np.finfo(float).eps
    losses = -np.log(np.clip(cases.scores[np.arange(len(cases)), cases.truth], tiny, 1 - tiny))
    interval = _bounded_loss(losses, cases, level, _LOG_LOSS_LIMIT)
    return metric_of_interval("log_loss", interval, cases, level, direction="lower", unit="nats")


def brier_score(cases: raikit.Arrays, level: float) -> raikit.Metric:
    """Compute the mean squared distance of the probabilities to the truth; for two classes of the positive one alone."""
    assert cases.scores is not None
    k = cases.scores.shape[1]
    squares = (cases.scores - np.eye(k)[cases.truth]) ** 2
    losses = squares[:, 1] if k == 2 else squares.sum(axis=1)
    interval = _bounded_loss(losses, cases, level, 1.0 if k == 2 else 2.0)
    return metric_of_interval("brier_score", interval, cases, level, direction="lower")


def _bounded_loss(losses: FloatArray, cases: raikit.Arrays, level: float, largest: float) -> stats.Interval:
    return stats.loss_interval(losses, cases.weight, cases.clusters, level, (0.0, largest), largest=largest)


def _areas(name: str, cases: raikit.Arrays, level: float) -> list[raikit.Metric]:
    """Return one area for two classes; for more, the plain average first, then each class against the rest."""
    support = np.bincount(cases.truth, minlength=len(cases.classes))
    areas = {
        at: _area(name, at, cases, level) for at in range(len(cases.classes))
        if 0 < support[at] < len(cases) and (at == 1 or len(cases.classes) > 2)
    }
    if not areas:
        summary = raikit.Metric.undefined(name, f"every {case_noun(1)} has the same target", direction="higher")
    elif len(cases.classes) == 2:
        summary = metric_of_interval(name, areas[1][0], cases, level, direction="higher")
    else:
        summary = _macro_area(name, areas, cases, level)
    if len(cases.classes) == 2:
        return [summary]
    return [summary, *(_class_area(name, at, areas, cases, level, int(support[at])) for at in range(len(cases.classes)))]


def _class_area(
    name: str, at: int, areas: dict[int, _Area], cases: raikit.Arrays, level: float, support: int
) -> raikit.Metric:
    """Return the area of one class against the rest."""
    label = cases.classes[at]
    fields: dict[str, Any] = {"args": {"class": label}, "direction": "higher"}
    if at not in areas:
        return raikit.Metric.undefined(name, f"{'every' if support else 'no'} {case_noun(1)} has target "
                                             f"{class_text(label)}", **fields)
    return metric_of_interval(name, areas[at][0], cases, level, **fields)


def _macro_area(name: str, areas: dict[int, _Area], cases: raikit.Arrays, level: float) -> raikit.Metric:
    """Average the areas of all classes that have one."""
    k, intervals = len(areas), [interval for interval, _ in areas.values()]
    parts = [influence for _, influence in areas.values()]
    value, low, high = (np.array([getattr(interval, end) for interval in intervals]) for end in ("value", "low", "high"))
    group, sizes = np.repeat(np.arange(k), len(cases)), np.full(k, float(len(cases)))
    units = [np.tile(column, k) for column in (cases.clusters or [np.arange(len(cases))])]
    weight = None if cases.weight is None else np.tile(cases.weight, k)
    covariance = stats.influence_covariance(value, np.concatenate(parts), group, units, sizes, sizes, weight=weight).M
    hidden = np.minimum(value, 1 - value) < 1e-12
    outer = mover_average(value, low, high, correlations(covariance, hidden))
    center = float(value.mean())
    inner = exact_limits(average_covariance(center, np.mean(parts, axis=0), cases), level)
    share = k / len(cases.classes)
    down, up = allow_for_empty(min(outer[0], inner[0]), max(outer[1], inner[1]), share)
    return raikit.Metric(
        name, center, low=down, high=up, level=level, n=len(cases), n_clusters=min_clusters(cases),
        flags=[*sorted({flag for interval in intervals for flag in interval.flags} - {"no_variation"}),
               *(["empty_class"] if share < 1 else [])],
        method=outer_method(k, f"each against the rest, {intervals[0].method}", inner[2]),
        excluded=[str(label) for at, label in enumerate(cases.classes) if at not in areas], direction="higher",
    )


def _area(name: str, at: int, cases: raikit.Arrays, level: float) -> _Area:
    """Return the area of one class against the rest, with the influence of each case on it."""
    assert cases.scores is not None
    truth, score = cases.truth == at, cases.scores[:, at]
    if name == "roc_auc":
        interval = stats.auc_interval(truth, score, cases.weight, cases.clusters, level)
        interval = replace(interval, value=min(max(interval.value, 0.0), 1.0))  # sums of weights round
        return interval, stats.auc_influence(truth, score, cases.weight)[1]
    return average_precision_interval(truth, score, cases, level)


def average_precision_interval(truth: BoolArray, score: FloatArray, cases: raikit.Arrays, level: float) -> _Area:
    """Compute average precision with a t interval on the logit scale, cluster-robust if cases share clusters.

    benchmarks/simulate_auc.py prints what was simulated.
    """
    value, influence = stats.average_precision_influence(truth, score, cases.weight)
    # Without clusters the positive cases are the scarce ones.
    estimate = influence_interval(value, influence, cases, scale="logit", units=int(truth.sum()))
    estimate = estimate.with_heavy_cases(influence, cases, truth)
    bias = average_precision_bias(truth, score, cases.weight)
    if not (1e-15 < value < 1 - 1e-12 and estimate.variance > 1e-24 and estimate.units > 1):
        return estimate.widest(value, 0.0, 1.0, len(cases)), influence
    estimate = replace(estimate, variance=widen_for_bias(estimate.variance, bias))
    half = estimate.half_width(level) / (value * (1 - value))
    low, high = (float(expit(logit(value) + side * half)) for side in (-1, 1))
    return estimate.interval(value, low, high, len(cases)), influence
