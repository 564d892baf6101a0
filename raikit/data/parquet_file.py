"""Tables in Parquet: what the footer says is compared with the limits before anything is decoded."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from raikit.data.cell_types import is_text
from raikit.data.table_format import check_content
from raikit.limits import check_bytes, check_cells, check_rows, most_bytes
from raikit.process.database import open_database

if TYPE_CHECKING:
    import pyarrow as pa

_BYTES_OF_CODE = 2  # of a cell; more of them, and it is no code


def read_parquet(path: Path, columns: Sequence[str], *, codes: bool = False) -> pa.Table:
    """Read columns within the limits.

    Parameters
    ----------
    path : Path
    columns : sequence of str
    codes : bool
        Whether text comes as the codes that stand in the file, where there are few different cells. Text that would not fit
        into memory otherwise always does.

    Raises
    ------
    LimitError
        If there are too many rows, or if the cells of these columns, which are counted in the footer, are too large.
    DataError
        If text is not UTF-8.
    """
    import pyarrow.parquet as pq

    file = pq.ParquetFile(path)
    rows = file.metadata.num_rows
    check_rows(path.name, rows)
    size = dict.fromkeys(columns, 0)
    chunks = _chunks(path, file.schema, columns)
    for chunk in chunks:
        size[chunk.name] += chunk.bytes
    check_bytes(path.name, sum(size.values()))
    check_cells(path.name, sum(chunk.cells for chunk in chunks))
    text = [name for name in columns if name in file.schema_arrow.names and is_text(file.schema_arrow.field(name).type)]
    # Text itself takes at least four bytes a cell, for its length.
    coded = {name for name in text if codes and size[name] < _BYTES_OF_CODE * rows}
    coded |= _repeats_long_text(path, [chunk for chunk in chunks if chunk.name in text])
    table = pq.read_table(path, columns=list(columns), read_dictionary=sorted(coded))
    for name in coded:
        check_bytes(path.name, _size_of_text(table.column(name)))
    check_content(table, path.name)
    return table


class _Chunk(NamedTuple):
    """What the footer says about a column in one group of rows; `name` is the column's."""

    name: str
    group: int
    bytes: int
    cells: int


def _chunks(path: Path, schema: Any, columns: Sequence[str]) -> list[_Chunk]:
    """Return the chunks of columns, as DuckDB reads the footer: Arrow ends the process where it contradicts itself.

    Raises
    ------
    OSError
        If the footer cannot be read.
    """
    import duckdb

    query = "SELECT column_id, row_group_id, total_uncompressed_size, num_values FROM parquet_metadata(?)"
    try:
        with open_database() as database:
            rows = database.execute(query, [re.sub(r"([*?\[])", r"[\1]", str(path))]).fetchall()
    except duckdb.Error as error:
        raise OSError("the footer of this Parquet file cannot be read") from error
    wanted = set(columns)
    names = [_column_of(schema.column(leaf).path, wanted) for leaf in range(len(schema))]
    return [_Chunk(name, *numbers) for leaf, *numbers in rows if (name := names[leaf]) is not None]


def _column_of(leaf: str, wanted: set[str]) -> str | None:
    """Return which of the columns a leaf such as ``age`` or ``person.age`` belongs to; None if none."""
    parts = leaf.split(".")
    return next((name for end in range(len(parts), 0, -1) if (name := ".".join(parts[:end])) in wanted), None)


def _repeats_long_text(path: Path, chunks: Sequence[_Chunk]) -> set[str]:
    """Return the columns whose text is stored once and repeated so often that it is too large for memory."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    size: dict[str, int] = {}
    for name, group, longest, cells in chunks:
        if cells * longest > most_bytes():
            # The first row brings the texts of the whole chunk.
            coded = pq.ParquetFile(path, read_dictionary=[name])
            batch = next(coded.iter_batches(1, row_groups=[group], columns=[name], use_threads=False), None)
            texts = getattr(batch.column(0), "dictionary", None) if batch is not None else None
            longest = (pc.max(pc.binary_length(texts)).as_py() or 0) if texts is not None else 0
            size[name] = size.get(name, 0) + cells * longest
    return {name for name, largest in size.items() if largest > most_bytes()}


def _size_of_text(column: pa.ChunkedArray) -> int:
    """Return the bytes of the text that codes stand for."""
    import pyarrow.compute as pc

    parts = (pc.sum(pc.binary_length(part.dictionary).take(part.indices)).as_py() or 0 for part in column.chunks)
    return int(sum(parts))
