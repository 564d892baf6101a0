"""Which cases are explained: a stratified sample to measure on, and a few examples to draw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

import raikit
from raikit.arrays import FloatArray, IntArray, cluster_codes, score_columns
from raikit_explain.estimates.pairs import choose_pairs

_MIN_STRATUM = 4  # cases drawn from a stratum, if it has as many
_MAX_CANDIDATES = 2000  # examples are chosen among the first of each ranking


@dataclass(frozen=True)
class Sample:
    """Cases drawn from the audited split.

    Attributes
    ----------
    frame : DataFrame
        Their predictions, with ``right`` (bool; for regression whether the error is below the median).
    weight : ndarray, shape (n,), or None
        Cases that each represents, times its sampling weight; None if all represent equally many.
    clusters : list of ndarray of int
        At most two columns, those with the fewest clusters; a case with a negative code shares no cluster.
    population : int
        Cases of the split.
    """

    frame: pd.DataFrame
    weight: FloatArray | None
    clusters: list[IntArray]
    population: int


def with_outcome(ctx: raikit.CheckContext) -> pd.DataFrame:
    """Return the predictions of the audited split with ``right``, ``sure`` and ``margin``.

    ``sure`` is the probability of the decided class, ``margin`` the distance to another decision. For regression both
    follow from the absolute error.
    """
    frame = with_right(ctx)
    if ctx.task == "regression":
        error = (frame["prediction"] - frame["target"]).abs()
        return frame.assign(sure=error, margin=(error - error.median()).abs())
    if ctx.task == "binary":
        positive = frame["prediction"].astype(str) == str(ctx.positive)
        score = frame["score"]
        threshold = _threshold(score[~positive].max(), score[positive].min())
        return frame.assign(sure=score.where(positive, 1 - score), margin=(score - threshold).abs())
    scores = np.sort(frame[score_columns(ctx.task, ctx.classes, frame.columns)].to_numpy(dtype=float), axis=1)
    return frame.assign(sure=scores[:, -1], margin=scores[:, -1] - scores[:, -2])


def with_right(ctx: raikit.CheckContext) -> pd.DataFrame:
    """Return the predictions of the audited split with ``right``; for regression whether the error is at most the median."""
    frame = ctx.predictions.frame()
    if ctx.task == "regression":
        error = (frame["prediction"] - frame["target"]).abs()
        return frame.assign(right=error <= error.median())
    return frame.assign(right=frame["prediction"].astype(str) == frame["target"].astype(str))


def _threshold(below: float, above: float) -> float:
    """Estimate the threshold from the highest score decided against and the lowest decided for; either may be NaN."""
    ends = [value for value in (below, above) if value == value]
    return float(np.mean(ends)) if ends else 0.5


def draw(frame: pd.DataFrame, ctx: raikit.CheckContext, rows: int, rng: np.random.Generator) -> Sample:
    """Draw `rows` cases, at least a few of each stratum: decided class by right or wrong; for regression quarters.

    Weights make means those of the whole split: a case counts as the number of cases of its stratum that it represents.
    """
    if rows >= len(frame):
        positions, weight = np.arange(len(frame)), np.ones(len(frame))
    else:
        positions, weight = _draw_from_strata(_strata(frame, ctx, rows), rows, rng)
    return _sample(frame, ctx, positions, weight)


def draw_evenly(frame: pd.DataFrame, ctx: raikit.CheckContext, rows: int, rng: np.random.Generator) -> Sample:
    """Draw `rows` cases that are all equally likely, so that shares of them have exact limits (without sampling weights)."""
    positions = np.sort(rng.permutation(len(frame))[:rows])
    return _sample(frame, ctx, positions, np.ones(len(positions)))


def _sample(frame: pd.DataFrame, ctx: raikit.CheckContext, positions: IntArray, weight: FloatArray) -> Sample:
    sample = frame.iloc[positions].reset_index(drop=True)
    if ctx.weight:
        weight = weight * sample[ctx.weight].to_numpy(dtype=float)
    even = bool(np.allclose(weight, weight[0])) if len(sample) else True
    clusters, _ = cluster_codes(sample, ctx.cluster)
    return Sample(sample, None if even else weight, clusters, len(frame))


def _strata(frame: pd.DataFrame, ctx: raikit.CheckContext, rows: int) -> IntArray:
    """Code the stratum of each case; strata are merged if `rows` cases cannot represent them all."""
    if ctx.task == "regression":
        strata = pd.qcut(frame["prediction"].rank(method="first"), min(4, len(frame)), labels=False)
    else:
        strata = frame["prediction"].astype(str) + frame["right"].map({True: " right", False: " wrong"})
        if strata.nunique() * _MIN_STRATUM > rows:
            strata = frame["right"]
    return np.asarray(pd.factorize(strata)[0], dtype=np.int64)


def _draw_from_strata(strata: IntArray, rows: int, rng: np.random.Generator) -> tuple[IntArray, FloatArray]:
    """Draw positions, and return with each the number of cases that it represents."""
    sizes = np.bincount(strata)
    quota = allocate(sizes, rows)
    positions = np.concatenate([np.sort(rng.permutation(np.flatnonzero(strata == stratum))[: quota[stratum]])
                                for stratum in range(len(sizes))])
    return positions, (sizes / quota)[strata[positions]]


def allocate(sizes: IntArray, rows: int) -> IntArray:
    """Divide `rows` among strata in proportion to their sizes, but give each a few.

    Examples
    --------
    >>> allocate(np.array([900, 95, 5]), 100).tolist()
    [84, 12, 4]
    """
    minimum = np.minimum(sizes, min(_MIN_STRATUM, max(rows // len(sizes), 1)))
    rest = sizes - minimum
    exact = max(rows - int(minimum.sum()), 0) * rest / max(int(rest.sum()), 1)
    quota = minimum + np.floor(exact).astype(np.int64)
    remaining = max(rows - int(quota.sum()), 0)
    quota[np.argsort(-(exact - np.floor(exact)), kind="stable")[:remaining]] += 1
    return np.asarray(np.minimum(quota, sizes))


def choose_examples(frame: pd.DataFrame, ctx: raikit.CheckContext, count: int) -> pd.DataFrame:
    """Choose examples: the surest wrong, the surest right, those nearest to another decision, and pairs, as ``kind`` says.

    Among the sure ones the decided classes take turns. No two examples share a cluster, where possible. Of six examples, two
    are a pair from different groups (`raikit_explain.estimates.pairs`).
    """
    used: set[tuple[str, Any]] = set()
    pairs = choose_pairs(frame, ctx, count // 6)
    count -= len(pairs)
    parts = []
    for number, (kind, ranking) in enumerate(_rankings(frame[~frame["id"].isin(pairs["id"])], ctx.task)):
        examples = _first_of_other_clusters(ranking, ctx.cluster, (count + 2 - number) // 3, used)
        parts.append(examples.assign(kind=kind))
    single = pd.concat(parts)
    # The page opens the first example; behind it, two by two, a pair stands side by side.
    chosen = pd.concat([single.head(1), pairs, single.iloc[1:]])
    return chosen[~chosen["id"].duplicated()].reset_index(drop=True)


def _rankings(frame: pd.DataFrame, task: str) -> list[tuple[str, pd.DataFrame]]:
    """Return the cases in the order of each kind of example."""
    near = frame.sort_values("margin", kind="stable")
    if task == "regression":
        by_error = frame.sort_values("sure", kind="stable")
        return [("Largest error", by_error[::-1]), ("Smallest error", by_error), ("Median error", near)]

    def by_class(cases: pd.DataFrame) -> pd.DataFrame:
        cases = cases.sort_values("sure", ascending=False, kind="stable")
        turn = cases.groupby("prediction", sort=False).cumcount()
        return cases.assign(turn=turn).sort_values(["turn", "sure"], ascending=[True, False], kind="stable")

    return [("Sure and wrong", by_class(frame[~frame["right"]])),
            ("Sure and right", by_class(frame[frame["right"]])), ("Nearly undecided", near)]


def _first_of_other_clusters(
    ranking: pd.DataFrame, clusters: Sequence[str], count: int, used: set[tuple[str, Any]]
) -> pd.DataFrame:
    """Return the first `count` cases without a cluster in `used`, to which theirs are added; if too few, the first ones."""
    chosen: list[int] = []
    head = ranking.head(_MAX_CANDIDATES)
    for position, names in enumerate(head[list(clusters)].itertuples(index=False, name=None)):
        if len(chosen) == count:
            break
        own = {(column, value) for column, value in zip(clusters, names, strict=True) if not pd.isna(value)}
        if not own & used:
            chosen.append(position)
            used |= own
    chosen += [position for position in range(len(head)) if position not in chosen][: count - len(chosen)]
    return head.iloc[chosen]
