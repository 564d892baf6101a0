"""Tables in Parquet: what the footer says is compared with the limits before anything is decoded."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import Enum, auto
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from raikit.data.cell_types import is_text
from raikit.data.table_format import check_content
from raikit.limits import check_bytes, check_cells, check_rows, most_bytes, refuse
from raikit.process.database import open_database
from raikit.process.memory import MemoryLimit, lacked_memory

if TYPE_CHECKING:
    import pyarrow as pa

_BYTES_OF_CODE = 2  # of a cell; more of them, and it is no code
_ROWS = 1 << 18  # in a batch
_OVERHEAD = 3  # times the size of the cells takes a library that decodes them, at most


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
    if longest := _longest_untold(chunks):
        table = _read_measured(file, path.name, columns, longest)
    else:
        # Text itself takes at least four bytes a cell, for its length.
        shared = [chunk for chunk in chunks if chunk.kind is _Kind.SHARED]
        other = {chunk.name for chunk in chunks if chunk.kind is not _Kind.SHARED}
        coded = {name for name in text if codes and name not in other and size[name] < _BYTES_OF_CODE * rows}
        coded |= _repeats_long_values(path, shared) - other
        with _bounded_memory(path.name):
            table = pq.ParquetFile(path, read_dictionary=sorted(coded)).read(list(columns))
        for name in coded:
            check_bytes(path.name, _size_of_values(table.column(name)))
            if name not in text:  # such as pictures, which nobody expects as codes
                at = table.column_names.index(name)
                table = table.set_column(at, name, table.column(at).cast(file.schema_arrow.field(name).type))
    check_content(table, path.name)
    return table.select(list(columns))


def parquet_batches(path: Path, columns: Sequence[str], rows: int) -> Iterator[pa.RecordBatch]:
    """Yield a file in batches of at most so many rows; of fewer where its text is long.

    Raises
    ------
    LimitError
        If a batch needs too much memory.
    DataError
        If text is not UTF-8.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    chunks = _chunks(path, (file := pq.ParquetFile(path)).schema, columns)
    batches = file.iter_batches(_rows_at_once(path, chunks, rows), columns=list(columns))
    while True:
        with _bounded_memory(path.name):
            batch = next(batches, None)
        if batch is None:
            return
        check_content(pa.Table.from_batches([batch]), path.name)
        yield batch


