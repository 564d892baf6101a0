"""What `assess` measures, whatever it was read from: task, classes, cells; and the labels and weights of plain columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

import raikit
from raikit.address import text
from raikit.arrays import FloatArray, Groups, IntArray
from raikit.data.cells import as_label
from raikit.data.labels import ClassNames, truth_pair
from raikit.errors import listed
from raikit_fairness.estimates.case_counts import Cells
from raikit_fairness.estimates.features import Feature, build_features, cross, without_missing

_UNKNOWN = object()
_MOST_CLASSES = 20  # more different integers are a numeric target


@dataclass(frozen=True)
class GroupingColumns:
    """Columns that group cases, and how they are crossed.

    Parameters
    ----------
    sensitive, control, clusters : sequence of str
    intersections : int
        Most sensitive columns in one intersection.
    max_groups : int
        Most groups of one feature.
    missing : mapping of column to {"show", "leave_out"}
        What the missing group of a column is, if it is not compared.
    """

    sensitive: Sequence[str]
    control: Sequence[str]
    clusters: Sequence[str]
    intersections: int
    max_groups: int
    missing: Mapping[str, str] = field(default_factory=dict)

    def features(self, coded: Mapping[str, Groups]) -> tuple[list[Feature], Feature | None]:
        """Return the features to compare, and the one to compare within."""
        controls = [without_missing(coded[name]) if self.missing.get(name) == "leave_out" else coded[name] for name in self.control]
        compared = {name: coded[name] for name in self.sensitive}
        control = cross(tuple(self.control), controls, self.max_groups) if controls else None
        return build_features(compared, self.intersections, self.max_groups, self.missing), control


@dataclass(frozen=True)
class Source:
    """Truth, prediction and groups, counted.

    Parameters
    ----------
    task : {"binary", "multiclass", "regression"}
    classes : list
        Binary: negative, positive.
    positive : object
    cells : Cells
    scored : Cells or None
        Single cases (or cells of equal scores) with their scores.
    note : str
        How far binned scores may be off; empty if they are exact.
    cluster_notes : tuple of str
        Which clusters differ only in how they are written.
    """

    task: str
    classes: list[Any]
    positive: Any
    cells: Cells
    scored: Cells | None
    note: str = ""
    cluster_notes: tuple[str, ...] = ()


def sorted_labels(labels: Iterable[Any]) -> list[Any]:
    """Return labels in their order, grouped by type."""
    return sorted(labels, key=lambda value: (str(type(value)), value))


def infer_task(frame: pd.DataFrame, positive: Any) -> tuple[str, list[Any]]:
    """Infer the task from the truth as an audit does: two values, text or at most 20 integers, other numbers.

    Parameters
    ----------
    frame : DataFrame
        ``truth`` and, if there are predictions, ``prediction``.
    positive : object
        Label of the positive class; None: not named.

    Returns
    -------
    str, list
        The task, and its classes; of two the negative one first.
    """
    truth = frame["truth"]
    _refuse_missing(truth, "y_true")
    if "prediction" in frame:
        _refuse_missing(frame["prediction"], "y_pred")
    labels = set(pd.unique(truth))
    integral = (
        pd.api.types.is_integer_dtype(truth)
        or pd.api.types.is_bool_dtype(truth)
        or all(float(value).is_integer() for value in labels if isinstance(value, float))
    )
    few = integral and len(labels) <= _MOST_CLASSES
    if pd.api.types.is_numeric_dtype(truth) and not few and len(labels) > 2:
        return "regression", []
    if "prediction" in frame:
        further = _predicted_labels(frame["prediction"], labels, integral) - labels
        if further and positive is not None and len(labels) == 2:
            odd, known = sorted_labels(map(as_label, further))[0], sorted_labels(map(as_label, labels))
            raise raikit.DataError(f"y_pred holds {odd!r}, which is not among the labels {listed(map(text, known))}.")
        labels |= further
    ordered = [0, 1] if labels <= {0, 1} else sorted_labels(map(as_label, labels))
    if len(ordered) > 2:
        return "multiclass", ordered
    return "binary", _negative_first(ordered, positive)


def _predicted_labels(prediction: pd.Series[Any], labels: set[Any], integral: bool) -> set[Any]:
    """Return the labels that are predicted; raise if they are numbers that no class can be."""
    predicted = set(pd.unique(prediction))
    if len(predicted - labels) > _MOST_CLASSES:
        raise raikit.DataError(
            f"y_pred holds {len(predicted):,} values where y_true has {len(labels)} labels; give probabilities as scores."
        )
    numeric = pd.api.types.is_numeric_dtype(prediction)
    if numeric and integral and (odd := sorted(value for value in predicted if value != int(value))):
        raise raikit.DataError(f"y_pred holds {odd[0]:.9g}, and y_true whole numbers; give probabilities as scores.")
    return predicted


def _refuse_missing(values: pd.Series[Any], name: str) -> None:
    missing = values.isna().to_numpy()
    if missing.any():
        raise raikit.DataError(f"{name}: row {int(missing.argmax())} is missing.")


def _negative_first(labels: list[Any], positive: Any) -> list[Any]:
    """Return two labels (or the only one and its opposite), the positive one last."""
    names = listed(text(label) for label in labels)
    if positive is None:
        pair = truth_pair(labels)
        if pair is None:
            raise raikit.ConfigError(f"positive: name the positive class; the labels are {names}.")
        return list(pair)
    named = ClassNames(labels).find(_as_written(positive, labels), _UNKNOWN)
    if named is _UNKNOWN:
        raise raikit.ConfigError(f"positive: {positive!r} is not among the labels {names}.")
    others = [label for label in labels if label is not named]
    return [*(others or [f"not {positive}"]), named]


def _as_written(positive: Any, labels: list[Any]) -> Any:
    """Return a date or time as the labels write it, and anything else as it is."""
    if not isinstance(positive, date | np.datetime64):
        return positive
    moment = pd.Timestamp(positive)
    written = {moment.isoformat(), str(moment.date())} if moment == moment.normalize() else {moment.isoformat()}
    return next((label for label in labels if label in written), positive)


def label_positions(labels: pd.Series[Any], classes: list[Any]) -> IntArray:
    """Return the position of each label among the classes."""
    if classes == [0, 1]:
        return np.asarray((labels == 1).to_numpy(dtype=bool), dtype=np.int64)
    return np.asarray(pd.Index(classes).get_indexer(pd.Index(labels)), dtype=np.int64)


def check_weights(weight: FloatArray) -> None:
    """Raise DataError if a weight is not finite or negative, or all are 0."""
    if not np.isfinite(weight).all():
        raise raikit.DataError(f"sample_weight: row {int((~np.isfinite(weight)).argmax())} is NaN or infinite.")
    if (weight < 0).any():
        raise raikit.DataError(f"sample_weight: row {int((weight < 0).argmax())} is negative.")
    if not weight.any():
        raise raikit.DataError("sample_weight: every weight is zero.")
