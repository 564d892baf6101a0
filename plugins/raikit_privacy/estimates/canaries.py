"""Canaries: training cases with a wrong label, each of which is in a private training or not by the toss of a coin.

Whoever sees the steps of the training guesses the coins. More right guesses than epsilon allows show that the training does not
keep its promise: too little noise, no clipping, another sampling than the one accounted for. Canaries go through the same code as
every other case.

The attacker sees what the accountant takes to be released: the noisy gradient of each step. So that it can tell canaries apart in
a network of any size, the network gets one more layer, in which each canary has weights of its own [1]_.

References
----------
.. [1] Nasr et al., "Tight Auditing of Differentially Private Machine Learning", USENIX Security 2023: canaries whose gradients are
   orthogonal to all others. Here they come from a layer, so that they are clipped by the code that clips every case.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

import raikit
from raikit.arrays import BoolArray, FloatArray, IntArray
from raikit.data.batch import Batch
from raikit_privacy.estimates.budget import Budget
from raikit_privacy.estimates.dpsgd import PrivateTraining, Recipe
from raikit_privacy.estimates.training import train_private

_BATCH = 256
_NUMBER = "number of a canary"  # among the prepared tensors; no input is called like this
_STRENGTH = 1e3  # input of the layer: a canary's gradient is about as many times as long as that of its logits


@dataclass(frozen=True)
class Canaries:
    """Which training cases are canaries, what their wrong labels are, and which of them are in.

    Parameters
    ----------
    positions : ndarray of int, shape (m,)
        In the training split.
    target : ndarray of int, shape (m,)
        Positions of the wrong labels in the classes.
    inserted : ndarray of bool, shape (m,)
        The coins. Nothing that scores canaries may look at them.
    """

    positions: IntArray
    target: IntArray
    inserted: BoolArray

    @classmethod
    def draw(cls, data: raikit.Dataset, most: int, seed: int) -> Canaries:
        """Draw at most `most` canaries, and at most half of the training cases; everything follows from the seed."""
        rng = np.random.default_rng([seed, 4])
        cases = data.size("train")
        positions = np.sort(rng.permutation(cases)[: min(most, cases // 2)])
        batches = data.batches("train", _BATCH, indices=positions)
        true = np.concatenate([np.asarray(batch.target) for batch in batches]).astype(np.int64)
        classes = len(data.classes)
        wrong = (true + rng.integers(1, classes, len(true))) % classes
        return cls(positions, wrong, rng.random(len(true)) < 0.5)

    def __len__(self) -> int:
        return len(self.positions)

    def is_left_out(self, cases: int) -> BoolArray:
        """Return which training cases are in no step, shape (cases,): canaries whose coin says out."""
        out = np.zeros(cases, dtype=bool)
        out[self.positions[~self.inserted]] = True
        return out


class DataWithCanaries:
    """A dataset whose training split has the wrong labels of canaries; everything else is that of the dataset.

    Parameters
    ----------
    data : Dataset
    canaries : Canaries
    """

    def __init__(self, data: raikit.Dataset, canaries: Canaries) -> None:
        self._data, self._canaries = data, canaries

    def __getattr__(self, name: str) -> Any:
        return getattr(self._data, name)

    def batches(self, split: str, size: int, indices: Sequence[int] | IntArray | None = None) -> Iterator[Batch]:
        """Yield the cases of a split as `Dataset.batches` does, canaries with their wrong labels."""
        if split != "train":
            yield from self._data.batches(split, size, indices)
            return
        wrong = np.full(self._data.size("train"), -1, dtype=np.int64)
        wrong[self._canaries.positions] = self._canaries.target
        at = np.arange(len(wrong)) if indices is None else np.asarray(indices, dtype=np.int64)
        start = 0
        for batch in self._data.batches(split, size, indices):
            given = wrong[at[start : start + len(batch)]]
            yield replace(batch, target=np.where(given >= 0, given, np.asarray(batch.target)))
            start += len(batch)


class CanaryModel(raikit.Model):
    """A model with one more layer, which gives each canary weights of its own.

    The layer adds to the logits, gets zeros from every other case, and has weights of zero whenever a gradient is computed. So
    the network decides as before. The gradient of a canary is far longer than the clipping norm and points along its own weights:
    clipped, it is the worst that clipping allows, and hardly another case adds to those weights.

    Parameters
    ----------
    model : Model
        Trained in place.
    canaries : Canaries
    data : Dataset
        Tells the ids of the canaries.
    """

    def __init__(self, model: raikit.Model, canaries: Canaries, data: raikit.Dataset) -> None:
        self.inner = model
        self.kind, self.capabilities, self.classes = model.kind, model.capabilities, model.classes
        self.modalities, self.tensors = model.modalities, model.tensors
        ids = data.frame(["id"], "train")["id"].to_numpy()[canaries.positions]
        self._number = {case: number for number, case in enumerate(ids.tolist())}
        self._net = _NetworkWithCanaries(model.module, len(canaries), len(model.classes))

    @property
    def module(self) -> nn.Module:
        """The network with the further layer."""
        return self._net

    @property
    def canary_layer(self) -> nn.Linear:
        """The layer of which each canary has a column."""
        return self._net.canaries

    def prepare(self, batch: Batch) -> dict[str, Tensor]:
        """Prepare a batch as the model does, with the number of each canary, and one too many for other cases."""
        numbers = [self._number.get(case, len(self._number)) for case in batch.ids]
        return self.inner.prepare(batch) | {_NUMBER: torch.tensor(numbers, dtype=torch.int64)}

    def loss(self, logits: Tensor, target: Tensor) -> Tensor:
        """Compute the model's own loss."""
        return self.inner.loss(logits, target)

    def scores(self, batch: Batch) -> FloatArray:
        """Compute the model's own scores."""
        return np.asarray(self.inner.scores(batch), dtype=float)

    def copy(self) -> CanaryModel:
        """Return an independent copy with the same weights."""
        other = copy.copy(self)
        other.inner = self.inner.copy()
        other._net = _NetworkWithCanaries(other.inner.module, self.canary_layer.in_features, self.canary_layer.out_features)
        other.canary_layer.load_state_dict(self.canary_layer.state_dict())
        return other


