"""Every gradient method is Captum's where Captum can be called by hand, and refuses in one sentence where it would be wrong."""

from __future__ import annotations

from typing import Any

import captum.attr
import numpy as np
import pytest
import torch
import transformers
from torch import nn

from raikit.models.encoded import Encoded
from raikit.models.network import FusionConfig, FusionNet
from raikit_explain.estimates import gradients, methods
from raikit_explain.estimates.attributions import difference, scorer
from raikit_explain.estimates.explanation import ExplanationSettings

pytestmark = pytest.mark.filterwarnings("ignore:Input Tensor")  # Captum warns where it is called by hand

SETTINGS = ExplanationSettings(0.01, 64)
SIZE: dict[str, Any] = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}


class Net:
    """As much of a model as attributions need: a network, and what is computed from encoded inputs."""

    capabilities = frozenset({"labels", "scores", "gradients"})

    def __init__(self, net, forward=None, modalities=None):
        self.net, self._forward, self.modalities = net.eval(), forward, modalities or {"x": "image"}

    def forward(self, encoded):
        return self.net(encoded["x"]) if self._forward is None else self._forward(self.net, encoded)


def cnn(outputs=2, inplace=False):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(inplace), nn.MaxPool2d(2), nn.Conv2d(6, 8, 3, padding=1),
                        nn.ReLU(inplace), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32, outputs))
    return Net(net), Encoded({"x": torch.rand(5, 3, 12, 12)})


def vit():
    torch.manual_seed(0)
    net = transformers.ViTForImageClassification(transformers.ViTConfig(image_size=24, patch_size=8, num_labels=3, **SIZE))
    return Net(net, lambda net, encoded: net(pixel_values=encoded["x"]).logits), Encoded({"x": torch.randn(5, 3, 24, 24)})


def bert():
    torch.manual_seed(0)
    net = transformers.BertForSequenceClassification(transformers.BertConfig(vocab_size=50, max_position_embeddings=16, **SIZE))
    embed = net.get_input_embeddings()
    mask = (torch.arange(8) < torch.tensor([8, 3, 5, 1, 7])[:, None]).long()
    encoded = Encoded({"x": embed(torch.randint(1, 50, (5, 8))).detach()}, {"mask": mask},
                      {"x": embed(torch.zeros(1, 8, dtype=torch.int64)).detach()})
    return Net(net, lambda net, given: net(inputs_embeds=given["x"], attention_mask=given.context["mask"]).logits,
               {"x": "text"}), encoded


def fusion():
    torch.manual_seed(0)
    modalities = {"picture": "image", "text": "text", "sound": "audio", "columns": "tabular"}
    net = FusionNet(FusionConfig([{"name": name, "modality": of, "columns": 6} for name, of in modalities.items()],
                                 image_size=32)).eval()
    prepared = {"picture": torch.rand(5, 3, 32, 32), "text": torch.randint(1, 4096, (5, 32)),
                "sound": torch.rand(5, 1, 40, 64), "columns": torch.randn(5, 6)}
    for row, tensor in enumerate(prepared.values()):
        tensor[row] = 0  # each case but one lacks an input
    with torch.no_grad():
        encoded = net.embed(prepared)
    return Net(net, lambda net, given: net.classify(given), modalities), encoded.detach()


MODELS = {"CNN": cnn, "ViT": vit, "BERT": bert, "fusion": fusion}


def explained(name, model, encoded, decided=None, **settings):
    """Explain the classes that a model decides, or others; return them too."""
    if decided is None:
        with torch.no_grad():
            decided = model.forward(encoded).argmax(dim=1)
    return methods.method(name, ExplanationSettings(**{"tolerance": 0.01, "most_steps": 64} | settings))(model, encoded, decided), decided


def _by_hand(method, model, encoded, decided, **arguments):
    """Call Captum as its documentation does, with the inputs as they are."""
    return method(scorer(model, encoded)).attribute(
        tuple(encoded.values()), additional_forward_args=(decided, *encoded.context.values()), **arguments)


def _assert_equal(attribution, expected, tolerance=1e-5):
    for values, of_input in zip(attribution.values.values(), expected, strict=True):
        scale = max(float(of_input.detach().abs().max()), 1e-12)
        np.testing.assert_allclose(values / scale, of_input.detach().numpy() / scale, atol=tolerance)


@pytest.mark.parametrize("build", MODELS.values(), ids=MODELS)
def test_saliency_and_input_times_gradient_are_captums(build):
    model, encoded = build()
    found, decided = explained("saliency", model, encoded)
    _assert_equal(found, _by_hand(captum.attr.Saliency, model, encoded, decided))
    zero = Encoded(encoded.inputs, encoded.context)  # Captum's knows no baseline but zero
    _assert_equal(explained("input_x_gradient", model, zero)[0], _by_hand(captum.attr.InputXGradient, model, zero, decided))


@pytest.mark.parametrize("build", MODELS.values(), ids=MODELS)
def test_integrated_gradients_are_captums_with_many_steps(build):
    model, encoded = build()
    found, decided = explained("integrated_gradients", model, encoded, most_steps=256)
    expected = _by_hand(captum.attr.IntegratedGradients, model, encoded, decided, n_steps=300,
                        baselines=tuple(encoded.baseline(name) for name in encoded))
    assert found.converged.all()
    apart = difference([of.detach().numpy() for of in expected], list(found.values.values()), 0.1)
    assert (apart < 0.03).all(), "half of what successive estimates may differ by"


