"""What is public goes slowly: deprecated in one minor version, it works with a warning for at least two before it is gone.

Every deprecation is made by `deprecated`, which refuses a shorter time. A function or class takes it as a decorator, anything
else calls `Deprecation.warn` where it is used, and a hook hands it to pluggy (``warn_on_impl``, ``warn_on_impl_args``). A
warning that a check causes stands in the check's row of the report.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

FEWEST_MINORS = 2

_P = ParamSpec("_P")
_R = TypeVar("_R")


class RaikitDeprecationWarning(DeprecationWarning):
    """Something public of raikit that is still there but will go; the message says when, and what to use instead."""


@dataclass(frozen=True)
class Deprecation:
    """One thing that will go; made by `deprecated`.

    Parameters
    ----------
    name : str
        As ``docs/reference/public-surface.txt`` has it.
    since, removed_in : str
        Versions, such as ``0.4``.
    instead : str
        What to do, as the end of a sentence: "use `raikit.fit`".

    Examples
    --------
    >>> Deprecation("raikit.old", "0.3", "0.5", "use raikit.new").message
    'raikit.old is deprecated since raikit 0.3 and will be gone in 0.5; use raikit.new'
    """

    name: str
    since: str
    removed_in: str
    instead: str

    @property
    def message(self) -> str:
        """One sentence: what, since when, until when, and the way out."""
        return f"{self.name} is deprecated since raikit {self.since} and will be gone in {self.removed_in}; {self.instead}"

    @property
    def warning(self) -> RaikitDeprecationWarning:
        """The warning itself, for ``hookspec(warn_on_impl=…)``."""
        return RaikitDeprecationWarning(self.message)

    def warn(self, stacklevel: int = 1) -> None:
        """Warn whoever uses it; `stacklevel` 1 blames the caller of the function that calls this."""
        warnings.warn(self.warning, stacklevel=stacklevel + 2)

    def __call__(self, function: Callable[_P, _R]) -> Callable[_P, _R]:
        """Make a function warn each time that it is called; of a class decorate ``__init__``."""

        @functools.wraps(function)
        def warned(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            self.warn()
            return function(*args, **kwargs)

        return warned


DEPRECATIONS: list[Deprecation] = []
"""All that the modules imported so far have deprecated."""


def deprecated(name: str, *, since: str, removed_in: str, instead: str) -> Deprecation:
    """Say that something public will go.

    Parameters
    ----------
    name : str
        As ``docs/reference/public-surface.txt`` has it: ``raikit.fit``, ``raikit audit --all``.
    since : str
        The version that warns first.
    removed_in : str
        The version that has it no more: at least two minor versions later, or a later major one.
    instead : str
        What to do, as the end of a sentence.

    Raises
    ------
    ValueError
        If `removed_in` comes too soon after `since`.
    """
    from packaging.version import Version

    first, last = Version(since), Version(removed_in)
    earliest = f"{first.major}.{first.minor + FEWEST_MINORS}"
    if last.major <= first.major and last < Version(earliest):
        raise ValueError(f"{name}: deprecated in {since} it may go in {earliest} at the earliest, not in {removed_in}")
    deprecation = Deprecation(name, since, removed_in, instead)
    DEPRECATIONS.append(deprecation)
    return deprecation


@contextmanager
def noted(said: list[str]) -> Iterator[None]:
    """Put deprecation warnings of raikit, which Python hides by default, into `said`; let any other warning through."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", RaikitDeprecationWarning)
        yield
    for item in caught:
        if issubclass(item.category, RaikitDeprecationWarning):
            said.append(f"{item.category.__name__}: {item.message}")
        else:
            warnings.warn_explicit(item.message, item.category, item.filename, item.lineno, source=item.source)
