"""The format of a table's file: recognised by suffix and first bytes, before any parser reads it."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from raikit.errors import DataError

CSV = (".csv", ".tsv")
PARQUET = (".parquet", ".pq")
JSON = (".jsonl", ".ndjson", ".json")
_SUPPORTED = "supported are .csv, .tsv, .parquet, .jsonl and .json"
_HEAD = 65_536  # bytes that are looked at
# How other formats begin, and what to do about them.
_FOREIGN = {
    b"PAR1": "it is Parquet; rename it to .parquet",
    b"PK\x03\x04": "it is a ZIP archive or a spreadsheet; export the sheet as CSV",
    b"\xd0\xcf\x11\xe0": "it is a spreadsheet; export the sheet as CSV",
    b"\x1f\x8b": "it is compressed; unpack it",
    b"\xff\xfe": "it is UTF-16; save it as UTF-8",
    b"\xfe\xff": "it is UTF-16; save it as UTF-8",
    b"version https://git-lfs": "it is a Git LFS pointer; run `git lfs pull` to get the file",
}


def check_format(path: Path) -> None:
    """Raise if the file is not a table, because parsers say so less clearly.

    Raises
    ------
    DataError
        If the file is missing, empty, of an unsupported format, or not what its suffix says.
    """
    suffix = path.suffix.lower()
    if path.is_dir():
        raise DataError(f"{path.name} is a folder; name one file in it ({_SUPPORTED}).")
    if not path.is_file():
        raise DataError(f"there is no file {path.name} in {path.absolute().parent}.")
    if suffix not in (*CSV, *PARQUET, *JSON):
        raise DataError(f"{path.name} has an unsupported format; {_SUPPORTED}.")
    with readable_errors(path), path.open("rb") as stream:
        head = stream.read(_HEAD)
    if not head.strip(b"\xef\xbb\xbf \t\r\n"):
        raise DataError(f"{path.name} is empty.")
    if suffix in PARQUET and head.startswith(b"PAR1"):
        return
    for beginning, advice in _FOREIGN.items():
        if head.startswith(beginning):
            raise DataError(f"{path.name} is not a {path.suffix[1:].upper()} file: {advice}.")
    if suffix in PARQUET:
        raise DataError(f"{path.name} is not a Parquet file.")
    if b"\x00" in head:
        raise DataError(f"{path.name} is not a table: it holds binary data.")
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        raise DataError(f"{path.name} is not a table: it begins like a web page (HTML or XML).")


@contextmanager
def readable_errors(path: Path) -> Iterator[None]:
    """Turn what parsers raise into one sentence; their own messages may quote cells, so they are dropped."""
    try:
        yield
    except DataError:
        raise
    except UnicodeDecodeError:
        raise DataError(f"{path.name} is not UTF-8; save it as UTF-8.") from None
    except OSError as error:
        if error.errno is None:  # Arrow raised it: the file exists and is damaged
            raise DataError(
                f"{path.name} is damaged: it ends early or is not a {path.suffix[1:].upper()} file."
            ) from None
        raise DataError(f"{path.name} cannot be read: {error.strerror}.") from None
    except (ValueError, csv.Error, NotImplementedError):  # ArrowInvalid is a ValueError
        kind = path.suffix[1:].upper()
        raise DataError(f"{path.name} cannot be read as {kind}: it is damaged or malformed.") from None
