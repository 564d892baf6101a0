"""Adapters in a folder of peft score alike kept and merged, and what they ask for beyond that is refused."""

import json
import shutil

import numpy as np
import peft
import pytest
import torch
import transformers
from pydantic import ValidationError

from raikit.config.training import HuggingFaceTraining
from raikit.errors import ModelError
from raikit.models.huggingface.finetuning import train_huggingface
from raikit.models.loaders import LOADERS, load
from raikit.models.scoring import score_all
from raikit.testing import dataset

DATA = dataset("multiclass", ["text"], rows=120)


@pytest.fixture(scope="module")
def trained(folder, tmp_path_factory):
    """Return the folder of adapters that were trained and kept, and what the trained model scores."""
    cache = {}

    def trained(method):
        if method not in cache:
            place = tmp_path_factory.mktemp(method)
            settings = HuggingFaceTraining(base=str(folder("bert")), method=method, adapter="kept", epochs=2, learning_rate=5e-3)
            model, _ = train_huggingface(DATA, settings, 0, place / "work")
            model.save(place / "saved")
            cache[method] = place / "saved", score_all(model, DATA, lambda done, total: None)[1]
        return cache[method]

    return trained


def opened(path, base, **settings):
    return load({"kind": "huggingface", "path": str(path), "base": str(base), **settings}, DATA, LOADERS, path)


@pytest.mark.parametrize("method", ["lora", "adalora"])
def test_adapters_that_were_kept_score_as_merged_ones(trained, folder, method):
    saved, expected = trained(method)
    assert not (saved / "model.safetensors").exists()
    models = {adapter: opened(saved, folder("bert"), adapter=adapter) for adapter in ("kept", "merged")}
    for adapter, model in models.items():
        np.testing.assert_allclose(score_all(model, DATA, lambda done, total: None)[1], expected, atol=1e-5)
        assert any("lora_" in name for name, _ in model.module.named_parameters()) is (adapter == "kept")
        assert {"gradients", "embeddings", "trainable"} <= model.capabilities, model.limits
        assert model.describe()["architecture"] == "BertForSequenceClassification"
    plain = transformers.AutoModelForSequenceClassification.from_pretrained(folder("bert")).eval()
    batch = models["kept"].prepare(next(DATA.batches("test", 8)))
    with torch.no_grad():
        assert (plain(**batch).logits.softmax(dim=1) - models["kept"].net(**batch).logits.softmax(dim=1)).abs().max() > 1e-2


def test_a_folder_that_peft_wrote_needs_no_more(trained, folder, tmp_path):
    """Its head is of the base's size, and the tokenizer lies beside the base."""
    net = transformers.AutoModelForSequenceClassification.from_pretrained(folder("bert"))
    adapted = peft.get_peft_model(net, peft.LoraConfig(r=4, target_modules=["query", "value"], modules_to_save=["classifier"]))
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "lora_B" in name:
                parameter.normal_(0, 0.1)
    adapted.save_pretrained(tmp_path / "adapter")
    model = opened(tmp_path / "adapter", folder("bert"))
    batch = next(DATA.batches("test", 8))
    with torch.no_grad():
        bare = adapted.eval()(**model.prepare(batch)).logits.softmax(dim=1)[:, [1, 0, 2]]  # its labels are b, a, c
    np.testing.assert_allclose(model.scores(batch), bare.numpy(), atol=1e-5)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"peft_type": "PREFIX_TUNING"}, "reads adapters of LoRA and AdaLoRA"),
        ({"use_dora": True}, "does not read use_dora"),
        ({"megatron_config": {"a": 1}}, "does not read megatron_config"),
        ({"r": 1 << 20}, "ranks must be whole numbers"),
        ({"target_modules": "(a+)+$"}, "target_modules must be a list"),
        ({"target_modules": ["(a+)+$"]}, "target_modules must be a list"),
        ({"peft_type": "ADALORA", "rank_pattern": {"(a+)+$": 2}}, "rank_pattern must name layers"),
        ({"rank_pattern": {"query": 2}}, "does not read rank_pattern"),
        ({"alpha_pattern": {"query": 2}}, "does not read alpha_pattern"),
        ({"target_modules": ["nowhere"]}, "do not fit their base"),
        ({"r": 3}, "do not fit their base"),
    ],
)
def test_what_would_change_scores_or_run_for_ever_is_refused(trained, folder, tmp_path, change, problem):
    shutil.copytree(trained("lora")[0], tmp_path / "adapter")
    file = tmp_path / "adapter" / "adapter_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(ModelError, match=problem) as refused:
        opened(tmp_path / "adapter", folder("bert"))
    assert "\n" not in str(refused.value)


def test_absent_weights_a_pickle_and_an_absent_base_are_refused(trained, folder, tmp_path):
    shutil.copytree(trained("lora")[0], tmp_path / "adapter")
    with pytest.raises(ModelError, match=r"`model\.load\.base` must name"):
        load({"kind": "huggingface", "path": str(tmp_path / "adapter")}, DATA, LOADERS, tmp_path)
    weights = tmp_path / "adapter" / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(ModelError, match=r"adapter_model\.safetensors"):
        opened(tmp_path / "adapter", folder("bert"))
    weights.rename(weights.with_name("adapter_model.bin"))
    with pytest.raises(ModelError, match="holds no weights of adapters"):
        opened(tmp_path / "adapter", folder("bert"))


def test_only_adapters_can_be_kept():
    with pytest.raises(ValidationError, match="method: lora or adalora"):
        HuggingFaceTraining(base="bert", method="full", adapter="kept")
