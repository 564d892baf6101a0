"""A weight that matters but gets no gradient would be trained on noise alone: each way of losing one is an objection."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from raikit_privacy.estimates.clipping import NotPrivateError
from raikit_privacy.estimates.preflight import Cases, choose_clipping


class Wrapped:
    def __init__(self, module):
        self.module = module

    def loss(self, logits, target):
        return functional.cross_entropy(logits, target, reduction="none")


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(6, 8), nn.Linear(8, 2)

    def hidden(self, x):
        return torch.tanh(self.first(x))

    def forward(self, x):
        return self.last(self.hidden(x))


def decision(net, seed=0):
    torch.manual_seed(seed)
    cases = Cases({"x": torch.randn(20, 6)}, torch.randint(0, 2, (20,)))
    model = Wrapped(net.train())
    before = [parameter.detach().clone() for parameter in net.parameters()]
    try:
        return choose_clipping(model, 0.3, cases.rows(slice(8)).alone(), cases)
    finally:
        assert all(torch.equal(one, other) for one, other in zip(before, net.parameters(), strict=True))


class Reentrant(Net):
    def hidden(self, x):
        return checkpoint(super().hidden, x, use_reentrant=True)


class ReentrantWithGradientOfInputs(Net):
    def hidden(self, x):
        return checkpoint(super().hidden, x.requires_grad_(), use_reentrant=True)


class Detached(Net):
    def hidden(self, x):
        return super().hidden(x).detach()


class NoGrad(Net):
    def hidden(self, x):
        with torch.no_grad():
            return super().hidden(x)


class _NothingBack(torch.autograd.Function):
    @staticmethod
    def forward(ctx, hidden):
        return hidden.clone()

    @staticmethod
    def backward(ctx, gradient):
        return None


class _ZeroBack(_NothingBack):
    @staticmethod
    def backward(ctx, gradient):
        return torch.zeros_like(gradient)


class FunctionWithoutGradient(Net):
    def hidden(self, x):
        return _NothingBack.apply(super().hidden(x))


class FunctionWithZeros(Net):
    def hidden(self, x):
        return _ZeroBack.apply(super().hidden(x))


class Rounded(Net):
    def hidden(self, x):
        return torch.round(20 * super().hidden(x)) / 20


class HookOfZeros(Net):
    def __init__(self):
        super().__init__()
        self.first.weight.register_hook(torch.zeros_like)


class DataOfAWeight(Net):
    def forward(self, x):
        return functional.linear(self.hidden(x), self.last.weight.data, self.last.bias)


@pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad")
@pytest.mark.parametrize(("kind", "names"), [
    (Reentrant, "first.weight, first.bias"), (ReentrantWithGradientOfInputs, "first.weight, first.bias"),
    (Detached, "first.weight, first.bias"), (NoGrad, "first.weight, first.bias"),
    (FunctionWithoutGradient, "first.weight, first.bias"), (FunctionWithZeros, "first.weight, first.bias"),
    (Rounded, "first.weight, first.bias"), (HookOfZeros, "first.weight"), (DataOfAWeight, "last.weight"),
])
def test_weights_that_only_noise_would_train_are_named(kind, names):
    with pytest.raises(NotPrivateError, match=f"^{names} would be trained on noise alone"):
        decision(kind())


class UnusedLayer(Net):
    def __init__(self):
        super().__init__()
        self.pooler = nn.Linear(8, 8)


class ZeroResidual(Net):
    """Nothing goes through the branch as yet, so its weights have no gradient; its gate has one."""

    def __init__(self):
        super().__init__()
        self.branch, self.gate = nn.Linear(8, 8), nn.Linear(8, 8)
        nn.init.zeros_(self.gate.weight)
        nn.init.zeros_(self.gate.bias)

    def hidden(self, x):
        hidden = super().hidden(x)
        return hidden + self.gate(torch.tanh(self.branch(hidden)))


class RareExpert(Net):
    def __init__(self):
        super().__init__()
        self.expert = nn.Linear(6, 2)

    def forward(self, x):
        return super().forward(x) + (x[:, :1] > 9) * self.expert(x)


class DeadUnits(Net):
    def __init__(self):
        super().__init__()
        nn.init.constant_(self.first.bias, -50.0)

    def hidden(self, x):
        return torch.relu(self.first(x))


@pytest.mark.parametrize("kind", [Net, UnusedLayer, ZeroResidual, RareExpert, DeadUnits])
def test_a_weight_without_gradient_that_changes_no_loss_is_no_objection(kind):
    decision(kind())
