"""Games: decisions of cases with some of their parts absent, which every method that perturbs can play."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from raikit.arrays import BoolArray, FloatArray, IntArray


@dataclass(frozen=True)
class Player:
    """A part of a case that is present or absent as a whole: a word, a region, a band, a column, or a whole input."""

    input: str
    label: str


class Game(Protocol):
    """Decisions (log-odds of the decided class; regression: the value) of n cases with any of their players absent."""

    players: Sequence[Sequence[Player]]  # of each case; numbers may differ
    content: BoolArray  # (n, m): players that differ from their baseline; False beyond a case's players

    def values(self, cases: IntArray, masks: BoolArray) -> FloatArray:
        """Compute decisions, shape (k,), of the cases (k,) with the players of `masks` (k, m) present."""
        ...
