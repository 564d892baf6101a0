"""The lines of a new audit.yaml about what a decision means, and which words a report uses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from raikit.data.guess import RoleGuess

_UNIT = "  # unit: applicant      # what a case is, in sentences and tables; or {one: person, many: people}"


def proposed_words(guess: RoleGuess, quote: Callable[[Any], str]) -> list[str]:
    """Return the keys `reference`, `favourable`, `unit` and `labels`, as comments wherever a person has to decide.

    Parameters
    ----------
    guess : RoleGuess
    quote : callable
        Writes a YAML scalar.
    """
    if guess.log:
        labels = [f"  labels: {_labels(guess, quote)}"] if guess.labels else []
        return ["  unit: answer", *labels]
    lines = []
    if guess.largest:
        groups = ", ".join(f"{quote(column)}: {quote(value)}" for column, value in guess.largest.items())
        lines.append(f"  # reference: {{{groups}}}      # the group that others are compared with; these are the largest")
    if guess.sensitive and guess.decisions:
        lines.append(_favourable(guess, quote))
    lines.append(_UNIT)
    if guess.labels or guess.column_names:
        return [*lines, f"  labels: {_labels(guess, quote)}      # words for codes of groups and classes; check them"]
    return [*lines, "  # labels: {sex: {F: Women, M: Men}}      # words for codes of groups and classes"]


def _favourable(guess: RoleGuess, quote: Callable[[Any], str]) -> str:
    if guess.favourable is not None:
        return f"  favourable: {quote(guess.favourable)}      # the decision that is good for the person it is about; check it"
    choices = " or ".join(quote(label) for label in guess.decisions)
    return f"  # favourable: …      # {choices}: the decision that is good for the person it is about; without it, neither is"


def _labels(guess: RoleGuess, quote: Callable[[Any], str]) -> str:
    columns = []
    for column in dict.fromkeys([*guess.labels, *guess.column_names]):
        values = ", ".join(f"{quote(value)}: {quote(label)}" for value, label in guess.labels.get(column, {}).items())
        name = guess.column_names.get(column)
        words = f"{{{values}}}" if name is None else quote(name) if not values else f"{{name: {quote(name)}, values: {{{values}}}}}"
        columns.append(f"{quote(column)}: {words}")
    return f"{{{', '.join(columns)}}}"
