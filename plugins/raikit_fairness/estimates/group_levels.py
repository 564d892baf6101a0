"""Levels of scores in groups and in the rests of groups, from which areas are computed.

The levels of all cells are made once for all features. A rest has those of the groups together, without one group's weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from raikit.arrays import IntArray
from raikit.stats.areas import ScoreLevels, sum_by_score
from raikit_fairness.estimates.case_counts import Cells, ascends
from raikit_fairness.estimates.functionals import rank_of

_LARGEST_COUNT = np.iinfo(np.int32).max


@dataclass(frozen=True)
class CellLevels:
    """Levels of cells in ascending order of their scores, and the level of each cell.

    Parameters
    ----------
    levels : ScoreLevels
    of_cell : ndarray of int, shape (n,)
    """

    levels: ScoreLevels
    of_cell: IntArray


def cell_levels(cells: Cells, positive: int) -> CellLevels:
    """Return the levels of cells in ascending order of their scores; they are kept, for other metrics and features."""

    def levels_of(cells: Cells) -> CellLevels:
        levels = ScoreLevels.of(cells.truth == positive, rank_of(cells, positive), _weight(cells))
        levels = replace(levels, hit=_small(levels.hit), miss=_small(levels.miss))
        return CellLevels(levels, levels.of_each(len(cells)))

    return cells.once((cell_levels, positive), levels_of)


def score_levels(cells: Cells, positive: int) -> ScoreLevels:
    """Return the levels of the scores of a class, of cells in any order."""
    ranks = rank_of(cells, positive)
    if ascends(ranks):
        return cell_levels(cells, positive).levels
    order = np.argsort(ranks, kind="stable")
    return ScoreLevels.of(cells.truth[order] == positive, ranks[order], _weight(cells)[order])


@dataclass(frozen=True)
class RestLevels:
    """Levels of rests of groups.

    Parameters
    ----------
    everyone : Cells
        In ascending order of their scores.
    groups : sequence of Cells
        Those of each group, in the same order.
    order : ndarray of int
        Positions of the groups' cells among those of everyone, one group after the other.
    positive : int
    """

    everyone: Cells
    groups: Sequence[Cells]
    order: IntArray
    positive: int

    def without(self, group: int, kept: Sequence[int]) -> CellLevels:
        """Return the levels of all kept groups but one."""
        whole = cell_levels(self.everyone, self.positive)
        others = [other for other in kept if other != group]
        if self.everyone.weighted:  # a sum minus one of its terms may miss 0
            return CellLevels(self._sum(others, whole.levels), whole.of_cell)
        together = self._together(tuple(kept), whole.levels)
        hit, miss, own = together.hit.copy(), together.miss.copy(), self._sums[group]
        hit[own.starts] -= own.hit
        miss[own.starts] -= own.miss
        return CellLevels(ScoreLevels(hit, miss, whole.levels.starts), whole.of_cell)

    @cached_property
    def _sums(self) -> list[ScoreLevels]:
        """Return each group's weights at those levels of everyone at which it has cases, whose numbers are the `starts`."""
        place = cell_levels(self.everyone, self.positive).of_cell[self.order]
        ends = np.cumsum([len(cells) for cells in self.groups])
        sums = []
        for cells, end in zip(self.groups, ends.tolist(), strict=True):
            own = place[end - len(cells) : end]
            if not len(own):
                sums.append(ScoreLevels(own, own, own))
                continue
            hit = (w := _weight(cells)) * (cells.truth == self.positive)
            levels = sum_by_score(own, hit, w - hit)
            sums.append(ScoreLevels(_small(levels.hit), _small(levels.miss), own[levels.starts]))
        return sums

    def _together(self, kept: tuple[int, ...], levels: ScoreLevels) -> ScoreLevels:
        """Return the levels of the kept groups, which are those of everyone where every cell is in one of them."""
        if len(kept) == len(self.groups) and len(self.order) == len(self.everyone):
            return levels
        if kept not in self._kept:
            self._kept.clear()
            self._kept[kept] = self._sum(kept, levels)
        return self._kept[kept]

    @cached_property
    def _kept(self) -> dict[tuple[int, ...], ScoreLevels]:
        return {}

    def _sum(self, groups: Sequence[int], levels: ScoreLevels) -> ScoreLevels:
        hit, miss = np.zeros_like(levels.hit), np.zeros_like(levels.miss)
        for group in groups:
            own = self._sums[group]
            hit[own.starts] += own.hit
            miss[own.starts] += own.miss
        return ScoreLevels(hit, miss, levels.starts)


def _weight(cells: Cells) -> Any:
    """Return the weight of each cell: without weights, its number of cases."""
    return cells.w if cells.weighted else cells.n


def _small(values: Any) -> Any:
    """Return numbers of cases in half of the memory where they fit."""
    return values.astype(np.int32) if values.dtype.kind == "i" and values.max(initial=0) <= _LARGEST_COUNT else values
