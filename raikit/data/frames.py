"""Tables and columns in memory, whatever library holds them, read as those of a file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import pandas as pd

from raikit.address import text
from raikit.data.cell_types import CellFormat, MixedColumn, check_text, infer_type
from raikit.data.tables import to_pandas
from raikit.errors import DataError


def as_pandas(values: Any) -> Any:
    """Return a table or column of polars, Arrow or DuckDB as a DataFrame or Series, and anything else as it is.

    Parameters
    ----------
    values : Any
        Tables and columns are known by the Arrow PyCapsule interface, lazy frames of polars by their name.
    """
    import pyarrow as pa

    if isinstance(values, pd.DataFrame | pd.Series | pd.Index):
        return values
    kind = type(values)
    if kind.__name__ == "LazyFrame" and kind.__module__.startswith("polars"):
        values = values.collect()
    if isinstance(values, pa.Array):
        values = pa.chunked_array([values])
    if not hasattr(values, "__arrow_c_stream__"):
        return values
    if hasattr(values, "columns"):
        return to_pandas(pa.table(values))
    cells = pa.chunked_array(values)
    if pa.types.is_struct(cells.type):  # the rows of a table
        return to_pandas(pa.Table.from_struct_array(cells))
    # What a column is called is not part of its data.
    column = to_pandas(pa.table({"column": cells}))["column"]
    return column.rename(getattr(values, "name", None) or None)


def as_frame(table: Any) -> pd.DataFrame:
    """Return a table in memory as a DataFrame.

    Parameters
    ----------
    table : DataFrame, or any table with the Arrow PyCapsule interface
        Such as those of pyarrow, polars (lazy ones are collected) and DuckDB.

    Raises
    ------
    DataError
        If it is something else.
    """
    frame = as_pandas(table)
    if not isinstance(frame, pd.DataFrame):
        kind = type(table).__name__
        raise DataError(f"the table is a {kind}; give a DataFrame of pandas or polars, or a table of Arrow.")
    return frame


def check_names(frame: pd.DataFrame, columns: Sequence[str], name: str) -> None:
    """Raise DataError if a table in memory has no rows, or if two of its columns have one of the names."""
    if not len(frame):
        raise DataError(f"{name} has no rows.")
    names = list(frame.columns)
    if (twice := next((column for column in columns if names.count(column) > 1), None)) is not None:
        raise DataError(f"{name} has two columns called {twice!r}; rename one of them.")


def check_frame(frame: pd.DataFrame, written: CellFormat, name: str) -> pd.DataFrame:
    """Return a table in memory with its text columns read as those of a file.

    Parameters
    ----------
    frame : DataFrame
        Changed in place.
    written : CellFormat
    name : str
        Name of the table in messages.

    Raises
    ------
    DataError
        If a column holds numbers but for a few cells, which may be text beside numbers of Python, or text that is no UTF-8.
    """
    import pyarrow as pa

    for column in frame:
        values = frame[column]
        if not (pd.api.types.is_object_dtype(values) or isinstance(values.dtype, pd.StringDtype)):
            continue
        kinds = {type(cell) for cell in values.dropna().unique()} if values.map(pd.api.types.is_scalar).all() else set()
        if str not in kinds or not kinds <= {str, int, float, bool}:
            continue
        try:
            cells = pa.chunked_array([pa.array([None if pd.isna(cell) else text(cell) for cell in values], pa.string())])
            read = (check_text if kinds == {str} else infer_type)(cells, str(column), written)
        except UnicodeEncodeError:  # half of a pair of characters, which a string of Python may hold
            raise DataError(f"{name}: column {str(column)!r} has text that cannot be written as UTF-8.") from None
        except MixedColumn as error:
            raise error.in_file(name) from None
        if read is not cells:
            frame[column] = to_pandas(pa.table({str(column): read}))[str(column)].to_numpy()
    return frame


def fingerprint_of_table(table: pd.DataFrame) -> str:
    """Compute the SHA-256 of a table in memory, over its column names, types and cells."""
    digest = hashlib.sha256(json.dumps([(str(name), str(table[name].dtype)) for name in table]).encode())
    for name in table:  # column by column, so that swapping two columns changes the result
        cells = table[name]
        if not cells.map(pd.api.types.is_hashable).all():  # lists
            cells = cells.map(lambda cell: json.dumps(cell, default=list))
        digest.update(pd.util.hash_pandas_object(cells, index=False).to_numpy().tobytes())
    return digest.hexdigest()
