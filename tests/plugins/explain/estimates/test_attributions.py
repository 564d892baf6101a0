"""Integrated Gradients against what is known without them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from raikit.models.encoded import Encoded, encode
from raikit_explain.estimates.attributions import batch_size, decision, integrated_gradients, relative_error, scorer

from ..conftest import MemoryData, bent, random_inputs


def _encoded(model, rows=12, missing=0.2, seed=0):
    inputs = random_inputs(model.modalities, rows, seed, missing)
    return encode(model, next(MemoryData(range(rows), inputs).batches("test", rows)))


def _integrated(score, encoded, decided, **settings):
    return integrated_gradients(score, encoded, decided,
                                **{"tolerance": 1e-4, "most_steps": 256, "floor": 1e-6} | settings)


def test_a_linear_model_gives_weight_times_input_and_adds_up_exactly(tiny_model):
    weights = {}

    def logits(encoded):
        for name, tensor in encoded.items():
            if name not in weights:
                weights[name] = torch.randn(tensor[0].numel(), generator=torch.Generator().manual_seed(len(name)))
        value = sum(tensor.flatten(1) @ weights[name] for name, tensor in encoded.items())
        return torch.stack([-0.5 * value, 0.5 * value], dim=1)

    model = tiny_model(logits=logits)
    encoded = _encoded(model)
    decided = torch.tensor([0, 1] * 6)
    integrated = _integrated(scorer(model, encoded), encoded, decided)

    sign = np.where(decided.numpy() == 1, 1.0, -1.0)
    for name, tensor in encoded.items():
        expected = (tensor.flatten(1) * weights[name]).numpy() * sign[:, None]
        np.testing.assert_allclose(integrated.values[name].reshape(12, -1), expected, rtol=1e-3, atol=1e-4)
    assert integrated.error.max() < 1e-4
    np.testing.assert_allclose(integrated.totals().sum(axis=1), integrated.change, rtol=1e-3, atol=1e-3)
    assert (integrated.steps == 8).all(), "a straight line needs no more than the first two estimates"
    assert integrated.converged.all()


@pytest.mark.parametrize("outputs", [1, 2, 4])
def test_integrated_gradients_are_the_integral_of_the_gradient_along_the_way(tiny_model, outputs):
    model = tiny_model(classes=range(outputs) if outputs > 1 else (), logits=lambda encoded: bent(encoded, outputs))
    encoded = _encoded(model, rows=3)
    decided = torch.tensor([0, outputs - 1, outputs // 2]) % outputs
    score = scorer(model, encoded)
    integrated = _integrated(score, encoded, decided, tolerance=1e-6)

    brute = {name: torch.zeros_like(tensor) for name, tensor in encoded.items()}
    steps = 400
    for step in range(steps):
        inputs = [((step + 0.5) / steps * tensor).requires_grad_() for tensor in encoded.values()]
        gradients = torch.autograd.grad(score(*inputs, decided).sum(), inputs)
        for name, gradient in zip(encoded, gradients, strict=True):
            brute[name] += gradient * encoded[name] / steps
    for name in encoded:
        np.testing.assert_allclose(integrated.values[name], brute[name].numpy(), atol=2e-3)


def test_what_two_inputs_do_only_together_is_divided_between_them(tiny_model):
    model = tiny_model({"left": "tabular", "right": "tabular"}, logits=lambda encoded: torch.stack(
        [torch.zeros(len(encoded["left"])), encoded["left"][:, 0] * encoded["right"][:, 0]], dim=1))
    encoded = _encoded(model)
    integrated = _integrated(scorer(model, encoded), encoded, torch.ones(12, dtype=torch.int64))

    product = (encoded["left"][:, 0] * encoded["right"][:, 0]).numpy()
    np.testing.assert_allclose(integrated.totals(), np.stack([product / 2, product / 2], axis=1), atol=1e-4)


def test_an_input_that_the_model_does_not_read_gets_nothing(tiny_model):
    model = tiny_model(logits=lambda encoded: bent({"facts": encoded["facts"]}))
    encoded = _encoded(model)
    integrated = _integrated(scorer(model, encoded), encoded, torch.zeros(12, dtype=torch.int64))

    assert np.abs(integrated.totals()[:, :3]).max() == 0
    assert np.abs(integrated.totals()[:, 3]).min() > 0


def test_hard_rows_get_more_steps_and_easy_rows_do_not(tiny_model):
    def logits(encoded):
        x = encoded["facts"]
        value = torch.where(x[:, 1] > 0, torch.sigmoid(60 * (x[:, 0] - 0.43)), x[:, 0])
        return torch.stack([torch.zeros_like(value), value], dim=1)

    model = tiny_model({"facts": "tabular"}, logits=logits)
    encoded = Encoded({"facts": torch.tensor([[1.0, 1.0], [1.0, -1.0]])})
    integrated = _integrated(scorer(model, encoded), encoded, torch.tensor([1, 1]), tolerance=1e-3)

    assert integrated.steps[0] > 16
    assert integrated.steps[1] == 8
    assert integrated.error.max() <= 1e-3


def test_rows_that_do_not_add_up_say_so(tiny_model):
    def jump(encoded):
        x = encoded["facts"][:, 0]
        return torch.stack([torch.zeros_like(x), x + 5.0 * (x > 0.37).float()], dim=1)

    model = tiny_model({"facts": "tabular"}, logits=jump)
    encoded = Encoded({"facts": torch.ones(2, 2)})
    integrated = _integrated(scorer(model, encoded), encoded, torch.tensor([1, 1]), most_steps=64)

    np.testing.assert_allclose(integrated.change, 6.0)
    np.testing.assert_allclose(integrated.error, 5 / 6, rtol=1e-4)
    assert (integrated.steps == 64).all()
    assert not integrated.converged.any()


def test_the_error_is_a_share_and_what_is_nan_counts_as_all_of_it():
    error = relative_error(np.array([1.0, 0.01, np.nan, 90.0]), np.array([2.0, 0.0, 1.0, 1.0]), floor=0.1)
    np.testing.assert_allclose(error, [0.5, 0.1, 1.0, 1.0])


def test_a_constant_added_to_every_logit_changes_no_decision():
    logits = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    decided = torch.tensor([0, 1, 2, 0, 1])
    torch.testing.assert_close(decision(logits + 7.0, decided), decision(logits, decided))
    p = logits.softmax(dim=1)[torch.arange(5), decided]
    torch.testing.assert_close(decision(logits, decided), (p / (1 - p)).log())


def test_large_inputs_go_through_in_smaller_parts():
    assert batch_size(Encoded({"a": torch.zeros(4, 10)})) == 128
    assert batch_size(Encoded({"a": torch.zeros(4, 3, 512, 512)})) == 2


@pytest.mark.parametrize(
    "change", [lambda tensor: tensor.relu_(), lambda tensor: tensor.sub_(0.5), lambda tensor: tensor.zero_()]
)
def test_a_model_that_changes_its_input_in_place_is_explained_like_one_that_does_not(tiny_model, change):
    def logits_of(inputs):
        value = change(inputs["facts"] * inputs["facts"] + 1).sum(dim=1) + inputs["facts"].sum(dim=1)
        return torch.stack([-value, value], dim=1)

    def in_place(inputs):
        kept = {"facts": inputs["facts"].clone()}
        change(inputs["facts"])
        return logits_of(kept)

    encoded = Encoded({"facts": torch.rand(6, 3, generator=torch.Generator().manual_seed(1))})
    decided = torch.tensor([0, 1] * 3)
    before = encoded["facts"].clone()
    changing, keeping = (
        _integrated(scorer(tiny_model(logits=logits), encoded), encoded, decided) for logits in (in_place, logits_of)
    )
    assert torch.equal(encoded["facts"], before)
    np.testing.assert_allclose(changing.values["facts"], keeping.values["facts"], rtol=1e-5)
    np.testing.assert_allclose(changing.change, keeping.change)


def test_a_context_stays_and_attributions_begin_at_the_models_own_baseline(tiny_model):
    """A mask that follows from the values along the path, or a baseline of zero, would attribute something else."""
    values = torch.rand(6, 4, generator=torch.Generator().manual_seed(2)) + 1
    mask = (torch.arange(4) < torch.tensor([[1], [2], [3], [4], [4], [0]])).float()
    encoded = Encoded({"facts": values}, {"mask": mask}, {"facts": torch.full((1, 4), 0.5)})

    def logits(inputs):
        value = (inputs["facts"] ** 2 * inputs.context["mask"]).sum(dim=1)
        return torch.stack([torch.zeros_like(value), value], dim=1)

    integrated = _integrated(scorer(tiny_model({"facts": "tabular"}, logits=logits), encoded), encoded, torch.ones(6, dtype=torch.int64))
    np.testing.assert_allclose(integrated.values["facts"], ((values**2 - 0.25) * mask).numpy(), rtol=1e-5, atol=1e-6)
    assert integrated.error.max() < 1e-6


def test_a_bilinear_model_has_its_closed_form(tiny_model):
    """The gradient is linear on the way: the integral of x·A·y by x is (x - x0)·A·(y0 + y) / 2."""
    generator = torch.Generator().manual_seed(3)
    matrix, left, right = (torch.randn(*shape, generator=generator) for shape in ((4, 3), (6, 4), (6, 3)))
    starts = {"left": torch.randn(1, 4, generator=generator), "right": torch.randn(1, 3, generator=generator)}

    def logits(encoded):
        value = (encoded["left"] @ matrix * encoded["right"]).sum(dim=1)
        return torch.stack([torch.zeros_like(value), value], dim=1)

    model = tiny_model({"left": "tabular", "right": "tabular"}, logits=logits)
    encoded = Encoded({"left": left, "right": right}, {}, starts)
    integrated = _integrated(scorer(model, encoded), encoded, torch.ones(6, dtype=torch.int64))
    of_left = (left - starts["left"]) * ((starts["right"] + right) @ matrix.T) / 2
    of_right = (right - starts["right"]) * ((starts["left"] + left) @ matrix) / 2
    np.testing.assert_allclose(integrated.values["left"], of_left.numpy(), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(integrated.values["right"], of_right.numpy(), rtol=1e-4, atol=1e-5)
    assert (integrated.steps == 8).all()


def test_errors_that_cancel_in_the_sum_are_seen_by_the_second_estimate(tiny_model):
    """One column has a steep rise and another its mirror image: the sum is right however wrong both are."""
    def logits(encoded):
        x = encoded["facts"]
        rise = torch.sigmoid(40 * (x - 0.31))
        value = x.sum(dim=1) + rise[:, 0] - rise[:, 1]
        return torch.stack([torch.zeros_like(value), value], dim=1)

    model = tiny_model({"facts": "tabular"}, logits=logits)
    encoded, decided = Encoded({"facts": torch.ones(1, 2)}), torch.tensor([1])
    score = scorer(model, encoded)
    truth = np.array([[2.0, 0.0]])
    summed = _integrated(score, encoded, decided, tolerance=0.01, agreement=10.0)
    assert summed.converged.all(), "without comparing estimates, the first sum would do"
    assert summed.error.max() < 1e-4
    assert np.abs(summed.values["facts"] - truth).sum() > 0.25 * np.abs(truth).sum()
    integrated = _integrated(score, encoded, decided, tolerance=0.01)
    assert integrated.converged.all()
    np.testing.assert_allclose(integrated.values["facts"], truth, atol=0.05)
    assert not _integrated(score, encoded, decided, tolerance=0.01, most_steps=8).converged.any()
