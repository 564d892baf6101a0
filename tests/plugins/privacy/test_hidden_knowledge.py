"""Where a model may keep what it knows of cases: every construction here was once trained, and its epsilon reported."""

from __future__ import annotations

import copy
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from raikit.testing import result_of, table_context
from raikit_privacy.checks import PrivateFineTuning
from raikit_privacy.estimates import training
from raikit_privacy.estimates.features import cases_of_one_file
from raikit_privacy.estimates.starting_weights import fixed_tensors, initial_model
from raikit_privacy.report.wording import at_most, percent_at_most

from .conftest import words_of

QUICK = {"epochs": 1, "batch_size": 60, "learning_rate": 0.3, "accountant": "rdp"}


def reason_of(tiny, model, data, folder, **options):
    """Return why nothing is claimed; empty if epsilon is reported."""
    ctx = table_context(tiny.predictions(model, data), model=model, data=data, seed=1, classes=[0, 1], folder=folder)
    metrics = result_of(PrivateFineTuning, ctx, **QUICK | options).metrics
    ceiling = next(metric for metric in metrics if "membership_tpr_ceiling" in metric.name)
    assert (ceiling.value is None) == all(metric.value is None for metric in metrics)
    return ceiling.reason or ""


def model_with(tiny, net=None, prepare=None, fresh=None, **attributes):
    """A model of which one thing is another: its network, ``prepare(model, tensors, batch)``, or ``fresh(model, seed)``."""
    net = net or tiny.Net

    class Model(tiny.Model):
        def prepare(self, batch):
            tensors = super().prepare(batch)
            return prepare(self, tensors, batch) if prepare else tensors

        def copy(self):
            copied = copy.copy(self)
            copied.net = copy.deepcopy(self.net)
            return copied

        def fresh(self, seed=0):
            new = Model(net(seed) if fresh is None else fresh(self, seed))
            vars(new).update(copy.deepcopy(attributes))
            return new

    model = Model(net(0))
    vars(model).update(copy.deepcopy(attributes))
    return model


# --- `prepare` --------------------------------------------------------------------------------------------------------


def growing_vocabulary(model, tensors, batch):
    words = [[min(19, model.words.setdefault(word, len(model.words) + 1)) for word in (text or "0 0").split()]
             for text in batch.inputs["note"]]
    return tensors | {"note": torch.tensor(words)}


def scale_of_the_first_batch(model, tensors, batch):
    model.words.setdefault("mean", tensors["columns"].mean(0))
    return tensors | {"columns": tensors["columns"] - model.words["mean"]}


@pytest.mark.parametrize("prepare", [growing_vocabulary, scale_of_the_first_batch])
def test_a_preparation_that_learns_as_it_goes_is_refused(tiny, data, tmp_path, prepare):
    reason = reason_of(tiny, model_with(tiny, prepare=prepare, words={}), data, tmp_path)
    assert "what `prepare` makes of a case depends on the cases that it prepared before" in reason


def test_a_preparation_that_mixes_large_batches_is_refused_whatever_goes_through_the_network_at_once(tiny, data, tmp_path):
    def centred(model, tensors, batch):
        columns = tensors["columns"]
        return tensors | {"columns": columns - columns.mean(0) if len(columns) > 32 else columns}

    assert "depends on the other cases" in reason_of(tiny, model_with(tiny, prepare=centred), data, tmp_path, physical_batch_size=16)


def test_a_preparation_that_keeps_what_it_prepared_is_no_objection(tiny, data, tmp_path):
    def cached(model, tensors, batch):
        return {name: torch.stack([model.words.setdefault((name, case), row) for case, row in zip(batch.ids, tensor, strict=True)])
                for name, tensor in tensors.items()}

    assert reason_of(tiny, model_with(tiny, prepare=cached, words={}), data, tmp_path) == ""


# --- initial weights --------------------------------------------------------------------------------------------------


def bank(generator_seed=0):
    return np.random.default_rng(generator_seed).normal(size=(50, 2))


def with_default(known):
    def function(x, known=known):
        return x - known.mean(0)

    return function


