"""Faults of private training, planted one at a time: each is caught before any training, and right ones are never accused.

After the list of pitfalls of jax_privacy: in the network, in the loss, in the steps, and in the sampling.
"""

from __future__ import annotations

import contextlib
import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from raikit_privacy.estimates.clipping import Norms, NotPrivateError
from raikit_privacy.estimates.dpsgd import PrivateTraining, Recipe, freeze_feature_layers, poisson_batches
from raikit_privacy.estimates.noise import StepNoise
from raikit_privacy.estimates.preflight import Cases, choose_clipping
from raikit_privacy.estimates.selftest import check_training

_spec = importlib.util.spec_from_file_location("networks", Path(__file__).with_name("networks.py"))
networks = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(networks)

C, SIGMA, ROWS = 0.3, 0.8, 20
RECIPE = Recipe(200, 5, 40, 16, C, 0.1, "all")


class Wrapped:
    """As much of a model as private training asks for."""

    def __init__(self, module):
        self.module = module

    def loss(self, logits, target):
        return functional.cross_entropy(logits, target, reduction="none")


def model_of(kind=networks.Plain):
    torch.manual_seed(1)
    model = Wrapped(kind())
    model.module.train()
    freeze_feature_layers(model.module, "all")
    return model


def cases_of(rows=ROWS):
    torch.manual_seed(2)
    return Cases({"x": torch.randn(rows, networks.COLUMNS).clamp(-2, 2)}, torch.randint(0, 2, (rows,)))


# --- faults of networks and losses ------------------------------------------------------------------------------------


class MeanLoss(Wrapped):
    def loss(self, logits, target):
        return functional.cross_entropy(logits, target)


class SharedLoss(Wrapped):
    def loss(self, logits, target):
        return super().loss(logits, target) / len(target)


class Sqrt(networks.Plain):
    """The root of a sum of squares has no gradient at zero."""

    def hidden(self, x):
        return super().hidden(x) + (super().hidden(x * 0) - torch.tanh(self.first.bias)).square().sum(1, keepdim=True).sqrt()


@pytest.mark.parametrize(("kind", "problem"), [
    ("Centred", "depends on the other cases"), ("FunctionalBatchNorm", "depends on the other cases"),
    ("LayerBatchNorm", "mixes the cases"), ("MixedGradients", "depends on the other cases"),
    ("AttendsToOtherCases", "depends on the other cases"), ("RunningMean", "changes when a case goes through"),
    ("Remembering", "changes when a case goes through"), (Sqrt, "NaN or infinite"),
])
def test_networks_in_which_cases_meet_or_gradients_are_not_finite(kind, problem):
    cases = cases_of()
    with pytest.raises(NotPrivateError, match=problem):
        choose_clipping(model_of(getattr(networks, kind) if isinstance(kind, str) else kind), C,
                        cases.rows(slice(8)).alone(), cases)


@pytest.mark.parametrize(("wrapped", "problem"), [(MeanLoss, "not one number per case"), (SharedLoss, "depends on the other cases")])
def test_losses_over_the_step(wrapped, problem):
    model, cases = model_of(), cases_of()
    model.__class__ = wrapped
    with pytest.raises(NotPrivateError, match=problem):
        choose_clipping(model, C, cases.rows(slice(8)).alone(), cases)


# --- faults of the steps ----------------------------------------------------------------------------------------------


class NoNoise(PrivateTraining):
    def __init__(self, *given):
        super().__init__(*given)
        self.optimizer.noise_multiplier = 0.0


class HalfTheNoise(PrivateTraining):
    def __init__(self, *given):
        super().__init__(*given)
        self.optimizer.noise_multiplier *= 0.5


class SlightlyLessNoise(PrivateTraining):
    """Scaled by the length over the square root of the layers, as if each layer were clipped to the whole length."""

    def __init__(self, *given):
        super().__init__(*given)
        self.optimizer.noise_multiplier /= 2**0.5


class OneNoise(PrivateTraining):
    """The same noise in every step."""

    def step(self, *given):
        begin = StepNoise.begin
        self.noise.begin = lambda step, shapes, deviation: begin(self.noise, 0, shapes, deviation)
        return super().step(*given)


class NoClipping(PrivateTraining):
    def __init__(self, *given):
        super().__init__(*given)
        self.clipper.norms = Norms(1e9, self.clipper.norms.layers)


