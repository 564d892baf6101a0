"""Estimates of functionals in groups, with the covariance that the influences of their cases give.

Influences are summed within groups and clusters before their covariance is taken (`raikit.stats.influence_covariance`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial

import numpy as np

from raikit import stats
from raikit.arrays import BoolArray, FloatArray, IntArray
from raikit.stats import Contrasts, CovarianceResult
from raikit.stats.areas import widen_for_bias
from raikit.stats.constants import LEAST_DF
from raikit.stats.contributions import OPEN_HIGH, cluster_apart, deviations_from_mean, open_ends
from raikit.stats.covariance import unit_codes
from raikit.stats.covariance_result import Scale
from raikit_fairness.estimates.case_counts import Cells
from raikit_fairness.estimates.features import Feature
from raikit_fairness.estimates.functionals import (
    AreaFunctional,
    CaseValues,
    Functional,
    Support,
)
from raikit_fairness.estimates.group_estimates import ClusteredEstimates, Draws, Intervals, Uncertainty
from raikit_fairness.estimates.group_levels import score_levels
from raikit_fairness.estimates.grouped_cells import Part, UnitSums, group_cells
from raikit_fairness.estimates.influence_sums import evaluate, known_df
from raikit_fairness.estimates.variance_floors import CaseNumber, GroupVariance, VarianceFloor
from raikit_fairness.settings import IntervalSettings


@dataclass(frozen=True)
class FunctionalTraits:
    """Properties of a functional that its intervals depend on.

    Parameters
    ----------
    scale : {"proportion", "positive", "real"}
    bounds : (float, float)
        Smallest and largest possible value.
    observed : bool
        Whether the bounds are those of the sample, which other samples may exceed.
    support : callable or None
        From a group's cells to the number of cases that its value rests on; None: all cases.
    linear : bool
        Whether the value of several groups is the weighted mean of theirs.
    variance_floor : callable or None
        Variance to add for what a group has not shown.
    df : callable or None
        From a group's cells to the degrees of freedom of its variance; None: the effective number of cases minus one.
    ceiling : callable or None
        From a group's cells to the number of independent cases of a share than which its value is never more precise.
    ceiling_of_cases : callable or None
        The same from a group's counts and a function that returns its single cases with their scores.
    tail : callable or None
        From cases to one number per case whose upper tail may be too heavy for the high end of a group's interval.
    one_more : callable or None
        From cases to the numbers whose mean (or its root) is the value. Weighted or clustered cases allow for one more unit like
        the one that moves the value most, and weighted ones have an open high end if few make up the variance. A cluster of a
        size of its own dominates.
    """

    scale: Scale = "proportion"
    bounds: tuple[float, float] = (0.0, 1.0)
    observed: bool = False
    support: Support | None = None
    linear: bool = False
    variance_floor: VarianceFloor | None = None
    df: CaseNumber | None = None
    ceiling: CaseNumber | None = None
    ceiling_of_cases: Callable[[Cells, Callable[[], Cells]], float] | None = None
    tail: CaseValues | None = None
    one_more: CaseValues | None = None


@dataclass(frozen=True)
class FunctionalEstimates(ClusteredEstimates):
    """Values of a functional in k groups.

    Parameters
    ----------
    cells, feature, functional, traits
        What was estimated, so that the rest of a group can be estimated too.
    sums : list of _GroupSums
        What `cov` was made of, one of each group.
    support_n : ndarray of int, shape (k,)
        Cases that each value rests on.
    kish : ndarray, shape (k,)
        Number of equally weighted cases with the same information (Kish).
    heavy : ndarray of bool, shape (k,)
        Whether the upper tail of the group's values is too heavy for a valid high end.
    """

    cells: Cells = field(kw_only=True)
    feature: Feature = field(kw_only=True)
    functional: Functional = field(kw_only=True)
    traits: FunctionalTraits = field(kw_only=True)
    sums: list[_GroupSums] = field(kw_only=True, repr=False)
    support_n: IntArray = field(kw_only=True)
    kish: FloatArray = field(kw_only=True)
    heavy: BoolArray = field(kw_only=True)

    @property
    def largest_difference(self) -> float:
        """Return how far apart two groups can be at most; without limit, if the bounds are only those of the sample."""
        return np.inf if self.traits.observed else super().largest_difference

    @property
    def open_high(self) -> BoolArray:
        """Return the groups with too heavy a tail for the high end of their interval."""
        return self.heavy

    @property
    def support(self) -> IntArray:
        """Return the cases that each group's value rests on."""
        return self.support_n

    def uncertainty(self) -> Uncertainty:
        """Return the covariance; a group whose tail is too heavy has no degrees of freedom, so that it decides nothing."""
        known = super().uncertainty()
        return replace(known, df=np.where(self.heavy, 0.0, known.df))

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
        kept = tuple(np.flatnonzero(keep).tolist())
        level = 1 - (1 - settings.level) / len(kept)
        differences = [stats.clustered_difference(cov, level) for cov in self._rest_covariances(kept)]
        return stats.join_contrasts(differences, f"Bonferroni over {len(kept)} groups")

    def _rest_covariances(self, kept: tuple[int, ...]) -> list[CovarianceResult]:
        """Return the covariance of each kept group and the others; it serves all levels of confidence."""
        if kept not in self._compared:
            self._compared[kept] = [_covariance(sides, self.traits) for sides in self._sides(kept)]
        return self._compared[kept]

    def _sides(self, kept: tuple[int, ...]) -> Iterable[tuple[_GroupSums, _GroupSums]]:
        """Return each kept group and its rest; a group that was evaluated with the same variance floor is not evaluated again."""
        grouped = group_cells(self.cells, self.feature)
        floor = _floor(self.traits, grouped.cells, grouped.among(kept))
        evaluated = self.sums if floor is _floor(self.traits, grouped.cells) else None

        def sums_of(part: Part) -> _GroupSums:
            return _GroupSums.of(part, self.functional, self.traits, floor)

        own = [evaluated[group] if evaluated else sums_of(grouped.groups[group]) for group in kept]
        if len(kept) == 2:  # each is the rest of the other
            return zip(own, reversed(own), strict=True)
        return ((sums, sums_of(grouped.rest(group, kept))) for group, sums in zip(kept, own, strict=True))

    @cached_property
    def _compared(self) -> dict[tuple[int, ...], list[CovarianceResult]]:
        return {}


