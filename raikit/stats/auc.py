"""The interval of an area under the ROC curve, from each case's influence on it.

The area is the mean *placement* of the positives: the share of negatives that each one beats. A few positives that are ranked
badly make the area, and samples in which they happen to be absent look precise. So the end away from a perfect area is as
careful as that of a mean loss (`raikit.stats.tails`): it allows for one more case like the worst. Where the variance of a class
rests on too few cases (`raikit.stats.contributions`) it is the exact limit of a rate of as many cases as the scarcer class has. A
mean of values between 0 and 1 is never less certain than such a rate. With weights the class has one more case, as heavy as any.
benchmarks/simulate_auc.py prints what was simulated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, logit

from raikit.stats._types import BoolArray, FloatArray
from raikit.stats.areas import auc_influence, truth_and_weight
from raikit.stats.contributions import Deviations
from raikit.stats.covariance import influence_covariance, unit_codes
from raikit.stats.covariance_result import CovarianceResult, cluster_prefix
from raikit.stats.interval import Interval, cluster_flags, cluster_number
from raikit.stats.quantiles import tail_of, upper_quantile
from raikit.stats.rates import limits_at

_ENOUGH = 30  # Effective number of contributions with which an area by group was simulated to hold whatever the tail.
_FAILED = 0.3, 0.5  # Share of the other class on the wrong side with which a case shows how badly cases of its class may rank,
_OF_MANY = 100  # of fewer and of as many cases: of many, some rank rather badly anyway.


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
        Ties count half. Ascending scores are not sorted again.
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

    Notes
    -----
    Degrees of freedom are Welch's, of both classes. The end away from a perfect area (0 or 1, whichever is nearer) is
    described above.

    References
    ----------
    .. [1] DeLong, DeLong and Clarke-Pearson, "Comparing the areas under two or more correlated ROC curves",
       Biometrics 1988.
    .. [2] Obuchowski, "Nonparametric analysis of clustered ROC curve data", Biometrics 1997. With two crossed
       columns, the components are summed as by Cameron, Gelbach and Miller.
    """
    truth, w = truth_and_weight(y, weight)
    value, influence = auc_influence(truth, score, w)
    area = _Area(max(value, 1 - value), influence if value >= 0.5 else -influence, truth, w)
    cov = area.covariance(clusters)
    n, flags = float(w.sum() ** 2 / (w**2).sum()), cluster_flags(cov)
    if 1 - area.value < 1e-12:
        far, near, method = area.perfect_limit(clusters, tail_of(level)), 1.0, "exact, disjoint pairs"
        flags = flags if far > 0 else ("unreliable",)
    elif not cov.M[0, 0] > 0 or (clusters and flags[-1:] == ("unreliable",)):
        far, near, method, flags = 0.0, 1.0, "DeLong, logit", ("unreliable",)
    else:
        far, near, method = area.limits(cov, tail_of(level))
    low, high = (far, near) if value >= 0.5 else (1 - near, 1 - far)
    return Interval(value, low, high, method, n, cluster_number(cov), flags)


def auc_ceiling(truth: BoolArray, score: ArrayLike, w: FloatArray) -> float:
    """Return the number of cases of a rate than which an area is never more precise; infinite where it is known better.

    It is the size of a class none of whose cases ranks badly, where few cases make the variance: cases that do may be absent by
    chance. A class of one case in ten that ranks last looks perfect in a third of all samples of ten. Weights are positive.
    """
    value, influence = auc_influence(truth, score, w)
    squares = influence**2
    fourths = float(squares @ squares)
    if fourths > 0 and float(squares.sum()) ** 2 / fourths - 1 >= _ENOUGH:
        return float("inf")
    area = _Area(max(value, 1 - value), influence if value >= 0.5 else -influence, truth, w)
    return area.unseen_size()


