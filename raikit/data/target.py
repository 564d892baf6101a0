"""The target: its task, its classes in order, and the label and number of each case."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from raikit.address import text
from raikit.config.schema import DataConfig
from raikit.config.types import Error, Task
from raikit.data.cells import RowNames, as_label, shown
from raikit.data.groups import as_text
from raikit.data.roles import target_column
from raikit.errors import DataError, listed

_MAX_CLASSES = 1000
_MAX_INTEGER_CLASSES = 20


@dataclass(frozen=True)
class Target:
    """What is predicted.

    Attributes
    ----------
    task : {"binary", "multiclass", "regression"}
    classes : tuple
        Labels in the order of a model's scores (binary: negative, positive); empty for regression.
    positive : label or None
        Of a binary target.
    labels : Series, shape (n,)
        Label of each case; for regression float64.
    numbers : ndarray, shape (n,)
        Position in the classes (int64); for regression the value itself (float64).
    """

    task: Task
    classes: tuple[Any, ...]
    positive: Any
    labels: pd.Series[Any]
    numbers: np.ndarray


def infer_task(values: pd.Series[Any]) -> Task:
    """Return the task of a target.

    Two values are binary; text or at most 20 different integers are multiclass; other numbers are regression.

    Examples
    --------
    >>> infer_task(pd.Series(["a", "b", "c"])), infer_task(pd.Series([0.5, 1.5, 2.5]))
    ('multiclass', 'regression')
    """
    distinct = values.dropna().unique()
    if len(distinct) <= 2:
        return "binary"
    if not pd.api.types.is_numeric_dtype(values):
        return "multiclass"
    if len(distinct) > _MAX_INTEGER_CLASSES:
        return "regression"
    return "multiclass" if all(float(value).is_integer() for value in distinct) else "regression"


def read_target(table: pd.DataFrame, config: DataConfig, rows: RowNames, error: Error) -> Target:
    """Read the target column.

    Raises
    ------
    ConfigError
        If task, positive class and values contradict each other; says what would fit.
    DataError
        If a value is missing, or infinite in a regression (the row is named), or if there is only one class.
    """
    column = target_column(config, error)
    values = table[column]
    if (missing := values.isna().to_numpy()).any():
        raise DataError(f"{rows.at(int(missing.argmax()))}: data.target ({column}) is missing.")
    task = config.task or infer_task(values)
    if task == "regression":
        return _read_numbers(values, rows, error)
    return _read_classes(values, task, config, rows, error)


def _read_numbers(values: pd.Series[Any], rows: RowNames, error: Error) -> Target:
    if not pd.api.types.is_numeric_dtype(values):
        raise error(("data", "task"), f"regression needs numbers, and {values.name!r} holds text.")
    numbers = values.to_numpy(dtype=np.float64)
    if (bad := np.flatnonzero(~np.isfinite(numbers))).size:
        raise DataError(f"{rows.at(int(bad[0]))}: data.target ({values.name}) is infinite.")
    return Target("regression", (), None, pd.Series(numbers), numbers)


def _read_classes(values: pd.Series[Any], task: Task, config: DataConfig, rows: RowNames, error: Error) -> Target:
    codes, labels = _factorize(values)
    if len(labels) == 1:
        raise DataError(
            f"{rows.file}: data.target ({values.name}) has only one class, {shown(labels[0])}; two or more are needed."
        )
    if len(labels) > _MAX_CLASSES:
        raise error(
            ("data", "target"),
            f"{values.name!r} has {len(labels):,} different values, and at most {_MAX_CLASSES:,} classes are "
            "supported; is it the target?",
        )
    positive = None
    if task == "binary":
        if len(labels) > 2:
            many = f"{len(labels):,} values ({_listed_labels(labels)})"
            raise error(("data", "task"), f"the task is binary, but the target {values.name!r} has {many}.")
        positive = _positive_class(labels, config, error)
    elif config.positive is not None:
        raise error(
            ("data", "positive"),
            f"only a binary target has a positive class; {values.name!r} is {task}, with the values "
            f"{_listed_labels(labels)}.",
        )
    # Binary classes are (negative, positive), whatever their alphabetical order.
    order = sorted(range(len(labels)), key=lambda at: (task == "binary" and labels[at] == positive, labels[at]))
    position = np.empty(len(order), dtype=np.int64)
    position[order] = np.arange(len(order))
    classes = tuple(labels[index] for index in order)
    numbers = position[codes]
    return Target(task, classes, positive, pd.Series(_label_column(classes, numbers)), numbers)


def _label_column(classes: Sequence[Any], numbers: np.ndarray) -> Any:
    """Return the label of each case, in the type that Parquet gives back."""
    if isinstance(classes[0], str):
        return pd.array(np.array(classes, dtype=object)[numbers], dtype="str")
    return np.array(classes)[numbers]


def _factorize(values: pd.Series[Any]) -> tuple[np.ndarray, list[Any]]:
    """Return a code for each case and the labels they stand for: booleans, integers, floats or text."""
    plain = pd.api.types.is_numeric_dtype(values) or all(isinstance(value, bool) for value in values.unique())
    codes, distinct = pd.factorize(values if plain else as_text(values, str(values.name)))
    return np.asarray(codes), [as_label(value) for value in distinct]


def _positive_class(labels: Sequence[Any], config: DataConfig, error: Error) -> Any:
    if config.positive is None:
        if set(labels) == {0, 1}:  # this includes False and True
            return next(label for label in labels if label == 1)
        first, second = sorted(labels)
        raise error(
            ("data", "positive"),
            f"the target {config.target!r} is {shown(first)} or {shown(second)}; name the positive class: "
            f"`positive: {text(first)}` or `positive: {text(second)}`.",
        )
    for label in labels:
        if label == config.positive or text(label) == text(config.positive):
            return label
    raise error(
        ("data", "positive"),
        f"{shown(config.positive)} is not a value of {config.target!r}; its values are {_listed_labels(labels)}.",
    )


def _listed_labels(labels: Sequence[Any]) -> str:
    return listed((text(label) for label in labels), 10)