@pytest.mark.parametrize("build", MODELS.values(), ids=MODELS)
def test_gradient_shap_draws_what_captum_draws(build):
    model, encoded = build()
    found, decided = explained("gradient_shap", model, encoded)
    repeated = tuple(encoded.baseline(name) for name in encoded)
    assert all((of == of[:1]).all() for of in repeated), "Captum mixes the baselines of the cases, here all the same"
    with gradients.seeded(0):
        expected = _by_hand(captum.attr.GradientShap, model, encoded, decided, baselines=tuple(of[:1] for of in repeated),
                            n_samples=32)
    _assert_equal(found, expected, 1e-4)


def test_gradient_shap_estimates_integrated_gradients_and_says_by_how_much_it_misses_the_change():
    model, encoded = fusion()
    integrated, _ = explained("integrated_gradients", model, encoded)
    drawn, _ = explained("gradient_shap", model, encoded)
    for name, values in drawn.values.items():
        assert np.corrcoef(values.ravel(), integrated.values[name].ravel())[0, 1] > 0.9
    expected = np.abs(drawn.totals().sum(axis=1) - drawn.change) / np.maximum(np.abs(drawn.change), 0.1)
    np.testing.assert_allclose(drawn.error, np.minimum(expected, 1), rtol=1e-4)


def test_draws_repeat_and_leave_the_global_generators_as_they_were():
    model, encoded = cnn()
    torch.manual_seed(3)
    np.random.seed(3)
    expected = torch.rand(1), np.random.random()
    torch.manual_seed(3)
    np.random.seed(3)
    first, second = (explained("gradient_shap", model, encoded)[0].values["x"] for _ in range(2))
    assert (torch.rand(1), np.random.random()) == expected
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("name", methods.names())
def test_memory_does_not_change_what_is_found(name):
    model, encoded = cnn()
    if name == "gradient_shap":
        return  # its draws come in another order
    one, other = (explained(name, model, encoded, megabytes=megabytes)[0].values["x"] for megabytes in (1e-6, 1024))
    np.testing.assert_allclose(one, other, atol=1e-6)


def test_a_method_measures_inputs_from_their_baselines():
    model = Net(nn.Linear(4, 2, bias=False), modalities={"x": "tabular"})
    encoded = Encoded({"x": torch.rand(3, 4)}, {}, {"x": torch.full((1, 4), 0.25)})
    weight = (model.net.weight[1] - model.net.weight[0]).detach().numpy()
    expected = weight * (encoded["x"].numpy() - 0.25)
    for name in ("integrated_gradients", "gradient_shap", "input_x_gradient"):
        values = methods.method(name, SETTINGS)(model, encoded, torch.ones(3, dtype=torch.int64)).values["x"]
        np.testing.assert_allclose(values, expected, rtol=1e-4, atol=1e-6)


class NoSlope(nn.Module):
    """Takes a norm, which has no gradient at zero, of some columns."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 2)

    def forward(self, x):
        lengths = torch.stack([(x[:, :2] ** 2).sum(dim=1).sqrt(), (x[:, 2:] ** 2).sum(dim=1).sqrt()], dim=1)
        return self.layer(lengths)


@pytest.mark.parametrize("name", ["integrated_gradients", "gradient_shap", "saliency", "input_x_gradient"])
def test_gradients_that_are_not_finite_are_zero_at_a_baseline_and_nan_elsewhere(name):
    model = Net(NoSlope(), modalities={"x": "tabular"})
    absent = Encoded({"x": torch.tensor([[1.0, 2.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]])})
    found, _ = explained(name, model, absent)
    assert np.isfinite(found.values["x"]).all()
    assert not found.values["x"][1].any()
    broken = Net(nn.Linear(4, 2), lambda net, given: net(given["x"]) + (given["x"] - 2 * given["x"].detach()).sqrt().sum(), None)
    values = explained(name, broken, Encoded({"x": torch.rand(2, 4) + 1}), torch.zeros(2, dtype=torch.int64))[0]
    # Integrated Gradients draw zeros and say that they have not converged; the others say NaN, which passes no test.
    assert np.isnan(values.values["x"]).all() if name != "integrated_gradients" else not values.converged.any()


@pytest.mark.parametrize("name", ["integrated_gradients", "gradient_shap", "saliency", "input_x_gradient"])
@pytest.mark.parametrize("shape", [(2, 0, 4), (0, 3, 4), (2, 1, 1)], ids=["empty text", "no case", "one element"])
def test_empty_and_smallest_inputs_are_defined(name, shape):
    model = Net(nn.Linear(1, 2), lambda net, given: net(given["x"].flatten(1).sum(dim=1, keepdim=True)), {"x": "text"})
    found, _ = explained(name, model, Encoded({"x": torch.rand(*shape)}))
    assert found.values["x"].shape == shape
    assert found.change.shape == shape[:1]


@pytest.mark.parametrize("name", ["integrated_gradients", "gradient_shap", "input_x_gradient", "grad_cam"])
def test_inputs_that_are_missing_get_nothing(name):
    model, encoded = fusion()
    found, _ = explained(name, model, encoded)
    for row, values in enumerate(found.values.values()):
        assert not values[row].any()
        assert np.isfinite(values).all()


def test_names_that_do_not_exist_and_models_without_gradients_say_what_does():
    model, _ = cnn()
    with pytest.raises(ValueError, match="Choose from integrated_gradients, gradient_shap"):
        methods.applies("deeplift", model)
    with pytest.raises(ValueError, match="Choose from"):
        methods.method("deeplift", SETTINGS)
    model.capabilities = frozenset({"labels", "scores"})
    assert all("kernel_shap" in methods.applies(name, model) for name in methods.names())
