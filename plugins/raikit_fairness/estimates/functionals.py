"""Metrics that are not plain rates (areas, losses, F1 …), each with the influence of every case on it.

A *functional* maps cases to a value and to each case's influence: its weight times the derivative of the value by that
weight. A value that is undefined is NaN, with influences of 0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np

from raikit import stats
from raikit.arrays import BoolArray, FloatArray, IntArray
from raikit.stats.areas import AveragePrecision, RocArea
from raikit.stats.products import inner_product
from raikit_fairness.estimates.case_counts import Cells

Functional = Callable[[Cells], tuple[float, FloatArray]]
CaseValues = Callable[[Cells], FloatArray]
Support = Callable[[Cells], int]


# --- of predictions ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class LabelFunctional:
    """A functional of truths and predictions alone, so that a group's cases may be given in one cell for each pair of them.

    Parameters
    ----------
    compute : callable
    """

    compute: Functional

    def __call__(self, cells: Cells) -> tuple[float, FloatArray]:
        """Return the value and each cell's influence."""
        return self.compute(cells)


@cache
def balanced_accuracy(classes: int) -> LabelFunctional:
    """Return the mean of the classes' recalls; undefined where a class is missing."""

    def functional(cells: Cells) -> tuple[float, FloatArray]:
        total = np.bincount(cells.truth, cells.w, minlength=classes)
        if not (total > 0).all():
            return float("nan"), np.zeros(len(cells))
        hit = cells.truth == cells.prediction
        recall = np.bincount(cells.truth, cells.w * hit, minlength=classes) / total
        return float(recall.mean()), cells.w * (hit - recall[cells.truth]) / (classes * total[cells.truth])

    return LabelFunctional(functional)


@cache
def f1(positive: int) -> LabelFunctional:
    """Return F1 of one class, ``2 TP / (2 TP + FP + FN)``; undefined where all three are 0."""

    def functional(cells: Cells) -> tuple[float, FloatArray]:
        return _f1(cells, positive)

    return LabelFunctional(functional)


def _f1(cells: Cells, positive: int) -> tuple[float, FloatArray]:
    y, yhat = (cells.truth == positive).astype(float), (cells.prediction == positive).astype(float)
    total = float(cells.w @ (y + yhat))
    if not total > 0:
        return float("nan"), np.zeros(len(cells))
    value = 2 * float(cells.w @ (y * yhat)) / total
    return value, cells.w * (2 * y * yhat - value * (y + yhat)) / total


@cache
def macro_f1(classes: int) -> LabelFunctional:
    """Return the unweighted mean of F1 over the classes that occur in a group, in truth or prediction."""

    def functional(cells: Cells) -> tuple[float, FloatArray]:
        return _mean_of_defined([_f1(cells, position) for position in range(classes)], len(cells))

    return LabelFunctional(functional)


def _mean_of_defined(parts: list[tuple[float, FloatArray]], size: int) -> tuple[float, FloatArray]:
    defined = [(value, influence) for value, influence in parts if not np.isnan(value)]
    if not defined:
        return float("nan"), np.zeros(size)
    value = sum(value for value, _ in defined) / len(defined)
    influence: FloatArray = sum((part for _, part in defined), np.zeros(size)) / len(defined)
    return value, influence


@cache
def rate_functional(name: str, positive: int) -> LabelFunctional:
    """Return a rate of one class against the others by its name; undefined where its denominator is empty."""

    def functional(cells: Cells) -> tuple[float, FloatArray]:
        event, inside = _RATES[name](cells.truth == positive, cells.prediction == positive, cells.truth == cells.prediction)
        w = cells.w * inside
        total = float(w.sum())
        if not total > 0:
            return float("nan"), np.zeros(len(cells))
        value = float(w @ event) / total
        return value, w * (event - value) / total

    return LabelFunctional(functional)


_RATES: dict[str, Callable[[BoolArray, BoolArray, BoolArray], tuple[BoolArray, BoolArray]]] = {
    "base_rate": lambda y, yhat, right: (y, np.ones_like(y)),
    "selection_rate": lambda y, yhat, right: (yhat, np.ones_like(y)),
    "accuracy": lambda y, yhat, right: (right, np.ones_like(y)),
    "true_positive_rate": lambda y, yhat, right: (yhat, y),
    "false_positive_rate": lambda y, yhat, right: (yhat, ~y),
    "false_negative_rate": lambda y, yhat, right: (~yhat, y),
    "precision": lambda y, yhat, right: (y, yhat),
}


# --- of scores --------------------------------------------------------------------------------------------------


def _score(cells: Cells, positive: int) -> FloatArray:
    assert cells.scores is not None
    return cells.scores if cells.scores.ndim == 1 else cells.scores[:, positive]


def rank_of(cells: Cells, positive: int) -> IntArray:
    """Return the ranks of the scores of a class."""
    assert cells.ranks is not None
    return cells.ranks if cells.ranks.ndim == 1 else cells.ranks[:, positive]


