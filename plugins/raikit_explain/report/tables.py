"""The table of shares by outcome."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

import raikit
from raikit.arrays import BoolArray
from raikit.format import capitalised, case_noun, class_text, confidence
from raikit_explain.estimates.measures import Measures
from raikit_explain.names import input_name

_MAX_CLASSES = 12


def outcome_table(measures: Measures, regression: bool) -> raikit.Table | None:
    """Return the gradient share of each input among cases of one outcome: decided class, right, wrong."""
    rows = []
    for outcome, cases in _outcomes(measures, regression):
        for index, name in enumerate(measures.explanations.inputs):
            values = measures.by_gradients[:, index]
            mean = measures.mean(values, cases=cases, bounds=(0.0, 1.0))
            if mean is not None:
                rows.append([outcome, input_name(name), measures.count(values, cases), mean.value, mean.low, mean.high])
    if len(measures.explanations.inputs) < 2 or not rows:
        return None
    columns = [raikit.Column(name=name, title=title, format=form) for name, title, form in (
        ("kind", "Outcome", "text"), ("input", "Input", "text"), ("n", capitalised(case_noun()), "integer"),
        ("share", "Share of the decision", "percent"), ("low", "Lower", "percent"), ("high", "Upper", "percent"))]
    return raikit.Table(
        id="by_outcome", title="Share of the decision by outcome", columns=columns, rows=rows,
        note=f"Integrated Gradients; {confidence(measures.level)} t intervals, each by itself, not corrected for their number. "
             "An input that is absent counts as 0.",
    )


def _outcomes(measures: Measures, regression: bool) -> Iterator[tuple[str, BoolArray]]:
    frame = measures.sample.frame
    right = frame["right"].to_numpy(dtype=bool)
    if regression:
        yield "error up to the median", right
        yield "error above the median", ~right
        return
    yield "right", right
    yield "wrong", ~right
    predictions = frame["prediction"].astype(str).to_numpy()
    classes = np.unique(predictions)
    if len(classes) <= _MAX_CLASSES:
        for label in classes:
            yield f"decided {class_text(label)}", predictions == label
