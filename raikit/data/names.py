"""The words of `data.unit` and `data.labels` for the columns, groups and classes that a table holds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from raikit.address import text
from raikit.config.schema import DataConfig
from raikit.config.types import Error
from raikit.data.cells import as_label, shown
from raikit.data.labels import ClassNames
from raikit.data.target import Target
from raikit.errors import listed, nearest
from raikit.naming import DisplayNames


def check_names(
    config: DataConfig, table: pd.DataFrame, roles: pd.DataFrame, target: Target, predicted: str | None, error: Error
) -> None:
    """Raise if `data.labels` names what the table does not hold, or gives two things one name.

    Parameters
    ----------
    config : DataConfig
    table : DataFrame
        The columns that were read.
    roles : DataFrame
        With the groups of the sensitive columns.
    target : Target
    predicted : str or None
        The column of decisions.
    error : callable
        Makes the error that names a key.
    """
    columns = list(map(str, table.columns))
    for column, labels in config.labels.items():
        if column in config.inputs and column not in columns:
            if labels.values:
                raise error(("data", "labels", column), f"{column!r} is an input and no column, so it has a name and no values.")
            continue
        if column not in columns:
            hint = nearest(column, columns)
            raise error(
                ("data", "labels", column), f"no column {column!r} has a role in this audit.{hint} Columns: {listed(columns, 30)}."
            )
        if labels.values:
            classes = list(target.classes) if column == class_column(config, predicted) else None
            _check_values(column, labels.values, _values_of(column, table, roles, classes), classes, error)
    named = {column: labels.name for column, labels in config.labels.items() if labels.name}
    _check_differ({column: named.get(column, column) for column in dict.fromkeys([*columns, *named])}, error)


def class_column(config: DataConfig, predicted: str | None) -> str | None:
    """Return the column whose labels are those of the classes: the target, without one the decisions."""
    return config.target if isinstance(config.target, str) else predicted if config.target is None else None


def display_names(config: DataConfig, classes: Sequence[Any], predicted: str | None) -> DisplayNames:
    """Return the words of a configuration that `check_names` has accepted.

    Parameters
    ----------
    config : DataConfig
    classes : sequence
        Labels of the target.
    predicted : str or None
        The column of decisions.
    """
    about_classes = config.labels.get(class_column(config, predicted) or "")
    known = ClassNames(classes)
    of_classes = about_classes.values if about_classes else {}
    return DisplayNames(
        unit=(config.unit.one, config.unit.many),
        columns={column: labels.name for column, labels in config.labels.items() if labels.name},
        values={column: dict(labels.values) for column, labels in config.labels.items() if labels.values},
        nouns={column: labels.noun for column, labels in config.labels.items() if labels.noun},
        missing={column: labels.missing for column, labels in config.labels.items() if labels.missing},
        classes={text(as_label(known.find(code, code))): label for code, label in of_classes.items()},
        denominators={str(name): words for name, words in config.denominators.items()},
        harms=dict(config.harms),
    )


def _values_of(column: str, table: pd.DataFrame, roles: pd.DataFrame, classes: Sequence[Any] | None) -> list[str]:
    """Return the values of a column as addresses have them; those of the target are its classes."""
    if classes is not None:
        return [text(as_label(label)) for label in classes]
    source = roles if column in roles and column not in ("id", "split", "target") else table
    return [text(as_label(value)) for value in source[column].dropna().unique().tolist()]


def _check_values(
    column: str, labels: dict[str, str], values: list[str], classes: Sequence[Any] | None, error: Error
) -> None:
    key = ("data", "labels", column)
    names = ClassNames(values if classes is None else classes)
    missing = object()
    for value, label in labels.items():
        named = value in values if classes is None else names.find(value, missing) is not missing
        if not named:
            raise error((*key, value), f"no value of {column!r} is {shown(value)}.{nearest(value, values)} {_listed(values)}.")
        if label in values and label not in labels:
            raise error((*key, value), f"the label {label!r} is another value of {column!r}; give that one a label, too.")


def _listed(values: Iterable[str]) -> str:
    return f"Values: {listed(sorted(values), 20)}" if values else "It has none"


def _check_differ(names: dict[str, str], error: Error) -> None:
    """Raise if two columns have one name."""
    by_name: dict[str, str] = {}
    for column, name in names.items():
        if (other := by_name.setdefault(name, column)) != column:
            key = column if name != column else other
            raise error(("data", "labels", key), f"{other!r} and {column!r} have the same name {name!r}; columns need "
                                                 f"different ones.")