class EachLayerToTheWhole(PrivateTraining):
    """Per-layer clipping without the share: a case's gradient is longer than the clipping norm."""

    def __init__(self, *given):
        super().__init__(*given)
        limits = Norms.of(self.model.module, self.recipe.max_grad_norm, "per_layer")
        self.clipper.norms = Norms(limits.max_grad_norm * (max(limits.layers) + 1) ** 0.5, limits.layers)


class ClippedOnAverage(PrivateTraining):
    """The sum is clipped, and not each case."""

    def _clip(self, inputs, target, first):
        clipped = super()._clip(inputs, target, first)
        parameters = self.clipper.parameters
        gradients = torch.autograd.grad(self.model.loss(self.module(**inputs), target).sum(), parameters)
        length = float(torch.cat([gradient.flatten() for gradient in gradients]).norm())
        for total, gradient in zip(clipped.sums, gradients, strict=True):
            total.copy_(gradient * min(1.0, self.recipe.max_grad_norm * len(target) / length))
        return clipped


class RealisedSize(PrivateTraining):
    """The sum is divided by the number of cases that the step happens to have."""

    def step(self, module, optimizer, inputs, target, weight):
        self.optimizer.expected_batch_size = max(1, len(target))
        return super().step(module, optimizer, inputs, target, weight)


class Accumulates(PrivateTraining):
    """Gradients of earlier steps are never taken away."""

    def step(self, *given):
        kept = [parameter.grad.clone() if parameter.grad is not None else 0 for parameter in self.clipper.parameters]
        loss = super().step(*given)
        for parameter, before in zip(self.clipper.parameters, kept, strict=True):
            parameter.grad += before
        return loss


class SkipsEmptySteps(PrivateTraining):
    def step(self, module, optimizer, inputs, target, weight):
        return super().step(module, optimizer, inputs, target, weight) if len(target) else 0.0


class QuietEmptySteps(PrivateTraining):
    """A step without cases is counted, and adds no noise."""

    def step(self, module, optimizer, inputs, target, weight):
        loss = super().step(module, optimizer, inputs, target, weight)
        for parameter in self.clipper.parameters if not len(target) else ():
            parameter.grad = torch.zeros_like(parameter)
        return loss


class GivesLossesAway(PrivateTraining):
    def step(self, module, optimizer, inputs, target, weight):
        super().step(module, optimizer, inputs, target, weight)
        return 0.7 if len(target) else 0.0


# --- faults of the sampling -------------------------------------------------------------------------------------------


class Shuffled(PrivateTraining):
    """Each case once in every epoch, in steps of one size."""

    def sampler(self, epoch, rng):
        yield from rng.permutation(self.recipe.rows).reshape(self.recipe.steps_per_epoch, -1)


class FixedSize(PrivateTraining):
    def sampler(self, epoch, rng):
        for _ in range(self.recipe.steps_per_epoch):
            yield rng.choice(self.recipe.rows, self.recipe.batch_size, replace=False)


class MoreOften(PrivateTraining):
    def sampler(self, epoch, rng):
        for _ in range(self.recipe.steps_per_epoch):
            yield np.flatnonzero(rng.random(self.recipe.rows) < 1.2 * self.recipe.sample_rate)


class SomeMoreOften(PrivateTraining):
    """Half of the cases twice as often as is accounted, the other half hardly."""

    def sampler(self, epoch, rng):
        chance = np.where(np.arange(self.recipe.rows) % 2, 1.9, 0.1) * self.recipe.sample_rate
        for _ in range(self.recipe.steps_per_epoch):
            yield np.flatnonzero(rng.random(self.recipe.rows) < chance)


