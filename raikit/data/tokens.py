"""Token classification: each token of a text is a case, and the texts are clusters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd

from raikit.config.labels import UnitConfig
from raikit.config.schema import DataConfig
from raikit.config.types import Error
from raikit.data.groups import as_text
from raikit.data.parts import (
    TOKEN,
    Parts,
    Reduced,
    is_list,
    lists_of,
    name_of_whole,
    names_in,
    part_ids,
    text_inputs,
    whole_as_cluster,
)
from raikit.data.roles import read_ids
from raikit.errors import DataError
from raikit.format import counted


def reduce_tokens(
    table: pd.DataFrame, config: DataConfig, predicted: Mapping[str, Mapping[str, str]], file: str, error: Error
) -> Reduced:
    """Bring texts with lists of tags, or rows of one token each, to one case a token.

    Raises
    ------
    ConfigError
        If the target is no column of tags, or nothing says which tokens make a text.
    DataError
        If a text has another number of tags than of tokens, or tags are numbers; names the row.
    """
    if not isinstance(config.target, str):
        raise error(("data", "target"), "token classification needs the column of tags.")
    if other := list(predicted["score"].values()):
        raise error(("model", "load"), f"scores of tokens ({other[0]!r}) are not read from a table; name the `prediction` alone.")
    columns = [config.target, *predicted["prediction"].values()]
    if config.sequence is None:
        reduced, ids, parts, notes = _of_lists(table, config, columns, file)
        name = name_of_whole(table, config, "text")
    else:
        reduced, ids, parts, notes = _of_rows(table, config, columns, file)
        name = config.sequence
    own = as_text(ids, name).to_numpy(dtype=object)
    reduced, clusters = whole_as_cluster(reduced, config, parts.whole, own, name)
    unit = config.unit if "unit" in config.model_fields_set else UnitConfig(one="token", many="tokens")
    changed = {"task": "multiclass", "cluster": clusters, "unit": unit}
    notes.insert(0, f"Each case is a token of one of {counted(len(np.unique(parts.whole)), 'text')}.")
    return Reduced(reduced, config.model_copy(update=changed), parts, part_ids(own, parts.values), notes=notes)


def _of_lists(
    table: pd.DataFrame, config: DataConfig, columns: Sequence[str], file: str
) -> tuple[pd.DataFrame, pd.Series[Any], Parts, list[str]]:
    """Divide rows whose cells are lists, or text that is divided at white space."""
    lists = {column: _tags(lists_of(table, column, file, split=True), column, file) for column in columns}
    words = {item.columns[0]: _words(table, item.columns[0], file) for item in text_inputs(config)}
    lengths = np.array([len(tags) for tags in lists[columns[0]]], dtype=np.int64)
    for column, cells in (lists | words).items():
        own = np.array([len(cell) for cell in cells], dtype=np.int64)
        if (bad := np.flatnonzero(own != lengths)).size:
            row = int(bad[0])
            raise DataError(f"{file}, row {row + 1}: {column} has {own[row]} items, and {columns[0]} has {lengths[row]}.")
    rows = np.repeat(np.arange(len(table)), lengths)
    if not len(rows):
        raise DataError(f"{file} has no tokens.")
    reduced = table.iloc[rows].reset_index(drop=True)
    for column, cells in lists.items():
        reduced[column] = pd.array(list(chain.from_iterable(cells)), dtype="str")
    for column, cells in words.items():
        reduced[column] = _shared(cells, rows)
    whole = np.unique(rows, return_inverse=True)[1].astype(np.int64)
    parts = Parts(TOKEN, whole, _numbers(whole), rows)
    empty = int((lengths == 0).sum())
    notes = [f"{counted(empty, 'text')} without tokens left out."] if empty else []
    return reduced, read_ids(table, config.id, file).iloc[rows].reset_index(drop=True), parts, notes


def _of_rows(
    table: pd.DataFrame, config: DataConfig, columns: Sequence[str], file: str
) -> tuple[pd.DataFrame, pd.Series[Any], Parts, list[str]]:
    """Order rows of one token each by their texts, which keep the order of their first tokens."""
    assert config.sequence is not None
    values = table[config.sequence]
    if (missing := values.isna().to_numpy()).any():
        raise DataError(f"{file}, row {int(missing.argmax()) + 1}: data.sequence ({config.sequence}) is missing.")
    codes = np.asarray(pd.factorize(values)[0], dtype=np.int64)
    rows = np.argsort(codes, kind="stable")
    reduced, whole = table.iloc[rows].reset_index(drop=True), codes[rows]
    for column in columns:
        cells = reduced[column]
        if pd.api.types.is_numeric_dtype(cells) or is_list(cells.iloc[0]):
            raise DataError(f"{file}: {column} must hold one tag a row as text, such as B-PER.")
    starts = np.flatnonzero(np.append(True, whole[1:] != whole[:-1]))
    for item in text_inputs(config):
        words = np.split(reduced[item.columns[0]].fillna("").astype(str).to_numpy(dtype=object), starts[1:])
        reduced[item.columns[0]] = _shared([part.tolist() for part in words], whole)
    ids = reduced[config.sequence]
    return reduced, ids, Parts(TOKEN, whole, _numbers(whole), rows), []


def _tags(lists: Sequence[Sequence[Any]], column: str, file: str) -> list[list[str]]:
    for row, items in enumerate(lists):
        if any(not isinstance(item, str) for item in items):
            raise DataError(f"{file}, row {row + 1}: {column} holds a tag that is no text; write names such as B-PER.")
    return list(names_in(lists, column, file))


def _words(table: pd.DataFrame, column: str, file: str) -> list[list[str]]:
    return list(names_in(lists_of(table, column, file, split=True), column, file))


def _shared(values: Sequence[Any], at: np.ndarray) -> pd.Series[Any]:
    """Return a column in which the tokens of a text share one list."""
    column = np.empty(len(at), dtype=object)
    for case, number in enumerate(at.tolist()):
        column[case] = values[number]
    return pd.Series(column)


def _numbers(whole: np.ndarray) -> np.ndarray:
    """Return the number of each token in its text, from 0."""
    starts = np.append(True, whole[1:] != whole[:-1])
    first = np.maximum.accumulate(np.where(starts, np.arange(len(whole)), 0))
    return np.asarray(np.arange(len(whole)) - first, dtype=np.int64)
