"""Which rows are explained: a stratified sample to measure on, and a few that are shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

if TYPE_CHECKING:
    import raikit

Positions = npt.NDArray[np.int64]
_LEAST = 4  # rows of a stratum, if it has so many


@dataclass(frozen=True)
class Sample:
    """Rows drawn from the audited split.

    Attributes
    ----------
    frame : DataFrame
        Their predictions, with ``right`` (bool; for regression whether the error is below the median).
    weight : ndarray, shape (n,), or None
        Rows each stands for, times its sampling weight; None if all stand for equally many.
    clusters : list of ndarray of int
    population : int
        Rows of the split.
    """

    frame: pd.DataFrame
    weight: npt.NDArray[np.float64] | None
    clusters: list[npt.NDArray[np.int64]]
    population: int


def with_outcome(ctx: raikit.CheckContext) -> pd.DataFrame:
    """The predictions of the audited split with ``right``, ``sure`` and ``margin``.

    ``sure`` is the probability of the decided class, ``margin`` how far the decision was from being another one;
    for regression both follow the absolute error.
    """
    frame = ctx.predictions.frame()
    if ctx.task == "regression":
        error = (frame["prediction"] - frame["target"]).abs()
        return frame.assign(right=error <= error.median(), sure=error, margin=(error - error.median()).abs())
    frame = frame.assign(right=frame["prediction"].astype(str) == frame["target"].astype(str))
    if ctx.task == "binary":
        positive = frame["prediction"].astype(str) == str(ctx.positive)
        score = frame["score"]
        threshold = _between(score[~positive].max(), score[positive].min())
        return frame.assign(sure=score.where(positive, 1 - score), margin=(score - threshold).abs())
    scores = np.sort(frame[[f"score.{label}" for label in ctx.classes]].to_numpy(dtype=float), axis=1)
    return frame.assign(sure=scores[:, -1], margin=scores[:, -1] - scores[:, -2])


def _between(below: float, above: float) -> float:
    """The threshold lies between the highest score decided against and the lowest decided for."""
    known = [value for value in (below, above) if value == value]
    return float(np.mean(known)) if known else 0.5


def draw(frame: pd.DataFrame, ctx: raikit.CheckContext, rows: int, rng: np.random.Generator) -> Sample:
    """Draw `rows` rows, at least a few of each kind: decided class by right or wrong; regression: fourth of the values.

    The means are of the whole split: a row is weighted by how many of its kind it stands for.
    """
    if rows >= len(frame):
        taken, stands_for = np.arange(len(frame)), np.ones(len(frame))
    else:
        taken, stands_for = _stratified(_strata(frame, ctx, rows), rows, rng)
    kept = frame.iloc[taken].reset_index(drop=True)
    if ctx.weight:
        stands_for = stands_for * kept[ctx.weight].to_numpy(dtype=float)
    even = bool(np.allclose(stands_for, stands_for[0])) if len(kept) else True
    clusters = [cluster_codes(kept[column]) for column in ctx.cluster[:2]]
    return Sample(kept, None if even else stands_for, clusters, len(frame))


def _strata(frame: pd.DataFrame, ctx: raikit.CheckContext, rows: int) -> Positions:
    if ctx.task == "regression":
        kinds = pd.qcut(frame["prediction"].rank(method="first"), min(4, len(frame)), labels=False)
    else:
        kinds = frame["prediction"].astype(str) + frame["right"].map({True: " right", False: " wrong"})
        if kinds.nunique() * _LEAST > rows:
            kinds = frame["right"]
    return np.asarray(pd.factorize(kinds)[0], dtype=np.int64)


def _stratified(strata: Positions, rows: int, rng: np.random.Generator) -> tuple[Positions, npt.NDArray[np.float64]]:
    sizes = np.bincount(strata)
    quota = allocate(sizes, rows)
    taken = np.concatenate([np.sort(rng.permutation(np.flatnonzero(strata == kind))[: quota[kind]])
                            for kind in range(len(sizes))])
    return taken, (sizes / quota)[strata[taken]]


def allocate(sizes: Positions, rows: int) -> Positions:
    """Divide `rows` over strata in proportion to their sizes, but give each a few.

    Examples
    --------
    >>> allocate(np.array([900, 95, 5]), 100).tolist()
    [84, 12, 4]
    """
    least = np.minimum(sizes, min(_LEAST, max(rows // len(sizes), 1)))
    rest = sizes - least
    exact = max(rows - int(least.sum()), 0) * rest / max(int(rest.sum()), 1)
    quota = least + np.floor(exact).astype(np.int64)
    open_rows = max(rows - int(quota.sum()), 0)
    quota[np.argsort(-(exact - np.floor(exact)), kind="stable")[:open_rows]] += 1
    return np.asarray(np.minimum(quota, sizes))


def cluster_codes(values: pd.Series[Any]) -> npt.NDArray[np.int64]:
    """Numbers of clusters; a row without one is a cluster of its own."""
    codes = np.asarray(pd.factorize(values)[0], dtype=np.int64)
    missing = codes < 0
    codes[missing] = codes.max(initial=-1) + 1 + np.arange(int(missing.sum()))
    return codes


def pick(frame: pd.DataFrame, ctx: raikit.CheckContext, count: int) -> pd.DataFrame:
    """Rows to be shown: the surest wrong, the surest right, the nearest to another decision; ``kind`` says which.

    Of the sure ones one of each decided class in turn; no two rows of one cluster, if that can be.
    """
    used: set[tuple[str, Any]] = set()
    parts = []
    for number, (kind, ranked) in enumerate(_ranked(frame, ctx.task)):
        wanted = (count + 2 - number) // 3
        chosen = _apart(ranked, ctx.cluster, wanted, used)
        parts.append(chosen.assign(kind=kind))
    shown = pd.concat(parts)
    return shown[~shown["id"].duplicated()].reset_index(drop=True)


def _ranked(frame: pd.DataFrame, task: str) -> list[tuple[str, pd.DataFrame]]:
    near = frame.sort_values("margin", kind="stable")
    if task == "regression":
        ranked = frame.sort_values("sure", kind="stable")
        return [("Largest error", ranked[::-1]), ("Smallest error", ranked), ("Median error", near)]

    def by_class(rows: pd.DataFrame) -> pd.DataFrame:
        rows = rows.sort_values("sure", ascending=False, kind="stable")
        turn = rows.groupby("prediction", sort=False).cumcount()
        return rows.assign(turn=turn).sort_values(["turn", "sure"], ascending=[True, False], kind="stable")

    return [("Sure and wrong", by_class(frame[~frame["right"]])),
            ("Sure and right", by_class(frame[frame["right"]])), ("Nearly undecided", near)]


def _apart(ranked: pd.DataFrame, clusters: Sequence[str], wanted: int, used: set[tuple[str, Any]]) -> pd.DataFrame:
    """The first `wanted` rows that share no cluster with those chosen before; if there are too few, any."""
    chosen: list[int] = []
    head = ranked.head(2000)
    for position, row in enumerate(head[list(clusters)].itertuples(index=False, name=None)):
        if len(chosen) == wanted:
            break
        own = {(column, value) for column, value in zip(clusters, row, strict=True) if not pd.isna(value)}
        if not own & used:
            chosen.append(position)
            used |= own
    chosen += [position for position in range(len(head)) if position not in chosen][: wanted - len(chosen)]
    return head.iloc[chosen]
