"""Area under the ROC curve and average precision: intervals, and each case's influence on them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from raikit.stats._types import AnyArray, FloatArray, IntArray
from raikit.stats.covariance import CovarianceResult, cluster_prefix, influence_covariance, unit_codes
from raikit.stats.interval import Interval, cluster_flags, cluster_number
from raikit.stats.quantiles import tail_of, upper_quantile


def auc_interval(
    y: ArrayLike,
    score: ArrayLike,
    weight: ArrayLike | None = None,
    clusters: Sequence[ArrayLike] = (),
    level: float = 0.95,
) -> Interval:
    """Compute the area under the ROC curve with DeLong's variance on the logit scale.

    The variance is cluster-robust if cases share clusters.

    Parameters
    ----------
    y : array_like of {0, 1}, shape (n,)
    score : array_like, shape (n,)
        Ties count half. Whole numbers are taken as ranks from 0, which saves sorting them.
    weight : array_like, shape (n,), optional
    clusters : sequence of array_like of int, each shape (n,)
        No column, one or two.
    level : float, in (0, 1)

    Returns
    -------
    Interval
        The value equals scikit-learn's. With an area of 0 or 1 the variance is 0. The limit is then the exact one for the
        number of disjoint pairs of a positive and a negative.

    Raises
    ------
    ValueError
        If `y` holds anything but 0 and 1, or one of the classes is missing: the area is undefined.

    References
    ----------
    .. [1] DeLong, DeLong and Clarke-Pearson, "Comparing the areas under two or more correlated ROC curves",
       Biometrics 1988.
    .. [2] Obuchowski, "Nonparametric analysis of clustered ROC curve data", Biometrics 1997. With two crossed
       columns, the components are summed as by Cameron, Gelbach and Miller.
    """
    truth, w = _truth_and_weight(y, weight)
    value, influence, n = _auc(truth, np.asarray(score), w)
    cov = influence_covariance(
        np.array([value]), influence, np.zeros(len(truth), dtype=np.int64), clusters, np.array([n]), np.array([n]),
        weight=w, part=truth.astype(np.int64),
    )  # fmt: skip
    if min(value, 1 - value) < 1e-12:
        return _perfect_auc(value, truth, clusters, cov, level)
    tail = tail_of(level)
    df = float(cov.df[0])
    q = float(upper_quantile(tail, df if clusters else np.inf))
    variance = float(cov.M[0, 0])
    center, half = np.log(value / (1 - value)), q * np.sqrt(variance) / (value * (1 - value))
    low, high = (float(1 / (1 + np.exp(-(center + s * half)))) for s in (-1, 1))
    method = f"DeLong, logit, {cluster_prefix(cov.ways)}t (df {df:.3g})" if clusters else "DeLong, logit"
    if not variance > 0 or (clusters and cluster_flags(cov)[-1:] == ("unreliable",)):
        return Interval(value, 0.0, 1.0, method, n, cluster_number(cov), ("unreliable",))
    return Interval(value, low, high, method, n, cluster_number(cov), cluster_flags(cov))


def auc_influence(y: ArrayLike, score: ArrayLike, weight: ArrayLike | None = None) -> tuple[float, FloatArray]:
    """Compute the area under the ROC curve and each case's contribution to it (DeLong's components).

    The contributions are what `influence_covariance` takes.

    Parameters
    ----------
    y, score, weight : array_like, shape (n,)
        As in `auc_interval`.

    Returns
    -------
    (value, influence) : float and ndarray, shape (n,)
        Contributions sum to 0 within each class; the sum of their squares is the variance up to ``m / (m - 1)``.

    Raises
    ------
    ValueError
        As `auc_interval`.
    """
    truth, w = _truth_and_weight(y, weight)
    value, influence, _ = _auc(truth, np.asarray(score), w)
    return value, influence


def average_precision_influence(
    y: ArrayLike, score: ArrayLike, weight: ArrayLike | None = None
) -> tuple[float, FloatArray]:
    """Compute the average precision and each case's influence on it.

    Parameters
    ----------
    y : array_like of {0, 1}, shape (n,)
        With at least one 1 of positive weight.
    score, weight : array_like, shape (n,)

    Returns
    -------
    (value, influence) : float and ndarray, shape (n,)
        Weight times the derivative of the value by the case's weight; sums to 0.

    Notes
    -----
    ``AP = sum_i w_i y_i P(s_i) / sum_i w_i y_i`` with P the precision among cases scored at least s_i. A case changes it
    in two ways: as one of the positives that are averaged, and as part of the precision at lower thresholds.
    """
    truth, scores = np.asarray(y, dtype=float), np.asarray(score)
    w = np.ones(len(scores)) if weight is None else np.asarray(weight, dtype=float)
    upwards, k = _levels(scores)
    place = k - 1 - upwards
    positives = np.bincount(place, w * truth, minlength=k)
    hits, above = np.cumsum(positives), np.cumsum(np.bincount(place, w, minlength=k))
    total = hits[-1]
    precision = np.divide(hits, above, out=np.zeros(k), where=above > 0)
    value = min(float(positives @ precision / total), 1.0)
    # A case changes the precision at every threshold at or below its own score, so its effects are summed over those.
    shares = np.divide(positives, above, out=np.zeros(k), where=above > 0)
    as_hit = np.cumsum(shares[::-1])[::-1]
    as_case = np.cumsum((shares * precision)[::-1])[::-1]
    derivative = truth * (precision[place] - value + as_hit[place]) - as_case[place]
    return value, np.asarray(w * derivative / total)


def _truth_and_weight(y: ArrayLike, weight: ArrayLike | None) -> tuple[FloatArray, FloatArray]:
    truth = np.asarray(y, dtype=float)
    if not np.all((truth == 0) | (truth == 1)):
        raise ValueError("y must hold 0 and 1 only")
    w = np.ones(len(truth)) if weight is None else np.asarray(weight, dtype=float)
    if not (np.any(w[truth == 1] > 0) and np.any(w[truth == 0] > 0)):
        raise ValueError("one class has no cases, so the area under the ROC curve is undefined")
    return truth, w


def _auc(truth: FloatArray, score: FloatArray, w: FloatArray) -> tuple[float, FloatArray, float]:
    place, levels = _levels(score)
    positive, negative = (np.bincount(place, w * side, minlength=levels) for side in (truth, 1 - truth))
    w1, w0 = positive.sum(), negative.sum()
    below = (np.cumsum(negative) - negative / 2) / w0  # share of negatives below a score; ties count half
    above = 1 - (np.cumsum(positive) - positive / 2) / w1
    value = float(positive @ below / w1)
    influence = np.where(truth == 1, w * (below[place] - value) / w1, w * (above[place] - value) / w0)
    return value, influence, float(w.sum() ** 2 / (w**2).sum())


def _levels(score: AnyArray) -> tuple[IntArray, int]:
    """Return the rank of each score, from 0, and an upper bound of the number of ranks."""
    if score.dtype.kind in "iu" and score.min(initial=0) >= 0 and score.max(initial=0) < 1 << 27:
        return np.asarray(score, dtype=np.int64), int(score.max(initial=-1)) + 1
    levels, place = np.unique(score, return_inverse=True)
    return place.reshape(-1), len(levels)


def _perfect_auc(
    value: float, truth: FloatArray, clusters: Sequence[ArrayLike], cov: CovarianceResult, level: float
) -> Interval:
    pairs = min(int(np.sum(truth == 1)), int(np.sum(truth == 0)))
    if clusters:  # A pair is a positive and a negative from different clusters, and each cluster is used once.
        pairs = min([pairs, *((int(unit_codes(c).max(initial=-1)) + 1) // 2 for c in clusters)])
    limit = tail_of(level) ** (1 / pairs) if pairs else 0.0
    low, high = (limit, 1.0) if value > 0.5 else (0.0, 1 - limit)
    flags = ("unreliable",) if not pairs else cluster_flags(cov)
    return Interval(value, low, high, "exact, disjoint pairs", float(cov.n_rows[0]), cluster_number(cov), flags)
