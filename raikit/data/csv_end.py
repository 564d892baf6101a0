"""Notice what quotation marks may do to a table without a word: one that never closes swallows the rest of it.

A row of marks is read after the last one. If it does not come out as a row of its own, it lies within a quoted cell.

Line ends are counted as they are read. Where each of them ended a row, no quoted cell has one, so blocks could be parsed apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

_FEED, _RETURN = 10, 13  # bytes that end a line
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
    apart : bool
        Whether blocks are parsed apart; then the marks are a block of their own, so that no cell is cut into it.

    Attributes
    ----------
    line_ends : int
        How many have been read.
    """

    closed = False

    def __init__(self, stream: pa.NativeFile, columns: int, delimiter: str, *, apart: bool) -> None:
        self.line_ends = 0
        self._stream, self._held, self._last = stream, b"", b""
        self._marks, self._apart = f"{delimiter.join([_MARK] * columns)}\n".encode(), apart
        self._left: list[bytes] | None = None  # what is still to be read after the file

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes, at most `size` of them."""
        block = self._held + bytes(self._stream.read(size if size < 0 else size - len(self._held)))
        # Arrow drops a line feed that begins a block as the rest of a line end, also within a quoted cell.
        self._held = b"\r" if len(block) > 1 and block.endswith(b"\r") else b""
        block = block.removesuffix(self._held) or self._end(size)
        self.line_ends += count_line_ends(block, self._last)
        self._last = block[-1:]
        return block

    def _end(self, size: int) -> bytes:
        """Return the next bytes after the file: the end of its last line if it has none, and the marks."""
        if self._left is None:
            end = b"" if self._last in b"\r\n" else b"\n"
            self._left = [end, self._marks] if self._apart and end else [end + self._marks]
        if not self._left:
            return b""
        block = self._left.pop(0)
        if 0 <= size < len(block):
            self._left.insert(0, block[size:])
            block = block[:size]
        return block

    def close(self) -> None:
        """Close the file."""
        self._stream.close()
        self.closed = True


def count_line_ends(block: bytes, before: bytes = b"") -> int:
    """Return how many lines end in a block: with a line feed, a carriage return, or both; `before` is the byte before it."""
    codes = np.frombuffer(block, np.uint8)
    feeds = codes == _FEED
    ends = int(np.count_nonzero(feeds))
    if b"\r" in block:
        returns = codes == _RETURN
        ends += int(np.count_nonzero(returns)) - int(np.count_nonzero(returns[:-1] & feeds[1:]))
    return ends - (before == b"\r" and block[:1] == b"\n")


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
