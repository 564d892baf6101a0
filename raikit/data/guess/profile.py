"""What the cells of a column are: numbers, categories, prose, dates, media, or nothing a model could read."""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from raikit.data.cells import as_label
from raikit.data.media import HEADER_CHECKS, MediaError
from raikit.data.media_columns import media_cells

Kind = Literal["empty", "constant", "nested", "bytes", "image", "audio", "date", "boolean", "number", "text"]

_SAMPLE = 200  # cells that tell lists, media and dates from other values
_MEDIA = {
    "image": (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff"),
    "audio": (".wav", ".flac", ".ogg", ".mp3"),
}
_DATE = re.compile(
    r"\d{4}-\d{1,2}-\d{1,2}([T ].*)?|\d{4}/\d{1,2}/\d{1,2}( .*)?|\d{1,2}[/.-]\d{1,2}[/.-](\d{4}|\d{2})( .*)?|"
    r"\d{1,2}[- ][A-Za-z]{3,9}[- ]\d{2,4}"
)
_SHARE_OF_DATES = 0.95
_MAX_LISTED = 20
_MANY = 10_000


@dataclass(frozen=True)
class Profile:
    """What a column contains.

    Attributes
    ----------
    kind : str
        ``nested`` is lists, arrays or mappings; ``bytes`` is bytes in no known format of pictures or sounds.
    distinct : int
        Number of different values that are not missing; 0 where they cannot be counted.
    missing : int
    rows : int
    values : tuple
        The different values as labels, in order of first appearance, if there are at most 20.
    whole : bool
        Whether all numbers are whole.
    in_unit : bool
        Whether all numbers lie between 0 and 1.
    words : float
        Mean number of spaces in a text.
    """

    kind: Kind
    distinct: int
    missing: int
    rows: int
    values: tuple[Any, ...] = ()
    whole: bool = False
    in_unit: bool = False
    words: float = 0.0

    @property
    def is_unique(self) -> bool:
        """Whether no cell is missing or occurs twice."""
        return self.distinct == self.rows

    @property
    def is_category(self) -> bool:
        """Whether there are so few values that they can be classes, groups or categories."""
        return self.kind in ("boolean", "text", "number") and 2 <= self.distinct <= _MAX_LISTED

    @property
    def is_probability(self) -> bool:
        """Whether every cell holds a number between 0 and 1."""
        return self.in_unit and not self.missing

    @property
    def is_flag(self) -> bool:
        """Whether every cell says 0 or 1, or true or false."""
        written = {str(value).lower() for value in self.values}
        return not self.missing and bool(written) and written <= {"0", "1", "false", "true"}

    @property
    def is_binary(self) -> bool:
        """Whether there are two values."""
        return self.is_category and self.distinct == 2


def profile(values: pd.Series[Any]) -> Profile:
    """Describe the cells of a column."""
    present = values.dropna()
    missing, rows = int(len(values) - len(present)), len(values)
    if not len(present):
        return Profile("empty", 0, missing, rows)
    kind = _kind(present)
    if kind in ("nested", "bytes", "image", "audio"):
        return Profile(kind, 0, missing, rows)
    distinct = int(present.nunique())
    if distinct == 1 and kind != "date":
        return Profile("constant", 1, missing, rows)
    return Profile(
        kind,
        distinct,
        missing,
        rows,
        values=tuple(as_label(value) for value in present.unique()) if distinct <= _MAX_LISTED else (),
        whole=kind == "number" and _are_whole(present),
        in_unit=kind == "number" and bool(present.between(0, 1).all()),
        words=_mean_spaces(present) if kind == "text" else 0.0,
    )


def is_row_number(values: pd.Series[Any]) -> bool:
    """Whether whole numbers rise by one from row to row, from 0 or 1."""
    if not pd.api.types.is_integer_dtype(values) or values.isna().any() or len(values) < 2:
        return False
    numbers = values.to_numpy(dtype=np.int64)
    return bool(numbers[0] in (0, 1) and (np.diff(numbers) == 1).all())


def _mean_spaces(present: pd.Series[Any]) -> float:
    """Return the mean number of spaces, of evenly spaced cells where there are many."""
    return float(present.iloc[:: max(1, len(present) // _MANY)].astype(str).str.count(" ").mean())


def _are_whole(present: pd.Series[Any]) -> bool:
    numbers = present.to_numpy(dtype=np.float64)
    numbers = numbers[np.isfinite(numbers)]
    return bool((numbers == np.floor(numbers)).all())


def _kind(present: pd.Series[Any]) -> Kind:
    if pd.api.types.is_bool_dtype(present):
        return "boolean"
    if pd.api.types.is_numeric_dtype(present):
        return "number"
    if pd.api.types.is_datetime64_any_dtype(present) or pd.api.types.is_timedelta64_dtype(present):
        return "date"
    sample = present.head(_SAMPLE).tolist()
    if any(_is_nested(value) for value in sample):
        return "nested"
    if (modality := _media_modality(present.head(_SAMPLE))) is not None:
        return modality
    if any(isinstance(value, bytes | dict) for value in sample):
        return "bytes"
    if all(isinstance(value, bool) for value in sample):
        return "boolean"
    return "date" if _are_dates(present) else "text"


def _is_nested(value: Any) -> bool:
    """Whether a cell is a list, an array or a mapping; one of ``bytes`` and ``path`` is a medium, as `datasets` writes it."""
    if isinstance(value, dict):
        return not value.keys() <= {"bytes", "path"}
    return isinstance(value, list | tuple | set) or hasattr(value, "__array__")


def _are_dates(present: pd.Series[Any]) -> bool:
    sample = present.head(_MANY).drop_duplicates().head(_SAMPLE).tolist()
    dates = [isinstance(value, datetime.date) or _DATE.fullmatch(str(value).strip()) is not None for value in sample]
    return sum(dates) >= _SHARE_OF_DATES * len(dates)


def _media_modality(values: pd.Series[Any]) -> Literal["image", "audio"] | None:
    """Return the modality of the media that the first cells name or contain, or None."""
    sample = [cell for cell in media_cells(values) if cell is not None]
    for modality in ("image", "audio"):
        if sample and all(_is_medium(cell, modality) for cell in sample):
            return modality
    return None


def _is_medium(cell: str | bytes, modality: str) -> bool:
    if isinstance(cell, str):
        return cell.lower().endswith(_MEDIA[modality])
    try:
        HEADER_CHECKS[modality](cell, None)
    except MediaError:
        return False
    return True