class Together(PrivateTraining):
    """Cases are drawn four by four."""

    def sampler(self, epoch, rng):
        for _ in range(self.recipe.steps_per_epoch):
            yield np.flatnonzero(np.repeat(rng.random(self.recipe.rows // 4) < self.recipe.sample_rate, 4))


class WithRepeats(PrivateTraining):
    def sampler(self, epoch, rng):
        for _ in range(self.recipe.steps_per_epoch):
            yield rng.integers(0, self.recipe.rows, self.recipe.batch_size)


class MoreSteps(PrivateTraining):
    def sampler(self, epoch, rng):
        yield from poisson_batches(self.recipe, rng)
        yield from poisson_batches(self.recipe, rng)


class NoEmptySteps(PrivateTraining):
    def sampler(self, epoch, rng):
        yield from (rows for at, rows in enumerate(poisson_batches(self.recipe, rng)) if at)


@pytest.mark.parametrize(("kind", "problem"), [
    (NoNoise, "no noise"), (HalfTheNoise, "another deviation"), (SlightlyLessNoise, "another deviation"),
    (OneNoise, "steps share noise"), (NoClipping, "each clipped to"), (EachLayerToTheWhole, "each clipped to"),
    (ClippedOnAverage, "each clipped to"), (RealisedSize, "another deviation"), (Accumulates, "another deviation|shares? noise"),
    (SkipsEmptySteps, "is not counted"), (QuietEmptySteps, "no noise"), (GivesLossesAway, "gives away the loss"),
    (Shuffled, "not drawn independently"), (FixedSize, "not drawn independently"), (MoreOften, "is accounted"),
    (SomeMoreOften, "not drawn independently"), (Together, "not drawn independently"), (WithRepeats, "in a step twice"),
    (MoreSteps, "are accounted"), (NoEmptySteps, "are accounted"),
])
@pytest.mark.parametrize("clipping", ["shortcut", "one by one"])
def test_steps_that_are_not_what_is_accounted(kind, problem, clipping):
    model = model_of()
    before = {name: tensor.clone() for name, tensor in model.module.state_dict().items()}
    with pytest.raises(NotPrivateError, match=problem):
        check_training(lambda recipe, noise: kind(model, recipe, noise, clipping, 3), RECIPE, SIGMA, cases_of())
    assert all(torch.equal(before[name], tensor) for name, tensor in model.module.state_dict().items())


def test_division_by_the_realised_size_is_caught_without_noise_too():
    """As a training without noise is compared with autograd, whatever noise would hide."""
    model = model_of()
    with pytest.raises(NotPrivateError, match="over the expected number of cases"):
        check_training(lambda recipe, noise: RealisedSize(model, recipe, noise, "shortcut", 3), RECIPE, 0.0, cases_of())


# --- right trainings are never accused --------------------------------------------------------------------------------


RIGHT = ["Plain", "FunctionalWeight", "SkippedLayer", "Bag", "SparseEmbedding", "TiedLayers", "LayerUsedTwice", "ParameterOfTheModel",
         "InPlaceFunction", "Attention", "Recurrent", "RoutedCases", "FoldedCases", "SharedPositions", "WeightNormed", "Dropout"]


@pytest.mark.parametrize("norms", ["flat", "per_layer"])
@pytest.mark.parametrize("name", RIGHT)
def test_right_networks_pass(name, norms):
    model, cases = model_of(getattr(networks, name)), cases_of()
    clipping, _ = choose_clipping(model, C, cases.rows(slice(8)).alone(), cases, norms=norms)
    assert clipping == ("one by one" if name == "RoutedCases" else "shortcut")
    recipe = Recipe(200, 5, 40, 16, C, 0.1, "all", norms)
    check_training(lambda recipe, noise: PrivateTraining(model, recipe, noise, clipping, 3), recipe, SIGMA, cases)


@pytest.mark.parametrize(("rows", "batch"), [(20, 20), (20, 3), (50, 49), (1000, 1), (5000, 1250)])
def test_right_sampling_passes_at_every_size(rows, batch):
    model, refused = model_of(), 0
    for seed in range(5):
        recipe = Recipe(rows, 2, batch, 16, C, 0.1, "all")
        with contextlib.suppress(NotPrivateError):
            check_training(lambda recipe, noise, seed=seed: PrivateTraining(model, recipe, noise, "shortcut", seed), recipe, SIGMA,
                           cases_of())
            continue
        refused += 1
    assert refused == 0


def test_no_case_moves_the_sum_by_more_than_the_norm_with_layers_clipped_by_themselves():
    model, cases = model_of(networks.SharedPositions), cases_of()
    sums = []
    for rows in (slice(0, None), slice(1, None)):
        training = PrivateTraining(model, Recipe(ROWS, 1, ROWS, ROWS, C, 0.0, "all", "per_layer"), 0.0)
        training.step(training.module, training.optimizer, *cases.rows(rows), None)
        sums.append([parameter.grad * ROWS for parameter in training.clipper.parameters])
        training.finish()
        model.module.train()
    moved = [float((one - other).norm()) for one, other in zip(*sums, strict=True)]
    assert 0.2 * C < float(torch.tensor(moved).norm()) <= C * 1.0001
    layers = training.clipper.norms.layers
    for layer in range(3):
        squares = sum(length**2 for length, of in zip(moved, layers, strict=True) if of == layer)
        assert squares**0.5 <= C / 3**0.5 * 1.0001
