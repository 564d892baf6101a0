"""Texts in which declared terms are replaced by those of another group: names, pronouns, terms of identity."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

_PLACE = "\N{OBJECT REPLACEMENT CHARACTER}"


@dataclass(frozen=True)
class TermGroups:
    """Terms that stand for one another, by group: the first of one group for the first of the others.

    Parameters
    ----------
    groups : mapping of str to sequence of str
        Two groups or more, with equally many terms. A term that stands twice in a group is found by its first place.
    """

    groups: Mapping[str, Sequence[str]]

    @cached_property
    def _places(self) -> dict[str, int]:
        places: dict[str, int] = {}
        for terms in self.groups.values():
            for place, term in enumerate(terms):
                places.setdefault(term.casefold(), place)
        return places

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        longest_first = sorted(self._places, key=lambda term: (-len(term), term))
        return re.compile(r"(?<!\w)(?:" + "|".join(map(re.escape, longest_first)) + r")(?!\w)", re.IGNORECASE)

    def occurs_in(self, text: str | None) -> bool:
        """Return whether a text has one of the terms as a whole word."""
        return bool(text) and self._pattern.search(str(text)) is not None

    def version(self, text: str, group: str) -> str:
        """Return a text with every term replaced by that of a group, in capitals where the term had them.

        Examples
        --------
        >>> pronouns = TermGroups({"male": ["he", "his"], "female": ["she", "her"]})
        >>> pronouns.version("He said that his mother and she were there.", "female")
        'She said that her mother and she were there.'
        """
        terms = self.groups[group]
        return self._pattern.sub(lambda found: _cased(terms[self._places[found.group().casefold()]], found.group()), text)

    def template(self, text: str) -> str:
        """Return what texts have in common that differ in the terms alone."""
        return self._pattern.sub(_PLACE, text).casefold()


def _cased(term: str, like: str) -> str:
    if like.isupper() and len(like) > 1:
        return term.upper()
    return term[:1].upper() + term[1:] if like[:1].isupper() else term
