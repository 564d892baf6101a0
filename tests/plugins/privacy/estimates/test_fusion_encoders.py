"""Private training of a fusion model with a pretrained encoder: the clipped sum is autograd's, whatever is trained of it."""

import numpy as np
import pytest
import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers

from raikit.models.training import build_model, validate_settings
from raikit.testing import dataset
from raikit_privacy.estimates.dpsgd import PrivateTraining, Recipe, freeze_feature_layers
from raikit_privacy.estimates.draws import same_draws
from raikit_privacy.estimates.foreign_code import foreign_code
from raikit_privacy.estimates.preflight import Cases, choose_clipping
from raikit_privacy.estimates.starting_weights import _pretrained, fixed_tensors

C, ROWS = 0.3, 10
DATA = dataset("binary", ["text", "tabular"], rows=80)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("bert")
    words = {word: index for index, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *_words()])}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_max_length=32, pad_token="[PAD]", unk_token="[UNK]"
    ).save_pretrained(path)
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=len(words), hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32
    )
    transformers.BertModel(config).save_pretrained(path)
    return path


def _words():
    return sorted({word for text in next(DATA.batches("train", 40)).inputs["text"] for word in (text or "").split()})


def model_of(folder, method):
    settings = {"width": 8, "encoders": {"text": {"path": str(folder), "method": method, "rank": 2}}}
    return build_model(DATA, validate_settings(settings))


def _clipped(model, target, batch):
    total = 0.0
    for row in range(ROWS):
        model.module.zero_grad()
        with same_draws(3):
            model.loss(model.module(**model.prepare(batch.take([row]))), target[row : row + 1]).sum().backward()
        gradient = torch.cat([(torch.zeros_like(parameter) if parameter.grad is None else parameter.grad).flatten()
                              for parameter in model.module.parameters() if parameter.requires_grad])
        total = total + gradient * min(1.0, C / (float(gradient.norm()) + 1e-6))
    model.module.zero_grad()
    return total


@pytest.mark.parametrize("method", ["frozen", "lora", "full"])
def test_gradients_are_clipped_as_autograd_would(folder, method):
    model = model_of(folder, method)
    batch = next(DATA.batches("train", ROWS))
    target = torch.tensor(batch.target)
    with torch.no_grad():
        for name, parameter in model.module.named_parameters():
            if "lora_B" in name:  # zero at the start, where the other half has no gradient
                parameter.normal_(0, 0.1, generator=torch.Generator().manual_seed(1))
    model.module.train()
    freeze_feature_layers(model.module, "dense")
    expected = _clipped(model, target, batch)
    prepared = model.prepare(batch)
    alone = [Cases({name: tensor[[row]] for name, tensor in prepared.items()}, target[[row]]) for row in range(8)]
    clipping, _ = choose_clipping(model, C, alone, Cases(prepared, target))
    training = PrivateTraining(model, Recipe(ROWS, 1, ROWS, 5, C, 0.0, "dense"), 0.0, clipping)
    with same_draws(3):
        training.step(training.module, training.optimizer, prepared, target, None)
    found = torch.cat([p.grad.flatten() for p in model.module.parameters() if p.requires_grad]) * ROWS
    assert float((found - expected).norm() / expected.norm()) < 1e-4
    assert any(name.startswith("encoders.0.net.") for name, p in model.module.named_parameters() if p.requires_grad) == (
        method != "frozen"
    )


@pytest.mark.parametrize("method", ["frozen", "lora", "full"])
def test_pretrained_weights_are_fixed_and_declared_and_the_rest_is_drawn(folder, method):
    model = model_of(folder, method)
    fixed = fixed_tensors(model.fresh(1), model.fresh(1_000_004))
    assert fixed and all(name.startswith("encoders.0.net.") and "lora_" not in name for name in fixed)
    assert _pretrained(model.fresh(1)) == folder.name
    model.start_from({})
    if method == "full":  # all weights are drawn, so that none needs an explanation
        assert model.origin.kind == "random"
    else:
        assert _pretrained(model.fresh(1)) is None


def test_the_architecture_and_its_adapters_are_code_of_other_libraries(folder):
    assert foreign_code(model_of(folder, "frozen")) == ["transformers.models.bert"]
    assert set(foreign_code(model_of(folder, "lora"))) == {"transformers.models.bert", "peft.Linear"}
    assert np.ptp(model_of(folder, "frozen").scores(next(DATA.batches("train", 20)))[:, 0]) > 0
