"""The audited cases, counted in cells of equal truth, prediction and groups; single cases where scores are needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar

import numpy as np
import pandas as pd

import raikit
from raikit.arrays import (
    BoolArray,
    FloatArray,
    Groups,
    IntArray,
    class_positions,
    cluster_codes,
    group_codes,
    score_columns,
)
from raikit_fairness.estimates.features import Feature, build_features, cross, without_missing

T = TypeVar("T")


@dataclass(frozen=True)
class Cells:
    """Truth and prediction of m cells of like cases, or of m single cases.

    Parameters
    ----------
    truth, prediction : ndarray, shape (m,)
        Positions in the classes; the numbers themselves for regression. `truth` is 0 where there is no target, and then
        no measure that reads it may be estimated (`measures.WITHOUT_TRUTH`).
    n : ndarray of int, shape (m,)
        Cases of each cell.
    w, w2 : ndarray, shape (m,)
        Sums of weights and of squared weights.
    clusters : list of ndarray of int, each of shape (m,)
        At most two columns. -1 shares a cluster with no other case.
    cluster_names : list of str
    weighted : bool
        Whether cases have sampling weights.
    features : list of Feature
    control : Feature or None
        The feature within whose groups the others are compared (conditional parity).
    scores : ndarray, shape (m,) or (m, k), or None
        Probability of the positive class, or of every class.
    ranks : ndarray of int, shaped as `scores`
        Dense ranks of the scores, so that sorting is done once for all groups.
    units : Units or None
        Numbers of the combinations of the cluster columns, where they were made.
    """

    truth: Any
    prediction: Any
    n: IntArray
    w: FloatArray
    w2: FloatArray
    clusters: list[IntArray]
    cluster_names: list[str]
    weighted: bool
    features: list[Feature] = field(default_factory=list)
    control: Feature | None = None
    scores: FloatArray | None = None
    ranks: IntArray | None = None
    units: Units | None = None
    computed: dict[Any, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.n)

    def of_compared(self) -> Cells:
        """Return the cells with features whose groups are all compared: those that are only shown are left out."""
        return replace(self, features=[feature.of_compared() for feature in self.features])

    def within_control(self, group: int) -> Cells:
        """Return the cells of one control group, with the features among them."""
        assert self.control is not None
        cells = self.control.code == group
        return replace(self.take(cells), features=[feature.within(cells) for feature in self.features])

    def once(self, key: Any, compute: Callable[[Cells], T]) -> T:
        """Return what `compute` makes of these cells; it is computed once for each `key`."""
        if key not in self.computed:
            self.computed[key] = compute(self)
        value: T = self.computed[key]
        return value

    def take(self, cells: IntArray | BoolArray | slice) -> Cells:
        """Return the cells at a mask, at positions or in a slice (as views), without features."""
        w = taken(self.w, cells)
        return replace(
            self,
            truth=self.truth[cells],
            prediction=self.prediction[cells],
            n=taken(self.n, cells),
            w=w,
            w2=w if not self.weighted else taken(self.w2, cells),
            clusters=[codes[cells] for codes in self.clusters],
            features=[],
            control=None,
            scores=None if self.scores is None else self.scores[cells],
            ranks=None if self.ranks is None else self.ranks[cells],
            units=None if self.units is None else self.units.take(cells),
        )

    def masked(self, cells: BoolArray) -> Cells:
        """Return all cells, of which only those at a mask have cases and weights; the others count for nothing."""
        w = self.w * cells
        return replace(
            self, n=self.n * cells, w=w, w2=w if not self.weighted else self.w2 * cells, features=[], control=None
        )


@dataclass(frozen=True)
class Units:
    """The combinations of the cluster columns that occur.

    Parameters
    ----------
    code : ndarray of int, shape (m,)
        Unit of each cell.
    clusters : list of ndarray of int, each of shape (units,)
        Cluster of each unit in each column; -1 shares none.
    """

    code: IntArray
    clusters: list[IntArray]

    @property
    def k(self) -> int:
        """Return the number of units."""
        return len(self.clusters[0])

    def take(self, cells: IntArray | BoolArray | slice) -> Units:
        """Return the units of the cells at a mask, at positions or in a slice."""
        return Units(self.code[cells], self.clusters)


def cluster_units(clusters: Sequence[IntArray]) -> Units | None:
    """Assign numbers to the combinations of one or two cluster columns; a case without a cluster has its own. None: no column."""
    if not clusters:
        return None
    sizes = [int(codes.max(initial=-1)) + 1 for codes in clusters]
    alone = np.any([codes < 0 for codes in clusters], axis=0)
    if len(clusters) == 1:
        units, code = [np.arange(sizes[0])], clusters[0]
    else:
        pairs, code = np.unique(clusters[0] * sizes[1] + clusters[1], return_inverse=True)
        units, code = [pairs // max(sizes[1], 1), pairs % max(sizes[1], 1)], code.reshape(-1)
    if alone.any():
        code = np.where(alone, len(units[0]) + np.cumsum(alone) - 1, code)
        units = [np.append(column, codes[alone]) for column, codes in zip(units, clusters, strict=True)]
    return Units(code, units)


def taken(values: Any, cells: IntArray | BoolArray | slice) -> Any:
    """Return entries of an array; of one that repeats a single number (weights of 1), without copying it."""
    if values.strides != (0,) or isinstance(cells, slice):
        return values[cells]
    return values[: int(cells.sum()) if cells.dtype == bool else len(cells)]


def has_scores(ctx: raikit.CheckContext) -> bool:
    """Return whether the predictions hold the probability of every class."""
    return bool(score_columns(ctx.task, ctx.classes, ctx.predictions.columns))


def has_truth(ctx: raikit.CheckContext) -> bool:
    """Return whether the predictions hold the target."""
    return "target" in ctx.predictions.columns


def labelled(ctx: raikit.CheckContext) -> list[str]:
    """Return the columns of labels: the prediction, and the target if it is known."""
    return ["target", "prediction"] if has_truth(ctx) else ["prediction"]


def count_cells(ctx: raikit.CheckContext, intersections: int, max_groups: int, control: Sequence[str] = ()) -> Cells:
    """Count the audited split out of core, and code its groups.

    For regression it returns single cases, because no two errors are alike.

    Parameters
    ----------
    ctx : CheckContext
    intersections : int
        Most sensitive columns in one intersection.
    max_groups : int
    control : sequence of str
        Sensitive columns to compare within, not over.

    Raises
    ------
    DataError
        If a single feature has more than `max_groups` groups; names it.
    """
    if ctx.task == "regression":
        return read_cases(ctx, intersections, max_groups, control)
    columns = list(dict.fromkeys([*ctx.sensitive, *labelled(ctx), *ctx.cluster]))
    frame = ctx.predictions.cells(columns, weight=ctx.weight)
    # The counts are read by position, because a sensitive column may be called n.
    counts = [frame.iloc[:, position].to_numpy() for position in range(len(columns), frame.shape[1])]
    n = counts[0].astype(np.int64)
    w, w2 = (part.astype(float) for part in (counts[1:] if ctx.weight else (n, n)))
    return cells_of_frame(ctx, frame, (n, w, w2), intersections, max_groups, control)


def read_cases(
    ctx: raikit.CheckContext,
    intersections: int,
    max_groups: int,
    control: Sequence[str] = (),
    split: str | None = None,
) -> Cells:
    """Read the cases of a split (absent: the audited one) with their scores, coded as `count_cells` does."""
    scored = score_columns(ctx.task, ctx.classes, ctx.predictions.columns)
    columns = [*ctx.sensitive, *labelled(ctx), *ctx.cluster, *([ctx.weight] if ctx.weight else []), *scored]
    frame = ctx.predictions.frame(list(dict.fromkeys(columns)), split)
    n, ones = np.broadcast_to(1, len(frame)), np.broadcast_to(1.0, len(frame))
    w = frame[ctx.weight].to_numpy(dtype=float) if ctx.weight else ones
    return cells_of_frame(ctx, frame, (n, w, w**2 if ctx.weight else ones), intersections, max_groups, control)


class Roles(Protocol):
    """Task and roles of columns, as a check's context and a record's data have them."""

    @property
    def task(self) -> str:
        """Return the task."""

    @property
    def classes(self) -> Sequence[Any]:
        """Return the labels."""

    @property
    def sensitive(self) -> Sequence[str]:
        """Return the sensitive columns."""

    @property
    def cluster(self) -> Sequence[str]:
        """Return the cluster columns."""

    @property
    def weight(self) -> str | None:
        """Return the column of sampling weights."""

    @property
    def missing_group(self) -> Mapping[str, str]:
        """Return by column what the missing group is: ``show`` or ``leave_out``; of other columns it is compared."""


def cells_of_frame(
    ctx: Roles,
    frame: pd.DataFrame,
    counts: tuple[IntArray, FloatArray, FloatArray],
    intersections: int,
    max_groups: int,
    control: Sequence[str],
) -> Cells:
    """Code a frame with the columns of ``predictions.parquet``; `counts` are cases, weights and squared weights of its rows."""
    numeric = ctx.task == "regression"
    known = "target" in frame
    prediction, truth = (
        frame[column].to_numpy(dtype=float) if numeric else class_positions(frame[column], ctx.classes)
        for column in ("prediction", "target" if known else "prediction")
    )
    if not known:
        truth = np.zeros_like(truth)
    clusters, cluster_names = cluster_codes(frame, ctx.cluster)
    coded = {column: group_codes(frame[column]) for column in ctx.sensitive}
    controls = [_to_compare_within(coded.pop(column), ctx.missing_group.get(column)) for column in control]
    scored = score_columns(ctx.task, ctx.classes, frame.columns)
    scores = frame[scored].to_numpy(dtype=float) if scored else None
    if scores is not None and ctx.task == "binary":
        scores = scores[:, 0]
    return Cells(
        truth,
        prediction,
        *counts,
        clusters,
        cluster_names,
        ctx.weight is not None,
        build_features(coded, intersections, max_groups, ctx.missing_group),
        cross(tuple(control), controls, max_groups) if controls else None,
        scores,
        dense_ranks(scores),
    )


def _to_compare_within(groups: Groups, missing: str | None) -> Groups:
    return without_missing(groups) if missing == "leave_out" else groups


def dense_ranks(scores: FloatArray | None) -> IntArray | None:
    """Return dense ranks of the scores, column by column; ties are equal."""
    if scores is None:
        return None
    if scores.ndim > 1:
        return np.column_stack([np.unique(column, return_inverse=True)[1] for column in scores.T]).astype(np.int64)
    if ascends(scores):
        return np.concatenate([[0], np.cumsum(scores[1:] != scores[:-1])])[: len(scores)]
    return np.asarray(np.unique(scores, return_inverse=True)[1], dtype=np.int64).reshape(-1)


def ascends(values: FloatArray | IntArray) -> bool:
    """Return whether values are sorted."""
    return bool((values[1:] >= values[:-1]).all())
