"""Cells and rows of a table as messages name them, and a cell's value as a plain Python scalar."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from raikit.address import text
from raikit.errors import DataError

_EXACT = 2**53  # larger integers have no float of their own
_LARGEST = 1e35  # intervals need the fourth power of squared errors, which is infinite for numbers not far above
TOO_LARGE = f"beyond {_LARGEST:g}, where variances are infinite; use larger units"
LONGEST_SHOWN = 60  # characters of a cell that a message shows


@dataclass(frozen=True)
class RowNames:
    """Names of the rows of a table, for messages.

    Attributes
    ----------
    file : str
        Name of the table's file.
    ids : sequence
        One id per row.
    numbers : sequence of int, optional
        Number of each row in the file, from 0, where not every row of it is there.
    counts : ndarray of int64, shape (n,), optional
        Rows of the file that each row stands for; absent: one.
    """

    file: str
    ids: Sequence[Any]
    numbers: Sequence[int] | None = None
    counts: np.ndarray | None = None

    def at(self, position: int) -> str:
        """Return the name of the row at `position`; see `row_name`."""
        number = position if self.numbers is None else self.numbers[position]
        return f"{self.file}, row {number + 1} (id {shown(self.ids[position])})"

    def count(self, mask: np.ndarray) -> int:
        """Return how many rows of the file those at a mask stand for."""
        return int(mask.sum() if self.counts is None else self.counts[mask].sum())


def row_name(file: str, position: int, ids: Sequence[Any] | pd.Series[Any]) -> str:
    """Name a row by its number and its id, never by its contents.

    Rows are numbered from 1; the header is not counted.

    Examples
    --------
    >>> row_name("cases.parquet", 1, ["c-1", "c-2"])
    "cases.parquet, row 2 (id 'c-2')"
    """
    value = ids[position] if isinstance(ids, Sequence) else ids.iloc[position]
    return f"{file}, row {position + 1} (id {shown(value)})"


def shown(value: Any) -> str:
    """Write a cell's value for a message: on one line, at most 60 characters, text in quotation marks.

    Examples
    --------
    >>> print(shown("c-1"), shown(2.0), shown(True))
    'c-1' 2 true
    """
    value = as_label(value)
    written = " ".join(text(value).split())
    written = written if len(written) <= LONGEST_SHOWN else written[: LONGEST_SHOWN - 3] + "..."
    return repr(written) if isinstance(value, str) else written


def as_label(value: Any) -> Any:
    """Convert a cell to a plain Python scalar; a whole float becomes an integer.

    Examples
    --------
    >>> as_label(2.0), as_label("a"), as_label(0.5), as_label(np.float32(0.1))
    (2, 'a', 0.5, 0.1)
    """
    if isinstance(value, np.float32 | np.float16):
        value = float(str(value))  # with the digits that the number was written with
    value = value.item() if hasattr(value, "item") else value
    return int(value) if isinstance(value, float) and value.is_integer() else value


@contextmanager
def refuse_lone_surrogates(name: str) -> Iterator[None]:
    """Raise DataError instead of UnicodeEncodeError, which is raised where text in memory is half of a character."""
    try:
        yield
    except UnicodeEncodeError:
        problem = "holds text with half of a character (a lone surrogate), which no file can hold; replace it"
        raise DataError(f"{name!r} {problem}.") from None


def first_too_large(numbers: np.ndarray) -> int | None:
    """Return the position of the first number of which a variance is no number, or None.

    Examples
    --------
    >>> first_too_large(np.array([1.0, -1e300])), first_too_large(np.array([1.0, 1e30]))
    (1, None)
    """
    large = np.abs(numbers) > _LARGEST
    return int(large.argmax()) if large.any() else None


def first_inexact(values: pd.Series[Any]) -> int | None:
    """Return the position of the first integer that is too large for a float, or None; other numbers are floats already.

    Examples
    --------
    >>> first_inexact(pd.Series([1, 2**53 + 1])), first_inexact(pd.Series([1.0, 1e300]))
    (1, None)
    """
    if not pd.api.types.is_integer_dtype(values):
        return None
    large = ((values > _EXACT) | (values < -_EXACT)).fillna(False).to_numpy(dtype=bool)
    return int(large.argmax()) if large.any() else None
