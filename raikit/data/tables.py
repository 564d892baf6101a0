"""Tables as they lie on disk: CSV, Parquet, JSON Lines, read by Arrow, only the columns asked for."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raikit.address import text
from raikit.errors import DataError, listed, nearest

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_CSV = (".csv", ".tsv")
_PARQUET = (".parquet", ".pq")
_JSON = (".jsonl", ".ndjson", ".json")
_KNOWN = "a table ends in .csv, .tsv, .parquet, .jsonl or .json"

_BLOCK = 32 << 20  # bytes that Arrow takes at once; a single row must fit
_EXACT = 2**53  # whole numbers beyond it have no float of their own
# How other formats begin, and what to do about them.
_FOREIGN = {
    b"PAR1": "it is Parquet; name it .parquet",
    b"PK\x03\x04": "it is a ZIP archive or a spreadsheet; export the sheet as CSV",
    b"\xd0\xcf\x11\xe0": "it is a spreadsheet; export the sheet as CSV",
    b"\x1f\x8b": "it is compressed; unpack it",
    b"\xff\xfe": "it is UTF-16; save it as UTF-8",
    b"\xfe\xff": "it is UTF-16; save it as UTF-8",
    b"version https://git-lfs": "it is a pointer of Git LFS; `git lfs pull` brings the file",
}


def column_names(path: Path) -> list[str]:
    """Names of the columns in their order. Of CSV only the header is read, of Parquet only the schema.

    Raises
    ------
    DataError
        If the file is missing, empty or no table, or two columns share a name.
    """
    path = Path(path)
    _look(path)
    with _refused(path):
        suffix = path.suffix.lower()
        if suffix in _PARQUET:
            import pyarrow.parquet as pq

            names = list(pq.read_schema(path).names)
        else:
            names = _header(path)[0] if suffix in _CSV else list(_read_json(path).column_names)
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise DataError(f"{path.name} has two columns called {twice[0]!r}; rename one of them.")
    if not names:
        raise DataError(f"{path.name} has no columns.")
    return names


def read_table(path: Path, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Read columns of a table.

    Parameters
    ----------
    path : Path
        ``.csv``, ``.tsv``, ``.parquet``, ``.jsonl``, ``.ndjson`` or ``.json`` (lines or one array of objects).
    columns : sequence of str, optional
        Absent: all of them.

    Returns
    -------
    DataFrame
        Rows in the order of the file, numbered from 0.

    Raises
    ------
    DataError
        If the file is missing, is no table, has no rows, has a row of the wrong length (its line is named) or lacks a
        column (with the nearest name).

    Notes
    -----
    In CSV (with ``,``, ``;`` or tabs; UTF-8 with or without a byte order mark) only an empty cell is missing: ``NA``,
    ``null`` and ``None`` are text. A column is boolean if it holds nothing but true and false, integer or floating if
    it holds nothing but numbers (``nan`` among them is NaN), else text: a date stays as it is written, and so does a
    code with leading zeros or with more digits than a number can hold.
    """
    path = Path(path)
    names = column_names(path)
    wanted = list(dict.fromkeys(columns)) if columns is not None else names
    for column in wanted:
        if column not in names:
            hint = nearest(column, names)
            raise DataError(f"no column {column!r} in {path.name}.{hint} Columns there: {listed(names, 30)}.")
    with _refused(path):
        suffix = path.suffix.lower()
        if suffix in _PARQUET:
            import pyarrow.parquet as pq

            table = pq.read_table(path, columns=wanted)
        else:
            table = _read_csv(path, wanted) if suffix in _CSV else _read_json(path).select(wanted)
    if not table.num_rows:
        raise DataError(f"{path.name} has no rows.")
    return _to_pandas(table)


