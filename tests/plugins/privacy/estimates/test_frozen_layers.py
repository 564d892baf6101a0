"""Training on cached outputs of frozen layers gives the same weights as with the layers in the loop."""

from __future__ import annotations

import copy
import io

import numpy as np
import pytest
import torch
from torch import nn

from raikit.models.fusion import FusionModel
from raikit.models.network import FusionConfig
from raikit.models.preprocessing import Preprocessing
from raikit.testing import table_context
from raikit_privacy.estimates import dpsgd, frozen_layers, training
from raikit_privacy.estimates.dpsgd import Recipe

RECIPE = Recipe(300, 2, 75, 32, 1.0, 0.3)


@pytest.fixture
def ctx(tiny, data, tmp_path):
    model = tiny.Model()
    return table_context(tiny.predictions(model, data), model=model, data=data, classes=[0, 1], folder=tmp_path)


def trained(ctx, model, name):
    folder = ctx.workdir / name
    training.train_private(ctx, model, RECIPE, 1.0, folder, lambda done, total: None)
    return model.module.state_dict()


def test_the_weights_are_those_of_a_training_with_every_layer_in_the_loop(ctx, tiny, monkeypatch):
    quick = trained(ctx, tiny.Model(tiny.Net(conv=True)), "quick")
    monkeypatch.setattr(frozen_layers, "cache_frozen_layers", lambda model, batch: None)
    slow = trained(ctx, tiny.Model(tiny.Net(conv=True)), "slow")
    assert list(quick) == list(slow)
    assert all(torch.allclose(quick[name], slow[name], atol=1e-6) for name in slow)
    assert not torch.allclose(quick["last.weight"], tiny.Net(conv=True).last.weight, atol=0.01)


def test_untrained_layers_are_not_asked_in_the_loop(ctx, tiny, monkeypatch):
    model = tiny.Model(tiny.Net(conv=True))
    rows = io.BytesIO()  # a list would be a state of the network's
    model.module.conv[0].register_forward_hook(lambda layer, inputs, output: rows.write(b"0" * len(output)) and None)
    trained(ctx, model, "counted")
    everyone = ctx.data.size("train")  # no validation case: nothing is computed from them
    looked_at = 2 * 3 * 2 + 8 + min(256, everyone)            # whether layers can be taken out, and whether clipping is right
    looked_at += RECIPE.physical_batch_size + 2 * 8           # whether the network keeps a state of cases
    looked_at += 2 * 16                                       # whether it does among cases of one class
    assert everyone <= len(rows.getvalue()) <= everyone + looked_at + 8      # the sample that shows what fits in memory


def test_afterwards_the_network_is_whole_again(ctx, tiny):
    model = tiny.Model(tiny.Net(conv=True))
    conv = model.module.conv
    scores = model.scores(next(ctx.data.batches("test", 5)))
    quick = frozen_layers.cache_frozen_layers(_frozen(model), next(ctx.data.batches("train", 2)))
    assert quick is not None
    assert model.module.conv is not conv
    quick.restore()
    assert model.module.conv is conv
    assert np.array_equal(scores, model.scores(next(ctx.data.batches("test", 5))))


def test_a_layer_that_is_gone_through_twice_stays_in_the_loop(ctx, tiny):
    class Twice(nn.Module):
        def __init__(self, layer):
            super().__init__()
            self.layer = layer

        def forward(self, x):
            return self.layer(x) + self.layer(x)

    model = tiny.Model(tiny.Net(conv=True))
    model.module.conv = Twice(model.module.conv)
    model.module.conv.gain = nn.Linear(1, 1)      # something trained, so that the inner layer is the part
    _frozen(model)
    assert frozen_layers.cache_frozen_layers(model, next(ctx.data.batches("train", 2))) is None
    assert isinstance(model.module.conv.layer, nn.Sequential)


def test_a_model_without_convolutions_has_nothing_to_take_out(ctx, tiny):
    assert frozen_layers.cache_frozen_layers(_frozen(tiny.Model()), next(ctx.data.batches("train", 2))) is None


def test_the_fusion_model_trains_behind_its_convolutions(data, ctx):
    sources = [{"name": "columns", "modality": "tabular", "columns": 2}, {"name": "note", "modality": "text"}]
    table = Preprocessing.fit({"columns": data.frame(["a", "b"], "train")})
    model = FusionModel.initial(FusionConfig(sources=sources, outputs=2, width=16, vocabulary=64), table, [0, 1])
    before = {name: tensor.clone() for name, tensor in model.module.state_dict().items()}
    after = trained(ctx, model, "fusion")
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert "head.weight" in moved
    assert not any("detectors" in name or "embedding" in name for name in moved)
    assert np.isfinite(model.scores(next(data.batches("test", 9)))).all()


def _frozen(model):
    dpsgd.freeze_feature_layers(model.module, "dense")
    return model


class Behind(nn.Module):
    """A convolution that comes after a trained layer, and one that comes before; its weight is read too."""

    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(20, 3)
        self.before, self.first = nn.Conv1d(1, 2, 2), nn.Linear(2, 5)
        self.behind, self.last = nn.Conv1d(1, 2, 2), nn.Linear(8, 2)

    def forward(self, columns, note):
        hidden = self.before(columns[:, None].to(self.before.weight.dtype)).flatten(1)
        return self.last(torch.tanh(self.behind(torch.tanh(self.first(hidden))[:, None]).flatten(1)))


def test_a_layer_behind_a_trained_one_stays_in_the_loop_and_the_others_attributes_can_be_read(ctx, tiny, monkeypatch):
    """Taken out, it would give what it gave for the first weights, and pass no gradient on."""
    torch.manual_seed(0)
    net = Behind()
    model = _frozen(tiny.Model(copy.deepcopy(net)))
    quick = frozen_layers.cache_frozen_layers(model, next(ctx.data.batches("train", 2)))
    assert [name for _, name, _ in quick.layers] == ["before"]
    quick.restore()
    cached = trained(ctx, tiny.Model(copy.deepcopy(net)), "cached")
    monkeypatch.setattr(frozen_layers, "cache_frozen_layers", lambda model, batch: None)
    whole = trained(ctx, tiny.Model(copy.deepcopy(net)), "whole")
    assert all(torch.allclose(cached[name], whole[name], atol=1e-6) for name in whole)
    assert not torch.allclose(whole["first.weight"], net.first.weight, atol=0.01)
