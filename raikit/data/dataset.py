"""The data of an audit: typed columns with roles, in splits; media decoded when they are asked for."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from raikit.data import roles, splits
from raikit.data.batch import Batch, Modality
from raikit.data.media import DECODERS, MediaError
from raikit.data.roles import Error
from raikit.data.tables import as_label, column_names, fingerprint, read_table, row_name
from raikit.errors import DataError, nearest

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from raikit.config.schema import DataConfig
    from raikit.record import DataRecord

_CACHED_BYTES = 256_000_000


@dataclass(frozen=True)
class Input:
    """An input of the model: where its values stand in the table."""

    name: str
    modality: Modality
    columns: tuple[str, ...]


@dataclass
class Dataset:
    """A table with roles.

    Attributes
    ----------
    task : str
    classes : list
        Labels in the order of a model's scores (binary: negative, positive); empty for regression.
    positive : label or None
    sensitive, cluster : list of str
    roles : DataFrame
        One row per row: ``id``, ``split``, ``target`` (labels or numbers), then the sensitive columns (text, null is the
        missing group), the cluster columns (text; null: the row shares no cluster with another) and the weight.
    extra : DataFrame
        Other columns that a loader asked for, in the same order.
    splits : dict of str to int
        Rows by split, in the order train, validation, test.
    skipped : list of (id, reason)
        Rows left out because a picture or sound could not be read (``on_bad_media: skip``).
    """

    config: DataConfig
    path: Path
    table: pd.DataFrame
    roles: pd.DataFrame
    inputs: dict[str, Input]
    task: Literal["binary", "multiclass", "multilabel", "regression"]
    classes: list[Any]
    positive: Any
    sensitive: list[str]
    cluster: list[str]
    weight: str | None
    extra_columns: Sequence[str] = ()
    overlap: Mapping[str, str] = field(default_factory=dict)
    skipped: list[tuple[Any, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    audited_split: str = "test"

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
        folder : Path
            What ``data.path`` is relative to.
        error : callable
            ``error(key, problem)`` makes a `ConfigError` that names file and line (`LoadedConfig.error`).
        trains : bool
            Whether a model is trained on it.
        needs_inputs : bool
            Whether a model is asked; then there must be inputs.
        extra_columns : sequence of str
            Columns of predictions.

        Raises
        ------
        ConfigError
            A role names a column that is not there, or cannot be what the role says.
        DataError
            The file, or a row of it, cannot be used; named.
        """
        path = (folder / config.path).resolve()
        _refuse_unsupported(config, needs_inputs, error)
        inputs = {name: _input(name, item) for name, item in config.inputs.items()}
        wanted = _columns(config, inputs, extra_columns, column_names(path), error, path.name)
        table = read_table(path, wanted)
        return _assembled(cls, config, path, table, inputs, error, seed, trains, extra_columns)

    @property
    def task_guessed(self) -> bool:
        """Whether the task was read off the target because the configuration does not say it."""
        return self.config.task is None

    @cached_property
    def splits(self) -> dict[str, int]:
        counts = self.roles["split"].value_counts()
        return {name: int(counts[name]) for name in splits.ORDER if name in counts}

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the table's file; of the media only the paths are in it."""
        return fingerprint(self.path)

    @property
    def extra(self) -> pd.DataFrame:
        return self.table[list(self.extra_columns)]

    def size(self, split: str) -> int:
        """Rows in a split."""
        return self.splits.get(split, 0)

    def positions(self, split: str | None = None) -> np.ndarray:
        """Positions of a split's rows in `roles` and in the table."""
        import numpy as np

        return np.arange(len(self.roles)) if split is None else np.flatnonzero(self.roles["split"].to_numpy() == split)

    def frame(self, columns: Sequence[str] | None = None, split: str | None = None) -> pd.DataFrame:
        """Columns of the table (and ``id``, ``split``, ``target``), as a new frame of one split or of all."""
        import pandas as pd

        wanted = list(columns) if columns is not None else list(self.table.columns)
        rows = self.positions(split)
        found = {}
        for name in wanted:
            source = self.table if name in self.table else self.roles
            if name not in source:
                known = [*self.table.columns, *self.roles.columns]
                raise DataError(f"{self.path.name} was read without a column {name!r}.{nearest(name, known)}")
            found[name] = source[name].iloc[rows].reset_index(drop=True)
        return pd.DataFrame(found, columns=wanted)

    def batches(self, split: str, size: int, indices: Sequence[int] | np.ndarray | None = None) -> Iterator[Batch]:
        """Rows of a split, decoded, in order or as `indices` (positions in the split) say.

        Raises
        ------
        DataError
            A picture or sound that cannot be read; names the row, its id and the column.
        """
        import numpy as np

        rows = self.positions(split)
        rows = rows if indices is None else rows[np.asarray(indices, dtype=np.int64)]
        cache = _Cache(self.path.parent)
        for start in range(0, len(rows), size):
            yield self._batch(rows[start : start + size], cache)

    def describe(self) -> DataRecord:
        """What the record says about the data."""
        from raikit.record import DataRecord, InputRecord

        test = self.roles[self.roles["split"] == self.audited_split]
        return DataRecord(
            source=self.path.name,
            fingerprint=self.fingerprint,
            task=self.task,
            task_guessed=self.task_guessed,
            target=str(self.config.target),
            classes=self.classes,
            positive=self.positive,
            inputs=[
                InputRecord(name=item.name, modality=item.modality, columns=list(item.columns))
                for item in self.inputs.values()
            ],
            sensitive=self.sensitive,
            cluster=self.cluster,
            weight=self.weight,
            splits=self.splits,
            audited_split=self.audited_split,
            clusters={name: int(test[name].nunique()) for name in self.cluster},
            overlap=dict(self.overlap),
            skipped_rows=len(self.skipped),
            credits=list(self.config.credits),
            limits=list(self.config.limits),
            notes=self.notes,
        )

    def _batch(self, rows: np.ndarray, cache: _Cache) -> Batch:
        import numpy as np

        part = self.roles.iloc[rows]
        target = part["target"].to_numpy()
        if self.task != "regression":
            code = {label: index for index, label in enumerate(self.classes)}
            target = np.array([code[label] for label in target], dtype=np.int64)
        inputs = {name: self._values(item, rows, cache) for name, item in self.inputs.items()}
        weight = None if self.weight is None else part[self.weight].to_numpy(dtype=np.float64)
        return Batch(part["id"].tolist(), inputs, target, weight)

    def _values(self, item: Input, rows: np.ndarray, cache: _Cache) -> Any:
        if item.modality == "tabular":
            return self.table[list(item.columns)].iloc[rows].reset_index(drop=True)
        column = self.table[item.columns[0]].iloc[rows]
        values = [None if _is_missing(value) else value for value in column]
        if item.modality == "text":
            return [None if value is None else str(value) for value in values]
        decoded = []
        for row, value in zip(rows, values, strict=True):
            try:
                decoded.append(None if value is None else cache.get(item.modality, value))
            except MediaError as problem:
                raise DataError(f"{self._where(int(row))}: {item.name}: {problem}.") from None
        return decoded

    def _where(self, row: int) -> str:
        return row_name(self.path.name, row, self.roles["id"])


