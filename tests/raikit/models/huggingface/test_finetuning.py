"""Fine-tuning ends in an ordinary folder, whatever was trained, and is the same after an interruption."""

import json

import numpy as np
import pytest
import torch
import transformers

from raikit.config.training import HuggingFaceTraining
from raikit.errors import ModelError
from raikit.models.huggingface.finetuning import merged, start, train_huggingface, with_method
from raikit.models.loaders import LOADERS, load
from raikit.testing import dataset

from .conftest import cases

DATA = dataset("multiclass", ["text"], rows=240, missing=True)
METHODS = ["full", "head", "lora", "adalora"]
QUICK = {"epochs": 3, "batch_size": 16, "learning_rate": 5e-3}


def settings(folder, **more):
    return HuggingFaceTraining(base=str(folder), **{**QUICK, **more})


@pytest.mark.parametrize("method", METHODS)
def test_what_is_trained_learns_and_from_pretrained_reads_it(folder, tmp_path, method):
    steps = []
    model, history = train_huggingface(
        DATA, settings(folder("bert"), method=method), 0, tmp_path / "work", lambda done, total: steps.append((done, total))
    )
    assert [epoch.epoch for epoch in history.epochs] == [1, 2, 3]
    assert history.epochs[-1].train_loss < history.epochs[0].train_loss
    assert all(0 <= epoch.validation_metric <= 1 for epoch in history.epochs)
    assert steps[-1][0] == steps[-1][1] == sum(epoch.steps for epoch in history.epochs)
    model.save(tmp_path / "saved")
    net = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path / "saved").eval()
    again = load({"kind": "huggingface", "path": str(tmp_path / "saved")}, DATA, LOADERS, tmp_path)
    batch = next(DATA.batches("test", 16))
    np.testing.assert_allclose(again.scores(batch), model.scores(batch), atol=1e-6)
    assert net.config.id2label == {0: "a", 1: "b", 2: "c"}
    assert again.limits == []


@pytest.mark.parametrize("name", ["bert", "gpt2", "vit", "wav2vec2"])
@pytest.mark.parametrize("method", ["lora", "adalora"])
def test_adapters_equal_the_merged_model(folder, name, method):
    data = cases({"vit": ["image"], "wav2vec2": ["audio"]}.get(name, ["text"]))
    model = start(data, settings(folder(name)))
    net = with_method(model.net, settings(folder(name), method=method), 20)
    torch.manual_seed(1)
    with torch.no_grad():
        for key, parameter in net.named_parameters():
            if "lora_" in key:
                parameter.copy_(torch.randn_like(parameter) * 0.05)
    inputs = model.prepare(next(data.batches("test", 6)))
    inputs.pop("lengths", None)
    with torch.no_grad():
        adapted = net.eval()(**inputs).logits
        joined = merged(net).eval()(**inputs).logits
        plain = start(data, settings(folder(name))).net(**inputs).logits
    torch.testing.assert_close(joined, adapted, atol=1e-5 * float(adapted.abs().max()), rtol=0)
    assert (joined - plain).abs().max() > 1e-3


def test_only_the_head_moves_where_only_the_head_is_trained(folder, tmp_path):
    model, _ = train_huggingface(DATA, settings(folder("bert"), method="head", epochs=1), 0, tmp_path / "work")
    base = transformers.AutoModelForSequenceClassification.from_pretrained(folder("bert"))
    for key, parameter in model.net.bert.named_parameters():
        assert torch.equal(parameter, dict(base.bert.named_parameters())[key]), key
    assert not torch.equal(model.net.classifier.weight, base.classifier.weight)


