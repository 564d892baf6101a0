"""Networks as Hugging Face and torch build them: they train privately, and the clipped sum is autograd's, one case at a time.

Whole, the head alone, LoRA adapters, and dense layers; class tokens, position numbers and weight norm included.
"""

from __future__ import annotations

import numpy as np
import peft
import pytest
import torch
import transformers as hf
from torch import nn
from torch.nn import functional

import raikit
from raikit_privacy.estimates import frozen_layers
from raikit_privacy.estimates.dpsgd import PrivateTraining, Recipe, freeze_feature_layers
from raikit_privacy.estimates.draws import same_draws
from raikit_privacy.estimates.preflight import Cases, choose_clipping

C, ROWS = 0.3, 12
SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}


class Logits(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, **tensors):
        return self.net(**tensors).logits


class Encoder(nn.Module):
    """torch's own transformer."""

    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(50, 16)
        layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
        self.layers, self.head = nn.TransformerEncoder(layer, 2), nn.Linear(16, 2)

    def forward(self, input_ids, attention_mask):
        return self.head(self.layers(self.words(input_ids), src_key_padding_mask=attention_mask == 0).mean(1))


class Pair(nn.Module):
    """A picture and a text, compared by CLIP's encoders."""

    def __init__(self):
        super().__init__()
        sizes = {**SMALL, "projection_dim": 8}
        self.net = hf.CLIPModel(hf.CLIPConfig(
            text_config={"vocab_size": 50, "eos_token_id": 49, "max_position_embeddings": 16, **sizes},
            vision_config={"image_size": 16, "patch_size": 8, **sizes}, projection_dim=8))
        self.head = nn.Linear(16, 2)

    def forward(self, pixel_values, input_ids, attention_mask):
        out = self.net(pixel_values=pixel_values, input_ids=input_ids, attention_mask=attention_mask)
        return self.head(torch.cat([out.image_embeds, out.text_embeds], dim=1))


class Inputs(raikit.Model):
    """A model whose batches are arrays of row numbers."""

    def __init__(self, net, tensors):
        self.net, self.tensors = net, tensors

    @property
    def module(self):
        return self.net

    def prepare(self, batch):
        return {name: tensor[batch] for name, tensor in self.tensors.items()}

    def scores(self, batch):
        raise NotImplementedError

    def loss(self, logits, target):
        return functional.cross_entropy(logits, target, reduction="none")


def build(kind):
    torch.manual_seed(0)
    net = {
        "vit": lambda: Logits(hf.ViTForImageClassification(hf.ViTConfig(image_size=16, patch_size=8, **SMALL))),
        "convnext": lambda: Logits(hf.ConvNextForImageClassification(
            hf.ConvNextConfig(hidden_sizes=[8, 16], depths=[1, 1], num_stages=2, layer_scale_init_value=0.5))),
        "bert": lambda: Logits(hf.BertForSequenceClassification(hf.BertConfig(vocab_size=50, **SMALL))),
        "distilbert": lambda: Logits(hf.DistilBertForSequenceClassification(
            hf.DistilBertConfig(vocab_size=50, dim=16, n_layers=2, n_heads=2, hidden_dim=32))),
        "gpt2": lambda: Logits(hf.GPT2ForSequenceClassification(
            hf.GPT2Config(vocab_size=50, n_positions=16, n_embd=16, n_layer=2, n_head=2, pad_token_id=0))),
        "clip": Pair,
        "wav2vec2": lambda: Logits(hf.Wav2Vec2ForSequenceClassification(hf.Wav2Vec2Config(
            conv_dim=(8, 8), conv_kernel=(4, 4), conv_stride=(4, 4), num_feat_extract_layers=2, num_conv_pos_embeddings=4,
            num_conv_pos_embedding_groups=2, apply_spec_augment=False, classifier_proj_size=8, **SMALL))),
        "encoder": Encoder,
    }[kind]()
    words, mask = torch.randint(5, 49, (ROWS, 7)), torch.ones(ROWS, 7, dtype=torch.long)
    mask[::2, 4:] = 0
    mask[3, 1:] = 0
    texts = {"input_ids": words * mask, "attention_mask": mask}
    pictures = {"pixel_values": torch.rand(ROWS, 3, 16, 16)}
    if kind == "wav2vec2":
        return Inputs(net, {"input_values": torch.randn(ROWS, 160)})
    return Inputs(net, {"vit": pictures, "convnext": pictures, "clip": pictures | texts}.get(kind, texts))


