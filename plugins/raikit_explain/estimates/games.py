"""Games: decisions of cases with some of their parts absent, which every method that perturbs can play."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from raikit.arrays import BoolArray, FloatArray, IntArray
from raikit.models.positions import EncodedColumns, Pixels, Positions, Tokens
from raikit_explain.estimates.attributions import batch_size, evaluate, scorer, slices

if TYPE_CHECKING:
    import raikit
    from raikit.models.encoded import Encoded

_GRID = 8  # rows and columns of a picture or spectrogram
_STRETCHES = 32  # of a wave
_MOST_PARTS = 512  # of tokens, columns or anything else along one axis


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


class EncodedGame:
    """A game of a differentiable model: the players are groups of positions of its encoded inputs.

    A token, a column, a patch of a picture (at most 8 × 8), a patch of a spectrogram (at most 8 × 8) or a stretch of a wave (at
    most 32) is a player. An absent player has the values of the model's baseline; what is no player, such as an attention mask,
    stays. A column of `content` is the same player in all cases.

    Parameters
    ----------
    model : Model
        With the capability ``gradients``.
    encoded : Encoded
        Inputs of n cases.
    decided : Tensor of int, shape (n,)
        Column of the logits of each decision.
    positions : mapping of input name to sequence of Positions
        From `raikit.Model.positions`; an input that is left out has numbered positions.
    scale : float
        Regression: the target's units per unit of the output.

    Attributes
    ----------
    content : ndarray of bool, shape (n, m)
        Players that differ from their baseline. Tokens without a text of their own (start, padding) are not content.
    """

    def __init__(
        self, model: raikit.Model, encoded: Encoded, decided: Tensor, positions: Mapping[str, Sequence[Positions]],
        scale: float = 1.0,
    ) -> None:
        self._encoded, self._decided = encoded, decided
        self._score = scorer(model, encoded, scale)
        self._parts: dict[str, IntArray] = {}
        self._slices: dict[str, slice] = {}
        start = 0
        for name, tensor in encoded.items():
            parts = _parts(tuple(tensor.shape[1:]), next(iter(positions.get(name) or ()), None), model.modalities.get(name))
            size = int(parts.max(initial=-1)) + 1
            self._parts[name], self._slices[name] = parts, slice(start, start + size)
            start += size
        self.content = self._content(positions)
        self.players: Sequence[Sequence[Player]] = [
            [Player(name, label) for name in encoded for label in self._labels(name, row, positions)]
            for row in range(len(decided))]

    def values(self, cases: IntArray, masks: BoolArray) -> FloatArray:
        """Compute decisions with some players absent; batches are bounded in memory.

        Parameters
        ----------
        cases : ndarray of int, shape (k,)
        masks : ndarray of bool, shape (k, m)
            Which players are present.

        Returns
        -------
        ndarray, shape (k,)
        """
        pieces = [self._play(cases[part], masks[part]) for part in slices(len(cases), batch_size(self._encoded))]
        return np.concatenate(pieces) if pieces else np.zeros(0)

    def totals(self, values: Mapping[str, npt.NDArray[Any]]) -> FloatArray:
        """Sum attributions of elements over players.

        Parameters
        ----------
        values : mapping of input name to ndarray, shape (n, …)
            Shapes as those of the encoded inputs.

        Returns
        -------
        ndarray, shape (n, m)
        """
        return np.concatenate([self._sums(name, values[name]) for name in self._parts], axis=1)

    def magnitudes(self) -> FloatArray:
        """Sum over players how far each element is from its baseline, shape (n, m): a picture that knows no model."""
        return self.totals({name: (tensor - self._encoded.baseline(name)).abs().double().cpu().numpy()
                            for name, tensor in self._encoded.items()})

    def _play(self, cases: IntArray, masks: BoolArray) -> FloatArray:
        device = self._decided.device
        at = torch.from_numpy(cases).to(device)
        part = self._encoded.take(at)
        present = torch.from_numpy(masks).to(device)
        shown = [torch.where(self._elements(name, present), tensor, part.baseline(name)) for name, tensor in part.items()]
        return evaluate(self._score, part.with_inputs(shown), self._decided[at])

    def _elements(self, name: str, present: Tensor) -> Tensor:
        """Return which elements of an input are present, in a shape that broadcasts over the input."""
        of_input, parts = present[:, self._slices[name]], self._parts[name]
        return of_input[:, torch.from_numpy(parts.ravel()).to(present.device)].reshape(len(present), *parts.shape)

    def _sums(self, name: str, values: npt.NDArray[Any]) -> FloatArray:
        where = self._slices[name]
        parts = np.broadcast_to(self._parts[name], values.shape[1:]).ravel()
        flat = np.asarray(values, dtype=np.float64).reshape(len(values), -1)
        size = where.stop - where.start
        sums = np.zeros((len(flat), size))
        for row in range(len(flat)):
            sums[row] = np.bincount(parts, flat[row], minlength=size)
        return sums

    def _content(self, positions: Mapping[str, Sequence[Positions]]) -> BoolArray:
        differs = self.totals({name: (tensor != self._encoded.baseline(name)).cpu().numpy()
                               for name, tensor in self._encoded.items()}) > 0
        for name, of_cases in positions.items():
            for row, of_case in enumerate(of_cases if name in self._parts else ()):
                if isinstance(of_case, Tokens):
                    differs[row, self._slices[name]] &= self._read(name, of_case)
        return differs

    def _read(self, name: str, tokens: Tokens) -> BoolArray:
        """Return which players of a text hold a token with a text of its own."""
        parts = self._parts[name].ravel()
        read = np.zeros(int(parts.max(initial=-1)) + 1, dtype=bool)
        for place, word in enumerate(tokens.text[: len(parts)]):
            read[parts[place]] |= bool(word) and (not tokens.spans or tokens.spans[place] is not None)
        return read

    def _labels(self, name: str, row: int, positions: Mapping[str, Sequence[Positions]]) -> list[str]:
        where, parts = self._slices[name], self._parts[name]
        of_case = positions[name][row] if positions.get(name) else None
        size = where.stop - where.start
        grid = [length for length in parts.shape if length > 1]
        if isinstance(of_case, Tokens) and size == parts.size:
            words = [*of_case.text, *[""] * size][:size]
            return [str(word) or f"token {place + 1}" for place, word in enumerate(words)]
        if isinstance(of_case, EncodedColumns) and size == len(of_case.names):
            return list(of_case.names)
        if len(grid) == 2:
            columns = int(parts.reshape(grid)[0].max()) + 1
            return [f"row {place // columns + 1}, column {place % columns + 1}" for place in range(size)]
        return [f"part {place + 1}" for place in range(size)]


def _parts(shape: tuple[int, ...], positions: Positions | None, modality: str | None) -> IntArray:
    """Return the player of each element, in a shape that broadcasts over the input's.

    Planes (the last two axes of pictures and of spectrograms) are cut into a grid; sequences along their first axis, waves
    along their last.
    """
    if not shape:
        return np.zeros((), dtype=np.int64)
    plane = len(shape) == 3 or (len(shape) == 2 and modality == "audio")
    if plane:
        patch = positions.patch if isinstance(positions, Pixels) and positions.patch else 1
        rows, columns = (_cut(length, _GRID, patch) for length in shape[-2:])
        grid = rows[:, None] * (int(columns.max()) + 1) + columns[None, :]
        return np.asarray(grid.reshape((1,) * (len(shape) - 2) + grid.shape))
    if modality == "audio":
        return _cut(shape[-1], _STRETCHES).reshape((1,) * (len(shape) - 1) + (shape[-1],))
    most = _GRID * _GRID if modality == "image" else _MOST_PARTS
    return _cut(shape[0], most).reshape((shape[0],) + (1,) * (len(shape) - 1))


def _cut(length: int, most: int, patch: int = 1) -> IntArray:
    """Cut an axis into at most `most` stretches of nearly equal length, between patches only.

    Examples
    --------
    >>> _cut(6, 3).tolist(), _cut(6, 3, patch=3).tolist()
    ([0, 0, 1, 1, 2, 2], [0, 0, 0, 1, 1, 1])
    """
    patches = np.arange(length) // patch
    count = int(patches.max(initial=0)) + 1
    return np.asarray(patches * min(most, count) // count, dtype=np.int64)
