"""Clip the gradient of each case and sum: what all ways share, and the slow one, one case after the other."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    import raikit

Clipping = Literal["shortcut", "one by one"]
Layers = Literal["dense", "all"]
NormKind = Literal["flat", "per_layer"]


class NotPrivateError(Exception):
    """Training with this model would not keep the guarantee.

    Parameters
    ----------
    *problems : str
        What is wrong, in readable clauses.
    """

    def __init__(self, *problems: str) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class ShortcutError(Exception):
    """A weight is used in a way that book-keeping does not know, or was not compared on; one case after the other goes right."""


class NotFiniteError(NotPrivateError):
    """A gradient is NaN or infinite."""


@dataclass(frozen=True)
class ClippedSum:
    """The clipped gradients of some cases.

    Parameters
    ----------
    losses : Tensor, shape (n,)
    norms : Tensor, shape (n, p)
        Length of each case's gradient before clipping, by parameter.
    sums : list of Tensor
        Sum over cases of the clipped gradients, by parameter.
    """

    losses: Tensor
    norms: Tensor
    sums: list[Tensor]


def trained_parameters(module: nn.Module) -> list[nn.Parameter]:
    """Return the parameters that are trained, each once."""
    return [parameter for parameter in module.parameters() if parameter.requires_grad]


def case_losses(model: raikit.Model, module: Callable[..., Any], inputs: dict[str, Tensor], target: Tensor) -> Tensor:
    """Compute the loss of each case.

    Raises
    ------
    NotPrivateError
        If the loss is not one number per case: a mean over a step would make each gradient depend on the step's size. Also if
        gradients are on or off afterwards and were not before.
    """
    mode = torch.is_grad_enabled()
    losses = model.loss(module(**inputs), target)
    if torch.is_grad_enabled() != mode:
        torch.set_grad_enabled(mode)
        raise NotPrivateError("a case switches gradients on or off, and they stay so for all others")
    if losses.shape != target.shape[:1]:
        raise NotPrivateError(f"the loss of {len(target)} cases has the shape {tuple(losses.shape)}, not one number per case")
    return losses


def isolated_losses(model: raikit.Model, module: nn.Module, inputs: dict[str, Tensor], target: Tensor) -> Tensor:
    """Compute the loss of each case from its own logits and target alone, whatever the model's `loss` does."""
    logits = module(**inputs)
    rows = [slice(at, at + 1) for at in range(len(target))]
    return torch.cat([case_losses(model, lambda logits: logits, {"logits": logits[row]}, target[row]) for row in rows])


@dataclass(frozen=True)
class Norms:
    """The lengths to which the gradient of a case is clipped, whole or layer by layer; together `max_grad_norm`.

    Parameters
    ----------
    max_grad_norm : float
        Length of a case's whole gradient, at most.
    layers : tuple of int
        Number of the layer of each parameter, from 0; one number for all where gradients are clipped whole.
    """

    max_grad_norm: float
    layers: tuple[int, ...]

    @classmethod
    def of(cls, module: nn.Module, max_grad_norm: float, kind: NormKind = "flat") -> Norms:
        """Return the lengths for the trained parameters of a network; layers get an equal share of the squared length."""
        names = [name.replace("parametrizations.", "").rpartition(".")[0] if kind == "per_layer" else ""
                 for name, parameter in module.named_parameters() if parameter.requires_grad]
        numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
        return cls(max_grad_norm, tuple(numbers[name] for name in names))

    def factors(self, lengths: Tensor) -> Tensor:
        """Return the factor by which each case's gradient is shortened, by parameter.

        Parameters
        ----------
        lengths : Tensor, shape (n, p)

        Raises
        ------
        NotFiniteError
            If a gradient is not finite: no factor makes it short.
        """
        if not bool(torch.isfinite(lengths).all()):
            raise NotFiniteError("the gradient of a case is NaN or infinite, so it cannot be clipped")
        layer = torch.tensor(self.layers, dtype=torch.int64, device=lengths.device)
        count = max(self.layers, default=0) + 1
        whole = lengths.new_zeros(len(lengths), count).index_add_(1, layer, lengths.square()).sqrt()
        return (self.max_grad_norm / math.sqrt(count) / (whole + 1e-6)).clamp(max=1.0)[:, layer]


class Clipper(Protocol):
    """What clips the gradients of a model."""

    model: raikit.Model
    norms: Norms
    module: nn.Module
    parameters: list[nn.Parameter]

    def clip(self, inputs: dict[str, Tensor], target: Tensor) -> ClippedSum:
        """Return the sum of the clipped gradients."""

    def compared(self) -> contextlib.AbstractContextManager[None]:
        """Open a block in which what is clipped is compared with autograd."""


class OneByOne:
    """One forward and one backward pass per case: slow, and right whatever the layers do with their weights.

    Each case goes through the network alone, so its gradient cannot depend on the others in its step.

    Parameters
    ----------
    model : Model
    norms : Norms
    """

    def __init__(self, model: raikit.Model, norms: Norms) -> None:
        self.model, self.norms, self.module = model, norms, model.module
        self.parameters = trained_parameters(model.module)

    def clip(self, inputs: dict[str, Tensor], target: Tensor) -> ClippedSum:
        """Return the sum of the clipped gradients."""
        losses, norms = [], []
        sums = [torch.zeros_like(parameter) for parameter in self.parameters]
        for at in range(len(target)):
            row = slice(at, at + 1)
            loss = case_losses(self.model, self.module, {name: tensor[row] for name, tensor in inputs.items()}, target[row])
            gradients = gradients_of(loss, self.parameters)
            norms.append(torch.stack([gradient.norm() for gradient in gradients]))
            factors = self.norms.factors(norms[-1][None])[0]
            for total, gradient, factor in zip(sums, gradients, factors, strict=True):
                total += factor * gradient
            losses.append(loss.detach())
        return ClippedSum(torch.cat(losses), torch.stack(norms), sums)

    @contextlib.contextmanager
    def compared(self) -> Iterator[None]:
        """Do nothing: there is nothing to learn."""
        yield


def gradients_of(losses: Tensor, parameters: list[nn.Parameter]) -> list[Tensor]:
    """Return the gradient of the sum of `losses` with regard to each parameter; zeros where it is not used."""
    gradients = torch.autograd.grad(losses.sum(), parameters, allow_unused=True)
    return [
        torch.zeros_like(parameter) if gradient is None else gradient.to_dense() if gradient.is_sparse else gradient
        for parameter, gradient in zip(parameters, gradients, strict=True)
    ]


def padded_embeddings(module: nn.Module) -> list[Any]:
    """Return the trained embeddings that have a row for "no word"."""
    return [part for part in module.modules() if isinstance(part, nn.Embedding | nn.EmbeddingBag)
            and part.padding_idx is not None and part.weight.requires_grad]
