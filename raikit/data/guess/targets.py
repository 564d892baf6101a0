"""Which column could be the target, and which of its classes is the positive one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from raikit.address import text
from raikit.data.guess.names import (
    is_amount,
    is_asked,
    is_prediction,
    is_prediction_of,
    is_score,
    is_score_of,
    outcome_strength,
    words_of,
)
from raikit.data.guess.profile import Profile

MAX_CANDIDATES = 12  # that a question lists
_MAX_CLASSES = 20
_YES = {"yes", "y", "true", "t", "1", "positive", "pos"}
_NO = {"no", "n", "false", "f", "0", "negative", "neg"}
_OUTCOME_VALUES = {
    "good", "bad", "approved", "denied", "rejected", "accepted", "admitted", "granted", "fraud", "legit", "spam", "ham", "benign",
    "malignant", "default", "paid", "survived", "died", "alive", "dead", "pass", "fail", "passed", "failed", "churned", "hired",
}  # fmt: skip
_NEGATION = re.compile(r"(not|no|non|un)[\s_-]?")


def rank_targets(profiles: Mapping[str, Profile], about_people: bool, ends: tuple[str, str]) -> tuple[str | None, list[str], bool]:
    """Return the obvious target, or None and the candidates, the likeliest first; and whether their names suggest them.

    A target is obvious if one column alone has the name of one and fits, or if a prediction or score carries its name.
    A name that may also be that of an input (``risk``) is enough at one end of the table, for its only pair of classes.

    Parameters
    ----------
    profiles : mapping of column to Profile
        Of the columns that have no other role: no sensitive features, ids, dates or media.
    about_people : bool
        Whether there are sensitive features. In tables about people a wage is usually predicted, in others it is an input.
    ends : tuple of str
        The first and the last column of the table. A ``class`` with more than two values is the target if it stands last;
        others are classes of ships and societies.
    """
    fitting = {name: about for name, about in profiles.items() if _fits(name, about)}
    strength = {name: _strength(name, about) for name, about in fitting.items()}
    if {"x", "y"} <= {name.lower() for name in profiles}:  # a pair of coordinates, or an input and its outcome
        strength = {name: min(level, 1) if name.lower() == "y" else level for name, level in strength.items()}
    with_output = [
        name
        for name in fitting
        if any(_is_output(other, profiles[other], name, fitting[name]) for other in profiles if other != name)
        or _has_class_scores(fitting[name], profiles)
    ]
    with_output = [name for name in with_output if not any(is_prediction_of(name, other) for other in with_output)]
    if len(with_output) > 1:
        return None, _ranked({name: fitting[name] for name in with_output}, strength), True
    for suggested in (with_output, *([name for name in fitting if strength[name] >= level] for level in (3, 2))):
        if suggested:
            return (suggested[0], [], True) if len(suggested) == 1 else (None, _ranked(fitting, strength), True)
    usual = _usual(fitting, strength, about_people, ends)
    return (usual, [], True) if usual else (None, _ranked(fitting, strength), any(strength.values()))


def _usual(fitting: Mapping[str, Profile], strength: Mapping[str, int], about_people: bool, ends: tuple[str, str]) -> str | None:
    """Return the wage, the class or the only question of a table, if no other column has a name that may be that of an outcome."""
    amounts = [name for name in fitting if about_people and is_amount(name) and fitting[name].distinct > _MAX_CLASSES]
    classes = [name for name in fitting if name.lower() == "class" and (fitting[name].is_binary or name == ends[1])]
    pairs = [name for name in fitting if about_people and fitting[name].is_binary]
    asked = [name for name in pairs if len(pairs) == 1 and name in ends and is_asked(name)]
    for names in (amounts, classes, asked):
        if len(names) == 1 and not any(strength[name] for name in fitting if not _is_of(name, names[0])):
            return names[0]
    return None


def _strength(name: str, about: Profile) -> int:
    """Return how surely a column is an outcome, by its name and, if that leaves doubts, by what its two values say."""
    strength = outcome_strength(name)
    words = {text(label).strip().lower() for label in about.values} if about.is_binary and about.kind == "text" else set()
    tells = bool(words & _OUTCOME_VALUES) or {word[:1] for word in words} == {"<", ">"}
    return 2 if strength == 1 and tells else strength


def _is_output(other: str, about: Profile, name: str, target: Profile) -> bool:
    """Whether a column is named and looks like a prediction or score of another one."""
    if is_prediction_of(other, name) and about.kind == target.kind:
        return True
    return is_score_of(other, name) and about.in_unit and target.is_category


def _has_class_scores(target: Profile, profiles: Mapping[str, Profile]) -> bool:
    """Whether each of several classes has a column that is named and looks like its probability, at least where there is one."""
    probable = [name for name, about in profiles.items() if about.in_unit]
    return len(target.values) > 2 and all(any(is_score_of(name, text(label)) for name in probable) for label in target.values)


def _is_of(name: str, amount: str) -> bool:
    """Whether a name is that of an amount or of a form of it: ``lwage``, ``logwage``."""
    return words_of(name)[-1].endswith(words_of(amount)[-1])


def _ranked(fitting: Mapping[str, Profile], strength: Mapping[str, int]) -> list[str]:
    """Rank candidates: those with a name of an outcome, else those with two values, else all; later ones come first.

    Many tables end with the target. Beside the name of an event, numbers of many values are inputs.
    """
    names = list(fitting)
    likely = [name for name in names if strength[name]] or [n for n in names if fitting[n].is_binary] or names
    if any(strength[name] >= 2 for name in likely):
        likely = [name for name in likely if fitting[name].is_category]
    return sorted(likely, key=lambda name: (-strength[name], not fitting[name].is_binary, -names.index(name)))


def _fits(name: str, about: Profile) -> bool:
    """Whether a column can be a target with this name: an event has two values, a label few, a number any."""
    if is_prediction(name) or is_score(name) or about.kind not in ("boolean", "number", "text"):
        return False
    if about.kind == "text" and about.distinct > max(_MAX_CLASSES, 0.02 * about.rows):
        return False
    return about.is_binary or outcome_strength(name) != 2


def positive_class(target: str, about: Profile) -> Any:
    """Return the positive class of a binary target if it is obvious: 1 of 0 and 1, yes, above a limit, the column's own name.

    Returns
    -------
    label or None
        None: a person must choose.

    Examples
    --------
    >>> positive_class("churn", Profile("text", 2, 0, 9, ("No", "Yes")))
    'Yes'
    >>> positive_class("income", Profile("text", 2, 0, 9, ("<=50K", ">50K")))
    '>50K'
    >>> positive_class("risk", Profile("text", 2, 0, 9, ("good", "bad")))
    """
    written = {label: text(label).strip().lower() for label in about.values}
    low, high = (
        [label for label, word in written.items() if _is_low(word)],
        [label for label, word in written.items() if _is_high(word)],
    )
    if len(low) == 1 and len(high) == 1:
        return high[0]
    named = [label for label in about.values if _is_named(text(label), target)]
    return named[0] if len(named) == 1 else None


def _is_high(word: str) -> bool:
    return word in _YES or word.startswith(">")


def _is_low(word: str) -> bool:
    return word in _NO or word == "-1" or word.startswith("<")


def _is_named(label: str, target: str) -> bool:
    """Whether a label is the column's name itself, such as ``churned`` in ``churn``, and not its negation."""
    written = label.strip().lower()
    if _NEGATION.match(written):
        return False
    stems = {word[:5] for word in words_of(written)}
    return any(word[:5] in stems for word in words_of(target) if outcome_strength(word) >= 2)
