"""Files on other filesystems, copied here through fsspec before anything reads them.

A path is such a file only if it has a scheme: ``s3://bucket/cases.parquet``, ``zip://cases.csv::archive.zip``. Credentials come
from where fsspec looks for them, or are part of the address; then they are left out of every message and record.
"""

from __future__ import annotations

import atexit
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

from raikit.errors import DataError, listed, nearest
from raikit.limits import Bounded, check_bytes, check_regular

_CHUNK = 1 << 20
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]+(://|::)")  # two letters at least: C:\ is a drive
_PARTS = re.compile(r"(?P<scheme>[^:/]+)://(?:(?P<user>[^/@]*)@)?(?P<rest>[^?#]*)(?P<query>[?#].*)?", re.DOTALL)
_HERE = ("file", "local")
# Filesystems whose file is a list of places, which lead anywhere; that of a table is to be read, not what it names.
_ELSEWHERE = ("reference",)
_CONTAINER = ("abfs", "abfss", "adl", "az", "wasb", "wasbs")  # where the part before @ is no user


def is_remote(path: object) -> bool:
    """Return whether a path has a scheme.

    Examples
    --------
    >>> is_remote("s3://bucket/cases.csv"), is_remote("data/cases.csv"), is_remote("C:/cases.csv")
    (True, False, False)
    """
    return isinstance(path, str) and _SCHEME.match(path) is not None


def public_address(path: str) -> str:
    """Return a path as messages and records name it: without user, password and query, which may grant access.

    Examples
    --------
    >>> public_address("https://me:secret@host/cases.csv?token=abc")
    'https://host/cases.csv?...'
    """
    return "::".join(map(_public_part, path.split("::"))) if is_remote(path) else path


def _public_part(part: str) -> str:
    match = _PARTS.fullmatch(part)
    if match is None:
        return part
    user = f"{match['user']}@" if match["user"] and match["scheme"].lower() in _CONTAINER else ""
    return f"{match['scheme']}://{user}{match['rest']}{'?...' if match['query'] else ''}"


def name_of(path: str) -> str:
    """Return the name of the file or folder that an address leads to.

    Examples
    --------
    >>> name_of("zip://parts/cases.csv::https://host/archive.zip?token=abc"), name_of("simplecache::s3://bucket/cases.csv")
    ('cases.csv', 'cases.csv')
    """
    parts = path.split("::")
    first = next((part for part in parts if "://" in part), parts[0])  # before it: how a copy is kept, such as simplecache::
    name = PurePosixPath(_public_part(first).removesuffix("?...").rstrip("/")).name
    return "" if name == ".." else name


def fetch(path: str, folder: Path | None = None) -> Path:
    """Copy a file or folder from another filesystem into a temporary folder, which is removed when the process ends.

    Parameters
    ----------
    path : str
        With a scheme.
    folder : Path, optional
        What the path of an archive is relative to, if it has no scheme (``zip://cases.csv::archive.zip``); absent: the working
        folder.

    Returns
    -------
    Path
        The copy, with the name that it has there.

    Raises
    ------
    DataError
        If fsspec or what it needs for this filesystem is not installed, or if the file is missing or cannot be read. The
        sentence holds no credentials.
    LimitError
        If it is larger than what is read.
    """
    address = public_address(path)
    _check_filesystems(path, address)
    import fsspec

    target = Path(tempfile.mkdtemp(dir=_copies())) / (name_of(path) or "table")
    located = _in_folder(path, folder)
    try:
        if (archive := _file_here(located)) is not None:
            check_regular(archive)
        filesystem, place = fsspec.core.url_to_fs(located)
        _copy(filesystem, place, target)
    except FileNotFoundError:
        raise DataError(f"there is no file or folder {address}.") from None
    except DataError:
        raise
    except Exception as error:  # Any library may raise anything, and its message may hold the address with its credentials.
        raise DataError(f"{address} cannot be read ({type(error).__name__}); check the address and your access to it.") from None
    return target


@contextmanager
def local_copy(path: str | Path) -> Iterator[Path]:
    """Yield the path of a file that is here, or of a copy, which is removed afterwards.

    Raises
    ------
    DataError
        As `fetch`.
    """
    if not is_remote(path):
        yield Path(path)
        return
    copy = fetch(str(path))
    try:
        yield copy
    finally:
        shutil.rmtree(copy.parent, ignore_errors=True)


def _copy(filesystem: Any, place: str, target: Path) -> None:
    """Copy a file, or a folder with all below it; a web page is never searched for further files."""
    is_web = "http" in filesystem.protocol or "https" in filesystem.protocol
    if is_web or not filesystem.isdir(place):
        _copy_file(filesystem, place, target)
        return
    size, root = 0, Path(place).resolve()
    for file in filesystem.find(place):
        if _is_here(filesystem) and not Path(file).resolve().is_relative_to(root):
            raise DataError(f"{name_of(place)} holds a link that leads out of it; such folders are not read.")
        inside = PurePosixPath(file).relative_to(PurePosixPath(place))
        if ".." in inside.parts:
            raise DataError(f"{name_of(place)} holds a file whose name leads out of it ('..'); such archives are not read.")
        copy = target / inside
        copy.parent.mkdir(parents=True, exist_ok=True)
        _copy_file(filesystem, file, copy)
        size += copy.stat().st_size
        check_bytes(f"the copy of {target.name}", size)
    if not target.exists():
        raise FileNotFoundError


def _copy_file(filesystem: Any, place: str, copy: Path) -> None:
    """Copy a file within the limit of size; a server or an archive may state another size than it sends."""
    if _is_here(filesystem):
        check_regular(Path(place))  # a pipe has no end
    check_bytes(copy.name, filesystem.info(place).get("size") or 0)
    with filesystem.open(place, "rb") as stream, copy.open("wb") as target:
        shutil.copyfileobj(Bounded(stream, copy.name), target, _CHUNK)


def _is_here(filesystem: Any) -> bool:
    """Return whether a filesystem is that of this machine."""
    protocols = (filesystem.protocol,) if isinstance(filesystem.protocol, str) else filesystem.protocol
    return not set(protocols).isdisjoint(_HERE)


def _file_here(located: str) -> Path | None:
    """Return the archive on this machine that an address is opened through; None if there is none."""
    *before, last = located.split("::")
    scheme, found, rest = last.rpartition("://")
    if not before or (found and scheme.lower() not in _HERE):
        return None
    path = Path(rest if found else last)
    return path if path.exists() and not path.is_dir() else None


def _in_folder(path: str, folder: Path | None) -> str:
    *archives, last = path.split("::")
    if archives and "://" not in last and folder is not None:
        last = str((folder / last).absolute())
    return "::".join([*archives, last])


def _check_filesystems(path: str, address: str) -> None:
    """Raise if fsspec, a filesystem or the package behind it is not there."""
    try:
        import fsspec
        from fsspec.registry import known_implementations
    except ImportError:
        raise DataError(f"{address} is on another filesystem; install fsspec to read it.") from None
    known = fsspec.available_protocols()
    for part in path.split("::"):
        scheme = part.partition("://")[0].lower() if "://" in part else ""
        if not scheme:
            continue
        if scheme in _ELSEWHERE:
            raise DataError(f"{address}: files that name places of other files are not read ({scheme}); name the table itself.")
        if scheme not in known:
            hint = nearest(scheme, known)
            raise DataError(f"{address}: fsspec knows no filesystem {scheme!r}.{hint} Known: {listed(known, 50)}.")
        try:
            fsspec.get_filesystem_class(scheme)
        except ImportError:
            needed = known_implementations.get(scheme, {}).get("err", "install the package that it needs")
            raise DataError(f"{address} cannot be read yet: {str(needed).rstrip('.')}.") from None


def remove_copies() -> None:
    """Remove all copies; the command line calls it, because its process ends without the functions of `atexit`."""
    if _copies.cache_info().currsize:
        shutil.rmtree(_copies(), ignore_errors=True)
        _copies.cache_clear()


@cache
def _copies() -> str:
    atexit.register(remove_copies)
    return tempfile.mkdtemp(prefix="raikit-")