def fingerprint(path: Path) -> str:
    """SHA-256 of a file's bytes, read in blocks."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def fingerprint_of_table(table: pd.DataFrame) -> str:
    """SHA-256 over a table in memory: its names and types, then its cells."""
    from pandas.util import hash_pandas_object

    digest = hashlib.sha256(json.dumps([(str(name), str(table[name].dtype)) for name in table]).encode())
    for name in table:  # one column at a time, so that two that change places differ
        digest.update(hash_pandas_object(table[name], index=False).to_numpy().tobytes())
    return digest.hexdigest()


@dataclass(frozen=True)
class Rows:
    """How the rows of a table are called in a message.

    Attributes
    ----------
    file : str
    ids : sequence
        One per row.
    """

    file: str
    ids: Sequence[Any]

    def at(self, position: int) -> str:
        """How a message names a row, see `row_name`."""
        return row_name(self.file, position, self.ids)


def row_name(file: str, position: int, ids: Sequence[Any] | pd.Series[Any]) -> str:
    """How a message names a row: by its number (from 1, the header is none) and id, never by its contents.

    Examples
    --------
    >>> row_name("cases.parquet", 1, ["c-1", "c-2"])
    "cases.parquet, row 2 (id 'c-2')"
    """
    value = ids[position] if isinstance(ids, Sequence) else ids.iloc[position]
    return f"{file}, row {position + 1} (id {shown(value)})"


def shown(value: Any) -> str:
    """A cell's value as a message may have it: text in quotes, on one line, of at most 60 characters.

    Examples
    --------
    >>> print(shown("c-1"), shown(2.0), shown(True))
    'c-1' 2 true
    """
    value = as_label(value)
    written = " ".join(text(value).split())
    written = written if len(written) <= 60 else written[:57] + "..."
    return repr(written) if isinstance(value, str) else written


def as_label(value: Any) -> Any:
    """A cell as Python's own scalar; a float that is whole becomes an integer.

    Examples
    --------
    >>> as_label(2.0), as_label("a"), as_label(0.5)
    (2, 'a', 0.5)
    """
    value = value.item() if hasattr(value, "item") else value
    return int(value) if isinstance(value, float) and value.is_integer() else value


# --- what the file is -------------------------------------------------------------------------------------------


def _look(path: Path) -> None:
    """Refuse what is no table before a parser sees it, because parsers say so less clearly."""
    if path.is_dir():
        raise DataError(f"{path.name} is a folder; name one file in it ({_KNOWN}).")
    if not path.is_file():
        raise DataError(f"there is no file {path.name} in {path.absolute().parent}.")
    if path.suffix.lower() not in (*_CSV, *_PARQUET, *_JSON):
        raise DataError(f"{path.name} is of no known format: {_KNOWN}.")
    with _refused(path), path.open("rb") as stream:
        head = stream.read(65_536)
    if not head.strip(b"\xef\xbb\xbf \t\r\n"):
        raise DataError(f"{path.name} is empty.")
    if path.suffix.lower() in _PARQUET and head.startswith(b"PAR1"):
        return
    for beginning, advice in _FOREIGN.items():
        if head.startswith(beginning):
            raise DataError(f"{path.name} is no {path.suffix[1:].upper()}: {advice}.")
    if path.suffix.lower() in _PARQUET:
        raise DataError(f"{path.name} is no Parquet file.")
    if b"\x00" in head:
        raise DataError(f"{path.name} is no table: it holds binary data.")
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        raise DataError(f"{path.name} is no table: it begins like a web page (HTML or XML).")


@contextmanager
def _refused(path: Path) -> Iterator[None]:
    """Turn what readers raise into one sentence. Their own words may quote cells, so they are not passed on."""
    try:
        yield
    except DataError:
        raise
    except UnicodeDecodeError:
        raise DataError(f"{path.name} is not UTF-8; save it as UTF-8.") from None
    except OSError as error:
        if error.errno is None:  # Arrow's own: the file is there, and is damaged
            raise DataError(f"{path.name} is damaged: it ends early or is no {path.suffix[1:]} file.") from None
        raise DataError(f"{path.name} cannot be read: {error.strerror}.") from None
    except (ValueError, csv.Error, NotImplementedError):  # ArrowInvalid is a ValueError
        kind = path.suffix[1:].upper()
        raise DataError(f"{path.name} cannot be read as {kind}: it is damaged or malformed.") from None


# --- CSV --------------------------------------------------------------------------------------------------------


def _header(path: Path) -> tuple[list[str], str]:
    """The column names and the delimiter: tabs in .tsv, else what separates most in the first line."""
    with path.open(encoding="utf-8-sig", newline="") as stream:
        line = next((line for line in stream if line.strip("\r\n")), "")
        bare = re.sub(r'"[^"]*"', "", line)
        delimiter = "\t" if path.suffix.lower() == ".tsv" else max(",;\t", key=bare.count)
        # a quoted name may hold a line break, so the header may go on
        rows = csv.reader(_and_then(line, stream), delimiter=delimiter)
        return next(rows), delimiter


def _and_then(line: str, stream: Iterator[str]) -> Iterator[str]:
    yield line
    yield from stream


def _read_csv(path: Path, columns: list[str]) -> pa.Table:
    """Read everything as text, then find the types: Arrow's own inference takes dates and drops leading zeros."""
    import pyarrow as pa
    from pyarrow import csv as arrow

    names, delimiter = _header(path)
    convert = arrow.ConvertOptions(
        include_columns=columns,
        column_types={name: pa.string() for name in names},
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=True,
    )
    parse = arrow.ParseOptions(delimiter=delimiter, newlines_in_values=True)
    read = arrow.ReadOptions(block_size=_BLOCK)
    try:
        table = arrow.read_csv(path, read_options=read, parse_options=parse, convert_options=convert)
    except pa.ArrowInvalid as error:
        if "UTF8" in str(error):
            raise DataError(f"{path.name} is not UTF-8; save it as UTF-8.") from None
        raise _ragged(path, names, delimiter) from None
    return pa.table({name: _typed(table.column(name)) for name in columns})