class _NetworkWithCanaries(nn.Module):
    """A network whose logits have the output of a linear layer added, which sees the number of a canary alone."""

    def __init__(self, net: nn.Module, canaries: int, classes: int) -> None:
        super().__init__()
        self.net = net
        self.canaries = nn.Linear(canaries, classes, bias=False)
        nn.init.zeros_(self.canaries.weight)

    def forward(self, **inputs: Tensor) -> Tensor:
        number = inputs.pop(_NUMBER)
        logits: Tensor = self.net(**inputs)
        chosen = functional.one_hot(number, self.canaries.in_features + 1)[:, :-1].to(logits.dtype)
        added: Tensor = self.canaries(chosen * _STRENGTH)
        return logits + added


class CanaryWatch:
    """Wraps the steps of a private training: leaves canaries out as their coins say, and sums what each step releases of them.

    Parameters
    ----------
    model : CanaryModel
    canaries : Canaries
    cases : int
        Training cases.
    """

    def __init__(self, model: CanaryModel, canaries: Canaries, cases: int) -> None:
        self._layer, self._left_out = model.canary_layer, canaries.is_left_out(cases)
        classes = len(model.classes)
        # Along the gradient of the loss: down for the wrong label, up for the others alike.
        direction = np.full((classes, len(canaries)), 1 / classes)
        direction[canaries.target, np.arange(len(canaries))] -= 1
        self._direction = torch.tensor(direction / np.linalg.norm(direction, axis=0))
        self._sum = np.zeros(len(canaries))

    @property
    def scores(self) -> FloatArray:
        """Return how much of each canary's gradient all steps released together, shape (m,)."""
        return self._sum.copy()

    def wrap(self, training: PrivateTraining) -> tuple[Callable[..., float], Callable[..., Iterator[IntArray]]]:
        """Return step and sampler of a training with canaries."""

        def sampler(epoch: int, rng: np.random.Generator) -> Iterator[IntArray]:
            for step in training.sampler(epoch, rng):
                yield step[~self._left_out[step]]

        def step(*args: Any) -> float:
            loss = training.step(*args)
            assert self._layer.weight.grad is not None
            self._sum += (self._layer.weight.grad.double() * self._direction).sum(dim=0).numpy()
            with torch.no_grad():
                self._layer.weight.zero_()  # uses no data; a canary that was learnt would have no gradient left
            return loss

        return step, sampler


@dataclass(frozen=True)
class CanaryTraining:
    """What a private training with canaries gave.

    Parameters
    ----------
    canaries : Canaries
    scores : ndarray, shape (m,)
        Higher for canaries that seem to be in.
    steps : int
        Noisy steps that were made.
    """

    canaries: Canaries
    scores: FloatArray
    steps: int


def train_with_canaries(
    ctx: raikit.CheckContext, model: raikit.Model, recipe: Recipe, budget: Budget, canaries: Canaries, seed: int,
    progress: Callable[[int, int], None],
) -> CanaryTraining:
    """Train a model privately on the training cases, some of them canaries, and score these.

    Sampling rate, noise, clipping norm and steps are those of a training without canaries, because a canary takes the place of the
    case that it was made of. Nothing is kept for a resumed run: scores need every step.

    Raises
    ------
    NotPrivateError
        If the guarantee would not hold for this model.
    """
    assert ctx.data is not None
    data: Any = DataWithCanaries(ctx.data, canaries)
    with_canaries = replace(ctx, data=data)
    model = CanaryModel(model, canaries, ctx.data)
    watch = CanaryWatch(model, canaries, ctx.data.size("train"))
    trained = train_private(with_canaries, model, recipe, budget.noise_multiplier, None, progress, seed, watch.wrap)
    return CanaryTraining(canaries, watch.scores, trained.steps)
