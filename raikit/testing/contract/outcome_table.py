"""Outcomes of rules as a table for the terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from raikit.console import clean
from raikit.testing.contract.rule import Conformity

_REASON_WIDTH = 110
_STATUS_WIDTH = len("not applicable")


def format_table(outcomes: Sequence[Conformity]) -> str:
    """Write outcomes as rows of rule, check, status and reason; long reasons are wrapped.

    Examples
    --------
    >>> print(format_table([Conformity("mine.rows", "docstring", "failed", "it has no docstring")]))
    rule       check      status          reason
    docstring  mine.rows  failed          it has no docstring
    """
    layout = TableLayout.fit((outcome.check, outcome.rule) for outcome in outcomes)
    return "\n".join([layout.header, *(layout.row(outcome) for outcome in outcomes)])


@dataclass(frozen=True)
class TableLayout:
    """Widths of the columns, so that each row can be printed before the next outcome is known."""

    rule_width: int
    check_width: int

    @classmethod
    def fit(cls, planned: Iterable[tuple[str, str]]) -> TableLayout:
        """Fit the widths to the pairs of check and rule that will come."""
        checks, rules = zip(("check", "rule"), *planned, strict=True)
        return cls(max(map(len, rules)), max(map(len, checks)))

    @property
    def header(self) -> str:
        """The line of headings."""
        return self._line("rule", "check", "status", "reason")

    def row(self, outcome: Conformity) -> str:
        """Write one outcome; a long reason takes several lines."""
        return self._line(outcome.rule, outcome.check, outcome.status, clean(outcome.reason))

    def _line(self, rule: str, check: str, status: str, reason: str) -> str:
        head = f"{rule:<{self.rule_width}}  {check:<{self.check_width}}  {status:<{_STATUS_WIDTH}}"
        first, *rest = _wrap(reason) or [""]
        return "\n".join([f"{head}  {first}".rstrip(), *(f"{'':<{len(head)}}  {line}".rstrip() for line in rest)])


def _wrap(reason: str) -> list[str]:
    return [part for line in reason.splitlines() for part in textwrap.wrap(line, _REASON_WIDTH, break_on_hyphens=False)]
