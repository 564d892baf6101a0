"""The fusion model keeps the promises of `raikit.Model`, of Hugging Face, of Captum and of Opacus."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from captum.attr import IntegratedGradients
from opacus import GradSampleModule
from opacus.validators import ModuleValidator
from transformers import AutoConfig, AutoModel

from raikit.config.training import FusionTraining
from raikit.data.batch import Batch
from raikit.errors import ModelError
from raikit.models.fusion import FusionModel
from raikit.models.network import FusionConfig, FusionNet
from raikit.models.training import build_model, train_fusion

TASKS = ["binary", "multiclass", "regression"]
SMALL = {"width": 16, "image_size": 16, "frames": 16, "hop": 256, "vocabulary": 64, "words": 4}


def untrained(data, **settings):
    return build_model(data, FusionTraining(**(SMALL | settings)), seed=3)


def first(data, rows=12):
    return next(data.batches("train", rows))


@pytest.fixture(scope="module")
def trained(make):
    data = make(300)
    return data, train_fusion(data, SMALL | {"epochs": 6, "batch_size": 32}, seed=1)[0]


@pytest.mark.parametrize("task", TASKS)
def test_scores_have_one_column_for_each_class_or_one_value(make, task):
    data = make(task=task)
    scores = untrained(data).scores(first(data))
    assert scores.shape == (12, {"binary": 2, "multiclass": 3, "regression": 1}[task])
    if task == "regression":  # on the target's own scale, around its mean
        assert np.abs(scores - 1050).max() < 300
    else:
        np.testing.assert_allclose(scores.sum(axis=1), 1)


def test_it_states_what_it_can_do(make):
    model = untrained(make())
    assert model.capabilities == {"labels", "scores", "gradients", "embeddings", "trainable"}
    assert model.modalities == {"image": "image", "note": "text", "voice": "audio", "facts": "tabular"}
    assert model.describe()["parameters"] == sum(weight.numel() for weight in model.module.parameters())
    assert model.describe()["preprocessing"]["facts.vendor"] == "list of 3 labels"


@pytest.mark.parametrize("task", TASKS)
def test_saved_and_loaded_it_scores_the_same(make, task, tmp_path):
    data = make(task=task)
    model = untrained(data)
    model.save(tmp_path)
    loaded = FusionModel.load(tmp_path)
    np.testing.assert_array_equal(loaded.scores(first(data)), model.scores(first(data)))
    assert loaded.classes == model.classes
    assert loaded.positions(first(data)) == model.positions(first(data))
    assert (tmp_path / "model.safetensors").exists()


def test_hugging_face_reads_it_by_its_auto_classes(make, tmp_path):
    data = make()
    model = untrained(data)
    model.module.save_pretrained(tmp_path)
    assert isinstance(AutoConfig.from_pretrained(tmp_path), FusionConfig)
    net = AutoModel.from_pretrained(tmp_path).eval()
    assert isinstance(net, FusionNet)
    prepared = model.prepare(first(data))
    with torch.no_grad():
        torch.testing.assert_close(net(**prepared), model.module(**prepared))


def test_a_folder_without_a_model_is_an_error_that_names_it(tmp_path):
    with pytest.raises(ModelError, match="does not hold a fusion model"):
        FusionModel.load(tmp_path)


def test_scores_do_not_depend_on_the_batch(trained):
    data, model = trained
    together = model.scores(next(data.batches("train", 200)))
    alone = np.concatenate([model.scores(batch) for batch in data.batches("train", 7)])[:200]
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_no_rows_are_no_error(make):
    data = make()
    model = untrained(data)
    nothing = Batch([], {"image": [], "note": [], "voice": [], "facts": data.frame(["age", "vendor"], "train")[:0]})
    assert model.scores(nothing).shape == (0, 2)
    assert model.embeddings(nothing).shape == (0, 32)


def test_a_missing_input_is_all_zeros_and_an_absent_one_is_missing_in_every_row(make):
    data = make()
    model = untrained(data)
    given = first(data)
    empty = {"image": [None] * 12, "note": [None] * 12, "voice": [None] * 12}
    encoded = model.encode(Batch(given.ids, given.inputs | empty))
    assert not any(encoded[name].any() for name in empty)
    without = model.encode(Batch(given.ids, {}))
    assert without.keys() == model.modalities.keys()
    assert not any(tensor.any() for tensor in without.values())


def test_forward_on_the_encoding_is_the_module_on_the_tensors(trained):
    data, model = trained
    batch = first(data)
    with torch.no_grad():
        logits = model.forward(model.encode(batch))
        torch.testing.assert_close(logits, model.module(**model.prepare(batch)))
    np.testing.assert_allclose(logits.double().softmax(1), model.scores(batch), atol=1e-6)


def test_integrated_gradients_from_nothing_add_up(trained):
    data, model = trained
    encoded = model.encode(first(data, 24))
    names = list(encoded)
    logit = lambda *tensors: model.forward(dict(zip(names, tensors, strict=True)))[:, 1]  # noqa: E731
    inputs = tuple(encoded.values())
    baseline = tuple(torch.zeros_like(tensor) for tensor in inputs)
    _, delta = IntegratedGradients(logit).attribute(inputs, baseline, n_steps=200, return_convergence_delta=True)
    with torch.no_grad():
        moved = logit(*inputs) - logit(*baseline)
    assert delta.abs().max() < 0.02 * moved.abs().max()


def test_words_and_columns_name_the_encoding(make):
    data = make()
    model = untrained(data, words=2)
    batch = first(data)
    positions, encoded = model.positions(batch), model.encode(batch)
    assert [tokens.text for tokens in positions["note"]] == [text.split()[:2] if text else [] for text in batch.inputs["note"]]
    assert encoded["note"].shape[:2] == (12, 2)
    assert {len(columns.names) for columns in positions["facts"]} == {encoded["facts"].shape[1]}
    assert {len(spectrogram.hertz) for spectrogram in positions["voice"]} == {encoded["voice"].shape[2]}


def test_a_copy_is_independent_and_fresh_has_seen_no_row(trained):
    data, model = trained
    copied, fresh, again = model.copy(), model.fresh(5), model.fresh(5)
    with torch.no_grad():
        next(copied.module.parameters()).add_(1)
    assert not torch.equal(next(copied.module.parameters()), next(model.module.parameters()))
    assert all(torch.equal(a, b) for a, b in zip(fresh.module.parameters(), again.module.parameters(), strict=True))
    expected = build_model(data, FusionTraining(**SMALL), seed=5).module.state_dict()
    assert all(torch.equal(weight, expected[name]) for name, weight in fresh.module.state_dict().items())


def test_making_a_model_leaves_the_callers_generator_alone(make):
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    untrained(make())
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.parametrize("task", TASKS)
def test_per_sample_gradients_of_opacus_are_those_of_one_backward_pass_per_example(make, task):
    data = make(task=task)
    model = untrained(data, modality_dropout=0, dropout=0)  # what is drawn per row would differ between the two passes
    assert not ModuleValidator.validate(model.module.train(), strict=False)
    batch = first(data, 5)
    prepared, target = model.prepare(batch), torch.tensor(batch.target)
    wrapped = GradSampleModule(model.copy().module.train(), loss_reduction="sum")
    model.loss(wrapped(**prepared), target).sum().backward()
    for row in range(5):
        model.module.zero_grad()
        one = {name: tensor[row : row + 1] for name, tensor in prepared.items()}
        model.loss(model.module(**one), target[row : row + 1]).sum().backward()
        for (name, own), theirs in zip(model.module.named_parameters(), wrapped.parameters(), strict=True):
            known = 1 if "embedding" in name else 0  # Opacus does not know that the row for padding has no gradient
            torch.testing.assert_close(
                theirs.grad_sample[row][known:], own.grad[known:], atol=1e-5, rtol=1e-3, msg=name
            )


def test_any_input_name_will_do_and_two_inputs_may_share_a_modality(make):
    data = make()
    data.inputs = {"a.b": data.inputs["note"], "keys": data.inputs["note"], "prepared": data.inputs["facts"]}
    model = untrained(data)
    assert model.scores(first(data)).shape == (12, 2)
    assert model.module(**model.prepare(first(data))).shape == (12, 2)


def test_one_input_alone_is_a_model_too(make):
    data = make()
    data.inputs = {"note": data.inputs["note"]}
    assert untrained(data).scores(first(data)).shape == (12, 2)


def test_modality_dropout_hides_inputs_in_training_only(make):
    data = make()
    model = untrained(data, modality_dropout=0.5)
    prepared = model.prepare(first(data))
    with torch.no_grad():
        assert torch.equal(model.module(**prepared), model.module(**prepared))
        model.module.train()
        assert not torch.equal(model.module(**prepared), model.module(**prepared))


def test_the_interface_imports_no_torch():
    code = "import sys, raikit.models.base, raikit.config.training; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
