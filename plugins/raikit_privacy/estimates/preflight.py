"""Compare clipping with one autograd call per case, before and during private training.

The guarantee rests on two facts: a case's gradient does not depend on the other cases of its step, and what is added to the
sum for a case is as long as the clipping norm at most. Both are measured here on some of the training cases, up to rounding
(a share of 1e-4 in single precision). What a network does on other cases only, or less than that, is not seen.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from raikit.format import percent
from raikit_privacy.estimates.bookkeeping import make_clipper
from raikit_privacy.estimates.clipping import (
    ClippedSum,
    Clipper,
    Clipping,
    NormKind,
    Norms,
    NotFiniteError,
    NotPrivateError,
    ShortcutError,
    case_losses,
    gradients_of,
    trained_parameters,
)
from raikit_privacy.estimates.draws import EXTREME_SEEDS, generator_states, same_draws, seeded
from raikit_privacy.estimates.network_state import NetworkState
from raikit_privacy.estimates.without_gradient import check_all_learn

if TYPE_CHECKING:
    import raikit

CASES = 8  # cases that are compared one by one
_SEEDS = (0, 1)  # two paths of a network that branches on what it draws
_PRECISIONS = (torch.float32, torch.float64)


class Cases(NamedTuple):
    """Prepared inputs and targets."""

    inputs: dict[str, Tensor]
    target: Tensor

    def rows(self, part: slice) -> Cases:
        """Return some of the cases."""
        return Cases({name: tensor[part] for name, tensor in self.inputs.items()}, self.target[part])

    def alone(self) -> list[Cases]:
        """Return each case by itself."""
        return [self.rows(slice(at, at + 1)) for at in range(len(self.target))]


@dataclass(frozen=True)
class _Reference:
    """Cases that went through the network alone: losses, norms by parameter, sums of gradients, and of clipped ones.

    `last` has the gradients of the last case.
    """

    losses: Tensor
    norms: Tensor
    sums: list[Tensor]
    clipped: list[Tensor]
    last: list[Tensor]


def choose_clipping(
    model: raikit.Model, max_grad_norm: float, alone: Sequence[Cases], together: Cases, companies: Sequence[Cases] = (), *,
    norms: NormKind = "flat",
) -> tuple[Clipping, str]:
    """Return how to clip the gradients of `model`, and what is wrong with book-keeping, if anything.

    Parameters
    ----------
    model : Model
        In training mode; what is not trained is frozen.
    max_grad_norm : float
    alone : sequence of Cases
        Cases that were prepared alone.
    together : Cases
        The same cases in the same order, prepared together with more cases, as in a step.
    companies : sequence of Cases
        The same cases first, each time among others that a step of random cases rarely has, such as those of one class.
    norms : {"flat", "per_layer"}

    Raises
    ------
    NotPrivateError
        If cases see each other, or the model keeps a state of the cases that it has seen: no clipping helps. Also if weights
        that are used get no gradient.
    """
    if not trained_parameters(model.module):
        raise NotPrivateError("the model has no trainable weights")
    _check_precision(model.module)
    _check_hooks(model.module)
    _check_layers(model.module)
    state = NetworkState(model)
    _check_state(model, alone)
    _check_seeds(model, alone)
    limits = Norms.of(model.module, max_grad_norm, norms)
    first, *others = (_reference(model, model.module, limits, alone, seed) for seed in _SEEDS)
    for seed, reference in zip(_SEEDS, (first, *others), strict=True):
        _check_cases_are_apart(model, model.module, reference, alone, together, seed)
    for company in companies:
        check_company(model, model.module, *company, seed=0, most=len(alone))
    for seed in EXTREME_SEEDS:
        with contextlib.suppress(NotFiniteError):  # a network may divide by a mask that is empty
            reference = _reference(model, model.module, limits, alone, seed)
            _check_cases_are_apart(model, model.module, reference, alone, together, seed)
    named = {name: parameter for name, parameter in model.module.named_parameters() if parameter.requires_grad}
    check_all_learn(model, named, first.norms, *together.rows(slice(len(alone))))
    way = _compare_shortcut(model, max_grad_norm, norms, alone, together)
    state.check()
    return way


def _compare_shortcut(
    model: raikit.Model, max_grad_norm: float, norms: NormKind, alone: Sequence[Cases], together: Cases
) -> tuple[Clipping, str]:
    """Return how to clip, and what is wrong with book-keeping, if anything."""
    try:
        clipper = make_clipper(model, max_grad_norm, "shortcut", norms)
        for seed in _SEEDS:
            verify(model, clipper, *together, seed=seed, alone=alone)
    except (NotPrivateError, ShortcutError) as error:
        return "one by one", str(error)
    except Exception as error:  # an operation may have saved something else than its rule expects
        return "one by one", _line(error)
    return "shortcut", ""


def verify(
    model: raikit.Model, clipper: Clipper, inputs: dict[str, Tensor], target: Tensor, *, seed: int,
    alone: Sequence[Cases] | None = None,
) -> None:
    """Compare what `clipper` gives for cases of a step with one autograd call per case.

    Raises
    ------
    NotPrivateError
        If they disagree by more than rounding; says in which parameter.
    """
    together = Cases(inputs, target)
    few = together.rows(slice(CASES))
    alone = few.alone() if alone is None else alone
    reference = _reference(model, clipper.module, clipper.norms, alone, seed)
    _check_cases_are_apart(model, clipper.module, reference, alone, together, seed)
    names = _parameter_names(model.module)
    with _buffers_kept(model.module), same_draws(seed), clipper.compared():
        part = clipper.clip(*few)
    longest = clipper.norms.max_grad_norm
    _check_norms(names, reference, part, longest)
    lengths = reference.norms.norm(dim=1).clamp(max=longest)
    _check_sums("the clipped sum", names, part.sums, reference.clipped, lengths)
    if len(target) > len(few.target):
        with _buffers_kept(model.module), same_draws(seed):
            _check_norms(names, reference, clipper.clip(*together), longest)


def _reference(
    model: raikit.Model, module: nn.Module, limits: Norms, alone: Sequence[Cases], seed: int
) -> _Reference:
    parameters = trained_parameters(module)
    losses, norms = [], []
    gradients: list[Tensor] = []
    sums, clipped = ([torch.zeros_like(parameter) for parameter in parameters] for _ in range(2))
    for case in alone:
        loss, gradients = _case_alone(model, module, parameters, case, seed)
        norms.append(torch.stack([gradient.norm() for gradient in gradients]))
        factors = limits.factors(norms[-1][None])[0]
        for total, short, gradient, factor in zip(sums, clipped, gradients, factors, strict=True):
            total += gradient
            short += factor * gradient
        losses.append(loss)
    return _Reference(torch.cat(losses), torch.stack(norms), sums, clipped, gradients)


def _case_alone(
    model: raikit.Model, module: nn.Module, parameters: list[nn.Parameter], case: Cases, seed: int
) -> tuple[Tensor, list[Tensor]]:
    """Return loss and gradients of a case that goes through the network alone."""
    with _refused_alone(), _buffers_kept(module), same_draws(seed):
        loss = case_losses(model, module, *case)
        return loss.detach(), gradients_of(loss, parameters)


@contextlib.contextmanager
def _refused_alone() -> Iterator[None]:
    """Turn whatever a network raises for one case alone into an objection."""
    try:
        yield
    except NotPrivateError:
        raise
    except Exception as error:
        raise NotPrivateError(f"one case alone cannot go through the model ({_line(error)})") from error


def _check_cases_are_apart(
    model: raikit.Model, module: nn.Module, reference: _Reference, alone: Sequence[Cases], together: Cases, seed: int
) -> None:
    """Raise if a case's loss or gradient is another one among other cases than alone, or a second time than the first."""
    parameters = trained_parameters(module)
    again, gradients = _case_alone(model, module, parameters, alone[-1], seed)
    if not _agree(again, reference.losses[-1:]):
        raise NotPrivateError("the same case has another loss when it goes through the model again: the model keeps a state of "
                              "the cases that it has seen, or draws random numbers that are not torch's")
    _check_sums("the same case has another gradient when it goes through the model again: it", _parameter_names(model.module),
                gradients, reference.last, reference.norms[-1:].norm(dim=1))
    with _buffers_kept(module), same_draws(seed):
        every = [case_losses(model, module, *together.rows(slice(size)))[: len(alone)].detach()
                 for size in _sizes(len(alone), len(together.target))]
        losses = case_losses(model, module, *together.rows(slice(len(alone))))
        sums = gradients_of(losses, parameters)
    for found in (losses.detach(), *every):
        if not _agree(found, reference.losses):
            layer = _first_layer_that_mixes(module, alone, together.rows(slice(len(alone))), seed)
            raise NotPrivateError(f"the loss of a case depends on the other cases of its step{layer}")
    _check_sums("the gradient of a case depends on the other cases of its step: the sum", _parameter_names(model.module), sums,
                reference.sums, reference.norms.norm(dim=1))


