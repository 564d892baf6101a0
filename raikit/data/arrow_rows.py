"""The rows of an Arrow batch, read like those of an audit's own table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from raikit.data.batch import Batch
from raikit.data.cache import MediaCache
from raikit.data.cell_types import CellFormat, is_text, read_missing, without_sentinels
from raikit.data.cells import shown
from raikit.data.media_columns import media_cells
from raikit.data.roles import cell_format, media_columns
from raikit.data.rows import InputRows
from raikit.data.tables import to_pandas
from raikit.errors import DataError, listed, nearest

if TYPE_CHECKING:
    import pyarrow as pa

    from raikit.data.dataset import Dataset


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
    def of(cls, batch: pa.RecordBatch | pa.Table, data: Dataset, media: MediaCache) -> ArrowRows:
        """Take the columns of the inputs, and of the id, from a batch; other columns are not looked at.

        Parameters
        ----------
        batch : RecordBatch or Table
        data : Dataset
            The audit's own, whose columns say what type each has.
        media : MediaCache

        Raises
        ------
        DataError
            If a column is absent, or holds text where the audit's table holds numbers.
        """
        import pyarrow as pa

        config, inputs = data.config, data.inputs
        table = batch if isinstance(batch, pa.Table) else pa.table(batch)
        ids = _column(table, config.id).to_pylist() if config.id else list(range(table.num_rows))
        written, tabular = cell_format(config), {c for item in inputs.values() if item.modality == "tabular" for c in item.columns}
        columns = {column: _cells(_column(table, column), written) for item in inputs.values() for column in item.columns}
        frame = to_pandas(pa.table(columns))
        for column in tabular:
            frame[column] = _typed(frame[column], data.table[column])
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
