"""Data sets for tests, made in memory within milliseconds: every task, every modality, every role."""

from __future__ import annotations

import io
import wave
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from raikit.config.schema import DataConfig
from raikit.config.types import Modality, Task
from raikit.data.dataset import Dataset
from raikit.errors import nearest

Column = Callable[[np.random.Generator, int], Any] | Sequence[Any]  # f(rng, rows), or a value for each case
GROUP = "group"
SPLITS = ("train", "test", "validation")
_TASKS = ("binary", "multiclass", "regression")
_REGRESSION_LEVELS = 4  # how many values of a regression target the inputs can distinguish
_RELIABILITY = (0.9, 0.75)  # how often an input tells the truth about the first group, and about the others
_MISSING = 0.1
_PIXELS, _RATE, _SAMPLES = 16, 4000, 512
_VARIANTS = 4  # different images and sounds of each level


def dataset(
    task: Task = "binary",
    modalities: Sequence[Modality] = ("tabular",),
    *,
    rows: int = 200,
    groups: Sequence[str] = ("F", "M"),
    classes: int = 3,
    clusters: bool = False,
    weights: bool = False,
    missing: bool = False,
    columns: Mapping[str, Column] | None = None,
    seed: int = 0,
) -> Dataset:
    """Make a data set in memory.

    Parameters
    ----------
    task : {"binary", "multiclass", "regression"}
    modalities : sequence of {"tabular", "text", "image", "audio"}
        One input each, named like its modality. Images and audio are encoded bytes in the cells of the table.
    rows : int
        Number of cases in all splits together: about half are train, a third test, the rest validation.
    groups : sequence of str
        Values of the sensitive column ``group``; empty: there is no sensitive column.
    classes : int
        Number of classes of a multiclass target, 3 to 26.
    clusters, weights : bool
        Whether there is a column ``cluster`` (four cases each) and a column ``weight`` (between 0.5 and 2).
    missing : bool
        Whether about a tenth of the groups and of the inputs are missing.
    columns : mapping of str to callable or sequence, optional
        Further columns, which a check reads with ``ctx.data.frame([name])`` like those in ``data.keep``: a value for each
        case, or a function ``f(rng, rows)`` that returns them; `rng` is a `numpy.random.Generator`.
    seed : int
        The same arguments give the same data.

    Returns
    -------
    Dataset
        The target can be learnt from each input, more reliably for the first group than for the others. It is less often
        positive in the others, so that checks have something to find.

    Raises
    ------
    ValueError
        If a task or modality is unknown, if `rows` is too small for every group and class in every split, or if a further
        column has a name that is taken or not one value for each case.

    Examples
    --------
    >>> data = dataset("multiclass", ["text", "image"], rows=90)
    >>> data.task, data.classes, list(data.inputs)
    ('multiclass', ['a', 'b', 'c'], ['text', 'image'])
    >>> data = dataset(columns={"opened": lambda rng, rows: rng.integers(0, 24, rows)})
    >>> bool(data.frame(["opened"], "test")["opened"].between(0, 23).all())
    True
    """
    spec = DatasetSpec(task, tuple(modalities), rows, tuple(groups), classes, clusters, weights, missing, columns or {}, seed)
    return spec.dataset(spec.table())


