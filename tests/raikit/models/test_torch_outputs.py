"""A module that returns probabilities is not squashed again, and one that returns logits is never taken for the other."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from raikit.errors import ConfigError, ModelError
from raikit.models.loaders import LOADERS, load
from raikit.models.scoring import ModelScorer

SOURCE = """
import torch
from torch.nn import functional
class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(2, {outputs})
    def forward(self, facts):
        logits = self.linear(facts)
        return {returns}
def build():
    torch.manual_seed(0)
    return Net()
"""


@pytest.fixture
def loaded(numbers, module, tmp_path):
    """Load a module whose last lines are given; returns the model and its data."""

    def loaded(returns, width=1, task="binary", **settings):
        data = numbers(task)
        spec = {"kind": "torch", "path": f"{module(SOURCE.format(outputs=width, returns=returns))}:build", **settings}
        return load(spec, data, LOADERS, tmp_path), data

    return loaded


def logits_of(model, data):
    facts = torch.tensor(data.frame(["x0", "x1"]).to_numpy(), dtype=torch.float32)
    return model.module.linear(facts).detach().double()


@pytest.mark.parametrize(
    ("returns", "width", "task"),
    [
        ("torch.sigmoid(logits)", 1, "binary"),
        ("torch.sigmoid(logits)[:, 0]", 1, "binary"),
        ("logits.softmax(dim=1)", 2, "binary"),
        ("logits.softmax(dim=1)", 3, "multiclass"),
        ("(0.5 * torch.sigmoid(logits) + 0.5 * torch.sigmoid(logits)).squeeze(1)", 1, "binary"),
        ("torch.sigmoid(logits).detach()", 1, "binary"),
        ("torch.sigmoid(logits).half()", 1, "binary"),
    ],
)
def test_probabilities_are_used_as_they_are_and_a_note_says_so(loaded, predictions, returns, width, task):
    model, data = loaded(returns, width, task)
    frame, logits = predictions(model, data), logits_of(model, data)
    expected = logits.softmax(dim=1)[:, -1] if width > 1 else torch.sigmoid(logits[:, 0])
    column = "score" if task == "binary" else "score.c"
    np.testing.assert_allclose(frame[column], expected, atol=5e-4 if "half" in returns else 1e-6)
    note, *_ = ModelScorer(model).notes(list(frame.columns))
    assert "taken as probabilities" in note


@pytest.mark.parametrize(
    ("returns", "width", "task"),
    [
        ("functional.linear(logits.tanh(), torch.full((1, 1), 0.01), torch.full((1,), 0.3))", 1, "binary"),
        ("logits", 3, "multiclass"),
        ("0.2 + 0.01 * logits.tanh()", 3, "multiclass"),
        ("functional.log_softmax(logits, dim=1)", 3, "multiclass"),
    ],
)
def test_logits_stay_logits(loaded, predictions, returns, width, task):
    model, data = loaded(returns, width, task)
    frame = predictions(model, data)
    returned = model.module(torch.tensor(data.frame(["x0", "x1"]).to_numpy(), dtype=torch.float32)).detach().double()
    if width == 1:
        np.testing.assert_allclose(frame["score"], torch.sigmoid(returned[:, 0]), rtol=1e-6)
    else:
        np.testing.assert_allclose(frame["score.b"], returned.softmax(dim=1)[:, 1], rtol=1e-6)
    assert model.notes() == []


def test_the_logits_that_attributions_explain_have_the_same_probabilities(loaded):
    model, data = loaded("torch.sigmoid(logits)")
    batch = next(iter(data.batches("test", 20)))
    encoded = model.encode(batch)
    facts = next(iter(encoded.values())).requires_grad_()
    explained = model.forward(encoded)
    np.testing.assert_allclose(explained.softmax(dim=1).detach(), model.scores(batch), atol=1e-6)
    explained[:, 1].sum().backward()
    assert (facts.grad.abs().sum(dim=1) > 0).all()
    target = torch.tensor(batch.target)
    expected = functional.binary_cross_entropy_with_logits(model.module.linear(facts)[:, 0], target.float(), reduction="none")
    torch.testing.assert_close(model.loss(explained, target), expected)


def test_the_kind_of_outputs_can_be_said(loaded, predictions):
    twice, data = loaded("torch.sigmoid(logits)", outputs="logits")
    once, _ = loaded("torch.sigmoid(logits)", outputs="probabilities")
    assert twice.notes() == once.notes() == []
    np.testing.assert_allclose(
        predictions(twice, data)["score"], 1 / (1 + np.exp(-predictions(once, data)["score"])), rtol=1e-6
    )
    with pytest.raises(ConfigError, match=r"model\.load\.outputs"):
        loaded("logits", outputs="odds")


def test_said_probabilities_that_are_none_name_the_case_and_the_key(loaded):
    with pytest.raises(ModelError, match=r"id \d+ is none; say which with `model\.load\.outputs: logits`"):
        loaded("logits", outputs="probabilities")


def test_a_later_case_that_contradicts_the_first_ones_stops_the_audit(loaded, predictions, monkeypatch):
    monkeypatch.setattr("raikit.models.torch_module.PROBE", 1)
    model, data = loaded("0.5 + (facts[:, :1].abs() > 2) * facts[:, :1].abs()")
    with pytest.raises(ModelError, match="the module returned probabilities, but"):
        predictions(model, data)


def test_a_module_that_changes_its_input_in_place_can_be_looked_at(loaded, predictions):
    model, data = loaded("torch.sigmoid(self.linear(facts.mul_(1.0)))")
    assert model.notes()
    np.testing.assert_allclose(predictions(model, data)["score"], torch.sigmoid(logits_of(model, data)[:, 0]), atol=1e-6)
