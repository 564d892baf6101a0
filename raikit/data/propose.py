"""What a table's columns probably are: for ``raikit init``. Guesses by name and content, to be read through by a person."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from raikit.data.roles import task_of
from raikit.data.tables import read_table
from raikit.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

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
        return self.prediction is not None or self.score is not None


def propose(path: Path) -> Proposal:
    """Read a table and guess.

    Raises
    ------
    DataError
        If it is no table, or no column could be the target.
    """
    table = read_table(path)
    found = Proposal(columns=[str(name) for name in table.columns])
    left = list(found.columns)

    def take(names: tuple[str, ...]) -> str | None:
        lowered = {column.lower(): column for column in reversed(left)}
        column = next((lowered[name] for name in names if name in lowered), None)
        if column is not None:
            left.remove(column)
        return column

    found.split, found.weight = take(_SPLITS), take(_WEIGHTS)
    found.prediction, found.score = take(_PREDICTIONS), take(_SCORES)
    if found.score is not None and not _is_probability(table[found.score]):
        left.append(found.score)
        found.score = None
    found.target = take(_TARGETS) or _two_valued(table, left)
    if found.target is None:
        raise DataError(
            f"{path.name}: which column is the target? None is called {', '.join(_TARGETS[:3])} or has two values; "
            "write audit.yaml by hand, or rename the column."
        )
    left = [column for column in left if column != found.target]
    found.task = task_of(table[found.target])
    found.positive = _positive(table[found.target]) if found.task == "binary" else None
    for column in left:
        _place(found, table[column], column)
    return found


def _place(found: Proposal, values: pd.Series, column: str) -> None:
    import pandas as pd

    distinct, numeric = int(values.nunique()), pd.api.types.is_numeric_dtype(values)
    medium = None if numeric else _medium(values)
    if found.id is None and _IDS.search(column) and distinct == len(values) and not values.isna().any():
        found.id = column
    elif _CLUSTERS.search(column) and 1 < distinct < len(values):
        found.cluster.append(column)
    elif _SENSITIVE.search(column) and distinct > 1 and (numeric or distinct <= _MOST_GROUPS):
        found.sensitive.append((column, _edges(values) if numeric and distinct > _MOST_GROUPS else None))
    elif medium is not None:
        found.media[column] = medium
    elif not numeric and values.dropna().astype(str).str.count(" ").mean() >= 1:
        found.text.append(column)
    elif not _IDS.search(column) and (numeric or distinct <= _MOST_GROUPS):
        found.tabular.append(column)


def _medium(values: pd.Series) -> str | None:
    sample = values.dropna().head(50)
    for modality, suffixes in _MEDIA.items():
        if len(sample) and all(isinstance(value, str) and value.lower().endswith(suffixes) for value in sample):
            return modality
    return None


def _two_valued(table: pd.DataFrame, columns: list[str]) -> str | None:
    """The last column with two values that is no sensitive one: where tables usually hold the target."""
    fitting = [
        column
        for column in columns
        if table[column].nunique() == 2 and not table[column].isna().any() and not _SENSITIVE.search(column)
    ]
    return fitting[-1] if fitting else None


def _is_probability(values: pd.Series) -> bool:
    import pandas as pd

    return bool(pd.api.types.is_numeric_dtype(values) and values.between(0, 1).all())


def _positive(target: pd.Series) -> object:
    """None for 0/1, where 1 is understood; else the rarer value, which is usually the one that is looked for."""
    from raikit.address import text
    from raikit.data.tables import as_label

    labels = sorted(as_label(value) for value in target.unique())
    if {text(label) for label in labels} in ({"0", "1"}, {"false", "true"}):
        return None
    return as_label(target.value_counts().index[-1])


def _edges(values: pd.Series) -> list[float]:
    return sorted({float(f"{edge:.2g}") for edge in values.quantile([0.25, 0.5, 0.75]).tolist()})
