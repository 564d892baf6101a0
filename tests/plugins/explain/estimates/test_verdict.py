"""Nothing is "supported by evidence" that does not know the model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from raikit.models.encoded import Encoded
from raikit_explain.estimates import model_matters, stability, verdict
from raikit_explain.estimates.games import EncodedGame


class Net:
    modalities = {"x": "tabular"}  # noqa: RUF012 - as a model has it

    def __init__(self, net):
        self.net = net

    def forward(self, encoded):
        return self.net(encoded["x"])


class Blind(nn.Module):
    """Has weights and ignores its input."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(16, 2)

    def forward(self, x):
        return self.layer(0 * x)


@dataclass
class Explained:
    values: Any
    converged: Any = None


def input_times_gradient(model, encoded, decided):
    x = encoded["x"].clone().requires_grad_()
    logits = model.forward({"x": x})
    value = logits.gather(1, decided[:, None]).sum() - logits.gather(1, 1 - decided[:, None]).sum()
    (gradient,) = torch.autograd.grad(value, x)
    return Explained({"x": (gradient * x).detach().numpy()})


def _network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 2))


def _verdict(net, method, n=32, m=16):
    torch.manual_seed(1)
    model, encoded = Net(net), Encoded({"x": torch.randn(n, m)})
    decided = model.forward(encoded).argmax(dim=1)
    evidence = verdict.examine(model, EncodedGame(model, encoded, decided, {}), encoded, decided, {"method": method},
                               np.random.default_rng(0))
    found = verdict.verdict(evidence, "method")
    return found, verdict.case_words(evidence, "method", found)


def test_gradients_of_a_smooth_network_are_supported():
    found, words = _verdict(_network(), input_times_gradient)
    assert found.word == verdict.SUPPORTED
    assert found.share.passed >= 29
    assert words.count(verdict.SUPPORTED) == found.share.passed
    assert all(control.passed <= 3 for control in found.controls.values())


@pytest.mark.parametrize("values", [
    lambda x: np.random.default_rng(1).normal(size=x.shape), lambda x: np.ones(x.shape), lambda x: np.abs(x),
    lambda x: np.full(x.shape, np.nan), lambda x: np.zeros(x.shape),
], ids=["random", "equal", "size of the inputs", "NaN", "zero"])
def test_what_does_not_know_the_model_is_no_better_than_chance(values):
    found, words = _verdict(_network(), lambda model, encoded, decided: Explained({"x": values(encoded["x"].numpy())}))
    assert found.word == verdict.CHANCE
    assert set(words) == {verdict.CHANCE}


def _two_kinds():
    """Return a linear model and cases near two points, which it decides differently."""
    torch.manual_seed(2)
    net, points = nn.Linear(16, 2), torch.randn(2, 16)
    with torch.no_grad():
        way = net.weight[1] - net.weight[0]
        points -= ((points @ way - torch.tensor([2.0, -2.0])) / (way @ way))[:, None] * way
        net.bias.zero_()
    return Net(net), Encoded({"x": points.repeat(24, 1) + 0.2 * torch.randn(48, 16)})


def _of_two_kinds(method):
    model, encoded = _two_kinds()
    decided = model.forward(encoded).argmax(dim=1)
    assert 0.4 < decided.float().mean() < 0.6
    evidence = verdict.examine(model, EncodedGame(model, encoded, decided, {}), encoded, decided, {"method": method},
                               np.random.default_rng(0))
    return verdict.verdict(evidence, "method")


def test_one_picture_for_all_cases_that_suits_one_class_is_not_supported():
    def of_one_class(model, encoded, decided):
        values = input_times_gradient(model, encoded, decided).values["x"]
        return Explained({"x": np.broadcast_to(values[decided.numpy() == 1].mean(axis=0), values.shape)})

    found = _of_two_kinds(of_one_class)
    assert found.share.low > verdict.LEVEL, "many cases pass"
    assert found.word == verdict.NOT_TESTED
    right = _of_two_kinds(input_times_gradient)
    assert right.word == verdict.SUPPORTED
    assert right.controls[verdict.OTHER_CASE].high < right.share.low


