"""Pairs of cases with the same true class from two groups, to be drawn side by side."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

import raikit
from raikit.format import group_label

_LEAST = 30  # cases of a group and class; the rate of fewer says little about who is served worse


def choose_pairs(frame: pd.DataFrame, ctx: raikit.CheckContext, count: int) -> pd.DataFrame:
    """Choose pairs: a wrong decision about the worse served of two groups, a right one about the better served.

    Parameters
    ----------
    frame : DataFrame
        From `raikit_explain.estimates.sampling.with_outcome`.
    ctx : CheckContext
    count : int
        Most pairs; each is of another sensitive column, while there are any.

    Returns
    -------
    DataFrame
        Two consecutive rows a pair, with ``kind`` in words. The true class is the one whose accuracies differ most between groups
        of at least 30 cases, and both decisions are the surest. Empty for regression, and without sensitive columns.
    """
    if ctx.task == "regression" or not count:
        return frame.head(0).assign(kind="")
    pairs = sorted((pair for column in ctx.sensitive for pair in _pairs(frame, column)), key=lambda pair: -pair[0])
    best = {column: (worse, better) for _, column, worse, better in reversed(pairs)}
    parts: list[pd.DataFrame] = []
    for column in dict.fromkeys(column for _, column, *_ in pairs):
        for position in best[column]:
            case = frame.iloc[[position]]
            parts.append(case.assign(kind=f"Same truth, {_label(column, case[column].iloc[0])}"))
    return pd.concat(parts[: 2 * count]) if parts else frame.head(0).assign(kind="")


def _pairs(frame: pd.DataFrame, column: str) -> Iterator[tuple[float, str, int, int]]:
    """Yield the difference in accuracy, the column, and the positions of both cases, for each true class."""
    positions = frame.reset_index(drop=True)
    for _, cases in positions.groupby("target", observed=True, sort=True):
        groups = cases.groupby(column, observed=True, dropna=False, sort=True)["right"].agg(["mean", "size"])
        groups = groups[groups["size"] >= _LEAST]
        if len(groups) < 2:
            continue
        accuracy = groups["mean"].to_numpy()
        worst, best = int(accuracy.argmin()), int(accuracy.argmax())
        wrong = cases[_of(cases[column], groups.index[worst]) & ~cases["right"]]
        right = cases[_of(cases[column], groups.index[best]) & cases["right"]]
        if accuracy[best] > accuracy[worst] and len(wrong) and len(right):
            worse, better = (part.index.to_numpy()[part["sure"].to_numpy().argmax()] for part in (wrong, right))
            yield float(accuracy[best] - accuracy[worst]), column, int(worse), int(better)


def _of(values: pd.Series[Any], group: Any) -> pd.Series[bool]:
    return values.isna() if pd.isna(group) else values == group


def _label(column: str, value: Any) -> str:
    return group_label({column: None if pd.isna(value) else value})
