"""DP-SGD with Opacus in raikit's training loop: Poisson sampling, clipping of each case's gradient, noise, step counts."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from raikit.arrays import IntArray

if TYPE_CHECKING:
    from opacus.optimizers import DPOptimizer

    import raikit

Layers = Literal["dense", "all"]

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
    """

    rows: int
    epochs: int
    batch_size: int
    physical_batch_size: int
    max_grad_norm: float
    learning_rate: float
    layers: Layers = "dense"

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


def opacus_problems(module: nn.Module) -> list[str]:
    """List what keeps Opacus from clipping the gradient of each case, in readable clauses; empty if nothing does."""
    from opacus.validators import ModuleValidator

    was_training = module.training
    module.train()
    try:
        errors = [str(error) for error in ModuleValidator.validate(module, strict=False)]
        buffers = [
            f"layer {name or 'itself'} ({type(part).__name__}) has trainable weights and buffers, which are not private"
            for name, part in module.named_modules()
            if any(p.requires_grad for p in part.parameters(recurse=False)) and any(True for _ in part.buffers(recurse=False))
        ]
        # Opacus examines trainable layers only, but a frozen one still mixes the cases of a step.
        mixing = [f"layer {name} ({type(part).__name__}) mixes the cases of a step, frozen or not"
                  for name, part in module.named_modules() if isinstance(part, nn.modules.batchnorm._BatchNorm)]
    finally:
        module.train(was_training)
    return list(dict.fromkeys(" ".join(error.split()) for error in errors)) or mixing or buffers


class PrivateTraining:
    """Step, sampler, optimizer and module with which `raikit.fit` trains a model privately.

    Parameters
    ----------
    model : Model
        Trained in place: a copy, never the audited one.
    recipe : Recipe
    noise_multiplier : float

    Notes
    -----
    The sum of the clipped gradients is divided by the *expected* number of cases, the same in every step. A step that drew no
    case is noise alone and is counted like any other. A batch larger than `physical_batch_size` is processed in parts, whose
    clipped gradients are summed before noise is added once.

    Dense layers alone are clipped without forming the gradient of each case: one backward pass gives the norms, a second one
    uses the loss in which each case is multiplied by its clipping factor [1]_. With all layers, Opacus computes the gradient
    of each case.

    References
    ----------
    .. [1] Li, Tramèr, Liang and Hashimoto, "Large Language Models Can Be Strong Differentially Private Learners", ICLR
       2022, section 4 (ghost clipping).
    """

    def __init__(self, model: raikit.Model, recipe: Recipe, noise_multiplier: float) -> None:
        self.model, self.recipe = model, recipe
        module = model.module
        module.train()
        freeze_feature_layers(module, recipe.layers)
        self.padding = _padding_rows(module)
        self.ghost = recipe.layers == "dense"
        self.module = _wrapped(module, recipe)
        self.optimizer = _optimizer(module, recipe, noise_multiplier)

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
        """Make one step and return its mean loss.

        `weight` is not used: dividing by a sum of weights would make a case's gradient depend on the others in the step.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = self.recipe.learning_rate_at(self.steps_made)
        self.optimizer.zero_grad()
        if not len(target):
            self._set_zero_gradients()
            self.optimizer.step()
            self._reset_padding()
            return 0.0
        size, loss = self.recipe.physical_batch_size, 0.0
        starts = range(0, len(target), size)
        for start in starts:
            part = slice(start, start + size)
            self.optimizer.signal_skip_step(do_skip=start != starts[-1])
            loss += self._accumulate({name: tensor[part] for name, tensor in inputs.items()}, target[part])
        self._reset_padding()
        return loss / len(target)

    def _accumulate(self, inputs: dict[str, Tensor], target: Tensor) -> float:
        """Clip and sum the gradients of one part; after the last part, Opacus adds noise and changes the weights."""
        self.optimizer.zero_grad()
        losses = self.model.loss(self.module(**inputs), target)
        with warnings.catch_warnings():
            # Opacus needs gradients of outputs only, so the input of the first layer may have none.
            warnings.filterwarnings("ignore", message="Full backward hook is firing")
            losses.sum().backward(retain_graph=self.ghost)  # type: ignore[no-untyped-call]
            if self.ghost:
                self._clip_by_factor(losses)
        for parameter, row in self.padding:
            parameter.grad_sample[:, row] = 0.0  # type: ignore[attr-defined]
        self.optimizer.step()
        return float(losses.sum().item())

    def _clip_by_factor(self, losses: Tensor) -> None:
        """Repeat the backward pass with each case's loss multiplied by its clipping factor."""
        factor = self.module.get_clipping_coef().detach()
        self.optimizer.zero_grad()
        self.module.disable_hooks()
        (factor * losses).sum().backward()
        self.module.enable_hooks()
        for parameter in self.optimizer.params:
            if parameter.grad is None:  # no case of this part reaches the layer
                parameter.grad = torch.zeros_like(parameter)

    def _set_zero_gradients(self) -> None:
        """Give every parameter the gradient of no cases."""
        for parameter in self.optimizer.params:
            if self.ghost:
                parameter.grad = torch.zeros_like(parameter)
            else:
                parameter.grad_sample = torch.zeros((0, *parameter.shape), dtype=parameter.dtype)

    def _reset_padding(self) -> None:
        """Set the embedding of "no word" back to zero, without its noise; this uses no data and spends no budget."""
        with torch.no_grad():
            for parameter, row in self.padding:
                parameter[row] = 0.0

    def finish(self) -> None:
        """Remove Opacus's hooks and gradients from the model, and leave it in evaluation mode."""
        self.module.remove_hooks()
        for parameter in self.model.module.parameters():
            parameter.grad = None
            for name in ("grad_sample", "summed_grad", "_norm_sample"):
                if hasattr(parameter, name):
                    setattr(parameter, name, None)
        self.model.module.eval()


