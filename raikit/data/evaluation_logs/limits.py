"""JSON of logs, read within limits: sizes are checked before anything is unpacked, and every fault is one sentence."""

from __future__ import annotations

import json
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from raikit.data.table_format import DAMAGED, open_bytes, read_all
from raikit.errors import DataError
from raikit.limits import check_bytes, check_depth, check_regular, check_values

_CHUNK = 1 << 20
_ZSTD = 93  # the compression that newer versions of Inspect use; Python reads it from 3.14 on
_LOCAL_HEADER = struct.Struct("<4s22xHH")


def parse(content: bytes, where: str) -> Any:
    """Parse JSON.

    Parameters
    ----------
    content : bytes
    where : str
        Names the place in the message.

    Raises
    ------
    DataError
        If it is not valid, or nested too deeply.
    """
    check_depth(content, where)
    check_values(content, where)
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        raise DataError(f"{where} is not valid JSON; the log is damaged.") from None


def read_json(path: Path) -> Any:
    """Read a file that is one JSON value.

    Raises
    ------
    DataError
        If it is too large or not valid.
    """
    return parse(read_all(path).removeprefix(b"\xef\xbb\xbf"), path.name)


def json_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the objects of a file that has one on each line, with the number of the line.

    Raises
    ------
    DataError
        If a line is too long or no object, or the file too large; the line is named.
    """
    for number, line in enumerate(_lines(path), start=1):
        if not line.strip():
            continue
        record = parse(line, f"{path.name}, line {number}")
        if not isinstance(record, dict):
            raise DataError(f"{path.name}, line {number} is no JSON object; the log is damaged.")
        yield number, record


def _lines(path: Path) -> Iterator[bytes]:
    total, rest = 0, b""
    with open_bytes(path) as stream:
        while chunk := stream.read(_CHUNK):
            total += len(chunk)
            check_bytes(path.name, total)
            *lines, rest = (rest + chunk).split(b"\n")
            yield from lines
            check_bytes(f"a line of {path.name}", len(rest))
    yield rest


class Archive:
    """The members of a ZIP archive that hold JSON.

    Parameters
    ----------
    path : Path

    Raises
    ------
    DataError
        If it is no ZIP archive, or its members have too many bytes in all.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        check_regular(path)
        try:
            with zipfile.ZipFile(path) as archive:
                # If a name occurs twice, the later member replaces the earlier one.
                self.members = {member.filename: member for member in archive.infolist()}
        except (zipfile.BadZipFile, ValueError, struct.error, NotImplementedError):
            raise self._damaged() from None

    def read(self, names: Sequence[str]) -> Iterator[Any]:
        """Yield the values of members; none is unpacked if they have too many bytes in all."""
        check_bytes(self.path.name, sum(self.members[name].file_size for name in names))
        for name in names:
            yield parse(self._unpack(self.members[name]), f"{self.path.name}: {_printable(name)}")

    def _unpack(self, member: zipfile.ZipInfo) -> bytes:
        try:
            if member.compress_type == _ZSTD:
                return self._unpack_zstd(member)
            with zipfile.ZipFile(self.path) as archive, archive.open(member) as stream:
                return stream.read(member.file_size)
        except (*DAMAGED, OSError, ValueError, RuntimeError):
            raise self._damaged() from None

    def _unpack_zstd(self, member: zipfile.ZipInfo) -> bytes:
        """Return no more bytes than the directory says, however many the member would unpack to."""
        import pyarrow as pa

        with self.path.open("rb") as stream:
            stream.seek(member.header_offset)
            beginning, name, extra = _LOCAL_HEADER.unpack(stream.read(_LOCAL_HEADER.size))
            if beginning != b"PK\x03\x04":
                raise self._damaged()
            stream.seek(name + extra, 1)
            packed = stream.read(member.compress_size)
        with pa.CompressedInputStream(pa.BufferReader(packed), "zstd") as unpacked:
            content: bytes = unpacked.read(member.file_size)
        if zlib.crc32(content) != member.CRC:
            raise self._damaged()
        return content

    def _damaged(self) -> DataError:
        return DataError(f"{self.path.name} is no log of Inspect, or is damaged.")


def _printable(name: str) -> str:
    return name if name.isprintable() and len(name) <= 100 else "a member"
