"""Cells in the order of their groups, so that one group is a view of them and no group's cells are copied."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import pairwise
from typing import Any

import numpy as np

from raikit.arrays import BoolArray, FloatArray, IntArray
from raikit_fairness.estimates.case_counts import Cells, Units, ascends, cluster_units
from raikit_fairness.estimates.features import Feature
from raikit_fairness.estimates.group_levels import CellLevels, RestLevels, cell_levels

_PIECE = 1 << 16  # cells of a piece: its arrays stay in a processor's cache


def _no_tables() -> None:
    return None


@dataclass(frozen=True)
class Part:
    """One group's cells, or those of all other groups.

    Parameters
    ----------
    cells : Cells
        Views; in ascending order of their scores, where there is one score of each.
    counted : ndarray of bool, shape (m,), or None
        Which of them belong to the part; None: all.
    summary : Cells
        The part's cases in one cell for each truth and prediction (regression: in one cell).
    slices : list of slice
        Pieces of the cells.
    levels : callable
        From the position of a class to the levels of the scores of its cases and the others.
    labels : callable
        Returns the part's number of cases by unit, truth and prediction, shape (units, c, c), and of weighted cells their sums of
        weights and squared weights; None without clusters, or where most of these tables would be empty.
    """

    cells: Cells
    counted: BoolArray | None
    summary: Cells
    slices: Sequence[slice]
    levels: Callable[[int], CellLevels]
    labels: Callable[[], list[FloatArray] | None] = _no_tables

    def whole(self) -> Cells:
        """Return the cells, of which those outside the part have no cases and no weight."""
        return self.cells if self.counted is None else self.cells.masked(self.counted)

    def n(self, where: slice) -> IntArray:
        """Return the number of the part's cases in each cell of a piece."""
        n: IntArray = self._inside(self.cells.n, where)
        return n

    def units(self, where: slice) -> IntArray | None:
        """Return the units of the cells in a piece; None without clusters."""
        return None if self.cells.units is None else self.cells.units.code[where]

    def w(self, where: slice) -> Any:
        """Return the weight of the part's cases in each cell of a piece: without weights, their number."""
        return self._inside(self.cells.w if self.cells.weighted else self.cells.n, where)

    def w2(self, where: slice) -> Any:
        """Return the squared weights of the part's cases in each cell of a piece: without weights, their number."""
        return self._inside(self.cells.w2 if self.cells.weighted else self.cells.n, where)

    def weights(self, where: slice) -> list[Any]:
        """Return number, weight and squared weight of the part's cases in each cell; without weights, their number."""
        return [self.n(where), self.w(where), self.w2(where)] if self.cells.weighted else [self.n(where)]

    def _inside(self, values: Any, where: slice) -> Any:
        return values[where] if self.counted is None else values[where] * self.counted[where]

    def size(self, where: slice) -> int:
        """Return how many cells of a piece belong to the part."""
        return where.stop - where.start if self.counted is None else int(np.count_nonzero(self.counted[where]))

    def position(self, number: int, sizes: IntArray) -> int:
        """Return where the cell with a number among the part's is; `sizes` are the cumulative sizes of the pieces."""
        if self.counted is None:
            return number
        at = int(np.searchsorted(sizes, number, side="right"))
        where, before = self.slices[at], int(sizes[at - 1]) if at else 0
        return int(where.start) + int(np.flatnonzero(self.counted[where])[number - before])


@dataclass(frozen=True)
class LabelTables:
    """Labels counted by cluster and group. It does not know the groups' parts, which know it: a circle would keep all cells.

    Parameters
    ----------
    cells, code
        As in `GroupedCells`.
    k, c : int
        Numbers of groups and of classes.
    """

    cells: Cells
    code: IntArray
    k: int
    c: int

    def of(self, groups: Sequence[int]) -> list[FloatArray] | None:
        """Return `Part.labels` of some groups together, which are not subtracted from a total, so that nothing cancels."""
        if self.tables is None or not groups:
            return None
        sums = []
        for table in self.tables:
            together = table[groups[0]].copy()
            for group in groups[1:]:
                together += table[group]
            sums.append(together)
        return sums

    @cached_property
    def tables(self) -> list[FloatArray] | None:
        """Return n, of weighted cells also w and w2, by group, unit, truth and prediction, shape (k, units, c, c)."""
        cells, units, c = self.cells, self.cells.units, self.c
        if units is None or cells.truth.dtype.kind != "i":
            return None
        shape = self.k, units.k, c, c
        if math.prod(shape) > 2 * len(cells):
            return None
        code = ((self.code * units.k + units.code) * c + cells.truth) * c + cells.prediction
        parts = [cells.n, cells.w, cells.w2] if cells.weighted else [cells.n]
        inside = self.code >= 0
        if not inside.all():
            code, parts = code[inside], [part[inside] for part in parts]
        return [np.bincount(code, part, minlength=math.prod(shape)).reshape(shape).astype(float, copy=False) for part in parts]