def check_company(
    model: raikit.Model, module: nn.Module, inputs: dict[str, Tensor], target: Tensor, *, seed: int, most: int | None = None
) -> None:
    """Raise if losses of cases are others when the same cases are in two smaller steps, drawn at random.

    Parameters
    ----------
    model : Model
    module : nn.Module
    inputs, target : dict of str to Tensor, and Tensor
        The cases of a step.
    seed : int
        Of the random split and of what the network draws.
    most : int, optional
        Compare the first so many cases, by themselves, with the same among all; absent, all cases.

    Raises
    ------
    NotPrivateError
        If a loss differs by more than rounding.
    """
    cases, n = Cases(inputs, target), len(target)
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    parts = order.chunk(2) if most is None else (torch.arange(min(most, n)),)
    with _buffers_kept(module), same_draws(seed), torch.no_grad():
        together = case_losses(model, module, *cases)
        apart = [case_losses(model, module, {name: tensor[part] for name, tensor in inputs.items()}, target[part])
                 for part in parts]
    if not bool(torch.isfinite(together).all()):
        return  # what is not finite cannot be clipped, and is refused for that
    if not all(_agree(losses, together[part]) for losses, part in zip(apart, parts, strict=True)):
        raise NotPrivateError("the loss of a case depends on the other cases of its step")


