"""Grad-CAM is Captum's on convolutions, finds the layer of each input, and lays its map over the input the right way round."""

from __future__ import annotations

import captum.attr
import numpy as np
import pytest
import torch
import transformers
from torch import nn

from raikit.models.encoded import Encoded
from raikit_explain.estimates import methods
from raikit_explain.estimates.attributions import scorer
from raikit_explain.estimates.grad_cam import choose_layers

from .test_methods import MODELS, SIZE, Net, cnn, explained, fusion, vit


def _layers(model, encoded):
    return choose_layers(model, encoded, torch.zeros(encoded.cases, dtype=torch.int64))


def test_it_is_captums_on_a_convolution():
    model, encoded = cnn()
    found, decided = explained("grad_cam", model, encoded)
    places = captum.attr.LayerGradCam(scorer(model, encoded), model.net[5]).attribute(
        encoded["x"], additional_forward_args=(decided,))
    fine = captum.attr.LayerAttribution.interpolate(places.detach(), (12, 12), "bilinear")
    np.testing.assert_allclose(found.values["x"].sum(axis=1), fine[:, 0].numpy(), atol=1e-6)
    assert found.layers == {"x": "net.5"}


def test_a_vit_is_read_at_its_last_layer_whose_patches_matter():
    model, encoded = vit()
    found, decided = explained("grad_cam", model, encoded)
    assert found.layers == {"x": "net.vit.layers.1.layernorm_before"}, "behind it, only the class token is read"
    layer = model.net.vit.layers[1].layernorm_before
    outputs = []
    handle = layer.register_forward_hook(lambda module, given, output: outputs.append(output))
    value = scorer(model, encoded)(encoded["x"], decided)
    handle.remove()
    (gradient,) = torch.autograd.grad(value.sum(), outputs[0])
    places = (outputs[0][:, 1:] * gradient[:, 1:].mean(dim=1, keepdim=True)).sum(dim=2).reshape(5, 1, 3, 3).detach()
    fine = nn.functional.interpolate(places, size=(24, 24), mode="bilinear", align_corners=False)[:, 0]
    np.testing.assert_allclose(found.values["x"].sum(axis=1), fine.numpy(), atol=1e-6)


def test_each_input_of_several_has_its_own_layer_or_zero():
    model, encoded = fusion()
    found, _ = explained("grad_cam", model, encoded)
    assert found.layers == {"picture": "net.encoders.0.layers.9", "text": "net.encoders.1.detectors",
                            "sound": "net.encoders.2.layers.9"}
    assert not found.values["columns"].any(), "columns have no map"
    for row, name in enumerate(("picture", "text", "sound")):
        assert not found.values[name][row].any(), "missing inputs have no map"
        assert found.values[name][4].any()


class Located(nn.Module):
    """Reads one corner of a plane more than the rest."""

    def __init__(self, turned=False):
        super().__init__()
        self.conv, self.turned = nn.Conv2d(1, 2, 4, stride=4), turned
        nn.init.constant_(self.conv.weight, 0.1)

    def forward(self, x):
        x = x[:, None].transpose(2, 3) if self.turned else x[:, None]
        value = torch.relu(self.conv(x)).flatten(1).sum(dim=1)
        return torch.stack([torch.zeros_like(value), value], dim=1)


@pytest.mark.parametrize("turned", [False, True])
def test_a_map_of_turned_axes_is_turned_back(turned):
    """Spectrograms of transformers have time first; their encoders turn them."""
    x = torch.full((1, 16, 32), 0.01)
    x[0, 1:4, 25:30] = 1.0
    model, encoded = Net(Located(turned), modalities={"x": "audio"}), Encoded({"x": x})
    found = methods.method("grad_cam", _settings())(model, encoded, torch.ones(1, dtype=torch.int64)).values["x"][0]
    assert np.unravel_index(found.argmax(), found.shape)[0] < 4
    assert np.unravel_index(found.argmax(), found.shape)[1] >= 24
    assert found[8:].max() < 0.1 * found.max()


def _settings():
    from raikit_explain.estimates.explanation import ExplanationSettings

    return ExplanationSettings(0.01, 64)


def test_a_spectrogram_transformer_and_a_wave_network_have_their_axes():
    ast = transformers.ASTForAudioClassification(transformers.ASTConfig(
        max_length=64, num_mel_bins=32, patch_size=8, frequency_stride=8, time_stride=8, **SIZE))
    layer = _layers(Net(ast, lambda net, given: net(input_values=given["x"]).logits, {"x": "audio"}),
                    Encoded({"x": torch.randn(2, 64, 32)}))["x"]
    assert (layer.shape, layer.axes, layer.special) == ((4, 8), (1, 0), 2)
    wave = Net(nn.Sequential(nn.Unflatten(1, (1, 400)), nn.Conv1d(1, 4, 8, stride=4), nn.ReLU(), nn.AdaptiveAvgPool1d(1),
                             nn.Flatten(), nn.Linear(4, 2)), modalities={"x": "audio"})
    assert _layers(wave, Encoded({"x": torch.randn(2, 400)}))["x"].axes == (0,)


@pytest.mark.parametrize("build", [MODELS["BERT"], lambda: (Net(nn.Linear(4, 2), modalities={"x": "tabular"}),
                                                            Encoded({"x": torch.randn(3, 4)}))], ids=["BERT", "columns"])
def test_models_without_a_map_are_refused(build):
    model, encoded = build()
    assert "none" in methods.applies("grad_cam", model)
    with pytest.raises(methods.NotApplicable, match="grad_cam needs a layer"):
        explained("grad_cam", model, encoded)


def test_a_picture_of_one_pixel_has_no_map():
    with pytest.raises(methods.NotApplicable, match="grad_cam needs a layer"):
        explained("grad_cam", Net(nn.Sequential(nn.Conv2d(3, 4, 1), nn.Flatten(), nn.Linear(4, 2))),
                  Encoded({"x": torch.rand(2, 3, 1, 1)}))
