"""For a case, the most alike one of which something else was decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

import raikit
from raikit.arrays import FloatArray, IntArray

_MOST_CANDIDATES = 5000


@dataclass(frozen=True)
class Opposite:
    """A case and its nearest opposite.

    Attributes
    ----------
    case, other : mapping
        Rows of the predictions and of the inputs' columns.
    distance : float
        From 0 (the inputs are the same) to 1.
    differs : list of (column, value, other value)
        Columns of tables in which the two differ, those that add most to the distance first.
    same_texts : bool
        Whether they have the same words.
    """

    case: Mapping[str, Any]
    other: Mapping[str, Any]
    distance: float
    differs: list[tuple[str, Any, Any]]
    same_texts: bool = True


def nearest_opposites(ctx: raikit.CheckContext, number: int, rng: np.random.Generator) -> list[Opposite]:
    """Return the nearest opposites of randomly drawn cases of the audited split, at most one for each case of another decision.

    The distance is the mean over columns of Gower's [1]_: numbers by their difference in parts of the range, others 0 if they are
    alike. A text counts as one column, by the share of words that only one of two texts has (Jaccard).

    References
    ----------
    .. [1] Gower, "A general coefficient of similarity and some of its properties", Biometrics 1971.
    """
    table, columns, texts = _inputs(ctx)
    if not columns and not texts:
        return []
    frame = ctx.predictions.frame()
    decided = frame["prediction"].astype(str).to_numpy()
    candidates = np.sort(rng.permutation(len(frame))[:_MOST_CANDIDATES])
    found = []
    for at in rng.permutation(len(frame))[:number].tolist():
        others = candidates[decided[candidates] != decided[at]]
        if not len(others):
            continue
        apart = np.column_stack([*(_apart(table[name], at, others) for name in columns),
                                 *(_words_apart(table[name], at, others) for name in texts)])
        distances = apart.mean(axis=1)
        best = int(distances.argmin())
        other = int(others[best])
        order = [int(one) for one in np.argsort(-apart[best, : len(columns)], kind="stable") if apart[best, one] > 0]
        rows: list[dict[str, Any]] = [
            {str(name): value for half in (frame, table) for name, value in half.iloc[place].items()} for place in (at, other)]
        differs = [(columns[one], rows[0][columns[one]], rows[1][columns[one]]) for one in order]
        found.append(Opposite(rows[0], rows[1], float(distances[best]), differs, not apart[best, len(columns):].any()))
    return found


def _inputs(ctx: raikit.CheckContext) -> tuple[pd.DataFrame, list[str], list[str]]:
    """Return the columns of tables and texts of the audited split, in the order of the predictions."""
    assert ctx.data is not None
    inputs = getattr(ctx.data, "inputs", {})
    columns = [name for item in inputs.values() if item.modality == "tabular" for name in item.columns]
    texts = [item.columns[0] for item in inputs.values() if item.modality == "text"]
    return in_order(ctx, [*columns, *texts]), columns, texts


def in_order(ctx: raikit.CheckContext, columns: Sequence[str]) -> pd.DataFrame:
    """Return columns of the audited split in the order of the predictions; by roles, because a redacted run has ids of its own."""
    assert ctx.data is not None
    split = ctx.predictions.split
    roles = ctx.data.roles
    ids = pd.Index(roles.loc[roles["split"] == split, "id"])
    places = ids.get_indexer(pd.Index(ctx.predictions.frame(["id"])["id"]))
    ordered: pd.DataFrame = ctx.data.frame(list(columns), split).iloc[places].reset_index(drop=True)
    return ordered


def _apart(values: pd.Series[Any], at: int, others: IntArray) -> FloatArray:
    one, rest = values.iloc[at], values.iloc[others]
    if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
        numbers = values.astype(float)
        span = float(numbers.max() - numbers.min()) or 1.0
        apart = np.abs(rest.astype(float).to_numpy() - float(one)) / span
        both = rest.isna().to_numpy() & bool(pd.isna(one))
        return np.where(both, 0.0, np.nan_to_num(apart, nan=1.0))
    return np.array([float(not (pd.isna(one) and pd.isna(value)) and value != one) for value in rest])


def _words_apart(values: pd.Series[Any], at: int, others: IntArray) -> FloatArray:
    def words(text: Any) -> set[str]:
        return set() if text is None or (isinstance(text, float) and np.isnan(text)) else set(str(text).casefold().split())

    own = words(values.iloc[at])
    apart = []
    for text in values.iloc[others]:
        there = words(text)
        apart.append(1 - len(own & there) / len(own | there) if own | there else 0.0)
    return np.array(apart)
