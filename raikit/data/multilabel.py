"""Several labels a case: each pair of a case and a label is a binary case, and the cases are clusters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from raikit.address import text
from raikit.config.labels import LabelsConfig, UnitConfig
from raikit.config.schema import DataConfig
from raikit.config.types import Error
from raikit.data.cells import as_label, shown
from raikit.data.groups import as_text
from raikit.data.parts import (
    LABEL,
    Parts,
    Reduced,
    is_list,
    lists_of,
    name_of_whole,
    names_in,
    part_ids,
    whole_as_cluster,
)
from raikit.data.roles import read_ids
from raikit.errors import DataError, listed
from raikit.format import counted
from raikit.limits import check_labels, in_force, remedy

PREDICTED, SCORED = "(prediction)", "(score)"  # columns of the pairs
_TARGET = "labels"
_WORDS = {"0": "label absent", "1": "label present"}  # for people, of the pairs' classes
_FLAGS = {"0": 0, "1": 1, "false": 0, "true": 1}


def reduce_labels(
    table: pd.DataFrame, config: DataConfig, predicted: Mapping[str, Mapping[str, str]], file: str, error: Error
) -> Reduced:
    """Bring cases with several labels to one row for each pair of a case and a label.

    Raises
    ------
    ConfigError
        If target or predictions name no labels, or others than each other.
    DataError
        If a cell is none of 0 and 1, or no list of labels; names the row.
    """
    if config.target is None:
        raise error(("data", "target"), "several labels need their columns, or one column of lists.")
    _refuse_other_tasks(config, error)
    names = _names(table, config, predicted, file, error)
    if len(names) > (most := in_force().classes):
        raise error(("data", "target"), f"there are {len(names):,} labels, more than {most:,}; {remedy('classes')}.")
    check_labels("the target", names)
    truth = _flags(table, config.target, names, file)
    rows = np.repeat(np.arange(len(table)), len(names))
    values = np.tile(np.array(names, dtype=object), len(table))
    target = config.target if isinstance(config.target, str) else _free(table, _TARGET)
    reduced = table.drop(columns=config.target).iloc[rows].reset_index(drop=True).assign(**{target: truth.reshape(-1)})
    for column, by_label in ((PREDICTED, predicted["prediction"]), (SCORED, predicted["score"])):
        if by_label:
            reduced[column] = _predicted(table, by_label, column, names, file, error).reshape(-1)
    name = name_of_whole(table, config, "case")
    wholes = as_text(read_ids(table, config.id, file), name).to_numpy(dtype=object)[rows]
    parts = Parts(LABEL, rows, values, rows, tuple(names))
    reduced, clusters = whole_as_cluster(reduced, config, parts.whole, wholes, name)
    unit = config.unit if "unit" in config.model_fields_set else UnitConfig(one="label decision", many="label decisions")
    changed = {"task": "binary", "target": target, "classes": None, "positive": 1, "cluster": clusters, "unit": unit,
               "labels": _with_words(config, target, names)}
    note = f"Each of {counted(len(table), 'case')} has {counted(len(names), 'label')}, and each pair of both is measured as a case."
    return Reduced(reduced, config.model_copy(update=changed), parts, part_ids(wholes, values), notes=[note])


def _with_words(config: DataConfig, target: str, names: Sequence[str]) -> dict[str, LabelsConfig]:
    """Return the labels of a configuration, with words for 0 and 1, unless it has some or labels are called so."""
    given = config.labels.get(target, LabelsConfig())
    if given.values or set(names) & set(_WORDS):
        return dict(config.labels)
    return {**config.labels, target: given.model_copy(update={"values": dict(_WORDS)})}


def _refuse_other_tasks(config: DataConfig, error: Error) -> None:
    if config.task not in (None, "multilabel"):
        raise error(("data", "task"), f"{config.task} has one target column; `multilabel` has several.")
    if config.positive is not None:
        raise error(("data", "positive"), "with several labels, having a label is positive; remove the key.")


def _names(
    table: pd.DataFrame, config: DataConfig, predicted: Mapping[str, Mapping[str, str]], file: str, error: Error
) -> list[str]:
    """Return the labels: the target's columns, those that are declared, or those that occur in lists."""
    if isinstance(config.target, list):
        if len(set(config.target)) < len(config.target):
            raise error(("data", "target"), "a label is named twice.")
        if config.classes:
            raise error(("data", "classes"), "the columns of the target are the labels; remove the key.")
        return list(config.target)
    assert config.target is not None
    if config.classes:
        return [text(as_label(label)) for label in config.classes]
    columns = [config.target, *(column for label, column in predicted["prediction"].items() if not label)]
    lists = (names for column in columns for names in names_in(lists_of(table, column, file), column, file))
    found = sorted({name for names in lists for name in names} | {label for label in predicted["score"] if label})
    if not found:
        raise error(("data", "target"), f"no case has a label in {config.target!r}; name all in data.classes.")
    return found


def _flags(table: pd.DataFrame, columns: str | Sequence[str], names: Sequence[str], file: str) -> np.ndarray:
    """Return which labels each case has, shape (n, labels), from a column of lists or a column for each label."""
    if not isinstance(columns, str):
        return np.column_stack([_zeros_and_ones(table[column], column, file) for column in columns])
    flags, place = np.zeros((len(table), len(names)), dtype=np.int64), {name: at for at, name in enumerate(names)}
    for row, labels in enumerate(names_in(lists_of(table, columns, file), columns, file)):
        for label in labels:
            if label not in place:
                raise DataError(f"{file}, row {row + 1}: {columns} has {shown(label)}, which is not in data.classes.")
            flags[row, place[label]] = 1
    return flags


def _zeros_and_ones(values: pd.Series[Any], column: str, file: str) -> np.ndarray:
    flags = [None if is_list(value) or pd.isna(value) else _FLAGS.get(text(as_label(value)).lower()) for value in values]
    if None in flags:
        raise DataError(f"{file}, row {flags.index(None) + 1}: {column} is neither 0 nor 1.")
    return np.array(flags, dtype=np.int64)


def _predicted(
    table: pd.DataFrame, by_label: Mapping[str, str], kind: str, names: Sequence[str], file: str, error: Error
) -> np.ndarray:
    """Return decisions or scores of each case and label, shape (n, labels)."""
    if "" in by_label:
        if kind == SCORED:
            raise error(("model", "load", "score"), "with several labels give `scores`, a mapping of label to column.")
        return _flags(table, by_label[""], names, file)
    if odd := sorted(set(by_label) ^ set(names)):
        problem = f"{odd[0]!r} is missing" if odd[0] in names else f"{odd[0]!r} is no label"
        key = "prediction" if kind == PREDICTED else "scores"
        raise error(("model", "load", key), f"{problem}; the labels are {listed(names, 20)}.")
    if kind == SCORED:
        return np.column_stack([pd.to_numeric(table[by_label[name]], errors="coerce") for name in names])
    return np.column_stack([_zeros_and_ones(table[by_label[name]], by_label[name], file) for name in names])


def _free(table: pd.DataFrame, name: str) -> str:
    while name in table:
        name += "_"
    return name
