"""Values that people read as one and a computer as two: ``' F '`` beside ``'F'``, ``Café`` in two forms of Unicode."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence

_MAX_SHOWN = 3


def find_lookalikes(values: Iterable[object]) -> list[tuple[str, str]]:
    """Return pairs of different texts that are alike but for spaces, case, Unicode form or signs that cannot be seen.

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
    """Return a sentence that names the values of a column that are alike, or None.

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
    """
    if "missing" in values and any(value is None or value != value for value in values):
        # A group of missing cells is shown by that word.
        return f"{what}: some cells hold 'missing' and others are missing, yet each is a {kind} of its own; write them alike."
    pairs = find_lookalikes(values)
    if not pairs:
        return None
    told = [f"{_shown(a, b)} and {_shown(b, a)} differ only in {_difference(a, b)}" for a, b in pairs[:_MAX_SHOWN]]
    more = f" (and {len(pairs) - _MAX_SHOWN:,} more)" if len(pairs) > _MAX_SHOWN else ""
    return f"{what}: {', '.join(told)}{more}, yet each is a {kind} of its own; write them alike if they mean the same."


def _folded(value: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", _visible(value)).casefold()).split())


def _spaced(value: str) -> str:
    return " ".join(value.split())


def _visible(value: str) -> str:
    """Return a text without characters that nobody sees, such as a byte order mark or a space of no width."""
    return "".join(sign for sign in value if unicodedata.category(sign) != "Cf")


def _difference(a: str, b: str) -> str:
    """Return the one thing in which two texts differ, or all that may be."""
    if _spaced(a) == _spaced(b):
        return "spaces"
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
