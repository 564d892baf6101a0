"""No claim about privacy that is not so: initial weights that have seen the cases, checkpoints, scope, one draw of noise."""

from __future__ import annotations

import copy
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import raikit
from raikit.models.preprocessing import Preprocessing
from raikit.testing import result_of, table_context
from raikit_privacy.checks import PrivateFineTuning
from raikit_privacy.estimates import membership, trials
from raikit_privacy.estimates.membership import Losses
from raikit_privacy.estimates.starting_weights import fixed_tensors, initial_model

from .conftest import words_of

QUICK = {"epochs": 2, "batch_size": 60, "learning_rate": 0.3, "accountant": "rdp"}
CEILING = "privacy.membership_tpr_ceiling(fpr=0.01,target=1)"


@pytest.fixture(scope="module")
def noisy_data(tiny):
    """Targets that are unrelated to the inputs, so that a model can only memorise them."""
    table = tiny.table(600)
    table["target"] = np.random.default_rng(1).integers(0, 2, len(table))
    return tiny.Data(table)


@pytest.fixture(scope="module")
def wide(tiny):
    class Wide(tiny.Net):
        def __init__(self, seed=0, norm=None):
            super().__init__(seed, norm)
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                self.first, self.last = nn.Linear(2 + 3, 256), nn.Linear(256, 2)

    return Wide


@pytest.fixture(scope="module")
def by_heart(tiny, wide, noisy_data):
    """Weights that know their training cases by heart."""
    net = wide(0)
    batch = next(noisy_data.batches("train", 1000))
    inputs = tiny.Model(net).prepare(batch)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.02)
    for _ in range(400):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(**inputs), torch.tensor(batch.target)).backward()
        optimizer.step()
    return net.eval()


def loaded(tiny, net, fresh=None):
    """Make a model of a loader's, whose ``fresh`` may be another function of its network and a seed."""

    class Loaded(tiny.Model):
        def copy(self):
            return loaded(tiny, copy.deepcopy(self.net), fresh)

        def fresh(self, seed=0):
            return loaded(tiny, fresh(self.net, seed), fresh) if fresh else super().fresh(seed)

    return Loaded(net, kind="loaded")


def given(net, seed):
    return copy.deepcopy(net)


def refused(net, seed):
    raise raikit.ModelError("a model of kind 'loaded' has no trainable")


def new_head(net, seed):
    """Keep what was trained but for the last layer."""
    return with_drawn(net, seed, lambda name, old, drawn: drawn if name.startswith("last") else old)


def shrunk_and_perturbed(net, seed):
    return with_drawn(net, seed, lambda name, old, drawn: 0.8 * old + 0.1 * drawn)


def with_drawn(net, seed, mix):
    torch.manual_seed(seed)
    mixed = copy.deepcopy(net)
    with torch.no_grad():
        for name, parameter in mixed.named_parameters():
            parameter.copy_(mix(name, parameter, torch.randn_like(parameter)))
    return mixed


def context(tiny, model, data, folder, **more):
    return table_context(tiny.predictions(model, data), model=model, data=data, seed=1, classes=[0, 1], sensitive=("sex",),
                         folder=folder, **more)


def by_id(result):
    return {metric.id: metric for metric in result.metrics}


def area_of_attack(model, data):
    loss, member = [], []
    for split in ("train", "validation"):
        for batch in data.batches(split, 1000):
            with torch.no_grad():
                loss.append(model.loss(model.module(**model.prepare(batch)), torch.tensor(batch.target)).numpy())
            member.append(np.full(len(batch), split == "train"))
    return membership.area(Losses(np.concatenate(member), np.concatenate(loss)), 0.95)


# --- where private training starts ------------------------------------------------------------------------------------


