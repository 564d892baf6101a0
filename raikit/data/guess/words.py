"""Proposals for `data.reference`, `data.favourable`, `data.unit` and `data.labels`: facts and well-known words, nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from raikit.address import text
from raikit.data.cells import as_label
from raikit.data.guess.names import sensitive_concept, words_of
from raikit.data.guess.roles import RoleGuess

_GOOD = {"approved", "accepted", "admitted", "granted", "hired", "promoted", "shortlisted", "selected"}
_BAD = {
    "denied", "rejected", "refused", "declined", "not approved", "not accepted", "not admitted", "not hired", "no", "reject",
    "deny", "refuse", "decline",
}  # fmt: skip
_GOOD_FORMS = _GOOD | {"approve", "accept", "admit", "grant", "hire", "yes"}
_SEXES = {"f": "Women", "m": "Men"}


def propose_words(guess: RoleGuess, table: pd.DataFrame) -> None:
    """Add to a guess the largest group of each sensitive feature, the favourable class and labels of obvious codes.

    Only the favourable class changes what an audit says; it is proposed where target or classes name it: 1 of ``approved``,
    or ``hired`` beside ``rejected``.
    """
    for column, edges in guess.sensitive:
        if edges is None:
            sizes = table[column].dropna().value_counts()
            if len(sizes) > 1 and sizes.iloc[0] > sizes.iloc[1]:
                guess.largest[column] = as_label(sizes.index[0])
            guess.labels |= _labels_of_sex(column, sizes.index.tolist())
    if isinstance(guess.target, str) and guess.task == "binary":
        classes = sorted((as_label(label) for label in table[guess.target].dropna().unique()), key=text)
        guess.decisions = classes
        guess.favourable = favourable_of(guess.target, classes)
        event = _event(guess.target)
        if event and {text(label) for label in classes} == {"0", "1"}:
            guess.labels[guess.target] = {0: f"not {event}", 1: event}


def favourable_of(target: str, classes: Sequence[Any]) -> Any:
    """Return the class of a binary target that is good for a person, None unless its name says so.

    Examples
    --------
    >>> favourable_of("loan_approved", [0, 1]), favourable_of("decision", ["hired", "rejected"])
    (1, 'hired')
    >>> favourable_of("two_year_recid", [0, 1]), favourable_of("selected_for_audit", [0, 1])
    (None, None)
    """
    written = {text(label).strip().lower(): label for label in classes}
    if set(written) in ({"0", "1"}, {"false", "true"}, {"no", "yes"}):
        return written[max(written, key=lambda word: word in ("1", "true", "yes"))] if _event(target) else None
    good = [label for word, label in written.items() if word in _GOOD_FORMS]
    bad = [label for word, label in written.items() if word in _BAD]
    return good[0] if len(good) == len(bad) == 1 else None


def _event(target: str) -> str | None:
    """Return the good event that a column is named after; other words than of a loan or an application leave doubts."""
    words = [word for word in words_of(target) if word not in ("is", "was", "loan", "application", "credit", "got")]
    return words[0] if len(words) == 1 and words[0] in _GOOD else None


def _labels_of_sex(column: str, values: Sequence[Any]) -> dict[str, dict[Any, str]]:
    codes = {value: str(value).lower() for value in values}
    if sensitive_concept(column) != "sex" or sorted(codes.values()) != ["f", "m"]:
        return {}
    return {column: {value: _SEXES[code] for value, code in codes.items()}}
