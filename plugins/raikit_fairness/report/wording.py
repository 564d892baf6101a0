"""Short texts of findings: columns and differences of evidence lines."""

from __future__ import annotations

from collections.abc import Sequence

import raikit
from raikit.format import column_text, points

_MOST_WORDS = 25

def crossed(columns: Sequence[str]) -> str:
    """Write the columns of a feature as tables do: ``skin tone × accent``."""
    return " × ".join(column_text(column) for column in columns)


def short_points(difference: float) -> str:
    """Write a difference for an evidence line: ``9.2 pp``."""
    return points(difference, short=True)


def short_sentence(*candidates: str) -> str:
    """Return the first sentence of at most 25 words, else the last one."""
    return next((text for text in candidates if len(text.split()) <= _MOST_WORDS), candidates[-1])


def not_crossed(sentences: Sequence[str]) -> list[raikit.Finding]:
    """Return a finding for each intersection that has too many groups to be compared."""
    return [
        raikit.Finding(
            kind="undecided", severity="warn", headline="Some combinations of groups are too many to compare",
            evidence=sentence.partition(", because")[0], sentence=sentence, what="Left out",
        )
        for sentence in sentences
    ]  # fmt: skip
