"""Rates of groups, and how far they are apart, at every threshold of a grid."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from raikit_fairness.estimates import paired_changes as paired
from raikit_fairness.estimates import rates
from raikit_fairness.estimates.group_estimates import Settings

if TYPE_CHECKING:
    from raikit.stats import Gap
    from raikit_fairness.estimates.case_counts import BoolArray, Cells, Feature, FloatArray
    from raikit_fairness.estimates.group_estimates import Clustered, Counted, Draws
    from raikit_fairness.estimates.paired_changes import Change

# each with what its gap is called in words
SWEPT = {
    "selection_rate": "selection rate", "true_positive_rate": "true positive rate",
    "false_positive_rate": "false positive rate", "accuracy": "accuracy",
}


@dataclass(frozen=True)
class Grid:
    """Thresholds, and in which place among them each cell's score is.

    Parameters
    ----------
    cells : Cells
        Alike rows together: their prediction is the number of thresholds that their score reaches.
    decided : ndarray of bool, shape (m,)
        The audited decision.
    thresholds : ndarray, shape (t,)
        Ascending; a score decides positively from its threshold on.
    current : int or None
        Which of them gives the audited decisions; None: no threshold does.
    positive : int
    """

    cells: Cells
    decided: BoolArray
    thresholds: FloatArray
    current: int | None
    positive: int

    @property
    def truth(self) -> BoolArray:
        """Which cells are truly positive."""
        truth: BoolArray = self.cells.truth == self.positive
        return truth

    def selected(self, at: int | None) -> BoolArray:
        """Cells that threshold `at` decides positively; None: that the audited decisions do."""
        chosen: BoolArray = self.decided if at is None else self.cells.prediction > at
        return chosen

    @property
    def share(self) -> list[float]:
        """Share of all rows, by weight, that each threshold decides positively."""
        total = float(self.cells.w.sum())
        return [float(self.cells.w[self.selected(at)].sum()) / total for at in range(len(self.thresholds))]

    def loss(self, at: int, level: float) -> Change:
        """Accuracy that threshold `at` loses against the audited decisions, paired on rows."""
        import numpy as np

        right, own = self.truth == self.selected(None), self.truth == self.selected(at)
        return paired.mean_change(self.cells, right.astype(float) - own, np.ones(len(self.cells), dtype=bool), level)

    def accuracy(self, at: int | None) -> float:
        """Share of all rows, by weight, that are decided right."""
        return float(self.cells.w[self.truth == self.selected(at)].sum() / self.cells.w.sum())


def grid(rows: Cells, positive: int, steps: int) -> Grid:
    """Quantiles of the scores and, if one threshold gives the audited decisions, that one.

    Parameters
    ----------
    rows : Cells
        Single rows with scores.
    """
    import numpy as np

    assert rows.scores is not None
    decided = rows.prediction == positive
    now = current(rows.scores, decided)
    wanted = np.quantile(rows.scores, np.arange(1, steps) / steps, method="inverted_cdf")
    thresholds = np.unique(wanted if now is None else np.append(wanted, now))
    place = np.searchsorted(thresholds, rows.scores, side="right")
    at = None if now is None else int(np.flatnonzero(thresholds == now)[0])
    cells, alike = _together(replace(rows, prediction=place, scores=None), decided)
    return Grid(cells, alike, thresholds, at, positive)


def current(scores: FloatArray, decided: BoolArray) -> float | None:
    """The threshold behind the decisions: the smallest score that is decided positively, if no higher one is not."""
    if decided.all() or not decided.any():
        return None
    lowest = float(scores[decided].min())
    return lowest if float(scores[~decided].max()) < lowest else None


def _together(rows: Cells, decided: BoolArray) -> tuple[Cells, BoolArray]:
    """Rows as cells of alike rows; those that share clusters stay as they are, few of them are alike."""
    import numpy as np

    if rows.clusters:
        return rows, decided
    keys = np.column_stack([rows.truth, rows.prediction, decided, *(feature.code for feature in rows.features)])
    _, first, cell = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    cell = cell.reshape(-1)
    n, w, w2 = (np.bincount(cell, part).astype(float) for part in (rows.n, rows.w, rows.w2))
    features = [replace(feature, code=feature.code[first]) for feature in rows.features]
    return replace(rows.part(first), n=n.astype(np.int64), w=w, w2=w2, features=features), decided[first]


@dataclass(frozen=True)
class Point:
    """One measure in the groups of a feature at one threshold.

    Parameters
    ----------
    measure : str
    at : int or None
        Position of the threshold; None: the audited decisions.
    found : Counted or Clustered
    gap : Gap or None
        Over the groups that can be judged; None if fewer than two can.
    """

    measure: str
    at: int | None
    found: Counted | Clustered
    gap: Gap | None


def sweep(grid: Grid, feature: Feature, settings: Settings, draws: Draws, places: Sequence[int | None]) -> Iterator[Point]:
    """Every measure at every place of the grid."""
    for at in places:
        for measure in SWEPT:
            yield measured(grid, feature, measure, at, settings, draws)


def measured(
    grid: Grid, feature: Feature, measure: str, at: int | None, settings: Settings, draws: Draws
) -> Point:
    """One measure at one threshold; its gap is over groups that are large enough and have enough clusters."""
    numerator, denominator = _counted(grid, measure, at)
    found = rates.rate(grid.cells, feature, numerator, denominator, f"{measure} {at}")
    keep = found.judged(settings)
    gap: Any = found.gap(keep, settings, draws) if keep.sum() > 1 else None
    return Point(measure, at, found, gap)


def _counted(grid: Grid, measure: str, at: int | None) -> tuple[BoolArray, BoolArray | None]:
    selected, truth = grid.selected(at), grid.truth
    if measure == "accuracy":
        return selected == truth, None
    return selected, {"selection_rate": None, "true_positive_rate": truth, "false_positive_rate": ~truth}[measure]


@dataclass(frozen=True)
class Better:
    """A threshold that is established to bring groups closer than they are, at a bearable loss of accuracy."""

    measure: str
    at: int
    now: Gap
    then: Gap
    loss: Change


def better(
    grid: Grid, feature: Feature, points: Sequence[Point], settings: Settings, draws: Draws, max_loss: float
) -> list[Better]:
    """Thresholds whose gap is below today's beyond doubt, at an accuracy loss beyond doubt within `max_loss`.

    Notes
    -----
    A claim is wrong if the lower end of today's gap, the upper end of the other, or that of the loss is. Of the error
    ``1 - level`` the first (one for each measure) are given a quarter together, the second (for each measure and threshold) a
    half, the third (for each threshold) a quarter: Bonferroni, so that looking at every threshold costs nothing.
    """
    error, t = 1 - settings.level, len(grid.thresholds)
    now, then, lost = (replace(settings, level=1 - error / part) for part in (2 * len(SWEPT), len(SWEPT) * t, 2 * t))
    today = {point.measure: point.gap for point in points if point.at == grid.current}
    found = []
    for point in points:
        gap = today.get(point.measure)
        # the strict intervals are wider, so what the shown ones do not tell apart need not be looked at again
        if point.at is None or point.at == grid.current or gap is None or point.gap is None or point.gap.high >= gap.low:
            continue
        loss = grid.loss(point.at, lost.level)
        if loss.high > max_loss or loss.few_clusters:
            continue
        own = measured(grid, feature, point.measure, grid.current, now, draws).gap
        other = measured(grid, feature, point.measure, point.at, then, draws).gap
        if own is not None and other is not None and other.high < own.low:
            found.append(Better(point.measure, point.at, own, other, loss))
    return found


@dataclass(frozen=True)
class Curves:
    """Limits of false (x) and true (y) positive rates at every threshold, in every group: shape (t, k) each.

    All four ends of an interval of the true positive rate at a false positive rate share its error.
    """

    x: FloatArray
    x_low: FloatArray
    x_high: FloatArray
    y: FloatArray
    y_low: FloatArray
    y_high: FloatArray

    @classmethod
    def of(cls, points: Sequence[Point], level: float) -> Curves:
        import numpy as np

        parts: list[FloatArray] = []
        for measure in ("false_positive_rate", "true_positive_rate"):
            several = sorted((p for p in points if p.measure == measure and p.at is not None), key=lambda p: p.at or 0)
            ends = [p.found.intervals(1 - (1 - level) / 2) for p in several]
            parts += [np.array([p.found.value for p in several]), np.array([one.low for one in ends]),
                      np.array([one.high for one in ends])]
        x, x_low, x_high, y, y_low, y_high = parts
        return cls(x, *_mixed(x, x_low, x_high), y, *_mixed(y, y_low, y_high))

    def defined(self, group: int) -> bool:
        """Whether a group has rows of both classes."""
        return bool(self.x[0, group] == self.x[0, group] and self.y[0, group] == self.y[0, group])

    def tpr_at(self, fpr: float, group: int) -> tuple[float, float, float]:
        """True positive rate of a group at a false positive rate: value and limits, from the grid's thresholds alone.

        Notes
        -----
        The threshold with that false positive rate lies above each threshold whose false positive rate is surely higher and
        below each whose rate is surely lower; the true positive rate falls with the threshold. Limits fall with it too (nearly
        so where rows share clusters), so looking at all thresholds errs no more often than looking at the two next to it. A
        coarse grid makes the interval wide, not wrong.
        """
        import numpy as np

        higher, lower = np.flatnonzero(self.x_low[:, group] > fpr), np.flatnonzero(self.x_high[:, group] < fpr)
        high = float(self.y_high[higher[-1], group]) if len(higher) else 1.0
        low = float(self.y_low[lower[0], group]) if len(lower) else 0.0
        ends = (np.r_[0.0, side[::-1, group], 1.0] for side in (self.x, self.y))
        value = float(np.interp(fpr, *ends))
        return value, min(low, value), max(high, value)


def _mixed(rate: FloatArray, low: FloatArray, high: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Limits of rates that fall with the threshold, shape (t, k), where a rate of 0 or 1 hides how far off it is.

    If all rows of a group are decided alike, the limits of clustered rows know nothing but the number of clusters. The limit of
    the next threshold at which they are not holds all the more: a rate of 1 is at least that of any higher threshold.
    """
    import numpy as np

    low, high = low.copy(), high.copy()
    for at in range(len(rate) - 2, -1, -1):
        all_in = rate[at] == 1
        low[at, all_in] = np.fmax(low[at], low[at + 1])[all_in]
    for at in range(1, len(rate)):
        none_in = rate[at] == 0
        high[at, none_in] = np.fmin(high[at], high[at - 1])[none_in]
    return low, high
