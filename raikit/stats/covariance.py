"""Covariance of the rates or means of groups whose cases may share clusters, in one or two ways."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from raikit.stats._types import FloatArray, IntArray
from raikit.stats.cells import merge_outcomes, number_values
from raikit.stats.constants import TINY
from raikit.stats.covariance_result import (
    MIN_EFFECTIVE_CASES,
    MIN_SUPPORTING_CLUSTERS,
    CovarianceResult,
    Scale,
    effective_number,
    effective_size,
)
from raikit.stats.jackknife import (
    Contributions,
    LeaveOneOut,
    group_sums,
    independent_variances,
    leave_one_out,
    worst_of,
)
from raikit.stats.rates import agresti_caffo_variance
from raikit.stats.validation import case_weights


def rate_covariance(
    numerator: ArrayLike,
    denominator: ArrayLike,
    group: ArrayLike,
    clusters: Sequence[ArrayLike] = (),
    weight: ArrayLike | None = None,
    groups: int | None = None,
    proportion: bool | None = None,
    *,
    scale: Scale | None = None,
    squares: ArrayLike | None = None,
    counts: ArrayLike | None = None,
) -> CovarianceResult:
    """Compute the rates (ratios of sums) of groups and their covariance.

    Parameters
    ----------
    numerator, denominator : array_like, shape (n,)
        The rate of a group is ``sum(weight * numerator) / sum(weight * denominator)`` over its cases. For a mean the
        denominator is 1; for a true positive rate it is ``y`` and the numerator ``y * yhat``.
    group : array_like of int, shape (n,)
        Group of each case, from 0; cases with a negative group are left out. For the equalized odds gap code
        group and class together (``group + k * y``) and give the class to `clustered_odds_gap` as stratum.
    clusters : sequence of array_like of int, each shape (n,)
        No column (independent cases), one or two. A negative number marks a case that shares no cluster.
    weight : array_like, shape (n,), optional
        Sampling weights, >= 0; their scale does not matter.
    groups : int, optional
        Number of groups k, if the last ones may have no cases.
    proportion : bool, optional
        Whether cases contribute 0 or 1, so that limits of proportions apply. By default the data decide.
    scale : {"proportion", "positive", "real"}, optional
        Instead of `proportion`.
    squares, counts : array_like, shape (n,), optional
        If entries are cells of alike cases: sums of squared weights and numbers of cases (`weight` holds sums of weights).

    Returns
    -------
    CovarianceResult

    Raises
    ------
    ValueError
        If lengths differ, there are over two cluster columns, or a weight is negative.

    Notes
    -----
    Contributions ``w (num - rate den) / sum(w den)`` are summed within the clusters of each group, and divided by one minus
    the cluster's share of the group, which is the move when the cluster is left out [1]_. Two columns give
    ``M = V_1 + V_2 - V_12``, with V_12 of their intersection [2]_; no group and no difference of two groups has less
    variance than by either column alone. The diagonal is never below the variance of independent cases, for proportions
    Agresti and Caffo's. Negative eigenvalues are set to 0. Without clusters, each case is left out; with equal weights
    that is the usual variance.

    References
    ----------
    .. [1] MacKinnon, Nielsen and Webb, "Cluster-robust jackknife and bootstrap inference", 2024.
    .. [2] Cameron, Gelbach and Miller, "Robust inference with multiway clustering", JBES 2011, section 2.
    """
    num, den, code = np.asarray(numerator, dtype=float), np.asarray(denominator, dtype=float), np.asarray(group)
    w, w2, rows = case_weights(len(num), weight, squares, counts)
    columns = [np.asarray(c) for c in clusters]
    if any(len(v) != len(num) for v in (den, code, w, w2, rows, *columns)):
        raise ValueError("numerator, denominator, group, weight and clusters must have one entry per case")
    if np.any(w < 0):
        raise ValueError("weights must not be negative")
    k = groups if groups is not None else int(code.max(initial=-1)) + 1
    keep = (code >= 0) & (w > 0) & ((den != 0) | (num != 0))
    num, den, code, columns, (w, w2, rows) = merge_outcomes(
        num[keep], den[keep], code[keep].astype(np.int64), [cluster_codes(c[keep]) for c in columns],
        (w[keep], w2[keep], rows[keep]),
    )  # fmt: skip
    total = group_sums(code, w * den, k)
    with np.errstate(divide="ignore", invalid="ignore"):
        rates = group_sums(code, w * num, k) / total
        unit = (num - rates[code] * den) / total[code]
        n_rows = group_sums(code, w, k) ** 2 / group_sums(code, w2, k)
    if scale is None:
        if proportion is None:
            proportion = bool(np.all((den == 1) & ((num == 0) | (num == 1))))
        scale = "proportion" if proportion else "real"
    rare = np.where(rates[code] <= 0.5, num, den - num)
    outcomes = (w * rare, w2 * rare**2) if scale == "proportion" else None
    cubes = w * w2 / rows * unit**3
    cases = _Cases(code, code, w * unit, w2 * unit**2, rows, (w * den, w2 * den**2), outcomes, cubes)
    return _covariance(
        rates, cases, columns, np.nan_to_num(n_rows), total, scale, weighted=weights_vary(w, w2, rows)
    )


Sums = tuple[FloatArray, FloatArray, FloatArray]


def summed_rate_covariance(
    misses: Sums, hits: Sums, group: IntArray, clusters: Sequence[ArrayLike], groups: int
) -> CovarianceResult:
    """Compute the rates of groups and their covariance as `rate_covariance` does, from sums over cases.

    Parameters
    ----------
    misses, hits : tuple of ndarray, each shape (n,)
        Number of cases of positive weight without and with the event, sums of their weights and of the squared weights. An entry
        has cases of one group that share their clusters.
    group : ndarray of int, shape (n,)
        From 0; entries with a negative group are left out.
    clusters : sequence of array_like of int, each shape (n,)
        At most two; negative for cases that share no cluster.
    groups : int

    Returns
    -------
    CovarianceResult

    Raises
    ------
    ValueError
        If there are over two cluster columns.
    """
    misses, hits, group, columns = _separate_alone(misses, hits, group, [cluster_codes(column) for column in clusters])
    n, w, w2 = (miss + hit for miss, hit in zip(misses, hits, strict=True))
    total = group_sums(group, w, groups)
    with np.errstate(divide="ignore", invalid="ignore"):
        rates = group_sums(group, hits[1], groups) / total
        n_rows = total**2 / group_sums(group, w2, groups)
    rate, size = rates[group], total[group]
    squares = (rate**2 * misses[2] + (1 - rate) ** 2 * hits[2]) / size**2
    cubes = ((1 - rate) ** 3 * _cubed_weights(hits) - rate**3 * _cubed_weights(misses)) / size**3
    events_are_rare = rate <= 0.5
    rare = [np.where(events_are_rare, hit, miss) for hit, miss in zip(hits[1:], misses[1:], strict=True)]
    cases = _Cases(group, group, (hits[1] - rate * w) / size, squares, n, (w, w2), (rare[0], rare[1]), cubes)
    weighted = hits[0] is not hits[1] and _weights_of_outcomes_vary(misses, hits)
    return _covariance(rates, cases, columns, np.nan_to_num(n_rows), total, "proportion", weighted=weighted)


def _separate_alone(
    misses: Sums, hits: Sums, group: IntArray, columns: list[IntArray]
) -> tuple[Sums, Sums, IntArray, list[IntArray]]:
    """Return entries that each stand for alike cases, unless these share a cluster; none without a group or weight."""
    unweighted = hits[0] is hits[1] and misses[0] is misses[1]
    alone = np.any([column < 0 for column in columns], axis=0) if columns else np.ones(len(group), dtype=bool)
    mixed = alone & (misses[0] > 0) & (hits[0] > 0)
    keep = (group >= 0) & (misses[1] + hits[1] > 0)
    if keep.all() and not mixed.any():
        return misses, hits, group, columns
    order = np.append(np.flatnonzero(keep), np.flatnonzero(keep & mixed))
    first = int(keep.sum())
    misses, hits = _taken(misses, order, unweighted), _taken(hits, order, unweighted)
    inside = mixed[order]
    for part, of_part in ((misses, slice(first, None)), (hits, slice(0, first))):
        for values in part[:1] if unweighted else part:
            values[of_part][inside[of_part]] = 0
    return misses, hits, group[order], [column[order] for column in columns]


def _taken(sums: Sums, order: IntArray, unweighted: bool) -> Sums:
    if unweighted:  # all three are numbers of cases
        return (sums[0][order],) * 3
    return sums[0][order], sums[1][order], sums[2][order]


def _cubed_weights(sums: Sums) -> FloatArray:
    """Return the sums of cubed weights, those that follow from weights and squared weights if these vary little."""
    counts, w, w2 = sums
    return counts if w is counts else np.asarray(w2**2 / np.maximum(w, TINY))


def _weights_of_outcomes_vary(misses: Sums, hits: Sums) -> bool:
    both = (np.concatenate(parts) for parts in zip(misses, hits, strict=True))
    counts, w, w2 = both
    occurs = counts > 0
    return weights_vary(w[occurs], w2[occurs], counts[occurs])


def influence_covariance(
    rates: FloatArray,
    influence: FloatArray,
    group: IntArray,
    clusters: Sequence[ArrayLike],
    n_rows: FloatArray,
    sizes: FloatArray,
    *,
    scale: Scale = "real",
    squares: FloatArray | None = None,
    counts: FloatArray | None = None,
    still: FloatArray | None = None,
    extra: FloatArray | None = None,
    weight: FloatArray | None = None,
    weight_squares: FloatArray | None = None,
    part: IntArray | None = None,
) -> CovarianceResult:
    """Compute the covariance of estimates that are sums of the cases' contributions to first order.

    Rates, means and areas under the ROC curve are such estimates.

    Parameters
    ----------
    rates, n_rows, sizes : ndarray, shape (k,)
        Estimates, cases in their denominators, and sizes by which groups are pooled.
    influence : ndarray, shape (n,)
        Contribution of each case to the estimate of its own group; contributions sum to 0 in each group.
    group : ndarray of int, shape (n,)
    clusters : sequence of array_like of int
    scale : {"proportion", "positive", "real"}
    squares, counts : ndarray, shape (n,), optional
        If entries are cells of alike cases: the sum of their squared contributions, and the number of cases.
    still : ndarray, shape (k,), optional
        Effective sample size where a proportion of 0 or 1 hides its variance, if smaller than the number of clusters. (An
        area of 1 under the ROC curve rests on as many disjoint pairs as the scarcer class has cases.)
    extra : ndarray, shape (k,), optional
        Variance to add to each estimate, for values that did not occur in the sample.
    weight, weight_squares : ndarray, shape (n,), optional
        Weight of each entry in the denominator, and the sum of the squared weights of its cases. By default cases weigh alike.
    part : ndarray of int, shape (n,), optional
        Which denominator of its group an entry belongs to, where there are several: the class, for an area under the ROC
        curve. Shares of clusters are taken within each part.

    Returns
    -------
    CovarianceResult

    Raises
    ------
    ValueError
        If there are over two cluster columns.
    """
    ones = np.ones(len(influence))
    number = ones if counts is None else counts
    w = number if weight is None else weight
    w2 = (number if weight is None else w**2) if weight_squares is None else weight_squares
    code = group if part is None else group + len(rates) * part
    cases = _Cases(group, code, influence, influence**2 if squares is None else squares, number, (w, w2), None)
    return _covariance(rates, cases, clusters, n_rows, sizes, scale, still=still, extra=extra)


@dataclass(frozen=True)
class _Cases:
    """Contributions of entries with the weights behind them: (sum, sum of squares) in the denominator and of the rarer outcome.

    `cubes` are sums of cubed contributions, if they are known. Otherwise skewness of single cases counts as that of clusters.
    """

    group: IntArray
    part: IntArray
    influence: FloatArray
    squares: FloatArray
    counts: FloatArray
    weight: tuple[FloatArray, FloatArray]
    rare: tuple[FloatArray, FloatArray] | None
    cubes: FloatArray | None = None

    @property
    def contributions(self) -> Contributions:
        total = np.bincount(self.part, self.weight[0])[self.part]
        share, share_squares = self.weight[0] / total, self.weight[1] / total**2
        support = (self.squares, self.squares**2 / self.counts) if self.rare is None else self.rare
        return Contributions(
            self.group, self.part, self.influence, self.squares, share, share_squares, *support, self.counts,
            share_squares, self.squares, np.zeros(len(total)) if self.cubes is None else self.cubes,
        )  # fmt: skip


def _covariance(
    rates: FloatArray,
    cases: _Cases,
    clusters: Sequence[ArrayLike],
    n_rows: FloatArray,
    sizes: FloatArray,
    scale: Scale,
    *,
    still: FloatArray | None = None,
    extra: FloatArray | None = None,
    weighted: bool = False,
) -> CovarianceResult:
    columns, proportion, outcomes = [cluster_codes(c) for c in clusters], scale == "proportion", cases.rare is not None
    if len(columns) > 2:
        raise ValueError(f"at most two cluster columns, not {len(columns)}")
    upward = np.where(rates <= 0.5, 1.0, -1.0) if proportion else np.ones(len(rates))
    entries = cases.contributions
    vrow = independent_variances(entries, len(rates))
    units = _by_cluster(entries, columns, upward, outcomes)
    M = units.covariance + np.diag(np.zeros(len(rates)) if extra is None else np.nan_to_num(extra))
    variance = np.maximum(np.diag(M), vrow)
    between = np.nan_to_num(variance - vrow)
    effective = effective_number(np.diag(units.concentration))
    hidden = effective if still is None else np.minimum(effective, still)
    n_effective = effective_size(rates, variance, vrow, n_rows, hidden, proportion)
    df = np.maximum(effective - 1, 1.0)
    if cases.rare is not None and not columns:
        n_effective, df = _weighted_sizes(rates, variance, units, n_effective, cases, n_rows)
    if proportion:
        variance = np.fmax(variance, agresti_caffo_variance(rates * n_effective, n_effective))
    M = M + np.diag(np.nan_to_num(variance) - np.diag(M))
    needed = MIN_SUPPORTING_CLUSTERS if columns else MIN_EFFECTIVE_CASES
    few_events = (units.supporting < needed) & (outcomes and weighted)
    return CovarianceResult(
        rates, clip_eigenvalues((M + M.T) / 2), df, units.number, vrow, n_rows, n_effective, sizes,
        units.concentration, units.one_more, units.skew, units.supporting, units.several,
        units.repeatable, between, few_events, units.dominated, scale, len(columns), outcomes and weighted,
    )  # fmt: skip


def _weighted_sizes(
    rates: FloatArray, variance: FloatArray, units: LeaveOneOut, hidden: FloatArray, cases: _Cases, kish: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return effective sizes and degrees of freedom of rates of independent cases.

    Without weights, or with weights that are alike, these are the numbers of cases and no limit. The size may exceed Kish's
    number, because events may weigh little. It rests on the cases with the rarer outcome, and is known as well as they tell
    how much such cases weigh.
    """
    number = units.number.astype(float)
    assert cases.rare is not None
    of_rare = group_sums(cases.group, cases.counts * (cases.rare[0] > 0), len(rates))
    with np.errstate(divide="ignore", invalid="ignore"):
        n = np.minimum(1 + rates * (1 - rates) / variance, number)
        n = np.where((rates > 0) & (rates < 1) & (variance > 0), n, hidden)
        df = [known_size(supporting, of) for supporting, of in ((units.supporting, of_rare), (kish, number))]
    return np.nan_to_num(n), np.minimum(*df)


