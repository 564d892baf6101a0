"""Tables as they lie on disk: CSV, Parquet, JSON Lines, read by Arrow, only the columns asked for."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raikit.errors import DataError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_TEXT = {".csv": ",", ".tsv": "\t", ".txt": ","}
_PARQUET = (".parquet", ".pq")
_LINES = (".jsonl", ".ndjson", ".json")


def column_names(path: Path) -> list[str]:
    """Names of the columns, from the header or the schema alone.

    Raises
    ------
    DataError
        If there is no such file, it is no table, or two columns share a name.
    """
    _is_file(path)
    try:
        if path.suffix.lower() in _PARQUET:
            import pyarrow.parquet as pq

            names = list(pq.read_schema(path).names)
        elif path.suffix.lower() in _LINES:
            names = list(_read_lines(path).column_names)
        else:
            names = next(csv.reader([_header(path)], delimiter=_delimiter(path)))
    except DataError:
        raise
    except (OSError, ValueError, StopIteration, csv.Error) as error:
        raise _no_table(path, error) from None
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise DataError(f"{path.name}: two columns are called {twice!r}.")
    return names


def read_table(path: Path, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Read a table.

    Parameters
    ----------
    path : Path
        ``.csv``, ``.tsv``, ``.parquet``, ``.jsonl``. In CSV only an empty cell is missing: ``NA``, ``null`` and ``None``
        are text, ``nan`` in a numeric column is NaN, and what looks like a date stays text.
    columns : sequence of str, optional
        Absent: all of them.

    Raises
    ------
    DataError
        If the file is missing, is no table, or holds no rows.
    """
    names = column_names(path)
    wanted = list(dict.fromkeys(columns)) if columns is not None else names
    try:
        if path.suffix.lower() in _PARQUET:
            import pyarrow.parquet as pq

            table = pq.read_table(path, columns=wanted)
        elif path.suffix.lower() in _LINES:
            table = _read_lines(path).select(wanted)
        else:
            table = _read_csv(path, wanted)
    except (OSError, ValueError) as error:
        raise _no_table(path, error) from None
    if not table.num_rows:
        raise DataError(f"{path.name} has no rows.")
    frame: pd.DataFrame = table.to_pandas()
    return frame[wanted]


def fingerprint(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _is_file(path: Path) -> None:
    if not path.exists():
        raise DataError(f"data.path: there is no file {path}.")
    if not path.is_file():
        raise DataError(f"data.path: {path} is a folder; give a CSV, Parquet or JSON Lines file.")
    if path.suffix.lower() not in (*_TEXT, *_PARQUET, *_LINES):
        raise DataError(f"data.path: {path.name} must end in .csv, .tsv, .parquet or .jsonl.")
    if not path.stat().st_size:
        raise DataError(f"{path.name} is empty.")


def _header(path: Path) -> str:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        try:
            line = stream.readline(1_000_000)
        except UnicodeDecodeError:
            raise DataError(f"{path.name} is no UTF-8 text; save it as UTF-8.") from None
    if "\x00" in line or line.lstrip()[:1] == "<":
        raise DataError(f"{path.name} is no table: it begins with {'binary data' if chr(0) in line else 'markup'}.")
    return line


def _delimiter(path: Path) -> str:
    """A header with semicolons or tabs and no comma is what spreadsheets write in half of the world."""
    header = _header(path)
    if path.suffix.lower() == ".tsv" or ("\t" in header and "," not in header):
        return "\t"
    return ";" if ";" in header and "," not in header else ","


def _read_csv(path: Path, columns: list[str]) -> pa.Table:
    import pyarrow as pa
    from pyarrow import csv as arrow

    convert = arrow.ConvertOptions(
        include_columns=columns,
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=True,
        true_values=["true", "True", "TRUE"],
        false_values=["false", "False", "FALSE"],
        # Arrow would take "2024-01-02" for a date and write it back as a timestamp; a format nobody uses keeps it text.
        timestamp_parsers=["\x01"],
    )
    parse = arrow.ParseOptions(delimiter=_delimiter(path), newlines_in_values=True)
    read = arrow.ReadOptions(block_size=16 << 20)
    table = arrow.read_csv(path, read_options=read, parse_options=parse, convert_options=convert)
    for index, field in enumerate(table.schema):
        if pa.types.is_temporal(field.type) or pa.types.is_null(field.type):
            table = table.set_column(index, field.name, table.column(index).cast(pa.string()))
    return table


def _read_lines(path: Path) -> pa.Table:
    from pyarrow import json

    return json.read_json(path, read_options=json.ReadOptions(block_size=64 << 20))


def _no_table(path: Path, error: Exception) -> DataError:
    said = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return DataError(f"{path.name} is no table that can be read: {said[:300].rstrip('.')}.")


def row_name(file: str, position: int, names: pd.Series) -> str:
    """How a message names a row: ``cases.csv, row 3 (id 'c-3')``; never by its contents."""
    return f"{file}, row {position + 1} (id {as_label(names.iloc[position])!r})"


def as_label(value: Any) -> Any:
    """A cell as Python's own scalar; a float that is whole becomes an integer."""
    value = value.item() if hasattr(value, "item") else value
    return int(value) if isinstance(value, float) and value.is_integer() else value
