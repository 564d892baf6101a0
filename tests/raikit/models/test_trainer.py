"""Tests of `trainer` with `checkpoint`, `history`, `prepared` and `training`: deterministic, resumable, open to private training."""

from __future__ import annotations

import io
import json
import os
import pickle

import numpy as np
import pytest
import torch
from opacus import GradSampleModule
from opacus.optimizers import DPOptimizer

from raikit.config.training import FusionTraining
from raikit.errors import ConfigError, ModelError
from raikit.models.history import Epoch, History
from raikit.models.prepared import prepare_cases
from raikit.models.trainer import fit, one_cycle
from raikit.models.training import build_model, train_fusion, validate_settings

SMALL = FusionTraining(width=16, image_size=16, frames=16, hop=256, vocabulary=64, words=4)


def model_of(data, seed=0, **settings):
    return build_model(data, SMALL.model_copy(update=settings), seed)


def weights(model):
    return torch.cat([weight.detach().flatten() for weight in model.module.parameters()])


def test_it_learns_whether_word_and_picture_agree(make):
    data = make(600)
    history = fit(model_of(data, dropout=0), data, epochs=24, batch_size=32)
    losses = [epoch.train_loss for epoch in history.epochs]
    assert losses[-1] < 0.65 * losses[0]  # in one row of four word or picture is missing
    assert history.epochs[-1].validation_metric > 0.75


@pytest.mark.parametrize("task", ["multiclass", "regression"])
def test_it_learns_other_targets(make, task):
    data = make(600, task=task)
    history = fit(model_of(data), data, epochs=8, batch_size=32)
    assert history.metric == {"multiclass": "accuracy", "regression": "r2"}[task]
    assert history.epochs[-1].validation_metric > 0.6


def test_r2_is_scikit_learns(make):
    from sklearn.metrics import r2_score

    data = make(task="regression", weight="w")
    model = model_of(data)
    history = fit(model, data, epochs=2)
    batch = next(data.batches("validation", 100))
    expected = r2_score(batch.target, model.scores(batch)[:, 0], sample_weight=batch.weight)
    assert history.epochs[-1].validation_metric == pytest.approx(expected, abs=1e-5)


def test_the_same_seed_gives_the_same_weights_and_leaves_the_callers_generator_alone(data):
    one, two, other = (model_of(data) for _ in range(3))
    torch.manual_seed(1)
    fit(one, data, epochs=2, seed=4)
    drawn = torch.rand(1)
    fit(two, data, epochs=2, seed=4)
    fit(other, data, epochs=2, seed=5)
    assert torch.equal(weights(one), weights(two))
    assert not torch.equal(weights(one), weights(other))
    torch.manual_seed(1)
    assert torch.equal(torch.rand(1), drawn)


class Stopped(Exception):
    pass


def stop_after(steps):
    def progress(done, total):
        if done == steps:
            raise Stopped

    return progress


@pytest.mark.parametrize("patience", [None, 2])
@pytest.mark.parametrize("steps", [2, 3, 5, 8])
def test_an_interrupted_training_goes_on_to_exactly_the_same_result(data, tmp_path, patience, steps):
    settings = {"epochs": 4, "batch_size": 40, "seed": 7, "patience": patience}
    straight = model_of(data)
    expected = fit(straight, data, **settings)
    with pytest.raises(Stopped):
        fit(model_of(data), data, workdir=tmp_path, progress=stop_after(steps), **settings)
    resumed = model_of(data)
    assert fit(resumed, data, workdir=tmp_path, **settings) == expected
    assert torch.equal(weights(resumed), weights(straight))


def test_a_finished_training_is_not_done_again(data, tmp_path):
    first = model_of(data)
    expected = fit(first, data, epochs=2, workdir=tmp_path)
    second = model_of(data)
    assert fit(second, data, epochs=2, workdir=tmp_path, progress=stop_after(1)) == expected
    assert torch.equal(weights(first), weights(second))


def test_a_checkpoint_of_another_training_is_refused_with_what_changed(data, tmp_path):
    fit(model_of(data), data, epochs=1, workdir=tmp_path)
    with pytest.raises(ModelError, match=r"seed was 0 and is 1\. Delete the file"):
        fit(model_of(data), data, epochs=1, seed=1, workdir=tmp_path)


