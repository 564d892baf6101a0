"""Random numbers that are the same for every case, so that a case alone can be compared with the same case among others."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from scipy.special import ndtri
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

# Arguments with which attention and RReLU draw nothing.
_SWITCHES = {"dropout_p": 0.0, "training": False}
_ONES = ("bernoulli", "geometric")
_DROPOUTS = ("native_dropout", "_fused_dropout")
_NORMALS = ("randn", "normal")
# Seeds with which draws are very low, and very high: they show what happens with a small probability only.
EXTREME_SEEDS = (-1, -2)
_EXTREMES = {-1: 0.001, -2: 0.999}
_OWN_SEED = 0x7261_696B_6974  # of torch's generator while draws are constant; another one was set by the network


@contextlib.contextmanager
def same_draws(seed: int) -> Iterator[None]:
    """Draw the same number for all cases inside the block, and leave all generators as they were.

    Torch's draws become constants: dropout keeps everything, uniform and normal draws are one number that follows from
    `seed`, permutations are reversals, so that cases that are mixed by a permutation do change places. Python's and NumPy's
    global generators start from `seed`.

    What is drawn from another generator of torch stays as it is, and so does what is drawn after the network has seeded torch's
    own: a case may have chosen the seed, and then the draws of all cases depend on it.

    Parameters
    ----------
    seed : int
        Another seed shows another path of a network that branches on what it draws. With those in `EXTREME_SEEDS`, uniform draws
        are 0.001 and 0.999, normal ones -3.1 and 3.1; with the first, dropout and Bernoulli draws are 0.
    """
    python, numpy = random.getstate(), np.random.get_state()
    random.seed(abs(seed))
    np.random.seed(abs(seed))
    level = _EXTREMES.get(seed, (0.25 + seed * 0.618034) % 1)
    normal = float(ndtri(level)) if seed in _EXTREMES else level
    try:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(_OWN_SEED)
            with _ConstantDraws(level, normal, keep=seed != -1):
                yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed torch's, Python's and NumPy's global generators inside the block, and leave them as they were."""
    python, numpy = random.getstate(), np.random.get_state()
    random.seed(seed)
    np.random.seed(seed)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)


def generator_states() -> tuple[bytes, ...]:
    """Return the states of torch's, NumPy's and Python's global generators."""
    legacy: Any = np.random.get_state()
    return (torch.get_rng_state().numpy().tobytes(), legacy[1].tobytes() + bytes([legacy[2] % 256, legacy[2] // 256]),
            repr(random.getstate()).encode())


class _ConstantDraws(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Replaces what random operations return by constants."""

    def __init__(self, level: float, normal: float, keep: bool) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.level, self.normal, self.keep = level, normal, keep

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if torch.Tag.nondeterministic_seeded not in func.tags:
            return func(*args, **kwargs)
        if (kwargs.get("generator") or torch.default_generator).initial_seed() != _OWN_SEED:
            return func(*args, **kwargs)
        name = func._schema.name.removeprefix("aten::")
        if name in _DROPOUTS:
            kept = torch.full_like(args[0], self.keep, dtype=torch.bool)
            return args[0] * kept, kept
        names = [argument.name for argument in func._schema.arguments]
        if switches := _SWITCHES.keys() & set(names):
            given = dict(zip(names, args, strict=False)) | kwargs | {name: _SWITCHES[name] for name in switches}
            return func(**given)
        return self._constant(name, func(*args, **kwargs))

    def _constant(self, name: str, drawn: Any) -> Any:
        if not isinstance(drawn, Tensor):
            return drawn
        if name == "randperm":
            return drawn.copy_(torch.arange(len(drawn) - 1, -1, -1))
        if name.startswith(_ONES):
            return drawn.fill_(1 if self.keep or name.startswith("geometric") else 0)
        if name.startswith(_NORMALS):
            return drawn.fill_(self.normal)
        return drawn.fill_(self.level if drawn.is_floating_point() else int(drawn.min()) if drawn.numel() else 0)