@pytest.mark.parametrize(("value", "name"), [
    (torch.tensor(bank()), "_bank"), ({"a": [{"b": bank()}]}, "_bank['a'][0]['b']"), (bank().ravel().tolist(), "_bank"),
    (dict(enumerate(bank().ravel().tolist())), "_bank"), (with_default(bank()), "_bank.defaults[0]"),
])
def test_what_a_network_keeps_in_any_attribute_is_no_drawn_weight(tiny, value, name):
    class Keeping(tiny.Net):
        def __init__(self, seed=0, norm=None):
            super().__init__(seed, norm)
            self._bank = value
            self.widths, self.rate = [8, 16, 8], 0.1  # settings

    assert fixed_tensors(*(initial_model(model_with(tiny, Keeping), seed) for seed in (1, 2))) == [name]


def test_a_teacher_beside_the_network_is_part_of_the_initial_weights(tiny, data, tmp_path):
    assert "teacher.words.weight" in reason_of(tiny, model_with(tiny, teacher=tiny.Net(5)), data, tmp_path)


def noisy(model, seed):
    """Old weights with noise of a third of their size; no tensor has 100 numbers."""
    torch.manual_seed(seed)
    net = copy.deepcopy(model.net)
    for parameter in net.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    return net


def reordered(model, seed):
    """The units of the hidden layer in another order, and drawn words and biases: the same function of the columns."""
    order, net = torch.randperm(8, generator=torch.manual_seed(seed)), copy.deepcopy(model.net)
    net.first.weight.data, net.first.bias.data = model.net.first.weight[order].detach(), model.net.first.bias[order].detach()
    net.last.weight.data = model.net.last.weight[:, order].detach()
    net.last.bias.data, net.words.weight.data[1:] = torch.randn(2), torch.randn(19, 3)
    return net


@pytest.mark.parametrize("fresh", [noisy, reordered])
def test_old_weights_are_found_in_small_tensors_and_in_another_order(tiny, data, tmp_path, fresh):
    assert "first.weight" in reason_of(tiny, model_with(tiny, fresh=fresh), data, tmp_path)


def test_a_trained_network_for_every_seed_is_not_newly_drawn(tiny, data, tmp_path):
    """Such as the members of an ensemble: no two have a common part."""
    batch = next(data.batches("train", 1000))
    inputs, target = tiny.Model().prepare(batch), torch.tensor(batch.target)

    def member(model, seed):
        net = tiny.Net(seed)
        optimizer = torch.optim.Adam(net.parameters(), lr=0.02)
        for _ in range(40):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(**inputs), target).backward()
            optimizer.step()
        return net.eval()

    model = model_with(tiny, fresh=member)
    assert "predict the training targets better than chance" in reason_of(tiny, model, data, tmp_path)
    assert reason_of(tiny, model, data, tmp_path, public_weights="other cases of the same kind") == ""


def test_scores_that_use_more_than_the_network_are_not_newly_drawn(tiny, data, tmp_path):
    """The private network would be one voice of two, and the other knows the cases by heart: what would its cost be?"""
    model = model_with(tiny)
    plain = type(model)

    class Blended(plain):
        def scores(self, batch):
            known = (batch.inputs["columns"].to_numpy().sum(axis=1) > 0).astype(float)  # as a forest that was fitted before
            return 0.5 * super().scores(batch) + 0.5 * np.column_stack([1 - known, known])

        def copy(self):
            return Blended(copy.deepcopy(self.net))

        def fresh(self, seed=0):
            return Blended(tiny.Net(seed))

    assert "`fresh` or `scores` uses what was learnt" in reason_of(tiny, Blended(tiny.Net(0)), data, tmp_path)


def test_a_network_cannot_exempt_what_it_holds(tiny, data, tmp_path):
    class Exempt(tiny.Net):
        passing_attributes = ("memory",)

        def __init__(self, seed=0, norm=None):
            super().__init__(seed, norm)
            self.memory = torch.linspace(-1, 1, 40)

    assert "memory would start from fixed numbers" in reason_of(tiny, model_with(tiny, Exempt), data, tmp_path)


