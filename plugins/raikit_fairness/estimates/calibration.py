"""Expected calibration error in groups, compared by limits that are free of its bias.

The estimate is biased upwards, most in small groups.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from raikit import stats
from raikit.arrays import BoolArray, FloatArray, IntArray
from raikit.stats import Contrasts, Gap
from raikit.stats.calibration import BinSums, CalibrationError, summed_calibration_error
from raikit_fairness.estimates.case_counts import Cells
from raikit_fairness.estimates.features import Feature
from raikit_fairness.estimates.functionals import class_score
from raikit_fairness.estimates.group_estimates import Draws, Estimates, Intervals, Uncertainty
from raikit_fairness.estimates.grouped_cells import Part, UnitSums, group_cells
from raikit_fairness.settings import IntervalSettings

_BINS = 10
_BIAS_DRAWS = 4_000


@dataclass(frozen=True)
class CalibrationEstimates(Estimates):
    """Calibration errors of k groups, over ten bins of equally many of a group's cases.

    Of two calibrated groups the smaller one looks worse. So groups are compared by limits that are free of this bias.

    Parameters
    ----------
    errors : list of CalibrationError or None
        One for each group; None where no case has a weight.
    n : ndarray of int, shape (k,)
    everyone : CalibrationError
        Of all groups together.
    cells, feature, positive, draws
        What was estimated, so that the rest of a group can be estimated too.
    """

    errors: list[CalibrationError | None]
    n: IntArray
    everyone: CalibrationError
    cells: Cells
    feature: Feature
    positive: int
    draws: Draws

    @property
    def value(self) -> FloatArray:
        """Return the errors, shape (k,)."""
        return np.array([np.nan if error is None else error.value for error in self.errors])

    @property
    def overall(self) -> float:
        """Return the error of all groups together."""
        return self.everyone.value

    @property
    def n_clusters(self) -> IntArray | None:
        """Return the clusters of each group; None without cluster columns."""
        if not self.cells.clusters:
            return None
        return np.array([0 if error is None else error.n_clusters or 0 for error in self.errors])

    @property
    def few_clusters(self) -> BoolArray:
        """Return which groups have too few clusters for an interval to hold its level."""
        return np.array([error is not None and error.few_clusters for error in self.errors], dtype=bool)

    def intervals(self, level: float) -> Intervals:
        """Compute the interval of each group, free of the bias."""
        tail = (1 - level) / 2
        ends = [(np.nan, np.nan) if error is None else error.limits(tail) for error in self.errors]
        low, high = np.array(ends).reshape(-1, 2).T
        method = f"{_BINS} bins of equal size, limits free of the bias"
        return Intervals(low, high, self.n.astype(float), method, np.zeros(len(self.n), dtype=bool))

    def uncertainty(self) -> Uncertainty:
        """Return the variances of the signed sums; `bins` has what a comparison needs."""
        known = [(0.0, 0.0) if error is None else (error.se**2, float(error.df)) for error in self.errors]
        variance, df = np.array(known).T
        return Uncertainty(variance, np.where(self.few_clusters, 0.0, df))

    def bins(self, group: int) -> list[tuple[float, float, float]]:
        """Return signed error, variance and weight of each bin."""
        error = self.errors[group]
        return [] if error is None else error.bin_errors

    def gap(self, keep: BoolArray, settings: IntervalSettings, draws: Draws) -> Gap:
        """Compute the largest difference."""
        rng = draws.rng("calibration", "gap", self.positive)
        return stats.calibration_gap(
            self._kept(keep), settings.level, settings.draws, independent=self.independent, rng=rng
        )

    def ratio(self, keep: BoolArray, settings: IntervalSettings, draws: Draws, p_value: float | None = None) -> Gap:
        """Compute the smallest ratio."""
        return stats.calibration_ratio(self._kept(keep), settings.level)

    @cached_property
    def independent(self) -> bool:
        """Whether no cluster has cases in two groups."""
        code = self.feature.code
        return not any(_crosses(column[code >= 0], code[code >= 0]) for column in self.cells.clusters)

    def _kept(self, keep: BoolArray) -> list[CalibrationError]:
        return [error for error, kept in zip(self.errors, keep, strict=True) if kept and error is not None]

    def versus_rest(self, keep: BoolArray, settings: IntervalSettings, draws: Draws) -> Contrasts:
        """Compare each group with the rest, which is estimated anew."""
        kept: list[int] = np.flatnonzero(keep).tolist()
        grouped = group_cells(self.cells, self.feature)
        rests = [
            _error(
                grouped.rest(group, kept),
                self.positive,
                draws.rng("calibration", "rest", group, self.positive),
            )
            for group in kept
        ]
        return self._contrasts([self.errors[group] for group in kept], rests, settings)

    def versus(self, reference: int, keep: BoolArray, settings: IntervalSettings) -> Contrasts:
        """Compare each other group with the reference."""
        others = [int(group) for group in np.flatnonzero(keep) if group != reference]
        groups = [self.errors[group] for group in others]
        return self._contrasts(groups, [self.errors[reference]] * len(others), settings)

    def _contrasts(
        self,
        groups: Sequence[CalibrationError | None],
        others: Sequence[CalibrationError | None],
        settings: IntervalSettings,
    ) -> Contrasts:
        both = [(one, other) for one, other in zip(groups, others, strict=True) if one is not None and other is not None]
        first, second = [one for one, _ in both], [other for _, other in both]
        return stats.calibration_contrasts(first, second, settings.level, independent=self.independent)


def _crosses(cluster: IntArray, code: IntArray) -> bool:
    """Return whether a cluster has cases in two groups."""
    shared = cluster >= 0
    cluster, code = cluster[shared], code[shared]
    one_group = np.zeros(int(cluster.max(initial=-1)) + 1, dtype=np.int64)
    one_group[cluster] = code
    return bool((one_group[cluster] != code).any())


def estimate_calibration(cells: Cells, feature: Feature, positive: int, draws: Draws) -> CalibrationEstimates:
    """Estimate the calibration error in every group of a feature."""
    grouped = group_cells(cells, feature)
    errors = [
        _error(group, positive, draws.rng("calibration", number, positive)) if len(group.cells) else None
        for number, group in enumerate(grouped.groups)
    ]
    n = np.bincount(feature.code + 1, cells.n, minlength=feature.k + 1)[1:].astype(np.int64)
    everyone = _error(grouped.everyone, positive, draws.rng("calibration", "all", positive))
    return CalibrationEstimates(errors, n, everyone, cells, feature, positive, draws)


def _error(part: Part, positive: int, rng: np.random.Generator) -> CalibrationError:
    """Estimate the error of cells in ascending order of their scores, over bins of `raikit.stats.equal_bins`."""
    score = class_score(positive)(part.cells)
    starts = _bin_starts(part, score)
    units = part.cells.units
    sums = [UnitSums(units.clusters if units is not None else [], len(score)) for _ in starts]
    for where in part.slices:
        hit = part.cells.truth[where] == positive
        products = _products(part, where, hit, hit - score[where])
        for number, inside in _bins_of_piece(starts, where):
            unit = None if units is None else units.code[where][inside]
            sums[number].add(unit, *(values[inside] for values in products))
    results = [of_bin.result() for of_bin in sums]
    sizes = [len(totals[0]) for _, totals in results]
    clusters = [np.concatenate(columns) for columns in zip(*(columns for columns, _ in results), strict=True)]
    totals = [np.concatenate(values) for values in zip(*(totals for _, totals in results), strict=True)]
    sums_by_bin = _bin_sums(np.repeat(np.arange(len(starts)), sizes), clusters, totals)
    return summed_calibration_error(sums_by_bin, rng=rng, draws=_BIAS_DRAWS)


def _bins_of_piece(starts: IntArray, where: slice) -> Iterator[tuple[int, slice]]:
    """Return the bins that a piece reaches into, and the cells of the piece in each."""
    first = int(np.searchsorted(starts, where.start, side="right")) - 1
    ends = [int(start) for start in starts if where.start < start < where.stop]
    for number, (start, stop) in enumerate(pairwise([where.start, *ends, where.stop])):
        yield first + number, slice(start - where.start, stop - where.start)


def _bin_starts(part: Part, score: FloatArray) -> IntArray:
    """Return where bins of equally many cells begin, for ascending scores."""
    sizes = np.cumsum([part.size(where) for where in part.slices])
    at = np.ceil(sizes[-1] * (np.arange(1, _BINS) / _BINS) - 1).astype(np.int64)
    edges = np.unique([score[part.position(int(position), sizes)] for position in np.maximum(at, 0)])
    ends = np.searchsorted(score, edges, side="right")
    return np.concatenate([[0], ends[ends <= part.position(int(sizes[-1]) - 1, sizes)]])


def _products(part: Part, where: slice, hit: BoolArray, error: FloatArray) -> list[FloatArray]:
    """Return what `_bin_sums` needs to know of each cell in a piece."""
    w = part.w(where)
    weighted_error = w * error
    products = [w, w * hit, weighted_error, weighted_error * error]
    if part.cells.weighted:
        n, w2 = part.n(where), part.w2(where)
        products = [n, n * hit, *products[:-1], w2, w2 * hit, w2 * error, w2 * error**2]
    return products


def _bin_sums(place: IntArray, clusters: Sequence[IntArray], totals: Sequence[FloatArray]) -> BinSums:
    if len(totals) == 4:  # without weights, all three kinds of sums are numbers of cases
        n, hits, errors, squares = totals
        return BinSums(place, clusters, (n - hits,) * 3, (hits,) * 3, (errors, errors, squares))
    n, n_hits, w, w_hits, w_errors, w2, w2_hits, w2_errors, w2_squares = totals
    misses, hit_sums = (n - n_hits, w - w_hits, w2 - w2_hits), (n_hits, w_hits, w2_hits)
    return BinSums(place, clusters, misses, hit_sums, (w_errors, w2_errors, w2_squares))