def poisson_batches(recipe: Recipe, rng: np.random.Generator) -> Iterator[IntArray]:
    """Yield positions for each step of an epoch: every case independently with the same probability, possibly none."""
    for _ in range(recipe.steps_per_epoch):
        yield np.flatnonzero(rng.random(recipe.rows) < recipe.sample_rate)


def freeze_feature_layers(module: nn.Module, layers: Layers) -> None:
    """Freeze convolutions, embeddings and the normalisation between them, if `layers` is ``dense``.

    Without training they give usable features [1]_, cost neither noise nor clipping, and need no backward pass. The choice is
    made before any case is seen. Nothing is frozen where no linear layer would be left to train.

    References
    ----------
    .. [1] Tramèr and Boneh, "Differentially Private Learning Needs Better Features (or Much More Data)", ICLR 2021.
    """
    kinds = (nn.modules.conv._ConvNd, nn.Embedding, nn.EmbeddingBag, nn.GroupNorm)
    if layers == "all" or not any(isinstance(part, nn.Linear) for part in module.modules()):
        return
    for part in module.modules():
        if isinstance(part, kinds):
            for parameter in part.parameters(recurse=False):
                parameter.requires_grad_(False)


def _momentum(module: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """Return SGD with momentum; Adam would scale up the noise of every weight whose gradient is small."""
    trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD(trained, lr=recipe.learning_rate, momentum=_MOMENTUM)
    for group in optimizer.param_groups:
        group[_STEPS] = 0
    return optimizer


def _optimizer(module: nn.Module, recipe: Recipe, noise_multiplier: float) -> DPOptimizer:
    from opacus.optimizers import DPOptimizer, DPOptimizerFastGradientClipping

    optimizer = (DPOptimizerFastGradientClipping if recipe.layers == "dense" else DPOptimizer)(
        _momentum(module, recipe), noise_multiplier=noise_multiplier, max_grad_norm=recipe.max_grad_norm,
        expected_batch_size=recipe.expected_batch_size, loss_reduction="mean",
    )
    optimizer.attach_step_hook(_count_step)
    return optimizer


def _count_step(optimizer: Any) -> None:
    for group in optimizer.param_groups:
        group[_STEPS] += 1


def _wrapped(module: nn.Module, recipe: Recipe) -> Any:
    from opacus.grad_sample import GradSampleModule, GradSampleModuleFastGradientClipping

    if recipe.layers == "all":
        return GradSampleModule(module, loss_reduction="sum")
    return GradSampleModuleFastGradientClipping(module, loss_reduction="sum", max_grad_norm=recipe.max_grad_norm)


def _padding_rows(module: nn.Module) -> list[tuple[Tensor, int]]:
    """Return the embeddings of "no word" that are trained: autograd gives them no gradient, but Opacus would."""
    return [
        (part.weight, part.padding_idx) for part in module.modules()
        if isinstance(part, nn.Embedding) and part.padding_idx is not None and part.weight.requires_grad
    ]
