"""The worst mistakes, one case a row, so that people can look at what a model gets wrong and for whom."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

import raikit
from raikit.arrays import FloatArray, IntArray, arrays_from_frame
from raikit.format import capitalised, case_noun, class_text, column_text, value_text

TABLE = "mistakes"
_MOST_CASES = 200_000  # of more, reading the ids alone takes longer than the other measurements of the check
_MOST_ROWS = 200
_OF_EACH_GROUP = 10
_LONGEST = 300


def mistakes_table(ctx: raikit.CheckContext) -> list[raikit.Table]:
    """Return the worst mistakes over all cases and of each group; nothing where cases must not be shown or are too many.

    A wrong class is the worse the less probable the model took the true one; without probabilities the order is that of the
    data. A number is the worse the farther it is off.
    """
    if ctx.redact or ctx.predictions.size() > _MOST_CASES:
        return []
    frame = ctx.predictions.frame()
    badness = _badness(arrays_from_frame(frame, ctx.task, ctx.classes))
    chosen = _choose(badness, [frame[column] for column in ctx.sensitive])
    if not len(chosen):
        return []
    inputs = _inputs(ctx, chosen)
    names = ["case", "truth", "prediction", "badness", *(f"group:{column}" for column in ctx.sensitive), *inputs.columns]
    columns = [_column(ctx, name) for name in names]
    rows = [_row(ctx, frame, badness, inputs, at, place) for place, at in enumerate(chosen)]
    total = int((badness > 0).sum())
    note = f"{len(rows)} of {total} mistakes: the worst over all {case_noun()} and of each group."
    return [raikit.Table(id=TABLE, title="Worst mistakes", columns=columns, rows=rows, note=note)]


def _badness(cases: raikit.Arrays) -> FloatArray:
    """Return how bad each mistake is, 0 where there is none: the probability that is lacking, or the distance."""
    if not cases.classes:
        distance: FloatArray = np.abs(cases.prediction - cases.truth)
        return distance
    wrong = cases.truth != cases.prediction
    lacking = np.ones(len(cases)) if cases.scores is None else 1.0 - cases.scores[np.arange(len(cases)), cases.truth]
    return np.where(wrong, np.maximum(lacking, 1e-9), 0.0)


def _choose(badness: FloatArray, features: Sequence[pd.Series[Any]]) -> IntArray:
    """Return positions, the worst first: of each group some, then the worst of all."""
    order = np.argsort(-badness, kind="stable")
    order = order[badness[order] > 0]
    chosen = list(order[: _MOST_ROWS // 2])
    for feature in features:
        codes = pd.factorize(feature, use_na_sentinel=False)[0][order]
        rank = pd.Series(codes).groupby(codes).cumcount().to_numpy()
        chosen += list(order[rank < _OF_EACH_GROUP])
    kept = np.array(list(dict.fromkeys(chosen))[:_MOST_ROWS], dtype=np.int64)
    return kept[np.argsort(-badness[kept], kind="stable")] if len(kept) else kept


def _inputs(ctx: raikit.CheckContext, chosen: IntArray) -> pd.DataFrame:
    """Return the texts and cells of the chosen cases; pictures and sounds are in the explanations."""
    columns = [
        column
        for item in (ctx.data.inputs.values() if ctx.data is not None else ())
        if item.modality in ("text", "tabular")
        for column in item.columns
    ]
    if ctx.data is None or not columns:
        return pd.DataFrame(index=range(len(chosen)))
    shown = ctx.data.frame(list(dict.fromkeys(columns)), ctx.predictions.split)
    if len(shown) != ctx.predictions.size():  # rows of lists were divided into cases
        return pd.DataFrame(index=range(len(chosen)))
    return shown.iloc[chosen].reset_index(drop=True)


def _column(ctx: raikit.CheckContext, name: str) -> raikit.Column:
    if name.startswith("group:"):
        return raikit.Column(name=name, title=capitalised(column_text(name.removeprefix("group:"))))
    distance = "Off by" if ctx.task == "regression" else "Probability lacking"
    titles = {"case": capitalised(case_noun(1)), "truth": "Truth", "prediction": "Prediction", "badness": distance}
    kind = "number" if name == "badness" else "text"
    return raikit.Column.model_validate({"name": name, "title": titles.get(name) or capitalised(column_text(name)), "format": kind})


def _row(
    ctx: raikit.CheckContext, frame: pd.DataFrame, badness: FloatArray, inputs: pd.DataFrame, at: int, place: int
) -> list[Any]:
    case = frame.iloc[at]
    groups = [value_text(column, None if pd.isna(case[column]) else case[column]) for column in ctx.sensitive]
    write: Callable[[Any], Any] = float if ctx.task == "regression" else class_text
    cells = [_short(value) for value in inputs.iloc[place]]
    return [str(case["id"]), write(case["target"]), write(case["prediction"]), round(float(badness[at]), 4), *groups, *cells]


def _short(value: Any) -> Any:
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return None
    text = str(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
