"""Tables of any size, read a batch at a time, with the types that `read_table` would have found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from raikit.data.cell_types import CellFormat, MixedColumn, check_text, infer_type, is_text, without_sentinels
from raikit.data.csv_file import named_errors, open_csv, refuse_repeated_header
from raikit.data.table_format import PARQUET, readable_errors, suffix_of
from raikit.data.tables import holds_text, read_cells, select_columns, to_pandas

if TYPE_CHECKING:
    import pyarrow as pa


class TableScan:
    """A table whose rows are counted rather than kept.

    The cells of CSV come as text. What is counted by them is typed afterwards: a type depends only on the different cells of
    a column, so that it is the same as if all rows had been read.

    Parameters
    ----------
    path : Path
        As for `read_table`.
    columns : sequence of str
        The columns that are needed.
    written : CellFormat, optional
        How cells are written.

    Raises
    ------
    DataError
        If the file is not a table, or lacks a column (the nearest name is shown).
    """

    def __init__(self, path: Path, columns: Sequence[str], written: CellFormat | None = None) -> None:
        self.path = Path(path)
        self.columns = select_columns(self.path, columns)
        self.written = written or CellFormat()

    @cached_property
    def is_text(self) -> bool:
        """Whether every cell comes as text."""
        return holds_text(self.path)

    @property
    def is_parquet(self) -> bool:
        """Whether an engine can read the file itself."""
        return not self.path.is_dir() and suffix_of(self.path) in PARQUET

    def batches(self) -> pa.RecordBatchReader:
        """Open the rows, from the first one; read them within `errors`."""
        if self.is_text and not self.path.is_dir():
            return open_csv(self.path, self.columns)
        return read_cells(self.path, self.columns).to_reader()

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Turn what reading raises into one sentence that names the file, and the row where there is one."""
        with readable_errors(self.path), named_errors(self.path):
            yield

    def typed(self, counted: pa.Table, cells: Mapping[str, str]) -> pd.DataFrame:
        """Give what was counted by the cells of columns the types of these columns.

        Parameters
        ----------
        counted : Table
            One row for each combination of cells.
        cells : mapping of str to str
            The columns of `counted` that hold cells as they stand in the file, and the columns of the file that they are of.

        Raises
        ------
        DataError
            If a column holds numbers but for a few cells.
        """
        names = {index: cells[name] for index, name in enumerate(counted.column_names) if name in cells}
        if self.is_text:
            written = {column: cells[column] for column in counted.column_names if column in cells}
            refuse_repeated_header(counted, written, self.path.name, rows=False)
        counted = self._with_file_types(counted, names)
        try:
            for index, name in names.items():
                column, field = counted.column(index), counted.schema.field(index)
                text = is_text(field.type)
                typed = self._typed_text(column, name) if text else without_sentinels(column, self.written.missing)
                counted = counted.set_column(index, field.name, typed)
        except MixedColumn as error:
            raise error.in_file(self.path.name, counted=False) from None
        return to_pandas(counted, categories=True)

    def _with_file_types(self, counted: pa.Table, names: Mapping[int, str]) -> pa.Table:
        """Return times as the file has them; an engine writes those of a time zone in another one, and durations as numbers."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        if not self.is_parquet:
            return counted
        schema = pq.read_schema(self.path)
        for index, name in names.items():
            kind = schema.field(name).type
            if pa.types.is_timestamp(kind) or pa.types.is_duration(kind):
                column = counted.column(index)
                column = column.cast(pa.duration("us")) if pa.types.is_integer(column.type) else column
                counted = counted.set_column(index, counted.schema.field(index).name, column.cast(kind))
        return counted

    def _typed_text(self, column: pa.ChunkedArray, name: str) -> pa.Array:
        """Give text the type of its cells, by looking at each different one once."""
        import pyarrow as pa
        import pyarrow.compute as pc

        encoded = column.combine_chunks()
        if not pa.types.is_dictionary(encoded.type):
            encoded = pc.dictionary_encode(encoded)
        read = infer_type if self.is_text else check_text
        typed = read(pa.chunked_array([encoded.dictionary.cast(pa.string())]), name, self.written)
        typed = typed.combine_chunks()
        # Of many rows, text that is kept as codes takes a fraction of the memory.
        if is_text(typed.type) and not typed.null_count:
            return pa.DictionaryArray.from_arrays(encoded.indices, typed)
        return typed.take(encoded.indices)
