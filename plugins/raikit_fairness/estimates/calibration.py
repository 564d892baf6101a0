"""Expected calibration error in groups, compared by limits that are free of its bias.

The estimate is biased upwards, most in small groups.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from raikit import stats
from raikit.arrays import BoolArray, FloatArray, IntArray
from raikit.stats import CalibrationError, Contrasts, Gap
from raikit_fairness.estimates.case_counts import Cells
from raikit_fairness.estimates.features import Feature
from raikit_fairness.estimates.functionals import class_score
from raikit_fairness.estimates.group_estimates import Draws, Estimates, Intervals, Uncertainty
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
        kept = np.flatnonzero(keep)
        code = self.feature.code
        rests = [
            _error(
                self.cells,
                np.flatnonzero(np.isin(code, kept) & (code != group)),
                self.positive,
                draws.rng("calibration", "rest", int(group), self.positive),
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
    pairs = np.unique(np.column_stack([cluster[shared], code[shared]]), axis=0)
    return len(np.unique(pairs[:, 0])) < len(pairs)


def estimate_calibration(cells: Cells, feature: Feature, positive: int, draws: Draws) -> CalibrationEstimates:
    """Estimate the calibration error in every group of a feature."""
    errors = [
        _error(cells, members, positive, draws.rng("calibration", group, positive))
        if cells.w[members].sum() > 0
        else None
        for group, members in enumerate(feature.members)
    ]
    n = np.array([int(cells.n[members].sum()) for members in feature.members], dtype=np.int64)
    everyone = _error(cells, np.arange(len(cells)), positive, draws.rng("calibration", "all", positive))
    return CalibrationEstimates(errors, n, everyone, cells, feature, positive, draws)


def _error(cells: Cells, members: IntArray, positive: int, rng: np.random.Generator) -> CalibrationError:
    part = cells.take(members[cells.w[members] > 0])
    score = class_score(positive)(part)
    bins = stats.equal_bins(score, _BINS)
    weight = part.w if part.weighted else None
    return stats.calibration_error(part.truth == positive, score, bins, weight, part.clusters, rng=rng, draws=_BIAS_DRAWS)
