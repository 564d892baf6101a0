"""Columns that hold a model's output: its decisions, or the probabilities of classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from raikit.address import text
from raikit.data.cells import as_label
from raikit.data.guess.leakage import auc
from raikit.data.guess.names import is_prediction, is_score, is_score_of, words_of
from raikit.data.guess.profile import Profile, profile
from raikit.data.guess.roles import Question, RoleGuess

_REVERSED = 0.4  # below this AUC a score is more likely that of the other class than worse than chance
_TRAIN = "{train: {kind: fusion, epochs: 10}}"
_NO_OUTPUT = "looks like a model's output, but holds neither classes of the target nor probabilities"
_SOME_CLASSES = "looks like the probabilities of a class, which are needed of every class of a target"
_OTHER_CLASS = "probabilities of the class that is not positive"
_PLAIN_LABELS = {"0", "1", "true", "false", "yes", "no", "y", "n", "t", "f"}  # many columns that are no decisions hold them


def find_outputs(
    guess: RoleGuess, table: pd.DataFrame, profiles: Mapping[str, Profile], columns: Sequence[str]
) -> list[str]:
    """Add predictions and scores to `guess`, and return the columns that are one or look like one.

    Several predictions or scores are a question; so is the model, if what looks like its output cannot be used.
    """
    targets = guess.targets
    table, profiles = _cases_with_target(guess, table, profiles, columns)
    named_predictions = [c for c in columns if any(is_prediction(c, target) for target in targets)]
    named_scores = [c for c in columns if any(is_score(c, target) for target in targets) and c not in named_predictions]
    predictions = [c for c in named_predictions if any(_is_prediction(table[c], table[t], guess) for t in targets)]
    by_class = _class_scores(guess, profiles, columns)
    of_classes = list(by_class.values())
    scores = [c for c in named_scores if profiles[c].is_probability and words_of(c) != ["confidence"] and c not in of_classes]
    binary = guess.task == "binary" or (guess.task is None and all(profiles[t].is_binary for t in targets))
    guess.prediction = _one_or_ask(predictions)
    used = [*predictions, *scores]
    if guess.task == "multiclass" and len(by_class) == len(profiles[targets[0]].values):
        guess.scores = by_class
        used += of_classes
    elif binary and isinstance(guess.target, str):
        scores = _with_positive(guess, by_class, scores)
        used += of_classes
    if binary and scores:
        guess.score = _one_or_ask(scores)
        _ask_if_reversed(guess, table)
    unused = [c for c in dict.fromkeys([*named_predictions, *named_scores, *of_classes]) if c not in used]
    unused += [] if binary else scores
    for column in unused:
        guess.left_out[column] = _SOME_CLASSES if column in of_classes else _NO_OUTPUT
    alike = [] if guess.has_predictions else _like_the_target(guess, table, profiles, columns)
    if not guess.has_predictions and (unused or alike):
        guess.model = _ask_for_model(unused, alike)
        guess.left_out |= dict.fromkeys(alike, "holds the classes of the target; a model's decisions?")
    return list(dict.fromkeys([*named_predictions, *named_scores, *of_classes, *alike]))


def _ask_if_reversed(guess: RoleGuess, table: pd.DataFrame) -> None:
    """Ask about a score that is lower where the target is positive; it may be the probability of the other class."""
    if not isinstance(guess.score, str) or not isinstance(guess.target, str) or isinstance(guess.positive, Question):
        return
    wanted = {"1", "true"} if guess.positive is None else {text(guess.positive)}
    positive = np.array([text(as_label(label)) in wanted for label in table[guess.target]])
    area = auc(positive, table[guess.score].to_numpy(dtype=np.float64))
    if area < _REVERSED:
        label = text(as_label(table[guess.target][positive].iloc[0]))
        guess.score = Question(
            f"{guess.score} if it is the probability of {label} (its AUC is {area:.2f}, as if it were that of the other class)"
        )


def _one_or_ask(columns: Sequence[str]) -> str | Question | None:
    if len(columns) > 1:
        return Question(f"one of {', '.join(columns[:-1])} or {columns[-1]}")
    return columns[0] if columns else None


def _ask_for_model(unused: Sequence[str], alike: Sequence[str]) -> Question:
    if alike:
        return Question(
            f"{{load: {{kind: predictions, prediction: {alike[0]}}}}} if {alike[0]} holds a model's decisions, or {_TRAIN}"
        )
    return Question(
        f"{_TRAIN} to audit a new model, or {{load: {{kind: predictions, prediction: COLUMN}}}} after making a column with "
        f"classes of the target from {unused[0]}"
    )


def _cases_with_target(
    guess: RoleGuess, table: pd.DataFrame, profiles: Mapping[str, Profile], columns: Sequence[str]
) -> tuple[pd.DataFrame, Mapping[str, Profile]]:
    """Return the rows that an audit can use, and what they hold: without a target there is often no prediction either."""
    if not isinstance(guess.target, str) or not guess.missing_targets:
        return table, profiles
    table = table[table[guess.target].notna()]
    return table, {**profiles, **{column: profile(table[column]) for column in columns}}


def _class_scores(guess: RoleGuess, profiles: Mapping[str, Profile], columns: Sequence[str]) -> dict[Any, str]:
    """Return the column of probabilities that is named after each class of a target: ``p_cat`` and ``p_dog``."""
    probable = [column for column in columns if profiles[column].is_probability]
    labels = [label for target in guess.targets for label in profiles[target].values]
    by_class = {label: next((column for column in probable if is_score_of(column, text(label))), None) for label in labels}
    return {label: column for label, column in by_class.items() if column is not None}


def _with_positive(guess: RoleGuess, by_class: Mapping[Any, str], scores: Sequence[str]) -> list[str]:
    """Add the probability of the positive class to the scores; say why that of the other class is left out, or ask for it."""
    if isinstance(guess.positive, Question):
        return [*scores, *by_class.values()]
    wanted = {"1", "true"} if guess.positive is None else {text(guess.positive)}
    positive = [column for label, column in by_class.items() if text(label) in wanted]
    others = [column for column in by_class.values() if column not in positive]
    guess.left_out |= dict.fromkeys(others, _OTHER_CLASS)
    if others and not positive and not scores and guess.prediction is None:
        guess.score = Question(f"a column of probabilities of {min(wanted)}; {others[0]} holds those of the other class")
    return [*scores, *positive]


def _like_the_target(
    guess: RoleGuess, table: pd.DataFrame, profiles: Mapping[str, Profile], columns: Sequence[str]
) -> list[str]:
    """Return the columns with just the classes of the target, if those are words of their own, such as approved."""
    if not isinstance(guess.target, str):
        return []
    labels = {text(label) for label in profiles[guess.target].values}
    if profiles[guess.target].kind != "text" or {label.strip().lower() for label in labels} <= _PLAIN_LABELS:
        return []
    return [c for c in columns if profiles[c].is_category and {text(label) for label in profiles[c].values} == labels]


def _is_prediction(values: pd.Series[Any], target: pd.Series[Any], guess: RoleGuess) -> bool:
    """Whether the values could be predictions of the target: its classes, or numbers for a regression."""
    if values.isna().any():
        return False
    if guess.task == "regression":
        return bool(pd.api.types.is_numeric_dtype(values))
    known = {text(as_label(label)) for label in target.dropna().unique()}
    return {text(as_label(value)) for value in values.unique()} <= known
