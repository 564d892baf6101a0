"""Expected calibration error in groups, compared by limits that are free of its bias (which small groups have most of)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from raikit_fairness.estimates.group_estimates import Estimates, Intervals, Settings

if TYPE_CHECKING:
    import numpy as np

    from raikit.stats import Contrasts, Gap
    from raikit.stats.calibration import CalibrationError
    from raikit_fairness.estimates.case_counts import BoolArray, Cells, Feature, FloatArray, IntArray
    from raikit_fairness.estimates.group_estimates import Draws

_BINS = 10
_METHOD = "limits of each group free of the bias, Bonferroni"


@dataclass(frozen=True)
class Calibrated(Estimates):
    """Calibration errors of k groups over ten bins of equally many of a group's rows.

    The estimate is biased upwards, the more so the fewer rows: of two calibrated groups the smaller looks worse. So
    groups are compared by their limits alone, which is wide and holds.

    Parameters
    ----------
    found : list of CalibrationError or None
    n : ndarray of int, shape (k,)
    everyone : CalibrationError
    cells, feature, positive
    """

    found: list[CalibrationError | None]
    n: IntArray
    everyone: CalibrationError
    cells: Any
    feature: Any
    positive: int
    draws: Any

    @property
    def value(self) -> FloatArray:
        import numpy as np

        return np.array([np.nan if one is None else one.value for one in self.found])

    @property
    def overall(self) -> float:
        return self.everyone.value

    @property
    def n_clusters(self) -> IntArray | None:
        import numpy as np

        if not self.cells.clusters:
            return None
        return np.array([0 if one is None else one.n_clusters or 0 for one in self.found])

    def _limits(self, tail: float) -> tuple[FloatArray, FloatArray]:
        import numpy as np

        ends = [(np.nan, np.nan) if one is None else one.limits(tail) for one in self.found]
        return np.array([low for low, _ in ends]), np.array([high for _, high in ends])

    def intervals(self, level: float) -> Intervals:
        import numpy as np

        low, high = self._limits((1 - level) / 2)
        return Intervals(low, high, self.n.astype(float), f"{_BINS} bins of equal size, lower end free of the bias",
                         np.zeros(len(self.n), dtype=bool))

    def gap(self, keep: BoolArray, settings: Settings, draws: Draws) -> Gap:
        low, high = self._ends(keep, settings)
        lower = max(0.0, float(_off_diagonal(low[0][:, None] - high[0]).max()))
        upper = float(_off_diagonal(high[1][:, None] - low[1]).max())
        return self._gap(keep, lambda value: float(value.max() - value.min()), lower, min(1.0, upper))

    def ratio(self, keep: BoolArray, settings: Settings, draws: Draws, p_value: float | None = None) -> Gap:
        import numpy as np

        low, high = self._ends(keep, settings)
        with np.errstate(divide="ignore", invalid="ignore"):
            upper = float(np.nanmin(_off_diagonal(high[0][:, None] / low[0], np.inf)))
            lower = float(np.nanmin(_off_diagonal(low[1][:, None] / high[1], np.inf)))
        return self._gap(keep, lambda value: float(value.min() / value.max()), lower, min(1.0, upper))

    def _ends(self, keep: BoolArray, settings: Settings) -> tuple[list[FloatArray], list[FloatArray]]:
        """Lower and upper limits that hold for all kept groups at once, then those that hold for one pair."""
        tail, k = (1 - settings.level) / 2, int(keep.sum())
        both = [self._limits(part) for part in (tail / (2 * k), tail / 2)]
        return [low[keep] for low, _ in both], [high[keep] for _, high in both]

    def _gap(self, keep: BoolArray, of: Any, low: float, high: float) -> Gap:
        import numpy as np

        from raikit import stats

        value = self.value[keep]
        return stats.Gap(of(value), low, high, None, float("nan"), None, int(np.argmin(value)), int(np.argmax(value)), _METHOD)

    def versus_rest(self, keep: BoolArray, settings: Settings, draws: Draws) -> Contrasts:
        import numpy as np

        kept = np.flatnonzero(keep)
        code = self.feature.code
        rests = [_error(self.cells, np.flatnonzero(np.isin(code, kept) & (code != at)), self.positive,
                        draws.rng("calibration", "rest", int(at), self.positive)) for at in kept]
        return self._against([self.found[at] for at in kept], rests, settings)

    def versus(self, reference: int, keep: BoolArray, settings: Settings) -> Contrasts:
        import numpy as np

        others = [int(at) for at in np.flatnonzero(keep) if at != reference]
        return self._against([self.found[at] for at in others], [self.found[reference]] * len(others), settings)

    def _against(self, groups: list[Any], others: list[Any], settings: Settings) -> Contrasts:
        import numpy as np

        from raikit import stats

        tail = (1 - settings.level) / 2 / max(len(groups), 1) / 2
        value = np.array([one.value - other.value for one, other in zip(groups, others, strict=True)])
        ends = [(one.limits(tail), other.limits(tail)) for one, other in zip(groups, others, strict=True)]
        low, high = (np.array([mine[side] - theirs[1 - side] for mine, theirs in ends]) for side in (0, 1))
        unknown = np.full(len(value), np.nan)
        return stats.Contrasts(value, low, high, unknown, unknown, float("nan"), f"{_METHOD} over {len(groups)} groups")


def _off_diagonal(matrix: FloatArray, filler: float = float("-inf")) -> FloatArray:
    import numpy as np

    np.fill_diagonal(matrix, filler)
    return matrix


def calibrated(cells: Cells, feature: Feature, positive: int, draws: Draws) -> Calibrated:
    """Estimate the calibration error in every group of a feature."""
    import numpy as np

    found = [_error(cells, rows, positive, draws.rng("calibration", at, positive)) if cells.w[rows].sum() > 0 else None
             for at, rows in enumerate(feature.members)]
    n = np.array([int(cells.n[rows].sum()) for rows in feature.members], dtype=np.int64)
    everyone = _error(cells, np.arange(len(cells)), positive, draws.rng("calibration", "all", positive))
    return Calibrated(found, n, everyone, cells, feature, positive, draws)


def _error(cells: Cells, rows: IntArray, positive: int, rng: np.random.Generator) -> CalibrationError:
    from raikit import stats
    from raikit_fairness.estimates.influence import class_score

    part = cells.part(rows[cells.w[rows] > 0])
    score = class_score(positive)(part)
    return stats.calibration_error(part.truth == positive, score, stats.equal_bins(score, _BINS),
                                   part.w if part.weighted else None, part.clusters, rng=rng, draws=4_000)
