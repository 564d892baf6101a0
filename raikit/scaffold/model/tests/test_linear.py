"""The loader on small data sets made in memory by raikit.testing."""

import json

import numpy as np
import pytest
import raikit
from raikit.testing import check_conformance

import raikit_plugin_name
from raikit_plugin_name import load

KIND = "plugin_name"


def test_the_plugin_keeps_the_contract():
    check_conformance(raikit_plugin_name)


@pytest.fixture(params=["binary", "multiclass"])
def data(request, raikit_data):
    return raikit_data(request.param, ("tabular",))


@pytest.fixture
def weights(data):
    """Weights for the numeric columns of the data."""
    [table] = data.inputs.values()
    [batch] = data.batches("test", data.size("test"))
    numbers = batch.inputs[table.name].select_dtypes("number").columns
    rng = np.random.default_rng(0)
    return {
        "columns": list(numbers),
        "classes": list(data.classes),
        "weights": rng.normal(size=(len(data.classes), len(numbers))).tolist(),
        "intercepts": rng.normal(size=len(data.classes)).tolist(),
    }


@pytest.fixture
def load_json(tmp_path, data):
    def load_json(weights):
        path = tmp_path / "weights.json"
        path.write_text(json.dumps(weights), encoding="utf-8")
        return load({"kind": KIND, "path": path}, data)

    return load_json


def test_scores_are_probabilities_in_the_order_of_the_classes(data, weights, load_json):
    [batch] = data.batches("test", data.size("test"))
    scores = load_json(weights).scores(batch)
    assert scores.shape == (len(batch), len(data.classes))
    assert scores.sum(axis=1) == pytest.approx(np.ones(len(batch)))
    for key in ("classes", "weights", "intercepts"):
        weights[key] = weights[key][::-1]
    assert load_json(weights).scores(batch) == pytest.approx(scores)


def test_scores_are_a_softmax_of_a_linear_function(data, weights, load_json):
    [batch] = data.batches("test", data.size("test"))
    [table] = batch.inputs.values()
    row = table[weights["columns"]].iloc[0].to_numpy(dtype=float)
    logits = np.array(weights["weights"]) @ row + weights["intercepts"]
    expected = np.exp(logits) / np.exp(logits).sum()
    assert load_json(weights).scores(batch)[0] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("columns", ["no_such"], "'no_such'"),
        ("classes", ["a", "b"], "the model's classes are a, b"),
        ("weights", [[1.0]], "each class needs"),
        ("intercepts", "none", "intercepts"),
    ],
)
def test_a_file_that_does_not_fit_is_refused(weights, load_json, key, value, message):
    weights[key] = value
    if key in ("columns", "classes"):
        columns, classes = len(weights["columns"]), len(weights["classes"])
        weights["weights"] = [[1.0] * columns] * classes
        weights["intercepts"] = [0.0] * classes
    with pytest.raises(raikit.ModelError, match=message):
        load_json(weights)


def test_a_missing_file_is_named(data, tmp_path):
    with pytest.raises(raikit.ModelError, match=r"absent\.json"):
        load({"kind": KIND, "path": tmp_path / "absent.json"}, data)