def _ragged(path: Path, names: list[str], delimiter: str) -> DataError:
    """Find the row that has too many or too few cells; only on the way out, so slowly is fine."""
    with path.open(encoding="utf-8-sig", newline="", errors="replace") as stream:
        rows = csv.reader(stream, delimiter=delimiter)
        line = 1
        try:
            for row in rows:
                if row and len(row) != len(names):
                    return DataError(
                        f"{path.name}, line {line}: {_cells(len(row))} where the header has {len(names)}; "
                        "a cell with the separator or a line break in it must stand in quotes."
                    )
                line = rows.line_num + 1
        except csv.Error:
            pass
    return DataError(f"{path.name}, line {line}: no row that can be read; perhaps a quote is never closed.")


def _cells(number: int) -> str:
    return "1 cell" if number == 1 else f"{number} cells"


def _typed(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Text as booleans, integers or floats where every cell is one and nothing is lost by it."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if column.null_count == len(column):
        return column
    bare = pc.utf8_trim_whitespace(column)
    if pc.all(pc.is_in(pc.utf8_lower(bare), pa.array(["true", "false"]))).as_py():
        return pc.equal(pc.utf8_lower(bare), "true")
    a_number = pc.match_substring_regex(bare, r"^[+-]?(\d|\.\d)")
    # leading zeros make a code, and so do more digits than fit
    a_code = pc.match_substring_regex(bare, r"^[+-]?(0\d|\d{19,}$)")
    if not pc.any(a_number).as_py() or pc.any(a_code).as_py():
        return column
    for kind in (pa.int64(), pa.float64()):
        try:
            return pc.cast(bare, kind)
        except pa.ArrowInvalid:
            continue
    return column


# --- JSON and Arrow ---------------------------------------------------------------------------------------------


def _read_json(path: Path) -> pa.Table:
    """Lines of objects, or one array of them; what looks like a date stays text."""
    import pyarrow as pa
    from pyarrow import json as arrow

    content = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    if content.lstrip().startswith(b"["):
        rows = json.loads(content)
        if not all(isinstance(row, dict) for row in rows):
            raise DataError(f"{path.name} must be an array of objects, or one object per line.")
        return _consistent(path, lambda: pa.Table.from_pylist(rows, _all_fields(rows)))
    read = arrow.ReadOptions(block_size=_BLOCK)
    table = _consistent(path, lambda: arrow.read_json(io.BytesIO(content), read_options=read))
    dates = [field.name for field in table.schema if pa.types.is_temporal(field.type)]
    if not dates:
        return table
    parse = arrow.ParseOptions(explicit_schema=pa.schema([(name, pa.string()) for name in dates]))
    order = table.column_names
    return arrow.read_json(io.BytesIO(content), read_options=read, parse_options=parse).select(order)


def _all_fields(rows: list[dict[str, Any]]) -> pa.Schema:
    """Arrow takes the fields of the first object only; a later one may have more."""
    import pyarrow as pa

    names = dict.fromkeys(name for row in rows for name in row)
    return pa.schema([pa.field(name, pa.array([row.get(name) for row in rows]).type) for name in names])


def _consistent(path: Path, read: Any) -> pa.Table:
    import pyarrow as pa

    try:
        return read()
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        mixed = re.search(r"Column\(/(.+?)\) changed from (\w+) to (\w+)", str(error))
        if mixed:
            kinds = f"{mixed[2]} and {mixed[3]}"
            raise DataError(f"{path.name}: the column {mixed[1]!r} holds {kinds}; use one of them.") from None
        row = re.search(r"in row (\d+)", str(error))
        where = f", line {int(row[1]) + 1}" if row else ""
        raise DataError(f"{path.name}{where}: there is no JSON object that can be read.") from None


def _to_pandas(table: pa.Table) -> pd.DataFrame:
    """The natural types of pandas; whole numbers with gaps stay whole where a float would merge them."""
    import pandas as pd
    import pyarrow as pa

    for index, field in enumerate(table.schema):
        column = table.column(index)
        if pa.types.is_dictionary(field.type):
            table = table.set_column(index, field.name, column.cast(field.type.value_type))
        elif pa.types.is_decimal(field.type):
            table = table.set_column(index, field.name, column.cast(pa.float64()))
        elif pa.types.is_null(field.type):
            table = table.set_column(index, field.name, column.cast(pa.string()))
    frame: pd.DataFrame = table.combine_chunks().to_pandas(ignore_metadata=True)
    for index, field in enumerate(table.schema):
        column = table.column(index)
        if pa.types.is_integer(field.type) and column.null_count and _is_large(column):
            frame[field.name] = pd.array(column.to_pylist(), dtype="Int64")
    return frame


def _is_large(column: pa.ChunkedArray) -> bool:
    import pyarrow.compute as pc

    ends = pc.min_max(column).as_py()
    return ends["min"] is not None and max(abs(ends["min"]), abs(ends["max"])) > _EXACT
