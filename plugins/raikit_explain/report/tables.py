"""Tables: the shares by outcome, and what the numbers of each input are."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

import raikit
from raikit_explain.estimates.measures import Mask, Measures

_MOST_CLASSES = 12


def outcome_table(measures: Measures, regression: bool) -> raikit.Table | None:
    """The gradient share of each input among rows of one kind: decided class, right, wrong."""
    rows = []
    for kind, mask in _kinds(measures, regression):
        for index, name in enumerate(measures.explained.inputs):
            values = measures.by_gradients[:, index]
            found = measures.mean(values, rows=mask, bounds=(0.0, 1.0))
            if found is not None:
                rows.append([kind, name, measures.count(values, mask), found.value, found.low, found.high])
    if len(measures.explained.inputs) < 2 or not rows:
        return None
    columns = [raikit.Column(name=name, title=title, format=form) for name, title, form in (
        ("kind", "Rows that are", "text"), ("input", "Input", "text"), ("n", "Rows", "integer"),
        ("share", "Share of the decision", "percent"), ("low", "Lower", "percent"), ("high", "Upper", "percent"))]
    return raikit.Table(
        id="by_outcome", title="Share of the decision by outcome", columns=columns, rows=rows,
        note=f"Integrated Gradients; t intervals at {100 * measures.level:g} %, each by itself, not corrected for "
             "their number. An input that a row does not have counts as 0.",
    )


def _kinds(measures: Measures, regression: bool) -> Iterator[tuple[str, Mask]]:
    frame = measures.sample.frame
    right = frame["right"].to_numpy(dtype=bool)
    if regression:
        yield "nearer to the truth than most", right
        yield "further from it", ~right
        return
    yield "right", right
    yield "wrong", ~right
    predictions = frame["prediction"].astype(str).to_numpy()
    classes = np.unique(predictions)
    if len(classes) <= _MOST_CLASSES:
        for label in classes:
            yield f"decided {label}", predictions == label
