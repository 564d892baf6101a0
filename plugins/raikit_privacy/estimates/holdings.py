"""What an object holds: tensors, arrays and numbers, in attributes, containers, closures and networks, however nested.

A network may keep what it saw of cases anywhere, not only in weights and buffers. Looked at are instances and their classes;
not looked at are objects of other libraries, but for random generators.
"""

from __future__ import annotations

import functools
import random
import sys
import types
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

_OF_TORCH = frozenset(vars(nn.Module()))
_OF_OPACUS = frozenset({
    "activations", "max_batch_len", "autograd_grad_sample_hooks", "ft_compute_sample_grad", "grad_sample", "summed_grad",
    "_norm_sample", "_current_grad_sample", "_forward_counter"})
_CONTAINERS: Any = list | tuple | set | frozenset | deque
_PLAIN: Any = bool | int | float | complex | str | bytes | np.generic | None
# Objects of these packages are settings, tools and tables; their networks are looked at all the same.
OTHER_LIBRARIES = frozenset({
    "builtins", "torch", "numpy", "pandas", "transformers", "tokenizers", "opacus", "logging", "threading", "pathlib", "re", "enum",
    "_thread", "collections", "functools", "types", "typing", "abc", "weakref", "importlib"})
_CODE: Any = types.FunctionType | types.MethodType | types.ModuleType | staticmethod | classmethod | property | type
_DEEPEST = 12
GENERATORS: Any = torch.Generator | np.random.Generator | np.random.RandomState | random.Random
# Those that all code shares are compared elsewhere: to draw from them is no harm, to seed them is.
_GLOBAL_GENERATORS = (torch.default_generator, np.random.mtrand._rand, getattr(random, "_inst", None))


def holdings(root: Any, name: str = "", known: set[int] | None = None) -> Iterator[tuple[str, Any]]:
    """Yield name and value of all that `root` leads to, each object once.

    Parameters
    ----------
    root : object
    name : str
        Of `root`, before the names of what it holds.
    known : set of int, optional
        Identities of objects that are left out; those found are added.

    Yields
    ------
    tuple of str and value
        A Tensor, an array, a number or text, a random generator, or a tuple of all items of a container that holds numbers and
        texts only.
    """
    known = set() if known is None else known
    waiting = [(name, root, 0)]
    while waiting:
        name, value, depth = waiting.pop()
        if isinstance(value, _PLAIN):
            yield name, value
            continue
        if id(value) in known or depth > _DEEPEST:
            continue
        known.add(id(value))
        if isinstance(value, Tensor) or (isinstance(value, np.ndarray) and value.dtype != object):
            yield name, value
            waiting += [(f"{name}.{key}", item, depth + 1) for key, item in getattr(value, "__dict__", {}).items()
                        if key not in _OF_OPACUS]
        elif not isinstance(value, nn.Module) and isinstance(value, GENERATORS):  # torch's class is slow to ask
            if not any(value is shared for shared in _GLOBAL_GENERATORS):
                yield name, value
        elif (flat := _plain_items(value)) is not None:
            yield name, flat
        else:
            waiting += [(child_name, child, depth + 1) for child_name, child in reversed(list(_children(name, value)))]


def networks_outside(model: Any) -> Iterator[tuple[str, nn.Module]]:
    """Yield the networks that a model holds beside its own: a teacher, what a loss or `prepare` uses."""
    known = {id(part) for part in model.module.modules()}
    waiting: list[tuple[str, Any, int]] = [("", model, 0)]
    while waiting:
        name, value, depth = waiting.pop()
        if isinstance(value, _PLAIN | Tensor | np.ndarray) or id(value) in known or depth > _DEEPEST:
            continue
        known.add(id(value))
        if isinstance(value, nn.Module):
            yield name, value
            known.update(id(part) for part in value.modules())
        else:
            waiting += [(child_name, child, depth + 1) for child_name, child in _children(name, value)]


