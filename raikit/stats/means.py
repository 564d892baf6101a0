"""Intervals of what is not a count: means, smooth statistics, the area under the ROC curve."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from raikit.stats._types import AnyArray, FloatArray, IntArray, tail_of
from raikit.stats.covariance import (
    MIN_CLUSTERS,
    CovarianceResult,
    influence_covariance,
    rate_covariance,
    unit_codes,
)
from raikit.stats.interval import Interval

Statistic = Callable[[FloatArray], FloatArray]
_WAYS = {0: "", 1: "one-way cluster ", 2: "two-way cluster "}
_BLOCK = 1 << 22  # elements of one block of resampled weights: 32 MB
_JACKKNIFE = 200  # delete-a-block parts for BCa's acceleration


def mean_interval(
    values: ArrayLike,
    weight: ArrayLike | None = None,
    clusters: Sequence[ArrayLike] = (),
    level: float = 0.95,
    bounds: tuple[float, float] = (-np.inf, np.inf),
) -> Interval:
    """Mean with a t interval, cluster-robust if rows share clusters.

    Parameters
    ----------
    values : array_like, shape (n,)
    weight : array_like, shape (n,), optional
        Sampling weights.
    clusters : sequence of array_like of int, each shape (n,)
        None, one or two columns; degrees of freedom are the clusters (of the column with fewer) less one.
    level : float, in (0, 1)
    bounds : (float, float)
        What the mean cannot leave; the interval is cut there.

    Returns
    -------
    Interval
        Where the data tell nothing about their spread (one row, one cluster, or all values alike) the ends are the
        bounds and the flag is ``unreliable``; ``few_clusters`` under 8.

    Raises
    ------
    ValueError
        If there are no rows.
    """
    data = np.asarray(values, dtype=float)
    ones, one_group = np.ones(len(data)), np.zeros(len(data), dtype=np.int64)
    cov = rate_covariance(data, ones, one_group, clusters, weight, groups=1, proportion=False)
    if not cov.n_rows[0]:
        raise ValueError("no rows, so there is no mean")
    return _t_interval(cov, level, bounds)


def _t_interval(cov: CovarianceResult, level: float, bounds: tuple[float, float]) -> Interval:
    from scipy.special import stdtrit

    value, n, df = float(cov.rates[0]), float(cov.n_rows[0]), max(int(cov.n_clusters[0]) - 1, 1)
    method, flags = f"{_WAYS[cov.ways]}t (df {df})", _flags(cov)
    half = -float(stdtrit(df, tail_of(level))) * float(np.sqrt(cov.M[0, 0]))
    if "unreliable" in flags or half <= 1e-12 * abs(value):
        return _unknown(value, bounds, method, n, _clusters(cov), flags)
    low, high = max(value - half, bounds[0]), min(value + half, bounds[1])
    return Interval(value, low, high, method, n, _clusters(cov), flags)


def _unknown(
    value: float,
    bounds: tuple[float, float],
    method: str,
    n: float,
    n_clusters: int | None,
    flags: tuple[str, ...],
) -> Interval:
    """Give the widest interval there is: the data do not vary, so they do not tell how far off they are."""
    marked = tuple(dict.fromkeys((*flags, "no_variation", "unreliable")))
    return Interval(value, *bounds, f"none (no variation for {method})", n, n_clusters, marked)


def _clusters(cov: CovarianceResult) -> int | None:
    return int(cov.n_clusters[0]) if cov.ways else None


def _flags(cov: CovarianceResult) -> tuple[str, ...]:
    few = ("few_clusters",) if cov.ways and cov.few_clusters[0] else ()
    return (*few, "unreliable") if cov.n_clusters[0] < 2 else few


def auc_interval(
    y: ArrayLike,
    score: ArrayLike,
    weight: ArrayLike | None = None,
    clusters: Sequence[ArrayLike] = (),
    level: float = 0.95,
) -> Interval:
    """Area under the ROC curve with DeLong's variance on the logit scale, cluster-robust if rows share clusters.

    Parameters
    ----------
    y : array_like of {0, 1}, shape (n,)
    score : array_like, shape (n,)
        Ties count half. Whole numbers are taken as ranks from 0, which saves sorting them.
    weight : array_like, shape (n,), optional
    clusters : sequence of array_like of int, each shape (n,)
        None, one or two columns.
    level : float, in (0, 1)

    Returns
    -------
    Interval
        The value equals scikit-learn's. With an area of 0 or 1 the variance is 0; the exact limit for as many disjoint
        pairs of a positive and a negative as there are is given instead.

    Raises
    ------
    ValueError
        If one of the classes is missing: the area is undefined.

    References
    ----------
    .. [1] DeLong, DeLong and Clarke-Pearson, "Comparing the areas under two or more correlated ROC curves",
       Biometrics 1988.
    .. [2] Obuchowski, "Nonparametric analysis of clustered ROC curve data", Biometrics 1997. Two crossed columns:
       the components summed by Cameron-Gelbach-Miller.
    """
    from scipy.special import ndtri, stdtrit

    truth, w = _truth_and_weight(y, weight)
    value, influence, n = _auc(truth, np.asarray(score), w)
    cov = influence_covariance(
        np.array([value]), influence, np.zeros(len(truth), dtype=np.int64), clusters, np.array([n]), np.array([n])
    )
    if min(value, 1 - value) < 1e-12:
        return _perfect_auc(value, truth, clusters, cov, level)
    tail = tail_of(level)
    df = max(int(cov.n_clusters[0]) - 1, 1)
    q = -float(stdtrit(df, tail)) if clusters else -float(ndtri(tail))
    variance = float(cov.M[0, 0]) if clusters else _delong(influence, truth)
    center, half = np.log(value / (1 - value)), q * np.sqrt(variance) / (value * (1 - value))
    low, high = (float(1 / (1 + np.exp(-(center + s * half)))) for s in (-1, 1))
    method = f"DeLong, logit, {_WAYS[cov.ways]}t (df {df})" if clusters else "DeLong, logit"
    if not variance > 0 or (clusters and _flags(cov)[-1:] == ("unreliable",)):
        return Interval(value, 0.0, 1.0, method, n, _clusters(cov), ("unreliable",))
    return Interval(value, low, high, method, n, _clusters(cov), _flags(cov))


def auc_influence(y: ArrayLike, score: ArrayLike, weight: ArrayLike | None = None) -> tuple[float, FloatArray]:
    """AUC and each row's contribution to it (DeLong's components), for `influence_covariance` over groups.

    Parameters
    ----------
    y, score, weight : array_like, shape (n,)

    Returns
    -------
    (value, influence) : float and ndarray, shape (n,)
        Contributions sum to 0 within each class; the sum of their squares is the variance up to ``m / (m - 1)``.
    """
    truth, w = _truth_and_weight(y, weight)
    value, influence, _ = _auc(truth, np.asarray(score), w)
    return value, influence


def average_precision_influence(
    y: ArrayLike, score: ArrayLike, weight: ArrayLike | None = None
) -> tuple[float, FloatArray]:
    """Average precision and each row's influence on it.

    Parameters
    ----------
    y : array_like of {0, 1}, shape (n,)
        With at least one 1 of positive weight.
    score, weight : array_like, shape (n,)

    Returns
    -------
    (value, influence) : float and ndarray, shape (n,)
        Weight times the derivative of the value by the row's weight; sums to 0.

    Notes
    -----
    ``AP = sum_i w_i y_i P(s_i) / sum_i w_i y_i`` with P the precision among rows scored at least s_i. A row changes
    it as one of those that are averaged and, being at or above their threshold, as part of others' precision.
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
    # sums over thresholds at or below a row's own: what its presence does to precision there
    shares = np.divide(positives, above, out=np.zeros(k), where=above > 0)
    as_hit = np.cumsum(shares[::-1])[::-1]
    as_row = np.cumsum((shares * precision)[::-1])[::-1]
    derivative = truth * (precision[place] - value + as_hit[place]) - as_row[place]
    return value, np.asarray(w * derivative / total)


