"""Estimates of functionals in groups, with the covariance that the influences of their cases give.

Influences are summed within groups and clusters (`raikit.stats.influence_covariance`).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from raikit import stats
from raikit.arrays import BoolArray, FloatArray, IntArray
from raikit.stats import Contrasts, CovarianceResult
from raikit.stats.covariance import Scale
from raikit_fairness.estimates.case_counts import Cells
from raikit_fairness.estimates.features import Feature
from raikit_fairness.estimates.functionals import Functional, Support
from raikit_fairness.estimates.group_estimates import ClusteredEstimates, Draws, Intervals
from raikit_fairness.estimates.variance_floors import GroupVariance, VarianceFloor
from raikit_fairness.settings import IntervalSettings


@dataclass(frozen=True)
class FunctionalTraits:
    """Properties of a functional that its intervals depend on.

    Parameters
    ----------
    scale : {"proportion", "positive", "real"}
    bounds : (float, float)
        Smallest and largest possible value.
    support : callable or None
        From a group's cells to the number of cases that its value rests on; None: all cases.
    linear : bool
        Whether the value of several groups is the weighted mean of theirs.
    variance_floor : callable or None
        Variance to add for what a group has not shown.
    """

    scale: Scale = "proportion"
    bounds: tuple[float, float] = (0.0, 1.0)
    support: Support | None = None
    linear: bool = False
    variance_floor: VarianceFloor | None = None


@dataclass(frozen=True)
class FunctionalEstimates(ClusteredEstimates):
    """Values of a functional in k groups.

    Parameters
    ----------
    cells, feature, functional, traits
        What was estimated, so that the rest of a group can be estimated too.
    support_n : ndarray of int, shape (k,)
        Cases that each value rests on.
    kish : ndarray, shape (k,)
        Number of equally weighted cases with the same information (Kish).
    """

    cells: Cells = field(kw_only=True)
    feature: Feature = field(kw_only=True)
    functional: Functional = field(kw_only=True)
    traits: FunctionalTraits = field(kw_only=True)
    support_n: IntArray = field(kw_only=True)
    kish: FloatArray = field(kw_only=True)

    @property
    def support(self) -> IntArray:
        """Return the cases that each group's value rests on."""
        return self.support_n

    def intervals(self, level: float) -> Intervals:
        """Compute the interval of each group by itself; effective cases account for clusters and weights."""
        intervals = super().intervals(level)
        variance = np.diag(self.cov.M)
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.where(variance > 0, self.cov.vrow / variance, 1.0)
        effective = self.kish * np.minimum(np.nan_to_num(share, nan=1.0), 1.0) if self.cov.ways else self.kish
        return replace(intervals, effective_n=np.asarray(effective))

    def versus_rest(self, keep: BoolArray, settings: IntervalSettings, draws: Draws) -> Contrasts:
        """Compare each group with all others in `keep`; unless the functional is linear, the rest is estimated anew."""
        if self.traits.linear:
            return super().versus_rest(keep, settings, draws)
        kept = np.flatnonzero(keep)
        level = 1 - (1 - settings.level) / len(kept)
        code = self.feature.code
        inside = np.isin(code, kept) if len(kept) < self.feature.k else code >= 0
        cells = self.cells.take(inside)
        floor = self.traits.variance_floor(cells) if self.traits.variance_floor else None
        differences = []
        for group in kept:
            sides = replace(self.feature, groups=[(None,), ("rest",)], code=(code[inside] != group).astype(np.int64))
            cov = _covariance(cells, sides, self.functional, self.traits, floor)[0]
            differences.append(stats.clustered_difference(cov, level))
        return stats.join_contrasts(differences, f"Bonferroni over {len(kept)} groups")


def estimate_functional(
    cells: Cells, feature: Feature, functional: Functional, traits: FunctionalTraits, key: str
) -> FunctionalEstimates:
    """Estimate a functional in every group of a feature; `key` names the quantity for its random numbers."""
    positive = cells.w > 0
    if not positive.all():
        cells, feature = cells.take(positive), replace(feature, code=feature.code[positive])
    floor = traits.variance_floor(cells) if traits.variance_floor else None
    cov, support = _covariance(cells, feature, functional, traits, floor)
    n = np.array([int(cells.n[members].sum()) for members in feature.members], dtype=np.int64)
    total, squares = (np.array([part[members].sum() for members in feature.members]) for part in (cells.w, cells.w2))
    kish = np.divide(total**2, squares, out=np.zeros(feature.k), where=squares > 0)
    return FunctionalEstimates(
        cov, n, functional(cells)[0], traits.bounds, key,
        cells=cells, feature=feature, functional=functional, traits=traits, support_n=support, kish=kish,
    )  # fmt: skip


def _covariance(
    cells: Cells, feature: Feature, functional: Functional, traits: FunctionalTraits, floor: GroupVariance | None
) -> tuple[CovarianceResult, IntArray]:
    """Return the covariance of the groups' values, and the cases that each value rests on."""
    k = feature.k
    value, influence, support = np.full(k, np.nan), np.zeros(len(cells)), np.zeros(k, dtype=np.int64)
    extra = np.zeros(k)
    for group, members in enumerate(feature.members):
        if len(members):
            part = cells.take(members)
            value[group], influence[members] = functional(part)
            support[group] = traits.support(part) if traits.support else int(part.n.sum())
            if floor is not None and not np.isnan(value[group]):
                extra[group] = floor(part, float(value[group]))
    inside = (feature.code >= 0) & ~np.isnan(value)[feature.code]
    code, w, w2 = feature.code[inside], cells.w[inside], cells.w2[inside]
    total, squares = (np.bincount(code, part, minlength=k).astype(float, copy=False) for part in (w, w2))
    with np.errstate(divide="ignore", invalid="ignore"):
        kish: FloatArray = np.nan_to_num(total**2 / squares)
    # A bounded mean may be far more precise than a share of as many cases, so its effective number has no ceiling.
    ceiling: FloatArray = np.full(k, 1e15) if traits.scale == "proportion" else kish
    cov = stats.influence_covariance(
        value, influence[inside], code, [codes[inside] for codes in cells.clusters], ceiling, total,
        scale=traits.scale, squares=(influence[inside] / w) ** 2 * w2, counts=cells.n[inside].astype(float),
        still=support.astype(float), extra=extra, weight=w, weight_squares=w2,
    )  # fmt: skip
    return cov, support
