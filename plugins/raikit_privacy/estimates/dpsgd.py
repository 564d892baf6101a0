"""DP-SGD in raikit's training loop: Poisson sampling, clipping of each case's gradient, noise, step counts."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from raikit.arrays import IntArray
from raikit_privacy.estimates import preflight
from raikit_privacy.estimates.bookkeeping import make_clipper
from raikit_privacy.estimates.clipping import (
    ClippedSum,
    Clipping,
    Layers,
    NormKind,
    NotPrivateError,
    OneByOne,
    padded_embeddings,
    trained_parameters,
)
from raikit_privacy.estimates.foreign_code import foreign_code
from raikit_privacy.estimates.network_state import NetworkState
from raikit_privacy.estimates.noise import StepNoise

if TYPE_CHECKING:
    from opacus.optimizers import DPOptimizerFastGradientClipping

    import raikit

_FEATURE_LAYERS = (nn.modules.conv._ConvNd, nn.Embedding, nn.EmbeddingBag, nn.GroupNorm)
_MOMENTUM = 0.9
_STEPS = "steps_made"  # kept with the optimizer, so that a resumed training continues the count


@dataclass(frozen=True)
class Recipe:
    """Settings of a private training; nothing in it depends on the content of the cases.

    Parameters
    ----------
    rows, epochs : int
        Training cases, and expected passes over them.
    batch_size : int
        Expected cases of a step; every case is drawn independently in each step.
    physical_batch_size : int
        Cases that go through the network at once.
    max_grad_norm : float
        Each case's gradient is clipped to this length.
    learning_rate : float
        Peak of the schedule: linear warm-up over a tenth of the steps, then cosine decay.
    layers : {"dense", "all"}
        Which layers are trained.
    clipping : {"flat", "per_layer"}
        Clip the whole gradient of a case, or that of each layer to an equal share.
    """

    rows: int
    epochs: int
    batch_size: int
    physical_batch_size: int
    max_grad_norm: float
    learning_rate: float
    layers: Layers = "dense"
    clipping: NormKind = "flat"

    @property
    def sample_rate(self) -> float:
        """Probability with which a case is in a step."""
        return min(1.0, self.batch_size / self.rows)

    @property
    def steps_per_epoch(self) -> int:
        """Steps in which each case is expected once."""
        return max(1, round(1 / self.sample_rate))

    @property
    def steps(self) -> int:
        """Steps of the whole training."""
        return self.epochs * self.steps_per_epoch

    @property
    def expected_batch_size(self) -> float:
        """Expected cases of a step."""
        return self.sample_rate * self.rows

    def learning_rate_at(self, step: int) -> float:
        """Return the learning rate of a step, counted from 0."""
        warmup = max(1, round(0.1 * self.steps))
        if step < warmup:
            return self.learning_rate * (step + 1) / warmup
        return self.learning_rate * (1 + math.cos(math.pi * (step - warmup) / max(1, self.steps - warmup))) / 2


class PrivateTraining:
    """Step, sampler, optimizer and module with which `raikit.fit` trains a model privately.

    Parameters
    ----------
    model : Model
        Trained in place: a copy, never the audited one.
    recipe : Recipe
    noise_multiplier : float
    clipping : {"shortcut", "one by one"}
        How the gradient of each case is clipped; `raikit_privacy.estimates.preflight` finds out which way is right.
    seed : int
        Determines the noise, together with the number of the step.

    Notes
    -----
    The sum of the clipped gradients is divided by the *expected* number of cases, the same in every step. A step that drew no
    case is noise alone and is counted like any other. A batch larger than `physical_batch_size` is processed in parts, whose
    clipped gradients are summed before noise is added once.

    Noise comes from a generator of its own: a network that seeds torch's generator when it is called would otherwise get the same
    noise in every step. If a weight or buffer changes by anything but the optimizer, the training is given up.

    A shortcut is compared with one autograd call per case again in steps 0, 1, 3, 7, 15 … and the last one, because what a
    network does may depend on its weights and on the cases. In every step it is used only if each weight is used in the recorded
    calls of its layers alone: a branch that rare cases take may use a weight elsewhere.

    Code that raikit did not write may mix cases in some steps only. With a shortcut, its losses are compared in every step with
    those of the same cases in two smaller steps, and its `loss` gets the logits of one case at a time.
    """

    def __init__(
        self, model: raikit.Model, recipe: Recipe, noise_multiplier: float, clipping: Clipping = "shortcut", seed: int = 0
    ) -> None:
        self.model, self.recipe, self.seed = model, recipe, seed
        module = model.module
        module.train()
        freeze_feature_layers(module, recipe.layers)
        self.clipping = clipping
        self.clipper = make_clipper(model, recipe.max_grad_norm, clipping, recipe.clipping)
        self.module = self.clipper.module
        self.noise = StepNoise(seed)
        self.optimizer = _optimizer(module, recipe, noise_multiplier, self.noise)
        self.foreign = bool(foreign_code(model))
        self._is_compared = False  # since the training began or was resumed

    @property
    def steps_made(self) -> int:
        """Steps so far, each of which added noise and changed the weights."""
        return int(self.optimizer.param_groups[0][_STEPS])

    def sampler(self, epoch: int, rng: np.random.Generator) -> Iterator[IntArray]:
        """Yield the cases of each step, drawn by Poisson sampling."""
        return poisson_batches(self.recipe, rng)

    def step(
        self, module: nn.Module, optimizer: torch.optim.Optimizer, inputs: dict[str, Tensor], target: Tensor,
        weight: Tensor | None,
    ) -> float:
        """Make one step and return 0: the loss of its cases has no noise, so nobody gets it.

        `weight` is not used: dividing by a sum of weights would make a case's gradient depend on the others in the step.

        Raises
        ------
        NotPrivateError
            If a gradient cannot be clipped, a shortcut no longer agrees with one autograd call per case, or a case changes a
            weight or buffer.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = self.recipe.learning_rate_at(self.steps_made)
        self.noise.begin(self.steps_made, [parameter.shape for parameter in self.clipper.parameters],
                         self.optimizer.noise_multiplier * self.recipe.max_grad_norm)
        self.optimizer.zero_grad(set_to_none=True)
        state = NetworkState(self.model)
        size = self.recipe.physical_batch_size
        sums: list[Tensor] = []  # kept here and not with the weights, where the network could read those of the cases before
        for start in range(0, len(target), size):
            part = slice(start, start + size)
            try:
                clipped = self._clip({name: tensor[part] for name, tensor in inputs.items()}, target[part], first=not start)
            finally:
                state.check()  # names the cause where a changed network fails
            sums = [total.add_(more) for total, more in zip(sums, clipped.sums, strict=True)] if sums else clipped.sums
            del clipped
        for parameter in self.clipper.parameters:
            parameter.grad = sums.pop(0) if sums else torch.zeros_like(parameter)
        del state
        self.optimizer.step()  # adds noise and changes the weights
        self._reset_padding()
        return 0.0

    def _clip(self, inputs: dict[str, Tensor], target: Tensor, first: bool) -> ClippedSum:
        """Clip by book-keeping if it knows every use of a weight; else one case after the other, which is right anyway."""
        due = not self.steps_made & (self.steps_made + 1) or self.steps_made + 1 == self.recipe.steps
        try:
            if self.clipping == "shortcut" and first and (due or not self._is_compared):
                preflight.verify(self.model, self.clipper, inputs, target, seed=self.steps_made)
                self._is_compared = True
            if self.clipping == "shortcut" and self.foreign and len(target) > 1:
                preflight.check_company(self.model, self.module, inputs, target, seed=self.steps_made)
            return self.clipper.clip(inputs, target)
        except NotPrivateError:
            raise
        except Exception:  # what is the network's own fault comes again
            return OneByOne(self.model, self.clipper.norms).clip(inputs, target)

    def _reset_padding(self) -> None:
        """Set the embedding of "no word" back to zero, without its noise; this uses no data and spends no budget."""
        with torch.no_grad():
            for part in padded_embeddings(self.model.module):
                part.weight[part.padding_idx] = 0.0

    def finish(self) -> None:
        """Remove gradients from the model, and leave it in evaluation mode."""
        self.noise.close()
        for parameter in self.model.module.parameters():
            parameter.grad = None
            if hasattr(parameter, "summed_grad"):
                del parameter.summed_grad
        self.model.module.eval()