@dataclass(frozen=True)
class _Area:
    """An area of at least 0.5, with each case's influence on it."""

    value: float
    influence: FloatArray
    truth: BoolArray
    w: FloatArray

    def covariance(self, clusters: Sequence[ArrayLike]) -> CovarianceResult:
        """Return the variance; `one_more` is of the case, or cluster, that lowers the area most."""
        one, n = np.array([self.value]), np.array([self.w.sum() ** 2 / (self.w**2).sum()])
        one_group = np.zeros(len(self.truth), dtype=np.int64)
        return influence_covariance(
            one, -self.influence, one_group, clusters, n, n, weight=self.w, part=self.truth.astype(np.int64)
        )  # fmt: skip

    def limits(self, cov: CovarianceResult, tail: float) -> tuple[float, float, str]:
        """Return the limit away from 1, the one towards it, and the method."""
        variance, df = float(cov.M[0, 0]), float(cov.df[0]) if cov.ways else self.welch_df()
        supporting = float(cov.supporting[0])
        near = self._logit(1.0, variance, tail, df)
        far = self._logit(-1.0, variance + float(cov.one_more[0]), tail, max(min(df, supporting - 1), 1.0))
        size = min(self.scarcer_size(), float(cov.effective_clusters[0]) if cov.ways else np.inf)
        low, high = (float(end) for end in limits_at(self.value * size, size, tail))
        if size < 2:  # a class with one case does not show how cases of that class vary
            near = max(near, high)
        method = f"DeLong, logit, {cluster_prefix(cov.ways)}t (df {df:.3g})"
        if any(Deviations(self.influence[side], float(side.sum())).few for side in self.classes()):
            return low, near, f"{method}; far end of a rate"
        return max(far, low), near, f"{method}; far end with one more case"

    def _logit(self, side: float, variance: float, tail: float, df: float) -> float:
        half = float(upper_quantile(tail, df)) * variance**0.5 / (self.value * (1 - self.value))
        return float(expit(logit(self.value) + side * half))

    def welch_df(self) -> float:
        """Return the degrees of freedom of the sum of both classes' variances (Welch and Satterthwaite)."""
        squares = [float(self.influence[side] @ self.influence[side]) for side in self.classes()]
        numbers = [max(self._kish_of(side) - 1, 1e-9) for side in self.classes()]
        return max(sum(squares) ** 2 / sum(s**2 / n for s, n in zip(squares, numbers, strict=True)), 1.0)

    def classes(self) -> tuple[BoolArray, BoolArray]:
        """Return the masks of both classes."""
        return self.truth, ~self.truth

    def scarcer_size(self) -> float:
        """Return the number of cases of the scarcer class, if they weighed alike."""
        return min(self.size_of(side) for side in self.classes())

    def size_of(self, side: BoolArray) -> float:
        """Return the number of cases of a class, if they weighed alike, with one more that weighs as much as any of both classes.

        Cases that rank badly may be the heavy ones. If a sample of a class has none, its cases seem to weigh alike.
        """
        heaviest, w, squares = float(self.w.max()), float(self.w[side].sum()), float(self.w[side] @ self.w[side])
        return min(w**2 / squares, (w + heaviest) ** 2 / (squares + heaviest**2))

    def _kish_of(self, side: BoolArray) -> float:
        return float(self.w[side].sum() ** 2 / (self.w[side] ** 2).sum())

    def losses(self) -> list[FloatArray]:
        """Return what each case loses: the weighted share of the other class that is ranked on the wrong side of it."""
        return [
            (1 - self.value) * self.w[side] - self.influence[side] * self.w[side].sum()
            for side in self.classes()
        ]

    def unseen_size(self) -> float:
        """Return the number of cases of the scarcest class of which no case ranks badly, if they weighed alike."""
        sizes = [np.inf]
        for side, losses in zip(self.classes(), self.losses(), strict=True):
            size = self.size_of(side)
            if (losses < _FAILED[size > _OF_MANY] * self.w[side]).all():
                sizes.append(size)
        return min(sizes)

    def perfect_limit(self, clusters: Sequence[ArrayLike], tail: float) -> float:
        """Return the exact limit from disjoint pairs of a positive and a negative; 0 without any."""
        pairs = min(int(side.sum()) for side in self.classes())
        if clusters:  # A pair is a positive and a negative from different clusters, and each cluster is used once.
            pairs = min([pairs, *((int(unit_codes(c).max(initial=-1)) + 1) // 2 for c in clusters)])
        return tail ** (1 / pairs) if pairs else 0.0