@pytest.mark.parametrize("fresh", [given, refused, new_head, shrunk_and_perturbed])
def test_nothing_is_claimed_of_weights_that_may_have_seen_the_cases(tiny, noisy_data, by_heart, tmp_path, fresh):
    """An attack on these weights has an area above e / (1 + e) = .731, the most that epsilon = 1 would allow."""
    assert area_of_attack(loaded(tiny, by_heart), noisy_data).value > 0.731
    result = result_of(PrivateFineTuning, context(tiny, loaded(tiny, by_heart, fresh), noisy_data, tmp_path), epsilons=[1], **QUICK)
    assert {metric.value for metric in result.metrics} == {None}
    assert CEILING in by_id(result)
    assert "not known what the initial weights have seen" in by_id(result)[CEILING].reason
    assert [finding.severity for finding in result.findings] == ["warn"]
    assert "nothing is claimed" in words_of(result.findings[0])


@pytest.mark.parametrize("fresh", [given, refused, shrunk_and_perturbed])
def test_a_declaration_that_an_attack_contradicts_admits_no_claim(tiny, noisy_data, by_heart, tmp_path, fresh):
    ctx = context(tiny, loaded(tiny, by_heart, fresh), noisy_data, tmp_path)
    result = result_of(PrivateFineTuning, ctx, epsilons=[1], public_weights="a web crawl", **QUICK)
    assert {metric.value for metric in result.metrics} == {None}
    assert "already tell training cases from validation cases" in by_id(result)[CEILING].reason


@pytest.mark.parametrize("fresh", [given, new_head])
def test_declared_weights_are_a_condition_of_every_guarantee(tiny, noisy_data, wide, tmp_path, fresh):
    ctx = context(tiny, loaded(tiny, wide(3), fresh), noisy_data, tmp_path)
    result = result_of(PrivateFineTuning, ctx, epsilons=[1], public_weights="a web crawl of 2019", **QUICK)
    assert by_id(result)[CEILING].value < 0.03
    text = " ".join(words_of(finding) for finding in result.findings)
    assert "origin is declared, not proved: a web crawl of 2019" in text
    assert "and the initial weights have seen no training case, as the configuration says" in text
    assert "the initial weights have seen no training case" in by_id(result)[CEILING].condition
    assert "99.8% CI" in text
    assert "which is no proof" in text
    assert ("It has little power here, because other weights are newly drawn" in text) == (fresh is new_head)


def test_a_base_that_is_only_named_is_not_said_to_be_declared(tiny, noisy_data, wide, tmp_path):
    """``base: folder`` names a model; nobody has said that it has seen no training case."""
    model = loaded(tiny, wide(3), given)
    type(model).origin = raikit.models.base.Origin("pretrained", "reviews-bert")
    fresh = type(model).fresh
    type(model).fresh = lambda self, seed=0: with_origin(fresh(self, seed))
    result = result_of(PrivateFineTuning, context(tiny, model, noisy_data, tmp_path), epsilons=[1], **QUICK)
    condition = by_id(result)[CEILING].condition
    text = " ".join(words_of(finding) for finding in result.findings)
    assert "the pretrained model reviews-bert has seen no training case (the configuration names it, and does not say" in condition
    assert condition in text
    assert "as the configuration says" not in text
    assert "declared" not in text


def with_origin(model):
    model.origin = raikit.models.base.Origin("pretrained", "reviews-bert")
    return model


def test_a_model_whose_fresh_draws_is_trained_whatever_its_own_weights_know(tiny, noisy_data, by_heart, tmp_path):
    result = result_of(PrivateFineTuning, context(tiny, loaded(tiny, by_heart), noisy_data, tmp_path), epsilons=[1], **QUICK)
    assert by_id(result)[CEILING].value < 0.03
    assert "newly drawn" in words_of(result.findings[0])


def test_buffers_that_were_fitted_are_found_and_plain_ones_are_not(tiny):
    class Scaled(tiny.Net):
        def __init__(self, seed=0, norm=None):
            super().__init__(seed, norm)
            self.register_buffer("mean", torch.tensor([0.31, -0.2]), persistent=False)
            self.register_buffer("positions", torch.arange(5))
            self.norm = nn.LayerNorm(8)

    assert fixed_tensors(*(initial_model(tiny.Model(Scaled()), seed) for seed in (1, 2))) == ["mean"]


