"""What a rule says: kept, broken, or not to be tried; and rules themselves, each a function with a name and a sentence."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

_REASON = 110
_STATUS = len("not applicable")


@dataclass(frozen=True)
class Conformity:
    """One rule, held against one check (or plugin, report format, model loader).

    Attributes
    ----------
    check : str
        Whose it is.
    rule : str
    status : {"ok", "failed", "not applicable"}
    reason : str
        Why it failed or was not tried; what is worth knowing where it is kept.
    """

    check: str
    rule: str
    status: Literal["ok", "failed", "not applicable"]
    reason: str = ""


class Broken(Exception):
    """Raised by a rule: the contract is not kept, and how."""


class NotApplicable(Exception):
    """Raised by a rule: it says nothing about this one, or cannot be tried, and why."""


@dataclass(frozen=True)
class Rule:
    """A rule by its name, its sentence, and the function that tries it.

    The function is given what is examined. It raises `Broken` or `NotApplicable`; what it returns is a remark.
    """

    name: str
    sentence: str
    function: Callable[[Any], str | None]

    def held_against(self, who: str, what: Any) -> Conformity:
        """Try the rule."""
        try:
            return Conformity(who, self.name, "ok", self.function(what) or "")
        except Broken as broken:
            return Conformity(who, self.name, "failed", str(broken))
        except NotApplicable as reason:
            return Conformity(who, self.name, "not applicable", str(reason))
        except Exception as error:  # odder than the rule has thought of
            return Conformity(who, self.name, "failed", f"trying it raised {type(error).__name__}: {error}")

    def untried(self, reason: str) -> Rule:
        """The same rule where it cannot be tried."""

        def function(what: Any) -> str | None:
            raise NotApplicable(reason)

        return replace(self, function=function)


# A rule that is to be held against something: whose it is, the rule, and what its function is given.
Case = tuple[str, Rule, Any]


def rule_of(function: Callable[[Any], str | None]) -> Rule:
    """A function's name and the first line of its docstring make the rule."""
    sentence = inspect.cleandoc(function.__doc__ or "").split("\n", 1)[0]
    return Rule(function.__name__, sentence, function)


def held(cases: Iterable[Case]) -> list[Conformity]:
    """Try every rule in turn."""
    return [rule.held_against(who, what) for who, rule, what in cases]


def table(found: Sequence[Conformity]) -> str:
    """Rows of rule, check, status and reason, for a terminal; reasons are wrapped.

    Examples
    --------
    >>> print(table([Conformity("mine.rows", "docstring", "failed", "it has no docstring")]))
    rule       check      status          reason
    docstring  mine.rows  failed          it has no docstring
    """
    layout = Layout.of((one.check, one.rule) for one in found)
    return "\n".join([layout.head, *(layout.row(one) for one in found)])


@dataclass(frozen=True)
class Layout:
    """How wide the columns of the table are, so that a row can be printed before the next one is known."""

    rule: int
    check: int

    @classmethod
    def of(cls, planned: Iterable[tuple[str, str]]) -> Layout:
        """For the rows that will come: whose each is, and its rule."""
        checks, rules = zip(("check", "rule"), *planned, strict=True)
        return cls(max(map(len, rules)), max(map(len, checks)))

    @property
    def head(self) -> str:
        """The headings."""
        return self._line("rule", "check", "status", "reason")

    def row(self, one: Conformity) -> str:
        """One rule's row; of several lines if the reason is long."""
        from raikit.console import clean

        return self._line(one.rule, one.check, one.status, clean(one.reason))

    def _line(self, rule: str, check: str, status: str, reason: str) -> str:
        head = f"{rule:<{self.rule}}  {check:<{self.check}}  {status:<{_STATUS}}"
        first, *rest = _wrapped(reason) or [""]
        return "\n".join([f"{head}  {first}".rstrip(), *(f"{'':<{len(head)}}  {line}".rstrip() for line in rest)])


def _wrapped(reason: str) -> list[str]:
    return [part for line in reason.splitlines() for part in textwrap.wrap(line, _REASON, break_on_hyphens=False)]


def first_few(items: Iterable[str], limit: int = 3) -> str:
    """Join the first of them, and say how many more there are."""
    listed = list(dict.fromkeys(items))
    more = f", and {len(listed) - limit} more" if len(listed) > limit else ""
    return ", ".join(listed[:limit]) + more