def estimate_functional(
    cells: Cells, feature: Feature, functional: Functional, traits: FunctionalTraits, key: str
) -> FunctionalEstimates:
    """Estimate a functional in every group of a feature; `key` names the quantity for its random numbers."""
    grouped = group_cells(cells, feature)
    everyone = grouped.cells
    floor = _floor(traits, everyone)
    groups = [_GroupSums.of(part, functional, traits, floor) for part in grouped.groups]
    n, support = (np.array(part, dtype=np.int64) for part in zip(*((g.n, g.support) for g in groups), strict=True))
    cov = _covariance(groups, traits)
    heavy = [_is_heavy(part, traits) for part in grouped.groups]
    return FunctionalEstimates(
        cov, n, everyone.once(functional, partial(_value, functional)),
        traits.bounds, key, cells=cells, feature=feature, functional=functional, traits=traits, sums=groups,
        support_n=support, kish=np.array([group.kish for group in groups]), heavy=np.array(heavy, dtype=bool),
    )  # fmt: skip


def _value(functional: Functional, cells: Cells) -> float:
    """Return the value of all cells."""
    if isinstance(functional, AreaFunctional) and functional.defined(cells):
        return functional.area.of(score_levels(cells, functional.positive)).value
    return functional(cells)[0]


def _is_heavy(part: Part, traits: FunctionalTraits) -> bool:
    """Return whether a group's tail is too heavy."""
    values = traits.one_more if traits.tail is None and part.cells.weighted else traits.tail
    if values is None or part.summary.n.sum() == 0:
        return False
    cells = part.whole()
    counted = cells.w > 0
    columns = [column[counted] for column in cells.clusters]
    return OPEN_HIGH in open_ends(deviations_from_mean(values(cells)[counted], cells.w[counted], columns))


def _floor(traits: FunctionalTraits, cells: Cells, among: BoolArray | None = None) -> GroupVariance | None:
    """Return the variance floor that all cells give, or those at `among`."""
    if traits.variance_floor is None:
        return None
    if among is None or among.all():
        return cells.once(traits.variance_floor, traits.variance_floor)
    return traits.variance_floor(cells.take(among))


