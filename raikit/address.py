"""Metric addresses: the names by which a policy, a baseline and a reader point at one number.

    address = prefix "." name [ "(" key "=" value {"," …} ")" ] [ "[" column [ "=" value ] {"," …} "]" ]

``fairness.selection_rate[sex=F,race=B]`` is one group, ``fairness.equalized_odds_difference[sex]`` a disparity over a
feature. A value is written bare unless that would be ambiguous; then it is a JSON string. `parse` and `format` are inverses.
Nothing else in raikit takes an address apart, because the record holds the parts.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from raikit.errors import ConfigError

Scalar = str | int | float | bool | None

_NEEDS_QUOTES = re.compile(r"[,=\[\]()\"*\\|\x00-\x1f\x7f-\x9f]")
_JSON_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\.)*"')
_BARE = re.compile(r"[^,=\[\]()\"*\\|]*")
_HEAD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)+")
_PATTERN = re.compile(r'(?P<name>[^(\[]*)(?:\((?P<args>(?:"(?:[^"\\]|\\.)*"|[^")])*)\))?(?P<brackets>\[.*)?', re.DOTALL)
_ARGUMENT = re.compile(r'("(?:[^"\\]|\\.)*"|[^",=*]+)=("(?:[^"\\]|\\.)*"|[^",=]*)(?:,|$)')


@dataclass(frozen=True)
class Address:
    """The parts of a metric address.

    Parameters
    ----------
    name : str
        Dotted name, its first part owned by the check that measured it: ``fairness.selection_rate``.
    args : Mapping[str, str]
        Arguments in parentheses, values as written (`text` of the scalar).
    over : tuple of str
        Columns in brackets, in the order of ``data.sensitive``.
    group : Mapping[str, str or None]
        Values of those columns that are fixed; None is the missing group.
    """

    name: str
    args: Mapping[str, str] = field(default_factory=dict)
    over: tuple[str, ...] = ()
    group: Mapping[str, str | None] = field(default_factory=dict)

    def __str__(self) -> str:
        return format(self.name, args=self.args, over=self.over, group=self.group)


def text(value: Scalar) -> str:
    """Write a scalar as it stands in an address: integers without ``.0``, booleans as ``true`` and ``false``.

    Examples
    --------
    >>> text(3.0), text(True), text("F"), text(0.5)
    ('3', 'true', 'F', '0.5')
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and math.isfinite(value) and value == int(value):
        return str(int(value))
    return str(value)


def quote(value: str) -> str:
    r"""Write a name or value bare where that is unambiguous, else as the shortest JSON string.

    Examples
    --------
    >>> print(quote("F"), quote("a,b"), quote("null"), quote("2*3"))
    F "a,b" "null" "2\u002a3"
    """
    if value and value != "null" and value.strip(" ") == value and not _NEEDS_QUOTES.search(value):
        return value
    quoted = json.dumps(value, ensure_ascii=False).replace("*", "\\u002a")
    # json leaves DEL and the C1 controls alone; an address that is printed must not.
    return re.sub(r"[\x7f-\x9f]", lambda match: f"\\u{ord(match[0]):04x}", quoted)


def format(
    name: str,
    *,
    args: Mapping[str, Scalar] | None = None,
    over: Sequence[str] = (),
    group: Mapping[str, Scalar] | None = None,
) -> str:
    """Compose an address from its parts.

    Parameters
    ----------
    name : str
        Dotted name with its prefix.
    args : mapping, optional
        Arguments; written in alphabetical order of their keys.
    over : sequence of str
        Columns, in the order of ``data.sensitive``.
    group : mapping, optional
        Fixed values of columns in `over`; None is the missing group.

    Returns
    -------
    str

    Raises
    ------
    ConfigError
        If `name` is not a dotted name, or `group` names a column that is not in `over`.

    Examples
    --------
    >>> format("fairness.true_positive_rate", args={"class": "cat"}, over=["sex"], group={"sex": None})
    'fairness.true_positive_rate(class=cat)[sex=null]'
    """
    if not _HEAD.fullmatch(name):
        raise ConfigError(f"{name!r} is not a metric name: it must look like 'pillar.metric'.")
    group = group or {}
    if stray := [column for column in group if column not in over]:
        raise ConfigError(f"{name}: the group names column {stray[0]!r}, which is not among its columns ({', '.join(over)}).")
    written = name
    if args:
        written += "(" + ",".join(f"{quote(key)}={_value(args[key])}" for key in sorted(args)) + ")"
    if over:
        parts = [f"{quote(column)}={_value(group[column])}" if column in group else quote(column) for column in over]
        written += "[" + ",".join(parts) + "]"
    return written


