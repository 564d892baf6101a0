"""Before anything is trained: is every picture and sound there, inside the folder, and what it should be?"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from raikit.config.types import Modality
from raikit.data.media import DECODERS, LOOKS, MediaError, locate
from raikit.data.tables import Rows
from raikit.errors import DataError
from raikit.files import canonical, sha256, sha256_text

SKIP_HINT = "`data.on_bad_media: skip` leaves such rows out"


def cells_of(column: pd.Series[Any]) -> list[str | bytes | None]:
    """The cells of a column of media as paths or bytes; null and the empty text are a missing input.

    Mappings of ``bytes`` and ``path``, which the `datasets` library writes, become one or the other.
    """
    return [_cell(value) for value in column.tolist()]


def _cell(value: Any) -> str | bytes | None:
    if isinstance(value, Mapping):
        value = value.get("bytes") or value.get("path")
    if isinstance(value, str):
        return value if value.strip() else None
    if isinstance(value, bytes):
        return value or None
    if value is None or value is pd.NA or value != value:
        return None
    return str(value)  # a number is looked for as a file, and its row is named when there is none


def unusable(
    table: pd.DataFrame, media: Mapping[str, Modality], folder: Path, rows: Rows, on_bad: Literal["fail", "skip"]
) -> dict[int, str]:
    """Positions of the rows whose media cannot be used, each with the reason.

    Every distinct medium is looked at once: by its header with ``fail``, so that a mistake shows in the first second;
    decoded with ``skip``, so that it is settled which rows there are before anything is counted.

    Parameters
    ----------
    table : DataFrame
        Its media columns as `cells_of` gives them.
    media : mapping of column to modality

    Raises
    ------
    DataError
        With ``fail``: names the first such row by number and id, its column, and the reason.
    """
    bad: dict[int, str] = {}
    for column, modality in media.items():
        examine = LOOKS[modality] if on_bad == "fail" else DECODERS[modality]
        codes, distinct = pd.factorize(table[column])
        problems = [_problem(examine, source, folder) for source in distinct]
        wrong = np.array([problem is not None for problem in problems] + [False])  # the last is for missing cells
        for position in np.flatnonzero(wrong[codes]).tolist():
            bad.setdefault(position, f"{column}: {problems[codes[position]]}")
    if bad and on_bad == "fail":
        first = min(bad)
        raise DataError(f"{rows.at(first)}: {bad[first]}{_and_others(len(bad) - 1)}; {SKIP_HINT}.")
    return dict(sorted(bad.items()))


def fingerprint_of_media(table: pd.DataFrame, media: Mapping[str, Modality], folder: Path) -> str | None:
    """SHA-256 over the names and contents of the files that the media columns name; None if they name none.

    Bytes in the table itself are left to the table's own fingerprint, and so is a file that cannot be found.
    """
    named = {cell for column in media for cell in table[column] if isinstance(cell, str)}
    if not named:
        return None
    return sha256_text(canonical({cell: _hash(cell, folder) for cell in named}))


def _hash(cell: str, folder: Path) -> str | None:
    try:
        return sha256(locate(cell, folder))
    except (MediaError, OSError):
        return None


def _problem(examine: Any, source: str | bytes, folder: Path) -> str | None:
    try:
        examine(source, folder)
    except MediaError as problem:
        return str(problem)
    return None


def _and_others(more: int) -> str:
    return f", and {more:,} more {'row' if more == 1 else 'rows'}" if more else ""
