"""Tables of any size, read a batch at a time, with the types that `read_table` would have found.

Files and folders of CSV and Parquet are read in batches; what can only be read as a whole is cut into batches afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from raikit.data.cell_types import CellFormat, MixedColumn, check_text, infer_type, is_text, without_sentinels
from raikit.data.csv_file import count_lines, named_errors, open_csv, refuse_repeated_header
from raikit.data.folders import Part, is_scannable, open_folder
from raikit.data.parquet_file import parquet_batches
from raikit.data.table_format import CSV, PARQUET, readable_errors, suffix_of
from raikit.data.tables import column_names, holds_text, part_columns, read_cells, select_columns, to_pandas
from raikit.errors import DataError
from raikit.limits import check_rows

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH = 1 << 18  # rows of Parquet in a batch


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
        self._durations: dict[str, pa.DataType] = {}

    @cached_property
    def is_text(self) -> bool:
        """Whether every cell comes as text."""
        return holds_text(self.path)

    @cached_property
    def all_columns(self) -> list[str]:
        """The names of all columns of the table, needed or not."""
        return column_names(self.path)

    @property
    def is_parquet(self) -> bool:
        """Whether an engine can read the file itself."""
        return not self.path.is_dir() and suffix_of(self.path) in PARQUET

    @cached_property
    def _parts(self) -> list[Part]:
        """The files that can be read in batches; none if the table can only be read as a whole."""
        if not is_scannable(self.path):
            return []
        return list(open_folder(self.path).parts) if self.path.is_dir() else [Part(self.path)]

    @cached_property
    def rows(self) -> int:
        """Number of rows; of CSV that of lines, which may be a few more. 0 where the table can only be read as a whole."""
        with self.errors():
            rows = sum(_rows_of(part.file) for part in self._parts)
            check_rows(self.path.name, rows)
            return rows

    def batches(self) -> pa.RecordBatchReader:
        """Open the rows, from the first one; read them within `errors`. Durations come as numbers, as an engine reads Parquet."""
        import pyarrow as pa

        if not self._parts:
            return self._without_durations(read_cells(self.path, self.columns).to_reader())
        schema = _common_schema([_schema_of(part, self.columns) for part in self._parts], self.columns, self.path.name)
        return self._without_durations(
            pa.RecordBatchReader.from_batches(schema, (batch for part in self._parts for batch in _batches_of(part, schema)))
        )

    def _without_durations(self, reader: pa.RecordBatchReader) -> pa.RecordBatchReader:
        """Read durations as numbers: an engine would make them intervals, which lose nanoseconds and cannot be compared."""
        import pyarrow as pa

        self._durations = {field.name: field.type for field in reader.schema if pa.types.is_duration(field.type)}
        if not self._durations:
            return reader
        fields = [field.with_type(pa.int64()) if field.name in self._durations else field for field in reader.schema]
        schema = pa.schema(fields)
        return pa.RecordBatchReader.from_batches(schema, (batch.cast(schema) for batch in reader))

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Turn what reading raises into one sentence that names the file, and the row where there is one."""
        with readable_errors(self.path), nullcontext() if self.path.is_dir() else named_errors(self.path):
            yield

    def typed(self, counted: pa.Table, cells: Mapping[str, str], *, categories: bool = True) -> pd.DataFrame:
        """Give what was counted by the cells of columns the types of these columns.

        Parameters
        ----------
        counted : Table
            One row for each combination of cells.
        cells : mapping of str to str
            The columns of `counted` that hold cells as they stand in the file, and the columns of the file that they are of.
        categories : bool
            Whether text becomes categories.

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
        return to_pandas(counted, categories=categories)

    def _with_file_types(self, counted: pa.Table, names: Mapping[int, str]) -> pa.Table:
        """Return times as the file has them; an engine writes those of a time zone in another one, and durations as numbers."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        if self.is_parquet:
            schema = pq.read_schema(self.path)
            kinds = {name: schema.field(name).type for name in names.values()}
        else:
            kinds = self._durations
        for index, name in names.items():
            if name not in kinds:
                continue
            kind = kinds[name]
            if pa.types.is_timestamp(kind) or pa.types.is_duration(kind):
                column = counted.column(index)
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


def _rows_of(file: Path) -> int:
    """Return the number of rows of Parquet, and of lines of CSV."""
    if suffix_of(file) not in PARQUET:
        return count_lines(file)
    import pyarrow.parquet as pq  # loads clients of every cloud, which a table of text never needs

    return int(pq.read_metadata(file).num_rows)


def _schema_of(part: Part, columns: Sequence[str]) -> pa.Schema:
    """Return the types of the columns that a part has; text for those that its name and place add."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = part_columns(part.file)
    if suffix_of(part.file) in CSV:
        found = {name: pa.string() for name in names}
    else:
        schema = pq.read_schema(part.file)
        found = {field.name: _plain(field.type) for field in schema}
    found = {name: pa.string() for name in part.columns} | found
    return pa.schema([(name, found[name]) for name in columns if name in found])


def _plain(kind: pa.DataType) -> pa.DataType:
    """Return the type that codes stand for."""
    import pyarrow as pa

    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _common_schema(schemas: Sequence[pa.Schema], columns: Sequence[str], name: str) -> pa.Schema:
    """Return one type for each column, into which those of all parts can be converted."""
    import pyarrow as pa

    try:
        schema = pa.unify_schemas(schemas, promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        raise DataError(f"{name}: a column has another type in one part of the table than in another.") from None
    return pa.schema([schema.field(column) for column in columns])


def _batches_of(part: Part, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a part in the types of the whole table; a column that it lacks is missing."""
    import pyarrow as pa

    present = [name for name in schema.names if name in part_columns(part.file)]
    is_text = suffix_of(part.file) in CSV
    with named_errors(part.file) if is_text else nullcontext():
        for batch in open_csv(part.file, present) if is_text else parquet_batches(part.file, present, _BATCH):
            given = dict(zip(batch.schema.names, batch.columns, strict=True))
            columns = [
                given[field.name].cast(field.type) if field.name in given
                else pa.repeat(pa.scalar(part.columns.get(field.name), pa.string()), batch.num_rows).cast(field.type)
                for field in schema
            ]  # fmt: skip
            yield pa.RecordBatch.from_arrays(columns, schema=schema)
