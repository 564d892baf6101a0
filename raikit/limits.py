"""Limits that are looked at before anything is read: kinds of files, rows, columns, sizes after unpacking, and depth.

A small file may unpack to any size. Each limit is named in the sentence that refuses a file, with what raises it: an environment
variable for every command, and for the size of tables also a key of the configuration.
"""

from __future__ import annotations

import io
import json
import os
import stat
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, fields, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raikit.errors import ConfigError, LimitError

if TYPE_CHECKING:
    import numpy as np

_BLOCK = 16 << 20  # bytes that are examined at once
_VARIABLES = {
    "rows": "RAIKIT_MAX_ROWS", "columns": "RAIKIT_MAX_COLUMNS", "megabytes": "RAIKIT_MAX_MEGABYTES", "depth": "RAIKIT_MAX_DEPTH",
    "row_megabytes": "RAIKIT_MAX_ROW_MEGABYTES", "classes": "RAIKIT_MAX_CLASSES",
    "label_characters": "RAIKIT_MAX_LABEL_CHARACTERS", "pixels": "RAIKIT_MAX_PIXELS",
    "sound_seconds": "RAIKIT_MAX_SOUND_SECONDS", "media_megabytes": "RAIKIT_MAX_MEDIA_MEGABYTES",
    "config_megabytes": "RAIKIT_MAX_CONFIG_MEGABYTES", "loading_seconds": "RAIKIT_MAX_LOADING_SECONDS",
    "result_megabytes": "RAIKIT_MAX_RESULT_MEGABYTES", "metrics": "RAIKIT_MAX_METRICS",
    "weights_megabytes": "RAIKIT_MAX_WEIGHTS_MEGABYTES", "figure_seconds": "RAIKIT_MAX_FIGURE_SECONDS",
    "figure_megabytes": "RAIKIT_MAX_FIGURE_MEGABYTES", "outcomes": "RAIKIT_MAX_OUTCOMES",
}  # fmt: skip
_WITH_KEY = ("rows", "columns", "megabytes", "depth")  # those that a configuration sets, too
MOST_DEPTH = 500  # beyond it, Python itself ends the recursion of a parser
_LARGEST = {"depth": MOST_DEPTH, "row_megabytes": 2_000}  # Arrow counts the bytes of a block in 32 bits
_KINDS = ((stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a pipe"), (stat.S_ISCHR, "a device"), (stat.S_ISBLK, "a device"),
          (stat.S_ISSOCK, "a socket"))  # fmt: skip
_CELL = 8  # bytes of a cell in memory
_CELLS_OF_VALUE = 8  # as much memory as so many cells takes a value of Python


@dataclass(frozen=True)
class Limits:
    """What is read at most.

    Parameters
    ----------
    rows : int
        Rows of a table.
    columns : int
        Columns of a table.
    megabytes : int
        Size of a file, of what it unpacks to, and of the cells that are read from it at once.
    depth : int
        Levels of mappings and lists inside one another.
    row_megabytes : int
        A row of text, or the header; as much of a file is parsed at once.
    classes : int
        Different labels of a target.
    label_characters : int
        The name of a class, a group or a column.
    pixels, sound_seconds, media_megabytes : int
        A picture, a sound, and the file of either.
    config_megabytes : int
        A configuration; it may have 100,000 values for each.
    loading_seconds : int
        A plugin and what it imports.
    result_megabytes, metrics : int
        What a check of another distribution returns.
    weights_megabytes : int
        The weights of a saved model.
    figure_seconds, figure_megabytes : int
        Drawing one figure of another distribution.
    outcomes : int
        Metrics that the rules and regressions of a policy match, each counted for every one of them.
    """

    rows: int = 1_000_000_000
    columns: int = 10_000
    megabytes: int = 2_000
    depth: int = 100
    row_megabytes: int = 32
    classes: int = 1_000
    label_characters: int = 10_000
    pixels: int = 64_000_000
    sound_seconds: int = 600
    media_megabytes: int = 256
    config_megabytes: int = 1
    loading_seconds: int = 60
    result_megabytes: int = 64
    metrics: int = 50_000
    weights_megabytes: int = 64_000
    figure_seconds: int = 20
    figure_megabytes: int = 1_000
    outcomes: int = 50_000

    @classmethod
    def of_environment(cls) -> Limits:
        """Return the limits that environment variables such as ``RAIKIT_MAX_ROWS`` set.

        Raises
        ------
        ConfigError
            If a variable is no whole number, or out of range.
        """
        given = {}
        for limit in fields(cls):
            variable, most = _VARIABLES[limit.name], _LARGEST.get(limit.name, 10**12)
            if written := os.environ.get(variable, "").strip():
                if not (written.isascii() and written.isdigit() and len(written) <= 18 and 0 < int(written) <= most):
                    raise ConfigError(f"{variable} must be a whole number from 1 to {most:,}.")
                given[limit.name] = int(written)
        return cls(**given)


_configured: ContextVar[dict[str, int]] = ContextVar("configured", default={})  # noqa: B039 (it is replaced, never changed)


def configure(**limits: int | None) -> None:
    """Set the limits that a configuration has, for the data that it names; None leaves that of the environment."""
    _configured.set({name: limit for name, limit in limits.items() if limit is not None})


def in_force() -> Limits:
    """Return the limits of the environment, with those that the configuration sets."""
    return replace(Limits.of_environment(), **_configured.get())


def refuse(what: str, limit: str, found: int | None = None, unit: str = "") -> LimitError:
    """Return the error of something that exceeds a limit.

    Parameters
    ----------
    what : str
        Such as the name of a file.
    limit : str
        A field of `Limits`.
    found : int, optional
        How many there are; absent: it was not counted to the end.
    unit : str
        What is counted; absent: the name of the limit.
    """
    most, unit = getattr(in_force(), limit), unit or ("levels of nesting" if limit == "depth" else limit)
    count = f"{found:,} {unit}, more than the {most:,}" if found is not None else f"more than the {most:,} {unit}"
    return LimitError(f"{what} has {count} that are read; {remedy(limit)}.")


def remedy(limit: str) -> str:
    """Return half a sentence that says what raises a limit."""
    key = f"raise data.max_{limit}, or " if limit in _WITH_KEY else ""
    return f"{key}set {variable(limit)}" + ("" if key else " to raise the limit")


def variable(limit: str) -> str:
    """Return the environment variable that sets a limit."""
    return _VARIABLES[limit]


def check_rows(what: str, rows: int) -> None:
    """Raise `LimitError` if a table has too many rows."""
    if rows > in_force().rows:
        raise refuse(what, "rows", rows)


def check_columns(what: str, columns: int) -> None:
    """Raise `LimitError` if a table has too many columns."""
    if columns > in_force().columns:
        raise refuse(what, "columns", columns)


def check_labels(what: str, labels: Iterable[Any], unit: str = "characters in one of its labels") -> None:
    """Raise `LimitError` if a class, a group or a column has a text for a name, which figures would draw."""
    longest = max((len(label) for label in labels if isinstance(label, str)), default=0)
    if longest > in_force().label_characters:
        raise refuse(what, "label_characters", longest, unit)


def check_bytes(what: str, size: int) -> None:
    """Raise `LimitError` if something has too many bytes."""
    if size > most_bytes():
        raise refuse(what, "megabytes", -(-size // 1_000_000))


def check_cells(what: str, cells: int) -> None:
    """Raise `LimitError` if so many cells, of eight bytes each, are too large for memory."""
    if cells * _CELL > most_bytes():
        raise refuse(what, "megabytes", -(-cells * _CELL // 1_000_000), "megabytes of cells")


def check_values(content: bytes, what: str) -> None:
    """Raise `LimitError` if JSON has so many values that they are too large for memory as values of Python."""
    check_cells(what, _CELLS_OF_VALUE * (content.count(b",") + content.count(b"[") + content.count(b"{")))


def most_bytes() -> int:
    """Return how many bytes are read at most."""
    return in_force().megabytes * 1_000_000


def row_bytes() -> int:
    """Return how many bytes a row of text has at most; as many are parsed at once."""
    return in_force().row_megabytes << 20


def address_space() -> int | None:
    """Return how many bytes of address space this process may have (``ulimit -v``), None if there is no limit."""
    if os.name == "nt":
        return None
    import resource

    most, _ = resource.getrlimit(resource.RLIMIT_AS)
    return None if most == resource.RLIM_INFINITY else most


def is_regular(path: Path) -> bool:
    """Return whether a path leads to a file, rather than to a folder, pipe, device or socket, or nowhere."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except (OSError, ValueError):
        return False


def check_regular(path: Path) -> None:
    """Raise `LimitError` if a path leads to something that could block or never end.

    Raises
    ------
    OSError
        If it leads nowhere.
    """
    try:
        mode = path.stat().st_mode
    except ValueError:  # a null character, or one that no file name has
        raise LimitError(f"{path.name} is no name that a file can have.") from None
    if not stat.S_ISREG(mode):
        kind = next((kind for test, kind in _KINDS if test(mode)), "something else")
        raise LimitError(f"{path.name} is {kind}; only regular files are read.")


def read_bytes(path: Path) -> bytes:
    """Read a regular file within the limit of size.

    Raises
    ------
    LimitError
        If it is something else, or too large.
    OSError
        If it cannot be read.
    """
    check_regular(path)
    size = path.stat().st_size
    check_bytes(path.name, size)
    with path.open("rb") as stream:
        content = stream.read(size + 1)  # what is asked for is reserved, whether it is there or not
        # It may have grown, or be one of the files of a kernel, which state no size.
        while more := len(content) > size and stream.read(_BLOCK):
            content += more
            check_bytes(path.name, len(content))
    return content


def read_json(path: Path) -> Any:
    """Read a regular file of JSON in UTF-8, within the limits of size and depth.

    Raises
    ------
    LimitError
        If a limit is exceeded.
    OSError, ValueError
        If it cannot be read, or is no JSON; NaN and infinity are none.
    """
    return parse_json(read_bytes(path), path.name)


def parse_json(content: bytes, what: str) -> Any:
    """Parse JSON within the limit of depth.

    Raises
    ------
    LimitError
        If it is nested too deeply.
    ValueError
        If it is no JSON in UTF-8; NaN, infinity and lone surrogates are none.
    """
    check_depth(content, what)
    check_values(content, what)
    value = json.loads(content.decode("utf-8"), parse_constant=_refuse_constant, parse_float=_finite)
    if b"\\u" in content:
        json.dumps(value, ensure_ascii=False).encode("utf-8")  # a lone surrogate is a ValueError here, and nowhere else
    return value


def _refuse_constant(name: str) -> float:
    raise ValueError(name)


def _finite(written: str) -> float:
    value = float(written)
    if value in (float("inf"), -float("inf")):
        raise ValueError(written)
    return value


# --- depth ------------------------------------------------------------------------------------------------------


_QUOTE, _LINE = 2, 3


@cache
def _steps() -> np.ndarray:
    """Return what each byte does to the depth."""
    import numpy as np

    steps = np.zeros(256, dtype=np.int8)
    steps[[ord("["), ord("{")]] = 1
    steps[[ord("]"), ord("}")]] = -1
    steps[ord('"')], steps[ord("\n")] = _QUOTE, _LINE
    return steps


def check_depth(content: bytes, what: str) -> None:
    """Raise `LimitError` if JSON is nested too deeply, without parsing it.

    Strings end with their line at the latest, and brackets that close more than was opened count for nothing, so that
    malformed JSON is never taken for shallower than a parser could find it.
    """
    most, depth, at = in_force().depth, 0, 0
    if content.count(b"[") + content.count(b"{") <= most:
        return
    while at < len(content):
        # Blocks end with a line, so that no string lies in two of them; a longer line is one block.
        end = content.find(b"\n", at + _BLOCK) + 1 or len(content)
        depth, highest = _depth_of_lines(content[at:end], depth)
        if highest > most:
            raise refuse(what, "depth")
        at = end


def _depth_of_lines(lines: bytes, before: int) -> tuple[int, int]:
    """Return the depth after some lines and the highest in them, given that before them."""
    import numpy as np

    if b"\\" in lines:
        lines = lines.replace(b"\\\\", b"__").replace(b'\\"', b"__")
    steps = _steps()[np.frombuffer(lines, dtype=np.uint8)]
    steps = steps[steps != 0]
    quotes = np.cumsum(steps == _QUOTE)
    at_line = np.maximum.accumulate(np.where(steps == _LINE, quotes, 0))
    outside = (quotes - at_line) % 2 == 0
    depths = before + np.cumsum(np.where(outside & (steps < _QUOTE), steps, 0), dtype=np.int64)
    if not len(depths):
        return before, before
    depths -= np.minimum(np.minimum.accumulate(depths), 0)
    return int(depths[-1]), int(depths.max())


# --- sizes ------------------------------------------------------------------------------------------------------


class Bounded(io.RawIOBase):
    """A stream that ends with `LimitError` after too many bytes, such as those that a compressed file unpacks to.

    Parameters
    ----------
    stream : file object
    what : str
        Named in the error.
    """

    def __init__(self, stream: Any, what: str) -> None:
        self._stream, self._what, self._left = stream, what, most_bytes()

    def readable(self) -> bool:
        """Return True."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Read up to `size` bytes, or all."""
        if size < 0:
            return b"".join(iter(lambda: self.read(_BLOCK), b""))
        content: bytes = self._stream.read(min(size, self._left + 1))
        self._left -= len(content)
        if self._left < 0:
            raise refuse(self._what, "megabytes", unit="megabytes after unpacking")
        return content

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer, and return how many bytes were read."""
        content = self.read(len(buffer))
        buffer[: len(content)] = content
        return len(content)

    def close(self) -> None:
        """Close the stream below, too."""
        if not self.closed:
            self._stream.close()
        super().close()


def files_below(folder: Path) -> Iterator[Path]:
    """Yield the regular files below a folder, sorted by path; links to folders are not followed.

    Raises
    ------
    LimitError
        If folders lie inside one another too deeply.
    """
    waiting, found = [(folder, 0)], []
    while waiting:
        place, depth = waiting.pop()
        if depth > in_force().depth:
            raise refuse(f"the folder {folder.name}", "depth")
        with os.scandir(place) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append((place / entry.name, depth + 1))
                elif is_regular(path := place / entry.name):
                    found.append(path)
    yield from sorted(found)
