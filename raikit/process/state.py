"""The global state of the process (environment, seeds, signals, threads …): read it, compare it, restore it."""

from __future__ import annotations

import locale
import logging
import os
import random
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

State = dict[str, Any]
_Accessors = tuple[Callable[[], Any], Callable[[Any], object]]
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM, signal.SIGCHLD, signal.SIGPIPE)
_SET_BY_IMPORTS = {"KMP_DUPLICATE_LIB_OK", "KMP_INIT_AT_FORK"}  # scikit-learn does, when it is first imported


def _environment(value: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(value)


def _folder() -> str | None:
    try:
        return os.getcwd()
    except OSError:  # the folder was removed
        return None


def _filters(value: list[Any]) -> None:
    warnings.filters[:] = value  # type: ignore[index]
    if hasattr(warnings, "_filters_mutated"):
        warnings._filters_mutated()


def _path(value: list[str]) -> None:
    sys.path[:] = value


def _hook(value: Any) -> None:
    sys.excepthook = value


def _handlers() -> dict[int, Any]:
    return {number: signal.getsignal(number) for number in _SIGNALS}


def _set_handlers(value: dict[int, Any]) -> None:
    if threading.current_thread() is threading.main_thread():
        for number, handler in value.items():
            if handler is not None and signal.getsignal(number) != handler:
                signal.signal(number, handler)


def _clear_alarm(was_set: bool) -> None:
    if not was_set:
        signal.setitimer(signal.ITIMER_REAL, 0)


_PYTHON: dict[str, _Accessors] = {
    "the environment": (lambda: dict(os.environ), _environment),
    "the working directory": (_folder, os.chdir),
    "warnings.filters": (lambda: list(warnings.filters), _filters),
    "sys.path": (lambda: list(sys.path), _path),
    "sys.excepthook": (lambda: sys.excepthook, _hook),
    "sys.stdin": (lambda: sys.stdin, lambda value: setattr(sys, "stdin", value)),
    "signal handlers": (_handlers, _set_handlers),
    "the alarm": (lambda: signal.getitimer(signal.ITIMER_REAL)[0] > 0, _clear_alarm),
    "the recursion limit": (sys.getrecursionlimit, sys.setrecursionlimit),
    "the locale": (lambda: locale.setlocale(locale.LC_ALL), lambda value: locale.setlocale(locale.LC_ALL, value)),
    "logging's root level": (lambda: logging.root.level, logging.root.setLevel),
    "logging.disable": (lambda: logging.root.manager.disable, logging.disable),
    "the generator of random": (random.getstate, random.setstate),
}


def _numpy_accessors(numpy: Any) -> dict[str, _Accessors]:
    def read() -> tuple[Any, ...]:
        state = numpy.random.get_state(legacy=False)
        if state["bit_generator"] != "MT19937":
            return (state["bit_generator"],)  # another generator, whose state has another form
        keys = tuple(state["state"]["key"].tolist())
        return ("MT19937", keys, state["state"]["pos"], state["has_gauss"], state["gauss"])

    def write(value: tuple[Any, ...]) -> None:
        if len(value) == 1:
            return
        if numpy.random.get_state(legacy=False)["bit_generator"] != "MT19937":
            numpy.random.set_bit_generator(numpy.random.MT19937())
        numpy.random.set_state((value[0], numpy.array(value[1], dtype="uint32"), *value[2:]))

    return {
        "the generator of numpy.random": (read, write),
        "numpy.seterr": (numpy.geterr, lambda value: numpy.seterr(**value)),
    }


def _torch_accessors(torch: Any) -> dict[str, _Accessors]:
    return {
        "the generator of torch": (
            lambda: tuple(torch.get_rng_state().tolist()),
            lambda value: torch.set_rng_state(torch.tensor(value, dtype=torch.uint8, device="cpu")),
        ),
        "torch's threads": (torch.get_num_threads, torch.set_num_threads),
        "torch's default dtype": (torch.get_default_dtype, torch.set_default_dtype),
        "torch's default device": (torch.get_default_device, torch.set_default_device),
        "torch's gradient mode": (torch.is_grad_enabled, torch.set_grad_enabled),
        "torch's deterministic mode": (torch.are_deterministic_algorithms_enabled, torch.use_deterministic_algorithms),
    }


_LIBRARIES = {"numpy": (_numpy_accessors, "random"), "torch": (_torch_accessors, "get_rng_state")}


def _accessors() -> dict[str, _Accessors]:
    """Return the accessors of all state there is; a library that is not fully imported has none."""
    accessors = dict(_PYTHON)
    for name, (library_accessors, last) in _LIBRARIES.items():
        if hasattr(library := sys.modules.get(name), last):
            accessors |= library_accessors(library)
    return accessors


def read_state() -> State:
    """Read the global state that code must leave as it was, by name."""
    return {name: read() for name, (read, _) in _accessors().items()}


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Return the names of what differs between two states; what only one of them has does not count."""
    return [name for name in before if name in after and before[name] != after[name] and _matters(name, before, after)]


def _matters(name: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    return name != "the environment" or bool(changed_variables(before[name], after[name]))


def changed_variables(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """Return the environment variables that differ."""
    return sorted({name for name, _ in before.items() ^ after.items()} - _SET_BY_IMPORTS)


def restore(before: Mapping[str, Any]) -> list[str]:
    """Restore a state and return the names of the parts that had changed, with the variables of the environment."""
    now, accessors = read_state(), _accessors()
    changed = changes(before, now)
    for name in before:
        if name in now and before[name] != now[name]:
            accessors[name][1](before[name])
    variables = ", ".join(changed_variables(before.get("the environment", {}), now["the environment"]))
    return [f"{name} ({variables})" if name == "the environment" else name for name in changed]


@contextmanager
def preserved_state() -> Iterator[State]:
    """Restore the state of the process after the block, and yield it."""
    before = read_state()
    try:
        yield before
    finally:
        restore(before)
