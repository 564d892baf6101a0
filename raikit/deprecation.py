"""Deprecate public names: each works with a warning for at least two minor versions before it is removed.

`deprecated` makes every deprecation and refuses a shorter time. It decorates a function or a class. Anything else calls
`Deprecation.warn` where it is used, and a hook passes it to pluggy (``warn_on_impl``, ``warn_on_impl_args``). A warning that
a check causes appears in the check's row of the report.
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
    """Warning that a public name of raikit will be removed; the message says when, and what to use instead."""


@dataclass(frozen=True)
class Deprecation:
    """One deprecated name; `deprecated` makes it.

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
    'raikit.old is deprecated since raikit 0.3 and will be removed in 0.5; use raikit.new'
    """

    name: str
    since: str
    removed_in: str
    instead: str

    @property
    def message(self) -> str:
        """Return one sentence: what, since when, until when, and what to do."""
        return f"{self.name} is deprecated since raikit {self.since} and will be removed in {self.removed_in}; {self.instead}"

    @property
    def warning(self) -> RaikitDeprecationWarning:
        """Return the warning itself, for ``hookspec(warn_on_impl=…)``."""
        return RaikitDeprecationWarning(self.message)

    def warn(self, stacklevel: int = 1) -> None:
        """Warn; with `stacklevel` 1 the warning points at the caller of the function that calls this."""
        warnings.warn(self.warning, stacklevel=stacklevel + 2)

    def __call__(self, function: Callable[_P, _R]) -> Callable[_P, _R]:
        """Return a function that warns on each call; of a class, decorate ``__init__``."""

        @functools.wraps(function)
        def warned(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            self.warn()
            return function(*args, **kwargs)

        return warned


DEPRECATIONS: list[Deprecation] = []
"""Deprecations of all modules that were imported so far."""


def deprecated(name: str, *, since: str, removed_in: str, instead: str) -> Deprecation:
    """Declare that a public name will be removed.

    Parameters
    ----------
    name : str
        As ``docs/reference/public-surface.txt`` has it: ``raikit.fit``, ``raikit audit --all``.
    since : str
        The version that warns first.
    removed_in : str
        The first version without it: at least two minor versions later, or a later major one.
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
        raise ValueError(f"{name}: deprecated in {since} it may be removed in {earliest} at the earliest, not in {removed_in}")
    deprecation = Deprecation(name, since, removed_in, instead)
    DEPRECATIONS.append(deprecation)
    return deprecation


@contextmanager
def collect_warnings(messages: list[str]) -> Iterator[None]:
    """Append deprecation warnings of raikit, which Python hides by default, to `messages`; let other warnings through."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", RaikitDeprecationWarning)
        yield
    for item in caught:
        if issubclass(item.category, RaikitDeprecationWarning):
            messages.append(f"{item.category.__name__}: {item.message}")
        else:
            warnings.warn_explicit(item.message, item.category, item.filename, item.lineno, source=item.source)