def _truth_and_weight(y: ArrayLike, weight: ArrayLike | None) -> tuple[FloatArray, FloatArray]:
    truth = np.asarray(y, dtype=float)
    if not np.all((truth == 0) | (truth == 1)):
        raise ValueError("y must hold 0 and 1 only")
    w = np.ones(len(truth)) if weight is None else np.asarray(weight, dtype=float)
    if not (np.any(w[truth == 1] > 0) and np.any(w[truth == 0] > 0)):
        raise ValueError("one class has no rows, so the area under the ROC curve is undefined")
    return truth, w


def _auc(truth: FloatArray, score: FloatArray, w: FloatArray) -> tuple[float, FloatArray, float]:
    place, levels = _levels(score)
    positive, negative = (np.bincount(place, w * side, minlength=levels) for side in (truth, 1 - truth))
    w1, w0 = positive.sum(), negative.sum()
    below = (np.cumsum(negative) - negative / 2) / w0  # share of negatives below a score, ties half
    above = 1 - (np.cumsum(positive) - positive / 2) / w1
    value = float(positive @ below / w1)
    influence = np.where(truth == 1, w * (below[place] - value) / w1, w * (above[place] - value) / w0)
    return value, influence, float(w.sum() ** 2 / (w**2).sum())


def _levels(score: AnyArray) -> tuple[IntArray, int]:
    """Rank of each score from 0, and how many ranks there may be."""
    if score.dtype.kind in "iu" and score.min(initial=0) >= 0 and score.max(initial=0) < 1 << 27:
        return np.asarray(score, dtype=np.int64), int(score.max(initial=-1)) + 1
    levels, place = np.unique(score, return_inverse=True)
    return place.reshape(-1), len(levels)


