"""Three ways to clip the gradient of each case and sum: two shortcuts of Opacus, and one case after the other."""

from __future__ import annotations

import contextlib
import math
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn

from raikit_privacy.estimates.foreign_code import foreign_code

if TYPE_CHECKING:
    import raikit

Clipping = Literal["shortcut", "one by one"]
Layers = Literal["dense", "all"]


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
    """Opacus did not see every use of a weight, so its lengths may be wrong; one case after the other goes right."""


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


def clip_factors(norms: Tensor, max_grad_norm: float) -> Tensor:
    """Return the factor that shortens each case's gradient to at most `max_grad_norm`.

    Raises
    ------
    NotFiniteError
        If a gradient is not finite: no factor makes it short.
    """
    length = norms.norm(dim=1)
    if not bool(torch.isfinite(length).all()):
        raise NotFiniteError("the gradient of a case is NaN or infinite, so it cannot be clipped")
    factors: Tensor = (max_grad_norm / (length + 1e-6)).clamp(max=1.0)
    return factors


class OneByOne:
    """One forward and one backward pass per case: slow, and right whatever the layers do with their weights.

    Each case goes through the network alone, so its gradient cannot depend on the others in its step.

    Parameters
    ----------
    model : Model
    max_grad_norm : float
    """

    def __init__(self, model: raikit.Model, max_grad_norm: float) -> None:
        self.model, self.max_grad_norm, self.module = model, max_grad_norm, model.module
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
            factor = clip_factors(norms[-1][None], self.max_grad_norm)
            for total, gradient in zip(sums, gradients, strict=True):
                total += factor * gradient
            losses.append(loss.detach())
        return ClippedSum(torch.cat(losses), torch.stack(norms), sums)

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Let the network be called without recording gradients; there is nothing to pause."""
        yield

    compared = paused

    def close(self) -> None:
        """Leave the network as it was."""


class _OpacusShortcut:
    """What both shortcuts share: a wrapper whose hooks compute norms or gradients of each case in one backward pass."""

    most_calls: float = math.inf  # of one layer in one pass

    def __init__(self, model: raikit.Model, max_grad_norm: float, wrapper: Any) -> None:
        self.model, self.max_grad_norm, self.module = model, max_grad_norm, wrapper
        self.parameters = trained_parameters(model.module)
        self._uses_of_a_call: dict[int, float] = {}  # by position of the parameter; learnt while clipping is compared
        self._is_compared = False
        self._losses_of = isolated_losses if foreign_code(model) else case_losses

    @contextlib.contextmanager
    def compared(self) -> Iterator[None]:
        """Learn how often a call of each layer uses its weights: what is clipped in this block is compared with autograd."""
        self._is_compared = True
        try:
            yield
        finally:
            self._is_compared = False

    def _losses(self, inputs: dict[str, Tensor], target: Tensor) -> Tensor:
        """Forget what earlier passes left, so that a layer that is skipped now has nothing, and compute the losses."""
        for parameter in self.parameters:
            parameter.grad = parameter.grad_sample = None  # type: ignore[attr-defined]
            parameter._norm_sample = None  # type: ignore[attr-defined]
        for part in self.model.module.modules():
            for name in ("activations", "max_batch_len"):
                part.__dict__.pop(name, None)
        return self._losses_of(self.model, self.module, inputs, target)

    def _backward(self, losses: Tensor, retain_graph: bool) -> None:
        """Run the backward pass with Opacus's hooks.

        Raises
        ------
        ShortcutError
            If the uses of a weight are not those of the recorded calls of its layers, as when clipping was compared.
        """
        used, recorded = weight_uses(losses), self._recorded_calls()
        for at, parameter in enumerate(self.parameters):
            uses, calls = used[id(parameter)], recorded[id(parameter)]
            if self._is_compared and calls:
                self._uses_of_a_call[at] = uses / calls
            if uses != self._uses_of_a_call.get(at, 0.0) * calls or (not calls and uses) or calls > self.most_calls:
                raise ShortcutError("a weight is used outside its layer, or by a call that Opacus cannot follow")
        with _without_hook_warning():
            losses.sum().backward(retain_graph=retain_graph)  # type: ignore[no-untyped-call]
        if any(parameter.grad is not None and not used[id(parameter)] for parameter in self.parameters):
            raise ShortcutError("a weight is used where autograd's graph does not show it, as in reentrant checkpoints")

    def _recorded_calls(self) -> Counter[int]:
        """Count the calls that the hooks recorded for each parameter, by its identity; a layer's parts belong to it."""
        calls: Counter[int] = Counter()
        for part in self.model.module.modules():
            if recorded := len(part.__dict__.get("activations", ())):
                for parameter in part.parameters():
                    calls[id(parameter)] += recorded
        return calls

    def _recorded(self, name: str, shape: Any) -> list[Tensor]:
        """Return what the hooks recorded for each parameter; zeros for one that no case reaches.

        Raises
        ------
        ShortcutError
            If a parameter has a gradient that the hooks did not see.
        """
        recorded = []
        for parameter in self.parameters:
            tensor = getattr(parameter, name)
            if tensor is None and parameter.grad is None:
                tensor = parameter.new_zeros(shape(parameter))
            if not isinstance(tensor, Tensor) or tensor.shape != shape(parameter):
                raise ShortcutError("Opacus did not see the gradient of every case")
            recorded.append(tensor.detach())
        return recorded

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Let the network be called without recording gradients."""
        self.module.disable_hooks()
        try:
            yield
        finally:
            self.module.enable_hooks()

    def close(self) -> None:
        """Remove hooks and what they left."""
        self.module.remove_hooks()
        for parameter in self.model.module.parameters():
            for name in ("grad_sample", "summed_grad", "_norm_sample"):
                if hasattr(parameter, name):
                    setattr(parameter, name, None)
        for part in self.model.module.modules():
            part.__dict__.pop("activations", None)


class GhostClipping(_OpacusShortcut):
    """Norms from one backward pass, the clipped sum from a second one in which each loss is multiplied by its factor [1]_.

    Parameters
    ----------
    model : Model
    max_grad_norm : float

    References
    ----------
    .. [1] Li, Tramèr, Liang and Hashimoto, "Large Language Models Can Be Strong Differentially Private Learners", ICLR
       2022, section 4 (ghost clipping).
    """

    most_calls = 1

    def __init__(self, model: raikit.Model, max_grad_norm: float) -> None:
        from opacus.grad_sample import GradSampleModuleFastGradientClipping

        super().__init__(model, max_grad_norm, GradSampleModuleFastGradientClipping(
            model.module, loss_reduction="sum", max_grad_norm=max_grad_norm))

    def clip(self, inputs: dict[str, Tensor], target: Tensor) -> ClippedSum:
        """Return the sum of the clipped gradients."""
        losses = self._losses(inputs, target)
        self._backward(losses, retain_graph=True)
        norms = torch.stack(self._recorded("_norm_sample", lambda parameter: (len(target),)), dim=1)
        factor = clip_factors(norms, self.max_grad_norm)
        with self.paused():
            sums = gradients_of(factor * losses, self.parameters)
        for parameter in self.parameters:
            parameter.grad = None
        return ClippedSum(losses.detach(), norms, sums)


class StoredGradients(_OpacusShortcut):
    """The gradient of every case, stored by Opacus's hooks: for layers of which ghost clipping knows no norm.

    Parameters
    ----------
    model : Model
    max_grad_norm : float
    """

    def __init__(self, model: raikit.Model, max_grad_norm: float) -> None:
        from opacus.grad_sample import GradSampleModule

        super().__init__(model, max_grad_norm, GradSampleModule(model.module, loss_reduction="sum"))
        self.padding = _padding_rows(model.module)

    def clip(self, inputs: dict[str, Tensor], target: Tensor) -> ClippedSum:
        """Return the sum of the clipped gradients."""
        losses = self._losses(inputs, target)
        self._backward(losses, retain_graph=False)
        samples = self._recorded("grad_sample", lambda parameter: (len(target), *parameter.shape))
        for parameter, sample in zip(self.parameters, samples, strict=True):
            for row in (row for padded, row in self.padding if padded is parameter):
                sample[:, row] = 0.0  # autograd gives them no gradient, but Opacus does
        for parameter in self.parameters:
            parameter.grad = parameter.grad_sample = None  # type: ignore[attr-defined]
        norms = torch.stack([sample.flatten(1).norm(dim=1) for sample in samples], dim=1)
        factor = clip_factors(norms, self.max_grad_norm)
        return ClippedSum(losses.detach(), norms, [torch.einsum("i,i...", factor, sample) for sample in samples])


def make_clipper(
    model: raikit.Model, layers: Layers, max_grad_norm: float, clipping: Clipping
) -> OneByOne | GhostClipping | StoredGradients:
    """Return what clips the gradients of `model`: dense layers alone have the faster shortcut."""
    if clipping == "one by one":
        return OneByOne(model, max_grad_norm)
    return (GhostClipping if layers == "dense" else StoredGradients)(model, max_grad_norm)


def gradients_of(losses: Tensor, parameters: list[nn.Parameter]) -> list[Tensor]:
    """Return the gradient of the sum of `losses` with regard to each parameter; zeros where it is not used."""
    with _without_hook_warning():
        gradients = torch.autograd.grad(losses.sum(), parameters, allow_unused=True)
    return [
        torch.zeros_like(parameter) if gradient is None else gradient.to_dense() if gradient.is_sparse else gradient
        for parameter, gradient in zip(parameters, gradients, strict=True)
    ]


def weight_uses(losses: Tensor) -> Counter[int]:
    """Count how often the graph of `losses` uses each weight, by its identity: autograd has an edge for each use."""
    uses: Counter[int] = Counter()
    seen, waiting = set(), [losses.grad_fn]
    while waiting:
        node = waiting.pop()
        for following, _ in node.next_functions if node is not None else ():
            if (weight := getattr(following, "variable", None)) is not None:
                uses[id(weight)] += 1
            elif following is not None and following not in seen:
                seen.add(following)
                waiting.append(following)
    return uses


@contextlib.contextmanager
def _without_hook_warning() -> Iterator[None]:
    """Silence a warning about the first layer: Opacus needs gradients of outputs only, so its input may have none."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Full backward hook is firing")
        yield


def _padding_rows(module: nn.Module) -> list[tuple[Tensor, int]]:
    return [(part.weight, part.padding_idx) for part in padded_embeddings(module)]


def padded_embeddings(module: nn.Module) -> list[Any]:
    """Return the trained embeddings that have a row for "no word"."""
    return [part for part in module.modules() if isinstance(part, nn.Embedding | nn.EmbeddingBag)
            and part.padding_idx is not None and part.weight.requires_grad]
