"""The first sheet of a spreadsheet, read after what it unpacks to was compared with the limits."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Collection, Iterator
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
_UNSAVED = re.compile(rb"""<c\b(?![^>]*\bt=["']str["'])[^>]*>\s*<f\b(?:[^>]*/>|[^>]*>[^<]*</f>)\s*(?:<v\s*/>|<v>\s*</v>|</c>)""")
_LONGEST = 1 << 14  # bytes of a cell with a formula


def read_sheet(path: Path, used: Collection[str]) -> pa.Table:
    """Read all columns.

    Parameters
    ----------
    path : Path
    used : collection of str
        Columns of which every formula must have a saved value.

    Raises
    ------
    DataError
        If no library for spreadsheets is installed, or a formula in a column that is used has no saved value.
    LimitError
        If the file unpacks to too many bytes, or if its cells lie too far apart: all cells between them are read.
    """
    import pyarrow as pa

    unsaved = _check_sizes(path)
    try:
        sheet = pd.read_excel(path, header=None, dtype=object, keep_default_na=False, na_values=[""])
        # Columns of one name are kept, as in CSV; whoever reads one of them is told.
        header = list(sheet.iloc[0]) if len(sheet) else []
        names = [f"Unnamed: {number}" if pd.isna(name) else str(name) for number, name in enumerate(header)]
        needed = {number for number, name in enumerate(names, 1) if name in used}
        formula = _unsaved_formula(path, sheet, needed) if unsaved and needed else None
    except ImportError:
        raise DataError(f"{path.name} is a spreadsheet; install openpyxl to read it, or export the sheet as CSV.") from None
    except (OSError, ValueError, MemoryError):
        raise
    except Exception:  # parsers of XML and of the parts of a sheet raise nearly anything
        raise DataError(f"{path.name} cannot be read as XLSX: it is damaged or malformed.") from None
    if formula is not None:
        raise DataError(
            f"{path.name}, cell {formula}: a formula without a saved value; open and save the file in a spreadsheet program."
        )
    cells = sheet.iloc[1:]
    return pa.Table.from_arrays([_column(cells.iloc[:, number], path.name) for number in range(len(names))], names=names)


def _unsaved_formula(path: Path, sheet: pd.DataFrame, needed: Collection[int]) -> str | None:
    """Return the first cell of a formula whose value is missing; programs that only write formulas save none.

    Columns are numbered from 1. A formula in the header may be the name of one that is needed.
    """
    from openpyxl import load_workbook

    missing = sheet.isna().to_numpy()
    rows, columns = missing.shape  # without empty rows and columns at the end
    book = load_workbook(path, read_only=True)
    try:
        for row in book.worksheets[0].iter_rows():
            for cell in row:
                if cell.data_type != "f" or not (cell.column in needed or cell.row == 1):
                    continue
                if cell.row > rows or cell.column > columns or missing[cell.row - 1, cell.column - 1]:
                    return f"{cell.column_letter}{cell.row}"
    finally:
        book.close()
    return None


def _check_sizes(path: Path) -> bool:
    """Raise if the file is too large; return whether it has formulas without a saved value."""
    unsaved = False
    try:
        with zipfile.ZipFile(path) as archive:
            check_bytes(path.name, sum(member.file_size for member in archive.infolist()))
            for member in archive.infolist():
                if member.filename.startswith("xl/worksheets/") and member.filename.endswith(".xml"):
                    with archive.open(member) as stream:
                        unsaved |= _check_extent(Bounded(stream, path.name), path.name)
    except (*DAMAGED, OSError, ValueError, RuntimeError):
        raise DataError(f"{path.name} cannot be read as XLSX: it is damaged or malformed.") from None
    return unsaved


def _check_extent(stream: Bounded, file: str) -> bool:
    """Raise if the last row and the last column span too many cells; return whether a formula has no saved value."""
    rows = columns = 0
    unsaved = False
    for part in _overlapping(stream):
        for letters, row in _REFERENCE.findall(part):
            rows, column = max(rows, int(row)), 0
            for letter in letters:
                column = column * 26 + letter - ord("A") + 1
            columns = max(columns, column)
        check_cells(file, rows * columns)
        unsaved = unsaved or _UNSAVED.search(part) is not None
    return unsaved


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