def known_size(effective: FloatArray, number: FloatArray) -> FloatArray:
    """Return degrees of freedom that are those of the effective number, and more the more alike the weights are."""
    alike = np.divide(effective, number, out=np.ones(len(number)), where=number > 0)
    return np.asarray(np.clip(np.maximum(effective - 1, 1.0) / np.maximum(1 - alike**2, 1e-9), 1.0, 1e9))


def _by_cluster(
    entries: Contributions, columns: Sequence[IntArray], upward: FloatArray, outcomes: bool
) -> LeaveOneOut:
    """Leave out the clusters of one column or of two; without a column, each case."""
    k = len(upward)
    if not columns:
        return leave_one_out(entries, np.full(len(entries.group), -1), k, upward)
    ways = [leave_one_out(*entries.within_clusters(column, outcomes), k, upward) for column in columns]
    if len(ways) == 1:
        return ways[0]
    both = leave_one_out(*entries.within_clusters(crossed_codes(*columns), outcomes), k, upward).covariance
    first, second = (way.covariance for way in ways)
    return worst_of(ways, largest_variances([first + second - both, first, second]))


def largest_variances(candidates: Sequence[FloatArray]) -> FloatArray:
    """Combine covariance matrices: the largest variance of each estimate, and of each difference of two."""
    each = np.max([np.diag(M) for M in candidates], axis=0)
    differences = np.max([np.diag(M)[:, None] + np.diag(M) - 2 * M for M in candidates], axis=0)
    return np.asarray((each[:, None] + each - differences) / 2)


