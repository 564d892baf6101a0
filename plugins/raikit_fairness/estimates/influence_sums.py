"""Value of a functional in one group or rest, and the influences of its cases, summed by unit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from raikit.arrays import FloatArray, IntArray
from raikit.stats.areas import AveragePrecision, RocArea, ScoreLevels, average_precision_bias, level_influences
from raikit.stats.covariance import known_size
from raikit_fairness.estimates.functionals import AreaFunctional, Functional, LabelFunctional, rank_of
from raikit_fairness.estimates.group_levels import CellLevels
from raikit_fairness.estimates.grouped_cells import Part, UnitSums


def evaluate(part: Part, functional: Functional, sums: UnitSums) -> tuple[float, float]:
    """Return the value of a functional and its bias, and add the influences of the cases and their squares to `sums`."""
    if isinstance(functional, LabelFunctional):
        return _evaluate_labels(part, functional, sums), 0.0
    if isinstance(functional, AreaFunctional) and part.cells.ranks is not None and part.cells.ranks.ndim == 1:
        return _evaluate_area(part, functional, sums)
    cells = part.whole()
    value, influence = functional(cells)
    if np.isnan(value):
        return value, 0.0
    squares = _squares(influence, cells.w, cells.w2 if cells.weighted else None)
    _add(sums, part, slice(None), influence, squares)
    if isinstance(functional, AreaFunctional) and functional.area is AveragePrecision:
        positive = functional.positive
        return value, average_precision_bias(cells.truth == positive, rank_of(cells, positive), cells.w)
    return value, 0.0


def _evaluate_area(part: Part, functional: AreaFunctional, sums: UnitSums) -> tuple[float, float]:
    if not functional.defined(part.summary):
        return float("nan"), 0.0
    scores = part.levels(functional.positive)
    area = functional.area.of(scores.levels)
    if part.cells.units is None and not part.cells.weighted:
        _add_levels(sums, area, scores.levels)
    else:
        _add_cells(sums, part, functional.positive, scores.of_cell, level_influences(area, scores.levels))
    return area.value, _bias(part, functional.positive, area, scores) if isinstance(area, AveragePrecision) else 0.0


def _add_levels(sums: UnitSums, area: RocArea | AveragePrecision, levels: ScoreLevels) -> None:
    """Add the cases at each level, which have the same influence if they have the same class."""
    for where, of_hit, of_miss in area.influences(levels):
        hit, miss = levels.hit[where], levels.miss[where]
        by_hit, by_miss = hit * of_hit, miss * of_miss
        sums.add(None, hit + miss, by_hit + by_miss, by_hit * of_hit + by_miss * of_miss)


def _add_cells(
    sums: UnitSums, part: Part, positive: int, level: IntArray, influences: tuple[FloatArray, FloatArray]
) -> None:
    of_hit, of_miss = influences
    for where in part.slices:
        each = np.where(part.cells.truth[where] == positive, of_hit[level[where]], of_miss[level[where]])
        influence = each * part.w(where)
        _add(sums, part, where, influence, each * (each * part.w2(where) if part.cells.weighted else influence))


def _bias(part: Part, positive: int, area: AveragePrecision, scores: CellLevels) -> float:
    """Return the bias of an average precision."""
    if not part.cells.weighted:
        return area.bias(scores.levels)
    cells = part.whole()
    one = cells.w2 / np.where(cells.w > 0, cells.w, 1)
    return area.bias_of_cases(scores.levels, cells.w * (cells.truth == positive), one, scores.of_cell)


def _evaluate_labels(part: Part, functional: LabelFunctional, sums: UnitSums) -> float:
    """Compute the influences of each pair of truth and prediction once."""
    summary = part.summary
    value, influence = functional(summary)
    if np.isnan(value):
        return value
    derivative = influence / summary.w
    if part.cells.units is None:
        weights = [summary.n, summary.w, summary.w2] if part.cells.weighted else [summary.n]
        _add_weighed(sums, None, weights, influence, derivative**2 * summary.w2)
        return value
    tables = part.labels()
    classes = tables[0].shape[1] if tables else 1 + int(max(summary.truth.max(), summary.prediction.max()))
    by_label = np.zeros((classes, classes))
    by_label[summary.truth, summary.prediction] = derivative
    if tables:
        weights = [table.sum(axis=(1, 2)) for table in tables]
        influences = np.einsum("utp,tp->u", tables[1 if part.cells.weighted else 0], by_label)
        sums.add(np.arange(sums.k), *weights, influences, np.einsum("utp,tp->u", tables[-1], by_label**2))
        return value
    for where in part.slices:
        w, w2 = part.w(where), part.w2(where)
        # A label that does not occur in the part has no weight there either.
        truth, prediction = (np.minimum(labels[where], classes - 1) for labels in (part.cells.truth, part.cells.prediction))
        each = by_label[truth, prediction]
        _add(sums, part, where, each * w, each**2 * w2)
    return value


def _add(sums: UnitSums, part: Part, where: Any, influence: FloatArray, squares: FloatArray) -> None:
    _add_weighed(sums, part.units(where), part.weights(where), influence, squares)


def _add_weighed(
    sums: UnitSums, unit: IntArray | None, weights: Sequence[Any], influence: FloatArray, squares: FloatArray
) -> None:
    """Add cells to the sums of their units; of weighted cases that share none also what `known_df` needs."""
    if unit is not None or len(weights) == 1:
        sums.add(unit, *weights, influence, squares)
        return
    n, w, w2 = weights
    each = np.divide(influence, w, out=np.zeros(len(w)), where=w > 0) ** 2
    # Of a cell's weights two moments are known; the fourth is taken as that of a log-normal distribution with these.
    kish = np.divide(w**2, w2, out=np.ones(len(w)), where=w2 > 0)
    fourths = squares**2 * np.minimum(n**3 / kish**4, 1.0)
    sums.add(unit, *weights, influence, squares, fourths, n * each, n * each**2)


def known_df(squares: FloatArray, fourths: FloatArray, alike_squares: FloatArray, alike_fourths: FloatArray) -> float:
    """Return degrees of freedom of a variance of weighted cases, from the squared contributions that it rests on.

    These are few where heavy cases contribute much. The variance is known as well as that of alike cases the more the number
    of contributions is that of cases that weigh alike.
    """
    total, of_fourths, alike, of_alike = (float(part.sum()) for part in (squares, fourths, alike_squares, alike_fourths))
    if not (of_fourths > 0 and of_alike > 0):
        return np.inf
    return float(known_size(np.array([total**2 / of_fourths]), np.array([alike**2 / of_alike]))[0])


def _squares(influence: FloatArray, w: FloatArray, w2: FloatArray | None) -> FloatArray:
    """Return the sum of the squared influences of each cell's cases; cells that count for nothing have none."""
    squares = influence**2
    weight = np.where(w > 0, w, 1)
    squares /= weight
    if w2 is not None:
        squares *= w2
        squares /= weight
    return squares