def test_numbers_that_are_equal_by_chance_are_no_memory(tiny):
    """In single precision two of 16 million draws are equal; a network of that size is not refused for it."""
    one, other = model_with(tiny), model_with(tiny)
    other.net.first.weight.data, other.net.words.weight.data[1:] = torch.randn(8, 5), torch.randn(19, 3)
    other.net.last.weight.data = torch.randn(2, 8)
    other.net.first.bias.data, other.net.last.bias.data = torch.randn(8), torch.randn(2)
    other.net.first.weight.data[3, 2] = one.net.first.weight.data[3, 2]
    assert fixed_tensors(one, other) == []
    other.net.first.weight.data[4, :2] = one.net.first.weight.data[4, :2]
    assert fixed_tensors(one, other) == ["first.weight"]


def test_a_lazy_layer_is_an_objection_in_words(tiny, data, tmp_path):
    class Lazy(tiny.Net):
        def __init__(self, seed=0, norm=None):
            super().__init__(seed, norm)
            self.first = nn.LazyLinear(8)

    assert "a lazy layer has no initial weights" in reason_of(tiny, model_with(tiny, Lazy), data, tmp_path)


def test_a_target_that_no_noise_keeps_is_an_objection(tiny, data, tmp_path):
    assert "No noise was found" in reason_of(tiny, model_with(tiny), data, tmp_path, epsilons=[0.0004])


# --- what is said -----------------------------------------------------------------------------------------------------


def sentences(tiny, data, folder, **options):
    model = tiny.Model()
    ctx = table_context(tiny.predictions(model, data), model=model, data=data, seed=1, classes=[0, 1], folder=folder)
    result = result_of(PrivateFineTuning, ctx, **QUICK | options)
    return {finding.what: words_of(finding) for finding in result.findings}, {metric.name: metric.value for metric in result.metrics}


def test_bounds_are_rounded_up_because_a_bound_that_is_rounded_down_is_none(tiny, data, tmp_path):
    for epsilon in (0.5, 1.0, 3.3):
        said, values = sentences(tiny, data, tmp_path, epsilons=[epsilon])
        bound = said["bound on membership inference"]
        stated, ceiling = float(bound.split("ε = ")[1].split()[0]), float(bound.split("probability above ")[1].split("%")[0])
        assert values["epsilon"] <= stated <= values["epsilon"] + 0.01
        assert values["membership_tpr_ceiling"] <= ceiling / 100 <= values["membership_tpr_ceiling"] + 0.001
    assert at_most(7.9512) == "7.96"
    assert [percent_at_most(share) for share in (0.02501, 0.025, 0.000121)] == ["2.6%", "2.5%", "0.013%"]


def test_several_private_models_of_the_same_cases_are_added_up(tiny, data, tmp_path):
    said, _ = sentences(tiny, data, tmp_path, epsilons=[1, 2], repeats=3)
    assert "6 were trained on the same cases" in said["several private models"]
    assert "at most ε = 9.00 at δ = 0.00006" in said["several private models"]
    assert "several private models" not in sentences(tiny, data, tmp_path)[0]


def test_no_two_private_models_share_noise_or_sampling(tiny, data, tmp_path, monkeypatch):
    """With one noise and two multipliers, the first steps of two models give the gradient away exactly."""
    seeds = []
    plain = training.train_private

    def watched(ctx, model, recipe, noise_multiplier, workdir, progress, seed):
        seeds.append(seed)
        return plain(ctx, model, recipe, noise_multiplier, workdir, progress, seed)

    monkeypatch.setattr(training, "train_private", watched)
    sentences(tiny, data, tmp_path, epsilons=[1, 2], repeats=3)
    assert len(set(seeds)) == 6


def test_copies_of_a_case_and_cases_of_one_file_are_counted(tiny, data, tmp_path):
    table = data.table.copy()
    table.loc[[6, 12], ["a", "b", "note"]] = table.loc[0, ["a", "b", "note"]].tolist()
    said, _ = sentences(tiny, tiny.Data(table), tmp_path)
    assert "3 training cases have the same inputs." in said["unit of privacy"]
    assert "same inputs" not in sentences(tiny, data, tmp_path)[0]["unit of privacy"]
    photos = tiny.Data(data.table.assign(photo=[f"{i // 12}.png" for i in range(len(data.table))]))
    photos.inputs = photos.inputs | {"photo": SimpleNamespace(modality="image", columns=("photo",))}
    assert cases_of_one_file(SimpleNamespace(data=photos), "train") == {"photo": 6}