def weights_vary(w: FloatArray, w2: FloatArray, counts: FloatArray) -> bool:
    """Return whether cases weigh differently, from sums of weights and of their squares in cells of alike cases."""
    mean = w / counts
    return bool(np.ptp(mean) > 1e-9 * mean.max() or np.any(w2 > w * mean * (1 + 1e-9))) if len(w) else False


def cluster_codes(cluster: ArrayLike) -> IntArray:
    """Assign numbers to clusters, from 0, with -1 for a case that shares none (a muted query has no speaker).

    Parameters
    ----------
    cluster : array_like of int, shape (n,)
        Negative for a case that shares no cluster.

    Returns
    -------
    ndarray of int, shape (n,)
    """
    values = np.asarray(cluster)
    alone = values < 0 if values.dtype.kind == "i" else np.zeros(values.shape, dtype=bool)
    if not alone.any():
        return number_values(values)
    codes = np.full(len(values), -1, dtype=np.int64)
    codes[~alone] = number_values(values[~alone])
    return codes


def unit_codes(cluster: ArrayLike) -> IntArray:
    """Assign numbers to sampling units: clusters from 0, then the cases that share none, each by itself."""
    codes = cluster_codes(cluster)
    alone = codes < 0
    codes[alone] = codes.max(initial=-1) + 1 + np.arange(int(alone.sum()))
    return codes


def crossed_codes(first: IntArray, second: IntArray) -> IntArray:
    """Assign numbers to the combinations of two cluster columns; a case alone in either is alone."""
    both = first * (second.max(initial=0) + 1) + second
    return cluster_codes(np.where((first < 0) | (second < 0), -1, both))


def clip_eigenvalues(matrix: FloatArray) -> FloatArray:
    """Return a symmetric matrix with its negative eigenvalues set to 0, unchanged if there are none."""
    diagonal = np.diag(matrix)
    if np.count_nonzero(matrix) == np.count_nonzero(diagonal) and not np.any(diagonal < 0):
        return np.asarray(matrix)  # independent groups: a decomposition would take a cube of their number
    values, vectors = np.linalg.eigh(np.nan_to_num(matrix))
    if values.min(initial=0) >= 0:
        return np.asarray(matrix)
    return np.asarray((vectors * np.maximum(values, 0)) @ vectors.T)
