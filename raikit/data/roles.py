"""Which column plays which role: names looked up under the key that gives them; ids, clusters, weights checked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from raikit.config.schema import DataConfig
from raikit.config.types import Modality, Task
from raikit.data.groups import as_text
from raikit.data.tables import Rows, shown
from raikit.errors import DataError, RaikitError, listed, nearest
from raikit.run.predictions import RESERVED

Key = Sequence[str | int]
Error = Callable[[Key, str], RaikitError]

_MOST_INTEGER_CLASSES = 20


@dataclass(frozen=True)
class Input:
    """An input of the model: where its values stand in the table."""

    name: str
    modality: Modality
    columns: tuple[str, ...]


def inputs_of(config: DataConfig) -> dict[str, Input]:
    """The inputs with the columns that they read; one without `column` is called like its column."""
    return {
        name: Input(name, item.modality, tuple(item.columns) if item.columns else (item.column or name,))
        for name, item in config.inputs.items()
    }


def targets_of(config: DataConfig) -> list[str]:
    """The target columns: one, or several if multilabel."""
    return [config.target] if isinstance(config.target, str) else list(config.target)


def task_of(values: pd.Series[Any]) -> Task:
    """Two values are binary; text or at most 20 different integers multiclass; other numbers regression.

    Examples
    --------
    >>> task_of(pd.Series(["a", "b", "c"])), task_of(pd.Series([0.5, 1.5, 2.5]))
    ('multiclass', 'regression')
    """
    distinct = values.dropna().unique()
    if len(distinct) <= 2:
        return "binary"
    if not pd.api.types.is_numeric_dtype(values):
        return "multiclass"
    if len(distinct) > _MOST_INTEGER_CLASSES:
        return "regression"
    return "multiclass" if all(float(value).is_integer() for value in distinct) else "regression"


def columns_of(config: DataConfig, extra: Sequence[str], there: Sequence[str], file: str, error: Error) -> list[str]:
    """Every column that is to be read, each looked up under the key that names it.

    Parameters
    ----------
    extra : sequence of str
        Columns of predictions.
    there : sequence of str
        Columns of the file.

    Raises
    ------
    ConfigError
        A column that is not there, with the nearest; a target among the inputs or the sensitive columns; a name that
        predictions.parquet needs for something else.
    """
    named = list(_named(config, extra))
    for key, column in named:
        if column not in there:
            hint = nearest(column, there)
            raise error(key, f"no column {column!r} in {file}.{hint} Columns there: {listed(there, 30)}.")
    for item in inputs_of(config).values():
        if leaked := [column for column in item.columns if column in targets_of(config)]:
            raise error(("data", "inputs", item.name), f"{leaked[0]!r} is the target, which a model must not see.")
    for index, feature in enumerate(config.sensitive):
        if feature.column in targets_of(config):
            raise error(
                ("data", "sensitive", index),
                f"{feature.column!r} is the target; name the columns that say whom a row is about, and leave it out.",
            )
    _refuse_reserved(config, error)
    _refuse_two_shapes(config, error)
    return list(dict.fromkeys(column for _, column in named))


def _named(config: DataConfig, extra: Sequence[str]) -> Iterator[tuple[Key, str]]:
    """Every column with the key under which audit.yaml names it."""
    if config.id:
        yield ("data", "id"), config.id
    for item in inputs_of(config).values():
        yield from ((("data", "inputs", item.name), column) for column in item.columns)
    yield from ((("data", "target"), column) for column in targets_of(config))
    yield from ((("data", "sensitive", index), feature.column) for index, feature in enumerate(config.sensitive))
    yield from ((("data", "cluster"), column) for column in config.cluster)
    if config.weight:
        yield ("data", "weight"), config.weight
    if config.split and config.split.column:
        yield ("data", "split"), config.split.column
    yield from ((("data", "keep"), column) for column in config.keep)
    yield from ((("model", "load"), column) for column in extra)


def _kept(config: DataConfig) -> Iterator[tuple[str, str]]:
    """The columns that predictions.parquet takes over under their own names, with their keys."""
    yield from (("sensitive", feature.column) for feature in config.sensitive)
    yield from (("cluster", column) for column in config.cluster)
    if config.weight:
        yield "weight", config.weight


def _refuse_reserved(config: DataConfig, error: Error) -> None:
    for role, column in _kept(config):
        # DuckDB does not tell upper from lower case
        lower = column.lower()
        if role == "cluster" and column == "id" == config.id:
            continue
        if lower in RESERVED or lower.startswith(("score.", "prediction.", "target.")):
            raise error(
                ("data", role),
                f"predictions.parquet has a column of its own called {lower!r}; rename {column!r} in the table.",
            )


def _refuse_two_shapes(config: DataConfig, error: Error) -> None:
    """A column has one shape in predictions.parquet: text, bins, or a weight."""
    binned = {feature.column for feature in config.sensitive if feature.bins or feature.quantiles}
    for column in config.cluster:
        if column in binned:
            raise error(
                ("data", "cluster"),
                f"{column!r} is binned under data.sensitive, and a cluster needs its "
                "values; copy the column under another name.",
            )
    others = {column for role, column in _kept(config) if role != "weight"}
    if config.weight in others:
        raise error(("data", "weight"), f"{config.weight!r} has another role too; copy the column under another name.")
    spellings: dict[str, str] = {}
    for role, column in _kept(config):
        if spellings.setdefault(column.lower(), column) != column:
            raise error(
                ("data", role),
                f"{column!r} and {spellings[column.lower()]!r} differ only by upper and lower "
                "case; rename one of them.",
            )


def ids_of(table: pd.DataFrame, column: str | None, file: str) -> pd.Series[Any]:
    """The row ids, named ``id``: integers or text, unique; row numbers from 0 where no column is named.

    Raises
    ------
    DataError
        A missing id (its row is named) or one that stands twice (with both rows).
    """
    if column is None:
        return pd.Series(np.arange(len(table)), name="id")
    values = table[column]
    if (missing := values.isna().to_numpy()).any():
        raise DataError(f"{file}, row {int(missing.argmax()) + 1}: data.id ({column}) is missing.")
    if not pd.api.types.is_integer_dtype(values):
        values = as_text(values, column)
    if (repeated := values.duplicated().to_numpy()).any():
        second = int(repeated.argmax())
        value = values.iloc[second]
        first = int((values == value).to_numpy().argmax())
        raise DataError(
            f"{file}: data.id ({column}) must be unique; {shown(value)} stands {int((values == value).sum())} "
            f"times, first in the rows {first + 1} and {second + 1}."
        )
    return values.rename("id")


def clusters_of(table: pd.DataFrame, columns: Sequence[str]) -> dict[str, pd.Series[Any]]:
    """The cluster columns as text; null where there is no value, which makes the row a cluster of its own."""
    return {column: as_text(table[column], column) for column in columns}


def weights_of(table: pd.DataFrame, column: str, rows: Rows) -> pd.Series[Any]:
    """Sampling weights, float64.

    Raises
    ------
    DataError
        One that is missing, negative or no finite number (its row is named), or if all are zero.
    """
    values = pd.to_numeric(table[column], errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    if (bad := np.flatnonzero(~np.isfinite(values))).size:
        raise DataError(f"{rows.at(int(bad[0]))}: data.weight ({column}) is no finite number.")
    if (bad := np.flatnonzero(values < 0)).size:
        raise DataError(f"{rows.at(int(bad[0]))}: data.weight ({column}) is negative.")
    if not values.any():
        raise DataError(f"{rows.file}: every data.weight ({column}) is zero.")
    return pd.Series(values, name=column)


def path_of(config: DataConfig, folder: Path, error: Error) -> Path:
    """Where the table is; a missing file is a mistake in audit.yaml, so its line is named."""
    path = folder / config.path
    if not path.is_file():
        problem = (
            f"{path} is a folder; name one file" if path.is_dir() else f"there is no file {path.name} in {path.parent}"
        )
        raise error(("data", "path"), f"{problem}.")
    return path


def media_columns(inputs: Mapping[str, Input]) -> dict[str, Modality]:
    """Columns of pictures and sounds."""
    return {item.columns[0]: item.modality for item in inputs.values() if item.modality in ("image", "audio")}
