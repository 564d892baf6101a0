"""Controls: pictures that know nothing of the model, which no test of explanations may let pass."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from raikit_explain.estimates.networks import networks, with_copies

if TYPE_CHECKING:
    import raikit
    from raikit.models.encoded import Encoded

Values = Mapping[str, npt.NDArray[Any]]
Attribute = Callable[["raikit.Model", "Encoded", Tensor], Values]

_COPIES = 4


def redrawn(model: raikit.Model, seed: int) -> raikit.Model | None:
    """Return a copy of a model with all weights drawn anew, pretrained ones too; None if no weights are found.

    Each module draws its own (``reset_parameters``); what is left is drawn from a normal distribution of the same root mean
    square. Statistics of normalisation layers begin anew. The given model does not change.
    """
    copied = with_copies(model)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        found = [_redraw(network) for network in networks(copied).values()]
    return copied if any(found) else None


def _redraw(network: nn.Module) -> bool:
    """Draw all weights of a network anew, in place; return whether it has any."""
    before = {name: parameter.detach().clone() for name, parameter in network.named_parameters()}
    for module in network.modules():
        if callable(reset := getattr(module, "reset_parameters", None)):
            reset()
    for name, parameter in network.named_parameters():
        old = before[name]
        constant = old.numel() > 1 and bool((old == old.flatten()[0]).all())  # gains of one, biases of zero
        if parameter.is_floating_point() and not constant and torch.equal(parameter, old):
            parameter.copy_(torch.randn_like(parameter) * (old.pow(2).mean().sqrt().item() or 1.0))
    return any(parameter.is_floating_point() for parameter in before.values())


def of_random_copies(
    model: raikit.Model, encoded: Encoded, decided: Tensor, attribute: Attribute, rng: np.random.Generator
) -> Values | None:
    """Explain the decisions by copies of the model with random weights.

    Returns
    -------
    mapping of input name to ndarray, shape (n, …), or None
        To be judged on the model itself. None if the model has no weights that can be drawn anew.

    Notes
    -----
    Adebayo et al. [1]_ ask whether explanations change with the weights. How much two pictures look alike says little: it
    rewards uninformative maps [2]_, and blank parts make any two alike. Here a random network's explanation is judged like
    the others, by what it says of the real model. Each case has one of four copies, because one random network may happen
    to prefer what the real one does, for all cases at once.

    References
    ----------
    .. [1] Adebayo et al., "Sanity Checks for Saliency Maps", NeurIPS 2018.
    .. [2] Binder et al., "Shortcomings of Top-Down Randomization-Based Sanity Checks for Evaluations of Deep Neural Network
       Explanations", CVPR 2023.
    """
    values = {name: np.zeros(tuple(tensor.shape), np.float32) for name, tensor in encoded.items()}
    for cases in np.array_split(rng.permutation(len(decided)), min(_COPIES, max(len(decided), 1))):
        stranger = redrawn(model, int(rng.integers(2**31)))
        if stranger is None:
            return None
        at = torch.from_numpy(np.sort(cases)).to(decided.device)
        for name, found in attribute(stranger, encoded.take(at), decided[at]).items():
            values[name][np.sort(cases)] = found
    return values
