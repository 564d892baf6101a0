"""The scored rows as arrays: what every check of this pillar starts from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    import raikit

    FloatArray = NDArray[np.float64]
    IntArray = NDArray[np.int64]
    BoolArray = NDArray[np.bool_]


@dataclass(frozen=True)
class Rows:
    """Rows of the audited split.

    Parameters
    ----------
    truth, prediction : ndarray, shape (n,)
        Positions in `classes`; the numbers themselves for regression.
    scores : ndarray, shape (n, k), or None
        Probability of each class.
    weight : ndarray, shape (n,), or None
    clusters : sequence of ndarray of int, each shape (n,)
        At most two columns.
    classes : sequence
    level : float
        Level of every interval.
    """

    truth: Any
    prediction: Any
    scores: FloatArray | None
    weight: FloatArray | None
    clusters: Sequence[IntArray]
    classes: Sequence[Any]
    level: float

    @property
    def n(self) -> int:
        """Number of rows."""
        return len(self.truth)

    def clusters_of(self, rows: BoolArray) -> list[IntArray]:
        """Cluster columns of some rows."""
        return [column[rows] for column in self.clusters]

    def weight_of(self, rows: BoolArray) -> FloatArray | None:
        """Weights of some rows, if there are any."""
        return None if self.weight is None else self.weight[rows]


def rows_of(ctx: raikit.CheckContext) -> Rows:
    """Read what this pillar needs of the audited split, and no other column."""
    import numpy as np

    numeric = ctx.task == "regression"
    scored = [] if numeric else _score_columns(ctx)
    wanted = dict.fromkeys(["target", "prediction", *scored, *ctx.cluster, *([ctx.weight] if ctx.weight else [])])
    frame = ctx.predictions.frame(list(wanted))
    truth, prediction = frame["target"], frame["prediction"]
    scores = None
    if scored:
        scores = frame[scored].to_numpy(dtype=float)
        scores = np.column_stack([1 - scores[:, 0], scores[:, 0]]) if ctx.task == "binary" else scores
    return Rows(
        truth=truth.to_numpy(dtype=float) if numeric else _positions(truth, ctx.classes),
        prediction=prediction.to_numpy(dtype=float) if numeric else _positions(prediction, ctx.classes),
        scores=scores,
        weight=frame[ctx.weight].to_numpy(dtype=float) if ctx.weight else None,
        clusters=_cluster_codes(frame, ctx.cluster),
        classes=list(ctx.classes),
        level=ctx.confidence,
    )


def _score_columns(ctx: raikit.CheckContext) -> list[str]:
    columns = ["score"] if ctx.task == "binary" else [f"score.{label}" for label in ctx.classes]
    return columns if set(columns) <= set(ctx.predictions.columns) else []


def _positions(values: Any, classes: Sequence[Any]) -> IntArray:
    import numpy as np
    import pandas as pd

    found = pd.Index(list(classes)).get_indexer(pd.Index(values))
    if (found < 0).any():
        row = int(np.flatnonzero(found < 0)[0])
        raise ValueError(f"{values.iloc[row]!r} in column {values.name!r} is none of the classes {list(classes)!r}")
    return np.asarray(found, dtype=np.int64)


def _cluster_codes(frame: Any, columns: Sequence[str]) -> list[IntArray]:
    """Integers for clusters, -1 for a row that shares none. Of more than two columns the coarsest two."""
    import pandas as pd

    coded = [pd.factorize(frame[column])[0].astype("int64") for column in columns]
    return sorted(coded, key=lambda codes: int(codes.max(initial=-1)))[:2] if len(coded) > 2 else coded
