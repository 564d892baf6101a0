"""Tables of predictions, and the metrics that a check computes from them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import strategies as st

from raikit.testing import result_of, table_context

EXACT = {"abs": 1e-12, "rel": 1e-12}


def scored(rng, n, k, *, noise=1.0, ties=False):
    truth = rng.integers(0, k, n)
    scores = rng.dirichlet(np.ones(k), n) * noise + np.eye(k)[truth]
    if ties:
        scores = np.round(scores, 1) + 0.05
    scores /= scores.sum(axis=1, keepdims=True)
    return truth, scores


def table_of(truth, prediction, scores=None, **more):
    table = pd.DataFrame({"target": truth, "prediction": prediction, **more})
    if scores is not None and scores.shape[1] == 2:
        table["score"] = scores[:, 1]
    elif scores is not None:
        for at in range(scores.shape[1]):
            table[f"score.{at}"] = scores[:, at]
    return table


def measured(check, table, k, **roles):
    task = "binary" if k == 2 else "multiclass"
    result = result_of(check, table_context(table, task=task, classes=list(range(k)), **roles))
    return {metric.id: metric for metric in result.metrics}


def close(metric, expected):
    if np.isnan(expected):
        assert metric.value is None
        assert metric.reason
    else:
        assert metric.value == pytest.approx(expected, **EXACT)
        assert metric.low <= metric.value <= metric.high


@st.composite
def tables(draw):
    k, n, seed = draw(st.integers(2, 4)), draw(st.integers(2, 80)), draw(st.integers(0, 10_000))
    rng = np.random.default_rng(seed)
    truth = rng.choice(k, n, p=rng.dirichlet(np.full(k, draw(st.sampled_from([0.2, 1.0, 10.0])))))
    prediction = np.where(rng.random(n) < draw(st.sampled_from([0.1, 0.6, 1.0])), truth, rng.integers(0, k, n))
    scores = rng.dirichlet(np.ones(k), n)
    if draw(st.booleans()):
        scores = np.round(scores, 1) + 0.05
    scores /= scores.sum(axis=1, keepdims=True)
    weight = rng.integers(1, 5, n).astype(float) if draw(st.booleans()) else None
    return k, truth, prediction, scores, weight
