"""The format of a table's file: recognised by suffix and first bytes, before any parser reads it."""

from __future__ import annotations

import csv
import io
import lzma
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from raikit.errors import DataError
from raikit.limits import Bounded, check_bytes, check_regular, most_bytes

if TYPE_CHECKING:
    import pyarrow as pa

CSV = (".csv", ".tsv")
PARQUET = (".parquet", ".pq")
JSON = (".jsonl", ".ndjson", ".json")
CONLL = (".conll",)  # tagged tokens
ARROW = (".arrow", ".feather", ".ipc")
EXCEL = (".xlsx",)
TAR = (".tar",)
EVAL = (".eval",)  # logs of Inspect
_COMPRESSED = {".gz": "gzip", ".zst": "zstd", ".bz2": "bz2"}  # for tables in text
_SUPPORTED = "supported are .csv, .tsv, .parquet, .jsonl, .json, .arrow, .xlsx, .tar, .eval, .conll; text also as .gz, .zst, .bz2"
# What Python raises of archives and compressed files that are damaged.
DAMAGED = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, NotImplementedError, EOFError, struct.error)
_CHUNK = 1 << 20
_HEAD = 65_536  # bytes that are looked at
# How other formats begin, and what to do about them.
_FOREIGN = {
    b"PAR1": "it is Parquet; rename it to .parquet",
    b"PK\x03\x04": "it is a ZIP archive or a spreadsheet; export the sheet as CSV",
    b"\xd0\xcf\x11\xe0": "it is a spreadsheet; export the sheet as CSV",
    b"\x1f\x8b": "it is compressed; end its name in .gz",
    b"\x28\xb5\x2f\xfd": "it is compressed; end its name in .zst",
    b"\xff\xfe": "it is UTF-16; save it as UTF-8",
    b"\xfe\xff": "it is UTF-16; save it as UTF-8",
    b"version https://git-lfs": "it is a Git LFS pointer; run `git lfs pull` to get the file",
}


def suffix_of(path: Path) -> str:
    """Return the suffix that says what a file is, in small letters; ``.csv`` of ``cases.csv.gz``.

    Examples
    --------
    >>> suffix_of(Path("cases.CSV.gz"))
    '.csv'
    """
    suffix = path.suffix.lower()
    return Path(path.stem).suffix.lower() if suffix in _COMPRESSED else suffix


def open_bytes(path: Path) -> pa.NativeFile:
    """Open a regular file for reading, unpacked within the limit of size if it is compressed.

    Raises
    ------
    LimitError
        If it is a pipe, a device or the like; when it is read, also if it unpacks to too many bytes.
    """
    import pyarrow as pa

    check_regular(path)
    compression = _COMPRESSED.get(path.suffix.lower())
    stream = pa.input_stream(str(path), compression=compression)
    return stream if compression is None else pa.PythonFile(Bounded(stream, path.name), mode="r")


def read_all(path: Path) -> bytes:
    """Return what a file holds, unpacked if it is compressed.

    Raises
    ------
    LimitError
        If it is too large; a file that is not compressed is not read then.
    """
    check_regular(path)
    check_bytes(path.name, path.stat().st_size)
    with open_bytes(path) as stream:
        return b"".join(iter(lambda: stream.read(_CHUNK), b""))


def is_compressed(path: Path) -> bool:
    """Return whether the name of a file says that it is text that was compressed."""
    return path.suffix.lower() in _COMPRESSED


def open_text(path: Path, errors: str = "strict") -> io.TextIOWrapper:
    """Open a file in UTF-8 for reading, unpacked, without a byte order mark and with its line ends."""
    return io.TextIOWrapper(open_bytes(path), encoding="utf-8-sig", errors=errors, newline="")


