"""Weights that the network uses but that no case has a gradient for: private training would add noise to them, and nothing else.

The guarantee would hold, but the cost of privacy would be that of a network part of which moves at random. Without privacy such
weights stay as they are. So does a gradient go missing: reentrant checkpoints, ``detach``, ``no_grad``, rounding and hard
choices, autograd functions that return nothing or zeros, hooks that set a gradient to zero.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from raikit_privacy.estimates.clipping import NotPrivateError, case_losses
from raikit_privacy.estimates.draws import same_draws

if TYPE_CHECKING:
    import raikit

_MOST_NAMES = 3
_CHANGE = 0.1  # of a weight, as a share of its size
_SMALLEST = 1e-6  # change of a loss that is not rounding


def check_all_learn(
    model: raikit.Model, parameters: dict[str, nn.Parameter], norms: Tensor, inputs: dict[str, Tensor], target: Tensor
) -> None:
    """Raise if a weight changes the losses of some cases, but none of these cases has a gradient for it.

    A weight that changes no loss may well have no gradient: a layer that is not used, or one that other cases use.

    Parameters
    ----------
    model : Model
    parameters : dict of str to Parameter
        The trained ones, by name.
    norms : Tensor, shape (n, p)
        Length of each case's gradient, by parameter.
    inputs, target : dict of str to Tensor, and Tensor
        The same cases.

    Raises
    ------
    NotPrivateError
        Names the weights and what to do.
    """
    silent = [name for name, norm in zip(parameters, norms.amax(dim=0).tolist(), strict=True) if norm == 0]
    if not silent:
        return
    before = _losses(model, inputs, target)
    used = []
    for name in silent:
        with _changed(parameters[name]):
            after = _losses(model, inputs, target)
        if not torch.allclose(after, before, rtol=_SMALLEST, atol=_SMALLEST, equal_nan=True):
            used.append(name)
    if used:
        more = f" and {len(used) - _MOST_NAMES} more" if len(used) > _MOST_NAMES else ""
        raise NotPrivateError(
            f"{', '.join(used[:_MOST_NAMES])}{more} would be trained on noise alone: the loss depends on it, but no case has a "
            "gradient for it, as behind a checkpoint with use_reentrant=True, detach() or no_grad(). Let gradients through "
            "(use_reentrant=False), or set requires_grad to False there")


def _losses(model: raikit.Model, inputs: dict[str, Tensor], target: Tensor) -> Tensor:
    with same_draws(0), torch.no_grad():
        return case_losses(model, model.module, inputs, target)


@contextlib.contextmanager
def _changed(parameter: nn.Parameter) -> Iterator[None]:
    """Move a weight by a tenth of its size, in a direction that depends on nothing; afterwards it is exactly what it was."""
    kept = parameter.detach().clone()
    size = float(kept.double().square().mean().sqrt()) or 1.0
    direction = torch.randn(kept.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float32)
    with torch.no_grad():
        parameter.add_(_CHANGE * size * direction.to(kept))
    try:
        yield
    finally:
        with torch.no_grad():
            parameter.copy_(kept)
