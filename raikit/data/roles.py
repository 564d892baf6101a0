"""Roles of columns: resolve the names in audit.yaml, and read ids, clusters and weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from raikit.address import text
from raikit.config.schema import DataConfig
from raikit.config.types import Error, Key, Modality
from raikit.data.cell_types import CellFormat
from raikit.data.cells import RowNames, as_label, shown
from raikit.data.groups import as_text
from raikit.data.headers import columns_there
from raikit.errors import DataError, listed, nearest
from raikit.limits import configure
from raikit.remote import fetch, is_remote
from raikit.run.predictions import RESERVED

_LARGEST_EXPONENT = 200  # 2^200 can be squared and summed over any number of cases


@dataclass(frozen=True)
class Input:
    """An input of the model, and the columns of the table that hold it."""

    name: str
    modality: Modality
    columns: tuple[str, ...]


def list_inputs(config: DataConfig) -> dict[str, Input]:
    """Return the inputs by name; one without `column` reads the column of its own name."""
    return {
        name: Input(name, item.modality, tuple(item.columns) if item.columns else (item.column or name,))
        for name, item in config.inputs.items()
    }


def media_columns(inputs: Mapping[str, Input]) -> dict[str, Modality]:
    """Return the columns of pictures and sounds."""
    return {item.columns[0]: item.modality for item in inputs.values() if item.modality in ("image", "audio")}


def target_columns(config: DataConfig) -> list[str]:
    """Return the columns of the target: none if the truth is unknown, several for labels or annotators of their own."""
    if config.target is None:
        return []
    return [config.target] if isinstance(config.target, str) else list(config.target)


def find_table(config: DataConfig, folder: Path, error: Error) -> Path:
    """Return the path of the table, or of a copy of one on another filesystem.

    A missing file is a mistake in audit.yaml, so the error names its line.
    """
    configure(
        rows=config.max_rows, columns=config.max_columns, megabytes=config.max_megabytes, depth=config.max_depth
    )  # before anything is read; a copy is limited, too
    if is_remote(config.path):
        try:
            return fetch(config.path, folder)
        except DataError as problem:
            raise error(("data", "path"), str(problem)) from None
    path = folder / config.path
    if "\x00" in config.path or not path.exists():
        raise error(("data", "path"), f"there is no file or folder {path.name} in {path.parent}.")
    return path


def resolve_columns(
    config: DataConfig, extra: Sequence[str], available: Sequence[str], file: str, error: Error
) -> list[str]:
    """Return every column that must be read, after checking that its role is possible.

    Parameters
    ----------
    config : DataConfig
    extra : sequence of str
        Columns of predictions.
    available : sequence of str
        Columns of the file.
    file : str
        Name of the file, for messages.
    error : callable
        Makes the error that names a key.

    Raises
    ------
    ConfigError
        If a column does not exist (the nearest is shown), the target is among the inputs, the sensitive columns or the
        predictions, or a name is reserved in predictions.parquet.
    """
    targets = target_columns(config)
    by_key = list(_columns_by_key(config, targets, extra))
    for key, column in by_key:
        if column not in available:
            raise error(key, f"no column {column!r} in {file}. {columns_there(available, column)}")
    for target in targets:
        if target in extra:
            raise error(("model", "load"), f"{target!r} is the target; name the column of the predictions, which is another one.")
        for item in list_inputs(config).values():
            if target in item.columns:
                raise error(("data", "inputs", item.name), f"{target!r} is the target, which a model must not see.")
        for index, feature in enumerate(config.sensitive):
            if feature.column == target:
                raise error(("data", "sensitive", index), f"{target!r} is the target; remove it from the sensitive columns.")
    _check_reference_columns(config, error)
    _check_reserved_names(config, error)
    _check_one_form(config, error)
    return list(dict.fromkeys(column for _, column in by_key))


def _check_reference_columns(config: DataConfig, error: Error) -> None:
    sensitive = [feature.column for feature in config.sensitive]
    by_column = config.missing_group if isinstance(config.missing_group, dict) else {}
    for key, column in [*(("reference", name) for name in config.reference), *(("missing_group", name) for name in by_column)]:
        if column not in sensitive:
            known = f"those are {listed(sensitive, 20)}" if sensitive else "there are none"
            hint = nearest(column, sensitive)
            raise error(("data", key, column), f"{column!r} is not among the columns of data.sensitive; {known}.{hint}")


def missing_groups(config: DataConfig) -> dict[str, str]:
    """Return what the missing group of each sensitive column is, ``show`` or ``leave_out``, where it is not compared."""
    given = config.missing_group
    columns = [feature.column for feature in config.sensitive]
    of = given if isinstance(given, dict) else dict.fromkeys(columns, given)
    return {column: of[column] for column in columns if of.get(column, "compare") != "compare"}


def reference_groups(config: DataConfig) -> dict[str, str]:
    """Return the reference group of each column that has one, as an address names it."""
    return {column: text(as_label(value)) for column, value in config.reference.items()}


def cell_format(config: DataConfig) -> CellFormat:
    """Return how the cells of the table are written, which columns may mix numbers and text, and which hold names."""
    inputs = list_inputs(config).values()
    numbers = {column for item in inputs if item.modality == "tabular" for column in item.columns}
    labels = {feature.column for feature in config.sensitive if not (feature.bins or feature.quantiles)}
    labels |= {name for name in (config.id, *config.cluster) if name}
    mixed = {config.id, *config.cluster, *config.keep, config.split.column if config.split else None}
    mixed |= {column for item in inputs if item.modality != "tabular" for column in item.columns}
    return CellFormat(
        missing=tuple(config.missing), decimal=config.decimal, text=frozenset(config.as_text),
        mixed=frozenset(name for name in mixed if name), labels=frozenset(labels - numbers),
    )


def _columns_by_key(config: DataConfig, targets: Sequence[str], extra: Sequence[str]) -> Iterator[tuple[Key, str]]:
    """Yield every column with the key under which audit.yaml names it."""
    if config.id:
        yield ("data", "id"), config.id
    for item in list_inputs(config).values():
        yield from ((("data", "inputs", item.name), column) for column in item.columns)
    yield from ((("data", "target"), column) for column in targets)
    if config.sequence:
        yield ("data", "sequence"), config.sequence
    yield from ((("data", "sensitive", index), feature.column) for index, feature in enumerate(config.sensitive))
    yield from ((("data", "cluster"), column) for column in config.cluster)
    if config.weight:
        yield ("data", "weight"), config.weight
    if config.split and config.split.column:
        yield ("data", "split"), config.split.column
    yield from ((("data", "keep"), column) for column in config.keep)
    yield from ((("model", "load"), column) for column in extra)


def _copied_columns(config: DataConfig) -> Iterator[tuple[str, str]]:
    """Yield the columns that predictions.parquet copies under their own names, each with its role."""
    yield from (("sensitive", feature.column) for feature in config.sensitive)
    yield from (("cluster", column) for column in config.cluster)
    if config.weight:
        yield "weight", config.weight


def _check_reserved_names(config: DataConfig, error: Error) -> None:
    for role, column in _copied_columns(config):
        if role == "cluster" and column == "id" == config.id:
            continue
        lower = column.lower()  # DuckDB does not distinguish upper and lower case
        if lower in RESERVED or lower.startswith(("score.", "prediction.", "target.")):
            raise error(
                ("data", role),
                f"predictions.parquet has its own column {lower!r}; rename {column!r} in the table.",
            )


def _check_one_form(config: DataConfig, error: Error) -> None:
    """Raise if a column would have two forms in predictions.parquet: text, bins, or a weight."""
    binned = {feature.column for feature in config.sensitive if feature.bins or feature.quantiles}
    for column in config.cluster:
        if column in binned:
            raise error(
                ("data", "cluster"),
                f"{column!r} is binned under data.sensitive, and a cluster needs its values; copy the column under "
                "another name.",
            )
    others = {column for role, column in _copied_columns(config) if role != "weight"}
    if config.weight in others:
        raise error(("data", "weight"), f"{config.weight!r} is already used in another role; copy the column under another name.")
    spellings: dict[str, str] = {}
    for role, column in _copied_columns(config):
        if spellings.setdefault(column.lower(), column) != column:
            raise error(
                ("data", role),
                f"{column!r} and {spellings[column.lower()]!r} differ only in upper and lower case; rename one of them.",
            )


def read_ids(table: pd.DataFrame, column: str | None, file: str) -> pd.Series[Any]:
    """Return the ids, named ``id``: unique integers or text; row numbers from 0 if no column is named.

    Raises
    ------
    DataError
        If an id is missing (its row is named) or is a duplicate (both rows are named).
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
        same = (values == value).to_numpy()
        raise DataError(
            f"{file}: data.id ({column}) must be unique; {shown(value)} occurs {int(same.sum())} times, first in rows "
            f"{int(same.argmax()) + 1} and {second + 1}."
        )
    return values.rename("id")