def _rows_at_once(path: Path, chunks: Sequence[_Chunk], rows: int) -> int:
    """Return how many rows, at most `rows`, fit into memory whichever they are."""
    longest: dict[str, int] = {}
    for chunk in chunks:
        if chunk.kind is not _Kind.TOLD and rows * chunk.bytes > most_bytes():
            length = chunk.row if chunk.kind is _Kind.UNTOLD else _longest_value(path, chunk)
            longest[chunk.name] = max(length, longest.get(chunk.name, 0))
    return max(1, min(rows, most_bytes() // (sum(longest.values()) or 1)))


def _longest_untold(chunks: Sequence[_Chunk]) -> int:
    """Return how many bytes a row may have, of those of which the footer tells no size; 0 if they fit into memory anyway."""
    untold = [chunk for chunk in chunks if chunk.kind is _Kind.UNTOLD]
    return max(chunk.row for chunk in untold) if sum(chunk.largest for chunk in untold) > most_bytes() else 0


def _read_measured(file: Any, name: str, columns: Sequence[str], longest: int) -> pa.Table:
    """Read columns in batches that are small enough for rows of this length, until they are too large together."""
    import pyarrow as pa

    rows = max(1, most_bytes() // longest)
    read, size = [], 0
    with _bounded_memory(name):
        for batch in file.iter_batches(min(rows, _ROWS), columns=list(columns)):
            size += batch.nbytes
            check_bytes(name, size)
            read.append(batch)
    return pa.Table.from_batches(read, schema=read[0].schema if read else file.schema_arrow)


@contextmanager
def _bounded_memory(name: str) -> Iterator[None]:
    """Raise `LimitError` where decoding needs far more memory than cells may take: a footer need not tell the truth."""
    try:
        with MemoryLimit(_OVERHEAD * most_bytes())():
            yield
    except (MemoryError, OSError) as error:
        if not lacked_memory(error) and not isinstance(error, MemoryError):
            raise
        raise refuse(name, "megabytes", unit="megabytes of cells") from None


class _Kind(Enum):
    """What the footer tells of the size of cells."""

    TOLD = auto()  # numbers, and what is stored as it is
    SHARED = auto()  # text or bytes that are stored once for many cells, which Arrow can read as codes
    UNTOLD = auto()  # the same in lists, or stored as what differs from the cell before


class _Chunk(NamedTuple):
    """What the footer says about a column in one group of rows; `name` is the column's."""

    name: str
    group: int
    bytes: int
    cells: int
    rows: int
    kind: _Kind

    @property
    def largest(self) -> int:
        """Bytes that the cells have at most: each may be stored once, and as long as all that is stored."""
        return self.cells * self.bytes

    @property
    def row(self) -> int:
        """Bytes that a row has at most, if no list is longer than the mean."""
        return -(-self.cells // max(1, self.rows)) * self.bytes


def _chunks(path: Path, schema: Any, columns: Sequence[str]) -> list[_Chunk]:
    """Return the chunks of columns, as DuckDB reads the footer: Arrow ends the process where it contradicts itself.

    Raises
    ------
    OSError
        If the footer cannot be read.
    """
    import duckdb

    facts = "column_id, row_group_id, total_uncompressed_size, num_values, row_group_num_rows, encodings, type"
    query = f"SELECT {facts} FROM parquet_metadata(?)"  # noqa: S608 (they are those above)
    try:
        with open_database() as database:
            rows = database.execute(query, [re.sub(r"([*?\[])", r"[\1]", str(path))]).fetchall()
    except duckdb.Error as error:
        raise OSError("the footer of this Parquet file cannot be read") from error
    wanted = set(columns)
    names = [_column_of(schema.column(leaf).path, wanted) for leaf in range(len(schema))]
    return [
        _Chunk(name, group, size, cells, length, _kind_of(kind, encodings, schema.column(leaf).path == name))
        for leaf, group, size, cells, length, encodings, kind in rows if (name := names[leaf]) is not None
    ]  # fmt: skip


def _kind_of(kind: str, encodings: str, is_flat: bool) -> _Kind:
    """Return what the footer tells, from the type and the encodings of a chunk."""
    is_shared, is_delta = "DICTIONARY" in encodings, "DELTA_" in encodings
    if kind != "BYTE_ARRAY" or not (is_shared or "DELTA_BYTE_ARRAY" in encodings):
        return _Kind.TOLD
    return _Kind.SHARED if is_flat and not is_delta else _Kind.UNTOLD


def _column_of(leaf: str, wanted: set[str]) -> str | None:
    """Return which of the columns a leaf such as ``age`` or ``person.age`` belongs to; None if none."""
    parts = leaf.split(".")
    return next((name for end in range(len(parts), 0, -1) if (name := ".".join(parts[:end])) in wanted), None)


def _repeats_long_values(path: Path, chunks: Sequence[_Chunk]) -> set[str]:
    """Return the columns whose cells are stored once and repeated so often that they are too large for memory."""
    largest: dict[str, int] = {}
    for chunk in chunks:
        largest[chunk.name] = largest.get(chunk.name, 0) + chunk.largest
    size = dict.fromkeys((name for name, most in largest.items() if most > most_bytes()), 0)
    for chunk in chunks:
        if chunk.name in size:
            size[chunk.name] += chunk.cells * _longest_value(path, chunk)
    return {name for name, most in size.items() if most > most_bytes()}


def _longest_value(path: Path, chunk: _Chunk) -> int:
    """Return the length of the longest cell that is stored once for many rows; 0 if none is."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    # The first row brings the texts of the whole chunk.
    coded = pq.ParquetFile(path, read_dictionary=[chunk.name])
    batch = next(coded.iter_batches(1, row_groups=[chunk.group], columns=[chunk.name], use_threads=False), None)
    texts = getattr(batch.column(0), "dictionary", None) if batch is not None else None
    return (pc.max(pc.binary_length(texts)).as_py() or 0) if texts is not None else 0


def _size_of_values(column: pa.ChunkedArray) -> int:
    """Return the bytes of the cells that codes stand for."""
    import pyarrow.compute as pc

    parts = (pc.sum(pc.binary_length(part.dictionary).take(part.indices)).as_py() or 0 for part in column.chunks)
    return int(sum(parts))