@pytest.mark.long
def test_an_interrupted_training_ends_as_an_uninterrupted_one_and_others_are_refused(folder, tmp_path):
    class Interrupted(Exception):
        pass

    def interrupt(done, total):
        if done > 0.8 * total:
            raise Interrupted

    whole, _ = train_huggingface(DATA, settings(folder("bert")), 0, tmp_path / "whole")
    with pytest.raises(Interrupted):
        train_huggingface(DATA, settings(folder("bert")), 0, tmp_path / "half", interrupt)
    resumed, history = train_huggingface(DATA, settings(folder("bert")), 0, tmp_path / "half")
    assert len(history.epochs) == 3
    for key, parameter in whole.net.named_parameters():
        torch.testing.assert_close(dict(resumed.net.named_parameters())[key], parameter, atol=1e-6, rtol=0)
    with pytest.raises(ModelError, match="holds another training: epochs differ"):
        train_huggingface(DATA, settings(folder("bert"), epochs=4), 0, tmp_path / "half")


def test_a_checkpoint_that_a_kill_cut_off_is_not_continued(folder, tmp_path):
    wanted = settings(folder("bert"), epochs=1)
    whole, _ = train_huggingface(DATA, wanted, 0, tmp_path / "work")
    states = sorted((tmp_path / "work").rglob("trainer_state.json"))
    cut = states[0].parent.parent / "checkpoint-99999"
    cut.mkdir()
    (cut / "model.safetensors").write_bytes(b"half")
    states[0].write_text(states[0].read_text()[:100])
    again, history = train_huggingface(DATA, wanted, 0, tmp_path / "work")
    assert len(history.epochs) == 1 and not cut.exists()
    for one, other in zip(whole.net.parameters(), again.net.parameters(), strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=0)


def test_inputs_that_no_model_reads_together_are_refused(folder, tmp_path):
    with pytest.raises(ModelError, match="reads audio and text; `kind: fusion` does"):
        train_huggingface(dataset("binary", ["text", "audio"]), settings(folder("bert")), 0, tmp_path)


def test_the_generators_of_the_process_are_left_as_they_were(folder, tmp_path):
    before = torch.random.get_rng_state(), np.random.get_state()[1].copy()
    train_huggingface(DATA, settings(folder("bert"), method="head", epochs=1), 0, tmp_path)
    assert torch.equal(before[0], torch.random.get_rng_state())
    assert (before[1] == np.random.get_state()[1]).all()


def test_the_folder_of_a_training_says_what_was_trained(folder, tmp_path):
    train_huggingface(DATA, settings(folder("bert"), method="head", epochs=1), 7, tmp_path)
    said = json.loads((tmp_path / "checkpoints" / "settings.json").read_text())
    assert said["method"] == "head"
    assert said["seed"] == 7


def test_curves_are_read_by_tensorboard_and_hold_no_settings_of_the_machine(folder, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    own = settings(folder("bert"), method="head", tensorboard=str(tmp_path / "curves"))
    _, history = train_huggingface(DATA, own, 0, tmp_path / "work")
    (file,) = (tmp_path / "curves" / "work").iterdir()
    assert str(tmp_path).encode() not in file.read_bytes()
    read = EventAccumulator(str(file))
    read.Reload()
    assert {"loss", "eval_loss", "eval_metric", "learning_rate"} <= set(read.Tags()["scalars"])
    measured = [event.value for event in read.Scalars("eval_loss")]
    assert measured == pytest.approx([epoch.validation_loss for epoch in history.epochs])
    assert [event.step for event in read.Scalars("loss")] == list(np.cumsum([epoch.steps for epoch in history.epochs]))


@pytest.mark.parametrize("file", ["optimizer.pt", "scheduler.pt", "model.safetensors"])
def test_a_checkpoint_that_something_else_has_written_is_one_sentence_and_runs_no_code(file, folder, tmp_path):
    wanted = settings(folder("bert"), epochs=2)
    train_huggingface(DATA, wanted, 0, tmp_path / "work")
    newest = max((tmp_path / "work" / "checkpoints").glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))
    (newest / file).write_bytes(b"cos\nsystem\n(S'touch " + str(tmp_path / "ran").encode() + b"'\ntR.")
    with pytest.raises(ModelError, match="cannot be resumed .*; delete it to start again") as refused:
        train_huggingface(DATA, wanted, 0, tmp_path / "work")
    assert "\n" not in str(refused.value) and not (tmp_path / "ran").exists()
