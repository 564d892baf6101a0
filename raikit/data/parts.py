"""Cases that are parts of the rows of a table: the tokens of texts, the labels of cases; and what their tables have in common."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from raikit.address import text
from raikit.config.schema import DataConfig
from raikit.data.cells import as_label
from raikit.data.roles import Input, list_inputs
from raikit.errors import DataError
from raikit.run.predictions import RESERVED

# Roles, as predictions.parquet calls them.
TOKEN, LABEL, ANSWERS = "target.token", "target.label", "target.answers"


@dataclass(frozen=True)
class Parts:
    """Cases that are parts of the rows of a table.

    Attributes
    ----------
    role : {"target.token", "target.label"}
    whole : ndarray of int64, shape (n,)
        Number of the text, or of the row, that each case is a part of; those of one whole follow each other.
    values : ndarray, shape (n,)
        Number of the token in its text, from 0; or name of the label.
    rows : ndarray of int64, shape (n,)
        Row of the file that each case comes from.
    names : tuple of str
        The labels in the order in which models have them; empty for tokens.
    """

    role: str
    whole: np.ndarray
    values: np.ndarray
    rows: np.ndarray
    names: tuple[str, ...] = ()

    def take(self, cases: np.ndarray) -> Parts:
        """Return the parts at some positions."""
        return Parts(self.role, self.whole[cases], self.values[cases], self.rows[cases], self.names)

    @property
    def numbers(self) -> np.ndarray:
        """What a model picks of its output for the whole: the number of the token, or of the label; shape (n,)."""
        if self.role == TOKEN:
            return self.values
        return pd.Index(self.names).get_indexer(pd.Index(self.values)).astype(np.int64)


@dataclass(frozen=True)
class Reduced:
    """A table with one label a row, and the configuration under which it is read.

    Attributes
    ----------
    table : DataFrame
    config : DataConfig
        Its `target` and `task` are those of the rows.
    parts : Parts or None
        None where rows stay rows.
    ids : Series or None
        Of the parts.
    answers : Series of list or None
        All annotators' answers to each case.
    notes : list of str
        Sentences for the record.
    """

    table: pd.DataFrame
    config: DataConfig
    parts: Parts | None = None
    ids: pd.Series[Any] | None = None
    answers: pd.Series[Any] | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def roles(self) -> dict[str, Any]:
        """Columns of predictions.parquet that other tasks do not have."""
        own: dict[str, Any] = {} if self.parts is None else {self.parts.role: self.parts.values}
        return own | ({} if self.answers is None else {ANSWERS: self.answers})


def is_list(cell: Any) -> bool:
    """Return whether a cell holds a list."""
    return isinstance(cell, list | tuple | np.ndarray)


def lists_of(table: pd.DataFrame, column: str, file: str, *, split: bool = False) -> list[Sequence[Any]]:
    """Return the lists of a column; with `split`, text is divided at white space.

    Raises
    ------
    DataError
        If a cell holds something else; names the row.
    """
    cells = table[column].tolist()
    if split:
        cells = [cell.split() if isinstance(cell, str) else cell for cell in cells]
    for row, cell in enumerate(cells):
        if not is_list(cell):
            raise DataError(f"{file}, row {row + 1}: {column} holds no list.")
    return cells


def names_in(lists: Sequence[Sequence[Any]], column: str, file: str) -> Iterator[list[str]]:
    """Yield lists of names as text.

    Raises
    ------
    DataError
        If an item is missing or no name, such as a list; names the row.
    """
    for row, items in enumerate(lists):
        labels = [as_label(item) for item in items]
        for label in labels:
            if is_list(label) or isinstance(label, dict) or pd.isna(label):
                raise DataError(f"{file}, row {row + 1}: an item of {column} is missing or no name.")
        yield [label if isinstance(label, str) else text(label) for label in labels]


def text_inputs(config: DataConfig) -> list[Input]:
    """Return the inputs that are texts."""
    return [item for item in list_inputs(config).values() if item.modality == "text"]


def part_ids(wholes: np.ndarray, values: np.ndarray) -> pd.Series[Any]:
    """Return the ids of parts: that of the whole, a colon, and the part."""
    return pd.Series(wholes.astype(object) + ":" + values.astype(str).astype(object), name="id", dtype="str")


def whole_as_cluster(
    table: pd.DataFrame, config: DataConfig, whole: np.ndarray, ids: np.ndarray, name: str
) -> tuple[pd.DataFrame, list[str]]:
    """Return the table and its cluster columns, among them one in which no whole is divided.

    Parameters
    ----------
    table : DataFrame
        One row a part.
    config : DataConfig
    whole : ndarray of int64, shape (n,)
    ids : ndarray, shape (n,)
        Id of each part's whole.
    name : str
        Of the column of these ids, which is added if it is needed.
    """
    for column in config.cluster:
        values = table[column]
        if values.notna().all() and (values.groupby(whole).nunique() == 1).all():
            return table, list(config.cluster)
    return table.assign(**{name: ids}), [*(column for column in config.cluster if column != name), name]


def name_of_whole(table: pd.DataFrame, config: DataConfig, noun: str) -> str:
    """Return the name of a cluster column of wholes: that of the ids, or a noun that no column is called."""
    if config.id is not None and config.id.lower() not in RESERVED:
        return config.id
    while noun in table:
        noun += "_"
    return noun
