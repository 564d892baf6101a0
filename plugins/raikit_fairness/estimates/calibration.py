"""Expected calibration error in groups, compared by limits that are free of its bias.

The estimate is biased upwards, most in small groups.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

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
_METHOD = "limits of each group free of the bias, Bonferroni"


@dataclass(frozen=True)
class CalibrationEstimates(Estimates):
    """Calibration errors of k groups, over ten bins of equally many of a group's cases.

    Of two calibrated groups the smaller one looks worse. So groups are compared by their limits alone, which is wide but
    valid.

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

    def _limits(self, tail: float) -> tuple[FloatArray, FloatArray]:
        ends = [(np.nan, np.nan) if error is None else error.limits(tail) for error in self.errors]
        return np.array([low for low, _ in ends]), np.array([high for _, high in ends])

    def intervals(self, level: float) -> Intervals:
        """Compute the interval of each group, whose lower end is free of the bias."""
        low, high = self._limits((1 - level) / 2)
        method = f"{_BINS} bins of equal size, lower end free of the bias"
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
        """Compute the largest difference of limits."""
        low, high = self._ends(keep, settings)
        lower = max(0.0, float(_off_diagonal(low[0][:, None] - high[0]).max()))
        upper = float(_off_diagonal(high[1][:, None] - low[1]).max())
        return self._gap(keep, lambda value: float(value.max() - value.min()), lower, min(1.0, upper))

    def ratio(self, keep: BoolArray, settings: IntervalSettings, draws: Draws, p_value: float | None = None) -> Gap:
        """Compute the smallest ratio of limits."""
        low, high = self._ends(keep, settings)
        with np.errstate(divide="ignore", invalid="ignore"):
            upper = float(np.nanmin(_off_diagonal(high[0][:, None] / low[0], np.inf)))
            lower = float(np.nanmin(_off_diagonal(low[1][:, None] / high[1], np.inf)))
        return self._gap(keep, lambda value: float(value.min() / value.max()), lower, min(1.0, upper))

    def _ends(self, keep: BoolArray, settings: IntervalSettings) -> tuple[list[FloatArray], list[FloatArray]]:
        """Return lower and upper limits: first those that hold for all kept groups at once, then for one pair."""
        tail, k = (1 - settings.level) / 2, int(keep.sum())
        both = [self._limits(part) for part in (tail / (2 * k), tail / 2)]
        return [low[keep] for low, _ in both], [high[keep] for _, high in both]

    def _gap(self, keep: BoolArray, compare: Callable[[FloatArray], float], low: float, high: float) -> Gap:
        value = self.value[keep]
        worst, best = int(np.argmin(value)), int(np.argmax(value))
        return Gap(compare(value), low, high, None, float("nan"), None, worst, best, _METHOD)

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
        """Compare each group with the reference."""
        others = [int(group) for group in np.flatnonzero(keep) if group != reference]
        groups = [self.errors[group] for group in others]
        return self._contrasts(groups, [self.errors[reference]] * len(others), settings)

    def _contrasts(
        self,
        groups: Sequence[CalibrationError | None],
        others: Sequence[CalibrationError | None],
        settings: IntervalSettings,
    ) -> Contrasts:
        tail = (1 - settings.level) / 2 / max(len(groups), 1) / 2
        pairs = [(one, other) for one, other in zip(groups, others, strict=True) if one is not None and other is not None]
        value = np.array([one.value - other.value for one, other in pairs])
        ends = [(one.limits(tail), other.limits(tail)) for one, other in pairs]
        low, high = (np.array([mine[side] - theirs[1 - side] for mine, theirs in ends]) for side in (0, 1))
        unknown = np.full(len(value), np.nan)
        return Contrasts(value, low, high, unknown, unknown, float("nan"), f"{_METHOD} over {len(groups)} groups")


def _off_diagonal(matrix: FloatArray, filler: float = float("-inf")) -> FloatArray:
    np.fill_diagonal(matrix, filler)
    return matrix


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
    k = 1 if units is None else units.k
    bins = np.arange(len(starts))
    columns = [] if units is None else [np.tile(column, len(bins)) for column in units.clusters]
    sums = UnitSums([np.repeat(bins, k), *columns], len(score))
    for where in part.slices:
        inside = np.append(where.start, starts[(starts > where.start) & (starts < where.stop)]) - where.start
        bin_numbers = int(np.searchsorted(starts, where.start, side="right")) - 1 + np.arange(len(inside))
        hit = part.cells.truth[where] == positive
        products = _products(part, where, hit, hit - score[where])
        if units is None:
            sums.add(bin_numbers, *(np.add.reduceat(values, inside) for values in products))
        else:
            sizes = np.diff(inside, append=where.stop - where.start)
            sums.add(np.repeat(bin_numbers * k, sizes) + units.code[where], *products)
    (place, *clusters), totals = sums.result()
    return summed_calibration_error(_bin_sums(place, clusters, totals), rng=rng, draws=_BIAS_DRAWS)


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
