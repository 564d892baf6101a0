"""DP-SGD with Opacus, fitted into raikit's training loop: Poisson steps, per-row clipping, noise, honest counting."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    import numpy.typing as npt
    from opacus.optimizers import DPOptimizer

    import raikit

Layers = Literal["dense", "all"]

_MOMENTUM = 0.9
_MADE = "steps_made"  # kept with the optimizer, so that a resumed training goes on counting


@dataclass(frozen=True)
class Recipe:
    """How a private training goes; nothing in it depends on what the rows hold.

    Parameters
    ----------
    rows, epochs : int
    batch_size : int
        Rows of a step on average; which ones is drawn anew, each row by itself.
    physical_batch_size : int
        Rows that go through the network at once.
    max_grad_norm : float
        Every row's gradient is cut to this length.
    learning_rate : float
        Peak; a tenth of the steps up to it, then down along a cosine.
    layers : {"dense", "all"}
        Which layers learn.
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
        """Probability with which a row is in a step."""
        return min(1.0, self.batch_size / self.rows)

    @property
    def steps_per_epoch(self) -> int:
        return max(1, round(1 / self.sample_rate))

    @property
    def steps(self) -> int:
        return self.epochs * self.steps_per_epoch

    @property
    def expected_batch_size(self) -> float:
        return self.sample_rate * self.rows

    def rate_at(self, step: int) -> float:
        """Learning rate of a step, from 0."""
        warm = max(1, round(0.1 * self.steps))
        if step < warm:
            return self.learning_rate * (step + 1) / warm
        return self.learning_rate * (1 + math.cos(math.pi * (step - warm) / max(1, self.steps - warm))) / 2


def objections(module: nn.Module) -> list[str]:
    """What in the module keeps Opacus from clipping the gradient of each row, in readable sentences."""
    from opacus.validators import ModuleValidator

    was = module.training
    module.train()
    try:
        errors = [str(error) for error in ModuleValidator.validate(module, strict=False)]
        buffers = [
            f"layer {name or 'itself'} ({type(part).__name__}) has trainable weights and buffers, which are not private"
            for name, part in module.named_modules()
            if any(p.requires_grad for p in part.parameters(recurse=False)) and any(True for _ in part.buffers(recurse=False))
        ]
        # Opacus looks at trainable layers only, but a frozen one still lets the rows of a step see each other
        mixing = [f"layer {name} ({type(part).__name__}) mixes the rows of a step, frozen or not"
                  for name, part in module.named_modules() if isinstance(part, nn.modules.batchnorm._BatchNorm)]
    finally:
        module.train(was)
    return list(dict.fromkeys(" ".join(error.split()) for error in errors)) or mixing or buffers


