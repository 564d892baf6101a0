"""Tables in CSV: read as text first, then typed, so that no code loses a zero and no date changes."""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raikit.data.csv_end import MarkedFile, UnclosedQuoteError, batches_without_mark, count_line_ends, without_mark
from raikit.data.table_format import is_compressed, open_bytes, open_text, suffix_of
from raikit.errors import DataError
from raikit.limits import check_bytes, check_cells, check_columns, most_bytes, remedy, row_bytes

if TYPE_CHECKING:
    import pyarrow as pa

_LEAST_BLOCK, _BLOCKS = 1 << 20, 64  # bytes of a block that is parsed at once, and blocks of a larger file


def read_header(path: Path) -> tuple[list[str], str]:
    """Return the column names and the delimiter: a tab in .tsv, else the most frequent of ``,``, ``;``, tab and ``|``.

    Raises
    ------
    DataError
        If the first line names the delimiter for Excel and not the columns, or if there are too many columns.
    """
    with open_text(path) as stream:
        lines = _lines_of_header(stream, path.name)
        line = next((line for line in lines if line.strip("\r\n")), "")
        if re.fullmatch(r"sep=.\s*", line, re.IGNORECASE):
            raise DataError(f"{path.name}, line 1: {line.strip()!r} is for Excel alone; remove the line.")
        unquoted = re.sub(r'"[^"]*"', "", line)
        delimiter = "\t" if suffix_of(path) == ".tsv" else max(",;\t|", key=unquoted.count)
        # A quoted name may hold a line break, so the header may continue on the next line.
        check_columns(path.name, unquoted.count(delimiter) + 1)
        with _long_cells():
            names = next(csv.reader(itertools.chain([line], lines), delimiter=delimiter))
        check_columns(path.name, len(names))
        return names, delimiter


def _lines_of_header(stream: io.TextIOWrapper, file: str) -> Iterator[str]:
    """Yield lines until they are too long for a header."""
    most = row_bytes()
    left = most
    while line := stream.readline(left):
        left -= len(line.strip("\r\n"))
        if left <= 0:
            within = f"within {most >> 20} MB; the first row must hold the column names, or {remedy('row_megabytes')}"
            raise DataError(f"{file}: its header does not end {within}.")
        yield line


def count_lines(path: Path) -> int:
    """Return the number of line ends in a file."""
    with open_bytes(path) as stream:
        return sum(count_line_ends(block) for block in iter(lambda: stream.read(_LEAST_BLOCK), b""))


def refuse_repeated_header(table: pa.Table, names: Mapping[str, str], file: str, *, rows: bool = True) -> None:
    """Raise if a row of text holds the names of its columns, as in files that were joined.

    Parameters
    ----------
    table : Table
    names : mapping of str to str
        Columns of the table that hold text, and the names they have in the file; a single one proves nothing.
    file : str
    rows : bool
        Whether the rows are those of the file, so that one can be named.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if len(names) < 2:
        return
    repeats = pa.scalar(True)
    for column, name in names.items():
        repeats = pc.and_(repeats, pc.fill_null(pc.equal(table.column(column).cast(pa.string()), name), False))
        if not pc.any(repeats).as_py():
            return
    where = f", row {pc.index(repeats, True).as_py() + 1}" if rows else ""
    raise DataError(f"{file}{where}: this row repeats the header; remove it.")


def read_csv(path: Path, columns: Sequence[str]) -> pa.Table:
    """Read columns as text; Arrow's own inference of types parses dates and drops leading zeros."""
    check_bytes(path.name, path.stat().st_size)
    with named_errors(path):
        if is_compressed(path):
            return _read_unpacked(path, columns)
        # A cell takes eight bytes in memory, and one in the file if it is empty.
        if path.stat().st_size > most_bytes() // 8:
            check_cells(path.name, count_lines(path) * len(columns))
        return _read_in_blocks(path, columns).select(list(columns))


