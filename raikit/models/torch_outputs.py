"""Whether a module returns logits or probabilities, seen from what it returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

from raikit.errors import ModelError
from raikit.models.outputs import look_like_probabilities

# Operations that change how a tensor is laid out, but none of its numbers.
_LAYOUT = (
    "View", "UnsafeView", "Reshape", "ReshapeAlias", "Squeeze", "Unsqueeze", "Select", "Slice", "Permute", "Transpose", "T",
    "ToCopy", "Clone", "Alias", "Expand", "AsStrided", "Index",
)  # fmt: skip
_NAMES = ("logits", "logits_per_image", "scores", "probabilities", "output")  # of outputs, the likeliest first
_AFFINE = ("Addmm", "Addmv", "Addbmm", "Baddbmm", "Mm", "Bmm", "Mv", "Linear", "Convolution")


def logits_of(outputs: Any) -> torch.Tensor:
    """Return the logits, shape (n, k), of whatever a module returns: a tensor, a mapping, a tuple or an output of transformers.

    Raises
    ------
    ModelError
        If there is no tensor of one or two axes with one row for each case.
    """
    if isinstance(outputs, Mapping):
        named = [outputs[name] for name in _NAMES if outputs.get(name) is not None]
        outputs = named[0] if named else next(iter(outputs.values()), None)
    if isinstance(outputs, list | tuple):
        outputs = outputs[0] if outputs else None
    if not isinstance(outputs, torch.Tensor) or outputs.ndim not in (1, 2):
        found = f"a tensor of shape {tuple(outputs.shape)}" if isinstance(outputs, torch.Tensor) else type(outputs).__name__
        raise ModelError(f"the module returned {found}; expected logits of shape (n, classes), alone or named 'logits'.")
    return outputs[:, None] if outputs.ndim == 1 else outputs


def returns_probabilities(call: Callable[..., Any], inputs: Mapping[str, Any]) -> bool:
    """Return whether a module's outputs are probabilities: all within 0 … 1, several columns adding up to 1.

    A single column that a linear layer computes is never taken for probabilities, wherever its numbers happen to lie.

    Parameters
    ----------
    call : callable
        The module.
    inputs : mapping
        Prepared inputs of a few cases, by name.
    """
    with torch.enable_grad():  # so that the output knows the operation that made it
        outputs = call(**{name: _tracked(value) for name, value in inputs.items()})
    outputs = logits_of(outputs)
    if not look_like_probabilities(outputs.detach().double().cpu().numpy()):
        return False
    return outputs.shape[1] > 1 or _last_operation(outputs) not in _AFFINE


def _tracked(value: Any) -> Any:
    """Return a tensor whose operations are recorded; a copy, because a module may change its input in place."""
    if isinstance(value, torch.Tensor) and value.is_floating_point():
        return value.detach().requires_grad_().clone()
    return value


def _last_operation(outputs: torch.Tensor) -> str:
    """Return the name of the operation that computed the outputs, such as ``Sigmoid``; empty if it is not known."""
    node = outputs.grad_fn
    while node is not None:
        name = node.name().split("Backward")[0]
        if name not in _LAYOUT:
            return name
        node = node.next_functions[0][0]
    return ""
