"""The target: which task it is, its classes in order, and each row's label and number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from raikit.address import text
from raikit.config.schema import DataConfig
from raikit.config.types import Task
from raikit.data.groups import as_text
from raikit.data.roles import Error, targets_of, task_of
from raikit.data.tables import Rows, as_label, shown
from raikit.errors import DataError, listed

_MOST_CLASSES = 1000


@dataclass(frozen=True)
class Target:
    """What is predicted.

    Attributes
    ----------
    task : str
    classes : tuple
        Labels in the order of a model's scores (binary: negative, positive); the columns if multilabel; empty for
        regression.
    positive : label or None
        Of a binary target.
    labels : DataFrame
        ``target``, or ``target.L`` for each L of a multilabel target: labels, or float64 for regression.
    numbers : ndarray, shape (n,) or (n, k) if multilabel
        Index into the classes (int64), 0 or 1 for each label, or the number itself (float64).
    """

    task: Task
    classes: tuple[Any, ...]
    positive: Any
    labels: pd.DataFrame
    numbers: np.ndarray


def target_of(table: pd.DataFrame, config: DataConfig, rows: Rows, error: Error) -> Target:
    """Read the target.

    Raises
    ------
    ConfigError
        If task, positive class and values do not go together; says what would.
    DataError
        A missing value, or an infinite one in a regression (the row is named); one class only.
    """
    for column in targets_of(config):
        if (missing := table[column].isna().to_numpy()).any():
            raise DataError(f"{rows.at(int(missing.argmax()))}: data.target ({column}) is missing.")
    if not isinstance(config.target, str) or config.task == "multilabel":
        return _multilabel(table, config, rows, error)
    values = table[config.target]
    task = config.task or task_of(values)
    return _regression(values, rows, error) if task == "regression" else _classes(values, task, config, rows, error)


def _regression(values: pd.Series[Any], rows: Rows, error: Error) -> Target:
    if not pd.api.types.is_numeric_dtype(values):
        raise error(("data", "task"), f"regression needs numbers, and {values.name!r} holds text.")
    numbers = values.to_numpy(dtype=np.float64)
    if (bad := np.flatnonzero(~np.isfinite(numbers))).size:
        raise DataError(f"{rows.at(int(bad[0]))}: data.target ({values.name}) is infinite.")
    return Target("regression", (), None, pd.DataFrame({"target": numbers}), numbers)


def _classes(values: pd.Series[Any], task: Task, config: DataConfig, rows: Rows, error: Error) -> Target:
    codes, labels = _labels(values)
    if len(labels) == 1:
        raise DataError(
            f"{rows.file}: data.target ({values.name}) has one class, {shown(labels[0])}; there is "
            "nothing to tell apart."
        )
    if len(labels) > _MOST_CLASSES:
        raise error(
            ("data", "target"),
            f"{values.name!r} has {len(labels):,} different values, and more than "
            f"{_MOST_CLASSES:,} classes are not supported; is it the target?",
        )
    positive = None
    if task == "binary":
        if len(labels) > 2:
            many = f"{len(labels):,} values ({_written(labels)})"
            raise error(("data", "task"), f"binary, but the target {values.name!r} has {many}.")
        positive = _positive(labels, config, error)
    elif config.positive is not None:
        raise error(
            ("data", "positive"),
            f"only a binary target has a positive class; {values.name!r} is {task}, its values are {_written(labels)}.",
        )
    # binary: [negative, positive], whatever the alphabet says
    order = sorted(range(len(labels)), key=lambda at: (task == "binary" and labels[at] == positive, labels[at]))
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    classes = tuple(labels[index] for index in order)
    numbers = place[codes]
    return Target(task, classes, positive, pd.DataFrame({"target": _column(classes, numbers)}), numbers)


def _column(classes: Sequence[Any], numbers: np.ndarray) -> Any:
    """Each row's label, in the type that Parquet gives back."""
    if isinstance(classes[0], str):
        return pd.array(np.array(classes, dtype=object)[numbers], dtype="str")
    return np.array(classes)[numbers]


def _labels(values: pd.Series[Any]) -> tuple[np.ndarray, list[Any]]:
    """Each row's code and what it stands for: booleans, whole numbers, numbers or text."""
    plain = pd.api.types.is_numeric_dtype(values) or all(isinstance(value, bool) for value in values.unique())
    codes, distinct = pd.factorize(values if plain else as_text(values, str(values.name)))
    return np.asarray(codes), [as_label(value) for value in distinct]


def _positive(labels: Sequence[Any], config: DataConfig, error: Error) -> Any:
    if config.positive is None:
        if set(labels) == {0, 1}:  # False and True among them
            return next(label for label in labels if label == 1)
        first, second = sorted(labels)
        raise error(
            ("data", "positive"),
            f"the target {config.target!r} is {shown(first)} or {shown(second)}; say "
            f"which is the positive class: `positive: {text(first)}` or "
            f"`positive: {text(second)}`.",
        )
    for label in labels:
        if label == config.positive or text(label) == text(config.positive):
            return label
    raise error(
        ("data", "positive"),
        f"{shown(config.positive)} is no value of {config.target!r}, whose values are {_written(labels)}.",
    )


def _written(labels: Sequence[Any]) -> str:
    return listed((text(label) for label in labels), 10)


def _multilabel(table: pd.DataFrame, config: DataConfig, rows: Rows, error: Error) -> Target:
    columns = targets_of(config)
    if config.task not in (None, "multilabel"):
        raise error(("data", "task"), f"{config.task}, but data.target names several columns, which is multilabel.")
    if isinstance(config.target, str):
        raise error(("data", "target"), f"multilabel needs a list of columns, such as [{config.target}, …].")
    if config.positive is not None:
        raise error(("data", "positive"), "only a binary target has a positive class; in a multilabel one it is 1.")
    found = {}
    for column in columns:
        values = pd.to_numeric(table[column], errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
        if (bad := np.flatnonzero((values != 0) & (values != 1))).size:
            raise DataError(f"{rows.at(int(bad[0]))}: data.target ({column}) is neither 0 nor 1.")
        found[column] = values.astype(np.int64)
    labels = pd.DataFrame({f"target.{column}": values for column, values in found.items()})
    return Target("multilabel", tuple(columns), None, labels, np.stack(list(found.values()), axis=1))
