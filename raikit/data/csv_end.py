"""Notice a quotation mark that never closes: it would swallow the rest of a table without a word.

A row of marks is read after the last one. If it does not come out as a row of its own, it lies within a quoted cell.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import pyarrow as pa

_MARK = "\x1eend of the table\x1e"
_Rows = TypeVar("_Rows", "pa.Table", "pa.RecordBatch")


class UnclosedQuoteError(Exception):
    """A quotation mark is not closed."""


class MarkedFile:
    """A file of CSV that ends with the row of marks; as much of a file as Arrow needs.

    Parameters
    ----------
    stream : NativeFile
    columns : int
    delimiter : str
    """

    closed = False

    def __init__(self, stream: pa.NativeFile, columns: int, delimiter: str) -> None:
        self._stream = stream
        self._left = f"\n{delimiter.join([_MARK] * columns)}\n".encode()

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes, at most `size` of them."""
        if block := self._stream.read(size):
            return bytes(block)
        size = len(self._left) if size < 0 else size
        block, self._left = self._left[:size], self._left[size:]
        return block

    def close(self) -> None:
        """Close the file."""
        self._stream.close()
        self.closed = True


def without_mark(rows: _Rows) -> _Rows:
    """Return rows without the last one, which must be that of marks.

    Raises
    ------
    UnclosedQuoteError
        If it is not.
    """
    if not rows.num_rows or any(column[-1].as_py() != _MARK for column in rows.columns):
        raise UnclosedQuoteError
    return rows.slice(0, rows.num_rows - 1)


def batches_without_mark(reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    """Yield batches without the row of marks.

    Raises
    ------
    UnclosedQuoteError
        If it is not the last row.
    """
    last = None
    for batch in reader:
        if not batch.num_rows:
            continue
        if last is not None:
            yield last
        last = batch
    if last is None:
        raise UnclosedQuoteError
    yield without_mark(last)