@pytest.mark.parametrize("keep", ["mask as a buffer", "mask in the weights", "targets in an attribute"])
def test_scattered_zeros_and_ones_are_not_plain_because_they_may_come_from_cases(tiny, keep):
    """A pruning mask of the trained weights, zeros of pruned weights, stored targets: each is a memory of cases."""
    bits = torch.tensor(np.random.default_rng(0).integers(0, 2, (8, 5)), dtype=torch.float32)

    class Pruned(tiny.Net):
        def __init__(self, seed=0, norm=None):
            super().__init__(seed, norm)
            if keep == "mask as a buffer":
                self.register_buffer("mask", bits)
            elif keep == "mask in the weights":
                self.first.weight.data *= bits
            else:
                self.targets = [bits.numpy()]

    expected = {"mask as a buffer": "mask", "mask in the weights": "first.weight", "targets in an attribute": "targets[0]"}
    assert fixed_tensors(*(initial_model(tiny.Model(Pruned()), seed) for seed in (1, 2))) == [expected[keep]]


@pytest.mark.parametrize("pattern", [
    torch.ones(9, 9).tril(), torch.ones(1, 1, 9, 9).triu(1).bool(), torch.eye(9), torch.ones(9, 9).tril(1).triu(-2),
    torch.tensor([0.0] * 8 + [1.0] * 8 + [0.0] * 16), torch.tensor([0.0, 1.0]).repeat(20, 1), torch.ones(3, 4)])
def test_masks_of_attention_identities_and_blocks_are_plain(tiny, pattern):
    class Masked(tiny.Net):
        def __init__(self, seed=0, norm=None):
            super().__init__(seed, norm)
            self.register_buffer("mask", pattern)

    assert fixed_tensors(*(initial_model(tiny.Model(Masked()), seed) for seed in (1, 2))) == []


def test_a_fresh_that_overwrites_the_audited_model_is_an_error(tiny, data, tmp_path):
    class Careless(tiny.Model):
        def fresh(self, seed=0):
            self.net.load_state_dict(tiny.Net(seed).state_dict())
            return self

    with pytest.raises(RuntimeError, match="changed the audited model"):
        result_of(PrivateFineTuning, context(tiny, Careless(tiny.Net(9)), data, tmp_path), **QUICK)


def test_the_initial_weights_of_a_fusion_model_are_all_drawn(fusion):
    assert fixed_tensors(*(initial_model(fusion, seed) for seed in (1, 2))) == []


# --- checkpoints ------------------------------------------------------------------------------------------------------


class Killed(Exception):
    pass


def interrupt(ctx, after, **options):
    def stop(done, total):
        if done == after:
            raise Killed

    with pytest.raises(Killed):
        result_of(PrivateFineTuning, type(ctx)(**{**vars(ctx), "progress": stop}), **options)
    return ctx.workdir / "private-training"


@pytest.mark.parametrize("after", [1, 5, 6, 10, 11, 17])
def test_whatever_the_moment_an_interrupted_run_leaves_a_notice_and_no_losses(tiny, data, tmp_path, after):
    folder = interrupt(context(tiny, tiny.Model(), data, tmp_path), after, twin=True, **QUICK)
    notice = (folder / trials.NOTICE).read_text()
    assert "is not private" in notice
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != trials.NOTICE]
    assert len(files) == (after > 5) + (after > 15)
    for path in files:
        assert path.name == "training.pt"
        assert f"{path.parent.name.split('-')[0]}" in notice
        history = torch.load(path, weights_only=True)["history"]["epochs"]
        assert all(epoch[name] is None for epoch in history for name in ("train_loss", "validation_loss", "validation_metric"))


def test_nothing_is_left_of_a_finished_check(tiny, data, tmp_path):
    ctx = context(tiny, tiny.Model(), data, tmp_path)
    result_of(PrivateFineTuning, ctx, **QUICK)
    assert not any(ctx.workdir.rglob("*"))