@dataclass(frozen=True)
class GroupedCells:
    """Cells of positive weight, and each group's.

    Parameters
    ----------
    cells : Cells
        With units, and in ascending order of their scores, where there is one score of each.
    code : ndarray of int, shape (m,)
        Group of each cell; -1 belongs to none.
    feature : Feature
    """

    cells: Cells
    code: IntArray
    feature: Feature

    @cached_property
    def groups(self) -> list[Part]:
        """Return the parts that are groups."""
        return [
            Part(own, None, self._summary([group]), _pieces(own), partial(cell_levels, own), partial(self._labels.of, [group]))
            for group, own in enumerate(self._cells_by_group)
        ]

    @cached_property
    def _order(self) -> IntArray:
        """Return the positions of the cells of the groups, one group after the other."""
        k = self.feature.k
        outside = int((self.code < 0).sum())
        code = np.where(self.code < 0, k, self.code) if outside else self.code
        # One or two bytes are sorted by counting.
        return np.argsort(code.astype(np.min_scalar_type(k)), kind="stable")[: len(code) - outside]

    @cached_property
    def _cells_by_group(self) -> list[Cells]:
        cells = self.cells.take(self._order)
        starts = np.concatenate([[0], np.cumsum(np.bincount(self.code + 1, minlength=self.feature.k + 1)[1:])])
        return [cells.take(slice(start, stop)) for start, stop in pairwise(starts)]

    @property
    def everyone(self) -> Part:
        """Return all cells, also those of no group."""
        return Part(self.cells, None, self.cells, self._slices, partial(cell_levels, self.cells))

    def _levels_of_rests(self, positive: int) -> RestLevels:
        if positive not in self._rest_levels:
            self._rest_levels[positive] = RestLevels(self.cells, self._cells_by_group, self._order, positive)
        return self._rest_levels[positive]

    @cached_property
    def _rest_levels(self) -> dict[int, RestLevels]:
        return {}

    def rest(self, group: int, kept: Sequence[int]) -> Part:
        """Return the cells of all of some groups but one, as those of all cells that count."""
        others = [other for other in kept if other != group]
        counted = np.asarray(self.among(kept) & (self.code != group))

        def levels(positive: int) -> CellLevels:
            return self._levels_of_rests(positive).without(group, kept)

        return Part(self.cells, counted, self._summary(others), self._slices, levels, partial(self._labels.of, others))

    def among(self, kept: Sequence[int]) -> BoolArray:
        """Return which cells belong to one of some groups."""
        if len(kept) == self.feature.k:
            return np.asarray(self.code >= 0)
        return np.asarray(np.isin(self.code, kept))

    @cached_property
    def _slices(self) -> list[slice]:
        return _pieces(self.cells)

    @cached_property
    def _tables(self) -> tuple[int, list[FloatArray]]:
        """Return the number of classes c, and n, w and w2 by group, truth and prediction, each of shape (k, c * c)."""
        cells, k = self.cells, self.feature.k
        labelled = cells.truth.dtype.kind == "i"
        c = 1 + int(max(cells.truth.max(initial=0), cells.prediction.max(initial=0))) if labelled else 1
        code = self.code + 1 if not labelled else ((self.code + 1) * c + cells.truth) * c + cells.prediction
        parts = [cells.n, cells.w, cells.w2] if cells.weighted else [cells.n]
        tables = [np.bincount(code, part, minlength=(k + 1) * c * c).reshape(k + 1, c * c)[1:] for part in parts]
        return c, [table.astype(float) for table in (tables if cells.weighted else tables * 3)]

    @cached_property
    def _labels(self) -> LabelTables:
        return LabelTables(self.cells, self.code, self.feature.k, self._tables[0])

    def _summary(self, groups: Sequence[int]) -> Cells:
        """Return the cases of some groups in one cell for each truth and prediction that occurs."""
        c, tables = self._tables
        n, w, w2 = (table[list(groups)].sum(axis=0) for table in tables)
        occurs = np.flatnonzero(n)
        return Cells(
            occurs // c, occurs % c, n[occurs].astype(np.int64), w[occurs], w2[occurs], [], [], self.cells.weighted
        )


def _pieces(cells: Cells) -> list[slice]:
    """Cut cells into pieces."""
    return [slice(start, min(start + _PIECE, len(cells))) for start in range(0, len(cells), _PIECE)]


