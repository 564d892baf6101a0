"""Short texts of findings: headlines that fit, columns and differences of evidence lines."""

from __future__ import annotations

from collections.abc import Sequence

import raikit
from raikit.format import column_text, points

_MOST_WORDS = 12  # `raikit.Finding` refuses longer headlines


def headline(*candidates: str) -> str:
    """Return the first candidate that is short enough; else the last one, cut.

    Examples
    --------
    >>> headline("one two three four five six seven eight nine ten eleven twelve thirteen", "one two")
    'one two'
    """
    fitting = (text for text in candidates if len(text.split()) <= _MOST_WORDS)
    return next(fitting, " ".join(candidates[-1].split()[: _MOST_WORDS - 1]) + " …")


def crossed(columns: Sequence[str]) -> str:
    """Write the columns of a feature as tables do: ``skin tone × accent``."""
    return " × ".join(column_text(column) for column in columns)


def short_points(difference: float) -> str:
    """Write a difference for an evidence line: ``9.2 pp``."""
    return points(difference, short=True)


def not_crossed(sentences: Sequence[str]) -> list[raikit.Finding]:
    """Return a finding for each intersection that has too many groups to be compared."""
    return [
        raikit.Finding(
            kind="undecided", severity="warn", headline=headline("Some combinations of groups are too many to compare"),
            evidence=sentence.partition(", because")[0], sentence=sentence, what="Left out",
        )
        for sentence in sentences
    ]  # fmt: skip
