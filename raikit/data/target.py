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
from raikit.data.cell_types import NEVER_A_CLASS
from raikit.data.cells import TOO_LARGE, RowNames, as_label, first_inexact, first_too_large, shown
from raikit.data.classes import PredictedClasses, absence_note, declared_classes, further_classes
from raikit.data.groups import as_text, refuse_nested
from raikit.data.labels import ClassNames, other_spelling, truth_pair
from raikit.errors import DataError, listed
from raikit.format import counted
from raikit.limits import check_labels, in_force, remedy

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
    notes : tuple of str
        Sentences for the record.
    """

    task: Task
    classes: tuple[Any, ...]
    positive: Any
    labels: pd.Series[Any]
    numbers: np.ndarray
    notes: tuple[str, ...] = ()


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


def read_target(
    table: pd.DataFrame, config: DataConfig, rows: RowNames, error: Error, predicted: PredictedClasses | None = None
) -> Target:
    """Read the target column. Classes that no case has are declared, or known to the predictions.

    Parameters
    ----------
    table : DataFrame
    config : DataConfig
    rows : RowNames
    error : callable
    predicted : PredictedClasses, optional
        Of a table that holds the predictions.

    Raises
    ------
    ConfigError
        If task, positive class and values contradict each other; says what would fit.
    DataError
        If a value is missing, or infinite in a regression (the row is named), if there is only one class, or if values are lists.
    """
    column = config.target
    assert isinstance(column, str), "without a target, `read_decisions` is asked; several are reduced to one"
    values = table[column]
    if (missing := values.isna().to_numpy()).any():
        raise DataError(f"{rows.at(int(missing.argmax()))}: data.target ({column}) is missing.")
    refuse_nested(values, column)
    task: Any = config.task or ("multiclass" if config.classes else infer_task(values))
    if task == "regression":
        if config.classes:
            raise error(("data", "classes"), "a regression has no classes; remove the key, or the task.")
        return _read_numbers(values, rows, error)
    return _read_classes(values, table, task, config, rows, error, predicted or PredictedClasses())


def _read_classes(
    values: pd.Series[Any], table: pd.DataFrame, task: Task, config: DataConfig, rows: RowNames, error: Error,
    predicted: PredictedClasses,
) -> Target:  # fmt: skip
    codes, labels = _factorize(values)
    notes: list[str] = []
    if config.classes:
        classes = declared_classes(labels, codes, str(values.name), config, rows, error)
    else:
        _refuse_missing_as_class(labels, codes, values, rows, error)
        classes, notes = _classes_of_cases(labels, table, task, predicted, config, error)
    if config.task is None:
        task = "binary" if len(classes) <= 2 else "multiclass"
    classes, positive = _in_order(classes, values, task, config, rows, error)
    position = np.array([classes.index(label) for label in labels], dtype=np.int64)
    column = pd.Series(_label_column(classes, position[codes]))
    return Target(task, tuple(classes), positive, column, position[codes], tuple(notes))


def _refuse_missing_as_class(
    labels: list[Any], codes: np.ndarray, values: pd.Series[Any], rows: RowNames, error: Error
) -> None:
    """Raise if a class is called as programs write a missing value: it would be one that nobody meant."""
    for at, label in enumerate(labels):
        if isinstance(label, str) and label.strip().lower() in NEVER_A_CLASS:
            cases = rows.count(codes == at)
            raise error(
                ("data", "target"),
                f"{shown(label)} is the target {values.name!r} of {counted(cases, 'case')}; if it means missing, set data.missing: "
                f"[{label!r}] and leave these rows out, or declare it in data.classes.",
            )


def _read_numbers(values: pd.Series[Any], rows: RowNames, error: Error) -> Target:
    if not pd.api.types.is_numeric_dtype(values):
        raise error(("data", "task"), f"regression needs numbers, and {values.name!r} holds text.")
    if (large := first_inexact(values)) is not None:
        raise DataError(
            f"{rows.at(large)}: data.target ({values.name}) is beyond 2^53, where differences of 1 are lost; use smaller units or "
            "an offset."
        )
    numbers = values.to_numpy(dtype=np.float64)
    if (bad := np.flatnonzero(~np.isfinite(numbers))).size:
        raise DataError(f"{rows.at(int(bad[0]))}: data.target ({values.name}) is infinite.")
    if (large := first_too_large(numbers)) is not None:
        raise DataError(f"{rows.at(large)}: data.target ({values.name}) is {TOO_LARGE}.")
    return Target("regression", (), None, pd.Series(numbers), numbers)


def _classes_of_cases(
    labels: list[Any], table: pd.DataFrame, task: Task, predicted: PredictedClasses, config: DataConfig, error: Error
) -> tuple[list[Any], list[str]]:
    """Return the sorted labels of the cases, with those that are only predicted; a note says which.

    Two labels of which one is the positive class stay two: another one among the predictions is an error.
    """
    two = task == "binary" and (config.task or config.positive is not None or truth_pair(labels))
    how = None if two else other_spelling(labels, predicted.decisions(table))
    if how is not None:
        raise error(
            ("model", "load", "prediction"), f"{how}; write both alike, or declare all of them in data.classes if they differ."
        )
    further = [] if two else further_classes(labels, predicted.labels(table))
    notes = [absence_note(further, "predicted or scored")] if further else []
    return sorted([*labels, *further]), notes


def _in_order(
    classes: list[Any], values: pd.Series[Any], task: Task, config: DataConfig, rows: RowNames, error: Error
) -> tuple[list[Any], Any]:
    """Return the classes in the order of scores and the positive one; binary classes are (negative, positive)."""
    if len(classes) == 1:
        raise DataError(
            f"{rows.file}: data.target ({values.name}) has only one class, {shown(classes[0])}; two or more are needed, and "
            "data.classes declares those that no case has."
        )
    if len(classes) > (most := in_force().classes):
        raise error(
            ("data", "target"),
            f"{values.name!r} has {len(classes):,} different values, more than {most:,} classes; is it the target? If so, "
            f"{remedy('classes')}.",
        )
    check_labels(f"the target {values.name!r}", classes)
    if task != "binary":
        if config.positive is not None:
            raise error(
                ("data", "positive"),
                f"only a binary target has a positive class; {values.name!r} is {task}, with the values "
                f"{_listed_labels(classes)}.",
            )
        return classes, None
    if len(classes) > 2:
        many = f"{len(classes):,} values ({_listed_labels(classes)})"
        raise error(("data", "task"), f"the task is binary, but the target {values.name!r} has {many}.")
    positive = _positive_class(classes, config, error)
    if config.classes and classes[1] != positive:
        raise error(
            ("data", "classes"),
            f"the positive class is the last of two: write `classes: [{text(classes[1])}, {text(classes[0])}]`.",
        )
    return sorted(classes, key=lambda label: bool(label == positive)), positive


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
        if (pair := truth_pair(labels)) is not None:
            return pair[1]
        first, second = sorted(labels)
        raise error(
            ("data", "positive"),
            f"the target {config.target!r} is {shown(first)} or {shown(second)}; name the positive class: "
            f"`positive: {text(first)}` or `positive: {text(second)}`.",
        )
    positive = ClassNames(labels).find(config.positive)
    if positive is None:
        raise error(
            ("data", "positive"),
            f"{shown(config.positive)} is not a value of {config.target!r}; its values are {_listed_labels(labels)}.",
        )
    return positive


def _listed_labels(labels: Sequence[Any]) -> str:
    return listed((text(label) for label in labels), 10)
