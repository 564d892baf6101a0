"""Networks as Hugging Face and torch build them at default settings: they train, and the clipped sum is autograd's."""

from __future__ import annotations

import numpy as np
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
        "encoder": Encoder,
    }[kind]()
    if kind in {"vit", "convnext"}:
        return Inputs(net, {"pixel_values": torch.rand(ROWS, 3, 16, 16)})
    words, mask = torch.randint(5, 50, (ROWS, 7)), torch.ones(ROWS, 7, dtype=torch.long)
    mask[::2, 4:] = 0
    mask[3, 1:] = 0
    return Inputs(net, {"input_ids": words * mask, "attention_mask": mask})


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


@pytest.mark.parametrize(("kind", "layers", "cached", "way"), [
    ("vit", "dense", True, "shortcut"), ("vit", "all", False, "shortcut"),
    ("convnext", "dense", True, "shortcut"), ("convnext", "all", False, "shortcut"),
    ("bert", "dense", False, "shortcut"), ("bert", "all", False, "shortcut"),
    ("distilbert", "dense", False, "shortcut"), ("encoder", "dense", False, "shortcut"),
])
def test_real_architectures_are_clipped_as_autograd_would(kind, layers, cached, way):
    model, target, rows = build(kind), torch.arange(ROWS) % 2, np.arange(ROWS)
    model.module.train()
    freeze_feature_layers(model.module, layers)
    expected = oracle(model, target)
    quick = frozen_layers.cache_frozen_layers(model, rows[:2])
    assert (quick is not None) == cached
    trained = quick or model
    trained.module.train()
    alone = [Cases(trained.prepare(rows[[row]]), target[[row]]) for row in range(8)]
    clipping, _ = choose_clipping(trained, C, alone, Cases(trained.prepare(rows), target))
    assert clipping == way
    training = PrivateTraining(trained, Recipe(ROWS, 1, ROWS, 5, C, 0.0, layers), 0.0, clipping)
    with same_draws(3):
        training.step(training.module, training.optimizer, trained.prepare(rows), target, None)
    found = torch.cat([p.grad.flatten() for p in model.module.parameters() if p.requires_grad]) * ROWS
    assert float((found - expected).norm() / expected.norm()) < 1e-4
