"""Tables in Arrow's own files and streams (Feather), whose buffers may be compressed."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raikit.data.table_format import open_bytes
from raikit.errors import DataError
from raikit.limits import check_bytes, check_rows

if TYPE_CHECKING:
    import pyarrow as pa

_BEGINNING_OF_FILE = b"ARROW1\0\0"
_COMPRESSED = 3  # the field of a record batch that says how its buffers are compressed
_BATCHES = {"record batch": 3, "dictionary": 2}  # kinds of messages in Arrow's schema of flatbuffers


def read_arrow(path: Path) -> pa.Table:
    """Read all columns.

    Raises
    ------
    LimitError
        If the batches, whose messages state their rows and sizes, are too large after unpacking.
    """
    import pyarrow as pa
    from pyarrow import feather

    with open_bytes(path) as stream:
        beginning = stream.read(8)
        is_stream = beginning[:4] == b"\xff\xff\xff\xff"
        if is_stream or beginning == _BEGINNING_OF_FILE:
            stream.seek(0 if is_stream else 8)
            _check_messages(stream, path.name)
        stream.seek(0)
        table = pa.ipc.open_stream(stream).read_all() if is_stream else feather.read_table(path)
    # Buffers are used as they stand in the file; wrong offsets among them would end the process.
    table.validate(full=True)
    return table


def _check_messages(stream: Any, file: str) -> None:
    """Raise if the batches of a stream, or of a file from its first message on, unpack to too many bytes."""
    import pyarrow as pa

    rows = size = 0
    for message in pa.ipc.MessageReader.open_stream(stream):
        if message.type not in _BATCHES:
            continue
        try:
            length, unpacked = _facts_of(bytes(message.metadata), bytes(message.body or b""), message.type)
        except (struct.error, IndexError):
            raise DataError(f"{file} is damaged: it ends early or is not a ARROW file.") from None
        rows += length if message.type == "record batch" else 0
        size += unpacked
        check_rows(file, rows)
        check_bytes(file, size)


def _facts_of(metadata: bytes, body: bytes, kind: str) -> tuple[int, int]:
    """Return the rows of a batch, and the bytes that its buffers unpack to."""
    message = _table(metadata, 0)
    if metadata[_field(metadata, message, 1) or 0] != _BATCHES[kind]:
        raise IndexError
    batch = _table(metadata, _field(metadata, message, 2) or 0)
    if kind == "dictionary":
        batch = _table(metadata, _field(metadata, batch, 1) or 0)
    at = _field(metadata, batch, 0)
    rows = struct.unpack_from("<q", metadata, at)[0] if at else 0
    if not _field(metadata, batch, _COMPRESSED):
        return rows, len(body)
    at = _field(metadata, batch, 2) or 0
    at += struct.unpack_from("<I", metadata, at)[0]
    (count,), size = struct.unpack_from("<I", metadata, at), 0
    for number in range(count):
        offset, length = struct.unpack_from("<qq", metadata, at + 4 + 16 * number)
        # A compressed buffer begins with its size after unpacking; -1: it was left as it is.
        unpacked = struct.unpack_from("<q", body, offset)[0] if length else 0
        size += unpacked if unpacked >= 0 else length
    return rows, size


def _table(buffer: bytes, at: int) -> int:
    """Follow the offset to a table of a flatbuffer."""
    return at + int(struct.unpack_from("<I", buffer, at)[0])


def _field(buffer: bytes, table: int, number: int) -> int | None:
    """Return where a field of a table stands; None if it is absent."""
    entries = table - struct.unpack_from("<i", buffer, table)[0]
    if 4 + 2 * number >= struct.unpack_from("<H", buffer, entries)[0]:
        return None
    offset = struct.unpack_from("<H", buffer, entries + 4 + 2 * number)[0]
    return table + offset if offset else None
