"""The data of an audit: columns with roles, cases in splits, and media that are decoded when they are needed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd

from raikit.config.schema import DataConfig
from raikit.config.types import Error, Key, Task, key_text
from raikit.data import splits
from raikit.data.assembly import Cases, Purpose, assemble
from raikit.data.batch import Batch
from raikit.data.cache import MediaCache
from raikit.data.cells import shown
from raikit.data.classes import PredictedClasses, absence_note, further_classes
from raikit.data.folders import fingerprint_of_file, media_folder
from raikit.data.frames import as_frame, check_frame, check_names, fingerprint_of_table
from raikit.data.headers import columns_there
from raikit.data.labels import ClassNames
from raikit.data.media_columns import fingerprint_of_media, media_files
from raikit.data.multilabel import PREDICTED, SCORED
from raikit.data.names import display_names
from raikit.data.parts import ANSWERS, LABEL, TOKEN, Parts
from raikit.data.reduction import reduce_targets
from raikit.data.roles import (
    Input,
    cell_format,
    find_table,
    list_inputs,
    media_columns,
    missing_groups,
    reference_groups,
    resolve_columns,
)
from raikit.data.rows import InputRows
from raikit.data.tables import column_names, read_table
from raikit.errors import ConfigError, DataError, RaikitError
from raikit.naming import DisplayNames
from raikit.remote import public_address
from raikit.run.record import DataRecord, InputRecord


@dataclass
class Dataset:
    """A table whose columns have roles: inputs, target, sensitive features, clusters, weight and split.

    Attributes
    ----------
    config : DataConfig
    path : Path
        Of the table.
    table : DataFrame
        The columns that were read, as they are in the file; media as paths or bytes.
    roles : DataFrame
        For each row of `table`: ``id``, ``split``, ``target`` (labels, or float64; absent if the truth is unknown), the
        sensitive columns (text; null is the missing group), the cluster columns (text; null is a case on its own) and the
        weight (float64).
    inputs : dict of str to Input
    task : {"binary", "multiclass", "regression"}
    classes : list
        Labels in the order of a model's scores (binary: negative, positive); empty for regression.
    positive : label or None
    sensitive, cluster : list of str
    weight : str or None
    extra_columns : list of str
        Columns of predictions.
    overlap : mapping
        For each cluster column with values in both train and test, how many there are, in words.
    skipped : list of (id, reason)
        Rows left out because a picture or sound could not be read (``on_bad_media: skip``).
    notes : list of str
        Sentences for the record.
    audited_split : str
        The split that metrics are measured on.
    parts : Parts or None
        If the cases are the tokens of texts, or the labels of cases that may have several.
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
    parts: Parts | None = None
    _numbers: np.ndarray = field(default_factory=lambda: np.empty(0), repr=False)  # the target as a model has it
    _rows: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=np.int64), repr=False)  # positions in the file
    _decided: str | None = field(default=None, repr=False)  # the column of decisions, if the table holds them
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
        predicted: PredictedClasses | None = None,
        path: Path | None = None,
    ) -> Dataset:
        """Read the table and give its columns their roles.

        Parameters
        ----------
        config : DataConfig
            ``data`` of audit.yaml.
        folder : Path
            The folder that ``data.path`` is relative to.
        error : callable
            ``error(key, problem)`` makes a `ConfigError` that names file and line (`LoadedConfig.error`).
        seed : int
            Splits are drawn from it.
        trains : bool
            Whether a model is trained. Then there must be train cases, and some are set aside for validation.
        needs_inputs : bool
            Whether a model is asked. If not, the table holds the predictions; cases outside the audited split that have
            none are left out.
        extra_columns : sequence of str
            Columns of predictions; `extra` holds them.
        predicted : PredictedClasses, optional
            The columns of predictions that know classes, which need not have a case.
        path : Path, optional
            The table, if it has been found already.

        Raises
        ------
        ConfigError
            If a role names a column that does not exist or that cannot have this role.
        DataError
            If the file, or a row of it, cannot be used; it is named.
        """
        if config.target is None and needs_inputs:
            raise error(
                ("data", "target"),
                "name the column to predict; only decisions in the table (model.load: {kind: predictions}) need none.",
            )
        if needs_inputs and not config.inputs:
            raise error(
                ("data", "inputs"), "a model needs at least one input; name its inputs, such as {photo: {modality: image}}."
            )
        path = path or find_table(config, folder, error)
        columns = resolve_columns(config, extra_columns, column_names(path), path.name, error)
        purpose = Purpose(trains, needs_inputs, list(extra_columns), predicted or PredictedClasses())
        table = read_table(path, columns, cell_format(config))
        notes = table.attrs.pop("notes", [])
        data = cls._assembled(table, config, path, purpose, seed, error)
        data.notes.extend(notes)
        return data

    @classmethod
    def of(
        cls, table: Any, config: DataConfig, *, name: str = "table", folder: Path | None = None, seed: int = 0,
        extra_columns: Sequence[str] = (), predicted: PredictedClasses | None = None,
    ) -> Dataset:  # fmt: skip
        """Give the columns of a table in memory their roles, as `open` does for a file.

        Parameters
        ----------
        table : DataFrame, or a table of polars (lazy ones are collected), Arrow or DuckDB
            It is not changed. Media are encoded bytes (PNG, WAV …) or paths below `folder`.
        config : DataConfig
            Its `path` is only written to the record; no such file is needed.
        name : str
            Name of the table in messages.
        folder : Path, optional
            The folder that paths of media are relative to; absent: the working folder.
        seed : int
            Splits are drawn from it.
        extra_columns : sequence of str
            Columns of predictions; `extra` holds them.
        predicted : PredictedClasses, optional
            The columns of predictions that know classes, which need not have a case.

        Raises
        ------
        ConfigError, DataError
            As `open`; a configuration error names the key but no file and line.

        Examples
        --------
        >>> table = pd.DataFrame({"y": [0, 1, 1, 0], "sex": ["F", "M", "F", "M"]})
        >>> Dataset.of(table, DataConfig(path="(memory)", target="y", sensitive=["sex"])).size("test")
        4
        """
        table = as_frame(table)
        table = table.set_axis(list(map(str, table.columns)), axis=1)  # a configuration names columns by text
        columns = resolve_columns(config, extra_columns, list(table.columns), name, _error_at_key)
        check_names(table, columns, name)
        path = (folder or Path()) / name
        needs_inputs = bool(config.inputs) and not extra_columns
        purpose = Purpose(False, needs_inputs, list(extra_columns), predicted or PredictedClasses())
        copied = check_frame(table[columns].reset_index(drop=True).copy(), cell_format(config), name)
        data = cls._assembled(copied, config, path, purpose, seed, _error_at_key)
        data._in_memory = True
        return data

    @classmethod
    def _assembled(
        cls, table: pd.DataFrame, config: DataConfig, path: Path, purpose: Purpose, seed: int, error: Error
    ) -> Self:
        """Return the cases of a table, which are parts of its rows where the target is a list."""
        reduced = reduce_targets(table, config, purpose.predicted.columns, path.name, error)
        if reduced.parts is not None and reduced.parts.role == LABEL:
            purpose = replace(
                purpose, predictions=[name for name in (PREDICTED, SCORED) if name in reduced.table],
                predicted=PredictedClasses(PREDICTED if PREDICTED in reduced.table else None),
            )
        cases = assemble(reduced.table, reduced.config, path, purpose, seed=seed, error=error, reduced=reduced)
        data = cls._from_cases(cases, reduced.config, path, purpose)
        data.parts = cases.parts
        data._rows = cases.rows if cases.parts is None else cases.parts.rows
        return data

    @classmethod
    def _from_cases(cls, cases: Cases, config: DataConfig, path: Path, purpose: Purpose) -> Self:
        return cls(
            config=config,
            path=path,
            table=cases.table,
            roles=cases.roles,
            inputs=list_inputs(config),
            task=cases.target.task,
            classes=list(cases.target.classes),
            positive=cases.target.positive,
            sensitive=[feature.column for feature in config.sensitive],
            cluster=list(config.cluster),
            weight=config.weight,
            extra_columns=list(purpose.predictions),
            overlap=cases.overlap,
            skipped=cases.skipped,
            notes=cases.notes,
            _numbers=cases.numbers,
            _rows=cases.rows,
            _decided=purpose.predicted.column,
        )

    def add_classes(self, labels: Sequence[Any]) -> None:
        """Add labels that a model knows and no case has to the classes of a multiclass target; a note says so.

        Labels of another kind than those of the cases are left out, and so are all if `data.classes` declares the classes.

        Parameters
        ----------
        labels : sequence
        """
        if self.task != "multiclass" or self.config.classes:
            return
        if further := further_classes(self.classes, labels, limited=ANSWERS not in self.roles):
            classes = sorted([*self.classes, *further])
            self._numbers = np.array([classes.index(label) for label in self.classes], dtype=np.int64)[self._numbers]
            self.classes = classes
            self.notes.append(absence_note(further, "known to the model"))

    @property
    def task_guessed(self) -> bool:
        """Whether the task was inferred from the target because the configuration does not name it."""
        return self.config.task is None

    @property
    def extra(self) -> pd.DataFrame:
        """The columns of predictions, with rows as in `roles`."""
        return self.table[self.extra_columns].copy()

    @property
    def favourable(self) -> Any:
        """The class of a binary target that is good for the person it is about; None if the configuration names none."""
        return None if self.config.favourable is None else ClassNames(self.classes).find(self.config.favourable)

    @property
    def reference(self) -> dict[str, str]:
        """The group that others are compared with, for each sensitive column that has one."""
        return reference_groups(self.config)

    @property
    def missing_group(self) -> dict[str, str]:
        """What the missing group of a sensitive column is: ``show`` or ``leave_out``; of other columns it is compared."""
        return missing_groups(self.config)

    @property
    def labels(self) -> DisplayNames:
        """The words for cases, columns, groups and classes, as ``data.unit`` and ``data.labels`` give them."""
        return display_names(self.config, self.classes, self._decided)

    @cached_property
    def splits(self) -> dict[str, int]:
        """Number of cases of each split that has any, in the order train, validation, test."""
        return {name: len(positions) for name, positions in self._positions.items() if len(positions)}

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the table's file; of a table in memory, over its column names and cells."""
        return fingerprint_of_table(self.table) if self._in_memory else fingerprint_of_file(self.path)

    @cached_property
    def media_fingerprint(self) -> str | None:
        """SHA-256 over the media files that the table names, by path and content; None without any."""
        return fingerprint_of_media(self.table, media_columns(self.inputs), media_folder(self.path))

    @property
    def media_files(self) -> list[Path]:
        """The files of pictures and sounds that the table names."""
        return media_files(self.table, media_columns(self.inputs), media_folder(self.path))

    @cached_property
    def _positions(self) -> dict[str, np.ndarray]:
        split = self.roles["split"].to_numpy()
        return {name: np.flatnonzero(split == name) for name in splits.ORDER}

    @cached_property
    def _media(self) -> MediaCache:
        return MediaCache(media_folder(self.path))

    @cached_property
    def _input_rows(self) -> InputRows:
        is_tokens = self.parts is not None and self.parts.role == TOKEN
        return InputRows(self.table, self.inputs, self._media, self.where, is_tokens)

    @cached_property
    def _by_id(self) -> pd.Index[Any]:
        index: pd.Index[Any] = pd.Index(self.roles["id"])
        return index

    def size(self, split: str) -> int:
        """Return the number of cases in a split; 0 if there is no such split."""
        return self.splits.get(split, 0)

    def positions(self, split: str | None = None) -> np.ndarray:
        """Return the positions of the cases of a split (absent: all) in `roles` and `table`."""
        if split is None:
            return np.arange(len(self.roles))
        return self._positions.get(split, np.empty(0, dtype=np.int64)).copy()

    def frame(self, columns: Sequence[str] | None = None, split: str | None = None) -> pd.DataFrame:
        """Return a copy of columns as they are in the table, for one split or for all.

        Parameters
        ----------
        columns : sequence of str, optional
            Names in the table; ``id``, ``split`` and ``target`` always exist, whatever they are called in the table.
            Absent: every column that has a role.
        split : str, optional
            Absent: all cases.

        Returns
        -------
        DataFrame
            Rows in the order of `batches`, numbered from 0.

        Raises
        ------
        DataError
            If a column was not read; the nearest name is shown.
        """
        names = list(columns) if columns is not None else list(self.table.columns)
        rows = self.positions(split)
        copied = {}
        for name in names:
            source = self.table if name in self.table else self.roles
            if name not in source:
                known = list(dict.fromkeys([*self.table.columns, *self.roles.columns]))
                raise DataError(
                    f"no column {name!r} was read from {self.path.name}. {columns_there(known, name)}"
                )
            copied[name] = source[name].iloc[rows].reset_index(drop=True)
        return pd.DataFrame(copied, columns=names, index=range(len(rows)))

    def batches(self, split: str, size: int, indices: Sequence[int] | np.ndarray | None = None) -> Iterator[Batch]:
        """Yield the cases of a split with their media decoded.

        Parameters
        ----------
        split : str
        size : int
            Cases in a batch; the last may have fewer.
        indices : sequence of int, optional
            Positions in the split, in the order in which they are needed; absent: all, in the order of the table.

        Raises
        ------
        DataError
            If a picture or sound cannot be decoded; names the row, its id and the column.

        Notes
        -----
        Cases that share a picture or sound share its array, which is read-only.
        """
        rows = self.positions(split)
        if indices is not None:
            rows = rows[np.asarray(indices, dtype=np.int64)]
        for start in range(0, len(rows), size):
            yield self._batch(rows[start : start + size])

    def with_splits(self, split: Sequence[str | None] | np.ndarray) -> Dataset:
        """Return the same cases in other splits, to train a further model on some of them.

        Parameters
        ----------
        split : sequence of {"train", "validation", "test", None}
            One for each row of `roles`; a case with None is in no split.

        Returns
        -------
        Dataset
            Shares the table and the media that were decoded.

        Raises
        ------
        ValueError
            If there is not one split for each row, or a name is not that of a split.
        """
        names = np.asarray(split, dtype=object)
        if names.shape != (len(self.roles),):
            raise ValueError(f"{len(self.roles):,} rows need as many splits; there are {len(names):,}")
        if unknown := {name for name in names if name is not None} - set(splits.ORDER):
            raise ValueError(f"no split is called {min(map(str, unknown))!r}; there are {', '.join(splits.ORDER)}")
        other = replace(self, roles=self.roles.assign(split=names))
        other.__dict__["_media"] = self._media
        return other

    def text_lengths(self, split: str) -> np.ndarray | None:
        """Return the number of characters of all texts of each case of a split; None without an input of text."""
        return self._input_rows.lengths(self.positions(split))

    def row(self, id: Any) -> Batch:
        """Return the case with this id as a batch of one.

        Raises
        ------
        DataError
            If there is no such id.
        """
        positions = self._by_id.get_indexer_for(pd.Index([id]))
        if positions[0] < 0:
            raise DataError(f"{self.path.name} has no row with the id {shown(id)}.")
        return self._batch(positions)

    def where(self, position: int) -> str:
        """Name the row at a position in `roles` for a message: by its number in the file and its id."""
        return f"{self.path.name}, row {self._rows[position] + 1} (id {shown(self.roles['id'].iloc[position])})"

    def describe(self) -> DataRecord:
        """Return the section of the record about the data."""
        audited = self.roles.iloc[self._positions[self.audited_split]]
        return DataRecord(
            source=public_address(self.config.path),
            fingerprint=self.fingerprint,
            media_fingerprint=self.media_fingerprint,
            task=self.task,
            task_guessed=self.task_guessed,
            target=None if self.config.target is None else str(self.config.target),
            classes=list(self.classes),
            positive=self.positive,
            favourable=self.favourable,
            inputs=[
                InputRecord(name=item.name, modality=item.modality, columns=list(item.columns))
                for item in self.inputs.values()
            ],
            sensitive=list(self.sensitive),
            reference=self.reference,
            missing_group=self.missing_group,
            labels=self.labels,
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
        weight = None if self.weight is None else self.roles[self.weight].to_numpy(dtype=np.float64)[rows]
        whole, part = (None, None) if self.parts is None else (self.parts.whole[rows], self.parts.take(rows).numbers)
        return Batch(ids, self._input_rows.read(rows), self._numbers[rows], weight, whole, part)


def _error_at_key(key: Key, problem: str) -> RaikitError:
    """Name the key alone, because a table in memory has no audit.yaml."""
    return ConfigError(f"{key_text(key)}: {problem}")
