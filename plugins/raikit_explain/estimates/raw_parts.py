"""Parts of raw inputs that can be left out, and cases put together again without some of them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
import pandas as pd

import raikit
from raikit.arrays import BoolArray, FloatArray, IntArray
from raikit_explain.estimates.games import Player

# Scripts without spaces are cut into characters.
_WORD = re.compile("[\u3040-\u30ff\u3400-\u9fff]\\s*|[^\\s\u3040-\u30ff\u3400-\u9fff]+\\s*")
_LONGEST_SIDE = 8
_MOST_COLUMNS = 64
_BANDS = 4
_FEWEST_SAMPLES = 64


class Part(Protocol):
    """One input of one case, cut into players."""

    players: list[Player]
    content: list[bool]
    cells: int

    def sizes(self) -> list[float]:
        """Return how far each player is from what replaces it, which says nothing of any model."""
        ...

    def keep(self, present: BoolArray) -> Any:
        """Return the input with its other players replaced."""
        ...


@dataclass(frozen=True)
class Case:
    """One case: its parts by input, and what else of it belongs into a batch."""

    id: Any
    parts: dict[str, Part]
    whole: Any = None
    part: Any = None

    @cached_property
    def players(self) -> list[Player]:
        """All players, input by input."""
        return [player for part in self.parts.values() for player in part.players]

    @cached_property
    def content(self) -> list[bool]:
        """Which players differ from what replaces them."""
        return [differs for part in self.parts.values() for differs in part.content]

    @cached_property
    def slices(self) -> dict[str, slice]:
        """Where the players of each input are."""
        ends = np.cumsum([len(part.players) for part in self.parts.values()]).tolist()
        return {name: slice(end - len(part.players), end) for (name, part), end in zip(self.parts.items(), ends, strict=True)}

    @property
    def sizes(self) -> list[float]:
        """How far each player is from what replaces it."""
        return [size for part in self.parts.values() for size in part.sizes()]

    @property
    def cells(self) -> int:
        """How much memory one copy takes, in numbers."""
        return sum(part.cells for part in self.parts.values())


class TextPart:
    """A text, whose players are its words in order, or as many groups of neighbours as are allowed."""

    def __init__(self, name: str, text: str | Sequence[str] | None, most: int) -> None:
        self._is_list = text is not None and not isinstance(text, str)
        self._missing = text is None
        words = list(text) if self._is_list and text is not None else _WORD.findall(str(text or ""))
        self._groups = [[words[index] for index in group] for group in _groups(len(words), most)]
        joint = " " if self._is_list else ""
        self.players = [Player(name, joint.join(group).strip()) for group in self._groups]
        self.content = [bool(player.label) for player in self.players]
        self.cells = sum(map(len, words)) + 1

    def sizes(self) -> list[float]:
        """Return the number of characters of each group of words."""
        return [float(len(player.label)) for player in self.players]

    def keep(self, present: BoolArray) -> str | list[str] | None:
        """Return the text without the absent words; of a list of tokens, absent ones are empty so that places stay."""
        if self._missing:
            return None
        if self._is_list:
            return [word if kept else "" for group, kept in zip(self._groups, present, strict=True) for word in group]
        return "".join("".join(group) for group, kept in zip(self._groups, present, strict=True) if kept).strip()


class PicturePart:
    """A picture, whose players are the regions of a grid; an absent one has the mean colour of the picture."""

    def __init__(self, name: str, picture: Any, most: int) -> None:
        self.picture = None if picture is None else np.asarray(picture)
        self.grid = (0, 0)
        self.players, self.content, self.cells = [], [], 1
        if self.picture is None or not self.picture.size:
            return
        side = min(int(np.sqrt(most)), _LONGEST_SIDE)
        height, width = self.picture.shape[:2]
        self.grid = (min(side, height), min(side, width))
        self._mean = np.rint(self.picture.mean(axis=(0, 1))).astype(self.picture.dtype)
        self.players = [Player(name, f"row {row + 1}, column {column + 1} of {self.grid[0]} × {self.grid[1]}")
                        for row in range(self.grid[0]) for column in range(self.grid[1])]
        differs = (self.picture != self._mean).any(axis=2)
        self.content = [bool(differs[self._where == index].any()) for index in range(len(self.players))]
        self.cells = self.picture.size

    def sizes(self) -> list[float]:
        """Return the mean absolute difference of each region from the mean colour."""
        if self.picture is None or not len(self.players):
            return []
        apart = np.abs(self.picture.astype(float) - self._mean).mean(axis=2).ravel()
        where = self._where.ravel()
        return [float(size) for size in np.bincount(where, apart) / np.bincount(where)]

    @cached_property
    def _where(self) -> IntArray:
        """The player of each pixel."""
        assert self.picture is not None
        rows, columns = (np.arange(size) * parts // size for size, parts in zip(self.picture.shape[:2], self.grid, strict=True))
        return np.asarray(rows[:, None] * self.grid[1] + columns)

    def keep(self, present: BoolArray) -> Any:
        """Return the picture with absent regions in its mean colour."""
        if self.picture is None or not len(self.players):
            return self.picture
        return np.where(np.asarray(present)[self._where][:, :, None], self.picture, self._mean)


class SoundPart:
    """A sound, whose players are bands of frequency in stretches of time; an absent one is silent.

    The bands add up to the sound.
    """

    def __init__(self, name: str, sound: raikit.Audio | None, most: int) -> None:
        self.sound, self.shape = sound, (0, 0)
        self.players, self.content, self.cells = [], [], 1
        if sound is None or not len(sound.samples):
            return
        n = len(sound.samples)
        bands = _BANDS if most >= 2 * _BANDS and n >= _FEWEST_SAMPLES * _BANDS else 1
        times = max(min(most // bands, _LONGEST_SIDE if bands > 1 else most, n // _FEWEST_SAMPLES), 1)
        self.shape, self.cells = (bands, times), n * bands
        edges = _mel_edges(sound.rate / 2, bands)
        self._bands = _filtered(np.asarray(sound.samples, dtype=np.float32), sound.rate, edges)
        self._time = np.arange(n) * times // n
        starts = np.linspace(0, n / sound.rate, times + 1)
        hertz = [f", {edges[band]:,.0f} to {edges[band + 1]:,.0f} Hz" if bands > 1 else "" for band in range(bands)]
        self.players = [Player(name, f"{starts[time]:.2f} to {starts[time + 1]:.2f} s{hertz[band]}")
                        for band in range(bands) for time in range(times)]
        self.content = [bool(np.abs(self._bands[band, self._time == time]).max(initial=0) > 1e-6)
                        for band in range(bands) for time in range(times)]

    def sizes(self) -> list[float]:
        """Return the root mean square of each band in each stretch."""
        bands, times = self.shape
        power = [np.square(self._bands[:, self._time == time]).mean(axis=1) for time in range(times)]
        return [float(np.sqrt(power[time][band])) for band in range(bands) for time in range(times)]

    def keep(self, present: BoolArray) -> raikit.Audio | None:
        """Return the sound without the absent bands."""
        if self.sound is None or not len(self.players) or all(np.asarray(present)[self.content]):
            return self.sound
        kept = np.asarray(present).reshape(self.shape)[:, self._time]
        return raikit.Audio(np.asarray((self._bands * kept).sum(axis=0), dtype=np.float32), self.sound.rate)


class RowPart:
    """A row of a table, whose players are its columns, or groups of neighbours where there are very many."""

    def __init__(
        self, name: str, table: pd.DataFrame, row: int, baseline: Mapping[str, Any], *, whole: bool = False,
        scales: Mapping[str, float] = MappingProxyType({}),
    ) -> None:
        self.table, self.row, self.baseline, self.scales = table, row, baseline, scales
        columns = [str(column) for column in table.columns]
        self.groups = _groups(len(columns), 1 if whole else _MOST_COLUMNS)
        self.players = [Player(name, _named([columns[index] for index in group], whole, name)) for group in self.groups]
        differs = [not _alike(table.iat[row, index], baseline.get(column)) for index, column in enumerate(columns)]
        self.content = [any(differs[index] for index in group) for group in self.groups]
        self.cells = len(columns)

    def sizes(self) -> list[float]:
        """Return how many standard deviations each column is from its baseline; 1 for another category."""
        return [sum(self._size(index) for index in group) for group in self.groups]

    def _size(self, index: int) -> float:
        column = str(self.table.columns[index])
        value: Any = self.table.iat[self.row, index]
        baseline, scale = self.baseline.get(column), self.scales.get(column)
        if _alike(value, baseline):
            return 0.0
        if scale is None or baseline is None or pd.isna(value):
            return 1.0
        return abs(float(value) - float(baseline)) / scale

    def keep(self, present: BoolArray) -> pd.DataFrame:
        """Return the row, as a table, with absent columns replaced."""
        return rows_kept([self], [present])


class WholePart:
    """An input that is one player: present, or replaced as a whole."""

    def __init__(self, name: str, value: Any, parts: Part, absent: Any) -> None:
        self._value, self._absent = value, absent
        self.players = [Player(name, name)] if value is not None else []
        self.content = [absent is None or any(parts.content)] if value is not None else []
        self.cells = parts.cells

    def sizes(self) -> list[float]:
        """Return 1 for an input that is there: sizes of different kinds cannot be compared."""
        return [1.0] * len(self.players)

    def keep(self, present: BoolArray) -> Any:
        """Return the input or what replaces it."""
        return self._value if not len(self.players) or present[0] else self._absent


def parts_of(
    batch: raikit.Batch, modalities: Mapping[str, str], columns: Mapping[str, Mapping[str, Any]], most: int,
    scales: Mapping[str, Mapping[str, float]] = MappingProxyType({}),
) -> list[Case]:
    """Cut the inputs of each case into words, regions, bands and columns."""
    def part(name: str, modality: str, row: int) -> Part:
        if modality == "tabular":
            return RowPart(name, batch.inputs[name], row, columns.get(name, {}), scales=scales.get(name, {}))
        cut: Part = _PARTS[modality](name, batch.inputs[name][row], most)
        return cut

    return [_case(batch, row, {name: part(name, modality, row) for name, modality in modalities.items()})
            for row in range(len(batch))]


def inputs_of(
    batch: raikit.Batch, modalities: Mapping[str, str], columns: Mapping[str, Mapping[str, Any]], missing: frozenset[str],
) -> list[Case]:
    """Take each input of each case as one player; absent, it is missing or, where no case lacks it, neutral."""
    def part(name: str, modality: str, row: int) -> Part:
        if modality == "tabular":
            return RowPart(name, batch.inputs[name], row, columns.get(name, {}), whole=True)
        value = batch.inputs[name][row]
        cut = _PARTS[modality](name, value, 1)
        absent = None if name in missing else cut.keep(np.zeros(len(cut.players), dtype=bool))
        return WholePart(name, value, cut, absent)

    return [_case(batch, row, {name: part(name, modality, row) for name, modality in modalities.items()})
            for row in range(len(batch))]


def _case(batch: raikit.Batch, row: int, parts: dict[str, Part]) -> Case:
    whole, part = (None if array is None else array[row] for array in (batch.whole, batch.part))
    return Case(batch.ids[row], parts, whole, part)


def assemble(cases: Sequence[Case], masks: BoolArray) -> raikit.Batch:
    """Return a batch of copies of cases, with the players of each row of `masks` present."""
    inputs: dict[str, Any] = {}
    for name in cases[0].parts:
        parts = [case.parts[name] for case in cases]
        present = [mask[case.slices[name]] for case, mask in zip(cases, masks, strict=True)]
        if isinstance(parts[0], RowPart):
            inputs[name] = rows_kept(parts, present)  # type: ignore[arg-type]
        else:
            inputs[name] = [part.keep(kept) for part, kept in zip(parts, present, strict=True)]
    whole, part = (None if getattr(cases[0], name) is None else np.array([getattr(case, name) for case in cases])
                   for name in ("whole", "part"))
    return raikit.Batch([case.id for case in cases], inputs, whole=whole, part=part)


def rows_kept(parts: Sequence[RowPart], present: Sequence[BoolArray]) -> pd.DataFrame:
    """Return the rows of one table with absent columns replaced; every column keeps its type."""
    first = parts[0]
    table = first.table.iloc[[part.row for part in parts]].reset_index(drop=True)
    kept = np.asarray(present, dtype=bool).reshape(len(parts), len(first.groups))
    for player, group in enumerate(first.groups):
        absent = ~kept[:, player]
        for index in group if absent.any() else ():
            column = table.columns[index]
            if (value := first.baseline.get(str(column))) is not None:
                table[column] = table[column].mask(absent, value)
    return table


def column_baseline(values: pd.Series[Any]) -> Any:
    """Return a value of a column that stands for no information: the lower median of numbers, else the most frequent one.

    Both occur in the column, so that no encoder meets an unknown value. None if every value is missing.

    Examples
    --------
    >>> print(column_baseline(pd.Series([1, 4, 2, 9])), column_baseline(pd.Series(["b", "a", "b", None])))
    2 b
    """
    there = values.dropna()
    if not len(there):
        return None
    if pd.api.types.is_numeric_dtype(there) and not pd.api.types.is_bool_dtype(there) and there.nunique() > 2:
        return there.sort_values().iloc[(len(there) - 1) // 2]
    counts = there.value_counts()
    ties = counts.index[counts == counts.max()]
    return min(ties, key=str)


def _groups(number: int, most: int) -> list[list[int]]:
    """Divide positions into at most `most` groups of neighbours of nearly equal size."""
    groups = min(number, max(most, 1))
    return [group.tolist() for group in np.array_split(np.arange(number), groups)] if groups else []


def _named(columns: Sequence[str], whole: bool, name: str) -> str:
    if whole:
        return name
    return columns[0] if len(columns) == 1 else f"{columns[0]} to {columns[-1]}"


def _alike(value: Any, baseline: Any) -> bool:
    if baseline is None:
        return True  # nothing could replace it
    return bool(not pd.isna(value) and value == baseline)


def _mel_edges(highest: float, bands: int) -> list[float]:
    """Return the edges of bands that are equally wide on the mel scale."""
    top = np.log1p(highest / 700.0)
    return [float(700.0 * np.expm1(top * band / bands)) for band in range(bands + 1)]


def _filtered(samples: FloatArray | Any, rate: int, edges: Sequence[float]) -> Any:
    """Split a sound into bands, shape (bands, t), that add up to it."""
    if len(edges) == 2:
        return samples[None, :]
    spectrum, hertz = np.fft.rfft(samples), np.fft.rfftfreq(len(samples), 1 / rate)
    band = np.clip(np.searchsorted(edges, hertz, side="right") - 1, 0, len(edges) - 2)
    return np.stack([np.fft.irfft(np.where(band == index, spectrum, 0), len(samples)) for index in range(len(edges) - 1)]).astype(
        np.float32)


_PARTS: dict[str, Any] = {"text": TextPart, "image": PicturePart, "audio": SoundPart}