def _value(value: Scalar) -> str:
    return "null" if value is None else quote(text(value))


def parse(address: str) -> Address:
    """Take an address apart; the inverse of `format`.

    Raises
    ------
    ConfigError
        With the position of the first character that does not fit.

    Examples
    --------
    >>> parse('fairness.selection_rate[sex=F,race="a,b"]').group
    {'sex': 'F', 'race': 'a,b'}
    """
    return _Parser(address).address()


class _Parser:
    """A recursive descent parser of the grammar at the top of this module."""

    def __init__(self, source: str) -> None:
        self.source, self.at = source, 0

    def address(self) -> Address:
        head = _HEAD.match(self.source)
        if not head:
            raise self.error("a metric name such as 'fairness.selection_rate'")
        self.at = head.end()
        args: dict[str, str] = {}
        for key, value in self.items("(", ")"):
            if value is _ABSENT or value is None:
                raise self.error("'key=value' in parentheses")
            args[key] = str(value)
        over, group = [], {}
        for column, value in self.items("[", "]"):
            over.append(column)
            if value is not _ABSENT:
                group[column] = None if value is None else str(value)
        if self.at != len(self.source):
            raise self.error("the end of the address")
        return Address(head[0], args, tuple(over), group)

    def items(self, opening: str, closing: str) -> list[tuple[str, object]]:
        if not self.take(opening):
            return []
        items: dict[str, object] = {}
        while True:
            key, _ = self.token()
            if key in items:
                raise self.error(f"each name once ({key!r} is a duplicate)")
            items[key] = _ABSENT
            if self.take("="):
                value, quoted = self.token()
                items[key] = None if value == "null" and not quoted else value
            if self.take(closing):
                return list(items.items())
            if not self.take(","):
                raise self.error(f"',' or {closing!r}")

    def token(self) -> tuple[str, bool]:
        if quoted := _JSON_STRING.match(self.source, self.at):
            self.at = quoted.end()
            try:
                return str(json.loads(quoted[0])), True
            except ValueError:
                raise self.error("a JSON string") from None
        bare = _BARE.match(self.source, self.at)
        if not bare or not bare[0] or bare[0].strip(" ") != bare[0] or _NEEDS_QUOTES.search(bare[0]):
            raise self.error("a name or value (or a JSON string)")
        self.at = bare.end()
        return bare[0], False

    def take(self, character: str) -> bool:
        if self.source.startswith(character, self.at):
            self.at += 1
            return True
        return False

    def error(self, expected: str) -> ConfigError:
        return ConfigError(f"metric address {self.source!r}: expected {expected} at character {self.at + 1}.")


_ABSENT = object()


@dataclass(frozen=True)
class PatternParts:
    """The parts of a pattern as they are written, ``*`` included.

    Attributes
    ----------
    name : str
    args : str or None
        The text in parentheses; None without parentheses.
    brackets : str
        The brackets and what they hold; empty without.
    """

    name: str
    args: str | None = None
    brackets: str = ""

    @property
    def is_bare(self) -> bool:
        """Whether the pattern is a name alone, which stands for the name with any arguments and columns."""
        return self.args is None and not self.brackets

    def items(self) -> dict[str, str] | None:
        """Return the arguments by name, values as written; None if a ``*`` stands for more than a value."""
        items, at, args = {}, 0, self.args or ""
        while at < len(args):
            item = _ARGUMENT.match(args, at)
            if item is None:
                return None
            items[item[1].strip()] = item[2].strip()
            at = item.end()
        return items


