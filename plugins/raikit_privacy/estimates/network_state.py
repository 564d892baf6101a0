"""All that a network holds, as it is before cases go through it: a change would carry them to others without noise."""

from __future__ import annotations

import itertools
import pickle
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from raikit_privacy.estimates.clipping import NotPrivateError
from raikit_privacy.estimates.foreign_code import foreign_functions
from raikit_privacy.estimates.holdings import GENERATORS, global_holdings, holdings

if TYPE_CHECKING:
    import raikit

_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


class NetworkState:
    """A copy of all weights, buffers and attributes of a network, and of the globals of its code, by which a change is noticed.

    Parameters
    ----------
    model : Model
    whole : bool
        What the model holds beside its network belongs to the state too: a loss may keep one. False while cases are prepared,
        because a model may keep what it prepared.
    """

    def __init__(self, model: raikit.Model, *, whole: bool = True) -> None:
        self._model, self._whole = model, whole
        self._kept = {name: _copied(value) for name, value in self._now().items()}

    def _now(self) -> dict[str, Any]:
        known: set[int] = set()
        found = dict(_switches(self._model.module, modes=self._whole))
        functions = foreign_functions(self._model if self._whole else None, self._model.module)
        parts = [holdings(self._model.module, known=known), *([holdings(self._model, "model", known)] if self._whole else []),
                 global_holdings(functions, known)]
        for name, value in itertools.chain(*parts):
            while name in found:  # an attribute and that of the class behind it
                name = f"{name} (another)"
            found[name] = value
        return found

    def check(self, *, untrained_only: bool = False) -> None:
        """Raise if a weight, buffer or attribute is another one than when the copy was made.

        Parameters
        ----------
        untrained_only : bool
            Leave out weights that are trained.

        Raises
        ------
        NotPrivateError
            The change comes from the cases that went through the network, and no noise was added to it.
        """
        now = self._now()
        for name in [*self._kept, *(name for name in now if name not in self._kept)]:
            if untrained_only and isinstance(now.get(name), nn.Parameter) and now[name].requires_grad:
                continue
            if name not in now or name not in self._kept or not _identical(now[name], self._kept[name]):
                raise NotPrivateError(f"{_named(self._model.module, name)} changes when a case goes through the model, and no "
                                      "noise is added to it")


def _switches(module: nn.Module, *, modes: bool) -> Iterator[tuple[str, Any]]:
    """Yield what torch keeps for a network besides numbers, and what a case could change as well.

    Which tensor is a weight, whether it is trained, and which hooks there are; with `modes`, who is in training mode.
    """
    for name, parameter in module.named_parameters():
        yield f"{name} (identity)", id(parameter)
        yield f"{name}.requires_grad", parameter.requires_grad
    for name, part in module.named_modules():
        dot = f"{name}." if name else ""
        if modes:
            yield f"{dot}training", part.training
        yield from ((f"{dot}{key}", tuple(vars(part)[key])) for key in _HOOKS)


def _named(module: nn.Module, name: str) -> str:
    """Say what has a name: a weight, a buffer or an attribute."""
    kinds = {**dict.fromkeys(dict(module.named_parameters()), "weight"), **dict.fromkeys(dict(module.named_buffers()), "buffer")}
    return name if name.startswith("global ") else f"{kinds.get(name, 'attribute')} {name}"


def _copied(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.detach().clone()
    return value.copy() if isinstance(value, np.ndarray) else _State(value) if isinstance(value, GENERATORS) else value


class _State:
    """The state of a random generator; not its copy, which would be another object."""

    def __init__(self, generator: Any) -> None:
        if isinstance(generator, torch.Generator):
            self.state = generator.get_state().numpy().tobytes()
        elif isinstance(generator, np.random.Generator):
            self.state = repr(generator.bit_generator.state).encode()
        else:
            known: Any = generator.get_state(legacy=False) if isinstance(generator, np.random.RandomState) else generator.getstate()
            self.state = pickle.dumps(known)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _State) and self.state == other.state


def _identical(one: Any, other: Any) -> bool:
    if one is other:
        return True
    if isinstance(one, Tensor) and isinstance(other, Tensor) and one.dtype == other.dtype and torch.equal(one, other):
        return True  # the usual case; NaN is not equal to itself
    one, other = (_State(value) if isinstance(value, GENERATORS) else value for value in (one, other))
    if type(one) is not type(other) and not (isinstance(one, Tensor) and isinstance(other, Tensor)):
        return False
    if isinstance(one, Tensor | np.ndarray):
        same = (one == other) | ((one != one) & (other != other)) if one.shape == other.shape else None  # NaN is NaN
        return same is not None and bool(same.all())
    return one is other or bool(one == other) or (one != one and other != other)