def test_a_picture_that_suits_every_case_says_so_in_its_reason():
    """Where all cases are alike, each explanation is right, but nothing shows that it is the explanation of its case."""
    model, encoded = _two_kinds()
    alike = encoded.take(torch.arange(0, 48, 2))
    decided = model.forward(alike).argmax(dim=1)
    evidence = verdict.examine(model, EncodedGame(model, alike, decided, {}), alike, decided, {"method": input_times_gradient},
                               np.random.default_rng(0))
    found = verdict.verdict(evidence, "method")
    assert (found.word, found.share.passed) == (verdict.NOT_TESTED, 24)
    assert "explanations of other cases" in found.reason


def test_half_of_the_cases_must_pass_at_half_the_level():
    def evidence(share):
        p = np.where(np.arange(64) < 64 * share, 0.0125, 0.6)
        useless = {("method", control): np.full(64, 0.6) for control in (
            verdict.RANDOM_COPY, verdict.MAGNITUDE, verdict.OTHER_CASE)}
        return verdict.Evidence({"method": p}, {"method": 1.0 - p}, {"method": np.ones(64, dtype=bool)}, useless)

    assert verdict.verdict(evidence(0.5), "method").word == verdict.SUPPORTED
    below = verdict.verdict(evidence(0.45), "method")
    assert below.share.low > 0.3
    assert (below.word, below.reason[:23]) == (verdict.NOT_TESTED, "too few cases pass by t")


def test_a_single_case_has_no_other():
    model, encoded = _two_kinds()
    one = encoded.take(slice(0, 1))
    evidence = verdict.examine(model, EncodedGame(model, one, torch.ones(1, dtype=torch.int64), {}), one,
                               torch.ones(1, dtype=torch.int64), {"method": input_times_gradient}, np.random.default_rng(0))
    assert np.isnan(evidence.controls["method", verdict.OTHER_CASE]).all()
    values = np.arange(12.0).reshape(4, 3)
    others = verdict.of_other_cases(values, np.random.default_rng(0))
    assert (others != values).all()
    assert sorted(others[:, 0]) == sorted(values[:, 0])


def test_a_model_that_ignores_its_input_supports_nothing():
    assert _verdict(Blind(), input_times_gradient)[0].word == verdict.CHANCE


def test_inputs_of_three_columns_are_not_tested():
    found, words = _verdict(nn.Linear(3, 2), input_times_gradient, m=3)
    assert (found.word, set(words)) == (verdict.NOT_TESTED, {verdict.NOT_TESTED})


def test_a_model_without_weights_is_not_supported():
    found, _ = _verdict(lambda x: torch.stack([0 * x[:, 0], torch.tanh(x).sum(dim=1)], dim=1), input_times_gradient)
    assert (found.word, "no weights" in found.reason) == (verdict.NOT_TESTED, True)


def test_integrals_that_did_not_converge_come_first():
    def half(model, encoded, decided):
        return Explained(input_times_gradient(model, encoded, decided).values, np.arange(len(decided)) % 2 == 0)

    found, words = _verdict(_network(), half)
    assert (found.word, set(words)) == (verdict.NOT_CONVERGED, {verdict.NOT_CONVERGED})


def test_a_redrawn_copy_has_other_weights_and_leaves_the_model():
    net = nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4), nn.Linear(4, 2))
    before = [parameter.clone() for parameter in net.parameters()]
    copied = model_matters.redrawn(Net(net), 0)
    assert all(torch.equal(old, new) for old, new in zip(before, net.parameters(), strict=True))
    changed = [not torch.equal(old, new) for old, new in zip(before, copied.net.parameters(), strict=True)]
    assert changed == [True, True, False, False, True, True], "gains of one and biases of zero stay"


def test_sensitivity_is_that_of_the_gradient_and_agreement_is_one_with_itself():
    x = torch.randn(5, 16)

    def attribute(encoded, decided):
        return input_times_gradient(Net(_network()), encoded, decided).values

    change = stability.sensitivity_max(attribute, Encoded({"x": x}), torch.ones(5, dtype=torch.int64), seed=0)
    assert ((change > 0) & (change < 0.5)).all()
    correlation, overlap = stability.agreement(x.numpy(), -x.numpy(), np.ones((5, 16), dtype=bool))
    assert np.allclose(correlation, -1)
    assert (overlap == 0).all()
