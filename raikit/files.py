"""Write files so that a reader never sees half of one, and hash them."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from raikit.errors import RunError, SystemFault, system_fault
from raikit.limits import check_regular

PARTIAL = re.compile(r"\.(?P<name>.+)\.partial")  # the temporary name of a file


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yield a temporary name beside `path` to write to; rename it when the block ends, remove it if the block raises.

    Raises
    ------
    SystemFault
        If the disk is full or cannot be written.
    RunError
        If the path cannot be written otherwise.
    """
    temporary = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if os.path.lexists(temporary):  # a link would lead the writer to another file, and a pipe would hold it
            temporary.unlink()
        yield temporary
        os.replace(temporary, path)
    except BaseException as error:
        with suppress(OSError):  # on a disk that became read-only
            temporary.unlink(missing_ok=True)
        fault = system_fault(error)
        if isinstance(error, OSError):
            raise (SystemFault if fault else RunError)(f"cannot write {path}: {error.strerror or error}.") from None
        if fault is not None:
            raise fault from None
        raise


def remove_partial(folder: Path) -> None:
    """Remove what writers that were killed have left in a folder and below."""
    for path in folder.rglob(".*.partial"):
        path.unlink(missing_ok=True)


def make_folder(path: Path) -> None:
    """Make a folder unless it is there.

    Raises
    ------
    SystemFault
        If the disk is full or cannot be written.
    RunError
        If there is a file of this name.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        kind = SystemFault if system_fault(error) else RunError
        raise kind(f"{path} cannot be made a folder: {error.strerror or error}.") from None


def write_text(path: Path, text: str) -> Path:
    """Write UTF-8 text under a temporary name, then rename it."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")
    return path


def canonical(value: Any) -> str:
    """Return JSON with sorted keys and no superfluous spaces, so that equal values have equal text."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def sha256(path: Path) -> str:
    """Return the SHA-256 of a regular file, read in blocks; anything else is a `raikit.errors.LimitError`."""
    check_regular(path)
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def is_plain_file(path: Path) -> bool:
    """Return whether a path is a file and nothing that leads elsewhere or never ends: a link, a pipe or a device."""
    return path.is_file() and not path.is_symlink()


Stamp = tuple[int, int, int, int]


def stamp(path: Path) -> Stamp | None:
    """Return what changes when a file is written to, replaced or moved, even if its content and times are put back.

    The last number is the time of the last change of its inode, which no program of the user can set. None if there is no file.
    """
    try:
        status = path.lstat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def sha256_text(text: str) -> str:
    """Return the SHA-256 of a text's UTF-8 bytes."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
