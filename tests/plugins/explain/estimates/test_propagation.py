"""DeepLIFT and LRP are Captum's where they are right, and refused where they are not."""

from __future__ import annotations

import captum.attr
import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from raikit.models.encoded import Encoded
from raikit_explain.estimates import methods

from .test_methods import MODELS, Net, cnn, explained

pytestmark = pytest.mark.filterwarnings("ignore:Input Tensor", "ignore:Setting forward", "ignore:\n")


class Difference(nn.Module):
    """The second logit minus the first, which is what two classes are explained by."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        logits = self.net(x)
        return logits[:, 1:] - logits[:, :1]


def _of_second_class(name, model, encoded):
    return explained(name, model, encoded, torch.ones(encoded.cases, dtype=torch.int64))[0]


def test_deep_lift_is_captums_and_adds_up():
    model, encoded = cnn()
    found = _of_second_class("deep_lift", model, encoded)
    # Captum is called with a layer between ReLU and maximum: else its hooks give other contributions, which add up here.
    apart = Difference(nn.Sequential(*model.net[:2], nn.ZeroPad2d(0), *model.net[2:]))
    expected = captum.attr.DeepLift(apart).attribute(encoded["x"], torch.zeros(1, 3, 12, 12), target=0)
    np.testing.assert_allclose(found.values["x"], expected.detach().numpy(), atol=1e-6)
    assert found.error.max() < 1e-4
    assert found.converged.all()


@pytest.mark.parametrize("order", [(nn.ReLU(), nn.MaxPool2d(2)), (nn.MaxPool2d(2), nn.ReLU()), (nn.ReLU(), nn.Tanh())])
def test_deep_lift_adds_up_where_captums_hooks_disagree(order):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), *order, nn.Flatten(), nn.LazyLinear(2))
    encoded = Encoded({"x": torch.rand(5, 3, 8, 8)}, baselines={"x": torch.rand(5, 3, 8, 8)})
    net(encoded["x"])
    assert explained("deep_lift", Net(net), encoded)[0].error.max() < 1e-3


@pytest.mark.parametrize("outputs", [1, 4])
def test_deep_lift_adds_up_for_regression_and_for_many_classes(outputs):
    model, encoded = cnn(outputs)
    found, _ = explained("deep_lift", model, encoded, scale=3.0)
    assert found.error.max() < 1e-4


def test_layers_that_work_in_place_change_nothing_and_stay_as_they_were():
    (beside, encoded), (in_place, _) = cnn(), cnn(inplace=True)
    for name in methods.names():
        one, other = (explained(name, model, encoded)[0].values["x"] for model in (beside, in_place))
        np.testing.assert_allclose(one, other, atol=1e-6)
    assert in_place.net[1].inplace
    assert not [name for layer in in_place.net for name in vars(layer) if name in ("rule", "activations", "input", "output")]
    assert not any(layer._forward_hooks or layer._backward_hooks or layer._forward_pre_hooks for layer in in_place.net.modules())


class Twice(nn.Module):
    """Uses one activation in two places."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.relu = nn.Linear(6, 6), nn.Linear(6, 2), nn.ReLU()

    def forward(self, x):
        return self.second(self.relu(self.relu(self.first(x)) - 0.3))


class Functional(Twice):
    """Has activations that are no modules."""

    def forward(self, x):
        return self.second(functional.softplus(self.first(x)) ** 2)


class Residual(Twice):
    """Adds what two layers give, outside a module."""

    def forward(self, x):
        return self.second(self.relu(self.first(x)) + self.first.bias + x)


class Averaged(nn.Module):
    """Averages outside a module: relevance is conserved, but not as the rule divides it."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.relu = nn.Conv1d(1, 4, 3, padding=1), nn.Linear(4, 2), nn.ReLU()

    def forward(self, x):
        return self.second(self.relu(self.first(x[:, None])).mean(dim=2))


@pytest.mark.parametrize(("name", "net"), [
    ("deep_lift", Twice), ("deep_lift", Functional), ("lrp", Twice), ("lrp", Functional), ("lrp", Residual), ("lrp", Averaged),
])
def test_what_would_be_wrong_is_refused_in_one_sentence(name, net):
    torch.manual_seed(0)
    model, encoded = Net(net(), modalities={"x": "tabular"}), Encoded({"x": torch.randn(12, 6)})
    with pytest.raises(methods.NotApplicable, match=f"^{name} is wrong for this model: [^.]*\\.$"):
        explained(name, model, encoded)


def test_deep_lift_is_right_for_residual_connections():
    torch.manual_seed(0)
    assert explained("deep_lift", Net(Residual(), modalities={"x": "tabular"}), Encoded({"x": torch.randn(12, 6)}))[0].converged.all()


def test_lrp_is_captums_for_each_logit_and_is_conserved_without_biases():
    model, encoded = cnn()
    found = _of_second_class("lrp", model, encoded)
    logits = model.net(encoded["x"])
    flat = nn.Sequential(*[layer for layer in model.net if not isinstance(layer, nn.Flatten)][:-1])  # Captum has no rule for Flatten

    class Whole(nn.Module):
        def __init__(self):
            super().__init__()
            self.features, self.head = flat, model.net[-1]

        def forward(self, x):
            return self.head(self.features(x).flatten(1))

    second, first = (captum.attr.LRP(Whole()).attribute(encoded["x"], target=target).detach().numpy() for target in (1, 0))
    np.testing.assert_allclose(found.values["x"], second - first, atol=1e-5)
    with torch.no_grad():
        for layer in model.net:
            if getattr(layer, "bias", None) is not None:
                layer.bias.zero_()
    logits = model.net(encoded["x"]).detach().numpy()
    total = _of_second_class("lrp", model, encoded).totals().sum(axis=1)
    np.testing.assert_allclose(total, logits[:, 1] - logits[:, 0], rtol=1e-3, atol=1e-6)


def test_lrp_passes_through_tanh_what_gradients_do_not():
    torch.manual_seed(0)
    model = Net(nn.Sequential(nn.Linear(6, 8, bias=False), nn.Tanh(), nn.Linear(8, 2, bias=False)), modalities={"x": "tabular"})
    encoded = Encoded({"x": 3 * torch.randn(8, 6)})
    found, decided = explained("lrp", model, encoded)
    logits = model.forward(encoded).detach()
    change = logits.gather(1, decided[:, None]) - logits.gather(1, 1 - decided[:, None])
    np.testing.assert_allclose(found.totals().sum(axis=1), change[:, 0].numpy(), rtol=1e-3)
    gradient = explained("input_x_gradient", model, encoded)[0].totals().sum(axis=1)
    assert np.abs(gradient - change[:, 0].numpy()).max() > 0.1


@pytest.mark.parametrize("kind", ["ViT", "BERT", "fusion"])
def test_transformers_and_the_fusion_network_are_refused_before_or_after_they_are_tried(kind):
    model, encoded = MODELS[kind]()
    with pytest.raises(methods.NotApplicable, match="deep_lift is wrong for this model"):
        explained("deep_lift", model, encoded)
    assert "no rule for" in methods.applies("lrp", model)
    with pytest.raises(methods.NotApplicable, match="no rule for"):
        explained("lrp", model, encoded)