@pytest.mark.parametrize(
    "changed", [{"delta": 1e-3}, {"max_grad_norm": 9.0}, {"learning_rate": 0.1}, {"layers": "all"}, {"batch_size": 30},
                {"epochs": 3}, {"accountant": "prv"}])  # another budget, delta or accountant plans other noise
def test_a_checkpoint_of_another_recipe_is_refused_and_not_accounted_as_this_one(tiny, data, tmp_path, changed):
    ctx = context(tiny, tiny.Model(), data, tmp_path)
    interrupt(ctx, 6, **QUICK)
    with pytest.raises(raikit.ModelError, match=r"training\.pt belongs to another training"):
        result_of(PrivateFineTuning, ctx, **QUICK | changed)


def test_a_checkpoint_of_other_cases_or_other_initial_weights_is_refused(tiny, data, noisy_data, tmp_path):
    interrupt(context(tiny, tiny.Model(), data, tmp_path), 6, **QUICK)
    with pytest.raises(raikit.ModelError, match="cases was"):
        result_of(PrivateFineTuning, context(tiny, tiny.Model(), noisy_data, tmp_path), **QUICK)

    class Shifted(tiny.Net):
        def __init__(self, seed=0, norm=None):
            super().__init__(seed + 1, norm)

    with pytest.raises(raikit.ModelError, match="initial_weights was"):
        result_of(PrivateFineTuning, context(tiny, tiny.Model(Shifted()), data, tmp_path), **QUICK)


def test_a_checkpoint_that_counts_fewer_steps_than_were_made_is_not_accounted(tiny, data, tmp_path):
    """Ten steps: five before the interruption, of which a changed file remembers one."""
    ctx = context(tiny, tiny.Model(), data, tmp_path)
    (path,) = interrupt(ctx, 6, **QUICK).rglob("training.pt")
    saved = torch.load(path, weights_only=True)
    edited = 0

    def edit(part):
        nonlocal edited
        for key, value in part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ():
            if key == "steps_made":
                part[key], edited = 1, edited + 1
            else:
                edit(value)

    edit(saved)
    assert edited
    torch.save(saved, path)
    with pytest.raises(RuntimeError, match=r"10 steps were planned and 6 counted: training\.pt was changed"):
        result_of(PrivateFineTuning, ctx, **QUICK)


# --- what epsilon does not cover --------------------------------------------------------------------------------------


def test_the_scope_names_what_this_model_was_fitted_on(tiny, data, tmp_path):
    class Fitted(tiny.Model):
        scaler = SimpleNamespace(mean_=np.array([0.3, 0.1]), names=["a", "b"])

        def fitted(self):
            return {"columns.a": "mean", "columns.b": "mean", "note": "vocabulary of 20 words"}

        def fresh(self, seed=0):
            return Fitted(super().fresh(seed).net)

    result = result_of(PrivateFineTuning, context(tiny, Fitted(), data, tmp_path), **QUICK)
    assert dict(result.findings[0].facts)["Fitted without noise"] == (
        "mean (columns.a and columns.b); vocabulary of 20 words (note); list of 2 classes (target)")
    assert "That is the model's own statement; nothing shows that it is complete." in words_of(result.findings[0])
    assert "The model also holds numbers whose origin is not known: scaler.mean_." in words_of(result.findings[0])
    rows = dict(next(table for table in result.tables if table.id == "uncovered").rows)
    assert {"columns.a", "columns.b", "note", "target", "number of training cases", "anything else"} <= rows.keys()
    assert "preprocessing" not in rows


def test_what_is_not_known_is_said_to_be_unknown(tiny, data, tmp_path):
    result = result_of(PrivateFineTuning, context(tiny, tiny.Model(), data, tmp_path), **QUICK)
    assert "preprocessing or loss was fitted on is not known" in words_of(result.findings[0])
    assert "not known" in dict(next(table for table in result.tables if table.id == "uncovered").rows)["preprocessing"]