def poisson_batches(recipe: Recipe, rng: np.random.Generator) -> Iterator[IntArray]:
    """Yield positions for each step of an epoch: every case independently with the same probability, possibly none."""
    for _ in range(recipe.steps_per_epoch):
        yield np.flatnonzero(rng.random(recipe.rows) < recipe.sample_rate)


def freeze_feature_layers(module: nn.Module, layers: Layers) -> None:
    """Freeze convolutions, embeddings and the normalisation between them, if `layers` is ``dense``.

    Without training they give usable features [1]_, cost neither noise nor clipping, and need no backward pass. The choice is
    made before any case is seen. Parameters that a network holds beside its layers (class tokens, position embeddings) are
    embeddings too. Nothing is frozen where no linear layer would be left to train.

    Layers that change their input in place return a new tensor from now on, which frozen layers that are cached rely on.

    References
    ----------
    .. [1] Tramèr and Boneh, "Differentially Private Learning Needs Better Features (or Much More Data)", ICLR 2021.
    """
    for part in module.modules():
        if getattr(part, "inplace", False) is True:
            part.inplace = False  # type: ignore[assignment]
    if layers == "all" or not any(isinstance(part, nn.Linear) for part in module.modules()):
        return
    for part in module.modules():
        if isinstance(part, _FEATURE_LAYERS) or _holds_layers(part):
            for parameter in part.parameters(recurse=False):
                parameter.requires_grad_(False)


