"""Measures of scores: areas under curves, proper scores, with intervals from each row's influence."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import raikit
from raikit_performance.shares import average, correlation_of, metric_of_interval, min_clusters

if TYPE_CHECKING:
    from raikit.stats import Interval
    from raikit_performance.rows import BoolArray, FloatArray, Rows

_LOG_LOSS_LIMIT = 36.043653389117154  # scores are kept 2.2e-16 away from 0 and 1, as scikit-learn does


def score_metrics(rows: Rows) -> list[raikit.Metric]:
    """Areas, log loss and Brier score; nothing without scores."""
    if rows.scores is None:
        return []
    areas = [*_areas("roc_auc", rows), *_areas("average_precision", rows)]
    return [*areas, log_loss(rows), brier_score(rows)]


def log_loss(rows: Rows) -> raikit.Metric:
    """Minus the mean logarithm of the true class's probability."""
    import numpy as np

    from raikit import stats

    assert rows.scores is not None
    tiny = np.finfo(float).eps
    losses = -np.log(np.clip(rows.scores[np.arange(rows.n), rows.truth], tiny, 1 - tiny))
    found = stats.mean_interval(losses, rows.weight, rows.clusters, rows.level, bounds=(0.0, _LOG_LOSS_LIMIT))
    return metric_of_interval("log_loss", found, rows, direction="lower", unit="nats")


def brier_score(rows: Rows) -> raikit.Metric:
    """Mean squared distance of the probabilities to the truth; for two classes that of the positive one alone."""
    import numpy as np

    from raikit import stats

    assert rows.scores is not None
    k = rows.scores.shape[1]
    squares = (rows.scores - np.eye(k)[rows.truth]) ** 2
    losses = squares[:, 1] if k == 2 else squares.sum(axis=1)
    found = stats.mean_interval(losses, rows.weight, rows.clusters, rows.level, bounds=(0.0, 1.0 if k == 2 else 2.0))
    return metric_of_interval("brier_score", found, rows, direction="lower")


def _areas(name: str, rows: Rows) -> list[raikit.Metric]:
    """Binary: the area. Multiclass: one class against the rest, each and their plain average."""
    import numpy as np

    assert rows.scores is not None
    fields: dict[str, Any] = {"direction": "higher"}
    counted = np.bincount(rows.truth, minlength=len(rows.classes))
    defined = [at for at in range(len(rows.classes)) if 0 < counted[at] < rows.n]
    if len(rows.classes) == 2:
        if not defined:
            return [raikit.Metric.undefined(name, "every row has the same target", **fields)]
        return [metric_of_interval(name, _area(name, 1, rows)[0], rows, **fields)]
    metrics, found = [], {}
    for at, label in enumerate(rows.classes):
        if at not in defined:
            reason = f"no row has target {label}" if not counted[at] else f"every row has target {label}"
            metrics.append(raikit.Metric.undefined(name, reason, args={"class": label}, **fields))
            continue
        found[at] = _area(name, at, rows)
        metrics.append(metric_of_interval(name, found[at][0], rows, args={"class": label}, **fields))
    return [_macro(name, found, rows, fields), *metrics]


def _macro(
    name: str, found: dict[int, tuple[Interval, FloatArray]], rows: Rows, fields: dict[str, Any]
) -> raikit.Metric:
    import numpy as np

    from raikit import stats

    if not found:
        return raikit.Metric.undefined(name, "every row has the same target", **fields)
    k, each = len(found), [interval for interval, _ in found.values()]
    influence = np.concatenate([part for _, part in found.values()])
    units = [np.tile(column, k) for column in (rows.clusters or [np.arange(rows.n)])]
    value, low, high = (np.array([getattr(interval, end) for interval in each]) for end in ("value", "low", "high"))
    group, ones = np.repeat(np.arange(k), rows.n), np.full(k, float(rows.n))
    M = stats.influence_covariance(value, influence, group, units, ones, ones).M
    hidden = np.minimum(value, 1 - value) < 1e-12
    center, down, up = average(value, low, high, correlation_of(M, hidden), np.ones(k))
    flags = sorted({flag for interval in each for flag in interval.flags} - {"no_variation"})
    return raikit.Metric(
        name, center, low=down, high=up, level=rows.level, n=rows.n, n_clusters=min_clusters(rows), flags=flags,
        method=f"MOVER over {k} classes against the rest, {each[0].method}",
        excluded=[str(label) for at, label in enumerate(rows.classes) if at not in found], **fields,
    )


def _area(name: str, at: int, rows: Rows) -> tuple[Interval, FloatArray]:
    from raikit import stats

    assert rows.scores is not None
    truth, score = rows.truth == at, rows.scores[:, at]
    if name == "roc_auc":
        interval = stats.auc_interval(truth, score, rows.weight, rows.clusters, rows.level)
        interval = replace(interval, value=min(max(interval.value, 0.0), 1.0))  # sums of weights round
        return interval, stats.auc_influence(truth, score, rows.weight)[1]
    return average_precision_interval(truth, score, rows)


def average_precision_interval(truth: BoolArray, score: FloatArray, rows: Rows) -> tuple[Interval, FloatArray]:
    """Average precision with a t interval on the logit scale, cluster-robust if rows share clusters."""
    import numpy as np
    from scipy.special import expit, logit, stdtrit

    from raikit import stats

    value, influence = stats.average_precision_influence(truth, score, rows.weight)
    one, size = np.array([value]), np.array([float(rows.n)])
    cov = stats.influence_covariance(one, influence, np.zeros(rows.n, dtype=np.int64), rows.clusters, size, size)
    # without clusters the positive rows are the scarce ones
    units = int(cov.n_clusters[0]) if rows.clusters else int(truth.sum())
    df = max(units - 1, 1)
    method = f"influence, logit, {('', 'one-way cluster ', 'two-way cluster ')[cov.ways]}t (df {df})"
    n_clusters = int(cov.n_clusters[0]) if rows.clusters else None
    flags = ("few_clusters",) if rows.clusters and units < stats.MIN_CLUSTERS else ()
    variance = float(cov.M[0, 0])
    if not (1e-15 < value < 1 - 1e-12 and variance > 1e-24 and units > 1):
        interval = stats.Interval(value, 0.0, 1.0, f"none (no variation for {method})", rows.n, n_clusters,
                                  (*flags, "unreliable"))
        return interval, influence
    half = -float(stdtrit(df, (1 - rows.level) / 2)) * variance**0.5 / (value * (1 - value))
    low, high = (float(expit(logit(value) + side * half)) for side in (-1, 1))
    return stats.Interval(value, low, high, method, rows.n, n_clusters, flags), influence
