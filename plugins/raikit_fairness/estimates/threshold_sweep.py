"""Rates of groups and their gaps at every threshold of a grid."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

import raikit
from raikit.arrays import BoolArray, FloatArray
from raikit.stats import Gap
from raikit.stats.cells import number_values
from raikit_fairness.estimates import rates
from raikit_fairness.estimates.case_counts import Cells
from raikit_fairness.estimates.features import Feature
from raikit_fairness.estimates.group_estimates import Draws, Rates
from raikit_fairness.estimates.paired_changes import Change, mean_change
from raikit_fairness.settings import IntervalSettings

# Measures by the words that sentences and figures use.
SWEPT = {
    "selection_rate": "selection rate",
    "true_positive_rate": "true positive rate",
    "false_positive_rate": "false positive rate",
    "accuracy": "accuracy",
}


@dataclass(frozen=True)
class Grid:
    """Thresholds, and the place of each cell's score among them.

    Parameters
    ----------
    cells : Cells
        Like cases together: their prediction is the number of thresholds that their score reaches.
    decided : ndarray of bool, shape (m,)
        The audited decision.
    thresholds : ndarray, shape (t,)
        Ascending; a score from its threshold on is decided positively.
    current : int or None
        Position of the threshold that gives the audited decisions; None: no threshold does.
    positive : int
        Position of the positive class.
    """

    cells: Cells
    decided: BoolArray
    thresholds: FloatArray
    current: int | None
    positive: int

    @property
    def truth(self) -> BoolArray:
        """Return which cells are truly positive."""
        truth: BoolArray = self.cells.truth == self.positive
        return truth

    def selected(self, threshold: int | None) -> BoolArray:
        """Return the cells that a threshold (by its position; None: the audited decisions) decides positively."""
        selected: BoolArray = self.decided if threshold is None else self.cells.prediction > threshold
        return selected

    @property
    def share(self) -> list[float]:
        """Return the share of all cases, by weight, that each threshold decides positively."""
        total = float(self.cells.w.sum())
        return [float(self.cells.w[self.selected(position)].sum()) / total for position in range(len(self.thresholds))]

    def loss(self, threshold: int, level: float) -> Change:
        """Estimate the accuracy that a threshold loses against the audited decisions, paired on cases."""
        audited, other = self.truth == self.selected(None), self.truth == self.selected(threshold)
        return mean_change(self.cells, audited.astype(float) - other, np.ones(len(self.cells), dtype=bool), level)

    def accuracy(self, threshold: int | None) -> float:
        """Return the share of all cases, by weight, that are decided correctly."""
        return float(self.cells.w[self.truth == self.selected(threshold)].sum() / self.cells.w.sum())


def build_grid(cases: Cells, positive: int, steps: int) -> Grid:
    """Return a grid of quantiles of the scores, and the current threshold if there is one.

    Parameters
    ----------
    cases : Cells
        Single cases with scores.
    positive : int
    steps : int
        Number of equal shares that the quantiles cut the cases into.
    """
    assert cases.scores is not None
    decided = cases.prediction == positive
    current = current_threshold(cases.scores, decided)
    quantiles = np.quantile(cases.scores, np.arange(1, steps) / steps, method="inverted_cdf")
    thresholds = np.unique(quantiles if current is None else np.append(quantiles, current))
    place = np.searchsorted(thresholds, cases.scores, side="right")
    position = None if current is None else int(np.flatnonzero(thresholds == current)[0])
    cells, decided = _merge_like_cases(replace(cases, prediction=place, scores=None), decided)
    return Grid(cells, decided, thresholds, position, positive)


def current_threshold(scores: FloatArray, decided: BoolArray) -> float | None:
    """Return the threshold behind the decisions: the smallest positive score, if all higher scores are positive too."""
    if decided.all() or not decided.any():
        return None
    lowest = float(scores[decided].min())
    return lowest if float(scores[~decided].max()) < lowest else None


def _merge_like_cases(cases: Cells, decided: BoolArray) -> tuple[Cells, BoolArray]:
    """Merge like cases into cells. Cases that share clusters stay single, because few of them are alike."""
    if cases.clusters:
        return cases, decided
    code = np.zeros(len(cases), dtype=np.int64)
    for key in (cases.truth, cases.prediction, decided, *(feature.code + 1 for feature in cases.features)):
        # Numbering the combinations of each step keeps the codes small.
        code = number_values(code * (int(key.max(initial=0)) + 1) + key)
    _, first, cell = np.unique(code, return_index=True, return_inverse=True)
    n, w, w2 = (np.bincount(cell, part).astype(float) for part in (cases.n, cases.w, cases.w2))
    features = [replace(feature, code=feature.code[first]) for feature in cases.features]
    return replace(cases.take(first), n=n.astype(np.int64), w=w, w2=w2, features=features), decided[first]


@dataclass(frozen=True)
class SweepPoint:
    """One measure in the groups of a feature at one threshold.

    Parameters
    ----------
    measure : str
    threshold : int or None
        Position of the threshold; None: the audited decisions.
    rates : CountedRates or ClusteredEstimates
    gap : Gap or None
        Over the groups that can be judged; None if fewer than two can.
    """

    measure: str
    threshold: int | None
    rates: Rates
    gap: Gap | None


def sweep(
    grid: Grid, feature: Feature, settings: IntervalSettings, draws: Draws, thresholds: Sequence[int | None]
) -> Iterator[SweepPoint]:
    """Estimate every measure at each of `thresholds` (positions in the grid; None: the audited decisions)."""
    for threshold in thresholds:
        for measure in SWEPT:
            yield estimate_point(grid, feature, measure, threshold, settings, draws)


def estimate_point(
    grid: Grid, feature: Feature, measure: str, threshold: int | None, settings: IntervalSettings, draws: Draws
) -> SweepPoint:
    """Estimate one measure at one threshold; its gap is over groups that are large enough and have enough clusters."""
    numerator, denominator = _numerator_and_denominator(grid, measure, threshold)
    estimates = rates.rate(grid.cells, feature, numerator, denominator, f"{measure} {threshold}")
    keep = estimates.judged(settings)
    gap = estimates.gap(keep, settings, draws) if keep.sum() > 1 else None
    return SweepPoint(measure, threshold, estimates, gap)


def _numerator_and_denominator(grid: Grid, measure: str, threshold: int | None) -> tuple[BoolArray, BoolArray | None]:
    selected, truth = grid.selected(threshold), grid.truth
    if measure == "accuracy":
        return np.asarray(selected == truth), None
    return selected, {"selection_rate": None, "true_positive_rate": truth, "false_positive_rate": ~truth}[measure]


@dataclass(frozen=True)
class Improvement:
    """A threshold that surely brings groups closer than they are, at a bearable loss of accuracy.

    Parameters
    ----------
    measure : str
    threshold : int
        Position in the grid.
    now, then : Gap
        As decided now, and with the threshold.
    loss : Change
        Accuracy lost.
    """

    measure: str
    threshold: int
    now: Gap
    then: Gap
    loss: Change


def find_improvements(
    grid: Grid, feature: Feature, points: Sequence[SweepPoint], settings: IntervalSettings, draws: Draws, max_loss: float
) -> list[Improvement]:
    """Return the thresholds whose gap is surely below today's, at a loss of accuracy surely within `max_loss`.

    Notes
    -----
    A claim is wrong if the lower end of today's gap, the upper end of the other, or that of the loss is. Of the error
    ``1 - level`` the first (one for each measure) get a quarter together, the second (for each measure and threshold) a
    half, the third (for each threshold) a quarter: Bonferroni, so that every threshold can be tried.
    """
    error, t = 1 - settings.level, len(grid.thresholds)
    now_settings, then_settings, loss_settings = (
        replace(settings, level=1 - error / parts) for parts in (2 * len(SWEPT), len(SWEPT) * t, 2 * t)
    )
    today = {point.measure: point.gap for point in points if point.threshold == grid.current}
    improvements = []
    for point in points:
        gap, threshold = today.get(point.measure), point.threshold
        # The strict intervals are wider, so gaps that the plain intervals do not separate need no second look.
        if threshold is None or threshold == grid.current or gap is None or point.gap is None or point.gap.high >= gap.low:
            continue
        loss = grid.loss(threshold, loss_settings.level)
        if loss.high > max_loss or loss.few_clusters:
            continue
        now = estimate_point(grid, feature, point.measure, grid.current, now_settings, draws).gap
        then = estimate_point(grid, feature, point.measure, threshold, then_settings, draws).gap
        if now is not None and then is not None and then.high < now.low:
            improvements.append(Improvement(point.measure, threshold, now, then, loss))
    return improvements


@dataclass(frozen=True)
class RocLimits:
    """Limits of false (x) and true (y) positive rates at every threshold, in every group: arrays of shape (t, k).

    All four ends of an interval of the true positive rate at a false positive rate share its error.
    """

    x: FloatArray
    x_low: FloatArray
    x_high: FloatArray
    y: FloatArray
    y_low: FloatArray
    y_high: FloatArray

    @classmethod
    def from_points(cls, points: Sequence[SweepPoint], level: float) -> RocLimits:
        """Compute the limits from the points of a sweep."""
        parts: list[FloatArray] = []
        for measure in ("false_positive_rate", "true_positive_rate"):
            at_thresholds = [point for point in points if point.measure == measure and point.threshold is not None]
            at_thresholds.sort(key=lambda point: point.threshold or 0)
            ends = [point.rates.intervals(1 - (1 - level) / 2) for point in at_thresholds]
            parts.append(np.array([point.rates.value for point in at_thresholds]))
            parts += [np.array([end.low for end in ends]), np.array([end.high for end in ends])]
        x, x_low, x_high, y, y_low, y_high = parts
        return cls(x, *_extend_limits(x, x_low, x_high), y, *_extend_limits(y, y_low, y_high))

    def defined(self, group: int) -> bool:
        """Return whether a group has cases of both classes."""
        return not (np.isnan(self.x[0, group]) or np.isnan(self.y[0, group]))

    def tpr_at(self, fpr: float, group: int) -> tuple[float, float, float]:
        """Return a group's true positive rate at a false positive rate: value and limits, from the grid's thresholds.

        Notes
        -----
        The threshold with that false positive rate lies above each threshold whose false positive rate is surely higher
        and below each whose rate is surely lower; the true positive rate falls with the threshold. Limits fall with it too
        (nearly so where cases share clusters), so looking at all thresholds errs no more often than looking at the two next
        to it. A coarse grid makes the interval wide, not wrong.
        """
        higher, lower = np.flatnonzero(self.x_low[:, group] > fpr), np.flatnonzero(self.x_high[:, group] < fpr)
        high = float(self.y_high[higher[-1], group]) if len(higher) else 1.0
        low = float(self.y_low[lower[0], group]) if len(lower) else 0.0
        x, y = (np.r_[0.0, side[::-1, group], 1.0] for side in (self.x, self.y))
        value = float(np.interp(fpr, x, y))
        return value, min(low, value), max(high, value)


def _extend_limits(rate: FloatArray, low: FloatArray, high: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Take limits of neighbouring thresholds, shape (t, k), where a rate of 0 or 1 hides its uncertainty.

    If all cases of a group are decided alike, the limits of clustered cases depend on the number of clusters alone. The
    limit of the nearest other threshold is valid too: a rate of 1 is at least that of any higher threshold.
    """
    low, high = low.copy(), high.copy()
    for threshold in range(len(rate) - 2, -1, -1):
        ones = rate[threshold] == 1
        low[threshold, ones] = np.fmax(low[threshold], low[threshold + 1])[ones]
    for threshold in range(1, len(rate)):
        zeros = rate[threshold] == 0
        high[threshold, zeros] = np.fmin(high[threshold], high[threshold - 1])[zeros]
    return low, high


