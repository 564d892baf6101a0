"""Rules of the plugin contract: what a rule is, what comes of trying it, and how rules are tried one after the other."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple


@dataclass(frozen=True)
class Conformity:
    """The outcome of one rule for one check, report format, model loader or plugin.

    Attributes
    ----------
    check : str
        Name of what was tested.
    rule : str
        Name of the rule.
    status : {"ok", "failed", "not applicable"}
    reason : str
        Why the rule is broken or does not apply; a remark if it holds.
    """

    check: str
    rule: str
    status: Literal["ok", "failed", "not applicable"]
    reason: str = ""


class Broken(Exception):
    """Raised by a rule if the contract is broken; the message says how."""


class NotApplicable(Exception):
    """Raised by a rule that does not apply or cannot be tried; the message says why."""


@dataclass(frozen=True)
class ContractRule:
    """A rule: its name, its sentence, and the function that tries it.

    The function takes what is tested. It raises `Broken` or `NotApplicable`, and may return a remark.
    """

    name: str
    sentence: str
    function: Callable[[Any], str | None]

    def check(self, owner: str, target: Any) -> Conformity:
        """Try the rule on `target`, which is reported under the name `owner`."""
        try:
            return Conformity(owner, self.name, "ok", self.function(target) or "")
        except Broken as broken:
            return Conformity(owner, self.name, "failed", str(broken))
        except NotApplicable as reason:
            return Conformity(owner, self.name, "not applicable", str(reason))
        except Exception as error:  # A plugin may break in ways that the rule did not foresee.
            return Conformity(owner, self.name, "failed", f"trying it raised {type(error).__name__}: {error}")

    def disabled(self, reason: str) -> ContractRule:
        """Return the same rule as one that cannot be tried, for this reason."""

        def function(target: Any) -> str | None:
            raise NotApplicable(reason)

        return replace(self, function=function)


class PlannedRule(NamedTuple):
    """A rule that is to be tried: the name to report it under, the rule, and the argument of its function."""

    owner: str
    rule: ContractRule
    target: Any

    def check(self) -> Conformity:
        """Try the rule."""
        return self.rule.check(self.owner, self.target)


def rule_of(function: Callable[[Any], str | None]) -> ContractRule:
    """Make a rule of a function: its name, and the first line of its docstring, which addresses the plugin's author."""
    sentence = inspect.cleandoc(function.__doc__ or "").split("\n", 1)[0]
    return ContractRule(function.__name__, sentence, function)


def run_rules(planned: Iterable[PlannedRule]) -> list[Conformity]:
    """Try rules one after the other."""
    return [one.check() for one in planned]


def first_few(items: Iterable[str], limit: int = 3) -> str:
    """Join the first `limit` different items, and say how many more there are.

    Examples
    --------
    >>> first_few(["a", "b", "a", "c", "d", "e"])
    'a, b, c, and 2 more'
    """
    listed = list(dict.fromkeys(items))
    more = f", and {len(listed) - limit} more" if len(listed) > limit else ""
    return ", ".join(listed[:limit]) + more
