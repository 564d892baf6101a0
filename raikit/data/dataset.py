"""The data of an audit: columns with roles, rows in splits, media decoded when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from raikit.config.schema import DataConfig
from raikit.config.types import Task
from raikit.data import splits
from raikit.data.batch import Batch
from raikit.data.cache import MediaCache
from raikit.data.groups import group_of
from raikit.data.media_columns import SKIP_HINT, cells_of, fingerprint_of_media, unusable
from raikit.data.media import MediaError
from raikit.data.roles import (
    Error,
    Input,
    Key,
    clusters_of,
    columns_of,
    ids_of,
    inputs_of,
    media_columns,
    path_of,
    targets_of,
    weights_of,
)
from raikit.data.tables import Rows, column_names, fingerprint, fingerprint_of_table, read_table, shown
from raikit.data.target import Target, target_of
from raikit.errors import ConfigError, DataError, RaikitError, listed, nearest
from raikit.run.record import DataRecord, InputRecord


@dataclass
class Dataset:
    """A table with roles.

    Attributes
    ----------
    config : DataConfig
    path : Path
        Of the table.
    table : DataFrame
        The columns that were read, as they are in the file; media as paths or bytes.
    roles : DataFrame
        For each row of `table`: ``id``, ``split``, ``target`` (labels, or float64; ``target.L`` for each label L of a
        multilabel target), the sensitive columns (text; null is the missing group), the cluster columns (text; null is
        a row on its own) and the weight (float64).
    inputs : dict of str to Input
    task : {"binary", "multiclass", "multilabel", "regression"}
    classes : list
        Labels in the order of a model's scores (binary: negative, positive); empty for regression.
    positive : label or None
    sensitive, cluster : list of str
    weight : str or None
    extra_columns : list of str
        Those that a loader of predictions asked for.
    overlap : mapping
        In words, for each cluster column that has values both in train and in test.
    skipped : list of (id, reason)
        Rows left out because a picture or sound could not be read (``on_bad_media: skip``).
    notes : list of str
        What the record should say.
    audited_split : str
    """

    config: DataConfig
    path: Path
    table: pd.DataFrame
    roles: pd.DataFrame
    inputs: dict[str, Input]
    task: Task
    classes: list[Any]
    positive: Any
    sensitive: list[str]
    cluster: list[str]
    weight: str | None
    extra_columns: list[str] = field(default_factory=list)
    overlap: Mapping[str, str] = field(default_factory=dict)
    skipped: list[tuple[Any, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    audited_split: str = splits.TEST
    _numbers: np.ndarray = field(default_factory=lambda: np.empty(0), repr=False)  # the target as a model has it
    _rows: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=np.int64), repr=False)  # places in the file
    _in_memory: bool = field(default=False, repr=False)  # there is no file at `path`

    @classmethod
    def open(
        cls,
        config: DataConfig,
        folder: Path,
        *,
        error: Error,
        seed: int = 0,
        trains: bool = False,
        needs_inputs: bool = True,
        extra_columns: Sequence[str] = (),
    ) -> Dataset:
        """Read the table and give its columns their roles.

        Parameters
        ----------
        config : DataConfig
            ``data`` of audit.yaml.
        folder : Path
            What ``data.path`` is relative to.
        error : callable
            ``error(key, problem)`` makes a `ConfigError` that names file and line (`LoadedConfig.error`).
        seed : int
            Splits are drawn from it.
        trains : bool
            Whether a model is trained: then there must be train rows, and some are kept for validation.
        needs_inputs : bool
            Whether a model is asked. If not, the table holds the predictions; rows outside the audited split that have
            none are left out.
        extra_columns : sequence of str
            Columns of predictions, to be found in `extra`.

        Raises
        ------
        ConfigError
            A role names a column that is not there, or that cannot be what the role says.
        DataError
            The file, or a row of it, cannot be used; it is named.
        """
        if needs_inputs and not config.inputs:
            raise error(
                ("data", "inputs"),
                "a model needs something to look at; name its inputs, such as {photo: {modality: image}}.",
            )
        path = path_of(config, folder, error)
        wanted = columns_of(config, extra_columns, column_names(path), path.name, error)
        table = read_table(path, wanted)
        return _Opening(config, path, table, error, seed, trains, needs_inputs, list(extra_columns)).dataset()

    @classmethod
    def of(
        cls, table: pd.DataFrame, config: DataConfig, *, name: str = "table", folder: Path | None = None, seed: int = 0
    ) -> Dataset:
        """Give the columns of a table in memory their roles, as `open` does with a file's.

        Parameters
        ----------
        table : DataFrame
            Its own columns are left alone; media are encoded bytes (PNG, WAV …) or paths below `folder`.
        config : DataConfig
            Its `path` names no file and is only written into the record.
        name : str
            What messages call the table.
        folder : Path, optional
            What paths of media are relative to; absent: the working folder.
        seed : int
            Splits are drawn from it.

        Raises
        ------
        ConfigError, DataError
            As `open`, with the key alone, since there is no file whose line could be named.

        Examples
        --------
        >>> table = pd.DataFrame({"y": [0, 1, 1, 0], "sex": ["F", "M", "F", "M"]})
        >>> Dataset.of(table, DataConfig(path="(memory)", target="y", sensitive=["sex"])).size("test")
        4
        """
        columns = columns_of(config, (), list(map(str, table.columns)), name, _error_of_key)
        path = (folder or Path()) / name
        kept = table[columns].reset_index(drop=True).copy()
        opening = _Opening(config, path, kept, _error_of_key, seed, False, bool(config.inputs), [], in_memory=True)
        return opening.dataset()

    @property
    def task_guessed(self) -> bool:
        """Whether the task was read off the target because the configuration does not say it."""
        return self.config.task is None

    @property
    def extra(self) -> pd.DataFrame:
        """The columns that a loader of predictions asked for; rows as in `roles`."""
        return self.table[self.extra_columns].copy()

    @cached_property
    def splits(self) -> dict[str, int]:
        """Rows of each split that has any, in the order train, validation, test."""
        return {name: len(positions) for name, positions in self._positions.items() if len(positions)}

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the table's file; of a table in memory, over its names and cells."""
        return fingerprint_of_table(self.table) if self._in_memory else fingerprint(self.path)

    @cached_property
    def media_fingerprint(self) -> str | None:
        """SHA-256 over the media files that the table names, by path and content; None without any."""
        return fingerprint_of_media(self.table, media_columns(self.inputs), self.path.parent)

    @cached_property
    def _positions(self) -> dict[str, np.ndarray]:
        split = self.roles["split"].to_numpy()
        return {name: np.flatnonzero(split == name) for name in splits.ORDER}

    @cached_property
    def _media(self) -> MediaCache:
        return MediaCache(self.path.parent)

    @cached_property
    def _tables(self) -> dict[str, pd.DataFrame]:
        """The columns of each tabular input: picking them from the table for every batch would copy them whole."""
        return {
            name: self.table[list(item.columns)] for name, item in self.inputs.items() if item.modality == "tabular"
        }

    @cached_property
    def _by_id(self) -> pd.Index[Any]:
        index: pd.Index[Any] = pd.Index(self.roles["id"])
        return index

    def size(self, split: str) -> int:
        """Rows in a split; 0 if there is none of that name."""
        return self.splits.get(split, 0)

    def positions(self, split: str | None = None) -> np.ndarray:
        """Where the rows of a split (absent: all) stand in `roles` and `table`."""
        if split is None:
            return np.arange(len(self.roles))
        return self._positions.get(split, np.empty(0, dtype=np.int64)).copy()

    def frame(self, columns: Sequence[str] | None = None, split: str | None = None) -> pd.DataFrame:
        """Columns as they are in the table, of one split or of all, in a frame of its own.

        Parameters
        ----------
        columns : sequence of str, optional
            Of the table; ``id``, ``split`` and ``target`` are always there, whatever they are called in the table.
            Absent: every column that has a role.
        split : str, optional
            Absent: every row.

        Returns
        -------
        DataFrame
            Rows as `batches` gives them, numbered from 0.

        Raises
        ------
        DataError
            A column that was not read, with the nearest name.
        """
        wanted = list(columns) if columns is not None else list(self.table.columns)
        rows = self.positions(split)
        found = {}
        for name in wanted:
            source = self.table if name in self.table else self.roles
            if name not in source:
                known = list(dict.fromkeys([*self.table.columns, *self.roles.columns]))
                raise DataError(
                    f"no column {name!r} was read from {self.path.name}.{nearest(name, known)} "
                    f"Columns there: {listed(known, 30)}."
                )
            found[name] = source[name].iloc[rows].reset_index(drop=True)
        return pd.DataFrame(found, columns=wanted, index=range(len(rows)))

    def batches(self, split: str, size: int, indices: Sequence[int] | np.ndarray | None = None) -> Iterator[Batch]:
        """Rows of a split with their media decoded.

        Parameters
        ----------
        size : int
            Rows in a batch; the last may have fewer.
        indices : sequence of int, optional
            Positions in the split, in the order wanted; absent: all, in the order of the table.

        Notes
        -----
        Rows that share a picture or sound share its array, which is read-only.

        Raises
        ------
        DataError
            A picture or sound that cannot be decoded; names the row, its id and the column.
        """
        rows = self.positions(split)
        if indices is not None:
            rows = rows[np.asarray(indices, dtype=np.int64)]
        for start in range(0, len(rows), size):
            yield self._batch(rows[start : start + size])

    def row(self, id: Any) -> Batch:
        """One row by its id, as a batch of one.

        Raises
        ------
        DataError
            If there is no such id.
        """
        found = self._by_id.get_indexer_for(pd.Index([id]))
        if found[0] < 0:
            raise DataError(f"{self.path.name} has no row with the id {shown(id)}.")
        return self._batch(found)

    def where(self, position: int) -> str:
        """How a message names the row at a position in `roles`: by its number in the file, and its id."""
        return f"{self.path.name}, row {self._rows[position] + 1} (id {shown(self.roles['id'].iloc[position])})"

    def describe(self) -> DataRecord:
        """What the record says about the data."""
        audited = self.roles.iloc[self._positions[self.audited_split]]
        return DataRecord(
            source=self.config.path,
            fingerprint=self.fingerprint,
            media_fingerprint=self.media_fingerprint,
            task=self.task,
            task_guessed=self.task_guessed,
            target=", ".join(targets_of(self.config)),
            classes=list(self.classes),
            positive=self.positive,
            inputs=[
                InputRecord(name=item.name, modality=item.modality, columns=list(item.columns))
                for item in self.inputs.values()
            ],
            sensitive=list(self.sensitive),
            cluster=list(self.cluster),
            weight=self.weight,
            splits=dict(self.splits),
            audited_split=self.audited_split,
            clusters={name: int(audited[name].nunique()) for name in self.cluster},
            overlap=dict(self.overlap),
            skipped_rows=len(self.skipped),
            credits=list(self.config.credits),
            limits=list(self.config.limits),
            notes=list(self.notes),
        )

    def _batch(self, rows: np.ndarray) -> Batch:
        ids = self.roles["id"].iloc[rows].tolist()
        inputs = {item.name: self._values(item, rows) for item in self.inputs.values()}
        weight = None if self.weight is None else self.roles[self.weight].to_numpy(dtype=np.float64)[rows]
        return Batch(ids, inputs, self._numbers[rows], weight)

    def _values(self, item: Input, rows: np.ndarray) -> Any:
        if item.modality == "tabular":
            return self._tables[item.name].iloc[rows].reset_index(drop=True)
        cells = self.table[item.columns[0]].iloc[rows]
        present = zip(cells.tolist(), cells.isna().tolist(), rows.tolist(), strict=True)
        if item.modality == "text":
            return [None if missing else str(cell) for cell, missing, _ in present]
        return [None if missing else self._decoded(item, cell, row) for cell, missing, row in present]

    def _decoded(self, item: Input, cell: Any, row: int) -> Any:
        try:
            return self._media.get(item.modality, cell)
        except MediaError as problem:
            raise DataError(f"{self.where(row)}: {item.columns[0]}: {problem}; {SKIP_HINT}.") from None


