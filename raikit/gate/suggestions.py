"""Suggest the metric that a wrong name most probably meant: by its words, so that an error is never taken for its opposite."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterable, Sequence

from raikit.address import Pattern, pattern_parts
from raikit.gate.aliases import Aliases

_OPPOSITES = (("true", "false"), ("positive", "negative"), ("min", "max"), ("lowest", "highest"))
_PENALTY = 0.5  # for each word whose opposite was written
_SAME_PILLAR = 0.05
_SHARED, _ALIKE = 0.54, 0.7  # what has less in common, in words and in letters, is no suggestion
_SPELLING = 0.75  # from which similarity on a word is taken for another one, misspelt


def suggest_metric(written: str, ids: Iterable[str], aliases: Aliases) -> str:
    """Return ``" Did you mean 'x'?"`` for the metric whose name is most like `written`, or an empty string.

    Parameters
    ----------
    written : str
        An address or pattern.
    ids : iterable of str
        Ids that are measured, or patterns of them.
    aliases : Aliases
        Those of other metrics are not suggested.

    Examples
    --------
    >>> suggest_metric("mine.false_negative_rates", ["mine.false_positive_rate", "mine.false_negative_rate"], Aliases())
    " Did you mean 'mine.false_negative_rate'?"
    """
    measured = [id for id in ids if "*" not in pattern_parts(id).name]
    known = list(dict.fromkeys(pattern_parts(id).name for id in measured))
    others = {alias: name for alias in aliases.names if (name := _measured_name(alias, measured, aliases))}
    names = [*known, *(pattern_parts(alias).name for alias in others)]
    closest = _closest(pattern_parts(written).name, list(dict.fromkeys(names)))
    if closest is None:
        return ""
    meaning = "" if closest in known else f", another name of {others.get(closest, aliases.resolve(closest))!r}"
    return f" Did you mean {closest!r}{meaning}?"


def _measured_name(alias: str, measured: Sequence[str], aliases: Aliases) -> str | None:
    """Return the name that an alias stands for, if that is measured."""
    resolved = aliases.resolve(alias)
    parts = pattern_parts(resolved)
    return parts.name if parts.args is None and any(map(Pattern(resolved).overlaps, measured)) else None


def _closest(written: str, names: Sequence[str]) -> str | None:
    """Return the name that shares most words, else the one that is spelt most alike; the first of equals."""
    pillar, words = _split(written)
    vocabulary = {word for name in names for word in _split(name)[1]}
    spelt = [(difflib.get_close_matches(word, vocabulary, n=1, cutoff=_SPELLING) or [word])[0] for word in words]

    def preference(name: str) -> float:
        own_pillar, own = _split(name)
        return _SAME_PILLAR * (pillar == own_pillar) - _PENALTY * _opposites(spelt, own)

    def by_words(name: str) -> float:
        own = _split(name)[1]
        return 2 * sum((Counter(spelt) & Counter(own)).values()) / max(len(spelt) + len(own), 1) + preference(name)

    def by_letters(name: str) -> float:
        return difflib.SequenceMatcher(None, "_".join(words), "_".join(_split(name)[1])).ratio() + preference(name)

    for likeness, least in ((by_words, _SHARED), (by_letters, _ALIKE)):
        best = max(names, key=likeness, default=None)
        if best is not None and likeness(best) >= least:
            return best
    return None


def _split(name: str) -> tuple[str, list[str]]:
    """Return the first part of a name, empty if it has but one, and the words of the rest."""
    pillar, _, rest = name.rpartition(".") if "." in name else ("", "", name)
    return pillar, [word for word in re.split(r"[._\-\s*]+", rest.lower()) if word]


def _opposites(written: Sequence[str], name: Sequence[str]) -> int:
    """Return how many words of a name are the opposite of one that was written."""
    return sum(
        one in written and other in name and one not in name and other not in written
        for pair in _OPPOSITES for one, other in (pair, pair[::-1])
    )  # fmt: skip