def _sizes(fewest: int, most: int) -> list[int]:
    """Return the sizes of steps that are compared: a network may mix cases in steps of some sizes only."""
    return [size for size in (fewest * 2**power for power in range(1, most.bit_length())) if size < most] + [most]


def _check_norms(names: list[str], reference: _Reference, clipped: ClippedSum, max_grad_norm: float) -> None:
    found, expected = clipped.norms[: len(reference.norms)], reference.norms
    length = expected.norm(dim=1, keepdim=True).clamp(min=max_grad_norm)
    excess = ((found - expected).abs() / length).amax(dim=0)
    if not bool((excess <= _tolerance(expected)).all()):
        raise NotPrivateError(f"the length of a case's gradient is wrong in parameter {names[int(excess.argmax())]}")


def _check_sums(what: str, names: list[str], found: list[Tensor], expected: list[Tensor], lengths: Tensor) -> None:
    """Raise if a sum over cases is off by more than rounding, as a share of the cases' lengths together."""
    off = torch.stack([(one - other).norm() for one, other in zip(found, expected, strict=True)])
    share = off / lengths.sum().clamp(min=torch.finfo(off.dtype).tiny)
    if not bool((share <= _tolerance(off)).all()):
        raise NotPrivateError(f"{what} is off by {percent(float(share.norm()))}, most in parameter {names[int(share.argmax())]}")


def _check_layers(module: nn.Module) -> None:
    """Raise if a layer computes over the cases of a step, frozen or not."""
    mixing = [f"layer {name} ({type(part).__name__}) mixes the cases of a step, frozen or not"
              for name, part in module.named_modules() if isinstance(part, nn.modules.batchnorm._BatchNorm) and part.training]
    if mixing:
        raise NotPrivateError(*mixing)


def _check_precision(module: nn.Module) -> None:
    """Raise if trained weights have few digits, in which a clipped gradient may be too long, or are complex."""
    for name, parameter in module.named_parameters():
        if parameter.requires_grad and parameter.dtype not in _PRECISIONS:
            kind = str(parameter.dtype).removeprefix("torch.")
            raise NotPrivateError(f"weight {name} is of type {kind}; lengths and noise are right in float32 and float64 only")


def _check_hooks(module: nn.Module) -> None:
    """Raise if something is to happen after the gradient of a weight: private training gives weights noisy sums only."""
    for name, parameter in module.named_parameters():
        if parameter.requires_grad and getattr(parameter, "_post_accumulate_grad_hooks", None):
            raise NotPrivateError(f"weight {name} has a hook that runs after its gradient (register_post_accumulate_grad_hook), "
                                  "where neither clipping nor noise would reach what it does; remove it")


def _check_state(model: raikit.Model, alone: Sequence[Cases]) -> None:
    """Raise if a weight or buffer changes when a case goes through: it would carry that case, or their number, to all others."""
    state, module = NetworkState(model), model.module
    for case in alone:
        with contextlib.suppress(Exception), same_draws(0), torch.no_grad():  # an exception is reported later
            module(**case.inputs)
        state.check()