@dataclass(frozen=True)
class DatasetSpec:
    """The arguments of `dataset`; table and data set are made apart, so that cells can be edited in between."""

    task: Task = "binary"
    modalities: tuple[Modality, ...] = ("tabular",)
    rows: int = 200
    groups: tuple[str, ...] = ("F", "M")
    classes: int = 3
    clusters: bool = False
    weights: bool = False
    missing: bool = False
    columns: Mapping[str, Column] = field(default_factory=dict)
    seed: int = 0

    def __post_init__(self) -> None:
        if self.task not in _TASKS:
            raise ValueError(f"task: {self.task!r} is none of {', '.join(_TASKS)}.{nearest(self.task, _TASKS)}")
        for modality in self.modalities:
            if modality not in _INPUTS:
                raise ValueError(f"modalities: {modality!r} is none of {', '.join(_INPUTS)}.{nearest(modality, _INPUTS)}")
        if self.task == "multiclass" and not 3 <= self.classes <= 26:
            raise ValueError(f"classes: a multiclass target has 3 to 26 classes here, not {self.classes}")
        if self.rows < self.fewest:
            raise ValueError(f"rows: {self.rows} are too few; {self.fewest} hold every group and class in every split")

    @property
    def levels(self) -> int:
        """How many values of the target the inputs can distinguish."""
        return {"binary": 2, "multiclass": self.classes, "regression": _REGRESSION_LEVELS}[self.task]

    @property
    def fewest(self) -> int:
        """The fewest rows that hold every group with every level in every split."""
        return len(SPLITS) * self.levels * max(len(self.groups), 1)

    def table(self) -> pd.DataFrame:
        """Make the table: ids, split, target, the columns with a role, and the inputs."""
        rng = np.random.default_rng([self.seed, 4711])
        split, group, level = self._design(rng)
        table = pd.DataFrame({"id": [f"r{number}" for number in range(self.rows)], "split": np.array(SPLITS)[split]})
        table = table.assign(**self._target(level, rng))
        signal = self._signal(level, group, rng)
        if self.groups:
            table[GROUP] = pd.Series(np.array(self.groups, dtype=object)[group], dtype="str")
        if self.clusters:
            # A cluster lies within a split, so that nothing leaks from one split to another.
            nth = pd.Series(split).groupby(split).cumcount().to_numpy() // 4
            table["cluster"] = [f"{name[:2]}{number}" for name, number in zip(table["split"], nth, strict=True)]
        if self.weights:
            table["weight"] = rng.uniform(0.5, 2.0, self.rows)
        for modality in self.modalities:
            table = table.assign(**_INPUTS[modality](signal(), rng))
        if self.missing:
            for column in [*([GROUP] if self.groups else []), *self._input_columns()]:
                table[column] = table[column].where(rng.random(self.rows) >= _MISSING)
        return self._with_columns(table)

    def _with_columns(self, table: pd.DataFrame) -> pd.DataFrame:
        """Add the further columns, each from a generator of its own, so that they change no other column."""
        for name, column in self.columns.items():
            if name in table:
                raise ValueError(f"columns: the data already have a column {name!r}")
            values = column(np.random.default_rng([self.seed, *name.encode()]), self.rows) if callable(column) else column
            if len(values) != self.rows:
                raise ValueError(f"columns: {name!r} has {len(values)} values for {self.rows} rows")
            table[name] = values
        return table

    def dataset(self, table: pd.DataFrame) -> Dataset:
        """Make a data set of the table."""
        config = DataConfig.model_validate({
            "path": "(made for a test)",
            "id": "id",
            "split": "split",
            "task": self.task,
            "target": "target",
            "positive": 1 if self.task == "binary" else None,
            "inputs": {name: {"modality": name} | ({"columns": list(_TABULAR)} if name == "tabular" else {})
                       for name in self.modalities},
            "sensitive": [GROUP] if self.groups else [],
            "cluster": ["cluster"] if self.clusters else [],
            "weight": "weight" if self.weights else None,
            "keep": list(self.columns),
        })
        return Dataset.of(table, config, name="the test's table", seed=self.seed)

    def _input_columns(self) -> list[str]:
        return [column for name in self.modalities for column in (_TABULAR if name == "tabular" else (name,))]

    def _design(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Draw split, group and level of each case; every combination occurs at least once, and the order is shuffled."""
        drawn, group_count = self.rows - self.fewest, max(len(self.groups), 1)
        split = np.array([0, 1, 0, 2, 0, 1])[np.arange(drawn) % 6]
        group = rng.integers(0, group_count, drawn)
        level = rng.integers(0, self.levels, drawn)
        level[(group > 0) & (rng.random(drawn) < 0.25)] = 0  # The first group has more positives.
        crossed = np.indices((len(SPLITS), group_count, self.levels)).reshape(3, -1)
        columns = np.concatenate([crossed, np.stack([split, group, level])], axis=1)[:, rng.permutation(self.rows)]
        return columns[0], columns[1], columns[2]

    def _target(self, level: np.ndarray, rng: np.random.Generator) -> dict[str, Any]:
        if self.task == "regression":
            return {"target": level + rng.normal(0, 0.3, len(level))}
        if self.task == "binary":
            return {"target": level}
        return {"target": np.array([chr(ord("a") + place) for place in range(self.levels)])[level]}

    def _signal(self, level: np.ndarray, group: np.ndarray, rng: np.random.Generator) -> Callable[[], np.ndarray]:
        """Return a function that draws what one input shows: mostly the true level, sometimes another."""

        def signal() -> np.ndarray:
            truthful = rng.random(len(level)) < np.where(group == 0, *_RELIABILITY)
            shown: np.ndarray = np.where(truthful, level, rng.integers(0, self.levels, len(level)))
            return shown

        return signal


# --- inputs: from the level that they show to columns of the table ----------------------------------------------

_TABULAR = ("measure", "kind")
_WORDS = ("north", "south", "east", "west", "up", "down", "left", "right")


def _tabular(shown: np.ndarray, rng: np.random.Generator) -> dict[str, Any]:
    kinds = np.array([f"kind {level}" for level in range(int(shown.max(initial=0)) + 1)])[shown]
    return {"measure": shown + rng.normal(0, 0.4, len(shown)), "kind": pd.Series(kinds, dtype="str")}


def _text(shown: np.ndarray, rng: np.random.Generator) -> dict[str, Any]:
    noise = rng.integers(0, len(_WORDS), (len(shown), 3))
    return {"text": [f"{_WORDS[a]} level{level} {_WORDS[b]} {_WORDS[c]}" for level, (a, b, c) in zip(shown, noise, strict=True)]}


def _image(shown: np.ndarray, rng: np.random.Generator) -> dict[str, Any]:
    variant = rng.integers(0, _VARIANTS, len(shown))
    return {"image": [_png(int(level), int(which)) for level, which in zip(shown, variant, strict=True)]}


def _audio(shown: np.ndarray, rng: np.random.Generator) -> dict[str, Any]:
    variant = rng.integers(0, _VARIANTS, len(shown))
    return {"audio": [_wav(int(level), int(which)) for level, which in zip(shown, variant, strict=True)]}


_INPUTS: dict[str, Callable[[np.ndarray, np.random.Generator], dict[str, Any]]] = {
    "tabular": _tabular, "text": _text, "image": _image, "audio": _audio,
}


@lru_cache(maxsize=256)
def _png(level: int, variant: int) -> bytes:
    """Encode a PNG with a bright square whose position shows the level."""
    from PIL import Image

    pixels = np.random.default_rng([level, variant]).integers(0, 80, (_PIXELS, _PIXELS, 3), dtype=np.uint8)
    across, down = 4 * (level % 4), 4 * (level // 4 % 4)
    pixels[down : down + 4, across : across + 4] = 230
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


@lru_cache(maxsize=256)
def _wav(level: int, variant: int) -> bytes:
    """Encode a WAV whose pitch shows the level."""
    noise = np.random.default_rng([level, variant]).normal(0, 0.05, _SAMPLES)
    tone = 0.6 * np.sin(2 * np.pi * 220 * 1.3**level * np.arange(_SAMPLES) / _RATE) + noise
    stream = io.BytesIO()
    with wave.open(stream, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(_RATE)
        file.writeframes((np.clip(tone, -1, 1) * 32767).astype("<i2").tobytes())
    return stream.getvalue()
