"""The first sheet of a spreadsheet, read after what it unpacks to was compared with the limits."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from raikit.address import text
from raikit.data.table_format import DAMAGED
from raikit.errors import DataError
from raikit.limits import Bounded, check_bytes, check_cells

if TYPE_CHECKING:
    import pyarrow as pa

_CHUNK = 1 << 20
_REFERENCE = re.compile(rb"""\br=["']([A-Z]{0,3})(\d{1,7})["']""")
_LONGEST = 16  # bytes of a reference with its quotation marks


def read_sheet(path: Path) -> pa.Table:
    """Read all columns.

    Raises
    ------
    DataError
        If no library for spreadsheets is installed.
    LimitError
        If the file unpacks to too many bytes, or if its cells lie too far apart: all cells between them are read.
    """
    import pyarrow as pa

    _check_sizes(path)
    try:
        sheet = pd.read_excel(path, dtype=object, keep_default_na=False, na_values=[""])
    except ImportError:
        raise DataError(f"{path.name} is a spreadsheet; install openpyxl to read it, or export the sheet as CSV.") from None
    except (OSError, ValueError, MemoryError):
        raise
    except Exception:  # parsers of XML and of the parts of a sheet raise nearly anything
        raise DataError(f"{path.name} cannot be read as XLSX: it is damaged or malformed.") from None
    return pa.table({str(name): _column(sheet[name], path.name) for name in sheet})


def _check_sizes(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            check_bytes(path.name, sum(member.file_size for member in archive.infolist()))
            for member in archive.infolist():
                if member.filename.startswith("xl/worksheets/") and member.filename.endswith(".xml"):
                    with archive.open(member) as stream:
                        _check_extent(Bounded(stream, path.name), path.name)
    except (*DAMAGED, OSError, ValueError, RuntimeError):
        raise DataError(f"{path.name} cannot be read as XLSX: it is damaged or malformed.") from None


def _check_extent(stream: Bounded, file: str) -> None:
    """Raise if the last row and the last column span too many cells."""
    rows = columns = 0
    for part in _overlapping(stream):
        for letters, row in _REFERENCE.findall(part):
            rows, column = max(rows, int(row)), 0
            for letter in letters:
                column = column * 26 + letter - ord("A") + 1
            columns = max(columns, column)
        check_cells(file, rows * columns)


def _overlapping(stream: Bounded) -> Iterator[bytes]:
    """Yield blocks that begin with the end of the one before, so that no reference is cut."""
    rest = b""
    while block := stream.read(_CHUNK):
        yield rest + block
        rest = block[-_LONGEST:]


def _column(cells: pd.Series[Any], file: str) -> pa.Array:
    """Return the cells of one type as they are, those of several as text, so that they are examined like those of CSV."""
    import pyarrow as pa

    # A text may be stored once and named by many cells.
    check_bytes(file, sum(len(cell) for cell in cells if isinstance(cell, str)))
    kinds = {type(cell) for cell in cells.dropna()}
    if len(kinds - {int, float}) + bool(kinds & {int, float}) > 1:
        return pa.array([None if pd.isna(cell) else text(cell) for cell in cells], pa.string())
    return pa.array(cells, from_pandas=True)
