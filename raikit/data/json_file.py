"""Tables in JSON: one object per line, or one array of objects."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raikit.data.table_format import check_content, read_all, suffix_of
from raikit.errors import DataError
from raikit.limits import check_cells, check_columns, check_depth, check_values, in_force, most_bytes, remedy, row_bytes

if TYPE_CHECKING:
    import pyarrow as pa

_KINDS = {int: "number", float: "number", str: "string", bool: "boolean", list: "array", dict: "object"}
_BLOCK = 32 << 20  # bytes that are searched at once
_KEY = re.compile(rb'"([^"\\]+)"\s*:')
_NULL_LINE = re.compile(rb"(?:\A|\n)\s*null\b")


def read_json(path: Path) -> pa.Table:
    """Read all columns; text that looks like a date stays text.

    Raises
    ------
    DataError
        If the layout has no column names, or a line or column cannot be read; it is named.
    """
    import pyarrow as pa
    from pyarrow import json as arrow

    content = read_all(path).removeprefix(b"\xef\xbb\xbf")
    check_depth(content, path.name)  # deep nesting would end the process in Arrow's parser
    rows = _rows_of_layout(content, path)
    if rows is not None:
        return pa.Table.from_pylist(rows, _schema_of_all(rows, path))
    _refuse_null_lines(content, path)
    _refuse_sparse_columns(content, path)
    # One thread: others still read after an error, and one that lets go of Python's memory while Python ends waits for ever.
    read = arrow.ReadOptions(block_size=row_bytes(), use_threads=False)
    table = _call_arrow(path, lambda: arrow.read_json(pa.BufferReader(content), read_options=read))
    check_content(table, path.name)
    _refuse_lost_digits(table, path)
    dates = [field.name for field in table.schema if pa.types.is_temporal(field.type)]
    if not dates:
        return table
    parse = arrow.ParseOptions(explicit_schema=pa.schema([(name, pa.string()) for name in dates]))
    order = table.column_names
    return arrow.read_json(pa.BufferReader(content), read_options=read, parse_options=parse).select(order)


def _refuse_sparse_columns(content: bytes, path: Path) -> None:
    """Raise if there are too many columns, or too many cells where each object has columns of its own."""
    lines = content.count(b"\n") + 1
    if lines * min(in_force().columns, content.count(b":")) * 8 <= most_bytes():
        check_columns(path.name, content.count(b":") // lines)
        return
    names: set[bytes] = set()
    for at in range(0, len(content), _BLOCK):
        names.update(_KEY.findall(content, at, at + _BLOCK))
        check_columns(path.name, len(names))
        check_cells(path.name, lines * len(names))


def _refuse_null_lines(content: bytes, path: Path) -> None:
    """Raise if a line is ``null`` instead of an object: Arrow's parser would end the process if a block begins with it."""
    for found in _NULL_LINE.finditer(content):
        before = content[max(0, found.start() - 64) : found.start()].rstrip()[-1:]
        if before in (b"", b"}", b"l"):  # not inside an object that is spread over lines
            line = content.count(b"\n", 0, found.end()) + 1
            raise DataError(f"{path.name}, line {line}: this is not a valid JSON object.")


def _rows_of_layout(content: bytes, path: Path) -> list[dict[str, Any]] | None:
    """Return the rows of an array of objects, or of one of the layouts of pandas; None for one object per line."""
    start = content.lstrip()[:1]
    if start == b"[" or suffix_of(path) == ".json":
        check_values(content, path.name)
    if start == b"[":
        rows = json.loads(content)
        if not all(isinstance(row, dict) for row in rows):
            raise DataError(f"{path.name} must be an array of objects, or one object per line.")
        return list(rows)
    if suffix_of(path) != ".json":
        return None
    try:
        whole = json.loads(content)
    except ValueError:  # more than one object: one per line
        return None
    if not isinstance(whole, dict) or not whole or not all(isinstance(value, dict | list) for value in whole.values()):
        return None
    try:
        rows = _rows_of_pandas(whole)
    except TypeError:  # columns or a row that are no list
        raise DataError(f"{path.name} cannot be read as JSON: it is damaged or malformed.") from None
    if rows is None:
        raise DataError(
            f"{path.name} is one object, in none of pandas' layouts; write one object per line, or an array of objects."
        )
    return rows