def _check_seeds(model: raikit.Model, alone: Sequence[Cases]) -> None:
    """Raise if a case seeds a global generator: what others draw after it, or with it in one step, would depend on it.

    A generator has been seeded if it is in the same state after a case, whatever its state was before. One seed for all cases
    does no harm.
    """
    after = [[_generators_after(model, case, seed) for seed in _SEEDS] for case in alone]
    for at, of in enumerate(("torch", "NumPy", "Python")):
        seeded_by_case = {one[at] for one, other in after if one[at] == other[at]}
        if len(seeded_by_case) > 1:
            raise NotPrivateError(f"a case seeds the global random generator of {of}, so what other cases draw depends on it")


def _generators_after(model: raikit.Model, case: Cases, seed: int) -> tuple[bytes, ...]:
    with seeded(seed), torch.no_grad():
        with contextlib.suppress(Exception):  # an exception is reported later
            case_losses(model, model.module, *case)
        return generator_states()


def check_memory(model: raikit.Model, alone: Sequence[Cases], together: Cases) -> None:
    """Raise if what a case gives depends on the cases that went through the network before it.

    Each case goes through a network that has seen no case, and through one that has seen all of them.

    Parameters
    ----------
    model : Model
        No case has gone through it.
    alone : sequence of Cases
    together : Cases
        The same cases first, then others.

    Raises
    ------
    NotPrivateError
        If the losses differ.
    """
    used = _in_training(model.copy())
    _check_layers(used.module)  # names the layer, where a case alone would fail with an error of torch
    for case in [*together.rows(slice(len(alone), None)).alone(), *alone]:
        _loss_alone(used, case)
    for case in alone:
        if not _agree(_loss_alone(used, case), _loss_alone(_in_training(model.copy()), case)):
            raise NotPrivateError("the loss of a case depends on the cases that went through the model before: the model keeps a "
                                  "state of the cases that it has seen")


def _in_training(model: raikit.Model) -> raikit.Model:
    model.module.train()
    return model


def _loss_alone(model: raikit.Model, case: Cases) -> Tensor:
    with _refused_alone(), same_draws(0), torch.no_grad():
        return case_losses(model, model.module, *case)


def _first_layer_that_mixes(module: nn.Module, alone: Sequence[Cases], together: Cases, seed: int) -> str:
    """Return a clause that names the first layer, in the order of calls, whose output depends on the other cases."""
    def outputs(cases: Cases) -> dict[str, Tensor]:
        found: dict[str, Tensor] = {}
        hooks = [part.register_forward_hook(lambda part, inputs, output, name=name: found.setdefault(name, output))
                 for name, part in module.named_modules() if name]
        try:
            with _buffers_kept(module), same_draws(seed), torch.no_grad():
                module(**cases.inputs)
        finally:
            for hook in hooks:
                hook.remove()
        return {name: output for name, output in found.items() if isinstance(output, Tensor) and output.ndim}

    among, by_itself = outputs(together), [outputs(case) for case in alone]
    for name, output in among.items():
        rows = [other[name] for other in by_itself if name in other]
        if len(rows) != len(output) or any(row.shape != output[:1].shape for row in rows):
            continue
        if not _agree(output, torch.cat(rows)):
            return f", from layer {name} ({type(module.get_submodule(name)).__name__}) on"
    return ""


@contextlib.contextmanager
def _buffers_kept(module: nn.Module) -> Iterator[None]:
    """Put back every buffer as it was before the block."""
    kept = [(part, name, buffer, buffer.clone()) for part in module.modules()
            for name, buffer in part._buffers.items() if buffer is not None]
    try:
        yield
    finally:
        for part, name, buffer, values in kept:
            part._buffers[name] = buffer.copy_(values)


def _agree(one: Tensor, other: Tensor) -> bool:
    return bool(((one - other).abs() <= _tolerance(other) * other.abs().clamp(min=1)).all())


def _tolerance(tensor: Tensor) -> float:
    """Return the relative difference that rounding may make: about 1e-4 in single precision."""
    eps = float(torch.finfo(tensor.dtype).eps)
    return min(1000 * eps, math.sqrt(eps))


def _parameter_names(module: nn.Module) -> list[str]:
    return [name for name, parameter in module.named_parameters() if parameter.requires_grad]


def _line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:120]}" if text else type(error).__name__