def global_holdings(functions: Iterable[types.FunctionType], known: set[int]) -> Iterator[tuple[str, Any]]:
    """Yield name and value of what the globals lead to that some functions name, and functions that these call."""
    waiting, seen = list(functions), set()
    while waiting:
        function = waiting.pop()
        if id(function) in seen or _package(function) in OTHER_LIBRARIES:
            continue
        seen.add(id(function))
        yield from holdings(function, function.__qualname__.replace("<locals>.", ""), known)
        names = _names(function.__code__)
        scopes = [function.__globals__]
        scopes += [vars(value) for name in names if isinstance(value := scopes[0].get(name), types.ModuleType)
                   and value.__name__.partition(".")[0] not in OTHER_LIBRARIES and not _is_standard(value)]
        for scope in scopes:
            for name in names & scope.keys():
                value = scope[name]
                if isinstance(value, types.FunctionType):
                    waiting.append(value)
                elif not isinstance(value, types.ModuleType | type):
                    yield from holdings(value, f"global {name}", known)


def _names(code: types.CodeType) -> set[str]:
    """Return the names of globals and attributes in a function and in those that it defines."""
    inner = [_names(constant) for constant in code.co_consts if isinstance(constant, types.CodeType)]
    return set(code.co_names).union(*inner)


def _is_standard(module: types.ModuleType) -> bool:
    return module.__name__.partition(".")[0] in sys.stdlib_module_names


def _plain_items(value: Any) -> tuple[Any, ...] | None:
    """Return the items of a container if all are numbers or texts, so that long lists are compared at once."""
    if isinstance(value, _CONTAINERS):
        items = tuple(value)
    elif isinstance(value, Mapping):
        items = tuple(item for pair in value.items() for item in pair)
    else:
        return None
    return items if items and all(isinstance(item, _PLAIN) for item in items) else None


def _children(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    dot = f"{name}." if name else ""
    if isinstance(value, Mapping):
        yield from ((f"{name}[{key!r}]", item) for key, item in value.items())
    elif isinstance(value, _CONTAINERS | np.ndarray):
        yield from ((f"{name}[{at}]", item) for at, item in enumerate(value))
    elif isinstance(value, functools.partial):
        yield from ((f"{name}", item) for item in (value.func, value.args, value.keywords))
    elif isinstance(value, types.MethodType):
        yield from ((f"{name}", item) for item in (value.__self__, value.__func__))
    elif isinstance(value, types.FunctionType):
        yield from zip((f"{dot}{free}" for free in value.__code__.co_freevars), map(_content, value.__closure__ or ()), strict=True)
        yield f"{dot}defaults", value.__defaults__
    elif isinstance(value, nn.Module):
        own = (value._parameters, value._buffers, value._modules)
        yield from ((f"{dot}{key}", item) for registry in own for key, item in registry.items())
        yield from ((f"{dot}{key}", item) for key, item in _attributes(value) if not _is_derived(value, key))
    elif isinstance(value, types.SimpleNamespace) or (
            not isinstance(value, type | types.ModuleType) and _package(type(value)) not in OTHER_LIBRARIES):
        yield from ((f"{dot}{key}", item) for key, item in _attributes(value))


def _attributes(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield the attributes of an object and of its classes, without those of torch and Opacus, and passing ones of raikit."""
    own = type(value).__dict__.get("passing_attributes", ()) if _package(type(value)) == "raikit_privacy" else ()
    passing = _OF_TORCH | _OF_OPACUS | frozenset(own) | {"passing_attributes"}
    yield from ((key, item) for key, item in getattr(value, "__dict__", {}).items() if key not in passing)
    for base in type(value).__mro__:
        if _package(base) not in OTHER_LIBRARIES:
            yield from ((key, item) for key, item in vars(base).items() if not key.startswith("__") and key not in passing
                        and not isinstance(item, _CODE))


def _is_derived(part: nn.Module, name: str) -> bool:
    """Return whether an attribute is computed from weights in each call, as by ``weight_norm`` and ``prune``."""
    return any(weight.startswith(f"{name}_") for weight in part._parameters)


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # empty as yet
        return None


def _package(kind: type | types.FunctionType) -> str:
    return kind.__module__.partition(".")[0]