@dataclass(frozen=True)
class FeatureSweep:
    """One feature at every threshold of a grid.

    Parameters
    ----------
    number : int
        Of the feature.
    grid : Grid
    cases : Cells
        Single cases with scores.
    feature, case_feature : Feature
        The feature over the cells of the grid, and over single cases.
    settings : IntervalSettings
    draws : Draws
    points : list of SweepPoint
        Those of the audited decisions come last, if no threshold gives them.
    limits : RocLimits
    """

    number: int
    grid: Grid
    cases: Cells
    feature: Feature
    case_feature: Feature
    settings: IntervalSettings
    draws: Draws
    points: list[SweepPoint]
    limits: RocLimits

    @property
    def current_points(self) -> list[SweepPoint]:
        """Return the points of the audited decisions."""
        return [point for point in self.points if point.threshold == self.grid.current]

    def improvements(self, max_loss: float) -> list[Improvement]:
        """Return the thresholds that surely bring groups closer, at a loss of accuracy surely within `max_loss`."""
        return find_improvements(self.grid, self.feature, self.points, self.settings, self.draws, max_loss)


def sweep_feature(grid: Grid, cases: Cells, number: int, settings: IntervalSettings, seed: int) -> FeatureSweep:
    """Estimate every measure of feature `number` at every threshold of the grid, and as audited."""
    feature = grid.cells.features[number]
    draws = Draws(seed, feature.columns, settings.draws)
    thresholds: list[int | None] = [*range(len(grid.thresholds)), *([None] if grid.current is None else [])]
    points = list(sweep(grid, feature, settings, draws, thresholds))
    limits = RocLimits.from_points(points, settings.level)
    return FeatureSweep(number, grid, cases, feature, cases.features[number], settings, draws, points, limits)


