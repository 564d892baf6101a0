"""Small networks of which each does one thing that DP-SGD or Opacus may stumble over. All take ``x`` of shape (n, 6)."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

COLUMNS = 6


class Plain(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(COLUMNS, 8), nn.Linear(8, 2)

    def hidden(self, x):
        return torch.tanh(self.first(x))

    def forward(self, x):
        return self.last(self.hidden(x))


# --- cases that see each other ----------------------------------------------------------------------------------------


class Centred(Plain):
    def forward(self, x):
        return super().forward(x - x.mean(0))


class FunctionalBatchNorm(Plain):
    def hidden(self, x):
        return torch.tanh(functional.batch_norm(self.first(x)[:, :, None].expand(-1, -1, 2), None, None, training=True)[:, :, 0])


class LayerBatchNorm(Plain):
    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm1d(8, affine=False)

    def hidden(self, x):
        return torch.tanh(self.norm(self.first(x)))


class MixedUp(Plain):
    def forward(self, x):
        return super().forward(0.7 * x + 0.3 * x[torch.randperm(len(x))] if self.training else x)


class MixedUpSometimes(Plain):
    def forward(self, x):
        return super().forward(x.flip(0) if torch.rand(()) < 0.5 else x)


class SwappedRarely(Plain):
    """Swap noise: a number comes from another case with a small probability."""

    def forward(self, x):
        return super().forward(torch.where(torch.rand_like(x) < 0.15, x[torch.randperm(len(x))], x))


class SwappedWhereNotKept(Plain):
    def forward(self, x):
        kept = torch.bernoulli(torch.full_like(x, 0.85))
        return super().forward(kept * x + (1 - kept) * x.flip(0))


class SwappedWhereDropped(Plain):
    def forward(self, x):
        kept = functional.dropout(torch.ones_like(x), 0.2).clamp(max=1)
        return super().forward(kept * x + (1 - kept) * x.flip(0))


class MixedInLargeSteps(Plain):
    def forward(self, x):
        return super().forward(x - x.mean(0) if len(x) > 8 else x)


class AttendsToOtherCases(Plain):
    """The classic mistake with batch_first: cases are taken for positions."""

    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(COLUMNS, 2)

    def forward(self, x):
        return super().forward(self.attention(x, x, x)[0])


class _SharedGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        return gradient + gradient.mean(0)


class MixedGradients(Plain):
    """Losses are the same alone and together; only gradients see each other."""

    def hidden(self, x):
        return _SharedGradient.apply(super().hidden(x))


# --- a state of the cases that were seen ------------------------------------------------------------------------------


class RunningMean(Plain):
    def __init__(self):
        super().__init__()
        self.register_buffer("seen", torch.zeros(COLUMNS))

    def forward(self, x):
        self.seen.mul_(0.9).add_(0.1 * x.detach().mean(0))
        return super().forward(x - self.seen.clone())


class Remembering(Plain):
    """The same in an attribute, which is no buffer."""

    def forward(self, x):
        before, self.before = getattr(self, "before", 0.0), x.detach().mean(0)
        return super().forward(x - before)


class LongestWord(Plain):
    """Words that occur are shortened in place, even if the layer is frozen; all others are not."""

    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(20, COLUMNS, max_norm=1.0)

    def forward(self, x):
        return super().forward(x + self.words((x.abs() * 5).long().clamp(max=19)).mean(1))


class RunningMaximum(Plain):
    """A buffer that only a rare case changes."""

    def __init__(self):
        super().__init__()
        self.register_buffer("most", torch.tensor(3.0))

    def forward(self, x):
        self.most.fill_(max(float(self.most), float(x.detach().max())))
        return super().forward(x)


class SteppingInBackward(Plain):
    """The optimizer in a hook: a step along gradients that are neither clipped nor noisy."""

    def __init__(self):
        super().__init__()
        self.first.weight.register_post_accumulate_grad_hook(self.move)

    @staticmethod
    def move(weight):
        weight.data.sub_(0.01 * weight.grad)


class RunningGradient(Plain):
    """Losses are right, and gradients carry what went backwards before."""

    def hidden(self, x):
        hidden = super().hidden(x)
        hidden.register_hook(self.smooth)
        return hidden

    def smooth(self, gradient):
        self.before = 0.5 * getattr(self, "before", 0.0) + 0.1 * gradient.mean(0)
        return gradient + self.before


class SpectralNormed(Plain):
    """Its buffers follow the weights, but also the number of times that they were used."""

    def __init__(self):
        super().__init__()
        self.first = nn.utils.parametrizations.spectral_norm(self.first)


# --- what Opacus's shortcuts get wrong or cannot do, and autograd can -------------------------------------------------


class FunctionalWeight(Plain):
    def forward(self, x):
        return super().forward(x) + functional.linear(torch.tanh(functional.linear(x, self.first.weight)), self.last.weight)


class SkippedLayer(Plain):
    def __init__(self):
        super().__init__()
        self.unused = nn.Linear(4, 4)


class Bag(Plain):
    def __init__(self):
        super().__init__()
        self.bag = nn.EmbeddingBag(20, COLUMNS, padding_idx=0)

    def forward(self, x):
        return super().forward(x + self.bag((x.abs() * 5).long().clamp(max=19)))


class SparseEmbedding(Plain):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(20, COLUMNS, padding_idx=0, sparse=True)

    def forward(self, x):
        return super().forward(x + self.words((x.abs() * 5).long().clamp(max=19)).mean(1))


class TiedLayers(Plain):
    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Linear(8, 8), nn.Linear(8, 8)
        self.two.weight = self.one.weight

    def hidden(self, x):
        return torch.tanh(self.two(torch.tanh(self.one(super().hidden(x)))))


class LayerUsedTwice(Plain):
    def __init__(self):
        super().__init__()
        self.one = nn.Linear(8, 8)

    def hidden(self, x):
        return torch.tanh(self.one(torch.tanh(self.one(super().hidden(x)))))


class ParameterOfTheModel(Plain):
    def __init__(self):
        super().__init__()
        self.token = nn.Parameter(torch.randn(8))

    def hidden(self, x):
        return super().hidden(x) + self.token


class InPlaceFunction(Plain):
    def hidden(self, x):
        return torch.relu_(self.first(x))


class InPlaceLayer(Plain):
    def __init__(self):
        super().__init__()
        self.act = nn.ReLU(inplace=True)

    def hidden(self, x):
        return self.act(self.first(x))


class Attention(Plain):
    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(COLUMNS, 2, dropout=0.1, batch_first=True)

    def forward(self, x):
        places = x[:, None, :] * torch.arange(1.0, 4.0)[None, :, None]
        return super().forward(self.attention(places, places, places)[0].mean(1))


class Recurrent(Plain):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(1, COLUMNS, batch_first=True)

    def forward(self, x):
        return super().forward(self.lstm(x[:, :, None])[0][:, -1])


class RoutedCases(Plain):
    """An expert that sees only some of the cases of a step."""

    def __init__(self):
        super().__init__()
        self.expert = nn.Linear(8, 8)

    def hidden(self, x):
        hidden = super().hidden(x)
        chosen = hidden[:, 0] > 0
        return torch.where(chosen[:, None], torch.zeros_like(hidden).index_put((chosen,), self.expert(hidden[chosen])), hidden)


class FoldedCases(Plain):
    """Two views of each case along the first axis."""

    def hidden(self, x):
        views = super().hidden(torch.stack([x, -x], dim=1).flatten(0, 1))
        return views.unflatten(0, (len(x), 2)).mean(1)


class SharedPositions(Plain):
    """Position numbers of shape (1, n), as Hugging Face's BERT has them."""

    def __init__(self):
        super().__init__()
        self.positions = nn.Embedding(COLUMNS, COLUMNS)

    def forward(self, x):
        return super().forward(x + self.positions(torch.arange(COLUMNS)[None]).mean(1))


