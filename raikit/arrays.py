"""Scored cases as NumPy arrays: what a check that computes on cases starts from.

`CheckContext.arrays` reads a split. The functions below it code single columns, for a check that works on a frame of its
own, such as the counts of `Predictions.cells`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from raikit.errors import DataError

if TYPE_CHECKING:
    from raikit.run.predictions import Predictions

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

MAX_CLUSTER_COLUMNS = 2  # the variance estimators cross at most two


@dataclass(frozen=True)
class Groups:
    """The groups of one sensitive column.

    Parameters
    ----------
    codes : ndarray of int64, shape (n,)
        Position of each case's group in `names`.
    names : list of str or None
        Sorted as text; the missing group (None) is last.
    """

    codes: IntArray
    names: list[str | None]


@dataclass(frozen=True)
class Arrays:
    """Scored cases of one split, in the order of ``predictions.parquet``.

    Parameters
    ----------
    truth, prediction : ndarray, shape (n,)
        int64 positions in `classes`; for regression float64 values in the target's unit.
    scores : ndarray of float64, shape (n, k), or None
        Probability of each of the k classes, in their order. None for regression and where the predictions hold none.
    weight : ndarray of float64, shape (n,), or None
        Sampling weights, at least 0.
    clusters : list of ndarray of int64, each of shape (n,)
        At most two columns. Cases that share a code are not independent; -1 shares a cluster with no other case.
    cluster_names : list of str
        The columns behind `clusters`.
    classes : list
        Class labels; empty for regression.
    groups : mapping of column to Groups
        Sensitive columns, if they were asked for.
    counts : ndarray of int64, shape (n,), or None
        Number of cases of each entry, where entries are cells of alike cases. None: every entry is a case.
    """

    truth: Any
    prediction: Any
    scores: FloatArray | None = None
    weight: FloatArray | None = None
    clusters: list[IntArray] = field(default_factory=list)
    cluster_names: list[str] = field(default_factory=list)
    classes: list[Any] = field(default_factory=list)
    groups: Mapping[str, Groups] = field(default_factory=dict)
    counts: IntArray | None = None

    def __len__(self) -> int:
        return len(self.truth)

    @property
    def size(self) -> int:
        """Return the number of cases, which is that of the entries unless these are cells of alike cases."""
        return len(self) if self.counts is None else int(self.counts.sum())

    def count_alike(self) -> Self:
        """Return one entry for each combination of true and predicted class, without scores and groups.

        Cases that have weights or clusters, or numbers instead of classes, stay as they are.
        """
        if self.weight is not None or self.clusters or not self.classes:
            return self
        k = len(self.classes)
        # Whole numbers below 2^53 add up exactly in floating point.
        counts = np.bincount(self.truth * k + self.prediction, self.counts, minlength=k * k).astype(np.int64)
        occurs = np.flatnonzero(counts)
        return replace(
            self, truth=occurs // k, prediction=occurs % k, counts=counts[occurs], scores=None, groups={}
        )

    def take(self, cases: BoolArray | IntArray) -> Self:
        """Return the cases at a mask or at positions; `classes` and the names of groups stay as they are."""
        return replace(
            self,
            truth=self.truth[cases],
            prediction=self.prediction[cases],
            scores=None if self.scores is None else self.scores[cases],
            weight=None if self.weight is None else self.weight[cases],
            clusters=[codes[cases] for codes in self.clusters],
            groups={column: Groups(groups.codes[cases], groups.names) for column, groups in self.groups.items()},
            counts=None if self.counts is None else self.counts[cases],
        )


def read_arrays(
    predictions: Predictions,
    task: str,
    classes: Sequence[Any],
    *,
    sensitive: Sequence[str] = (),
    cluster: Sequence[str] = (),
    weight: str | None = None,
    split: str | None = None,
) -> Arrays:
    """Read one split of the predictions, and no column that was not asked for.

    Parameters
    ----------
    predictions : Predictions
    task : {"binary", "multiclass", "regression"}
    classes : sequence
        Class labels in the order of the scores; empty for regression.
    sensitive, cluster : sequence of str
        Columns with that role.
    weight : str, optional
        The column of sampling weights.
    split : str, optional
        Absent: the audited split.

    Raises
    ------
    DataError
        If a column is not there, or a label is not among the classes.
    """
    scored = score_columns(task, classes, predictions.columns)
    wanted = ["target", "prediction", *scored, *sensitive, *cluster, *([weight] if weight else [])]
    frame = predictions.frame(list(dict.fromkeys(wanted)), split)
    return arrays_from_frame(frame, task, classes, sensitive=sensitive, cluster=cluster, weight=weight)


def count_arrays(predictions: Predictions, task: str, classes: Sequence[Any], split: str | None = None) -> Arrays:
    """Count the cases of each true and predicted class of a split, out of core.

    Parameters
    ----------
    predictions : Predictions
    task : {"binary", "multiclass"}
    classes : sequence
    split : str, optional
        Absent: the audited split.

    Raises
    ------
    DataError
        If a label is not among the classes.
    """
    cells = predictions.cells(["target", "prediction"], split)
    counted = arrays_from_frame(cells, task, classes)
    return replace(counted, counts=cells.iloc[:, -1].to_numpy(dtype=np.int64)).count_alike()


def arrays_from_frame(
    frame: pd.DataFrame,
    task: str,
    classes: Sequence[Any],
    *,
    sensitive: Sequence[str] = (),
    cluster: Sequence[str] = (),
    weight: str | None = None,
) -> Arrays:
    """Code cases that have been read, such as those of two runs one after the other.

    Parameters
    ----------
    frame : DataFrame
        Columns of ``predictions.parquet``.
    task, classes, sensitive, cluster, weight
        As in `read_arrays`.

    Raises
    ------
    DataError
        If a label is not among the classes.
    """
    scored = score_columns(task, classes, frame.columns)
    clusters, names = cluster_codes(frame, cluster)
    numeric = task == "regression"
    truth, prediction = (
        frame[column].to_numpy(dtype=float) if numeric else class_positions(frame[column], classes)
        for column in ("target", "prediction")
    )
    return Arrays(
        truth=truth,
        prediction=prediction,
        scores=_class_scores(frame, scored, task),
        weight=frame[weight].to_numpy(dtype=float) if weight else None,
        clusters=clusters,
        cluster_names=names,
        classes=list(classes),
        groups={column: group_codes(frame[column]) for column in sensitive},
    )


def _class_scores(frame: pd.DataFrame, columns: Sequence[str], task: str) -> FloatArray | None:
    """One column of probabilities for each class; a binary table holds the positive class alone."""
    if not columns:
        return None
    scores = frame[list(columns)].to_numpy(dtype=float)
    return np.column_stack([1 - scores[:, 0], scores[:, 0]]) if task == "binary" else scores


def score_columns(task: str, classes: Sequence[Any], present: Iterable[str]) -> list[str]:
    """Return the columns of probabilities in the order of the classes; empty if one of them is absent.

    Examples
    --------
    >>> score_columns("binary", [0, 1], ["id", "target", "score"])
    ['score']
    >>> score_columns("multiclass", ["cat", "dog"], ["id", "score.cat"])
    []
    """
    if task == "regression":
        return []
    columns = ["score"] if task == "binary" else [f"score.{label}" for label in classes]
    return columns if set(columns) <= set(present) else []


def class_positions(labels: pd.Series[Any], classes: Sequence[Any]) -> IntArray:
    """Return the position of each label among the classes.

    Parameters
    ----------
    labels : Series, shape (n,)
    classes : sequence

    Returns
    -------
    ndarray of int64, shape (n,)

    Raises
    ------
    DataError
        If a label is not among the classes; names the label and the column.

    Examples
    --------
    >>> class_positions(pd.Series(["b", "a", "b"], name="target"), ["a", "b"]).tolist()
    [1, 0, 1]
    """
    positions = pd.Index(list(classes)).get_indexer(pd.Index(labels))
    if (positions < 0).any():
        stray = labels.iloc[int(np.flatnonzero(positions < 0)[0])]
        raise DataError(f"{stray!r} in column {labels.name!r} is not among the classes {list(classes)!r}.")
    return np.asarray(positions, dtype=np.int64)


def cluster_codes(frame: pd.DataFrame, columns: Sequence[str]) -> tuple[list[IntArray], list[str]]:
    """Code cluster columns as integers; -1 is a case that shares a cluster with no other.

    Returns
    -------
    list of ndarray of int64, list of str
        Codes and the columns that they code. Of more than two columns the two with the fewest clusters are kept,
        because those bind cases most; a case that shares none counts as one.

    Examples
    --------
    >>> codes, names = cluster_codes(pd.DataFrame({"speaker": ["s1", None, "s2", "s1"]}), ["speaker"])
    >>> codes[0].tolist(), names
    ([0, -1, 1, 0], ['speaker'])
    """
    coded = [(pd.factorize(frame[column])[0].astype(np.int64), column) for column in columns]
    if len(coded) > MAX_CLUSTER_COLUMNS:
        coded = sorted(coded, key=lambda item: _cluster_number(item[0]))[:MAX_CLUSTER_COLUMNS]
    return [codes for codes, _ in coded], [column for _, column in coded]


def group_codes(values: pd.Series[Any]) -> Groups:
    """Code the groups of one column, sorted as text, the missing group last.

    Examples
    --------
    >>> groups = group_codes(pd.Series(["F", None, "A"]))
    >>> groups.codes.tolist(), groups.names
    ([1, 2, 0], ['A', 'F', None])
    """
    codes, present = pd.factorize(values)
    order = sorted(range(len(present)), key=lambda position: str(present[position]))
    rank = np.empty(len(present) + 1, dtype=np.int64)
    rank[order] = np.arange(len(present))
    rank[-1] = len(present)  # factorize codes a missing value as -1
    names: list[str | None] = [str(present[position]) for position in order]
    return Groups(rank[codes], names + [None] * bool((codes < 0).any()))


def _cluster_number(codes: IntArray) -> int:
    """Return the number of clusters; a case that shares none is one."""
    return int(codes.max(initial=-1)) + 1 + int(np.sum(codes < 0))