def group_cells(cells: Cells, feature: Feature) -> GroupedCells:
    """Return the cells of positive weight by group. Those of the last feature are kept, for its other metrics."""
    last = cells.computed.get(group_cells)
    if last is None or last[0] is not feature:
        counted, order = cells.once(_counted_cells, _counted_cells)
        code = feature.code if order is None else feature.code[order]
        last = cells.computed[group_cells] = feature, GroupedCells(counted, code, feature)
    grouped: GroupedCells = last[1]
    return grouped


def _counted_cells(cells: Cells) -> tuple[Cells, IntArray | None]:
    """Return the cells of positive weight with their units, in ascending order of scores, and their positions; None: all."""
    order = np.flatnonzero(cells.w > 0)
    if cells.ranks is not None and cells.ranks.ndim == 1 and not ascends(cells.ranks):
        order = order[np.argsort(cells.ranks[order], kind="stable")]
    elif len(order) == len(cells):
        return replace(cells, units=cells.once(_cluster_units, _cluster_units)), None
    counted = cells.take(order)
    return replace(counted, units=cluster_units(counted.clusters)), order


def merge_like_cells(cells: Cells, feature: Feature) -> tuple[Cells, Feature]:
    """Merge cells of the same group, clusters, truth and prediction, where that leaves far fewer of them; without scores."""
    units = cells.once(_shared_units, _shared_units)
    if units is None or cells.truth.dtype.kind != "i":
        return cells, feature
    c = 1 + int(max(cells.truth.max(initial=0), cells.prediction.max(initial=0)))
    empty = cells.w <= 0  # cases without weight are counted by rates and not by others, so they are kept apart
    shape = feature.k + 1, units.k, c, c, 1 + bool(empty.any())
    if 2 * math.prod(shape) > len(cells):
        return cells, feature
    code = np.ravel_multi_index((feature.code + 1, units.code, cells.truth, cells.prediction, empty * (shape[-1] - 1)), shape)
    group, unit, truth, prediction, _ = np.unravel_index(np.arange(math.prod(shape)), shape)
    sums = UnitSums([group, unit, truth, prediction], len(cells))
    sums.add(code, *([cells.n, cells.w, cells.w2] if cells.weighted else [cells.n]))
    (group, unit, truth, prediction), (n, *weights) = sums.result()
    w, w2 = weights or (n, n)
    clusters = [column[unit] - 1 for column in units.clusters]
    merged = Cells(truth, prediction, n.astype(np.int64), w, w2, clusters, cells.cluster_names, cells.weighted)
    return merged, replace(feature, code=group - 1)


def _cluster_units(cells: Cells) -> Units | None:
    return cluster_units(cells.clusters)


def _shared_units(cells: Cells) -> Units | None:
    """Return units of which cases without a cluster share one, as they may in cells of alike cases."""
    return cluster_units([codes + 1 for codes in cells.clusters])


class UnitSums:
    """Sums over cells by unit, such as a combination of clusters; without cluster columns there is one unit.

    Parameters
    ----------
    columns : sequence of ndarray of int, each of shape (units,)
        Numbers that tell a unit, such as its clusters.
    size : int
        Number of cells, which are added in pieces.
    """

    def __init__(self, columns: Sequence[IntArray], size: int) -> None:
        self.columns, self.k = columns, len(columns[0]) if columns else 1
        self._sums: list[FloatArray] = []
        self._size = size
        self._pieces: list[tuple[IntArray, list[Any]]] = []

    def add(self, unit: IntArray | None, *values: FloatArray | IntArray) -> None:
        """Add the cells of a piece by their units; the first values are their numbers of cases."""
        if unit is not None and self.k > _PIECE:  # a table of all units for each piece would be too much
            self._pieces.append((unit, list(values)))
            return
        sums: list[FloatArray]
        if unit is None:
            sums = [np.array([part.sum()], dtype=float) for part in values]
        else:
            sums = [np.bincount(unit, part, minlength=self.k).astype(float, copy=False) for part in values]
        self._sums = [old + new for old, new in zip(self._sums, sums, strict=True)] if self._sums else sums

    def result(self) -> tuple[list[IntArray], list[FloatArray]]:
        """Return the columns of the units that have cases, and their sums."""
        numbers, sums = np.arange(self.k), self._sums
        if self._pieces:
            code = np.concatenate([unit for unit, _ in self._pieces])
            if self.k > 4 * self._size:
                numbers, code = np.unique(code, return_inverse=True)
            columns = zip(*(values for _, values in self._pieces), strict=True)
            sums = [np.bincount(code, np.concatenate(parts), minlength=len(numbers)).astype(float) for parts in columns]
        occurs = np.asarray(sums[0] > 0)
        return [column[numbers[occurs]] for column in self.columns], [part[occurs] for part in sums]