@dataclass(frozen=True)
class _GroupSums:
    """The value of a functional in one group, and the influences of its cases summed by unit.

    Parameters
    ----------
    value : float
    n, support : int
        Cases, and those that the value rests on.
    weight, kish, extra, df, ceiling : float
        Sum of weights, effective number of cases, variance to add, most degrees of freedom, and most independent cases.
    clusters : list of ndarray of int, each of shape (units,)
    sums : list of 5 ndarray, each of shape (units,)
        Number of cases, weight, squared weight, influence and squared influence of each unit.
    """

    value: float
    n: int
    support: int
    weight: float
    kish: float
    extra: float
    df: float
    ceiling: float
    known: float
    clusters: list[IntArray]
    sums: list[FloatArray]

    @classmethod
    def of(cls, part: Part, functional: Functional, traits: FunctionalTraits, floor: GroupVariance | None) -> _GroupSums:
        """Evaluate a functional in one group, or in all others."""
        n, weight, squares = int(part.summary.n.sum()), float(part.summary.w.sum()), float(part.summary.w2.sum())
        support = (traits.support(part.summary) if traits.support else n) if weight > 0 else 0
        units = part.cells.units
        sums = UnitSums(units.clusters if units is not None else [], len(part.cells))
        value, bias = evaluate(part, functional, sums) if weight > 0 else (float("nan"), 0.0)
        if np.isnan(value):
            nothing = np.zeros(0)
            columns = [column[:0] for column in part.cells.clusters]
            return cls(value, n, support, 0.0, 0.0, 0.0, 1.0, 0.0, np.inf, columns, [nothing] * 5)
        clusters, totals = sums.result()
        kish, known = weight**2 / squares, np.inf
        if len(totals) > 5:
            known, totals = known_df(*totals[4:]), totals[:5]
        shown = float(totals[-1].sum())
        extra = floor(part.summary, value, shown) if floor is not None else 0.0
        if bias:
            extra += widen_for_bias(shown, bias) - shown
        extra += shown / known
        df = min(traits.df(part.summary) if traits.df is not None else np.inf, known)
        # A bounded mean may be far more precise than a share of as many cases, so its effective number has no ceiling.
        most = traits.ceiling(part.summary) if traits.ceiling is not None else 1e15
        if traits.ceiling_of_cases is not None:
            most = min(most, traits.ceiling_of_cases(part.summary, part.whole))
        if not part.cells.weighted:  # the weights are numbers of cases
            totals = [totals[0], *totals[:1] * 2, *totals[1:]]
        if traits.one_more is not None:
            extra = max(extra, _largest_move(part, functional, clusters, totals) ** 2)
        return cls(value, n, support, weight, kish, extra, max(df, 1.0), most, known, clusters, totals)


def _largest_move(part: Part, functional: Functional, clusters: list[IntArray], sums: list[FloatArray]) -> float:
    """Return the largest move of a mean by one cluster, or one weighted case; 0 for cases that weigh alike."""
    if clusters:
        return max(float(np.abs(np.bincount(unit_codes(column), sums[3])).max()) for column in clusters)
    return float(np.abs(functional(part.whole())[1]).max()) if part.cells.weighted else 0.0


def _covariance(groups: Sequence[_GroupSums], traits: FunctionalTraits) -> CovarianceResult:
    """Return the joint covariance of groups' values."""
    value, weight, kish, extra, support, df, most = (
        np.array([float(getattr(group, name)) for group in groups])
        for name in ("value", "weight", "kish", "extra", "support", "df", "ceiling")
    )
    code = np.repeat(np.arange(len(groups)), [len(group.sums[0]) for group in groups])
    clusters = [np.concatenate(columns) for columns in zip(*(group.clusters for group in groups), strict=True)]
    counts, w, w2, influence, squares = (np.concatenate(part) for part in zip(*(group.sums for group in groups), strict=True))
    ceiling: FloatArray = most if traits.scale == "proportion" else np.where(weight > 0, kish, 0)
    cov = stats.influence_covariance(
        value, influence, code, clusters, ceiling, weight, scale=traits.scale, squares=squares, counts=counts,
        still=support, extra=extra, weight=w, weight_squares=w2,
    )  # fmt: skip
    # Those of a pooled rest follow from the concentration of the weights.
    fewest = np.diag(np.maximum(1 / (df + 1) - np.diag(cov.concentration), 0))
    few = np.array([group.known < LEAST_DF for group in groups])
    apart = [traits.one_more is not None and cluster_apart(g.sums[1], g.clusters, g.sums[0]) for g in groups]
    return replace(
        cov, concentration=cov.concentration + fewest, df=np.minimum(cov.df, df), few_events=few,
        dominated=cov.dominated | np.array(apart, dtype=bool),
    )  # fmt: skip
