"""DuckDB in memory, without the progress bar that it would print on standard output."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb


def open_database(**settings: str) -> duckdb.DuckDBPyConnection:
    """Open a database in memory, on two threads.

    Parameters
    ----------
    **settings : str
        Further settings of DuckDB, such as ``memory_limit``.
    """
    import duckdb

    connection = duckdb.connect(config={"threads": "2", **settings})
    # In a notebook without ipywidgets there is no bar, and DuckDB refuses any change of the setting.
    with suppress(duckdb.InvalidInputException):
        connection.execute("SET enable_progress_bar = false")
    return connection
