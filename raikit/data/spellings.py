"""Values that people read as one and a computer as two: ``' F '`` beside ``'F'``, two forms of Unicode, 5.1 and 5.10."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from decimal import Context, Decimal

from raikit.data.cell_types import NEVER_A_CLASS

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d{1,6})?", re.IGNORECASE | re.ASCII)
_MAX_SHOWN = 3
_LONGEST = 40  # characters of escapes


def find_lookalikes(values: Iterable[object]) -> list[tuple[str, str]]:
    """Return pairs of different texts that are alike but for spaces, case, Unicode form, signs that cannot be seen, or as numbers.

    Values that are no text are ignored.

    Examples
    --------
    >>> find_lookalikes(["F", " F ", "M", "f", None])
    [('F', ' F '), ('F', 'f')]
    """
    first: dict[str, str] = {}
    pairs = []
    for value in values:
        if isinstance(value, str) and first.setdefault(_folded(value), value) != value:
            pairs.append((first[_folded(value)], value))
    return pairs


def lookalike_note(what: str, values: Sequence[object], kind: str = "group") -> str | None:
    """Return sentences that name the values of a column that are alike, or that may mean a missing one; None without any.

    Parameters
    ----------
    what : str
        The column.
    values : sequence
        Its different values; only text is compared.
    kind : {"group", "class", "cluster"}
        What each value is.

    Examples
    --------
    >>> lookalike_note("sex", ["F", " F "])
    "sex: 'F' and ' F ' differ only in spaces, yet each is a group of its own; write them alike if they mean the same."
    >>> lookalike_note("sex", ["F", "NULL"])
    "sex: 'NULL' is a group of its own; if it means a missing value, leave such cells empty or set data.missing: [NULL]."
    """
    if "missing" in values and any(value is None or value != value for value in values):
        # A group of missing cells is shown by that word.
        return f"{what}: some cells hold 'missing' and others are missing, yet each is a {kind} of its own; write them alike."
    notes = [_alike(what, values, kind), _placeholders(what, values, kind)]
    return " ".join(note for note in notes if note is not None) or None


def _placeholders(what: str, values: Sequence[object], kind: str) -> str | None:
    """Name the texts that stand for a missing value in most tables, and those in which nothing can be seen."""
    texts = [value for value in values if isinstance(value, str)]
    found = [value for value in texts if value.strip().lower() in NEVER_A_CLASS or not _visible(value).strip()][:_MAX_SHOWN]
    if not found:
        return None
    told = " and ".join(repr(value) if _visible(value).strip() else ascii(value)[:_LONGEST] for value in found)
    quoted = ", ".join(value if re.fullmatch(r"[A-Za-z]+", value) else f"'{value}'" for value in found if _visible(value).strip())
    key = f"leave such cells empty or set data.missing: [{quoted}]" if quoted else "leave such cells empty"
    if len(found) > 1:
        return f"{what}: {told} are {kind}s of their own; if they mean a missing value, {key}."
    return f"{what}: {told} is a {kind} of its own; if it means a missing value, {key}."


def _alike(what: str, values: Sequence[object], kind: str) -> str | None:
    pairs = find_lookalikes(values)
    if not pairs:
        return None
    told = [f"{_shown(a, b)} and {_shown(b, a)} differ only in {_difference(a, b)}" for a, b in pairs[:_MAX_SHOWN]]
    more = f" (and {len(pairs) - _MAX_SHOWN:,} more)" if len(pairs) > _MAX_SHOWN else ""
    return f"{what}: {', '.join(told)}{more}, yet each is a {kind} of its own; write them alike if they mean the same."


def _folded(value: str) -> str:
    folded = " ".join(unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", _visible(value)).casefold()).split())
    return folded if (number := _number(folded)) is None else str(number)


def _number(value: str) -> Decimal | None:
    """Return a text as the number that it writes, of any size; one that has no exponent is written without zeros at its end."""
    if len(value) > _LONGEST or not _NUMBER.fullmatch(value):
        return None
    try:
        return Context(prec=_LONGEST).normalize(Decimal(value)) or Decimal(0)  # zero has a sign
    except ArithmeticError:  # an exponent beyond those of decimals
        return None


def _spaced(value: str) -> str:
    return " ".join(value.split())


def _visible(value: str) -> str:
    """Return a text without characters that nobody sees, such as a byte order mark or a space of no width."""
    return "".join(sign for sign in value if unicodedata.category(sign) != "Cf")


def _difference(a: str, b: str) -> str:
    """Return the one thing in which two texts differ, or all that may be."""
    if _spaced(a) == _spaced(b):
        return "spaces"
    if _number(a) is not None and _number(a) == _number(b):
        return "how a number is written"
    if _visible(a) == _visible(b):
        return "characters that cannot be seen"
    if a.casefold() == b.casefold():
        return "upper and lower case"
    if unicodedata.normalize("NFKC", a) == unicodedata.normalize("NFKC", b):
        return "their Unicode form"
    return "spaces, case or Unicode form"


def _shown(value: str, other: str) -> str:
    """Quote a text; what looks the same as the other one is written in escapes."""
    same = unicodedata.normalize("NFKC", _visible(value)) == unicodedata.normalize("NFKC", _visible(other))
    return ascii(value) if same else repr(value)
