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
_SEXES = {"f": "Women", "m": "Men", "female": "Women", "male": "Men", "woman": "Women", "man": "Men"}
_PAIRS = ({"f", "m"}, {"female", "male"}, {"woman", "man"})
_FLAGS = ({"0", "1"}, {"false", "true"}, {"no", "yes"}, {"n", "y"})
_YES = {"1", "true", "yes", "y"}
# Columns of yes and no that are named after one of their groups; of other names what they mean is unknown.
_GROUPS = {
    "female": ("Men", "Women"), "woman": ("Men", "Women"), "male": ("Women", "Men"), "man": ("Women", "Men"),
    **{word: (f"not {word}", word) for word in ("disabled", "married", "divorced", "widowed", "single", "elderly", "senior",
                                                "pregnant", "foreign", "religious")},
    **{word: (f"not {word.capitalize()}", word.capitalize()) for word in (
        "black", "white", "asian", "hispanic", "latino", "latina", "african", "caucasian", "indigenous", "muslim", "christian",
        "jewish", "hindu", "catholic",
    )},
}  # fmt: skip


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
            guess.labels |= _labels_of_groups(column, sizes.index.tolist())
    guess.column_names = _readable([column for column, _ in guess.sensitive], list(map(str, table.columns)))
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


def _labels_of_groups(column: str, values: Sequence[Any]) -> dict[str, dict[Any, str]]:
    """Return labels of women and men, and of yes and no in a column that is named after a group."""
    codes = {as_label(value): text(as_label(value)).lower() for value in values}
    if sensitive_concept(column) == "sex" and set(codes.values()) in _PAIRS and len(codes) == 2:
        return {column: {value: _SEXES[code] for value, code in codes.items()}}
    words = [word for word in words_of(column) if word not in ("is", "has", "flag", "ind")]
    names = _GROUPS.get(words[0]) if len(words) == 1 else None
    if names is None or set(codes.values()) not in _FLAGS:
        return {}
    return {column: {value: names[code in _YES] for value, code in codes.items()}}


def _readable(columns: Sequence[str], taken: Sequence[str]) -> dict[str, str]:
    """Return names without underscores for columns that have some, unless another column has that name.

    Examples
    --------
    >>> _readable(["marital_status", "age", "skinTone"], ["marital_status", "age", "skinTone"])
    {'marital_status': 'marital status', 'skinTone': 'skin tone'}
    """
    names = {column: " ".join(words_of(column)) for column in columns}
    used = [*taken, *names.values()]
    written = {column: name for column, name in names.items() if name and name != column.lower() and used.count(name) == 1}
    return {column: name for column, name in written.items() if "_" in column or column != column.lower()}
