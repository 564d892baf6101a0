"""The words that a person reads instead of codes: what a case is called, and names of columns, groups and classes.

Records keep the codes of the data, so that runs with other words compare and rules keep working. Whoever writes for people asks
`names_in_use`, as programs ask for the language of their texts: `raikit.format` does, so a check need not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

_IRREGULAR = {"person": "people", "child": "children", "man": "men", "woman": "women"}


@dataclass(frozen=True)
class DisplayNames:
    """What ``data.unit`` and ``data.labels`` say; empty, every code stands for itself.

    Parameters
    ----------
    unit : (str, str)
        What one case is called, and what several are.
    columns : mapping of str to str
        Names of columns.
    values : mapping of column to mapping of str to str
        Labels of the values of a column, by the value as an address has it.
    nouns : mapping of column to str
        How a sentence calls a group of a column, with ``{}`` for its label: ``{} applicants``.
    missing : mapping of column to str
        Label of the missing group.
    classes : mapping of str to str
        Labels of the classes, by the class as an address has it.
    denominators : mapping of str to str
        What the cases of a rate are called, by ``positives`` and ``negatives``: people who reoffended.
    harms : mapping of str to str
        What a measure says of a case, to follow its group: ``{false_negative_rate: are missed}``.
    """

    unit: tuple[str, str] = ("case", "cases")
    columns: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    nouns: Mapping[str, str] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)
    classes: Mapping[str, str] = field(default_factory=dict)
    denominators: Mapping[str, str] = field(default_factory=dict)
    harms: Mapping[str, str] = field(default_factory=dict)

    def column(self, column: str) -> str:
        """Return the name of a column."""
        return self.columns.get(column, column)

    def value(self, column: str, value: object) -> str:
        """Return the label of a value of a column; None is the missing group."""
        if value is None:
            return self.missing.get(column, "missing")
        written = str(value).lower() if isinstance(value, bool) else str(value)
        return self.values.get(column, {}).get(as_code(value), written)

    def noun(self, group: Mapping[str, object]) -> str | None:
        """Return what a sentence calls a group of one column; None if there is no such noun, or the value is missing."""
        (column, value), *others = group.items()
        noun = self.nouns.get(column)
        return None if others or noun is None or value is None else noun.replace("{}", self.value(column, value))

    def of_class(self, label: object) -> str:
        """Return the label of a class."""
        return self.classes.get(as_code(label), str(label))


def as_code(value: object) -> str:
    """Write a value as an address does: 3.0 is ``3``, True is ``true``.

    Examples
    --------
    >>> as_code(3.0), as_code(True), as_code("F")
    ('3', 'true', 'F')
    """
    if isinstance(value, bool):
        return str(value).lower()
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def plural_of(noun: str) -> str:
    """Return the plural of an English noun by its ending; a configuration gives those that follow no rule.

    Examples
    --------
    >>> [plural_of(noun) for noun in ("applicant", "query", "day", "match", "person", "loan applicant")]
    ['applicants', 'queries', 'days', 'matches', 'people', 'loan applicants']
    """
    before, last = noun[: len(noun) - len(noun.split(" ")[-1])], noun.split(" ")[-1]
    if last in _IRREGULAR:
        return before + _IRREGULAR[last]
    if last.endswith("y") and last[-2:-1] not in "aeiou":
        return f"{before}{last[:-1]}ies"
    return f"{before}{last}es" if last.endswith(("s", "x", "z", "ch", "sh")) else f"{before}{last}s"


_IN_USE: ContextVar[DisplayNames] = ContextVar("raikit_display_names", default=DisplayNames())  # noqa: B039 - it is frozen


def names_in_use() -> DisplayNames:
    """Return the names in which texts are written now."""
    return _IN_USE.get()


@contextmanager
def using(names: DisplayNames) -> Iterator[None]:
    """Write texts in these names until the end of the block."""
    token = _IN_USE.set(names)
    try:
        yield
    finally:
        _IN_USE.reset(token)