def test_all_that_one_case_changes_outside_of_the_weights_of_a_fusion_model_is_named(fusion):
    """Without Trier's case there is no gap, no label Trier, and another mean."""
    named = fusion.fitted()
    assert named == {"facts.age": "mean, standard deviation and whether values are missing", "facts.town": "list of 3 labels"}
    table = pd.DataFrame({"age": [31.0, 40.0], "town": ["Ulm", "Bonn"]})
    with_it, without = (one.to_dict() for one in (fusion.preprocessing, Preprocessing.fit({"facts": table})))
    changed = {f"facts.{old['column']}" for old, new in zip(with_it["tables"]["facts"], without["tables"]["facts"], strict=True)
               if old != new}
    assert changed == named.keys()
    assert {key for key in with_it if with_it[key] != without[key]} == {"tables"}


def test_a_delta_that_is_not_far_below_one_over_the_number_of_cases_is_warned_of(tiny, data, tmp_path):
    """There are 300 training cases; the default is a tenth of one over that number at most."""
    ctx = context(tiny, tiny.Model(), data, tmp_path)
    warned = [[words_of(finding) for finding in result_of(PrivateFineTuning, ctx, delta=delta, **QUICK).findings
               if finding.what == "size of delta"] for delta in (1 / 100, 1 / 350, 1 / 2900, 1 / 3000, None)]
    assert [len(sentences) for sentences in warned] == [1, 1, 1, 0, 0]
    assert "is at least one over the number of training cases (300)" in warned[0][0]
    assert "about 3 cases, would satisfy" in warned[0][0]
    assert "is not far below" in warned[1][0]
    assert "some case in 57.6% of releases" in warned[1][0]
    assert "set it to 0.00033 at most" in warned[2][0]


def test_copies_of_a_case_are_said_to_weaken_epsilon_without_clusters_too(tiny, data, tmp_path):
    result = result_of(PrivateFineTuning, context(tiny, tiny.Model(), data, tmp_path), **QUICK)
    unit = next(finding for finding in result.findings if finding.what == "unit of privacy")
    assert "k copies of a case" in words_of(unit)


def test_the_bound_names_what_a_shortcut_assumes(tiny, data, tmp_path):
    result = result_of(PrivateFineTuning, context(tiny, tiny.Model(), data, tmp_path), **QUICK)
    bound = next(finding for finding in result.findings if finding.what == "bound on membership inference")
    assert "assumes that clipping is right for every case" in words_of(bound)
    assert "Whoever is in several cases, or has copies, may be recognised more often" in words_of(bound)
    assert "proved" not in bound.certainty


@pytest.mark.parametrize("memory", ["first call", "memo", "longest word"])
def test_a_network_that_remembers_cases_is_refused(tiny, data, tmp_path, memory):
    """None of these is seen when a case goes through a second time: what was remembered stays."""
    class Remembering(tiny.Net):
        def __init__(self, seed=0, norm=None):
            super().__init__(seed, norm)
            self.memo, self.ready = {}, False
            if memory == "longest word":
                self.words = nn.Embedding(20, 3, padding_idx=0, max_norm=0.5)

        def forward(self, columns, note):
            if memory == "first call" and not self.ready:
                self.ready = True
                self.first.bias.data -= self.first.weight[:, :2] @ columns.detach().mean(0)
            if memory == "memo":
                columns = torch.stack([self.memo.setdefault(int(row[0]), row.detach()) for row in columns])
            return super().forward(columns, note)

    class Model(tiny.Model):
        def copy(self):
            return Model(copy.deepcopy(self.net))

        def fresh(self, seed=0):
            return Model(Remembering(seed))

    result = result_of(PrivateFineTuning, context(tiny, Model(Remembering()), data, tmp_path), **QUICK)
    assert {metric.value for metric in result.metrics} == {None}
    expected = "cases that went through the model before" if memory != "longest word" else "weight words.weight changes"
    assert expected in by_id(result)["privacy.membership_tpr_ceiling(fpr=0.01,target=8)"].reason


# --- one draw of noise ------------------------------------------------------------------------------------------------


