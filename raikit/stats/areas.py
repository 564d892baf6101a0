"""Area under the ROC curve and average precision, and each case's influence on them. The interval of the former is in `auc`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from raikit.stats._types import AnyArray, BoolArray, FloatArray, IntArray

_Z_FOR_BIAS = 1.645  # Normal quantile of the largest one-sided error at which limits are used.


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
    return _whole(RocArea.of, truth, np.asarray(score), w)


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
    return _whole(AveragePrecision.of, np.asarray(y) == 1, np.asarray(score), weight)


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
    piece = ScoredPiece(truth[order], values[order], w[order])
    return AveragePrecision.of([piece]).bias(0, piece, w[order])


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
class ScoredPiece:
    """Cases in ascending order of their scores. Areas are computed piece by piece, because small arrays stay in the cache.

    Parameters
    ----------
    truth : ndarray of bool, shape (n,)
    score : ndarray, shape (n,)
        Scores or ranks; equal ones must not be in different pieces.
    w : ndarray, shape (n,)
        Weights. Numbers of cases may be integers, which are summed faster.
    """

    truth: BoolArray
    score: AnyArray
    w: AnyArray

    @cached_property
    def hit(self) -> AnyArray:
        """Return the weight of each positive case, else 0."""
        return self.w * self.truth

    @cached_property
    def hit_below(self) -> AnyArray:
        """Return the weight of the positives of the piece that score lower than each case."""
        return self.below(self.hit)

    @cached_property
    def weight_below(self) -> AnyArray:
        """Return the weight of the cases of the piece that score lower than each case."""
        return self.below(self.w)

    @cached_property
    def _ties(self) -> tuple[IntArray, IntArray, IntArray] | None:
        """Return the tied cases, and the first and last case of the same score; None if no scores are equal."""
        steps = self.score[1:] != self.score[:-1]
        if steps.all():
            return None
        starts = np.concatenate([[0], np.flatnonzero(steps) + 1])
        sizes = np.diff(starts, append=len(self.score))
        starts, sizes = starts[sizes > 1], sizes[sizes > 1]
        first = np.repeat(starts, sizes)
        offset = np.arange(len(first)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        return first + offset, first, np.repeat(starts + sizes - 1, sizes)

    def up_to(self, values: AnyArray) -> AnyArray:
        """Sum values over the cases that score at most as high as each."""
        sums = np.cumsum(values)
        if self._ties is not None:
            tied, _, last = self._ties
            sums[tied] = sums[last]
        return sums

    def below(self, values: AnyArray) -> AnyArray:
        """Sum values over the cases that score lower than each."""
        sums = np.cumsum(values)
        sums -= values
        if self._ties is not None:
            tied, first, _ = self._ties
            sums[tied] = sums[first]
        return sums

    def midpoint(self, values: AnyArray) -> AnyArray:
        """Sum values over the cases that score lower than each; ties, and itself, count half."""
        if self._ties is not None:
            return (self.up_to(values) + self.below(values)) / 2
        return np.cumsum(values) - values / 2


@dataclass(frozen=True)
class RocArea:
    """Area under the ROC curve of cases in pieces.

    Parameters
    ----------
    value : float
    positive, negative : float
        Weight of each class.
    before : list of (float, float)
        Weight of positives and negatives in the pieces before each.
    """

    value: float
    positive: float
    negative: float
    before: list[tuple[Any, Any]]

    @classmethod
    def of(cls, pieces: Sequence[ScoredPiece]) -> RocArea:
        """Compute the area of pieces in ascending order of their scores.

        Raises
        ------
        ValueError
            If a class has no weight.
        """
        positive = negative = pairs = 0
        before = []
        for piece in pieces:
            before.append((positive, negative))
            hit, total = piece.hit.sum(), piece.w.sum()
            if hit > 0:
                pairs += piece.hit @ piece.midpoint(piece.w - piece.hit) + negative * hit
            positive, negative = positive + hit, negative + (total - hit)
        if not (positive > 0 and negative > 0):
            raise ValueError("one class has no cases, so the area under the ROC curve is undefined")
        return cls(float(pairs) / float(negative) / float(positive), float(positive), float(negative), before)

    def influence(self, number: int, piece: ScoredPiece) -> FloatArray:
        """Return the influence of the cases of a piece, by its number."""
        positive, negative = self.before[number]
        below = piece.midpoint(piece.w - piece.hit)
        below += negative
        below /= self.negative
        below -= self.value
        below /= self.positive
        above = piece.midpoint(piece.hit)
        above += positive
        above /= -self.positive
        above += 1
        above -= self.value
        above /= self.negative
        below *= piece.hit
        above *= piece.w - piece.hit
        below += above
        return np.asarray(below)


@dataclass(frozen=True)
class AveragePrecision:
    """Average precision of cases in pieces.

    Parameters
    ----------
    value, positive : float
        Value, and weight of the positives.
    before : list of tuple of 4 floats
        Of the pieces before each: weight of positives and of all cases, and the sums over positives of 1 and of the precision,
        each divided by the weight at or above the score.
    total : float
        Weight of all cases.
    """

    value: float
    positive: float
    total: float
    before: list[tuple[Any, Any, float, float]]

    @classmethod
    def of(cls, pieces: Sequence[ScoredPiece]) -> AveragePrecision:
        """Compute the average precision of pieces in ascending order of their scores; a positive case must have weight."""
        weights = [(piece.hit.sum(), piece.w.sum()) for piece in pieces]
        positive, total = (sum(part) for part in zip(*weights, strict=True))
        hits = everything = 0
        as_hit = as_case = value = 0.0
        area = cls(float("nan"), float(positive), float(total), [])
        for piece, (piece_hits, weight) in zip(pieces, weights, strict=True):
            area.before.append((hits, everything, as_hit, as_case))
            shares, precision = area._shares(piece, hits, everything)
            value += float(piece.hit @ precision)
            as_hit, as_case = as_hit + float(shares.sum()), as_case + float(shares @ precision)
            hits, everything = hits + piece_hits, everything + weight
        return replace(area, value=min(value / area.positive, 1.0))

    def _shares(self, piece: ScoredPiece, hits: Any, everything: Any) -> tuple[FloatArray, FloatArray]:
        """Return each positive's weight over the weight at or above its score, and the precision there."""
        above, precision = self.total - everything - piece.weight_below, self.positive - hits - piece.hit_below
        # No weight is left above the last case that has one; what would be divided by it is 0.
        above = np.where(above > 0, above, 1)
        precision /= above
        return piece.hit / above, precision

    def bias(self, number: int, piece: ScoredPiece, each: FloatArray | float) -> float:
        """Return what counting themselves adds to the precision of the positives of a piece; `each` is the weight of one case."""
        hits, everything, _, _ = self.before[number]
        _, precision = self._shares(piece, hits, everything)
        others = self.total - everything - each - piece.weight_below
        alone = others <= 1e-12 * self.total
        gain = np.where(alone, 1 - self.value, each * (1 - precision) / np.where(alone, 1.0, others))
        return float(piece.hit @ gain) / self.positive

    def influence(self, number: int, piece: ScoredPiece) -> FloatArray:
        """Return the influence of the cases of a piece, by its number."""
        hits, everything, as_hit, as_case = self.before[number]
        shares, precision = self._shares(piece, hits, everything)
        # A case changes the precision at every threshold at or below its own score, so its effects are summed over those.
        # The terms are added in an order in which they cancel exactly where every precision is 1.
        derivative = piece.up_to(shares)
        derivative += as_hit
        shares *= precision
        precision -= self.value
        derivative += precision
        derivative *= piece.truth
        effect = piece.up_to(shares)
        effect += as_case
        derivative -= effect
        derivative *= piece.w
        derivative /= self.positive
        return np.asarray(derivative)


def _whole(
    area: Callable[[Sequence[ScoredPiece]], RocArea | AveragePrecision],
    truth: BoolArray,
    score: AnyArray,
    weight: ArrayLike | None,
) -> tuple[float, FloatArray]:
    """Compute an area of cases in any order, and their influences."""
    w = np.ones(len(truth)) if weight is None else np.asarray(weight)
    if bool(np.all(score[1:] >= score[:-1])):
        piece = ScoredPiece(truth, score, w)
        computed = area([piece])
        return computed.value, computed.influence(0, piece)
    order = np.argsort(score, kind="stable")
    piece = ScoredPiece(truth[order], score[order], w[order])
    computed = area([piece])
    influence = np.empty(len(truth))
    influence[order] = computed.influence(0, piece)
    return computed.value, influence
