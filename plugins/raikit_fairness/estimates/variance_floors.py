"""What a group's small classes do to its variance: what to add for outcomes that it has not shown, and degrees of freedom.

A group whose rare class is all right by chance, or that holds no large loss, underestimates its own variance. A *variance
floor* maps all cases to a function that maps one group, its value and its variance to the variance to add. The group is given
in one cell for each truth and prediction.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

from raikit.arrays import BoolArray, FloatArray
from raikit.stats import auc as stats_auc
from raikit.stats.areas import RocArea, level_influences
from raikit_fairness.estimates.case_counts import Cells
from raikit_fairness.estimates.functionals import CaseValues, rank_of, roc_auc
from raikit_fairness.estimates.group_levels import score_levels

GroupVariance = Callable[[Cells, float, float], float]
VarianceFloor = Callable[[Cells], GroupVariance]
CaseNumber = Callable[[Cells], float]
_MANY = 5_000  # Cases of a class. What may be absent from as many by chance is less than 0.1% of it.


@cache
def mean_variance_floor(values: CaseValues, root: bool = False) -> VarianceFloor:
    """Return the variance of one more case, as far off the group's mean as any case of any group is.

    Parameters
    ----------
    values : callable
        From cases to one number per case.
    root : bool
        Whether the estimate is the square root of the mean.
    """

    def floor(everyone: Cells) -> GroupVariance:
        all_values = values(everyone)
        smallest, largest = float(all_values.min(initial=0.0)), float(all_values.max(initial=0.0))

        def variance(group: Cells, value: float, shown: float) -> float:
            center = value**2 if root else value
            shift = max(largest - center, center - smallest) / _effective_number(group, np.ones(len(group), dtype=bool))
            return (shift / (2 * value)) ** 2 if root and value > 0 else shift**2

        return variance

    return floor


@cache
def recall_variance_floor(classes: int) -> VarianceFloor:
    """Return what two more hits and two more misses (Agresti and Coull) add to the variance of each class's recall."""

    def floor(everyone: Cells) -> GroupVariance:
        def variance(group: Cells, value: float, shown: float) -> float:
            return max(float(_recall_variances(group, classes)[0].sum()) / classes**2 - shown, 0.0)

        return variance

    return floor


@cache
def recall_df(classes: int) -> CaseNumber:
    """Return degrees of freedom of the mean of the classes' recalls (Welch and Satterthwaite)."""

    def df(group: Cells) -> float:
        variance, n = _recall_variances(group, classes)
        return float(variance.sum() ** 2 / np.sum(variance**2 / np.maximum(n - 1, 1)))

    return df


def _recall_variances(group: Cells, classes: int) -> tuple[FloatArray, FloatArray]:
    """Return the variance of each class's recall, with two more hits and two more misses, and its number of cases (Kish)."""
    hit = group.truth == group.prediction
    total, squares, right = (
        np.bincount(group.truth, part, minlength=classes) for part in (group.w, group.w2, group.w * hit)
    )
    n = total**2 / squares
    smoothed = (right / total * n + 2) / (n + 4)
    return smoothed * (1 - smoothed) / n, n


@cache
def effective_class_size(positive: int) -> CaseNumber:
    """Return the number of equally weighted cases of a class with the same information (Kish)."""
    return lambda group: _effective_number(group, group.truth == positive)


def _effective_number(cells: Cells, which: BoolArray) -> float:
    return float((cells.w * which).sum() ** 2 / (cells.w2 * which).sum())


@cache
def auc_ceiling(positive: int) -> Callable[[Cells, Callable[[], Cells]], float]:
    """Return the number of cases of a rate than which a group's area is never more precise (`raikit.stats.auc.auc_ceiling`).

    A group is given by its counts, and by a function that returns its single cases, which costs a copy of them. Of very many
    cases in both classes, none that matters is absent by chance.
    """

    def ceiling(counts: Cells, single_cases: Callable[[], Cells]) -> float:
        of_class = int(counts.n @ (counts.truth == positive))
        if not 0 < min(of_class, int(counts.n.sum()) - of_class) < _MANY:
            return np.inf
        group = single_cases()
        counted = group.w > 0
        truth = group.truth[counted] == positive
        return stats_auc.auc_ceiling(truth, rank_of(group, positive)[counted], group.w[counted])

    return ceiling


@cache
def class_df(positive: int) -> CaseNumber:
    """Return degrees of freedom of a value that rests on the cases of one class."""
    return lambda group: effective_class_size(positive)(group) - 1


@cache
def absent_class_variance(classes: int) -> VarianceFloor:
    """Return the variance that the classes that a group has no case of add to an average over classes.

    They may have any value from 0 to 1; at a level of 95% or more, an interval reaches over all of them.
    """

    def floor(everyone: Cells) -> GroupVariance:
        def variance(group: Cells, value: float, shown: float) -> float:
            absent = int(np.sum(np.bincount(group.truth, group.n, minlength=classes) == 0))
            return (absent / classes * max(value, 1 - value) / 1.96) ** 2

        return variance

    return floor


@cache
def auc_variance_floor(positive: int) -> VarianceFloor:
    """Return the variance of one more case of each class, ranked as badly as any case of any group is."""

    def floor(everyone: Cells) -> GroupVariance:
        worst = [0.0, 0.0]
        if roc_auc(positive).defined(everyone):
            levels = score_levels(everyone, positive)
            area = RocArea.of(levels)
            of_hit, of_miss = level_influences(area, levels)
            worst = [
                float(np.max(-influence[weight > 0], initial=0.0)) * total
                for influence, weight, total in (
                    (of_hit, levels.hit, area.positive), (of_miss, levels.miss, area.negative),
                )
            ]  # fmt: skip

        def variance(group: Cells, value: float, shown: float) -> float:
            sizes = (_effective_number(group, group.truth == positive), _effective_number(group, group.truth != positive))
            return sum((loss / size) ** 2 for loss, size in zip(worst, sizes, strict=True))

        return variance

    return floor