def _holds_layers(part: nn.Module) -> bool:
    """Return whether a module is a network of layers rather than a layer of torch that happens to have parts."""
    return any(True for _ in part.children()) and not type(part).__module__.startswith("torch.")


def _momentum(module: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """Return SGD with momentum; Adam would scale up the noise of every weight whose gradient is small."""
    optimizer = torch.optim.SGD(trained_parameters(module), lr=recipe.learning_rate, momentum=_MOMENTUM)
    for group in optimizer.param_groups:
        group[_STEPS] = 0
    return optimizer


def _optimizer(
    module: nn.Module, recipe: Recipe, noise_multiplier: float, noise: StepNoise
) -> DPOptimizerFastGradientClipping:
    from opacus.optimizers import DPOptimizerFastGradientClipping

    class Optimizer(DPOptimizerFastGradientClipping):  # type: ignore[misc]
        """Adds noise that is finer than the weights; Opacus's is drawn in single precision, whatever they are."""

        def accumulate(self) -> None:
            for weight in self.params:
                weight.summed_grad = weight.grad  # of the whole step; Opacus's own would copy it

        def add_noise(self) -> None:
            for weight, drawn in zip(self.params, noise.take(), strict=True):
                weight.grad = drawn.to(weight.device).add_(weight.summed_grad).to(weight.dtype).view_as(weight)
                weight.summed_grad = None

    # This optimizer takes gradients that are clipped and summed already; it adds the noise and divides.
    optimizer = Optimizer(
        _momentum(module, recipe), noise_multiplier=noise_multiplier, max_grad_norm=recipe.max_grad_norm,
        expected_batch_size=recipe.expected_batch_size, loss_reduction="mean",
    )
    optimizer.attach_step_hook(_count_step)
    return optimizer


def _count_step(optimizer: Any) -> None:
    for group in optimizer.param_groups:
        group[_STEPS] += 1
