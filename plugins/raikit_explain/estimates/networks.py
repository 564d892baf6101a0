"""The networks inside a model, as far as its attributes hold them."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from torch import nn

if TYPE_CHECKING:
    import raikit


def networks(model: raikit.Model) -> dict[str, nn.Module]:
    """Return the networks that a model holds, by the name of the attribute."""
    return {name: value for name, value in vars(model).items() if isinstance(value, nn.Module)}


def layers(model: raikit.Model) -> dict[str, nn.Module]:
    """Return all modules of a model without parts of their own, by their path."""
    return {f"{attribute}.{path}".rstrip("."): module for attribute, network in networks(model).items()
            for path, module in network.named_modules() if not any(True for _ in module.children())}


def with_copies(model: raikit.Model) -> raikit.Model:
    """Return a copy of a model whose networks can be changed without changing the given ones."""
    copied = copy.copy(model)
    memo: dict[int, Any] = {}
    for name, network in networks(model).items():
        # Not by setattr, which a model may have overridden to convert or to check what it is given.
        vars(copied)[name] = copy.deepcopy(network, memo)
    return copied
