"""What a table's columns probably are: for ``raikit init``. Guesses by name and content, to be read through by a person."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from raikit.address import text
from raikit.data.groups import edges_of
from raikit.data.media_columns import cells_of
from raikit.data.media import LOOKS, MediaError
from raikit.data.roles import task_of
from raikit.data.splits import SPELLINGS, TEST, TRAIN
from raikit.data.tables import as_label, read_table
from raikit.errors import DataError

_TARGETS = ("target", "label", "y", "y_true", "truth", "outcome", "class", "actual")
_PREDICTIONS = ("prediction", "pred", "yhat", "y_hat", "y_pred", "predicted", "decision")
_SCORES = ("score", "p", "prob", "proba", "probability", "y_score", "y_prob")
_SENSITIVE = re.compile(
    r"(^|_)(sex|gender|race|ethnicity|ethnic|age|skin(_?tone)?|accent|dialect|nationality|religion|disab\w*|region|"
    r"language|marital\w*|citizen\w*|caste|orientation|origin|country)(_|$)",
    re.IGNORECASE,
)
_CLUSTERS = re.compile(
    r"(^|_)(patient|subject|speaker|user|household|person|customer|family|hospital|site|session)(_?id)?$", re.IGNORECASE
)
_IDS = re.compile(r"(^|_)(id|uuid|key|case|row)$", re.IGNORECASE)
_SPLITS = ("split", "fold", "subset", "partition")
_WEIGHTS = ("weight", "w", "sample_weight", "weights")
_MEDIA = {
    "image": (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff"),
    "audio": (".wav", ".flac", ".ogg", ".mp3"),
}
_UNNAMED = re.compile(r"\s*|Unnamed: \d+|__index_level_\d+__")
_MOST_GROUPS = 20


@dataclass
class Proposal:
    """Roles of columns; what nothing is known about is left out or a tabular input."""

    columns: list[str]
    id: str | None = None
    target: str | None = None
    positive: object = None
    task: str | None = None
    prediction: str | None = None
    score: str | None = None
    sensitive: list[tuple[str, list[float] | None]] = field(default_factory=list)
    cluster: list[str] = field(default_factory=list)
    weight: str | None = None
    split: str | None = None
    media: dict[str, str] = field(default_factory=dict)
    text: list[str] = field(default_factory=list)
    tabular: list[str] = field(default_factory=list)

    @property
    def has_predictions(self) -> bool:
        return self.prediction is not None or (self.score is not None and self.task == "binary")


def propose(path: Path) -> Proposal:
    """Read a table and guess.

    Raises
    ------
    DataError
        If it is no table, or no column could be the target.
    """
    table = read_table(path)
    found = Proposal(columns=list(table.columns))
    # a column without a name is what writers of CSV make of row numbers
    left = [column for column in found.columns if not _UNNAMED.fullmatch(column)]

    def take(names: tuple[str, ...], fits: Callable[[pd.Series[Any]], bool] = lambda values: True) -> str | None:
        lowered = {column.lower(): column for column in reversed(left)}
        column = next((lowered[name] for name in names if name in lowered and fits(table[lowered[name]])), None)
        if column is not None:
            left.remove(column)
        return column

    found.target = take(_TARGETS)
    found.split, found.weight = take(_SPLITS, _is_split), take(_WEIGHTS, _is_weight)
    if found.target is None:
        guesses = [column for column in left if column.lower() not in _PREDICTIONS]
        found.target = _two_valued(table, guesses)
    if found.target is None:
        raise DataError(
            f"{path.name}: which column is the target? None is called {', '.join(_TARGETS[:3])} or has two values; "
            "write audit.yaml by hand, or rename the column."
        )
    target = table[found.target]
    found.score = take((*_SCORES, *_scores_of(found.target)), _is_probability)
    found.prediction = take(_PREDICTIONS, lambda values: _predicts(values, target))
    left = [column for column in left if column != found.target]
    found.task = task_of(target)
    found.positive = _positive(table[found.target]) if found.task == "binary" else None
    for column in left:
        _place(found, table[column], column)
    return found


def _scores_of(target: str) -> list[str]:
    """What people call the score of a target: ``p_urgent``, ``urgent_prob``."""
    name = target.lower()
    return [f"{word}_{name}" for word in _SCORES] + [f"{name}_{word}" for word in _SCORES]


def _place(found: Proposal, values: pd.Series[Any], column: str) -> None:
    numeric = pd.api.types.is_numeric_dtype(values)
    medium = None if numeric else _medium(values)
    distinct = _distinct(values)
    if medium is not None:
        found.media[column] = medium
    elif distinct is None:
        return  # lists, bytes of no known medium: no role that a person would not have to think about
    elif found.id is None and _IDS.search(column) and distinct == len(values) and not values.isna().any():
        found.id = column
    elif _CLUSTERS.search(column) and 1 < distinct < len(values):
        found.cluster.append(column)
    elif _is_sensitive(found, column) and distinct > 1 and (numeric or distinct <= _MOST_GROUPS):
        found.sensitive.append((column, edges_of(values, 4) if numeric and distinct > _MOST_GROUPS else None))
    elif not numeric and values.dropna().astype(str).str.count(" ").mean() >= 1:
        found.text.append(column)
    elif not _IDS.search(column) and (numeric or distinct <= _MOST_GROUPS):
        found.tabular.append(column)


def _medium(values: pd.Series[Any]) -> str | None:
    """What the first cells hold: names of files, or the files themselves."""
    sample = [cell for cell in cells_of(values.dropna().head(50)) if cell is not None]
    for modality, suffixes in _MEDIA.items():
        if sample and all(_is_medium(cell, modality, suffixes) for cell in sample):
            return modality
    return None


def _is_medium(cell: str | bytes, modality: str, suffixes: tuple[str, ...]) -> bool:
    if isinstance(cell, str):
        return cell.lower().endswith(suffixes)
    try:
        LOOKS[modality](cell, None)
    except MediaError:
        return False
    return True


def _distinct(values: pd.Series[Any]) -> int | None:
    """How many different values there are; None if they are no plain ones."""
    if any(isinstance(value, bytes | list | dict) or hasattr(value, "__array__") for value in values.dropna().head(50)):
        return None
    return int(values.nunique())


def _is_sensitive(found: Proposal, column: str) -> bool:
    """By its name; of names that differ by upper and lower case only the first."""
    named = {name.lower() for name, _ in found.sensitive} | {name.lower() for name in found.cluster}
    return _SENSITIVE.search(column) is not None and column.lower() not in named


def _is_split(values: pd.Series[Any]) -> bool:
    names = {SPELLINGS.get(str(value).strip().lower()) for value in values.dropna().unique()}
    return not values.isna().any() and None not in names and {TRAIN, TEST} <= names


def _is_weight(values: pd.Series[Any]) -> bool:
    return bool(
        pd.api.types.is_numeric_dtype(values) and values.between(0, float("inf"), "left").all() and values.any()
    )


def _predicts(values: pd.Series[Any], target: pd.Series[Any]) -> bool:
    """Whether the values could be decisions about the target: among its classes, or numbers like it."""
    if task_of(target) == "regression":
        return bool(pd.api.types.is_numeric_dtype(values)) and not values.isna().any()
    known = {text(as_label(label)) for label in target.unique()}
    return not values.isna().any() and {text(as_label(value)) for value in values.unique()} <= known


def _two_valued(table: pd.DataFrame, columns: list[str]) -> str | None:
    """The last column with two values that is no sensitive one: where tables usually hold the target."""
    fitting = [
        column
        for column in columns
        if _distinct(table[column]) == 2 and not table[column].isna().any() and not _SENSITIVE.search(column)
    ]
    return fitting[-1] if fitting else None


def _is_probability(values: pd.Series[Any]) -> bool:
    return bool(pd.api.types.is_numeric_dtype(values) and values.between(0, 1).all())


def _positive(target: pd.Series[Any]) -> object:
    """None for 0/1, where 1 is understood; else the rarer value, which is usually the one that is looked for."""
    labels = sorted(as_label(value) for value in target.unique())
    if {text(label) for label in labels} in ({"0", "1"}, {"false", "true"}):
        return None
    return as_label(target.value_counts().index[-1])
