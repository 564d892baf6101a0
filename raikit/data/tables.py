"""Tables on disk: CSV, Parquet, JSON Lines and others, read by Arrow, and only the columns that are needed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from raikit.data.cell_types import (
    CellFormat,
    MixedColumn,
    check_text,
    infer_type,
    is_text,
    type_by_value,
    without_sentinels,
)
from raikit.data.csv_file import read_csv, read_header, refuse_repeated_header
from raikit.data.folders import FolderTable, Part, open_folder
from raikit.data.headers import columns_there, count_values
from raikit.data.parquet_file import read_parquet
from raikit.data.table_format import (
    CONLL,
    CSV,
    EVAL,
    EXCEL,
    JSON,
    PARQUET,
    TAR,
    check_format,
    readable_errors,
    suffix_of,
)
from raikit.errors import DataError
from raikit.limits import check_columns, check_labels

if TYPE_CHECKING:
    import pyarrow as pa

    from raikit.data.evaluation_logs.rows import Facts

_NO_NAME = re.compile(r"\s*|Unnamed: \d+")  # what pandas writes for columns of a sheet without a name
_MANY = 100_000  # rows for which threads pay
_EXACT = 2**53  # larger integers have no float of their own


def column_names(path: Path) -> list[str]:
    """Return the column names in their order; of CSV only the header is read, of Parquet only the schema.

    Raises
    ------
    DataError
        If the file is missing, empty or not a table.
    """
    path = Path(path)
    check_format(path)
    with readable_errors(path):
        names = _names(path)
        check_columns(path.name, len(names))
        check_labels(path.name, names, "characters in the name of a column")
    if not names:
        raise DataError(f"{path.name} has no columns.")
    if (unnamed := sum(_NO_NAME.fullmatch(name) is not None for name in names)) > len(names) / 2:
        raise DataError(
            f"{path.name}: {unnamed} of {len(names)} columns have no name; the first row must be the header, so remove what stands "
            "above it."
        )
    return names


def _names(path: Path) -> list[str]:
    if path.is_dir():
        return _names_in_folder(open_folder(path))
    suffix = suffix_of(path)
    if suffix in PARQUET:
        import pyarrow.parquet as pq

        return list(pq.read_schema(path).names)
    if suffix in CSV:
        return read_header(path)[0]
    return list(_read_whole(path, ()).column_names)


def part_columns(file: Path) -> list[str]:
    """Return the column names of a file of CSV or Parquet, which is known to be a table."""
    return _names(file)


def _names_in_folder(folder: FolderTable) -> list[str]:
    names = dict.fromkeys(name for part in folder.parts for name in (*_names(part.file), *part.columns))
    return list(names or dict.fromkeys(name for _, columns in folder.media for name in ("file_name", *columns)))


def read_table(path: Path, columns: Sequence[str] | None = None, written: CellFormat | None = None) -> pd.DataFrame:
    """Read columns of a table.

    Parameters
    ----------
    path : Path
        ``.csv``, ``.tsv``, ``.jsonl``, ``.ndjson`` or ``.json`` (lines, one array of objects, or a layout of pandas), each also
        compressed (``.gz``, ``.zst``, ``.bz2``); ``.conll`` of tagged tokens;
        ``.parquet``, ``.arrow``, ``.feather``, or the first sheet of ``.xlsx``; the log
        of another evaluation tool (`raikit.data.evaluation_logs`); or a folder, as `raikit.data.folders.open_folder` describes.
    columns : sequence of str, optional
        Absent: all of them.
    written : CellFormat, optional
        How cells are written; absent: only blank cells are missing, and the decimal mark is a point.

    Returns
    -------
    DataFrame
        Rows in the order of the file, numbered from 0. Of a log, ``attrs["notes"]`` are sentences about what was left out.

    Raises
    ------
    DataError
        If the file is missing, is not a table, has no rows, has a row of the wrong length (its line is named) or lacks a
        column (the nearest name is shown), or if a column holds numbers but for a few cells (they are named).

    Notes
    -----
    In CSV (delimited by ``,``, ``;``, ``|`` or tabs; UTF-8 with or without a byte order mark) a blank cell is missing. A column is
    boolean if every cell is true or false, and integer or floating if every cell is a number (``nan`` among them is
    NaN). A column that is so but for a few cells, such as ``NA``, is an error. Any other column is text. So dates stay as
    they are written, and so do codes with leading zeros or with more digits than an integer can hold.
    """
    path, written = Path(path), written or CellFormat()
    selected = select_columns(path, columns)
    with readable_errors(path):
        try:
            table = _read(path, selected, written)
        except MixedColumn as error:
            raise error.in_file(path.name) from None
        if not table.num_rows:
            raise DataError(f"{path.name} has no rows.")
        frame = to_pandas(table)
    if (facts := _facts_of([table])) is not None:
        frame.attrs |= vars(facts)
    return frame


def read_as_written(path: Path, columns: Sequence[str] | None = None) -> tuple[pd.DataFrame, CellFormat, list[MixedColumn]]:
    """Read a table about which nothing is known, such as for a first configuration.

    Parameters
    ----------
    path : Path
    columns : sequence of str, optional
        Absent: all of them.

    Returns
    -------
    DataFrame, CellFormat, list of MixedColumn
        The table, how its cells seem to be written, and the columns that show it.

    Raises
    ------
    DataError
        As `read_table`, except for columns that hold numbers but for a few cells.
    """
    written = CellFormat()
    found: list[MixedColumn] = []
    while True:
        try:
            return read_table(path, columns, written), written, found
        except MixedColumn as error:
            found.append(error)
            written = error.resolve(written)


def select_columns(path: Path, columns: Sequence[str] | None) -> list[str]:
    """Return the columns to read, each once; without a selection all of the file.

    Raises
    ------
    DataError
        If a column is not there (the nearest name is shown), or as `column_names`.
    """
    names = column_names(path)
    selected = list(dict.fromkeys(columns)) if columns is not None else names
    for column in selected:
        if column not in names:
            raise DataError(f"no column {column!r} in {path.name}. {columns_there(names, column)}")
        if names.count(column) > 1:
            name = "one name" if count_values(names) else repr(column)
            raise DataError(f"{path.name} has two columns called {name}; rename one of them.")
    return selected


def _read(path: Path, columns: list[str], written: CellFormat) -> pa.Table:
    is_parquet = not path.is_dir() and suffix_of(path) in PARQUET
    table = read_parquet(path, columns, codes=True) if is_parquet else read_cells(path, columns)
    if not holds_text(path):
        return check_text_columns(table, written)
    refuse_repeated_header(table, {name: name for name in table.column_names}, path.name)
    return _infer_types(table, written)


def holds_text(path: Path) -> bool:
    """Return whether the cells of a table are text in its file, so that their types are inferred."""
    return open_folder(path).is_text if path.is_dir() else suffix_of(path) in CSV


def read_cells(path: Path, columns: list[str]) -> pa.Table:
    """Read columns of a file, or of the parts of a folder, as they stand there: text in CSV."""
    if path.is_dir():
        return _read_folder(open_folder(path), columns, path.name)
    suffix = suffix_of(path)
    if suffix in CSV:
        return read_csv(path, columns)
    if suffix in PARQUET:
        return read_parquet(path, columns)
    return _read_whole(path, columns).select(columns)


def _read_folder(folder: FolderTable, columns: list[str], name: str) -> pa.Table:
    """Read columns of the parts of a table, one below the other."""
    import pyarrow as pa

    if not folder.parts:
        rows = [{"file_name": file, **labels} for file, labels in folder.media]
        return pa.Table.from_pylist(rows, pa.schema([(column, pa.string()) for column in columns]))
    tables = [_read_part(part, columns) for part in folder.parts]
    try:
        table = _concat_logs(tables, name) if _facts_of(tables) else pa.concat_tables(tables, promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        raise DataError(f"{name}: a column has another type in one part of the table than in another.") from None
    for column, labels in folder.classes.items():
        if column in columns:
            codes = table.column(column).combine_chunks()
            table = table.set_column(columns.index(column), column, pa.array(labels).take(codes))
    return table


def _read_part(part: Part, columns: list[str]) -> pa.Table:
    import pyarrow as pa

    table = _read_present(part.file, columns)
    names = set(table.column_names)
    for column in columns:
        if column not in names and column in part.columns:
            table = table.append_column(column, pa.array([part.columns[column]] * table.num_rows, pa.string()))
        elif column not in names:
            table = table.append_column(column, pa.nulls(table.num_rows))
        elif column.endswith("file_name") and part.media not in ("", "."):
            placed = [None if cell is None else f"{part.media}/{cell}" for cell in table.column(column).to_pylist()]
            table = table.set_column(table.column_names.index(column), column, pa.array(placed, pa.string()))
    return table.select(columns)


def _infer_types(table: pa.Table, written: CellFormat) -> pa.Table:
    """Return a table of text with the types that its cells have; of many rows, on as many threads as Arrow may use."""
    import pyarrow as pa

    def read(name: str) -> pa.ChunkedArray:
        return type_by_value(table.column(name), name, written, infer_type)

    names = table.column_names
    if table.num_rows < _MANY or pa.cpu_count() == 1:
        return pa.table({name: read(name) for name in names})
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(pa.cpu_count()) as threads:
        return pa.table(dict(zip(names, threads.map(read, names), strict=True)))  # the first error in the order of columns


def _read_present(path: Path, columns: list[str]) -> pa.Table:
    """Read those of the columns that a file has; what can only be read as a whole is read once."""
    if suffix_of(path) in (*CSV, *PARQUET):
        names = _names(path)
        return read_cells(path, [column for column in columns if column in names])
    table = _read_whole(path, columns)
    return table.select([column for column in columns if column in table.column_names])


def _read_whole(path: Path, used: Sequence[str]) -> pa.Table:
    """Read all columns of a file that has types and that can only be read as a whole; those that are `used` must be right.

    Their readers are imported here, because most tables are CSV or Parquet.
    """
    suffix = suffix_of(path)
    if suffix in TAR:
        from raikit.data.webdataset import read_shard

        return read_shard(path)
    if suffix in CONLL:
        from raikit.data.conll_file import read_conll

        return read_conll(path)
    if suffix in EXCEL:
        from raikit.data.spreadsheet import read_sheet

        return read_sheet(path, used)
    if suffix in (*EVAL, *JSON):
        from raikit.data.evaluation_logs import is_log, read_log
        from raikit.data.json_file import read_json

        return read_log(path) if is_log(path) else read_json(path)
    from raikit.data.arrow_file import read_arrow

    return read_arrow(path)


def _facts_of(tables: Sequence[pa.Table]) -> Facts | None:
    """Return the facts about tables that are logs of another tool, which are metadata; None of any others."""
    if not any(table.schema.metadata for table in tables):
        return None
    from raikit.data.evaluation_logs.rows import facts_of

    return facts_of(tables)


def _concat_logs(tables: Sequence[pa.Table], name: str) -> pa.Table:
    from raikit.data.evaluation_logs.rows import concat

    return concat(tables, name)


def check_text_columns(table: pa.Table, written: CellFormat) -> pa.Table:
    """Return a table that has types, with its text columns read as `check_text` does."""
    for index, field in enumerate(table.schema):
        if is_text(field.type):
            column = table.column(index)
            table = table.set_column(index, field.name, type_by_value(column, field.name, written, check_text))
        elif written.missing:
            table = table.set_column(index, field.name, without_sentinels(table.column(index), written.missing))
    return table


def to_pandas(table: pa.Table, *, categories: bool = False) -> pd.DataFrame:
    """Convert to pandas' natural types; integers with gaps stay integers where floats would merge some of them.

    Parameters
    ----------
    table : Table
    categories : bool
        Whether text that is stored as codes becomes categories, or text.
    """
    import pyarrow as pa

    for index, field in enumerate(table.schema):
        column = table.column(index)
        if pa.types.is_dictionary(field.type):
            if not categories:
                table = table.set_column(index, field.name, _decoded(column))
        elif pa.types.is_decimal(field.type):
            table = table.set_column(index, field.name, _as_number(column))
        elif field.type == pa.time64("ns"):
            table = table.set_column(index, field.name, _as_time(column))
        elif pa.types.is_null(field.type):
            table = table.set_column(index, field.name, column.cast(pa.string()))
    frame: pd.DataFrame = table.combine_chunks().to_pandas(ignore_metadata=True)
    for index, field in enumerate(table.schema):
        column = table.column(index)
        if pa.types.is_integer(field.type) and column.null_count and _exceeds_floats(column):
            kind = "UInt64" if pa.types.is_uint64(field.type) else "Int64"
            frame[field.name] = pd.array(column.to_pylist(), dtype=kind)
    return frame


def _as_number(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return decimals as integers where they are whole by type and fit, else as the nearest floats.

    Arrow divides by a power of ten instead, so that 5.10 would become 5.1000000000000005.
    """
    import pyarrow as pa

    if column.type.scale == 0:
        try:
            return column.cast(pa.int64())
        except pa.ArrowInvalid:  # too large
            pass
    return column.cast(pa.string()).cast(pa.float64())


def _as_time(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return times of day in microseconds, or as text if they are finer, which Python's own times are not."""
    import pyarrow as pa

    try:
        return column.cast(pa.time64("us"))
    except pa.ArrowInvalid:
        return column.cast(pa.string())


def _decoded(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return what codes stand for. Arrow cannot decode views of text, which polars uses for categories."""
    import pyarrow as pa

    kind = column.type.value_type
    if pa.types.is_string_view(kind):
        parts = [pa.DictionaryArray.from_arrays(part.indices, part.dictionary.cast(pa.string())) for part in column.chunks]
        column, kind = pa.chunked_array(parts, pa.dictionary(column.type.index_type, pa.string())), pa.string()
    return column.cast(kind)


def _exceeds_floats(column: pa.ChunkedArray) -> bool:
    """Whether a float cannot represent some of the integers exactly."""
    import pyarrow.compute as pc

    ends = pc.min_max(column).as_py()
    return ends["min"] is not None and max(abs(ends["min"]), abs(ends["max"])) > _EXACT
