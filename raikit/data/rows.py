"""Rows of a table as a model gets them: texts, columns, and media that are decoded when they are needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from raikit.data.batch import Batch
from raikit.data.cache import MediaCache
from raikit.data.cell_types import CellFormat, is_text, read_missing, without_sentinels
from raikit.data.cells import shown
from raikit.data.media import MediaError
from raikit.data.media_columns import SKIP_HINT, media_cells
from raikit.data.roles import Input, cell_format, media_columns
from raikit.data.tables import to_pandas
from raikit.errors import DataError, listed, nearest

if TYPE_CHECKING:
    import pyarrow as pa

    from raikit.config.schema import DataConfig


@dataclass(frozen=True)
class InputRows:
    """The columns of a model's inputs, and how their media are found.

    Attributes
    ----------
    table : DataFrame
        Media as paths or bytes.
    inputs : mapping of str to Input
    media : MediaCache
    where : callable
        Names the row at a position for a message.
    is_tokens : bool
        A text is the list of its tokens.
    """

    table: pd.DataFrame
    inputs: Mapping[str, Input]
    media: MediaCache
    where: Callable[[int], str]
    is_tokens: bool = False

    @cached_property
    def _tables(self) -> dict[str, pd.DataFrame]:
        """The columns of each tabular input; selecting them for every batch would copy the whole table each time."""
        tabular = [item for item in self.inputs.values() if item.modality == "tabular"]
        return {item.name: self.table[list(item.columns)] for item in tabular}

    def read(self, rows: np.ndarray) -> dict[str, Any]:
        """Return the values of each input for the rows at these positions, as `Batch.inputs` has them.

        Raises
        ------
        DataError
            If a picture or sound cannot be decoded; names the row and the column.
        """
        return {item.name: self._values(item, rows) for item in self.inputs.values()}

    def _values(self, item: Input, rows: np.ndarray) -> Any:
        if item.modality == "tabular":
            return self._tables[item.name].iloc[rows].reset_index(drop=True)
        cells = self.table[item.columns[0]].iloc[rows]
        present = zip(cells.tolist(), cells.isna().tolist(), rows.tolist(), strict=True)
        if item.modality == "text":
            return [None if missing else cell if self.is_tokens else str(cell) for cell, missing, _ in present]
        return [None if missing else self._decoded(item, cell, row) for cell, missing, row in present]

    def _decoded(self, item: Input, cell: Any, row: int) -> Any:
        try:
            return self.media.get(item.modality, cell)
        except MediaError as problem:
            raise DataError(f"{self.where(row)}: {item.columns[0]}: {problem}; {SKIP_HINT}.") from None

    def lengths(self, rows: np.ndarray) -> np.ndarray | None:
        """Return the number of characters of all texts of each row; None without an input of text."""
        texts = [item.columns[0] for item in self.inputs.values() if item.modality == "text"]
        if not texts:
            return None
        cells = (self.table[column].iloc[rows] for column in texts)
        lengths = [one.astype("string").str.len().to_numpy(dtype=np.float64, na_value=0.0) for one in cells]
        together: np.ndarray = np.stack(lengths).sum(axis=0)
        return together


@dataclass(frozen=True)
class ArrowRows:
    """The rows of an Arrow batch, read like those of an audit's own table.

    Attributes
    ----------
    ids : list
        From ``data.id``; without it, numbers from 0.
    rows : InputRows
    """

    ids: list[Any]
    rows: InputRows

    @classmethod
    def of(
        cls, batch: pa.RecordBatch | pa.Table, config: DataConfig, inputs: Mapping[str, Input], known: pd.DataFrame,
        media: MediaCache,
    ) -> ArrowRows:  # fmt: skip
        """Take the columns of the inputs, and of the id, from a batch; other columns are not looked at.

        Parameters
        ----------
        batch : RecordBatch or Table
        config : DataConfig
        inputs : mapping of str to Input
        known : DataFrame
            The audit's own table, whose types the columns get.
        media : MediaCache

        Raises
        ------
        DataError
            If a column is absent, or holds text where the audit's table holds numbers.
        """
        import pyarrow as pa

        table = batch if isinstance(batch, pa.Table) else pa.table(batch)
        ids = _column(table, config.id).to_pylist() if config.id else list(range(table.num_rows))
        written, tabular = cell_format(config), {c for item in inputs.values() if item.modality == "tabular" for c in item.columns}
        columns = {column: _cells(_column(table, column), written) for item in inputs.values() for column in item.columns}
        frame = to_pandas(pa.table(columns))
        for column in tabular:
            frame[column] = _typed(frame[column], known[column])
        for column in media_columns(inputs):
            frame[column] = pd.Series(media_cells(frame[column]), dtype=object)
        return cls(ids, InputRows(frame, inputs, media, lambda row: f"row {row} of the batch (id {shown(ids[row])})"))

    def batches(self, size: int, order: np.ndarray) -> Iterator[Batch]:
        """Yield the rows in an order, as `Dataset.batches` does; they have no target."""
        for start in range(0, len(order), size):
            rows = order[start : start + size]
            yield Batch([self.ids[row] for row in rows.tolist()], self.rows.read(rows))


def _column(table: pa.Table, name: str) -> pa.ChunkedArray:
    if table.column_names.count(name) != 1:
        hint = nearest(name, table.column_names)
        raise DataError(f"the batch has no single column {name!r}.{hint} Columns there: {listed(table.column_names, 30)}.")
    return table.column(name)


def _cells(column: pa.ChunkedArray, written: CellFormat) -> pa.ChunkedArray:
    """Return cells with null for what means a missing value; what a batch holds beside must not change their type."""
    import pyarrow as pa

    if not written.missing:
        return column
    if is_text(column.type):
        return read_missing(column.cast(pa.string()), written.missing)
    return without_sentinels(column, written.missing)


def _typed(cells: pd.Series[Any], known: pd.Series[Any]) -> pd.Series[Any]:
    """Return cells with the type of the audit's own column, so that no score depends on which rows come together."""
    numeric, wanted = pd.api.types.is_numeric_dtype(cells), pd.api.types.is_numeric_dtype(known)
    if wanted and not numeric and cells.notna().any():
        raise DataError(f"the column {cells.name!r} of the batch holds text or times, and that of the audit's table numbers.")
    if wanted and (not numeric or pd.api.types.is_float_dtype(known)):
        return cells.astype("float64")
    return cells if numeric == wanted else cells.astype(known.dtype)
