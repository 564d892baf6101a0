"""A game over raw inputs: decisions of any model that gives scores, with parts of a case left out before the model reads it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import raikit
from raikit.arrays import BoolArray, FloatArray, IntArray
from raikit_explain.estimates import raw_parts
from raikit_explain.estimates.games import Player

CLIP = 1e-4  # A probability of 0 or 1 has no log-odds; this is 9.2 either way.
_MOST_CASES = 256
_MOST_CELLS = 4_000_000
_NO_LIMIT = 2**62
_VALUE = "units of the target"


@dataclass
class Meter:
    """Inputs that a model has scored, and the most that it may.

    Attributes
    ----------
    most : int
    scored : int
    clipped : int
        Scores whose probability was too near to 0 or 1 for log-odds.
    """

    most: int
    scored: int = 0
    clipped: int = 0

    def spend(self, number: int) -> None:
        """Count inputs before they are scored.

        Raises
        ------
        raikit.SkipCheck
            If they are more than are allowed.
        """
        if self.scored + number > self.most:
            raise raikit.SkipCheck(f"it would score more than {self.most:,} inputs", "fewer `rows` or a larger `max_scored`")
        self.scored += number


class RawGame:
    """Decisions of n cases with any of their parts left out; a `raikit_explain.estimates.games.Game`.

    Parameters
    ----------
    model : Model
        Only its `scores` is called.
    cases : sequence of raw_parts.Case
        The parts of each case.
    decided : ndarray of int, shape (n,)
        Column of the decided class; ignored for regression.
    meter : Meter
    regression : bool

    Attributes
    ----------
    players : list of list of Player
    content : ndarray of bool, shape (n, m)
        Parts that differ from what replaces them.
    unit : str
        ``log-odds``; ``decisions`` (1 if it stays, else 0) of a model that gives labels only; ``units of the target``.
    """

    def __init__(
        self, model: raikit.Model, cases: Sequence[raw_parts.Case], decided: IntArray, meter: Meter, *, regression: bool = False,
    ) -> None:
        self._model, self._cases, self._decided, self._meter = model, list(cases), decided, meter
        self._log_odds = not regression and "scores" in model.capabilities
        self.unit = _VALUE if regression else "log-odds" if self._log_odds else "decisions"
        self._known: dict[bytes, float] = {}
        self.players: Sequence[Sequence[Player]] = [case.players for case in self._cases]
        self.content: BoolArray = np.zeros((len(self._cases), max([len(own) for own in self.players] + [1])), dtype=bool)
        for row, case in enumerate(self._cases):
            self.content[row, : len(case.content)] = case.content

    def values(self, cases: IntArray, masks: BoolArray) -> FloatArray:
        """Compute decisions, shape (k,), of the cases (k,) with the players of `masks` (k, m) present.

        Each combination is scored once, however often it is asked for. A part that equals its replacement changes nothing, so
        combinations that differ in such parts alone are one.

        Raises
        ------
        raikit.ModelError
            If the model fails on a case without some of its parts.
        """
        cases = np.asarray(cases, dtype=np.int64)
        masks = np.asarray(masks, dtype=bool) & self.content[cases]
        keys = list(map(bytes, np.column_stack([cases.view(np.uint8).reshape(len(cases), 8), np.packbits(masks, axis=1)])))
        new = {key: row for row, key in reversed(list(enumerate(keys))) if key not in self._known}
        rows = np.sort(np.fromiter(new.values(), dtype=np.int64, count=len(new)))
        self._meter.spend(len(rows))
        for part in self._batches(cases[rows]):
            values = self._score(cases[rows[part]], masks[rows[part]])
            self._known.update(zip([keys[row] for row in rows[part]], values.tolist(), strict=True))
        return np.array([self._known[key] for key in keys], dtype=np.float64)

    def magnitudes(self) -> FloatArray:
        """Return how far each part is from what replaces it, shape (n, m): a picture that knows no model."""
        sizes = np.zeros(self.content.shape)
        for row, case in enumerate(self._cases):
            sizes[row, : len(case.players)] = case.sizes
        return np.where(self.content, sizes, 0.0)

    def of_another(self, model: raikit.Model) -> RawGame:
        """Return the same game with another model, whose scorings are not limited."""
        return RawGame(model, self._cases, self._decided, Meter(_NO_LIMIT), regression=self.unit == _VALUE)

    def _batches(self, cases: IntArray) -> Iterator[slice]:
        """Yield parts that fit in memory: of pictures and sounds fewer than of rows."""
        cells = max((self._cases[case].cells for case in cases), default=1)
        size = int(np.clip(_MOST_CELLS // max(cells, 1), 1, _MOST_CASES))
        for start in range(0, len(cases), size):
            yield slice(start, min(start + size, len(cases)))

    def _score(self, cases: IntArray, masks: BoolArray) -> FloatArray:
        batch = raw_parts.assemble([self._cases[case] for case in cases], masks)
        try:
            scores = np.asarray(self._model.scores(batch), dtype=np.float64)
        except raikit.SkipCheck:
            raise
        except Exception as error:
            raise raikit.ModelError(
                f"The model cannot score cases of which parts are left out: {type(error).__name__}: {str(error)[:300]}") from error
        if self.unit == _VALUE:
            return np.asarray(scores[:, 0])
        probability = scores[np.arange(len(cases)), self._decided[cases]]
        if not self._log_odds:
            return np.asarray(probability)
        self._meter.clipped += int(((probability < CLIP) | (probability > 1 - CLIP)).sum())
        probability = np.clip(probability, CLIP, 1 - CLIP)
        return np.asarray(np.log(probability) - np.log1p(-probability))


@dataclass(frozen=True)
class Baselines:
    """What replaces parts that are left out, as far as other cases decide it.

    Attributes
    ----------
    columns : mapping of input name to mapping of column to value
        The lower median of an ordered column, the most frequent value of another: values that occur, so that no encoder
        meets an unknown one.
    missing : set of str
        Inputs that some case lacks. The model is known to accept cases without them; another input as a whole is replaced by
        its neutral form.
    scales : mapping of input name to mapping of column to float
        Standard deviations of columns of numbers.
    """

    columns: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    missing: frozenset[str] = frozenset()
    scales: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


def part_games(
    model: raikit.Model, modalities: Mapping[str, str], batch: raikit.Batch, decided: IntArray, baselines: Baselines, meter: Meter,
    *, most: int, regression: bool = False,
) -> RawGame:
    """Return the game whose players are words, regions, bands of time and frequency, and columns.

    Parameters
    ----------
    most : int
        Players of one text, picture or sound; larger ones are cut into as many groups.
    """
    cases = raw_parts.parts_of(batch, modalities, baselines.columns, most, baselines.scales)
    return RawGame(model, cases, decided, meter, regression=regression)


def input_game(
    model: raikit.Model, modalities: Mapping[str, str], batch: raikit.Batch, decided: IntArray, baselines: Baselines, meter: Meter,
    *, regression: bool = False,
) -> RawGame:
    """Return the game whose players are whole inputs."""
    cases = raw_parts.inputs_of(batch, modalities, baselines.columns, baselines.missing)
    return RawGame(model, cases, decided, meter, regression=regression)