def _delong(influence: FloatArray, truth: FloatArray) -> float:
    total = 0.0
    for side in (truth == 1, truth == 0):
        m = int(side.sum())
        total += float(np.sum(influence[side] ** 2)) * m / max(m - 1, 1)
    return total


def _perfect_auc(
    value: float, truth: FloatArray, clusters: Sequence[ArrayLike], cov: CovarianceResult, level: float
) -> Interval:
    pairs = min(int(np.sum(truth == 1)), int(np.sum(truth == 0)))
    if clusters:  # a positive and a negative from different clusters, each cluster used once
        pairs = min([pairs, *((int(unit_codes(c).max(initial=-1)) + 1) // 2 for c in clusters)])
    limit = tail_of(level) ** (1 / pairs) if pairs else 0.0
    low, high = (limit, 1.0) if value > 0.5 else (0.0, 1 - limit)
    flags = ("unreliable",) if not pairs else _flags(cov)
    return Interval(value, low, high, "exact, disjoint pairs", float(cov.n_rows[0]), _clusters(cov), flags)


def bootstrap_interval(
    statistic: Statistic,
    rows: int | None = None,
    *,
    counts: ArrayLike | None = None,
    clusters: Sequence[ArrayLike] = (),
    level: float = 0.95,
    draws: int = 2_000,
    rng: np.random.Generator,
    kind: Literal["bca", "percentile"] = "bca",
    bounds: tuple[float, float] = (-np.inf, np.inf),
) -> Interval:
    """Bootstrap interval of a *smooth* statistic (RMSE, R2, macro-F1, calibration error). Never for a max-min gap.

    Parameters
    ----------
    statistic : callable
        Takes non-negative weights, shape (b, m), and returns b values; m is the number of rows, or of cells if
        `counts` is given. Sampling weights are the statistic's own affair (multiply them in).
    rows : int, optional
        Number of rows.
    counts : array_like of int, shape (m,), optional
        Rows per cell, instead of `rows`: much faster for statistics of a table of counts.
    clusters : sequence of array_like of int, each shape (rows,)
        One column: whole clusters are drawn. Two: the product of two independent draws (pigeonhole bootstrap),
        which is conservative and uses percentiles.
    level : float, in (0, 1)
    draws : int
    rng : numpy.random.Generator
    kind : {"bca", "percentile"}
    bounds : (float, float)
        What the statistic cannot leave, (0, 1) for a macro-F1.

    Returns
    -------
    Interval
        If the statistic is the same in every draw (a perfect score on few rows), the ends are the bounds and the
        flags ``no_variation`` and ``unreliable``. Draws in which it is NaN are dropped; over 1 % of them flag
        ``unreliable``.

    Raises
    ------
    ValueError
        If neither or both of `rows` and `counts` are given, or the statistic is undefined on the data.

    References
    ----------
    .. [1] Efron, "Better bootstrap confidence intervals", JASA 1987.
    .. [2] Owen, "The pigeonhole bootstrap", Annals of Applied Statistics 2007.
    """
    sampler = _Sampler.of(rows, counts, clusters)
    value = float(statistic(sampler.whole[None, :])[0])
    if np.isnan(value):
        raise ValueError("the statistic is undefined on these data")
    step = max(1, _BLOCK // len(sampler.whole))
    sizes = [min(step, draws - start) for start in range(0, draws, step)]
    drawn = np.concatenate([np.asarray(statistic(sampler.draw(size, rng)), dtype=float) for size in sizes])
    kept = drawn[~np.isnan(drawn)]
    found = sampler.n_clusters
    flags: tuple[str, ...] = ("few_clusters",) if found is not None and found < MIN_CLUSTERS else ()
    flags = flags if len(kept) >= 0.99 * draws else (*flags, "unreliable")
    bca = kind == "bca" and len(clusters) < 2
    method = f"{sampler.name} bootstrap, {'BCa' if bca else 'percentile'}"
    method += ", conservative" if len(clusters) == 2 else ""
    if not len(kept) or np.ptp(kept) <= 1e-12 * abs(value):
        return _unknown(value, bounds, method, sampler.n, found, flags)
    tail = tail_of(level)
    ends = _bca_tails(value, kept, sampler.leave_out(statistic), tail) if bca else (tail, 1 - tail)
    low, high = (float(end) for end in np.quantile(kept, ends))
    return Interval(value, min(low, value), max(high, value), method, sampler.n, found, flags)


def _bca_tails(value: float, drawn: FloatArray, left_out: FloatArray, tail: float) -> tuple[float, float]:
    from scipy.special import ndtr, ndtri

    below = (np.sum(drawn < value) + np.sum(drawn == value) / 2) / len(drawn)
    z0 = float(ndtri(np.clip(below, 1 / len(drawn), 1 - 1 / len(drawn))))
    d = np.nanmean(left_out) - left_out
    d = d[~np.isnan(d)]
    spread = float(np.sum(d**2)) ** 1.5
    a = float(np.sum(d**3)) / (6 * spread) if spread > 0 else 0.0
    z = z0 + ndtri(np.array([tail, 1 - tail]))
    low, high = ndtr(z0 + z / (1 - np.clip(a * z, -0.9, 0.9)))
    return float(low), float(high)


class _Sampler:
    """Resampled weights: of cells, rows, whole clusters, or two crossed clusters."""

    def __init__(self, whole: FloatArray, units: list[IntArray], cells: bool) -> None:
        self.whole, self.units, self.cells = whole, units, cells
        self.n = float(whole.sum())

    @classmethod
    def of(cls, rows: int | None, counts: ArrayLike | None, clusters: Sequence[ArrayLike]) -> _Sampler:
        if (rows is None) == (counts is None) or (counts is not None and clusters):
            raise ValueError("give either `rows` (with clusters, if any) or `counts`")
        if counts is not None:
            return cls(np.asarray(counts, dtype=float), [], cells=True)
        whole = np.ones(int(rows or 0))
        units = [unit_codes(c) for c in clusters]
        if len(units) > 2 or any(len(u) != len(whole) for u in units):
            raise ValueError("at most two cluster columns, each with one entry per row")
        return cls(whole, units or [np.arange(len(whole))], cells=False)

    @property
    def clustered(self) -> bool:
        return not self.cells and (len(self.units) > 1 or int(self.units[0].max(initial=-1)) + 1 < len(self.whole))

    @property
    def n_clusters(self) -> int | None:
        return min(int(u.max()) + 1 for u in self.units) if self.clustered else None

    @property
    def name(self) -> str:
        return ("two-way cluster" if len(self.units) > 1 else "cluster") if self.clustered else "row"

    def draw(self, size: int, rng: np.random.Generator) -> FloatArray:
        """Weights of `size` resamples, shape (size, m)."""
        if self.cells:
            total = self.whole.sum()
            return rng.multinomial(int(total), self.whole / total, size=size).astype(float)
        weights = np.ones((size, len(self.whole)))
        for unit in self.units:
            g = int(unit.max()) + 1
            picked = rng.integers(g, size=(size, g)) + np.arange(size)[:, None] * g
            weights *= np.bincount(picked.ravel(), minlength=size * g).reshape(size, g)[:, unit]
        return weights

    def leave_out(self, statistic: Statistic) -> FloatArray:
        """Statistic without each of about 200 blocks of rows or clusters (for cells: without one row of each)."""
        if self.cells:
            return self._leave_out_cells(statistic)
        unit = self.units[0]
        g = int(unit.max()) + 1
        block = (np.arange(g) * min(_JACKKNIFE, g) // g)[unit]
        if g == len(self.whole):  # rows: take every 200th, so that sorted tables give alike blocks
            block = np.arange(g) % min(_JACKKNIFE, g)
        parts = [statistic((block != b).astype(float)[None, :])[0] for b in range(int(block.max()) + 1)]
        return np.asarray(parts, dtype=float)

    def _leave_out_cells(self, statistic: Statistic) -> FloatArray:
        filled = np.flatnonzero(self.whole)
        parts = [float(statistic((self.whole - (np.arange(len(self.whole)) == c))[None, :])[0]) for c in filled]
        return np.repeat(np.asarray(parts), np.minimum(self.whole[filled], 1 << 20).astype(np.int64))
