"""Errors of numeric predictions equal scikit-learn's and their intervals respect weights and clusters."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from raikit.testing import result_of, table_context
from raikit_performance.checks import Regression


def measured(table, **roles):
    result = result_of(Regression, table_context(table, task="regression", **roles))
    return {metric.name: metric for metric in result.metrics}, result.findings


@given(st.integers(2, 60), st.integers(0, 10_000), st.booleans(), st.sampled_from([1e-3, 1.0, 1e6]))
@settings(max_examples=25)
def test_values_equal_scikit_learn(n, seed, weighted, scale):
    rng = np.random.default_rng(seed)
    truth, prediction = rng.normal(size=(2, n)) * scale
    weight = rng.integers(1, 4, n).astype(float)
    keep = {"sample_weight": weight if weighted else None}
    metrics, _ = measured(pd.DataFrame({"target": truth, "prediction": prediction, "w": weight}),
                        weight="w" if weighted else None)
    expected = {
        "mean_absolute_error": sk.mean_absolute_error(truth, prediction, **keep),
        "root_mean_squared_error": sk.root_mean_squared_error(truth, prediction, **keep),
        "r2": sk.r2_score(truth, prediction, **keep),
        "mean_signed_error": np.average(prediction - truth, weights=keep["sample_weight"]),
    }
    for name, value in expected.items():
        assert metrics[name].value == pytest.approx(value, rel=1e-9, abs=1e-12 * scale)
        assert metrics[name].low <= metrics[name].value <= metrics[name].high


def test_copies_within_a_cluster_do_not_narrow_an_interval():
    rng = np.random.default_rng(0)
    single = pd.DataFrame({"target": rng.normal(size=80)})
    single["prediction"] = single["target"] * 0.7 + rng.normal(size=80)
    copies = single.loc[single.index.repeat(20)].assign(c=np.repeat(np.arange(80), 20).astype(str))
    alone, robust = measured(single)[0], measured(copies, cluster=["c"])[0]
    for name in alone:
        width = alone[name].high - alone[name].low
        assert robust[name].high - robust[name].low == pytest.approx(width, rel=0.15)


def test_perfect_predictions_are_marked_unreliable_rather_than_certain():
    metrics, _ = measured(pd.DataFrame({"target": [1.0, 2.0, 5.0], "prediction": [1.0, 2.0, 5.0]}))
    for name in ("mean_absolute_error", "root_mean_squared_error", "r2"):
        assert "unreliable" in metrics[name].flags
        assert metrics[name].low < metrics[name].high


def test_r2_of_a_constant_target_is_undefined():
    metrics, findings = measured(pd.DataFrame({"target": [2.0, 2.0, 2.0], "prediction": [1.0, 2.0, 4.0]}))
    assert metrics["r2"].value is None
    assert metrics["r2"].reason == "the target is the same in every case"
    assert findings[0].headline == "Errors have no comparison, because all targets are the same"


def test_a_bias_beyond_its_interval_is_said():
    rng = np.random.default_rng(1)
    truth = rng.normal(size=200)
    _, findings = measured(pd.DataFrame({"target": truth, "prediction": truth + 2 + rng.normal(size=200)}))
    assert findings[-1].headline == "Predictions are too high on average"
    _, findings = measured(pd.DataFrame({"target": truth, "prediction": truth + rng.normal(size=200)}))
    assert findings[-1].kind == "fine"


def test_with_few_clusters_squared_errors_may_be_surely_large_but_not_surely_small():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=2_400)
    frame = pd.DataFrame({"target": truth, "prediction": truth + rng.normal(size=2_400)})
    few, many = (measured(frame.assign(c=(np.arange(2_400) // size).astype(str)), cluster=["c"])[0] for size in (60, 2))
    assert set(few["root_mean_squared_error"].flags) == {"open_high"}
    assert set(few["r2"].flags) == {"open_high", "open_low"}
    assert not few["mean_absolute_error"].flags
    assert not any(many[name].flags for name in ("root_mean_squared_error", "r2", "mean_absolute_error"))
