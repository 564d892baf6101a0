"""The different rows of a table that is larger than memory: how often each occurs, where first, and which row is which."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from raikit.data.scan import TableScan
from raikit.errors import DataError
from raikit.process.database import open_database

if TYPE_CHECKING:
    import pyarrow as pa

_MOST = 1_000_000  # different rows; more of them are no combinations of labels and groups
_MEMORY = "1GB"  # that DuckDB may use while it counts
_LARGEST_CODE = 2.0**62  # a number of combinations beyond it does not fit into int64
_LARGEST_TABLE = 1 << 22  # up to so many combinations, the position of each is looked up in one table


@dataclass(frozen=True)
class DistinctRows:
    """The different rows of a table, in the order in which they first occur.

    Parameters
    ----------
    scan : TableScan
    cells : Table, k rows
        As they stand in the file.
    counts : ndarray of int64, shape (k,)
        Rows of the table that are alike.
    first : ndarray of int64, shape (k,)
        Number of the first of them, from 0.
    """

    scan: TableScan
    cells: pa.Table
    counts: np.ndarray
    first: np.ndarray

    def frame(self) -> pd.DataFrame:
        """Return the different rows, in the types that `read_table` gives them.

        Raises
        ------
        DataError
            If a column holds numbers but for a few cells.
        """
        return self.scan.typed(self.cells, {name: name for name in self.cells.column_names}, categories=False)

    def positions(self) -> Iterator[np.ndarray]:
        """Read the table again, and yield for each batch of it which of the different rows each row is.

        Raises
        ------
        DataError
            If the table has changed meanwhile.
        """
        with self.scan.errors():
            for batch in self.scan.batches():
                found = self._find(self._codes(batch.columns))
                if (found < 0).any():
                    raise DataError(f"{self.scan.path.name} has changed while it was read; run the audit again.")
                yield found

    @cached_property
    def _values(self) -> list[pa.Array]:
        """The different cells of each column."""
        return [_comparable(column.combine_chunks()).unique() for column in self.cells.columns]

    @cached_property
    def _sorted_codes(self) -> tuple[np.ndarray, np.ndarray]:
        codes = self._codes([column.combine_chunks() for column in self.cells.columns])
        order = np.argsort(codes)
        return codes[order], order

    @cached_property
    def _table(self) -> np.ndarray | None:
        """The position of each combination of cells, -1 if it does not occur; None if there are too many."""
        if (size := math.prod(len(values) + 1 for values in self._values)) > _LARGEST_TABLE:
            return None
        table = np.full(size, -1, dtype=np.int64)
        codes, order = self._sorted_codes
        table[codes] = order
        return table

    def _codes(self, columns: Sequence[pa.Array]) -> np.ndarray:
        """Return one number for the combination of cells of each row."""
        import pyarrow.compute as pc

        code = np.zeros(len(columns[0]), dtype=np.int64)
        for column, values in zip(columns, self._values, strict=True):
            code *= len(values) + 1
            at = pc.index_in(_comparable(column).cast(values.type), values)
            code += at.fill_null(len(values)).to_numpy(zero_copy_only=False)
        return code

    def _find(self, codes: np.ndarray) -> np.ndarray:
        if self._table is not None:
            return np.asarray(self._table[codes])
        known, order = self._sorted_codes
        at = np.minimum(np.searchsorted(known, codes), len(known) - 1)
        return np.where(known[at] == codes, order[at], -1)


def count_rows(scan: TableScan) -> DistinctRows | None:
    """Count the different rows of a table in bounded memory.

    Parameters
    ----------
    scan : TableScan

    Returns
    -------
    DistinctRows or None
        None if there are too many different rows, or rows that cannot be compared.

    Raises
    ------
    DataError
        If the file cannot be read, or has no rows.
    """
    import duckdb
    import pyarrow as pa

    names = [f"c{number}" for number in range(len(scan.columns))]
    with open_database(memory_limit=_MEMORY) as connection, scan.errors():
        connection.execute("SET temp_directory = ''")
        try:
            counted = connection.sql(_query(scan, names, connection)).to_arrow_table()
        except duckdb.OutOfMemoryException:
            return None
        except duckdb.Error:
            for _ in scan.batches():  # It may be the file; then this says where.
                pass
            return None
    if not counted.num_rows:
        raise DataError(f"{scan.path.name} has no rows.")
    counts, first = (counted.column(at).to_numpy().astype(np.int64) for at in (-2, -1))
    cells = pa.table([counted.column(name) for name in names], names=list(scan.columns))
    found = DistinctRows(scan, cells, counts, first)
    possible = math.prod(float(len(values) + 1) for values in found._values)
    return found if counted.num_rows <= _MOST and possible < _LARGEST_CODE else None


def _query(scan: TableScan, names: Sequence[str], connection: Any) -> str:
    """Return the query that counts: DuckDB reads Parquet itself, which is faster, and anything else batch by batch."""
    columns, place, rows = list(names), "place", "cases"
    # DuckDB takes names that differ only in case for one.
    lowered = {name.lower() for name in scan.all_columns}
    if scan.is_parquet and len(lowered) == len(scan.all_columns) and "file_row_number" not in lowered:
        quoted = ['"' + name.replace('"', '""') + '"' for name in scan.columns]
        columns = [f"{name} AS {alias}" for name, alias in zip(quoted, names, strict=True)]
        path = str(scan.path).replace("'", "''")
        place, rows = "file_row_number", f"read_parquet('{path}', file_row_number = true)"
    else:
        connection.register("cases", _numbered(scan.batches(), names))
    # Names are quoted identifiers of columns that were just checked.
    selected = ", ".join([*columns, "count(*)", f"min({place})"])
    return f"SELECT {selected} FROM {rows} GROUP BY ALL ORDER BY {len(names) + 2} LIMIT {_MOST + 1}"  # noqa: S608


def _numbered(batches: Any, names: Sequence[str]) -> pa.RecordBatchReader:
    """Return the batches with the number of each row as a further column; columns are renamed."""
    import pyarrow as pa

    schema = pa.schema([*zip(names, batches.schema.types, strict=True), ("place", pa.int64())])

    def numbered() -> Iterator[pa.RecordBatch]:
        start = 0
        for batch in batches:
            place = pa.array(np.arange(start, start + batch.num_rows))
            yield pa.RecordBatch.from_arrays([*batch.columns, place], schema=schema)
            start += batch.num_rows

    return pa.RecordBatchReader.from_batches(schema, numbered())


def _comparable(column: pa.Array) -> pa.Array:
    """Return cells of which equal ones have equal bits: without negative zeros, and text as itself instead of codes."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    return pc.add(column, pa.scalar(0, column.type)) if pa.types.is_floating(column.type) else column
