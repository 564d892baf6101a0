"""A source of cells from arrays in memory."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

import raikit
from raikit.address import text
from raikit.arrays import FloatArray, Groups, IntArray
from raikit.data.cells import TOO_LARGE, first_inexact, first_too_large
from raikit.data.roles import without_extremes
from raikit.models.probabilities import are_decisions, clip_rounding, first_improbable, first_incomplete
from raikit_fairness.estimates.case_counts import Cells, dense_ranks, taken
from raikit_fairness.estimates.group_columns import cluster_notes, coded_clusters, coded_groups
from raikit_fairness.estimates.sources import (
    GroupingColumns,
    Source,
    check_weights,
    infer_task,
    label_positions,
    sorted_labels,
)

_LARGEST_TABLE = 1 << 22  # up to so many combinations, cells are counted in one table
_LARGEST_CODE = 2.0**62  # a number of combinations beyond it does not fit into int64


@dataclass(frozen=True)
class ScoreColumns:
    """Scores, and the names of their columns.

    Parameters
    ----------
    values : ndarray, shape (n,) or (n, k), or None
    names : sequence
        Names of the columns of a frame; empty if they have none.
    """

    values: FloatArray | None
    names: Sequence[Any] = ()


def source_from_arrays(
    frame: pd.DataFrame,
    columns: Mapping[str, pd.Series[Any]],
    scored: ScoreColumns,
    grouping: GroupingColumns,
    positive: Any,
    threshold: float,
) -> Source:
    """Count cases that are in memory.

    Parameters
    ----------
    frame : DataFrame
        ``truth``, ``prediction`` (absent: from the scores by `threshold`), ``weight`` (absent: 1).
    columns : mapping of str to Series
        Sensitive, control and cluster columns.
    scored : ScoreColumns
    grouping : GroupingColumns
    positive : object
        Label of the positive class; None: not named.
    threshold : float
    """
    task, classes = infer_task(frame, positive)
    scores = _class_scores(scored, task, classes)
    weighted = "weight" in frame
    weight = frame["weight"].to_numpy(dtype=float) if weighted else np.broadcast_to(1.0, len(frame))
    check_weights(weight)
    weight = without_extremes(weight)
    truth, prediction = _truth_and_prediction(frame, task, classes, scores, threshold)
    coded = {name: coded_groups(columns[name], name) for name in (*grouping.sensitive, *grouping.control)}
    clusters, cluster_names = coded_clusters(columns, grouping.clusters)
    alike = cluster_notes(columns, grouping.clusters)
    single = task == "regression" or bool(clusters)
    cells = None
    if not single:
        cells = _count(truth, prediction, weight if weighted else None, coded, len(classes), grouping)
        if scores is None:
            return Source(task, classes, classes[-1], cells, None)
    if scores is not None and scores.ndim == 1:  # sorted before groups are crossed, so that no group is sorted again
        order = np.argsort(scores, kind="stable")
        truth, prediction, scores, weight = truth[order], prediction[order], scores[order], taken(weight, order)
        coded = {name: Groups(groups.codes[order], groups.names) for name, groups in coded.items()}
        clusters = [codes[order] for codes in clusters]
    cases = Cells(
        truth, prediction, np.broadcast_to(1, len(truth)), weight, weight**2 if weighted else weight, clusters,
        cluster_names, weighted, *grouping.features(coded), scores, dense_ranks(scores),
    )  # fmt: skip
    positive = classes[-1] if classes else None
    return Source(task, classes, positive, cells or cases, cases if scores is not None else None, cluster_notes=alike)


def _class_scores(scored: ScoreColumns, task: str, classes: list[Any]) -> FloatArray | None:
    """Check the probabilities, and return those of the positive class, or of every class in the order of `classes`."""
    if scored.values is None:
        return None
    if task == "regression":
        raise raikit.ConfigError("scores: a numeric target has none; give its predictions as y_pred.")
    scores = _probabilities(scored.values)
    if task == "binary" and scores.ndim == 1:
        return scores
    if scores.ndim != 2 or scores.shape[1] != len(classes):
        shape = "one column" if scores.ndim == 1 else f"{scores.shape[1]} columns"
        raise raikit.DataError(f"scores have {shape}; the {len(classes)} classes need one each, in sorted order.")
    if (row := first_incomplete(scores)) is not None:
        raise raikit.DataError(f"scores: row {row} adds up to {scores[row].sum():.9g}, not to 1.")
    scores = scores[:, _column_order(scored.names, classes)]
    return scores[:, 1] if task == "binary" else scores


def _probabilities(scores: FloatArray) -> FloatArray:
    """Return scores without float32 rounding; raise if they are no probabilities."""
    if (invalid := np.argwhere(~np.isfinite(scores))).size:
        raise raikit.DataError(f"scores: row {int(invalid[0][0])} is NaN or infinite.")
    scores = clip_rounding(scores)
    if (wrong := first_improbable(scores)) is not None:
        raise raikit.DataError(f"scores: row {wrong[0]} is {wrong[1]}, which is no probability; rescale them to 0 … 1.")
    if are_decisions(scores):
        raise raikit.DataError("scores: every value is 0 or 1, a decision and no score; give decisions as y_pred alone.")
    return scores


def _column_order(names: Sequence[Any], classes: list[Any]) -> list[int]:
    """Return the column of each class: by name if the columns are called like the classes, else by the labels' order.

    Raises
    ------
    DataError
        If some columns are called like classes and others are not.
    """
    called = [text(name) for name in names]
    named = [[at for at, name in enumerate(called) if _is_called(name, text(label))] for label in classes]
    if called and all(len(places) == 1 for places in named) and len({places[0] for places in named}) == len(classes):
        return [places[0] for places in named]
    if any(named) and called != [text(at) for at in range(len(called))]:
        wanted = ", ".join(text(label) for label in classes)
        raise raikit.DataError(f"scores: the columns are called {', '.join(called)}; call them like the classes {wanted}.")
    # Columns are in the order of the sorted labels, of which the positive class may be the first.
    order = sorted_labels(classes)
    return [order.index(label) for label in classes]


def _is_called(name: str, label: str) -> bool:
    """Whether a column is called like a class, perhaps with a word before or after it: ``p_cat``, ``cat probability``."""
    return name == label or re.search(rf"^{re.escape(label)}[\W_]|[\W_]{re.escape(label)}$", name) is not None


def _truth_and_prediction(
    frame: pd.DataFrame, task: str, classes: list[Any], scores: FloatArray | None, threshold: float
) -> tuple[Any, Any]:
    if task == "regression":
        if "prediction" not in frame:
            raise raikit.ConfigError("y_pred: a numeric target needs predictions.")
        return _finite(frame["truth"], "y_true"), _finite(frame["prediction"], "y_pred")
    truth = label_positions(frame["truth"], classes)
    if "prediction" in frame:
        return truth, label_positions(frame["prediction"], classes)
    if scores is None:
        raise raikit.ConfigError("y_pred: give predictions or scores.")
    return truth, (scores >= threshold).astype(np.int64) if scores.ndim == 1 else scores.argmax(axis=1)


def _finite(values: pd.Series[Any], argument: str) -> FloatArray:
    if (large := first_inexact(values)) is not None:
        raise raikit.DataError(
            f"{argument}: row {large} is beyond 2^53, where differences of 1 are lost; use smaller units or an offset."
        )
    numbers = values.to_numpy(dtype=float)
    if not np.isfinite(numbers).all():
        raise raikit.DataError(f"{argument}: row {int((~np.isfinite(numbers)).argmax())} is infinite.")
    if (large := first_too_large(numbers)) is not None:
        raise raikit.DataError(f"{argument}: row {large} is {TOO_LARGE}.")
    return numbers


def _count(
    truth: IntArray,
    prediction: IntArray,
    weight: FloatArray | None,
    coded: dict[str, Groups],
    n_classes: int,
    grouping: GroupingColumns,
) -> Cells:
    """Count the combinations of groups, truth and prediction, in one pass for cases and one for weights."""
    sizes = [len(groups.names) for groups in coded.values()]
    if float(np.prod([float(part) for part in sizes])) * n_classes**2 >= _LARGEST_CODE:  # so each case is a cell
        n, ones = np.ones(len(truth), dtype=np.int64), np.ones(len(truth))
        each = ones if weight is None else weight
        return Cells(truth, prediction, n, each, each**2, [], [], weight is not None, *grouping.features(coded))
    # The number of each combination is computed in place, because ten million cases make further arrays expensive.
    code = np.zeros(len(truth), dtype=np.int64)
    for groups, size in zip(coded.values(), sizes, strict=True):
        code *= size
        code += groups.codes
    code *= n_classes
    code += truth
    code *= n_classes
    code += prediction
    size = int(np.prod([float(part) for part in sizes])) * n_classes**2
    numbers: IntArray
    if size <= _LARGEST_TABLE:
        numbers = np.arange(size)
    else:
        numbers, code = np.unique(code, return_inverse=True)
        size = len(numbers)
    n = np.bincount(code, minlength=size)
    occurs = np.flatnonzero(n)
    w = w2 = n.astype(float)
    if weight is not None:
        w, w2 = (np.bincount(code, part, minlength=size).astype(float, copy=False) for part in (weight, weight**2))
    rest, cell_prediction = np.divmod(numbers[occurs], n_classes)
    rest, cell_truth = np.divmod(rest, n_classes)
    cell_groups: dict[str, Groups] = {}
    for name, size in reversed(list(zip(coded, sizes, strict=True))):
        rest, codes = np.divmod(rest, size)
        cell_groups[name] = Groups(codes, coded[name].names)
    features = grouping.features(cell_groups)
    return Cells(
        cell_truth, cell_prediction, n[occurs], w[occurs], w2[occurs], [], [], weight is not None, *features
    )  # fmt: skip