def test_one_training_says_that_its_randomness_is_not_covered(tiny, data, tmp_path):
    result = result_of(PrivateFineTuning, context(tiny, tiny.Model(), data, tmp_path), **QUICK)
    about_cost = [words_of(finding) for finding in result.findings if "cost" in finding.what or "accuracy" in finding.what]
    assert len(about_cost) >= 2
    assert all("which the interval does not cover" in sentence for sentence in about_cost)
    assert "whose randomness is not covered" in by_id(result)["privacy.accuracy_cost(target=8)"].method


def test_the_cost_is_that_of_the_recipe_and_other_runs_add_up(tiny, data, tmp_path):
    """Without a twin, nobody knows what of the cost is privacy's; a second run on the same cases spends epsilon again."""
    result = result_of(PrivateFineTuning, context(tiny, tiny.Model(), data, tmp_path), **QUICK)
    said = {finding.what: finding for finding in result.findings}
    assert "includes whatever else its recipe changes" in words_of(said["accuracy with and without privacy"])
    assert "other runs on them: their ε adds to this one" in words_of(said["scope of epsilon"])
    assert said["scope of epsilon"].certainty == "two draws were compared"


def test_two_trainings_are_refused():
    with pytest.raises(ValueError, match="1, or at least 3"):
        PrivateFineTuning.Options(repeats=2)


def test_several_trainings_are_averaged_and_their_randomness_widens_the_interval(tiny, data, tmp_path):
    ctx = context(tiny, tiny.Model(), data, tmp_path)
    one, three = (
        by_id(result_of(PrivateFineTuning, ctx, repeats=repeats, twin=True, epsilons=[1], **QUICK)) for repeats in (1, 3))
    name = "privacy.accuracy_cost(target=1)"
    assert three[name].high - three[name].low > one[name].high - one[name].low
    assert three[name].method.endswith("over 3 trainings and others that do not fail")
    estimated = [metric for metric in one.values() if metric.method]
    assert {tuple(metric.flags[:1]) for metric in estimated if "accuracy" in metric.id} == {("one_training",)}
    assert not any("one_training" in metric.flags for metric in (*three.values(), one["privacy.epsilon(target=1)"]))
    assert three["privacy.epsilon(target=1)"].value == one["privacy.epsilon(target=1)"].value
    groups = [three[f"{name}[sex={sex}]"] for sex in "FM"]
    shares = [metric.n / 200 for metric in groups]
    assert np.dot([metric.value for metric in groups], shares) == pytest.approx(three[name].value)


# --- what else than privacy differs -----------------------------------------------------------------------------------


def test_weights_of_the_audited_training_are_not_a_cost_of_privacy(tiny, data, tmp_path):
    """A model that was reweighted for a group pays for leaving that out, and not for privacy alone."""
    model = tiny.Model()
    model.training = {"reweight": ["sex"]}
    rows = tiny.predictions(model, data).assign(importance=1.0)
    ctx = table_context(rows, model=model, data=data, seed=1, classes=[0, 1], sensitive=("sex",), weight="importance", folder=tmp_path)
    said = {finding.what: words_of(finding) for finding in result_of(PrivateFineTuning, ctx, **QUICK).findings}
    weights = "weights of cases, which private training does not use (the column importance and reweighting by sex)"
    assert f"layers that are not trained. A part of it may be due to {weights}." in said["accuracy with and without privacy"]
    assert f"A part of it may be due to {weights}." in said["cost of privacy, by group"]
    plain = result_of(PrivateFineTuning, context(tiny, tiny.Model(), data, tmp_path / "plain"), **QUICK)
    assert "weights of cases" not in " ".join(words_of(finding) for finding in plain.findings)


def test_what_was_computed_from_several_cases_beforehand_is_not_covered(tiny, data, tmp_path):
    """A column of ranks, or a split that depends on other cases, tells of a case wherever it is not."""
    result = result_of(PrivateFineTuning, context(tiny, tiny.Model(), data, tmp_path), **QUICK)
    scope = next(words_of(finding) for finding in result.findings if finding.what == "scope of epsilon")
    assert "columns that were computed from several cases" in scope
    rows = dict(next(table.rows for table in result.tables if table.id == "uncovered"))
    assert {"columns of the data", "choice of training cases"} <= rows.keys()