class _Cache:
    """Decoded media by path, the least recently used thrown out first: rows that share a picture share its array."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.held, self.bytes = folder, OrderedDict[tuple[str, str], Any](), 0

    def get(self, modality: str, source: Any) -> Any:
        if not isinstance(source, str):
            return DECODERS[modality](source, self.folder)
        key = (modality, source)
        if key in self.held:
            self.held.move_to_end(key)
            return self.held[key]
        value = DECODERS[modality](source, self.folder)
        self.held[key] = value
        self.bytes += _size(value)
        while self.bytes > _CACHED_BYTES and len(self.held) > 1:
            self.bytes -= _size(self.held.popitem(last=False)[1])
        return value


def _size(value: Any) -> int:
    return int(value.samples.nbytes if hasattr(value, "samples") else value.nbytes)


def _is_missing(value: Any) -> bool:
    return value is None or value == "" or (isinstance(value, float) and value != value)


def _input(name: str, config: Any) -> Input:
    columns = tuple(config.columns) if config.columns else (config.column or name,)
    return Input(name, config.modality, columns)


def _refuse_unsupported(config: DataConfig, needs_inputs: bool, error: Error) -> None:
    if isinstance(config.target, list) or config.task == "multilabel":
        raise error(("data", "target"), "several targets at once (multilabel) are not supported yet; name one column.")
    if needs_inputs and not config.inputs:
        raise error(("data", "inputs"), "a model needs inputs; name them, such as {photo: {modality: image}}.")


def _columns(
    config: DataConfig, inputs: Mapping[str, Input], extra: Sequence[str], known: Sequence[str], error: Error, file: str
) -> list[str]:
    """Every column that is read, each checked against the header under the key that names it."""
    split = config.split.column if config.split else None
    named: list[tuple[Sequence[str | int], Sequence[str]]] = [
        (("data", "id"), [config.id] if config.id else []),
        (("data", "target"), [str(config.target)]),
        *((("data", "inputs", item.name), item.columns) for item in inputs.values()),
        *((("data", "sensitive", index), [item.column]) for index, item in enumerate(config.sensitive)),
        (("data", "cluster"), config.cluster),
        (("data", "weight"), [config.weight] if config.weight else []),
        (("data", "split"), [split] if split else []),
        (("model", "load"), extra),
    ]
    for key, columns in named:
        roles.need(columns, known, key, error, file)
    own = [item.column for item in config.sensitive], config.cluster, [config.weight] if config.weight else []
    for key_name, columns in zip(("sensitive", "cluster", "weight"), own, strict=True):
        roles.refuse_reserved(columns, key_name, error)
    return list(dict.fromkeys(column for _, columns in named for column in columns))


def _assembled(
    cls: type[Dataset],
    config: DataConfig,
    path: Path,
    table: pd.DataFrame,
    inputs: dict[str, Input],
    error: Error,
    seed: int,
    trains: bool,
    extra: Sequence[str],
) -> Dataset:
    table, skipped = _without_bad_media(config, path, table, inputs)
    names = roles.ids(table, config.id, path.name)
    task, target = roles.target_of(table, config, names, path.name, error)
    classes, positive = roles.classes_of(target, task, config, error)
    frame, notes = _roles_frame(config, path, table, names, target, error, seed, trains, task)
    data = cls(
        config=config,
        path=path,
        table=table,
        roles=frame,
        inputs=inputs,
        task=task,  # type: ignore[arg-type]
        classes=classes,
        positive=positive,
        sensitive=[item.column for item in config.sensitive],
        cluster=list(config.cluster),
        weight=config.weight,
        extra_columns=extra,
        skipped=skipped,
        notes=notes,
        overlap=splits.overlap(frame["split"].to_numpy(), frame[list(config.cluster)]),
    )
    _refuse_nothing_to_compare(data, error)
    return data


def _roles_frame(
    config: DataConfig,
    path: Path,
    table: pd.DataFrame,
    names: pd.Series,
    target: pd.Series,
    error: Error,
    seed: int,
    trains: bool,
    task: str,
) -> tuple[pd.DataFrame, list[str]]:
    import numpy as np
    import pandas as pd

    columns: dict[str, Any] = {"id": names, "split": None, "target": target}
    for index, feature in enumerate(config.sensitive):
        columns[feature.column] = roles.sensitive(table, feature, error, index)
    for name in config.cluster:
        if name not in columns:
            columns[name] = roles.as_text(table[name])
    if config.weight:
        columns[config.weight] = roles.weights(table, config.weight, names, path.name)
    together = (config.split.by if config.split else None) or (config.cluster[0] if config.cluster else None)
    column = table[config.split.column] if config.split and config.split.column else None
    columns["split"] = splits.assign(
        config.split,
        column,
        target,
        columns[together] if together else None,
        trains=trains,
        stratify=task != "regression",
        rng=np.random.default_rng([seed, 1]),
        file=path.name,
    )
    notes = []
    if column is None and len(config.cluster) > 1:
        notes.append(f"The splits keep {together} apart; the other clusters are crossed with it and overlap.")
    return pd.DataFrame(columns), notes


def _refuse_nothing_to_compare(data: Dataset, error: Error) -> None:
    """What makes every number of an audit meaningless stops it."""
    audited = data.roles[data.roles["split"] == data.audited_split]
    if data.task != "regression" and audited["target"].nunique() < 2:
        only = as_label(audited["target"].iloc[0])
        raise DataError(f"data.target: every row of the split {data.audited_split!r} has the class {only!r}.")
    if data.weight and not audited[data.weight].any():
        raise DataError(f"data.weight: every weight in the split {data.audited_split!r} is zero.")
    counts = {name: int(audited[name].nunique(dropna=False)) for name in data.sensitive}
    if counts and max(counts.values()) < 2:
        raise error(
            ("data", "sensitive"),
            f"every sensitive column is constant in the split {data.audited_split!r}; there are no groups to compare.",
        )
    for name, count in counts.items():
        if count > data.config.max_groups:
            raise error(
                ("data", "sensitive"),
                f"{name!r} has {count:,} groups, more than data.max_groups "
                f"({data.config.max_groups}); bin it or leave it out.",
            )


def _without_bad_media(
    config: DataConfig, path: Path, table: pd.DataFrame, inputs: Mapping[str, Input]
) -> tuple[pd.DataFrame, list[tuple[Any, str]]]:
    """Look at every distinct medium once: with ``fail`` only whether it is there, with ``skip`` decode it."""
    import numpy as np
    import pandas as pd

    bad: dict[int, str] = {}
    for item in inputs.values():
        if item.modality not in DECODERS:
            continue
        column = table[item.columns[0]]
        keys = column.map(lambda value: value if isinstance(value, str) else None)
        codes, distinct = pd.factorize(keys)
        problems = [_problem(item.modality, value, path.parent, config.on_bad_media == "skip") for value in distinct]
        unusable = np.array([problem is not None for problem in problems] + [False])  # the last is for missing cells
        for row in np.flatnonzero(unusable[codes]).tolist():
            bad.setdefault(row, f"{item.name}: {problems[codes[row]]}")
        if config.on_bad_media == "skip":
            for row in np.flatnonzero(codes < 0).tolist():
                value = column.iloc[row]
                if not _is_missing(value) and (problem := _problem(item.modality, value, path.parent, True)):
                    bad.setdefault(row, f"{item.name}: {problem}")
    if not bad:
        return table, []
    names = table[config.id] if config.id else pd.Series(range(len(table)))
    if config.on_bad_media == "fail":
        first = min(bad)
        raise DataError(
            f"{row_name(path.name, first, names)}: {bad[first]}; data.on_bad_media: skip leaves such rows out."
        )
    kept = table.drop(index=list(bad)).reset_index(drop=True)
    if kept.empty:
        raise DataError(f"{path.name}: no row has media that can be read; the first: {bad[min(bad)]}.")
    return kept, [(names.iloc[row], reason) for row, reason in sorted(bad.items())]


def _problem(modality: str, source: Any, folder: Path, decode: bool) -> str | None:
    from raikit.data.media import locate

    try:
        if decode:
            DECODERS[modality](source, folder)
        elif source:
            locate(source, folder)
    except MediaError as problem:
        return str(problem)
    return None