class WeightNormed(Plain):
    def __init__(self):
        super().__init__()
        self.first = nn.utils.parametrizations.weight_norm(self.first)


# --- branches that only rare cases take: the first column is above 3 --------------------------------------------------


class RareFunctionalWeight(Plain):
    def forward(self, x):
        more = 5 * (x[:, :1] > 3) * functional.linear(x, self.first.weight)[:, :2] if (x[:, 0] > 3).any() else 0
        return super().forward(x) + more


class RareSecondCall(Plain):
    def hidden(self, x):
        hidden, rare = super().hidden(x), x[:, :1] > 3
        return torch.where(rare, torch.tanh(self.first(hidden[:, :COLUMNS])), hidden) if rare.any() else hidden


class RareExpert(Plain):
    """A layer that sees its own cases only."""

    def __init__(self):
        super().__init__()
        self.expert = nn.Linear(COLUMNS, 2)

    def forward(self, x):
        out, rare = super().forward(x), (x[:, 0] > 3).nonzero()[:, 0]
        return out.index_put((rare,), 5 * self.expert(x[rare]), accumulate=True) if len(rare) else out


# --- numbers in which lengths or noise are wrong ----------------------------------------------------------------------


class HalfPrecision(Plain):
    def __init__(self):
        super().__init__()
        self.to(torch.bfloat16)

    def forward(self, x):
        return super().forward(x.to(torch.bfloat16)).float()


class ComplexWeight(Plain):
    """The standard deviation of complex noise is that of both parts together."""

    def __init__(self):
        super().__init__()
        self.mix = nn.Sequential(nn.Linear(COLUMNS, COLUMNS, dtype=torch.complex64))

    def forward(self, x):
        return super().forward(self.mix(x.to(torch.complex64)).abs())


# --- random numbers, each case its own --------------------------------------------------------------------------------


class Dropout(Plain):
    def hidden(self, x):
        return functional.dropout(super().hidden(x), 0.5, self.training)


class RandomNoise(Plain):
    def forward(self, x):
        return super().forward(x + 0.1 * torch.randn_like(x))


class DropPath(Plain):
    def hidden(self, x):
        return super().hidden(x) * torch.rand(len(x), 1).add(0.8).floor() / 0.8