@lru_cache(maxsize=1 << 13)
def pattern_parts(pattern: str) -> PatternParts:
    """Take a pattern apart; what cannot be an address is all name.

    Examples
    --------
    >>> pattern_parts("fairness.f1_difference(average=macro)[sex]")
    PatternParts(name='fairness.f1_difference', args='average=macro', brackets='[sex]')
    """
    parts = _PATTERN.fullmatch(pattern)
    return PatternParts(parts["name"], parts["args"], parts["brackets"] or "") if parts else PatternParts(pattern)


class Pattern:
    """A metric address in which ``*`` stands for any run of characters.

    A pattern without brackets or parentheses also matches its name with any: ``fairness.equalized_odds_difference``
    means every feature and intersection. `fnmatch` would be wrong here, since brackets are literal.

    Examples
    --------
    >>> Pattern("fairness.*_difference").matches("fairness.equalized_odds_difference[sex]")
    True
    >>> Pattern("fairness.selection_rate[sex=F]").matches("fairness.selection_rate[sex=F]")
    True
    """

    def __init__(self, pattern: str) -> None:
        self.pattern, self._parts = pattern, pattern_parts(pattern)
        self.is_bare = not re.search(r"[\[(]", pattern)
        self._regex = _compiled(pattern, r"(?:\(.*\))?(?:\[.*\])?" if self.is_bare else "")

    def matches(self, address: str) -> bool:
        """Return whether the whole of `address` fits this pattern."""
        return self._regex.fullmatch(address) is not None

    def overlaps(self, produced: str) -> bool:
        """Return whether some address could fit both this pattern and `produced`, a pattern that a check declares.

        Names are compared, and arguments where both patterns say which they have: one without brackets or parentheses has
        any. Columns and groups are not compared, because they are known only after data has been read.

        Examples
        --------
        >>> Pattern("performance.recall(average=macro)").overlaps("performance.recall(class=*)")
        False
        """
        mine, theirs = self._parts, pattern_parts(produced)
        if not _intersect(mine.name, theirs.name):
            return False
        if mine.is_bare or theirs.is_bare or "*" in mine.name + theirs.name:
            return True
        return _intersect(mine.args or "", theirs.args or "") and (mine.args is None) == (theirs.args is None)

    def __repr__(self) -> str:
        return f"Pattern({self.pattern!r})"


@lru_cache(maxsize=1 << 13)
def _compiled(pattern: str, rest: str = "") -> re.Pattern[str]:
    """Return the expression for a pattern with ``*``, followed by that for what may come after it."""
    first, *parts = map(re.escape, re.sub(r"\*+", "*", pattern).split("*"))
    # The shortest run up to each part but the last, for good: backtracking would take years for a hostile pattern.
    body = first + "".join(f"(?>.*?{part})" for part in parts[:-1]) + "".join(f".*{part}" for part in parts[-1:])
    return re.compile(body + rest, re.DOTALL)


def _intersect(left: str, right: str) -> bool:
    """Return whether two patterns with ``*`` match a common string.

    Thousands of rules meet hundreds of names that checks declare, so that only two patterns are walked over.
    """
    if "*" not in right:
        return _compiled(left).fullmatch(right) is not None if "*" in left else left == right
    return _compiled(right).fullmatch(left) is not None if "*" not in left else _walk(left, right)


def _walk(left: str, right: str) -> bool:
    """Return whether two patterns match a common string, by a walk over both at once."""
    reachable = {(0, 0)}
    seen: set[tuple[int, int]] = set()
    while reachable:
        i, j = reachable.pop()
        if (i, j) in seen:
            continue
        seen.add((i, j))
        if i == len(left) and j == len(right):
            return True
        a, b = left[i : i + 1], right[j : j + 1]
        if a == "*":
            reachable.add((i + 1, j))
        if b == "*":
            reachable.add((i, j + 1))
        if a and b and (a == b or "*" in (a, b)):
            reachable.add((i + (a != "*"), j + (b != "*")))
    return False
