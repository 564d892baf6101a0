"""DP-SGD: clipping row by row, noise, Poisson steps; the oracle is one autograd call for each row."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from raikit_privacy.estimates import dpsgd
from raikit_privacy.estimates.dpsgd import PrivateTraining, Recipe


def recipe(**changes):
    fields = {"rows": 60, "epochs": 3, "batch_size": 20, "physical_batch_size": 7, "max_grad_norm": 0.05, "learning_rate": 0.1,
              "layers": "all"}
    return Recipe(**(fields | changes))


def rows_of(n=23, seed=0):
    rng = np.random.default_rng(seed)
    inputs = {"columns": torch.tensor(rng.normal(size=(n, 2)), dtype=torch.float32),
              "note": torch.tensor(rng.integers(0, 20, (n, 2)))}
    return inputs, torch.tensor(rng.integers(0, 2, n))


def clipped_sum(model, inputs, target, norm, trained):
    """Autograd of one row after the other, each clipped over the `trained` parameters; by name."""
    total = {}
    for row in range(len(target)):
        module = copy.deepcopy(model.module).requires_grad_(True)
        part = {name: tensor[row : row + 1] for name, tensor in inputs.items()}
        model.loss(module(**part), target[row : row + 1]).sum().backward()
        gradients = {name: parameter.grad for name, parameter in module.named_parameters() if name in trained}
        length = float(torch.sqrt(sum((grad**2).sum() for grad in gradients.values())))
        for name, grad in gradients.items():
            total[name] = total.get(name, 0) + grad * min(1.0, norm / (length + 1e-6))
    return total


@pytest.mark.parametrize("layers", ["all", "dense"])
@pytest.mark.parametrize("physical", [1, 7, 100])
def test_each_rows_gradient_is_clipped_by_itself_however_the_batch_is_split(model, physical, layers):
    inputs, target = rows_of()
    original = model.copy()
    training = PrivateTraining(model, recipe(physical_batch_size=physical, layers=layers), noise_multiplier=0.0)
    trained = [name for name, parameter in model.module.named_parameters() if parameter.requires_grad]
    assert ("words.weight" in trained) == (layers == "all")
    expected = clipped_sum(original, inputs, target, 0.05, trained)
    training.step(training.module, training.optimizer, inputs, target, None)
    for name, parameter in model.module.named_parameters():
        if name in trained:
            assert torch.allclose(parameter.grad * 20, expected[name], atol=1e-6), name


@pytest.mark.parametrize("layers", ["all", "dense"])
def test_no_row_moves_the_sum_by_more_than_the_clipping_norm(model, layers):
    """The sensitivity that noise is scaled to: the same step with and without one row, an outlier."""
    inputs, target = rows_of()
    inputs["columns"][0] = 1e4
    sums = []
    for rows in (slice(0, None), slice(1, None)):
        one = model.copy()
        training = PrivateTraining(one, recipe(layers=layers), noise_multiplier=0.0)
        training.step(training.module, training.optimizer, {k: v[rows] for k, v in inputs.items()}, target[rows], None)
        sums.append(torch.cat([p.grad.flatten() * 20 for p in one.module.parameters() if p.requires_grad]))
    assert 0.04 < float((sums[0] - sums[1]).norm()) <= 0.05 * 1.0001


@pytest.mark.parametrize("layers", ["all", "dense"])
def test_without_noise_and_clipping_a_step_is_the_plain_one_over_the_expected_rows(model, layers):
    inputs, target = rows_of()
    plain, settings = model.copy(), recipe(max_grad_norm=1e6, layers=layers)
    dpsgd.freeze_feature_layers(plain.module, layers)
    plain.loss(plain.module(**inputs), target).sum().backward()
    with torch.no_grad():
        for parameter in plain.module.parameters():
            if parameter.requires_grad:
                parameter -= settings.learning_rate_at(0) * parameter.grad / 20
    training = PrivateTraining(model, settings, noise_multiplier=0.0)
    training.step(training.module, training.optimizer, inputs, target, None)
    training.finish()
    for one, other in zip(model.module.parameters(), plain.module.parameters(), strict=True):
        assert torch.allclose(one, other, atol=1e-6)


@pytest.mark.parametrize("layers", ["all", "dense"])
def test_the_noise_has_the_deviation_that_was_accounted_for(tiny, layers):
    drawn = []
    for seed in range(60):
        model = tiny.Model()
        training = PrivateTraining(model, recipe(max_grad_norm=0.5, layers=layers), noise_multiplier=2.0, seed=seed)
        training.step(training.module, training.optimizer, *[rows_of(0)[0], rows_of(0)[1]], None)
        drawn.append(torch.cat([p.grad.flatten() for p in model.module.parameters() if p.requires_grad]) * 20)
    noise = torch.stack(drawn)
    assert noise.numel() > 3900
    assert float(noise.std()) == pytest.approx(2.0 * 0.5, rel=0.05)
    assert abs(float(noise.mean())) < 0.05


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_noise_leaves_no_digit_of_the_sum_bare(tiny, dtype):
    """Noise in single precision upon a sum in double precision: what is left of the sum's last digits needs no attack."""
    model = tiny.Model()
    model.module.to(dtype)
    training = PrivateTraining(model, recipe(), noise_multiplier=1.0)
    for parameter in training.clipper.parameters:
        parameter.grad = torch.zeros_like(parameter)
    training.noise.begin(0, [parameter.shape for parameter in training.clipper.parameters], 0.05)
    training.optimizer.accumulate()
    training.optimizer.add_noise()
    noise = torch.cat([parameter.grad.flatten() for parameter in training.clipper.parameters])
    assert noise.dtype == dtype
    bare = (noise.float().to(dtype) == noise).double().mean()
    assert float(bare) < 0.05 if dtype == torch.float64 else float(bare) == 1.0