def _rows_of_pandas(whole: dict[str, Any]) -> list[dict[str, Any]] | None:
    """Return the rows of what ``DataFrame.to_json`` wrote with ``orient="split"``, ``"table"``, ``"columns"`` or ``"index"``."""
    if {"columns", "data"} <= set(whole) and isinstance(whole["data"], list):
        return [dict(zip(map(str, whole["columns"]), row, strict=True)) for row in whole["data"]]
    if {"schema", "data"} == set(whole) and isinstance(whole["data"], list):
        rows = whole["data"]
        if not all(isinstance(row, dict) for row in rows):
            raise ValueError("rows of orient=table are objects")
        return list(rows)
    values = list(whole.values())
    if not all(isinstance(value, dict) for value in values):
        return None
    inner = dict.fromkeys(key for value in values for key in value)
    if all(key.isdigit() for key in inner):  # columns of rows
        return [{name: value.get(key) for name, value in whole.items()} for key in inner]
    return values if all(key.isdigit() for key in whole) else None


def _refuse_lost_digits(table: pa.Table, path: Path) -> None:
    """Raise if a column holds integers of more than 64 bits: Arrow makes floats of them, and many become one."""
    import pyarrow as pa
    import pyarrow.compute as pc

    for name, column in zip(table.column_names, table.columns, strict=True):
        if not pa.types.is_floating(column.type) or (pc.max(pc.abs(column)).as_py() or 0) < 2.0**63:
            continue
        if pc.all(pc.equal(column, pc.floor(column))).as_py() and pc.all(pc.is_finite(column)).as_py():
            raise DataError(f"{path.name}: column {name!r} holds integers of more than 64 bits; write them as text.")


def _schema_of_all(rows: list[dict[str, Any]], path: Path) -> pa.Schema:
    """Return the fields of all objects; Arrow would take those of the first one only."""
    import pyarrow as pa

    names = dict.fromkeys(name for row in rows for name in row)
    check_columns(path.name, len(names))
    check_cells(path.name, len(rows) * len(names))
    return pa.schema([pa.field(name, _type_of_all([row.get(name) for row in rows], name, path)) for name in names])


def _type_of_all(cells: list[Any], name: str, path: Path) -> pa.DataType:
    """Return the type of a column of Python values, or name the column that has none."""
    import pyarrow as pa

    try:
        return pa.array(cells).type
    except OverflowError:
        raise DataError(f"{path.name}: column {name!r} holds integers of more than 64 bits; write them as text.") from None
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        kinds = sorted({_KINDS.get(type(cell), "other values") for cell in cells if cell is not None})
        raise DataError(f"{path.name}: column {name!r} mixes {' and '.join(kinds)}; use one type.") from None


def _call_arrow(path: Path, read: Callable[[], pa.Table]) -> pa.Table:
    """Call one of Arrow's readers, and name the column or line that it cannot read."""
    import pyarrow as pa

    try:
        return read()
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        if "straddling" in str(error):
            raise DataError(f"{path.name}: a row is longer than {row_bytes() >> 20:,} MB; {remedy('row_megabytes')}.") from None
        mixed = re.search(r"Column\(/(.+?)\) changed from (\w+) to (\w+)", str(error))
        if mixed:
            kinds = f"{mixed[2]} and {mixed[3]}"
            raise DataError(f"{path.name}: column {mixed[1]!r} mixes {kinds}; use one type.") from None
        row = re.search(r"in row (\d+)", str(error))
        where = f", line {int(row[1]) + 1}" if row else ""
        raise DataError(f"{path.name}{where}: this is not a valid JSON object.") from None
