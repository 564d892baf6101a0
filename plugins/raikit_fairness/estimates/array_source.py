"""A source of cells from arrays in memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

import raikit
from raikit.arrays import FloatArray, Groups, IntArray, cluster_codes, group_codes
from raikit_fairness.estimates.case_counts import Cells, dense_ranks, taken
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


def source_from_arrays(
    frame: pd.DataFrame,
    columns: Mapping[str, pd.Series[Any]],
    scores: FloatArray | None,
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
    scores : ndarray, shape (n,) or (n, k), or None
    grouping : GroupingColumns
    positive : object
        Label of the positive class; None: not named.
    threshold : float
    """
    task, classes = infer_task(frame, positive)
    scores = _class_scores(scores, task, classes)
    weighted = "weight" in frame
    weight = frame["weight"].to_numpy(dtype=float) if weighted else np.broadcast_to(1.0, len(frame))
    check_weights(weight)
    truth, prediction = _truth_and_prediction(frame, task, classes, scores, threshold)
    coded = {name: group_codes(columns[name]) for name in (*grouping.sensitive, *grouping.control)}
    clusters, cluster_names = cluster_codes(
        pd.DataFrame({name: columns[name] for name in grouping.clusters}), grouping.clusters
    )
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
    return Source(task, classes, positive, cells or cases, cases if scores is not None else None)


def _class_scores(scores: FloatArray | None, task: str, classes: list[Any]) -> FloatArray | None:
    """Check the probabilities, and return those of the positive class, or of every class in the order of `classes`."""
    if scores is None:
        return None
    if task == "regression":
        raise raikit.ConfigError("scores: a numeric target has none; give its predictions as y_pred.")
    if (invalid := np.argwhere(~np.isfinite(scores))).size:
        raise raikit.DataError(f"scores: row {int(invalid[0][0])} is NaN or infinite.")
    if (invalid := np.argwhere((scores < 0) | (scores > 1))).size:
        raise raikit.DataError(f"scores: row {int(invalid[0][0])} is no probability; rescale them to 0 … 1.")
    if task == "binary" and scores.ndim == 1:
        return scores
    if scores.ndim != 2 or scores.shape[1] != len(classes):
        shape = "one column" if scores.ndim == 1 else f"{scores.shape[1]} columns"
        raise raikit.DataError(f"scores have {shape}; the {len(classes)} classes need one each, in sorted order.")
    # Columns are in the order of the sorted labels, of which the positive class may be the first.
    return scores[:, sorted_labels(classes).index(classes[1])] if task == "binary" else scores


def _truth_and_prediction(
    frame: pd.DataFrame, task: str, classes: list[Any], scores: FloatArray | None, threshold: float
) -> tuple[Any, Any]:
    if task == "regression":
        if "prediction" not in frame:
            raise raikit.ConfigError("y_pred: a numeric target needs predictions.")
        return frame["truth"].to_numpy(dtype=float), frame["prediction"].to_numpy(dtype=float)
    truth = label_positions(frame["truth"], classes)
    if "prediction" in frame:
        return truth, label_positions(frame["prediction"], classes)
    if scores is None:
        raise raikit.ConfigError("y_pred: give predictions or scores.")
    return truth, (scores >= threshold).astype(np.int64) if scores.ndim == 1 else scores.argmax(axis=1)


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
