"""Tables in tar archives, as the `webdataset` library writes them: the files of one name and several suffixes are a row."""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raikit.errors import DataError
from raikit.limits import check_bytes, check_cells, check_columns, in_force, parse_json, remedy

if TYPE_CHECKING:
    import pyarrow as pa

KEY = "__key__"
_TEXT = ("txt", "text", "transcript")
_INTEGER = ("cls", "cls2", "index", "id")


def read_shard(path: Path) -> pa.Table:
    """Read all rows of a shard; nothing is written to disk.

    Parameters
    ----------
    path : Path
        Its members are called ``KEY.SUFFIX``. Each suffix is a column: text (``txt``), an integer (``cls``), bytes for
        everything else. The fields of an object in ``json`` are columns of their own.

    Raises
    ------
    DataError
        If it is no tar archive, or a member is too large or cannot be read; the member is named.
    """
    import pyarrow as pa

    rows: dict[str, dict[str, Any]] = {}
    size = 0
    try:
        with tarfile.open(path, "r:") as archive:
            for member in archive:
                size += member.size  # that of a sparse file is larger than what is stored of it
                check_bytes(path.name, size)
                if member.isfile() and not member.name.rpartition("/")[2].startswith("."):
                    _add(rows, archive, member, path.name)
    except (tarfile.TarError, EOFError, OverflowError):
        raise DataError(f"{path.name} is not a tar archive, or is damaged.") from None
    names = dict.fromkeys(name for row in rows.values() for name in row)
    check_columns(path.name, len(names))
    check_cells(path.name, len(rows) * len(names))
    try:
        return pa.table({name: pa.array([row.get(name) for row in rows.values()]) for name in names})
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        raise DataError(f"{path.name}: a field of its JSON objects has values of several types; use one type.") from None


def _add(rows: dict[str, dict[str, Any]], archive: tarfile.TarFile, member: tarfile.TarInfo, file: str) -> None:
    """Add a member to its row."""
    folder, _, name = member.name.rpartition("/")
    stem, _, suffix = name.partition(".")
    if member.size > (most := in_force().media_megabytes * 1_000_000):
        raise DataError(f"{file}: {name} has {member.size:,} bytes, more than {most:,}; {remedy('media_megabytes')}.")
    content = archive.extractfile(member)
    assert content is not None  # it is a file
    row = rows.setdefault(f"{folder}/{stem}" if folder else stem, {KEY: f"{folder}/{stem}" if folder else stem})
    try:
        row.update(_cells(suffix.lower(), content.read(), f"{file}: {name}"))
    except ValueError:
        raise DataError(f"{file}: {name} is not what its suffix says.") from None


def _cells(suffix: str, content: bytes, where: str) -> dict[str, Any]:
    last = suffix.rpartition(".")[2]
    if last == "json":
        parsed = parse_json(content, where)
        return parsed if isinstance(parsed, dict) else {suffix: parsed}
    if last in _INTEGER:
        return {suffix: int(content)}
    return {suffix: content.decode("utf-8") if last in _TEXT else content}
