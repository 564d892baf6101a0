"""Code of a model that raikit did not write, whose behaviour a trial on some cases can test but not prove.

A network of layers of torch and raikit, called by a model of raikit's, computes each case by itself: these layers are read, and
`raikit_privacy.estimates.preflight` refuses those that mix cases. Other code may do anything on cases, or in company, that were
not tried. Claims about such a model are made under a condition. The architectures of transformers are other code: there are
hundreds, and some compute over the step (its Nystromformer divides by a maximum over all cases). So is a network of torch that
brings its own program, as TorchScript and `torch.fx` make them.
"""

from __future__ import annotations

import functools
import sys
import types
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from raikit import Model
from raikit_privacy.estimates.holdings import OTHER_LIBRARIES

_KNOWN = frozenset({"raikit", "raikit_privacy", "torch", "transformers"})
_ARCHITECTURES = "transformers.models."
_PROGRAMS = (torch.jit.ScriptModule, torch.fx.GraphModule)  # classes of torch, whose code is whatever was compiled
_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
_CODE: Any = types.FunctionType | types.MethodType | functools.partial | staticmethod | classmethod | property


def foreign_code(model: Model) -> list[str]:
    """Name the code of a model that raikit does not know: classes, functions and hooks, and what built the model.

    Parameters
    ----------
    model : Model

    Returns
    -------
    list of str
        Each name once, in the order in which it was found; empty for a network and a loss that raikit wrote.
    """
    inner = [value for value in vars(model).values() if isinstance(value, Model)]  # such as one whose frozen layers are cached
    names = [name for part in [model, *model.module.modules()] for name in _of_part(part)]
    built_by = [model.built_by] if getattr(model, "built_by", "") else []
    return list(dict.fromkeys([*names, *built_by, *(name for one in inner for name in foreign_code(one))]))


def foreign_functions(*parts: Any) -> list[types.FunctionType]:
    """Return the functions of the classes that raikit does not know, of their instances, and hooks; None is left out.

    Parameters
    ----------
    *parts : Model, nn.Module or None
        A network stands for all of its layers.
    """
    every = [one for part in parts if part is not None for one in (part.modules() if isinstance(part, nn.Module) else [part])]
    classes = dict.fromkeys(base for one in every for base in type(one).__mro__ if _package(base) not in OTHER_LIBRARIES | _KNOWN)
    code = [item for base in classes for item in vars(base).values()]
    code += [item for one in every for item in vars(one).values()]
    code += [hook for one in every for name in _HOOKS for hook in vars(one).get(name, {}).values()]
    functions = [_unwrapped(item) for item in code if isinstance(item, _CODE)]
    return [one for one in functions if isinstance(one, types.FunctionType) and _package(one) not in OTHER_LIBRARIES | _KNOWN]


def is_foreign(kind: type) -> bool:
    """Return whether a class, or one that it derives from, is not raikit's, torch's or transformers' own."""
    return any(_is_unknown(base) or any(_is_unknown(item) for item in vars(base).values() if isinstance(item, _CODE))
               for base in kind.__mro__ if _package(base) not in OTHER_LIBRARIES - _KNOWN)


def _of_part(part: Any) -> Iterator[str]:
    kind = type(part)
    if isinstance(part, _PROGRAMS):
        yield f"a {'TorchScript' if isinstance(part, torch.jit.ScriptModule) else 'torch.fx'} program"
    elif is_foreign(kind):
        # A name that torch has too would be taken for torch's own layer.
        yield f"{_package(kind)}.{kind.__name__}" if hasattr(nn, kind.__name__) else kind.__name__
    yield from _architectures(kind)
    for name, value in vars(part).items():
        if name in _HOOKS:
            yield from (f"a hook of {kind.__name__}" for hook in value.values() if _is_unknown(hook))
        elif _is_unknown(value) if isinstance(value, _CODE) else _is_unknown_object(value):
            yield f"{kind.__name__}.{name}"


def _architectures(kind: type) -> Iterator[str]:
    """Yield the architectures of transformers that a class belongs to, such as ``transformers.models.bert``."""
    yield from (".".join(base.__module__.split(".")[:3]) for base in kind.__mro__ if base.__module__.startswith(_ARCHITECTURES))


def _is_unknown_object(value: Any) -> bool:
    """Return whether an attribute is an object of unknown code; networks and models are looked at by themselves."""
    return not isinstance(value, type | types.ModuleType | nn.Module | Model) and (
        _package(type(value)) not in OTHER_LIBRARIES | _KNOWN)


def _is_unknown(code: Any) -> bool:
    """Return whether a class or function is not what a module of a known package holds under its name."""
    code = _unwrapped(code)
    if code is None:
        return False
    if _package(code) in OTHER_LIBRARIES - _KNOWN and not isinstance(code, type):
        return False
    if _package(code) not in _KNOWN:
        return True
    # A class may say that it is raikit's. What is defined in a function cannot be looked up; its package must do.
    if not isinstance(code, type) or "<locals>" in code.__qualname__:
        return False
    held: Any = sys.modules.get(code.__module__)
    for name in code.__qualname__.split("."):
        held = getattr(held, name, None)
    return held is not code


def _unwrapped(code: Any) -> Any:
    """Return the function of a method, a partial function or a property; None for what is no code in Python."""
    while True:
        if isinstance(code, functools.partial):
            code = code.func
        elif isinstance(code, types.MethodType | staticmethod | classmethod):
            code = code.__func__
        elif isinstance(code, property):
            code = code.fget
        else:
            return code if isinstance(code, type | types.FunctionType) else None


def _package(code: Any) -> str:
    return str(getattr(code, "__module__", "") or "").partition(".")[0]
