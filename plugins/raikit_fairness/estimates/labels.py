"""Labels that people pass to `assess`, as plain numbers or text, and the same of truth and prediction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

import raikit
from raikit.data.cells import as_label
from raikit.data.groups import as_text
from raikit.data.labels import other_spelling, truth_value
from raikit.errors import listed

_SAMPLE, _MOST_CLASSES = 10_000, 1_000  # more different values among so many are numbers that are predicted
_NUMBERS = ("integer", "floating", "mixed-integer-float", "decimal", "boolean")


def plain_labels(labels: pd.Series[Any]) -> pd.Series[Any]:
    """Return labels as numbers, booleans or text; categories and objects as what they hold.

    Raises
    ------
    DataError
        If they are lists, mappings or bytes.
    """
    if isinstance(labels.dtype, pd.CategoricalDtype):
        return plain_labels(labels.astype(labels.cat.categories.dtype))
    if pd.api.types.is_numeric_dtype(labels) or isinstance(labels.dtype, pd.StringDtype):
        return labels
    kind = pd.api.types.infer_dtype(labels, skipna=True)
    if kind == "boolean":
        return labels.astype("boolean") if labels.isna().any() else labels.astype(bool)
    if kind in _NUMBERS:
        return pd.to_numeric(labels).astype(float) if kind == "decimal" else pd.to_numeric(labels)
    return as_text(labels, str(labels.name))


def same_labels(truth: pd.Series[Any], prediction: pd.Series[Any]) -> tuple[pd.Series[Any], pd.Series[Any]]:
    """Write truth and prediction alike: ``"0"`` is 0 where the other holds numbers, and ``"True"`` is True.

    Parameters
    ----------
    truth, prediction : Series, shape (n,)
        As `plain_labels` gives them.

    Raises
    ------
    DataError
        If one holds text that is no number and the other numbers, if they have no label in common, or if the predictions write
        a label otherwise than the truth.
    """
    alike = _of_one_kind(truth, prediction)
    if all(_are_flags(labels) for labels in alike) or any(labels.iloc[:_SAMPLE].nunique() > _MOST_CLASSES for labels in alike):
        return alike  # 0 and 1, the usual case; or numbers that are predicted
    known, predicted = ([as_label(label) for label in pd.unique(labels) if not pd.isna(label)] for labels in alike)
    if (how := other_spelling(known, predicted)) is not None:
        raise raikit.DataError(f"{truth.name}, {prediction.name}: {how}; write both alike.")
    return alike


def _are_flags(labels: pd.Series[Any]) -> bool:
    """Whether whole numbers are 0 and 1, which their ends tell faster than a look at each."""
    if not pd.api.types.is_integer_dtype(labels) or pd.isna(low := labels.min()):
        return False
    return bool(low >= 0 and labels.max() <= 1)


def _of_one_kind(truth: pd.Series[Any], prediction: pd.Series[Any]) -> tuple[pd.Series[Any], pd.Series[Any]]:
    texts = [not pd.api.types.is_numeric_dtype(labels) for labels in (truth, prediction)]
    if texts == [False, False]:
        return truth, prediction
    if all(texts):
        known, predicted = set(truth.dropna().unique()), set(prediction.dropna().unique())
        if known & predicted or len(known) < 2 or not predicted:
            return truth, prediction
    numbers = [_as_numbers(labels) if is_text else labels for labels, is_text in zip((truth, prediction), texts, strict=True)]
    if numbers[0] is None or numbers[1] is None:
        raise raikit.DataError(_not_alike((truth, prediction), texts))
    return numbers[0], numbers[1]


def _as_numbers(labels: pd.Series[Any]) -> pd.Series[Any] | None:
    """Return labels that are written as text as numbers or truth values; None if they are neither, or two become one."""
    codes, distinct = pd.factorize(labels)
    meant = [truth_value(label) for label in distinct]
    if any(value is None for value in meant):
        meant = list(pd.to_numeric(pd.Series(distinct, dtype=object), errors="coerce"))
    if any(value is None or value != value for value in meant) or len(set(meant)) < len(meant):
        return None
    return pd.Series(np.asarray([*meant, np.nan], dtype=float)[codes], index=labels.index, name=labels.name)


def _not_alike(both: Sequence[pd.Series[Any]], texts: Sequence[bool]) -> str:
    parts = [
        f"{labels.name} holds {'text' if is_text else 'numbers'} ({listed(labels.dropna().unique(), 5)})"
        for labels, is_text in zip(both, texts, strict=True)
    ]
    return f"{' and '.join(parts)}, and no label of the one is a label of the other; write both alike."