def _error_of_key(key: Key, problem: str) -> RaikitError:
    """A table in memory has no audit.yaml around it: the key alone says what is meant."""
    return ConfigError(f"{'.'.join(map(str, key))}: {problem}")


@dataclass
class _Opening:
    """What is known while a table gets its roles."""

    config: DataConfig
    path: Path
    table: pd.DataFrame
    error: Error
    seed: int
    trains: bool
    needs_inputs: bool
    extra: list[str]
    in_memory: bool = False

    def dataset(self) -> Dataset:
        """Roles for all rows first, so that leaving rows out changes nothing about the others."""
        config = self.config
        ids = ids_of(self.table, config.id, self.path.name)
        rows = Rows(self.path.name, ids.tolist())
        target = target_of(self.table, config, rows, self.error)
        bad = self._bad_media(rows)
        roles, notes = self._roles(ids, rows, target)
        keep = np.ones(len(roles), dtype=bool)
        keep[list(bad)] = False
        if not self.needs_inputs:
            # what is fitted (thresholds, an attack) uses other splits, as far as the table holds predictions for them
            audited = (roles["split"] == splits.TEST).to_numpy()
            keep &= audited | self.table[self.extra].notna().all(axis=1).to_numpy()
        kept = np.flatnonzero(keep)
        roles = roles.iloc[kept].reset_index(drop=True)
        data = Dataset(
            config=config,
            path=self.path,
            table=self.table.iloc[kept].reset_index(drop=True),
            roles=roles,
            inputs=inputs_of(config),
            task=target.task,
            classes=list(target.classes),
            positive=target.positive,
            sensitive=[feature.column for feature in config.sensitive],
            cluster=list(config.cluster),
            weight=config.weight,
            extra_columns=self.extra,
            notes=notes,
            skipped=[(rows.ids[at], reason) for at, reason in bad.items()],
            overlap=splits.overlap(roles["split"].to_numpy(), {name: roles[name] for name in config.cluster}),
            _numbers=target.numbers[kept],
            _rows=kept,
            _in_memory=self.in_memory,
        )
        self._refuse_hopeless(data)
        return data

    def _bad_media(self, rows: Rows) -> dict[int, str]:
        media = media_columns(inputs_of(self.config))
        for column in media:
            self.table[column] = pd.Series(cells_of(self.table[column]), dtype=object, index=self.table.index)
        if not self.needs_inputs:
            return {}
        return unusable(self.table, media, self.path.parent, rows, self.config.on_bad_media)

    def _roles(self, ids: pd.Series[Any], rows: Rows, target: Target) -> tuple[pd.DataFrame, list[str]]:
        config = self.config
        clusters = clusters_of(self.table, config.cluster)
        groups = {
            feature.column: group_of(
                self.table[feature.column], feature, config.max_groups, self.error, ("data", "sensitive", index)
            )
            for index, feature in enumerate(config.sensitive)
        }
        weight = {config.weight: weights_of(self.table, config.weight, rows)} if config.weight else {}
        plan = splits.Plan(
            self.trains,
            not self.needs_inputs,
            splits.strata_of(target.numbers, len(target.classes)),
            clusters,
            self.seed,
        )
        split, notes = splits.assign(config.split, self.table, rows, plan, self.error)
        columns = {"id": ids, "split": pd.Series(pd.array(split, dtype="str"))} | dict(target.labels.items())
        columns |= {name: values for name, values in (groups | clusters | weight).items() if name != "id"}
        return pd.DataFrame(columns), notes

    def _refuse_hopeless(self, data: Dataset) -> None:
        """What makes every number of an audit meaningless stops it."""
        for name in (splits.TRAIN, data.audited_split) if self.trains else (data.audited_split,):
            if not data.size(name):
                raise DataError(f"{self.path.name}: no row of the split {name!r} has media that can be read.")
            if data.task != "regression":
                self._refuse_one_class(data, name)
        audited = data.roles.iloc[data.positions(data.audited_split)]
        if data.weight and not audited[data.weight].any():
            raise DataError(
                f"{self.path.name}: every data.weight ({data.weight}) in the split {data.audited_split!r} is zero."
            )
        if data.sensitive and all(audited[name].nunique(dropna=False) < 2 for name in data.sensitive):
            raise self.error(
                ("data", "sensitive"),
                "every sensitive column is constant in the split "
                f"{data.audited_split!r} ({listed(data.sensitive)}), so there is "
                "nobody to compare.",
            )

    def _refuse_one_class(self, data: Dataset, split: str) -> None:
        numbers = data._numbers[data.positions(split)]
        if (numbers == numbers[0]).all():
            same = "has the same labels" if numbers.ndim == 2 else f"is {shown(data.classes[int(numbers[0])])}"
            raise self.error(
                ("data", "target"), f"every row of the split {split!r} {same}; there is nothing to tell apart."
            )