def test_a_checkpoint_is_bound_to_initial_weights_cases_optimizer_and_recipe(make, data, tmp_path):
    def train(data=data, seed=0, rate=0.1, **recipe):
        model = model_of(data, seed=seed)
        fit(model, data, epochs=1, workdir=tmp_path, optimizer=torch.optim.SGD(model.module.parameters(), lr=rate), recipe=recipe)

    train(noise=1.0)
    train(noise=1.0)
    for what, changed in {
        "initial_weights": {"seed": 9}, "cases": {"data": make(seed=5)}, "optimizer": {"rate": 0.2}, r"recipe\.noise": {"noise": 0.5},
        r"recipe\.clip was None": {"clip": 1.0},
    }.items():
        with pytest.raises(ModelError, match=what):
            train(**{"noise": 1.0} | changed)
    with pytest.raises(ModelError, match=r"recipe\.noise was 1\.0 and is None"):
        train()


def test_losses_are_neither_recorded_nor_saved_on_request(data, tmp_path):
    history = fit(model_of(data), data, epochs=2, workdir=tmp_path, record_losses=False)
    saved = torch.load(tmp_path / "training.pt", weights_only=True)["history"]["epochs"]
    for epoch in [*(vars(epoch) for epoch in history.epochs), *saved]:
        assert {epoch[name] for name in ("train_loss", "validation_loss", "validation_metric")} == {None}
    with pytest.raises(ValueError, match="patience needs"):
        fit(model_of(data), data, epochs=2, patience=1, record_losses=False)


class _Code:
    def __reduce__(self):
        return os.system, ("exit 1",)


def _saved(value):
    stream = io.BytesIO()
    torch.save(value, stream)
    return stream.getvalue()


@pytest.mark.parametrize(
    "content", [b"half a fi", b"", pickle.dumps(_Code()), _saved({"settings": _Code()}), _saved([1]), _saved({"settings": None}), None],
    ids=["half", "empty", "code", "code in it", "a list", "no settings", "a pipe"],
)  # fmt: skip
def test_a_broken_checkpoint_is_an_error_that_names_it(data, tmp_path, content):
    if content is None:
        os.mkfifo(tmp_path / "training.pt")
    else:
        (tmp_path / "training.pt").write_bytes(content)
    with pytest.raises(ModelError, match=r"training\.pt cannot be resumed"):
        fit(model_of(data), data, epochs=1, workdir=tmp_path)


def test_patience_stops_and_keeps_the_best_weights(data):
    model = model_of(data)
    seen = {}
    history = fit(
        model,
        data,
        epochs=40,
        learning_rate=0.05,
        patience=2,
        callbacks=[lambda history, module: seen.update({len(history.epochs): weights(model).clone()})],
    )
    assert len(history.epochs) == history.kept + 2 < 40
    assert history.kept == min(history.epochs, key=lambda epoch: epoch.validation_loss).epoch
    assert torch.equal(weights(model), seen[history.kept])


def test_rows_of_weight_zero_teach_nothing(data):
    data.weight = "w"
    rows = data.table
    rows.loc[rows["target"] == 1, "w"] = 0.0
    model = model_of(data)
    fit(model, data, epochs=6, batch_size=32)
    assert (model.scores(next(data.batches("train", 90)))[:, 1] < 0.5).all()


def test_the_scale_of_weights_changes_nothing(make):
    small, large = make(weight="w"), make(weight="w")
    large.table["w"] *= 1024
    one, two = model_of(small), model_of(large)
    fit(one, small, epochs=2)
    fit(two, large, epochs=2)
    torch.testing.assert_close(weights(one), weights(two))


def test_without_validation_rows_there_is_nothing_to_watch(data):
    data.table = data.table[data.table["split"] == "train"]
    history = fit(model_of(data), data, epochs=1)
    assert history.epochs[0].validation_loss is None


def test_a_callback_ends_the_training(data):
    history = fit(model_of(data), data, epochs=5, callbacks=[lambda history, module: len(history.epochs) == 2])
    assert len(history.epochs) == 2


def test_progress_reaches_its_total(data):
    seen = []
    fit(model_of(data), data, epochs=2, batch_size=40, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(step, 6) for step in range(1, 7)]