def read_clusters(table: pd.DataFrame, columns: Sequence[str]) -> dict[str, pd.Series[Any]]:
    """Return the cluster columns as text; null is a case that shares its cluster with no other."""
    return {column: as_text(table[column], column) for column in columns}


def read_weights(table: pd.DataFrame, column: str, rows: RowNames) -> pd.Series[Any]:
    """Return the sampling weights as float64, each at least 0.

    Raises
    ------
    DataError
        If a weight is missing, negative or infinite (its row is named), or if all are zero.
    """
    values = pd.to_numeric(table[column], errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    if (bad := np.flatnonzero(~np.isfinite(values))).size:
        raise DataError(f"{rows.at(int(bad[0]))}: data.weight ({column}) is not a finite number.")
    if (bad := np.flatnonzero(values < 0)).size:
        raise DataError(f"{rows.at(int(bad[0]))}: data.weight ({column}) is negative.")
    if not values.any():
        raise DataError(f"{rows.file}: every data.weight ({column}) is zero.")
    return pd.Series(without_extremes(values), name=column)


def without_extremes(weights: np.ndarray) -> np.ndarray:
    """Return weights whose squares are numbers too; only those of an extreme scale change, by a power of 2.

    Parameters
    ----------
    weights : ndarray of float64, shape (n,)
        Finite, at least 0, not all 0. Their scale has no meaning.
    """
    exponent = int(np.frexp(weights.max())[1])
    return weights if abs(exponent) <= _LARGEST_EXPONENT else np.ldexp(weights, -exponent)