def _read_in_blocks(path: Path, columns: Sequence[str]) -> pa.Table:
    """Read a file in blocks that fit into a processor's cache, or of the longest row if one is longer than a block."""
    import pyarrow as pa

    quoted, breaks = _look_for_quotes(path)
    largest = row_bytes()
    size = min(largest, max(_LEAST_BLOCK, path.stat().st_size // _BLOCKS))
    if quoted and not breaks and (table := _read_apart(path, columns, size)) is not None:
        return table
    for block in (size, largest):
        try:
            if not quoted:  # no cell holds a line break, and none can be unclosed
                return _parse(open_bytes(path), path, columns, block)
            return without_mark(_parse(_marked(path), path, columns, block, breaks=True))
        except pa.ArrowInvalid:  # a row or the header may be longer than the block
            if block == largest:
                raise
    raise AssertionError("the last size is the largest")


def _look_for_quotes(path: Path) -> tuple[bool, bool]:
    """Return whether a file has a quotation mark, and whether a quoted cell seems to hold a line break near the first one."""
    with open_bytes(path) as stream:
        for block in iter(lambda: stream.read(_LEAST_BLOCK), b""):
            if b'"' in block:
                return True, any(line.count(b'"') % 2 for line in block.split(b"\n")[1:-1])
    return False, False


def _read_apart(path: Path, columns: Sequence[str], block: int) -> pa.Table | None:
    """Read a file whose blocks end with any line; None if a quoted cell may hold a line break, or a row may be longer than a block.

    Arrow does not notice that it cuts a cell. But then the end of a line lies within the cell or within what is lost, so there are
    fewer rows than lines. Finding the ends of rows first, one block after the other, takes a third longer.
    """
    import pyarrow as pa

    marked = _marked(path, apart=True)
    try:
        table = without_mark(_parse(marked, path, columns, block))
    except (pa.ArrowInvalid, UnclosedQuoteError):
        return None  # what is wrong, if anything is, another reading finds
    header_and_marks = 2
    return table if table.num_rows + header_and_marks == marked.line_ends else None


def _read_unpacked(path: Path, columns: Sequence[str]) -> pa.Table:
    """Read a compressed file a block at a time, because nobody knows how many cells it holds."""
    import pyarrow as pa

    reader, batches, rows = _open(path, columns), [], 0
    for batch in batches_without_mark(reader):
        rows += batch.num_rows
        check_cells(path.name, rows * len(columns))
        batches.append(batch)
    return pa.Table.from_batches(batches, reader.schema).select(list(columns))


def open_csv(path: Path, columns: Sequence[str]) -> pa.RecordBatchReader:
    """Open columns as text, to be read a batch at a time; what reads them must do so under `named_errors`."""
    import pyarrow as pa

    reader = _open(path, columns)
    return pa.RecordBatchReader.from_batches(reader.schema, _checked(path, reader))


def _checked(path: Path, reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a file; raise what is wrong with it at once, since engines do not pass other errors on."""
    with named_errors(path):
        yield from batches_without_mark(reader)


def _open(path: Path, columns: Sequence[str]) -> pa.RecordBatchReader:
    """Open a file whose last row is that of marks."""
    import pyarrow as pa
    from pyarrow import csv as arrow

    stream = pa.PythonFile(_marked(path), mode="r")
    return arrow.open_csv(stream, **_options(path, columns, row_bytes(), breaks=True))


def _marked(path: Path, *, apart: bool = False) -> MarkedFile:
    names, delimiter = read_header(path)
    return MarkedFile(open_bytes(path), len(names), delimiter, apart=apart)


def _parse(
    stream: pa.NativeFile | MarkedFile, path: Path, columns: Sequence[str], block: int, *, breaks: bool = False
) -> pa.Table:
    import pyarrow as pa
    from pyarrow import csv as arrow

    source = pa.PythonFile(stream, mode="r") if isinstance(stream, MarkedFile) else stream
    return arrow.read_csv(source, **_options(path, columns, block, breaks))


def _options(path: Path, columns: Sequence[str], block: int, breaks: bool) -> dict[str, Any]:
    """Return how Arrow reads a file as text, in blocks that end with a row, or with any line if no cell breaks lines."""
    import pyarrow as pa
    from pyarrow import csv as arrow

    return {
        "convert_options": arrow.ConvertOptions(
            include_columns=list(columns),
            column_types={name: pa.string() for name in columns},
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=True,
        ),
        "parse_options": arrow.ParseOptions(delimiter=read_header(path)[1], newlines_in_values=breaks),
        "read_options": arrow.ReadOptions(block_size=block),
    }


@contextmanager
def _long_cells() -> Iterator[None]:
    """Let Python's reader take cells as long as a row may be."""
    before = csv.field_size_limit(row_bytes())
    try:
        yield
    finally:
        csv.field_size_limit(before)


@contextmanager
def named_errors(path: Path) -> Iterator[None]:
    """Turn an error of Arrow's parser into one that names the row."""
    import pyarrow as pa

    try:
        yield
    except UnclosedQuoteError:
        raise DataError(f"{path.name}, line {_last_row(path)}: a quotation mark is not closed.") from None
    except pa.ArrowInvalid as error:
        if "UTF8" in str(error):
            raise DataError(f"{path.name} is not UTF-8; save it as UTF-8.") from None
        if "straddling" in str(error):
            raise DataError(f"{path.name}: a row is longer than {row_bytes() >> 20:,} MB; {remedy('row_megabytes')}.") from None
        names, delimiter = read_header(path)
        raise _malformed_row(path, names, delimiter) from None


def _last_row(path: Path) -> int:
    """Return the line in which the last row begins, or one that is too long to be read."""
    with open_text(path, errors="replace") as stream:
        rows = csv.reader(stream, delimiter=read_header(path)[1])
        start, line = 1, 1
        try:
            for _ in rows:
                start, line = line, rows.line_num + 1
        except csv.Error:
            return line
        return start


def _malformed_row(path: Path, names: list[str], delimiter: str) -> DataError:
    """Return the error that names the first row with too many or too few cells; slow, but only on failure."""
    with open_text(path, errors="replace") as stream, _long_cells():
        rows, line = csv.reader(stream, delimiter=delimiter), 1
        try:
            for row in rows:
                if row and len(row) != len(names):
                    cells = "1 cell" if len(row) == 1 else f"{len(row)} cells"
                    if len(names) == 1 < len(row):
                        return DataError(
                            f"{path.name}, line {line}: {cells} where line 1 has 1; the first line must be the header, "
                            "so remove what stands above it."
                        )
                    return DataError(
                        f"{path.name}, line {line}: {cells} where the header has {len(names)}; put a cell that "
                        "contains the delimiter or a line break in quotation marks."
                    )
                line = rows.line_num + 1
        except csv.Error:
            pass
    return DataError(f"{path.name}, line {line}: this row cannot be read; a quotation mark may not be closed.")