def threshold_metric(grid: Grid, n: int) -> raikit.Metric:
    """Return the current threshold; undefined if no threshold on the score gives the decisions. `n` counts the cases."""
    if grid.current is None:
        return raikit.Metric.undefined("decision_threshold", "no single threshold on the score gives the predictions")
    return raikit.Metric.exact("decision_threshold", float(grid.thresholds[grid.current]), n=n)


def tpr_at_fpr_metrics(swept: FeatureSweep, fprs: Sequence[float]) -> list[raikit.Metric]:
    """Return every group's true positive rate at some false positive rates."""
    tpr = next(point.rates for point in swept.points if point.measure == "true_positive_rate")
    fpr_rates = next(point.rates for point in swept.points if point.measure == "false_positive_rate")
    method = tpr.intervals(swept.settings.level).method
    feature, metrics = swept.feature, []
    for fpr in fprs:
        for group in range(feature.k):
            place: dict[str, Any] = {
                "args": {"fpr": fpr}, "over": list(feature.columns), "group": feature.group(group),
                "direction": "higher", "unit": "rate",
            }  # fmt: skip
            if not swept.limits.defined(group):
                reason = f"a class is missing in {feature.label(group)}"
                metrics.append(raikit.Metric.undefined("tpr_at_fpr", reason, **place))
                continue
            value, low, high = swept.limits.tpr_at(fpr, group)
            small = min(int(tpr.n[group]), int(fpr_rates.n[group])) < swept.settings.min_group
            few = bool(tpr.few_clusters[group] or fpr_rates.few_clusters[group])
            rare = bool(tpr.few_events[group] or fpr_rates.few_events[group])
            metrics.append(raikit.Metric(
                "tpr_at_fpr", value, low=low, high=high, level=swept.settings.level, n=int(tpr.n[group]),
                n_clusters=None if tpr.n_clusters is None else int(tpr.n_clusters[group]),
                method=f"{method}, both rates' limits at the grid's thresholds, Bonferroni",
                flags=["small_group"] * small + ["few_clusters"] * few + ["few_events"] * rare, **place,
            ))  # fmt: skip
    return metrics
