"""Area under the ROC curve and average precision, and each case's influence on them. The interval of the former is in `auc`.

Both need only the weights of the positives and the negatives at each level of the scores, and a case's influence is its weight
times that of its class at its level. So they are computed over levels, of which there are fewer than cases.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from raikit.stats._types import AnyArray, BoolArray, FloatArray, IntArray
from raikit.stats.products import inner_product

_Z_FOR_BIAS = 1.645  # Normal quantile of the largest one-sided error at which limits are used.
_PIECE = 1 << 16  # Levels that are computed together: their arrays stay in a processor's cache.


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
    truth, w = truth_and_weight(y, weight)
    return _of_cases(RocArea, truth, np.asarray(score), w)


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
    truth = np.asarray(y) == 1
    w = np.ones(len(truth)) if weight is None else np.asarray(weight)
    return _of_cases(AveragePrecision, truth, np.asarray(score), w)


def average_precision_bias(y: ArrayLike, score: ArrayLike, weight: ArrayLike | None = None) -> float:
    """Bound by how much the average precision of a sample exceeds that of its population, on average.

    Parameters
    ----------
    y, score, weight
        As in `average_precision_influence`.

    Notes
    -----
    Every positive case counts itself among those scored at least as high. The bound is the average precision minus what it
    is if each positive case is left out of its own precision. In simulations it was 1.7 to 2 times the bias.
    """
    truth, values = np.asarray(y) == 1, np.asarray(score)
    w = np.ones(len(truth)) if weight is None else np.asarray(weight, dtype=float)
    order = np.argsort(values, kind="stable")
    truth, w = truth[order], w[order]
    levels = ScoreLevels.of(truth, values[order], w)
    return AveragePrecision.of(levels).bias_of_cases(levels, w * truth, w, levels.of_each(len(w)))


def widen_for_bias(variance: float, bias: float) -> float:
    """Return the variance with which limits at a one-sided 5%, or less, contain a bias as well."""
    return float((variance**0.5 + abs(bias) / _Z_FOR_BIAS) ** 2)


def truth_and_weight(y: ArrayLike, weight: ArrayLike | None) -> tuple[BoolArray, FloatArray]:
    """Return the truth as booleans and the weights, or raise `ValueError`."""
    truth = np.asarray(y)
    if truth.dtype != bool and not np.all((truth == 0) | (truth == 1)):
        raise ValueError("y must hold 0 and 1 only")
    return truth == 1, np.ones(len(truth)) if weight is None else np.asarray(weight, dtype=float)


@dataclass(frozen=True)
class ScoreLevels:
    """Weights of the positive and the negative cases at each level of the scores, in ascending order.

    A level is a score. Neighbouring scores without positives are one level, because no area tells them apart.

    Parameters
    ----------
    hit, miss : ndarray, shape (m,)
        Weights. Numbers of cases may be integers, which are summed faster.
    starts : ndarray of int, shape (m,)
        Position of the first case of each level.
    """

    hit: AnyArray
    miss: AnyArray
    starts: IntArray

    @classmethod
    def of(cls, truth: BoolArray, score: AnyArray, w: AnyArray) -> ScoreLevels:
        """Sum the weights of cases in ascending order of their scores; there must be one."""
        hit = w * truth
        return sum_by_score(score, hit, w - hit).merged()

    def merged(self) -> ScoreLevels:
        """Merge neighbouring levels without positives."""
        positive = self.hit > 0
        first = _first_of_runs(positive[1:] | positive[:-1])
        return ScoreLevels(np.add.reduceat(self.hit, first), np.add.reduceat(self.miss, first), self.starts[first])

    def of_each(self, n: int) -> IntArray:
        """Return the level of each of n cases."""
        return np.repeat(np.arange(len(self.starts), dtype=np.int32), np.diff(self.starts, append=n))

    def pieces(self) -> Iterator[_Piece]:
        """Cut the levels into pieces, in ascending order."""
        hits = weight = 0
        for start in range(0, len(self.hit), _PIECE):
            where = slice(start, start + _PIECE)
            piece = _Piece(where, self.hit[where], self.miss[where], hits, weight)
            hits, weight = hits + piece.hit.sum(), weight + piece.miss.sum()
            yield piece


def sum_by_score(score: AnyArray, hit: AnyArray, miss: AnyArray) -> ScoreLevels:
    """Sum the weights of positives and negatives of each score; scores ascend. Scores without positives are not merged."""
    starts = _first_of_runs(score[1:] != score[:-1])
    return ScoreLevels(np.add.reduceat(hit, starts), np.add.reduceat(miss, starts), starts)


def _first_of_runs(differs: BoolArray) -> IntArray:
    """Return where runs begin, from whether each entry but the first differs from the one before."""
    return np.append(0, np.flatnonzero(differs) + 1)


@dataclass(frozen=True)
class _Piece:
    """Levels, with the weights of the positives and the negatives in the pieces before."""

    where: slice
    hit: AnyArray
    miss: AnyArray
    hits: Any
    misses: Any

    def hits_up_to(self) -> AnyArray:
        """Return the weight of the positives at each level and below, in all pieces."""
        sums = np.cumsum(self.hit)
        sums += self.hits
        return sums

    def misses_up_to(self) -> AnyArray:
        """Return the weight of the negatives at each level and below, in all pieces."""
        sums = np.cumsum(self.miss)
        sums += self.misses
        return sums


@dataclass(frozen=True)
class RocArea:
    """Area under the ROC curve.

    Parameters
    ----------
    value : float
    positive, negative : float
        Weight of each class.
    """

    value: float
    positive: float
    negative: float

    @classmethod
    def of(cls, levels: ScoreLevels) -> RocArea:
        """Compute the area.

        Raises
        ------
        ValueError
            If a class has no weight.
        """
        positive, negative = float(levels.hit.sum()), float(levels.miss.sum())
        if not (positive > 0 and negative > 0):
            raise ValueError("one class has no cases, so the area under the ROC curve is undefined")
        # A tie counts half.
        pairs = sum(inner_product(piece.hit, piece.misses_up_to() - piece.miss / 2) for piece in levels.pieces())
        return cls(pairs / negative / positive, positive, negative)

    def influences(self, levels: ScoreLevels) -> Iterator[tuple[slice, FloatArray, FloatArray]]:
        """Yield pieces of levels with the influence of a positive and of a negative of weight 1 at each."""
        for piece in levels.pieces():
            below = piece.misses_up_to() - piece.miss / 2
            below /= self.negative
            below -= self.value
            below /= self.positive
            above = piece.hits_up_to() - piece.hit / 2
            above /= -self.positive
            above += 1
            above -= self.value
            above /= self.negative
            yield piece.where, below, above


@dataclass(frozen=True)
class AveragePrecision:
    """Average precision.

    Parameters
    ----------
    value, positive, total : float
        Value, weight of the positives and of all cases.
    """

    value: float
    positive: float
    total: float

    @classmethod
    def of(cls, levels: ScoreLevels) -> AveragePrecision:
        """Compute the average precision; a positive case must have weight."""
        positive = float(levels.hit.sum())
        area = cls(float("nan"), positive, positive + float(levels.miss.sum()))
        value = sum(inner_product(piece.hit, area._precision(piece)[1]) for piece in levels.pieces())
        return cls(min(value / positive, 1.0), positive, area.total)

    def _precision(self, piece: _Piece) -> tuple[FloatArray, FloatArray]:
        """Return the weight of the cases at each level or above, and the share of positives among them."""
        below = piece.hits_up_to()
        below -= piece.hit
        precision = self.positive - below
        below += piece.misses_up_to()
        below -= piece.miss
        above = self.total - below
        # No weight is left above the last case that has one; what would be divided by it is 0.
        above = np.where(above > 0, above, 1)
        precision /= above
        return above, precision

    def influences(self, levels: ScoreLevels) -> Iterator[tuple[slice, FloatArray, FloatArray]]:
        """Yield pieces of levels with the influence of a positive and of a negative of weight 1 at each."""
        as_hit = as_case = 0.0
        for piece in levels.pieces():
            above, precision = self._precision(piece)
            # A case changes the precision at every threshold at or below its own score, so its effects are summed over those.
            # The terms are added in an order in which they cancel exactly where every precision is 1.
            shares = piece.hit / above
            derivative = np.cumsum(shares)
            derivative += as_hit
            shares *= precision
            effect = np.cumsum(shares)
            effect += as_case
            as_hit, as_case = float(derivative[-1]), float(effect[-1])
            precision -= self.value
            derivative += precision
            derivative -= effect
            derivative /= self.positive
            effect /= -self.positive
            yield piece.where, derivative, effect

    def bias(self, levels: ScoreLevels) -> float:
        """Return what counting themselves adds to the precision of the positives, all of weight 1."""
        pieces = ((piece.hit, 1.0, *self._precision(piece)) for piece in levels.pieces())
        return sum(self._gain(*piece) for piece in pieces)

    def bias_of_cases(self, levels: ScoreLevels, hit: FloatArray, each: FloatArray, level: IntArray) -> float:
        """Return the same of cells with weights: those of their positives, of one case of each, and their levels."""
        above, precision = (np.concatenate(part) for part in zip(*map(self._precision, levels.pieces()), strict=True))
        pieces = (slice(start, start + _PIECE) for start in range(0, len(hit), _PIECE))
        return sum(self._gain(hit[at], each[at], above[level[at]], precision[level[at]]) for at in pieces)

    def _gain(self, hit: AnyArray, each: FloatArray | float, above: FloatArray, precision: FloatArray) -> float:
        others = above - each
        alone = others <= 1e-12 * self.total
        gain = np.where(alone, 1 - self.value, each * (1 - precision) / np.where(alone, 1.0, others))
        return inner_product(hit, gain) / self.positive


def level_influences(area: RocArea | AveragePrecision, levels: ScoreLevels) -> tuple[FloatArray, FloatArray]:
    """Return the influence of a positive and of a negative of weight 1 at each level."""
    of_hit, of_miss = np.empty(len(levels.hit)), np.empty(len(levels.hit))
    for where, positive, negative in area.influences(levels):
        of_hit[where], of_miss[where] = positive, negative
    return of_hit, of_miss


def _of_cases(
    kind: type[RocArea] | type[AveragePrecision], truth: BoolArray, score: AnyArray, w: AnyArray
) -> tuple[float, FloatArray]:
    """Compute an area of cases in any order, and their influences."""
    order = None if bool(np.all(score[1:] >= score[:-1])) else np.argsort(score, kind="stable")
    sorted_truth, sorted_score, sorted_w = (part if order is None else part[order] for part in (truth, score, w))
    levels = ScoreLevels.of(sorted_truth, sorted_score, sorted_w)
    area = kind.of(levels)
    level = levels.of_each(len(truth))
    of_hit, of_miss = level_influences(area, levels)
    influence = np.asarray(np.where(sorted_truth, of_hit[level], of_miss[level]) * sorted_w, dtype=float)
    if order is None:
        return area.value, influence
    unsorted = np.empty(len(truth))
    unsorted[order] = influence
    return area.value, unsorted
