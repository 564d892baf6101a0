"""Tables in Parquet: what the footer says is compared with the limits before anything is decoded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raikit.data.cell_types import is_text
from raikit.limits import check_bytes, check_cells, check_rows, most_bytes

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
    """
    import pyarrow.parquet as pq

    file = pq.ParquetFile(path)
    rows = file.metadata.num_rows
    check_rows(path.name, rows)
    size = dict.fromkeys(columns, 0)
    chunks = list(_chunks(file.metadata, columns))
    for name, _, chunk in chunks:
        size[name] += chunk.total_uncompressed_size
    check_bytes(path.name, sum(size.values()))
    check_cells(path.name, sum(chunk.num_values for _, _, chunk in chunks))
    text = [name for name in columns if name in file.schema_arrow.names and is_text(file.schema_arrow.field(name).type)]
    # Text itself takes at least four bytes a cell, for its length.
    coded = {name for name in text if codes and size[name] < _BYTES_OF_CODE * rows}
    coded |= _repeats_long_text(path, file, [(name, at, chunk) for name, at, chunk in chunks if name in text])
    table = pq.read_table(path, columns=list(columns), read_dictionary=sorted(coded))
    for name in coded:
        check_bytes(path.name, _size_of_text(table.column(name)))
    return table


def _chunks(facts: Any, columns: Sequence[str]) -> Iterator[tuple[str, int, Any]]:
    """Yield the chunks of columns: the name of the column, the number of the row group and what the footer says."""
    wanted = set(columns)
    for at in range(facts.num_row_groups):
        group = facts.row_group(at)
        for number in range(group.num_columns):
            chunk = group.column(number)
            parts = chunk.path_in_schema.split(".")
            name = next((name for end in range(len(parts), 0, -1) if (name := ".".join(parts[:end])) in wanted), None)
            if name is not None:
                yield name, at, chunk


def _repeats_long_text(path: Path, file: Any, chunks: Sequence[tuple[str, int, Any]]) -> set[str]:
    """Return the columns whose text is stored once and repeated so often that it is too large for memory."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    size: dict[str, int] = {}
    for name, at, chunk in chunks:
        longest = chunk.total_uncompressed_size
        if chunk.num_values * longest > most_bytes():
            # The first row brings the texts of the whole chunk.
            coded = pq.ParquetFile(path, read_dictionary=[name])
            batch = next(coded.iter_batches(1, row_groups=[at], columns=[name], use_threads=False), None)
            texts = getattr(batch.column(0), "dictionary", None) if batch is not None else None
            longest = (pc.max(pc.binary_length(texts)).as_py() or 0) if texts is not None else 0
            size[name] = size.get(name, 0) + chunk.num_values * longest
    return {name for name, largest in size.items() if largest > most_bytes()}


def _size_of_text(column: pa.ChunkedArray) -> int:
    """Return the bytes of the text that codes stand for."""
    import pyarrow.compute as pc

    parts = (pc.sum(pc.binary_length(part.dictionary).take(part.indices)).as_py() or 0 for part in column.chunks)
    return int(sum(parts))
