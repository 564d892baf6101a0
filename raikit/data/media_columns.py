"""Columns of pictures and sounds: read their cells, check every file before training, and fingerprint the files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from raikit.config.types import Modality
from raikit.data.cells import RowNames
from raikit.data.media import DECODERS, HEADER_CHECKS, MediaError, locate
from raikit.errors import DataError
from raikit.files import canonical, sha256, sha256_text

SKIP_HINT = "`data.on_bad_media: skip` leaves such rows out"


def media_cells(column: pd.Series[Any]) -> list[str | bytes | None]:
    """Return the cells of a column of media as paths or bytes; None is a missing input (null or empty text).

    The `datasets` library writes mappings of ``bytes`` and ``path``; they become one or the other.
    """
    return [_media_cell(value) for value in column.tolist()]


def _media_cell(value: Any) -> str | bytes | None:
    if isinstance(value, Mapping):
        value = value.get("bytes") or value.get("path")
    if isinstance(value, str):
        return value if value.strip() else None
    if isinstance(value, bytes):
        return value or None
    if value is None or value is pd.NA or value != value:
        return None
    return str(value)  # a number is taken for a file name; if there is no such file, the error names the row


def find_unusable(
    table: pd.DataFrame, media: Mapping[str, Modality], folder: Path, rows: RowNames, on_bad: Literal["fail", "skip"]
) -> dict[int, str]:
    """Return the positions of the rows whose media cannot be used, each with the reason.

    Every distinct medium is examined once. ``fail`` reads headers only, so that a mistake shows in the first second.
    ``skip`` decodes everything, so that the set of cases is final before anything is counted.

    Parameters
    ----------
    table : DataFrame
        Its media columns as `media_cells` returns them.
    media : mapping of column to modality
    folder : Path
        The folder that paths are relative to.
    rows : RowNames
    on_bad : {"fail", "skip"}
        ``data.on_bad_media``.

    Raises
    ------
    DataError
        With ``fail``: names the first such row by number and id, its column, and the reason.
    """
    unusable: dict[int, str] = {}
    for column, modality in media.items():
        examine = HEADER_CHECKS[modality] if on_bad == "fail" else DECODERS[modality]
        codes, distinct = pd.factorize(table[column])
        problems = [_problem(examine, source, folder) for source in distinct]
        is_bad = np.array([problem is not None for problem in problems] + [False])  # the last is for missing cells
        for position in np.flatnonzero(is_bad[codes]).tolist():
            unusable.setdefault(position, f"{column}: {problems[codes[position]]}")
    if unusable and on_bad == "fail":
        first, others = min(unusable), len(unusable) - 1
        more = f", and {others:,} more {'row' if others == 1 else 'rows'}" if others else ""
        raise DataError(f"{rows.at(first)}: {unusable[first]}{more}; {SKIP_HINT}.")
    return dict(sorted(unusable.items()))


def _problem(examine: Callable[[str | bytes, Path], object], source: str | bytes, folder: Path) -> str | None:
    try:
        examine(source, folder)
    except MediaError as problem:
        return str(problem)
    return None


def media_files(table: pd.DataFrame, media: Iterable[str], folder: Path) -> list[Path]:
    """Return the files in `folder` that the cells of columns of pictures and sounds name, each once."""
    found = []
    for path in sorted({cell for column in media for cell in table[column] if isinstance(cell, str)}):
        with suppress(MediaError, OSError):
            found.append(locate(path, folder))
    return found


def fingerprint_of_media(table: pd.DataFrame, media: Mapping[str, Modality], folder: Path) -> str | None:
    """Compute the SHA-256 over the paths and contents of the media files; None if the columns name no file.

    Media in the cells themselves are part of the table's fingerprint. A file that is not there counts by its path alone.
    """
    paths = {cell for column in media for cell in table[column] if isinstance(cell, str)}
    if not paths:
        return None
    return sha256_text(canonical({path: _file_hash(path, folder) for path in paths}))


def _file_hash(path: str, folder: Path) -> str | None:
    try:
        return sha256(locate(path, folder))
    except (MediaError, OSError):
        return None
