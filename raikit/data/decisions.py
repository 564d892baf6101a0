"""Decisions whose truth is unknown: the classes that they are among, from the table of predictions alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from raikit.address import text
from raikit.config.schema import DataConfig
from raikit.config.types import Error, Task
from raikit.data.cells import RowNames, shown
from raikit.data.classes import PredictedClasses, further_classes
from raikit.data.labels import ClassNames, truth_pair
from raikit.data.target import Target, infer_task
from raikit.errors import listed
from raikit.limits import check_labels, in_force, remedy

NOTE = "The data has no target, so only what needs no truth is measured, such as selection rates and impact ratios."
_PREDICTION = ("model", "load", "prediction")


def read_decisions(
    table: pd.DataFrame, config: DataConfig, rows: RowNames, error: Error, predicted: PredictedClasses
) -> Target:
    """Return the classes of a table of predictions without a target, in the shape of a target without labels.

    Parameters
    ----------
    table : DataFrame
    config : DataConfig
        Without a target. `classes` and `positive` mean what they do with one; `favourable` stands for a missing `positive`.
    rows : RowNames
    error : callable
        Makes the error that names a key.
    predicted : PredictedClasses
        The columns that know classes.

    Raises
    ------
    ConfigError
        If the decisions are numbers, of one class only, or of two of which neither is known to be the positive one.
    """
    task, labels = _task_and_labels(table, config, error, predicted)
    positive = _positive(labels, config, error) if task == "binary" else None
    if positive is not None:
        labels = sorted(labels, key=lambda label: bool(label == positive))
    nothing = pd.Series(np.full(len(table), None, dtype=object))
    return Target(task, tuple(labels), positive, nothing, np.zeros(len(table), dtype=np.int64), (NOTE,))


def _task_and_labels(
    table: pd.DataFrame, config: DataConfig, error: Error, predicted: PredictedClasses
) -> tuple[Task, list[Any]]:
    decided = table[predicted.column].dropna() if predicted.column is not None else None
    if config.task == "regression" or (decided is not None and not config.classes and infer_task(decided) == "regression"):
        raise error(("data", "target"), "numeric predictions are compared with the truth; name the column that holds it.")
    labels = list(config.classes or _labels(table, predicted))
    if len(labels) > in_force().classes:
        many = f"{len(labels):,} different values"
        raise error(_PREDICTION, f"{predicted.column!r} has {many}; does it hold decisions? If so, {remedy('classes')}.")
    check_labels(f"the column {predicted.column!r}", labels)
    if len(labels) > 2 and config.task == "binary":
        raise error(("data", "task"), f"the task is binary, but there are {len(labels)} decisions ({_written(labels)}).")
    if len(labels) < 2:
        only = f"holds only {shown(labels[0])}" if labels else "is empty"
        raise error(_PREDICTION, f"{predicted.column!r} {only}; name every decision, as in `data.classes: [reject, approve]`.")
    return "binary" if len(labels) == 2 and config.task != "multiclass" else "multiclass", labels


def _labels(table: pd.DataFrame, predicted: PredictedClasses) -> list[Any]:
    """Return the decisions that occur or have a score; a score alone is that of 1 against 0."""
    decided = PredictedClasses(predicted.column).labels(table)
    if predicted.column is None:
        return sorted(predicted.scored) if predicted.scored else [0, 1]
    return sorted([*decided, *(further_classes(decided, predicted.scored) if decided else predicted.scored)])


def _positive(labels: list[Any], config: DataConfig, error: Error) -> Any:
    if config.positive is not None:
        positive = ClassNames(labels).find(config.positive)
        if positive is None:
            raise error(("data", "positive"), f"{shown(config.positive)} is none of the decisions {_written(labels)}.")
        return positive
    if (pair := truth_pair(labels)) is not None:
        return pair[1]
    if config.favourable is not None and (selected := ClassNames(labels).find(config.favourable)) is not None:
        return selected  # without the truth, nothing but being selected can be meant
    raise error(
        ("data", "positive"),
        f"the decisions are {shown(labels[0])} or {shown(labels[1])}; name the one that counts as selected: "
        f"`positive: {text(labels[0])}` or `positive: {text(labels[1])}`.",
    )


def _written(labels: list[Any]) -> str:
    return listed((text(label) for label in labels), 10)