def check_format(path: Path) -> None:
    """Raise if the file is not a table, because parsers say so less clearly.

    Raises
    ------
    DataError
        If the file is missing, empty, of an unsupported format, or not what its suffix says. Folders are not examined.
    """
    suffix = suffix_of(path)
    if path.is_dir():
        return  # what it holds is found out by `raikit.data.folders`
    try:
        check_regular(path)
    except OSError:
        raise DataError(f"there is no file or folder {path.name} in {path.absolute().parent}.") from None
    is_packed = suffix != path.suffix.lower()
    if suffix not in ((*CSV, *JSON, *CONLL) if is_packed else (*CSV, *JSON, *CONLL, *PARQUET, *ARROW, *EXCEL, *TAR, *EVAL)):
        raise DataError(f"{path.name} has an unsupported format; {_SUPPORTED}.")
    with readable_errors(path), open_bytes(path) as stream:
        head = stream.read(_HEAD)
    if not head.strip(b"\xef\xbb\xbf \t\r\n"):
        raise DataError(f"{path.name} is empty.")
    if suffix not in (*CSV, *JSON, *CONLL):
        _check_binary(path, suffix, head)
        return
    for beginning, advice in _FOREIGN.items():
        if head.startswith(beginning):
            raise DataError(f"{path.name} is not a {suffix[1:].upper()} file: {advice}.")
    if b"\x00" in head:
        raise DataError(f"{path.name} is not a table: it holds binary data.")
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        raise DataError(f"{path.name} is not a table: it begins like a web page (HTML or XML).")


def _check_binary(path: Path, suffix: str, head: bytes) -> None:
    """Raise if a file that its suffix calls binary begins like another format."""
    if suffix in TAR:
        return  # its reader says what is wrong
    kind, beginnings = ("a Parquet", [b"PAR1"]) if suffix in PARQUET else ("an Excel", [b"PK\x03\x04"])
    if suffix in EVAL:
        kind, beginnings = "an Inspect log", [b"PK\x03\x04"]
    if suffix in ARROW:  # files and streams of Arrow, and Feather's first version
        kind, beginnings = "an Arrow", [b"ARROW1", b"\xff\xff\xff\xff", b"FEA1"]
    if not any(head.startswith(beginning) for beginning in beginnings):
        lfs = next((f": {advice}" for start, advice in _FOREIGN.items() if start[:7] == b"version" and head.startswith(start)), "")
        raise DataError(f"{path.name} is not {kind}{'' if suffix in EVAL else ' file'}{lfs}.")


@contextmanager
def readable_errors(path: Path) -> Iterator[None]:
    """Turn what parsers raise into one sentence; their own messages may quote cells, so they are dropped."""
    try:
        yield
    except DataError:
        raise
    except UnicodeDecodeError:
        raise DataError(f"{path.name} is not UTF-8; save it as UTF-8.") from None
    except MemoryError as error:
        asked = re.search(r"of size (\d+) failed", str(error))
        if asked is None or int(asked[1]) <= most_bytes():
            raise
        raise DataError(f"{path.name} is damaged: it states a size of {int(asked[1]):,} bytes.") from None
    except OSError as error:
        if error.errno is None and path.suffix.lower() in _COMPRESSED:
            raise DataError(
                f"{path.name} is damaged or not compressed; if it is plain text, remove {path.suffix} from its name."
            ) from None
        if error.errno is None:  # Arrow raised it: the file exists and is damaged
            raise DataError(
                f"{path.name} is damaged: it ends early or is not a {suffix_of(path)[1:].upper()} file."
            ) from None
        raise DataError(f"{path.name} cannot be read: {error.strerror}.") from None
    except (ValueError, csv.Error, NotImplementedError):  # ArrowInvalid is a ValueError
        kind = suffix_of(path)[1:].upper()
        raise DataError(f"{path.name} cannot be read as {kind}: it is damaged or malformed.") from None


def check_content(table: pa.Table, name: str) -> None:
    """Refuse columns whose bytes are not what their type says: Arrow reads them, and fails wherever they are used.

    Raises
    ------
    DataError
        With the file and the column.
    """
    import pyarrow as pa

    for column in table.column_names:
        try:
            table.column(column).validate(full=True)
        except pa.ArrowInvalid as error:
            fault = "text that is not UTF-8; save it as UTF-8" if "UTF8" in str(error) else "damaged cells"
            raise DataError(f"{name}: column {column!r} has {fault}.") from None
