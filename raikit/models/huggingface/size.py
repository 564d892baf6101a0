"""How large a network would be, seen before any of its weights is laid out in memory."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from itertools import chain
from math import prod
from typing import TYPE_CHECKING, Any

from raikit.errors import ModelError

if TYPE_CHECKING:
    from raikit.models.folder import Weights

_LARGE = 1 << 20  # numbers; a few are computed while some networks are built, as their layers' rates are
_MORE, _SLACK = 2, 1 << 27  # tied weights count twice, and some networks hold a table of all pairs of positions


def nothing_large() -> Any:
    """Return a context in which large tensors get no memory, also those that a network asks for on the processor by name."""
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode

    class NothingLarge(TorchDispatchMode):  # type: ignore[no-untyped-call]
        largest: float = 0  # numbers that a tensor was to hold

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            asked = dict(kwargs or {})
            device = asked.get("device")
            if device is not None:
                size = _elements(args)
                self.largest = max(self.largest, size)
                if torch.device(device).type == "cpu" and size > _LARGE:
                    asked["device"] = torch.device("meta")
            return func(*args, **asked)

    return NothingLarge()  # type: ignore[no-untyped-call]


def _elements(arguments: Sequence[Any]) -> float:
    """Return how many numbers a function is asked for: the product of its shape, or the greatest of its bounds."""
    if arguments and isinstance(arguments[0], list | tuple):
        return float(prod(map(abs, arguments[0])))
    return max((abs(bound) for bound in arguments if isinstance(bound, int | float)), default=0)


def refuse_larger(auto: str, config: Any, weights: Weights) -> None:
    """Raise if a configuration describes a network of more than twice the numbers of its weights: the rest would be drawn.

    The network is built without memory for its numbers, wherever it asks for them. One that cannot be built is left to what
    reads it.

    Raises
    ------
    ModelError
        Names both numbers.
    """
    import torch
    import transformers

    numbers, asking = 0, nothing_large()
    with contextlib.suppress(Exception), torch.device("meta"), asking, torch.random.fork_rng(devices=[]):
        net = getattr(transformers, auto).from_config(config)
        numbers = sum(tensor.numel() for tensor in chain(net.parameters(), net.buffers()))
    numbers = max(numbers, int(asking.largest))
    if numbers > _MORE * weights.numbers + _SLACK:
        raise ModelError(
            f"model.load: config.json describes a network of {numbers:,} numbers, and the weights hold {weights.numbers:,}; "
            "the folder is damaged, or belongs to two models."
        )
