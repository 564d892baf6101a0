"""What belongs to the whole process, and what a check is only lent: looked at before it runs and after."""

from __future__ import annotations

import hashlib
import locale
import logging
import os
import random
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from raikit.files import sha256

if TYPE_CHECKING:
    from raikit.check import CheckContext

State = Mapping[str, Any]


def of_process() -> dict[str, Any]:
    """Everything global that a check must leave as it was, by what it is called.

    Of a library that nobody has imported yet there is nothing to be told.
    """
    found: dict[str, Any] = {
        "the environment": dict(os.environ),
        "the working directory": _working_directory(),
        "warnings.filters": list(warnings.filters),
        "sys.path": list(sys.path),
        "the recursion limit": sys.getrecursionlimit(),
        "the locale": locale.setlocale(locale.LC_ALL),
        "logging's root level": logging.root.level,
        "logging.disable": logging.root.manager.disable,
        "the generator of random": random.getstate(),
    }
    if numpy := sys.modules.get("numpy"):
        name, keys, *rest = numpy.random.get_state()
        found["the generator of numpy.random"] = (name, tuple(keys.tolist()), *rest)
        found["numpy.seterr"] = numpy.geterr()
    if torch := sys.modules.get("torch"):
        found["the generator of torch"] = tuple(torch.get_rng_state().tolist())
        found["torch's threads"] = torch.get_num_threads()
        found["torch's default dtype"] = torch.get_default_dtype()
        found["torch's gradient mode"] = torch.is_grad_enabled()
        found["torch's deterministic mode"] = torch.are_deterministic_algorithms_enabled()
    return found


def _working_directory() -> str | None:
    try:
        return os.getcwd()
    except FileNotFoundError:  # somebody went into a folder that is gone
        return None


def changes(before: State, after: State) -> list[str]:
    """What is called differently in two states; what is in only one of them does not count."""
    return [name for name in before if name in after and before[name] != after[name]]


@contextmanager
def kept() -> Iterator[None]:
    """Whatever happens inside, the process is afterwards as it was before."""
    before = of_process()
    try:
        yield
    finally:
        restore(before)


def restore(before: State) -> None:
    """Put everything back."""
    now = of_process()
    for name in changes(before, now):
        if name in _RESTORE:
            _RESTORE[name](before[name])


def _environment(value: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(value)


def _filters(value: list[Any]) -> None:
    warnings.filters[:] = value  # type: ignore[index]
    warnings._filters_mutated() if hasattr(warnings, "_filters_mutated") else None


def _path(value: list[str]) -> None:
    sys.path[:] = value


def _numpy_generator(value: tuple[Any, ...]) -> None:
    numpy = sys.modules["numpy"]
    numpy.random.set_state((value[0], numpy.array(value[1], dtype="uint32"), *value[2:]))


def _torch_generator(value: tuple[int, ...]) -> None:
    torch = sys.modules["torch"]
    torch.set_rng_state(torch.tensor(value, dtype=torch.uint8))


_RESTORE: dict[str, Callable[[Any], Any]] = {
    "the environment": _environment,
    "the working directory": lambda value: os.chdir(value or os.sep),
    "warnings.filters": _filters,
    "sys.path": _path,
    "the recursion limit": sys.setrecursionlimit,
    "the locale": lambda value: locale.setlocale(locale.LC_ALL, value),
    "logging's root level": logging.root.setLevel,
    "logging.disable": logging.disable,
    "the generator of random": random.setstate,
    "the generator of numpy.random": _numpy_generator,
    "numpy.seterr": lambda value: sys.modules["numpy"].seterr(**value),
    "the generator of torch": _torch_generator,
    "torch's threads": lambda value: sys.modules["torch"].set_num_threads(value),
    "torch's default dtype": lambda value: sys.modules["torch"].set_default_dtype(value),
    "torch's gradient mode": lambda value: sys.modules["torch"].set_grad_enabled(value),
    "torch's deterministic mode": lambda value: sys.modules["torch"].use_deterministic_algorithms(value),
}


# --- what a check is lent ---------------------------------------------------------------------------------------


def of_lent(ctx: CheckContext) -> dict[str, str]:
    """Fingerprints of predictions, data and model, which every other check is given too."""
    from raikit.data.tables import fingerprint_of_table

    found = {"the predictions file": sha256(ctx.predictions.path)}
    if ctx.data is not None:
        found["the table of ctx.data"] = fingerprint_of_table(ctx.data.table)
        found["the roles of ctx.data"] = fingerprint_of_table(ctx.data.roles)
        found["the target of ctx.data"] = hashlib.sha256(ctx.data._numbers.tobytes()).hexdigest()
    if ctx.model is not None and "gradients" in ctx.model.capabilities:
        found["the weights of ctx.model"] = _weights(ctx.model.module)
        found["the mode of ctx.model"] = str([part.training for part in ctx.model.module.modules()])
    return found


def _weights(module: Any) -> str:
    digest = hashlib.sha256()
    for name, tensor in module.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
