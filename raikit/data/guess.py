"""A guess at the roles of a table's columns, by name and content, for a person to check: used by ``raikit init``."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from raikit.address import text
from raikit.data.cells import as_label
from raikit.data.groups import bin_edges
from raikit.data.media import HEADER_CHECKS, MediaError
from raikit.data.media_columns import media_cells
from raikit.data.splits import SPELLINGS, TEST, TRAIN
from raikit.data.tables import read_table
from raikit.data.target import infer_task
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
_MAX_GROUPS = 20


@dataclass
class RoleGuess:
    """Guessed roles of columns; a column without a recognised role is left out or is a tabular input."""

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
        """Whether the table holds predictions, so that no model is needed."""
        return self.prediction is not None or (self.score is not None and self.task == "binary")


def guess_roles(path: Path) -> RoleGuess:
    """Read a table and guess the roles of its columns.

    Raises
    ------
    DataError
        If the file is not a table, or no column could be the target.
    """
    table = read_table(path)
    guess = RoleGuess(columns=list(table.columns))
    # A column without a name holds the row numbers that some writers of CSV add.
    left = [column for column in guess.columns if not _UNNAMED.fullmatch(column)]

    def take(names: tuple[str, ...], fits: Callable[[pd.Series[Any]], bool] = lambda values: True) -> str | None:
        lowered = {column.lower(): column for column in reversed(left)}
        column = next((lowered[name] for name in names if name in lowered and fits(table[lowered[name]])), None)
        if column is not None:
            left.remove(column)
        return column

    guess.target = take(_TARGETS)
    guess.split, guess.weight = take(_SPLITS, _is_split), take(_WEIGHTS, _is_weight)
    if guess.target is None:
        candidates = [column for column in left if column.lower() not in _PREDICTIONS]
        guess.target = _last_two_valued(table, candidates)
    if guess.target is None:
        raise DataError(
            f"{path.name}: cannot guess the target: no column is called {', '.join(_TARGETS[:2])} or {_TARGETS[2]}, and none "
            "has two values; write audit.yaml by hand, or rename the column."
        )
    target = table[guess.target]
    guess.score = take((*_SCORES, *_score_names(guess.target)), _is_probability)
    guess.prediction = take(_PREDICTIONS, lambda values: _is_prediction(values, target))
    left = [column for column in left if column != guess.target]
    guess.task = infer_task(target)
    guess.positive = _guess_positive(target) if guess.task == "binary" else None
    for column in left:
        _add_role(guess, table[column], column)
    return guess


def _score_names(target: str) -> list[str]:
    """Return usual names for the score of a target: ``p_urgent``, ``urgent_prob``."""
    name = target.lower()
    return [f"{word}_{name}" for word in _SCORES] + [f"{name}_{word}" for word in _SCORES]


def _add_role(guess: RoleGuess, values: pd.Series[Any], column: str) -> None:
    """Guess the role of one column and add it to `guess`."""
    numeric = pd.api.types.is_numeric_dtype(values)
    modality = None if numeric else _media_modality(values)
    distinct = _count_distinct(values)
    if modality is not None:
        guess.media[column] = modality
    elif distinct is None:
        return  # lists, or bytes in an unknown format: only a person can decide
    elif guess.id is None and _IDS.search(column) and distinct == len(values) and not values.isna().any():
        guess.id = column
    elif _CLUSTERS.search(column) and 1 < distinct < len(values):
        guess.cluster.append(column)
    elif _is_sensitive(guess, column) and distinct > 1 and (numeric or distinct <= _MAX_GROUPS):
        guess.sensitive.append((column, bin_edges(values, 4) if numeric and distinct > _MAX_GROUPS else None))
    elif not numeric and values.dropna().astype(str).str.count(" ").mean() >= 1:
        guess.text.append(column)
    elif not _IDS.search(column) and (numeric or distinct <= _MAX_GROUPS):
        guess.tabular.append(column)


def _media_modality(values: pd.Series[Any]) -> str | None:
    """Return the modality of the media that the first cells name or contain, or None."""
    sample = [cell for cell in media_cells(values.dropna().head(50)) if cell is not None]
    for modality, suffixes in _MEDIA.items():
        if sample and all(_is_medium(cell, modality, suffixes) for cell in sample):
            return modality
    return None


def _is_medium(cell: str | bytes, modality: str, suffixes: tuple[str, ...]) -> bool:
    if isinstance(cell, str):
        return cell.lower().endswith(suffixes)
    try:
        HEADER_CHECKS[modality](cell, None)
    except MediaError:
        return False
    return True


def _count_distinct(values: pd.Series[Any]) -> int | None:
    """Count the different values; None if they are bytes, lists or mappings."""
    if any(isinstance(value, bytes | list | dict) or hasattr(value, "__array__") for value in values.dropna().head(50)):
        return None
    return int(values.nunique())


def _is_sensitive(guess: RoleGuess, column: str) -> bool:
    """Whether the name is that of a sensitive feature; of names that differ only in case, the first one counts."""
    others = {name.lower() for name, _ in guess.sensitive} | {name.lower() for name in guess.cluster}
    return _SENSITIVE.search(column) is not None and column.lower() not in others


def _is_split(values: pd.Series[Any]) -> bool:
    names = {SPELLINGS.get(str(value).strip().lower()) for value in values.dropna().unique()}
    return not values.isna().any() and None not in names and {TRAIN, TEST} <= names


def _is_weight(values: pd.Series[Any]) -> bool:
    return bool(
        pd.api.types.is_numeric_dtype(values) and values.between(0, float("inf"), "left").all() and values.any()
    )


def _is_prediction(values: pd.Series[Any], target: pd.Series[Any]) -> bool:
    """Whether the values could be predictions of the target: its classes, or numbers for a regression."""
    if infer_task(target) == "regression":
        return bool(pd.api.types.is_numeric_dtype(values)) and not values.isna().any()
    known = {text(as_label(label)) for label in target.unique()}
    return not values.isna().any() and {text(as_label(value)) for value in values.unique()} <= known


def _last_two_valued(table: pd.DataFrame, columns: list[str]) -> str | None:
    """Return the last column with two values that is not sensitive; many tables hold the target there."""
    fitting = [
        column
        for column in columns
        if _count_distinct(table[column]) == 2 and not table[column].isna().any() and not _SENSITIVE.search(column)
    ]
    return fitting[-1] if fitting else None


def _is_probability(values: pd.Series[Any]) -> bool:
    return bool(pd.api.types.is_numeric_dtype(values) and values.between(0, 1).all())


def _guess_positive(target: pd.Series[Any]) -> object:
    """Return the rarer value, which is usually the one of interest; None for 0 and 1, where 1 is the default."""
    labels = sorted(as_label(value) for value in target.unique())
    if {text(label) for label in labels} in ({"0", "1"}, {"false", "true"}):
        return None
    return as_label(target.value_counts().index[-1])
