"""The step on a model whose gradient is known, and the check on every modality."""

import numpy as np
import pytest
import raikit
from raikit.testing import (
    assert_finding,
    assert_metric,
    assert_ok,
    assert_skipped,
    check_conformance,
)

import raikit_saliency_flips
from raikit_saliency_flips.flips import Flips, flips

MODALITIES = ["tabular", "text", "image", "audio"]


class Linear(raikit.Model):
    """Logits 0 and w · x + b: the distance to the decision boundary is known."""

    capabilities = frozenset({"labels", "scores", "gradients"})
    classes = (0, 1)
    modalities = {"x": "tabular"}  # noqa: RUF012

    def __init__(self, w, b):
        import torch

        self.w, self.b = torch.tensor(w), b

    def encode(self, batch):
        import torch

        return {"x": torch.tensor(batch.inputs["x"])}

    def forward(self, encoded):
        import torch

        logit = encoded["x"] @ self.w + self.b
        return torch.stack([torch.zeros_like(logit), logit], dim=1)

    def scores(self, batch):
        return self.forward(self.encode(batch)).softmax(dim=1).numpy()


def test_the_plugin_keeps_the_contract():
    check_conformance(raikit_saliency_flips)


def test_decisions_flip_that_are_closer_to_the_boundary_than_the_step():
    rng = np.random.default_rng(0)
    x, w, b = rng.normal(size=(200, 3)), np.array([1.0, -2.0, 0.5]), 0.3
    batch = raikit.Batch(ids=range(200), inputs={"x": x})
    flipped = flips(Linear(w, b), batch, within=0.2)["x"]
    distance = np.abs(x @ w + b) / np.linalg.norm(w)
    expected = distance < 0.2 * np.linalg.norm(x, axis=1)
    assert 0 < expected.sum() < 200
    assert flipped.tolist() == expected.tolist()


def test_a_missing_input_is_not_counted():
    x = np.array([[0.0, 0.0], [1.0, 0.0]])
    batch = raikit.Batch(ids=[0, 1], inputs={"x": x})
    flipped = flips(Linear(np.array([1.0, 0.0]), -0.9), batch, within=0.5)["x"]
    assert np.isnan(flipped[0])
    assert flipped[1] == 1


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_every_input_is_measured(raikit_data, raikit_run_check, task):
    data = raikit_data(task, MODALITIES, missing=True)
    record = raikit_run_check(Flips, data=data)
    assert_ok(record)
    for name in MODALITIES:
        metric = assert_metric(record, f"saliency.flipped(input={name})")
        assert 0 <= metric.low <= metric.value <= metric.high <= 1
    assert_finding(record, "flip decisions most often")


def test_a_step_of_no_length_flips_nothing(raikit_data, raikit_run_check):
    data = raikit_data("binary", ["tabular"])
    record = raikit_run_check(Flips, {"within": 0}, data=data)
    assert_metric(record, "saliency.flipped(input=tabular)", 0)


def test_without_gradients_the_check_is_skipped(raikit_data, raikit_run_check):
    class Plain(raikit.Model):
        capabilities = frozenset({"labels", "scores"})
        classes = (0, 1)

        def scores(self, batch):
            return np.full((len(batch), 2), 0.5)

    record = raikit_run_check(Flips, data=raikit_data("binary"), model=Plain())
    assert_skipped(record, "gradients")


def test_regression_has_no_decision_to_flip(raikit_data, raikit_run_check):
    record = raikit_run_check(Flips, data=raikit_data("regression"))
    assert_skipped(record, "regression")
