"""How large a network would be, seen before any of its weights is laid out in memory."""

from __future__ import annotations

import contextlib
from itertools import chain
from typing import TYPE_CHECKING, Any

from raikit.errors import ModelError

if TYPE_CHECKING:
    from raikit.models.folder import Weights

_MORE, _SLACK = 2, 1 << 27  # tied weights count twice, and some networks hold a table of all pairs of positions


def refuse_larger(auto: str, config: Any, weights: Weights) -> None:
    """Raise if a configuration describes a network of more than twice the numbers of its weights: the rest would be drawn.

    The network is built without memory for its numbers. One that cannot be built is left to what reads it.

    Raises
    ------
    ModelError
        Names both numbers.
    """
    import torch
    import transformers

    numbers = 0
    with contextlib.suppress(Exception), torch.device("meta"), torch.random.fork_rng(devices=[]):
        net = getattr(transformers, auto).from_config(config)
        numbers = sum(tensor.numel() for tensor in chain(net.parameters(), net.buffers()))
    if numbers > _MORE * weights.numbers + _SLACK:
        raise ModelError(
            f"model.load: config.json describes a network of {numbers:,} numbers, and the weights hold {weights.numbers:,}; "
            "the folder is damaged, or belongs to two models."
        )