class PrivateTraining:
    """Everything that `raikit.fit` needs to train `model` privately.

    Parameters
    ----------
    model : Model
        Trained in place: a copy, never the audited one.
    recipe : Recipe
    noise_multiplier : float

    Notes
    -----
    The sum of the clipped gradients is divided by the *expected* number of rows, the same in every step; a step that drew no row
    is noise alone and is counted like any other. A batch larger than `physical_batch_size` is taken in parts whose clipped
    gradients are summed before noise is added once.

    Dense layers alone are clipped without forming the gradient of each row: one backward pass for their norms, a second one
    down the loss in which each row has its clipping factor [1]_. All layers: Opacus's gradients of each row.

    References
    ----------
    .. [1] Li, Tramèr, Liang and Hashimoto, "Large Language Models Can Be Strong Differentially Private Learners", ICLR
       2022, section 4 (ghost clipping).
    """

    def __init__(self, model: raikit.Model, recipe: Recipe, noise_multiplier: float) -> None:
        self.model, self.recipe = model, recipe
        module = model.module
        module.train()
        keep_as_drawn(module, recipe.layers)
        self.padding = _padding_rows(module)
        self.ghost = recipe.layers == "dense"
        self.module = _wrapped(module, recipe)
        self.optimizer = _optimizer(module, recipe, noise_multiplier)

    @property
    def steps_made(self) -> int:
        """Times that noise was added and the weights were moved."""
        return int(self.optimizer.param_groups[0][_MADE])

    def sampler(self, epoch: int, rng: np.random.Generator) -> Iterator[npt.NDArray[np.int64]]:
        """Rows of each step, drawn by Poisson sampling."""
        return poisson(self.recipe, rng)

    def step(
        self, module: nn.Module, optimizer: torch.optim.Optimizer, inputs: dict[str, Tensor], target: Tensor,
        weight: Tensor | None,
    ) -> float:
        """One step; `weight` is not used: dividing by a sum of weights would depend on who else is in the step."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.recipe.rate_at(self.steps_made)
        self.optimizer.zero_grad()
        if not len(target):
            self._no_rows()
            self.optimizer.step()
            self._settle()
            return 0.0
        size, loss = self.recipe.physical_batch_size, 0.0
        starts = range(0, len(target), size)
        for start in starts:
            part = slice(start, start + size)
            self.optimizer.signal_skip_step(do_skip=start != starts[-1])
            loss += self._part({name: tensor[part] for name, tensor in inputs.items()}, target[part])
        self._settle()
        return loss / len(target)

    def _part(self, inputs: dict[str, Tensor], target: Tensor) -> float:
        """Clip and add up the gradients of some rows; after the last part, Opacus adds noise and moves the weights."""
        self.optimizer.zero_grad()
        losses = self.model.loss(self.module(**inputs), target)
        with warnings.catch_warnings():
            # Opacus asks for gradients of what a layer puts out; that a first layer's input needs none is no news
            warnings.filterwarnings("ignore", message="Full backward hook is firing")
            losses.sum().backward(retain_graph=self.ghost)  # type: ignore[no-untyped-call]
            if self.ghost:
                self._clip_by_factor(losses)
        for parameter, row in self.padding:
            parameter.grad_sample[:, row] = 0.0  # type: ignore[attr-defined]
        self.optimizer.step()
        return float(losses.sum().item())

    def _clip_by_factor(self, losses: Tensor) -> None:
        factor = self.module.get_clipping_coef().detach()
        self.optimizer.zero_grad()
        self.module.disable_hooks()
        (factor * losses).sum().backward()
        self.module.enable_hooks()
        for parameter in self.optimizer.params:
            if parameter.grad is None:  # a layer that these rows did not go through
                parameter.grad = torch.zeros_like(parameter)

    def _no_rows(self) -> None:
        for parameter in self.optimizer.params:
            if self.ghost:
                parameter.grad = torch.zeros_like(parameter)
            else:
                parameter.grad_sample = torch.zeros((0, *parameter.shape), dtype=parameter.dtype)

    def _settle(self) -> None:
        """What stands for "no word" stays zero: noise is taken off it again, which no row has a say in."""
        with torch.no_grad():
            for parameter, row in self.padding:
                parameter[row] = 0.0

    def finish(self) -> None:
        """Take Opacus's hooks and gradients off the model, and leave it in evaluation mode."""
        self.module.remove_hooks()
        for parameter in self.model.module.parameters():
            parameter.grad = None
            for name in ("grad_sample", "summed_grad", "_norm_sample"):
                if hasattr(parameter, name):
                    setattr(parameter, name, None)
        self.model.module.eval()


def poisson(recipe: Recipe, rng: np.random.Generator) -> Iterator[npt.NDArray[np.int64]]:
    """Positions for each step of an epoch: every row with the same probability, independently; possibly none."""
    for _ in range(recipe.steps_per_epoch):
        yield np.flatnonzero(rng.random(recipe.rows) < recipe.sample_rate)


def keep_as_drawn(module: nn.Module, layers: Layers) -> None:
    """With ``dense``, take convolutions and embeddings, and the normalisation between them, out of the training.

    Untrained ones give usable features [1]_, cost neither noise nor clipping, and nothing has to be propagated back through
    them. A choice made before any row is seen; nothing is taken out where nothing would be left.

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
    """SGD with momentum. Adam would blow up the noise of every weight whose gradient is small to the size of the others."""
    trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD(trained, lr=recipe.learning_rate, momentum=_MOMENTUM)
    for group in optimizer.param_groups:
        group[_MADE] = 0
    return optimizer


def _optimizer(module: nn.Module, recipe: Recipe, noise_multiplier: float) -> DPOptimizer:
    from opacus.optimizers import DPOptimizer, DPOptimizerFastGradientClipping

    optimizer = (DPOptimizerFastGradientClipping if recipe.layers == "dense" else DPOptimizer)(
        _momentum(module, recipe), noise_multiplier=noise_multiplier, max_grad_norm=recipe.max_grad_norm,
        expected_batch_size=recipe.expected_batch_size, loss_reduction="mean",
    )
    optimizer.attach_step_hook(_count)
    return optimizer


def _count(optimizer: Any) -> None:
    for group in optimizer.param_groups:
        group[_MADE] += 1


def _wrapped(module: nn.Module, recipe: Recipe) -> Any:
    from opacus.grad_sample import GradSampleModule, GradSampleModuleFastGradientClipping

    if recipe.layers == "all":
        return GradSampleModule(module, loss_reduction="sum")
    return GradSampleModuleFastGradientClipping(module, loss_reduction="sum", max_grad_norm=recipe.max_grad_norm)


def _padding_rows(module: nn.Module) -> list[tuple[Tensor, int]]:
    """Embeddings of "no word": autograd gives them no gradient, Opacus would."""
    return [
        (part.weight, part.padding_idx) for part in module.modules()
        if isinstance(part, nn.Embedding) and part.padding_idx is not None and part.weight.requires_grad
    ]
