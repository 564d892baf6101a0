"""The words in which an assessment is shown: codes of columns and groups stay in its tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from pydantic import TypeAdapter, ValidationError

import raikit
from raikit.config.labels import Labels
from raikit.errors import listed, nearest
from raikit.format import columns_text, value_text
from raikit.naming import using
from raikit_fairness.estimates.features import Feature

_LABELS: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Labels])


def display_names(labels: Mapping[str, Any] | None, features: Sequence[Feature]) -> raikit.DisplayNames:
    """Return the words of `labels`, which has the form of ``data.labels``.

    Raises
    ------
    ConfigError
        If it names another column or value, or gives two values the same label.
    """
    try:
        read = _LABELS.validate_python(dict(labels or {}))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(["labels", *map(str, first["loc"])])
        raise raikit.ConfigError(f"{place}: {first['msg'].removeprefix('Value error, ')}.") from None
    groups = {feature.columns[0]: [group[0] for group in feature.groups] for feature in features if len(feature.columns) == 1}
    for column, words in read.items():
        if column not in groups:
            hint = nearest(column, list(groups))
            raise raikit.ConfigError(f"labels: {column!r} is not among the sensitive columns ({listed(groups)}).{hint}")
        for value in words.values:
            if value not in groups[column]:
                known = listed(str(group) for group in groups[column] if group is not None)
                raise raikit.ConfigError(f"labels.{column}: no value is {value!r}. Values: {known}.")
    return raikit.DisplayNames(
        columns={column: words.name for column, words in read.items() if words.name},
        values={column: dict(words.values) for column, words in read.items()},
        nouns={column: words.noun for column, words in read.items() if words.noun},
        missing={column: words.missing for column, words in read.items() if words.missing},
    )


def in_words(frame: pd.DataFrame, metrics: Sequence[raikit.Metric], names: raikit.DisplayNames) -> pd.DataFrame:
    """Return a table of an assessment with its columns `feature`, `group` and `against` in words."""
    if names == raikit.DisplayNames():
        return frame
    groups: dict[tuple[str, str], str] = {}
    with using(names):
        features = {" and ".join(metric.over or ()): columns_text(metric.over or ()) for metric in metrics}
        for metric in metrics:
            if metric.group:
                code = ", ".join("missing" if value is None else str(value) for value in metric.group.values())
                groups[" and ".join(metric.over or ()), code] = ", ".join(value_text(*each) for each in metric.group.items())
    shown = frame.copy()
    for column in ("group", "against"):
        if column in frame:
            shown[column] = [groups.get(pair, pair[1]) for pair in zip(frame.feature, frame[column], strict=True)]
    shown["feature"] = [features.get(feature, feature) for feature in frame.feature]
    return shown