def test_a_network_that_seeds_torch_gets_other_noise_in_every_step(tiny):
    """With the same noise twice, the difference of two steps has none."""
    class Seeding(tiny.Net):
        def forward(self, columns, note):
            torch.manual_seed(0)
            return super().forward(columns + torch.rand(2), note)

    training = PrivateTraining(tiny.Model(Seeding()), recipe(learning_rate=0.0), noise_multiplier=1e6, seed=3)
    noise = []
    for _ in range(2):
        training.step(training.module, training.optimizer, *rows_of(), None)
        noise.append(training.model.module.first.weight.grad.clone())
    assert not torch.allclose(*noise, rtol=0.1)


@pytest.mark.parametrize("layers", ["all", "dense"])
def test_a_step_that_drew_no_row_is_noise_and_counts(model, layers):
    before = copy.deepcopy(model.module.state_dict())
    training = PrivateTraining(model, recipe(layers=layers), noise_multiplier=1.0)
    inputs, target = rows_of(0)
    assert training.step(training.module, training.optimizer, inputs, target, None) == 0.0
    assert training.steps_made == 1
    assert not torch.equal(before["first.weight"], model.module.state_dict()["first.weight"])
    inputs, target = rows_of()
    training.step(training.module, training.optimizer, inputs, target, None)
    assert training.steps_made == 2


@pytest.mark.parametrize("layers", ["all", "dense"])
def test_a_batch_in_parts_is_one_step(model, layers):
    training = PrivateTraining(model, recipe(physical_batch_size=2, layers=layers), noise_multiplier=1.0)
    inputs, target = rows_of()
    training.step(training.module, training.optimizer, inputs, target, None)
    assert training.steps_made == 1


def test_weights_of_rows_are_not_used(tiny):
    trained = []
    inputs, target = rows_of()
    for weight in (None, torch.arange(23.0)):
        model = tiny.Model()
        training = PrivateTraining(model, recipe(), noise_multiplier=0.0)
        training.step(training.module, training.optimizer, inputs, target, weight)
        trained.append(model.module.state_dict())
    assert all(torch.equal(trained[0][name], trained[1][name]) for name in trained[0])


def test_what_stands_for_no_word_stays_zero_and_takes_nothing_of_the_norm(model):
    inputs, target = rows_of()
    inputs["note"][:] = 0
    training = PrivateTraining(model, recipe(), noise_multiplier=1.0)
    training.step(training.module, training.optimizer, inputs, target, None)
    assert not model.module.words.weight[0].any()


def test_with_dense_layers_alone_embeddings_stay_and_the_rest_moves(model):
    before, dense = model.module.words.weight.clone(), model.module.first.weight.clone()
    training = PrivateTraining(model, recipe(layers="dense"), noise_multiplier=1.0)
    inputs, target = rows_of()
    training.step(training.module, training.optimizer, inputs, target, None)
    assert torch.equal(before, model.module.words.weight)
    assert not torch.equal(dense, model.module.first.weight)


def test_poisson_sampling_takes_each_row_by_itself():
    settings = recipe(rows=400, batch_size=100)
    sizes, taken = [], np.zeros(400)
    for epoch in range(300):
        for rows in dpsgd.poisson_batches(settings, np.random.default_rng(epoch)):
            sizes.append(len(rows))
            taken[rows] += 1
    assert settings.steps_per_epoch == 4
    assert np.mean(sizes) == pytest.approx(100, rel=0.02)
    assert np.var(sizes) == pytest.approx(400 * 0.25 * 0.75, rel=0.2)     # binomial, not a fixed size
    assert np.abs(taken / len(sizes) - 0.25).max() < 0.08


def test_batches_larger_than_the_data_take_every_row_always():
    settings = recipe(rows=10, batch_size=50)
    assert (settings.sample_rate, settings.steps_per_epoch) == (1.0, 1)
    assert [len(rows) for rows in dpsgd.poisson_batches(settings, np.random.default_rng(0))] == [10]


@pytest.mark.parametrize("layers", ["all", "dense"])
def test_the_finished_model_is_an_ordinary_one(model, layers):
    training = PrivateTraining(model, recipe(layers=layers), noise_multiplier=1.0)
    inputs, target = rows_of()
    training.step(training.module, training.optimizer, inputs, target, None)
    training.finish()
    assert not model.module.training
    assert all(getattr(p, "grad_sample", None) is None for p in model.module.parameters())
    assert not hasattr(model.module, "autograd_grad_sample_hooks")
    again = PrivateTraining(model, recipe(layers=layers), noise_multiplier=1.0)     # could not be wrapped twice with hooks on it
    again.finish()