@dataclass(frozen=True)
class AreaFunctional:
    """An area of one class against the others, which can also be computed from pieces of cells in the order of their scores.

    Parameters
    ----------
    area : type
    positive : int
    both : bool
        Whether it is undefined where every case has the class; it always is where none has.
    """

    area: type[RocArea] | type[AveragePrecision]
    positive: int
    both: bool

    def __call__(self, cells: Cells) -> tuple[float, FloatArray]:
        """Return the value and each case's influence."""
        truth = cells.truth == self.positive
        if not self.defined(cells):
            return float("nan"), np.zeros(len(cells))
        compute = stats.auc_influence if self.area is RocArea else stats.average_precision_influence
        return compute(truth, rank_of(cells, self.positive), cells.w)

    def defined(self, cells: Cells) -> bool:
        """Return whether cells have a value."""
        has_class = cells.truth == self.positive  # the two classes each by itself: sums of uneven weights have rounding errors
        return inner_product(has_class, cells.w) > 0 and not (self.both and inner_product(~has_class, cells.w) <= 0)


def roc_auc(positive: int) -> AreaFunctional:
    """Return the area under the ROC curve of one class against the others; undefined where either is missing."""
    return AreaFunctional(RocArea, positive, both=True)


@cache
def macro_roc_auc(classes: int) -> Functional:
    """Return the unweighted mean of the areas of every class that a group has cases with and without."""

    def functional(cells: Cells) -> tuple[float, FloatArray]:
        return _mean_of_defined([roc_auc(position)(cells) for position in range(classes)], len(cells))

    return functional


def average_precision(positive: int) -> AreaFunctional:
    """Return the average precision of one class; undefined where no case has it."""
    return AreaFunctional(AveragePrecision, positive, both=False)


@cache
def mean(values: CaseValues) -> Functional:
    """Return the weighted mean of one number per case."""

    def functional(cells: Cells) -> tuple[float, FloatArray]:
        v, total = values(cells), float(cells.w.sum())
        value = inner_product(cells.w, v) / total
        return value, cells.w * (v - value) / total

    return functional


@cache
def root_mean(values: CaseValues) -> Functional:
    """Return the square root of a weighted mean."""

    def functional(cells: Cells) -> tuple[float, FloatArray]:
        value, influence = mean(values)(cells)
        root = max(value, 0.0) ** 0.5
        return root, influence / (2 * root) if root > 0 else influence * 0

    return functional


# --- one number per case ----------------------------------------------------------------------------------------


def log_losses(cells: Cells) -> FloatArray:
    """Return minus the logarithm of the true class's probability, kept 2.2e-16 away from 0 and 1 as scikit-learn does."""
    tiny = np.finfo(float).eps
    assert cells.scores is not None
    if cells.scores.ndim == 1:
        p = np.clip(cells.scores, tiny, 1 - tiny)
        return np.asarray(-np.log(np.where(cells.truth == 1, p, 1 - p)))
    p = cells.scores[np.arange(len(cells)), cells.truth]
    return np.asarray(-np.log(np.clip(p, tiny, 1 - tiny)))


def squared_distances(cells: Cells) -> FloatArray:
    """Return the squared distance of the probabilities to the truth; binary: of the positive one alone."""
    assert cells.scores is not None
    if cells.scores.ndim == 1:
        return np.asarray((cells.scores - (cells.truth == 1)) ** 2)
    return np.asarray(((cells.scores - np.eye(cells.scores.shape[1])[cells.truth]) ** 2).sum(axis=1))


@cache
def class_score(positive: int) -> CaseValues:
    """Return a function that gives each case's score of one class."""
    return lambda cells: _score(cells, positive)


# --- the cases that a value rests on ----------------------------------------------------------------------------


def scarcer_class_size(positive: int) -> Support:
    """Count the cases with or without a class, whichever are fewer."""

    def support(cells: Cells) -> int:
        of_class = number_of_cases(cells, cells.truth == positive)
        return min(of_class, int(cells.n.sum()) - of_class)

    return support


def class_size(positive: int) -> Support:
    """Count the cases that have a class."""
    return lambda cells: number_of_cases(cells, cells.truth == positive)


def rarest_class_size(classes: int) -> Support:
    """Count the cases of the class that has the fewest."""
    return lambda cells: int(np.bincount(cells.truth, cells.n, minlength=classes).min())


def f1_support(positive: int) -> Support:
    """Count half of the cases that F1 depends on: F1 of few cases moves by up to twice the steps of a share."""
    return lambda cells: (number_of_cases(cells, (cells.truth == positive) | (cells.prediction == positive)) + 1) // 2


def number_of_cases(cells: Cells, which: BoolArray) -> int:
    """Count the cases of some cells."""
    return int((cells.n * which).sum())