def prepare_weights(model, trained):
    """Freeze what is not trained: all but the head, or all but adapters and head."""
    if trained in {"dense", "all"}:
        freeze_feature_layers(model.module, trained)
        return
    if trained == "lora":
        targets = [name for name in ("query", "value", "q_lin", "v_lin", "c_attn", "q_proj", "v_proj")
                   if any(part.endswith(name) for part, _ in model.module.named_modules())]
        model.net.net = peft.get_peft_model(model.net.net, peft.LoraConfig(r=2, target_modules=targets, lora_dropout=0.1))
        with torch.no_grad():
            for name, parameter in model.module.named_parameters():
                if "lora_B" in name:  # zero at the start, where the other half has no gradient
                    parameter.normal_(0, 0.1)
    for name, parameter in model.module.named_parameters():
        parameter.requires_grad_(any(part in name for part in ("classifier", "score", "head", "projector", "lora_")))


def oracle(model, target):
    """Autograd on the whole network, one case after the other, without any layer taken out."""
    total = 0.0
    for row in range(ROWS):
        model.module.zero_grad()
        with same_draws(3):
            model.loss(model.module(**model.prepare(np.array([row]))), target[row : row + 1]).sum().backward()
        gradient = torch.cat([(torch.zeros_like(parameter) if parameter.grad is None else parameter.grad).flatten()
                              for parameter in model.module.parameters() if parameter.requires_grad])
        total = total + gradient * min(1.0, C / (float(gradient.norm()) + 1e-6))
    model.module.zero_grad()
    return total


@pytest.mark.parametrize(("kind", "trained", "cached"), [
    ("vit", "dense", True), ("vit", "all", False), ("vit", "lora", False), ("vit", "head", False),
    ("convnext", "dense", True), ("convnext", "all", False),
    ("bert", "dense", False), ("bert", "all", False), ("bert", "lora", False), ("bert", "head", False),
    ("distilbert", "all", False), ("distilbert", "lora", False), ("distilbert", "head", False),
    ("gpt2", "all", False), ("gpt2", "lora", False), ("gpt2", "head", False),
    ("clip", "all", False), ("clip", "lora", False), ("clip", "head", False),
    ("wav2vec2", "all", False), ("wav2vec2", "lora", False), ("wav2vec2", "head", False),
    ("encoder", "dense", False), ("encoder", "all", False),
])
def test_real_architectures_are_clipped_as_autograd_would_and_train(kind, trained, cached):
    model, target, rows = build(kind), torch.arange(ROWS) % 2, np.arange(ROWS)
    prepare_weights(model, trained)
    layers = trained if trained == "dense" else "all"
    model.module.train()
    expected = oracle(model, target)
    quick = frozen_layers.cache_frozen_layers(model, rows[:2]) if layers == "dense" else None
    assert (quick is not None) == cached
    used = quick or model
    used.module.train()
    alone = [Cases(used.prepare(rows[[row]]), target[[row]]) for row in range(8)]
    clipping, reason = choose_clipping(used, C, alone, Cases(used.prepare(rows), target))
    assert (clipping, reason) == ("shortcut", "")
    training = PrivateTraining(used, Recipe(ROWS, 1, ROWS, 5, C, 0.0, layers), 0.0, clipping)
    with same_draws(3):
        training.step(training.module, training.optimizer, used.prepare(rows), target, None)
    weights = [parameter for parameter in model.module.parameters() if parameter.requires_grad]
    found = torch.cat([parameter.grad.flatten() for parameter in weights]) * ROWS
    assert float((found - expected).norm() / expected.norm()) < 1e-5
    training.finish()
    before = [weight.detach().clone() for weight in weights]
    used.module.train()
    training = PrivateTraining(used, Recipe(ROWS, 3, ROWS, 5, C, 0.1, layers), 1.0, clipping)
    for _ in range(2):
        training.step(training.module, training.optimizer, used.prepare(rows), target, None)
    training.finish()
    assert training.steps_made == 2
    assert all(weight.isfinite().all() and not torch.equal(weight, old) for weight, old in zip(weights, before, strict=True))
