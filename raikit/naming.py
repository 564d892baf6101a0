"""The words that a person reads instead of codes: what a case is called, and names of columns, groups and classes.

Records keep the codes of the data, so that runs with other words compare and rules keep working. Whoever writes for people asks
`names_in_use`, as programs ask for the language of their texts: `raikit.format` does, so a check need not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace

_PLURAL = re.compile(r"(?i)(?:men|people|children|[^su]s)$")  # a label that can be the subject of a sentence: Women, smokers
_AMBIGUOUS = {"other", "others", "unknown", "none", "missing"}
_FUNCTION_WORDS = {"a", "an", "the", "of", "in", "with", "from", "by", "for"}
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
        return None if others or noun is None or value is None else noun.replace("{}", self._in_noun(column, value))

    def _in_noun(self, column: str, value: object) -> str:
        """Return a label for a noun; “Other” people are a group, and not all other people."""
        label = self.value(column, value)
        return f"“{label}”" if label.lower() in _AMBIGUOUS else label

    def own_name(self, column: str, value: object) -> str | None:
        """Return what a group is called without its column: the label of the missing group, or a label that is a plural noun."""
        if value is None:
            return self.missing.get(column)
        label = self.values.get(column, {}).get(as_code(value), "")
        return label if _PLURAL.search(label) else None

    def phrase(self, group: Mapping[str, object], plain: Callable[[str, object], str]) -> str | None:
        """Return the cases of a group as a noun phrase; None if the configuration has no words for any of its columns.

        Parameters
        ----------
        group : mapping of column to value
        plain : callable
            Writes a column without words: ``age: 30``.

        Examples
        --------
        >>> names = DisplayNames(nouns={"race": "{} people", "age": "people aged {}"}, missing={"voice": "no voice"})
        >>> names.phrase({"race": "Black", "age": "18 to 25", "voice": None}, lambda column, value: f"{column}: {value}")
        'Black people aged 18 to 25 and with no voice'
        """
        if len(group) == 1 and (noun := self.noun(group)):
            return noun
        parts = [self._part(column, value, plain) for column, value in group.items()]
        if not any(part.worded for part in parts):
            return None
        heads = {part.head for part in parts if part.head} | ({self.unit[1]} if not any(part.head for part in parts) else set())
        if len(heads) > 1:  # "male voices" and "drawings of a man": the cases are neither
            parts = [part.as_modifier(self.unit[1]) for part in sorted(parts, key=lambda part: part.head != self.unit[1])]
            heads = {self.unit[1]}
        owns = [part.own for part in parts if part.own]
        before = [part.before for part in parts if part.before]
        head = _uncapitalised(", ".join(owns)) if owns and before else ", ".join(owns) or heads.pop()
        after = " and ".join(dict.fromkeys(part.after for part in parts if part.after))
        return " ".join([*before, head, *([after] if after else [])])

    def _part(self, column: str, value: object, plain: Callable[[str, object], str]) -> _Part:
        label, noun = self._in_noun(column, value), self.nouns.get(column)
        if value is None and column in self.missing:
            return _Part(after=f"with {self.missing[column]}")
        if value is not None and noun is not None:
            first, _, rest = noun.partition(" ")
            if noun == "{}":
                return _Part(own=label)
            if first == "{}":
                return _Part(before=label, head=rest)
            return _Part(head=first, after=rest.replace("{}", label)) if "{}" in rest else _Part(own=noun.replace("{}", label))
        own = self.own_name(column, value)
        return _Part(own=own) if own else _Part(after=f"with {plain(column, value)}", worded=False)

    def short(self, column: str, value: object) -> str | None:
        """Return a group of one column in few words, for axes: ``West Midlands accent``; None if it has no words.

        Examples
        --------
        >>> names = DisplayNames(nouns={"accent": "queries in a {} accent", "age": "people aged {}", "drawn": "drawings of a {}"})
        >>> [names.short(column, value) for column, value in {"accent": "Scottish", "age": "18 to 25", "drawn": "man"}.items()]
        ['Scottish accent', 'aged 18 to 25', 'man']
        """
        noun = self.nouns.get(column)
        if value is None or noun is None:
            return self.own_name(column, value)
        before, _, after = noun.partition("{}")
        words = before.split()
        lead = f"{words[-1]} " if len(words) > 1 and not after and words[-1] not in _FUNCTION_WORDS else ""
        return f"{lead}{self._in_noun(column, value)}{after}"

    def of_class(self, label: object) -> str:
        """Return the label of a class."""
        return self.classes.get(as_code(label), str(label))


@dataclass(frozen=True)
class _Part:
    """What one column adds to a noun phrase: ``before head after``, or a noun of its `own`."""

    before: str = ""
    head: str = ""
    after: str = ""
    own: str = ""
    worded: bool = True

    def as_modifier(self, unit: str) -> _Part:
        """Return the part without a head of its own: ``drawings of a man`` as ``with drawings of a man``."""
        if not self.head or self.head == unit:
            return replace(self, head="")
        return _Part(after=" ".join(["with", *filter(None, (self.before, self.head, self.after))]))


def _uncapitalised(text: str) -> str:
    """Return a noun as it is inside a sentence: Women as ``women``; abbreviations and names of several words stay."""
    return text.lower() if text.istitle() and " " not in text else text


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


def clusters_of(column: str) -> str:
    """Return what clusters of a column of this name are called; unusual names keep their shape.

    Examples
    --------
    >>> clusters_of("speaker"), clusters_of("speaker_id")
    ('speakers', 'of speaker_id')
    """
    return plural_of(column) if column.isalpha() and column.isascii() and not column.endswith("s") else f"of {column}"


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
