"""Variance to add to a group's estimate for outcomes that the group has not shown.

A group whose rare class is all right by chance, or that holds no large loss, underestimates its own variance. A *variance
floor* maps all cases to a function that maps one group and its value to the variance to add. The group is given in one cell
for each truth and prediction.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

from raikit_fairness.estimates.case_counts import Cells
from raikit_fairness.estimates.functionals import CaseValues, number_of_cases, roc_auc

GroupVariance = Callable[[Cells, float], float]
VarianceFloor = Callable[[Cells], GroupVariance]


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

        def variance(group: Cells, value: float) -> float:
            center = value**2 if root else value
            shift = max(largest - center, center - smallest) / float(group.n.sum())
            return (shift / (2 * value)) ** 2 if root and value > 0 else shift**2

        return variance

    return floor


@cache
def recall_variance_floor(classes: int) -> VarianceFloor:
    """Return what one more hit and one more miss (Agresti and Caffo) add to the variance of each class's recall."""

    def floor(everyone: Cells) -> GroupVariance:
        def variance(group: Cells, value: float) -> float:
            hit = group.truth == group.prediction
            total, squares, right = (
                np.bincount(group.truth, part, minlength=classes) for part in (group.w, group.w2, group.w * hit)
            )
            n, p = total**2 / squares, right / total
            smoothed = (p * n + 1) / (n + 2)
            added = np.maximum(smoothed * (1 - smoothed) / (n + 2) - p * (1 - p) / n, 0)
            return float(added.sum()) / classes**2

        return variance

    return floor


@cache
def auc_variance_floor(positive: int) -> VarianceFloor:
    """Return the variance of one more case of each class, ranked as badly as any case of any group is."""

    def floor(everyone: Cells) -> GroupVariance:
        _, influence = roc_auc(positive)(everyone)
        worst = []
        for side in (everyone.truth == positive, everyone.truth != positive):
            total = float(everyone.w[side].sum())
            worst.append(float(np.max(-influence[side] / everyone.w[side], initial=0.0)) * total)

        def variance(group: Cells, value: float) -> float:
            of_class = number_of_cases(group, group.truth == positive)
            sizes = of_class, int(group.n.sum()) - of_class
            return sum((loss / size) ** 2 for loss, size in zip(worst, sizes, strict=True))

        return variance

    return floor
