"""The context of a check in a child process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from raikit.check import CheckContext


@dataclass(frozen=True)
class Deferred:
    """A value that `open` makes when it is first needed."""

    open: Callable[[], Any]


class LazyContext(CheckContext):
    """A context whose data and model are opened when a check first asks for them.

    Many checks read predictions alone; for them no model is loaded into the child.
    """

    def __init__(self, *, data: Any, model: Any, **fields: Any) -> None:
        super().__init__(data=data, model=model, **fields)
        attributes = vars(self)
        attributes["_openers"] = {
            name: attributes.pop(name).open for name in ("data", "model") if isinstance(attributes[name], Deferred)
        }

    def __getattr__(self, name: str) -> Any:  # called only where normal look-up fails
        openers = vars(self).get("_openers", {})
        if name not in openers:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        value = vars(self)[name] = openers[name]()
        return value