def test_private_training_runs_through_the_same_loop_with_empty_batches(data):
    model = model_of(data)
    before = weights(model).clone()
    wrapped = GradSampleModule(model.module)
    optimizer = DPOptimizer(
        torch.optim.SGD(wrapped.parameters(), lr=0.1),
        noise_multiplier=0.5,
        max_grad_norm=1.0,
        expected_batch_size=10,
        generator=torch.Generator().manual_seed(0),
    )
    sizes = []

    def step(module, optimizer, inputs, target, weight):
        sizes.append(len(target))
        if not len(target):  # Poisson sampling drew nobody: the step is noise alone
            for parameter in module.parameters():
                parameter.grad_sample = torch.zeros(0, *parameter.shape)
            optimizer.step()
            optimizer.zero_grad()
            return 0.0
        loss = model.loss(module(**inputs), target)
        loss.mean().backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss.mean().item()

    def poisson(epoch, rng):
        return [np.array([], dtype=np.int64), *(np.flatnonzero(rng.random(90) < 0.1) for _ in range(3))]

    history = fit(model, data, epochs=2, module=wrapped, optimizer=optimizer, step=step, sampler=poisson)
    assert [epoch.steps for epoch in history.epochs] == [4, 4]
    assert sizes[0] == sizes[4] == 0
    assert sum(sizes) > 0
    assert not torch.equal(weights(model), before)
    assert all(np.isfinite(epoch.train_loss) for epoch in history.epochs)


def test_rows_in_memory_and_rows_read_again_are_the_same(data):
    model = model_of(data)
    kept, streamed = prepare_cases(model, data, "train"), prepare_cases(model, data, "train", max_bytes=0)
    assert type(kept) is not type(streamed)
    for indices in ([5, 3, 3, 80], []):
        one, two = kept.take(np.array(indices, dtype=np.int64)), streamed.take(np.array(indices, dtype=np.int64))
        assert torch.equal(one.target, two.target)
        for name in one.inputs:
            assert torch.equal(one.inputs[name], two.inputs[name])


def test_rows_that_share_a_file_share_its_tensor(data):
    kept = prepare_cases(model_of(data), data, "train")
    assert len(kept._tensors["image"]) == data.frame(["image"], "train")["image"].nunique(dropna=False)


@pytest.mark.parametrize("max_bytes", [1_500_000_000, 60_000])
def test_rows_of_one_file_that_a_model_prepares_differently_have_tensors_of_their_own(data, monkeypatch, max_bytes):
    """A model that looks at a part of a picture: before, the second row of a file was given the part of the first."""
    model = model_of(data)
    plain = model.prepare

    def parts(batch):
        tensors = plain(batch)
        row = torch.tensor([int(str(name).strip("abcdefghijklmnopqrstuvwxyz-_")) for name in batch.ids])
        return tensors | {"image": tensors["image"] * 0 + row[:, None, None, None]}

    monkeypatch.setattr(model, "prepare", parts)
    cases = prepare_cases(model, data, "train", max_bytes)
    ids = [int(str(name).strip("abcdefghijklmnopqrstuvwxyz-_")) for name in data.frame(["id"], "train")["id"]]
    assert data.frame(["image"], "train")["image"].nunique(dropna=False) < len(ids)
    assert cases.take(np.arange(len(ids))).inputs["image"][:, 0, 0, 0].tolist() == ids


def test_a_loss_that_is_no_number_ends_the_training(data):
    with pytest.raises(ModelError, match="NaN or infinite in epoch 1"):
        fit(model_of(data), data, epochs=1, step=lambda *_: float("nan"))


def test_the_schedule_rises_then_falls_to_nothing():
    assert [one_cycle(progress) for progress in (0, 0.3, 1)] == pytest.approx([1 / 25, 1, 0])


def test_a_history_survives_json():
    history = History("accuracy", [Epoch(1, 10, 0.5, 0.6, 0.7), Epoch(2, 10, 0.4, None, None)], kept=2)
    assert History.from_dict(json.loads(json.dumps(history.to_dict()))) == history
    assert history.frame()["train_loss"].tolist() == [0.5, 0.4]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epoch": 3}, r"unknown key 'epoch' in model\.train\. Did you mean 'epochs'\?"),
        ({"epochs": 0}, r"model\.train\.epochs: must be greater than or equal to 1, not 0"),
        ({"width": 20}, r"model\.train\.width: must be a multiple of 8, not 20"),
    ],
)
def test_a_wrong_setting_is_one_sentence(settings, message):
    with pytest.raises(ConfigError, match=message):
        validate_settings(settings)


def test_train_fusion_takes_what_audit_yaml_says(data, tmp_path):
    settings = {"kind": "fusion", "epochs": 2, "width": 16, "vocabulary": 64}
    model, history = train_fusion(data, settings, seed=2, workdir=tmp_path)
    assert model.module.config.width == 16
    assert len(history.epochs) == 2
    assert (tmp_path / "training.pt").exists()


def test_a_dataset_without_train_cases_is_refused(data):
    data.table = data.table[data.table["split"] == "validation"]
    with pytest.raises(ModelError, match="the train split has no cases"):
        train_fusion(data, {})
