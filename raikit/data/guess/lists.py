"""Targets that are lists: tags of the tokens of a text, and several labels a case."""

from __future__ import annotations

import numbers
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Any

import pandas as pd

from raikit.data.annotators import FEWEST
from raikit.data.guess import names
from raikit.data.guess.profile import Profile
from raikit.data.guess.roles import ModelFacts, Question
from raikit.data.parts import is_list
from raikit.errors import listed

TAGS, LABELS = "token_classification", "multilabel"
WHICH_LISTS = "multilabel (the labels of a case) or answers (of several annotators)"
_WHICH_TEXT = "the column that says which text, such as a sentence, a token belongs to"
_FEWEST_LABELS = 3
_SAMPLE = 2_000
_TAG = re.compile(r"O|[BIESLU]-\S+")
_TOKEN_NAMES = {"tokens", "token", "words", "word"}
_TAG_NAMES = {"tags", "tag", "ner tags", "ner tag", "ner", "pos tags", "pos", "chunk tags", "labels", "label", "entities"}
_LABEL_NAMES = {"labels", "label", "tags", "topics", "categories", "genres", "classes", "targets", "answers"}
_SENTENCES = re.compile(r"(sentence|sent|text|seq|sequence|doc|document|utterance)s?( (id|idx|no|nr|num|number|index))?")


@dataclass(frozen=True)
class ListTarget:
    """A target whose values are lists, or tags of which each row has one.

    Attributes
    ----------
    target : str or Question
    task : str or Question
    text : str or None
        The column of tokens.
    sequence : str, Question or None
        The column that says which text a token belongs to, where each row is a token.
    """

    target: str | Question
    task: str | Question
    text: str | None = None
    sequence: str | Question | None = None


def find_list_target(table: pd.DataFrame, profiles: Mapping[str, Profile], target: str | None) -> ListTarget | None:
    """Find the columns of tokens and tags, or the lists of labels; None if the target is no list.

    Parameters
    ----------
    table : DataFrame
    profiles : mapping of column to Profile
    target : str, optional
        The target, if a person has named it.
    """
    lists = {name: cells for name in table.columns if (cells := _lists_of_text(table[name], profiles[name])) is not None}
    if target is not None and target not in lists:
        return _tags_in_rows(table, profiles, target)
    if (tokens := _tokens(lists, target)) is not None:
        return _tags_in_lists(lists, tokens, target)
    if target is not None:
        return ListTarget(target, _task_of_labels(lists[target]))
    if any(names.outcome_strength(name) >= 2 for name in table.columns if name not in lists):
        return None
    labels = [name for name in lists if names.phrase(name) in _LABEL_NAMES]
    if len(labels) == 1:
        return ListTarget(labels[0], _task_of_labels(lists[labels[0]]))
    return _tags_in_rows(table, profiles, None)


def ask_for_lists(model: ModelFacts) -> ListTarget:
    """Ask for the target of a model of tokens or of several labels, where the table does not show it."""
    which = f" ({listed((label[:40] for label in model.labels), 5)})" if model.labels else ""
    if model.task == TAGS:
        return ListTarget(Question(f"the column of tags{which}: a list for each text, or one tag a row with `sequence`"), TAGS)
    return ListTarget(Question(f"the columns of 0 and 1 in brackets, or the column of lists, of the labels{which}"), LABELS)


def holds_numbers(values: pd.Series[Any]) -> bool:
    """Whether the first list that is not empty holds numbers."""
    cells = (cell for cell in values.dropna().head(_SAMPLE) if is_list(cell) and len(cell))
    return isinstance(next(cells, [None])[0], numbers.Number)


def may_be_label(name: str, about: Profile) -> bool:
    """Whether a column of 0 and 1 may say if a case has a label."""
    return about.is_flag and not names.is_prediction(name) and not names.is_score(name)


def offer_labels(profiles: Mapping[str, Profile], free: Collection[str], candidates: Collection[str]) -> str:
    """Offer columns of 0 and 1 beside texts, pictures or sounds as several labels of a case.

    Parameters
    ----------
    profiles : mapping of column to Profile
    free, candidates : collection of str
        Columns without a role, and possible targets.

    Returns
    -------
    str
        The end of a question; "" if the columns are no labels.
    """
    flags = [name for name, about in profiles.items() if name in free and may_be_label(name, about)]
    whole = [about for about in profiles.values() if about.kind in ("image", "audio") or about.words >= 1]
    if len(flags) < _FEWEST_LABELS or not whole or not set(candidates) & set(flags):
        return ""
    return f"; or [{', '.join(flags)}] if these are labels of which a case may have several"


def _lists_of_text(values: pd.Series[Any], about: Profile) -> list[Any] | None:
    """Return the first lists of a column that holds nothing but lists of text; else None."""
    if about.kind != "nested" or about.missing:
        return None
    cells = values.head(_SAMPLE).tolist()
    some = any(len(cell) for cell in cells if is_list(cell))
    return cells if some and all(is_list(cell) and all(isinstance(item, str) for item in cell) for cell in cells) else None


def _are_tags(items: Collection[Any]) -> bool:
    """Whether items are tags of entities, such as ``B-PER`` and ``O``."""
    return any(item != "O" for item in items) and all(isinstance(item, str) and _TAG.fullmatch(item) for item in items)


def _tokens(lists: Mapping[str, list[Any]], target: str | None) -> str | None:
    """Return the lists of tokens: those beside lists of tags that are as long in each row."""
    lengths = {name: list(map(len, cells)) for name, cells in lists.items()}
    tags = [name for name, cells in lists.items() if _are_tags(set(chain(*cells))) or names.phrase(name) in _TAG_NAMES]
    for tag in [name for name in tags if target in (None, name)]:
        beside = [name for name in lists if name not in tags and lengths[name] == lengths[tag]]
        named = [name for name in beside if names.phrase(name) in _TOKEN_NAMES]
        if named or len(beside) == 1:
            return (named or beside)[0]
    return None


def _tags_in_lists(lists: Mapping[str, list[Any]], tokens: str, target: str | None) -> ListTarget:
    beside = [name for name in lists if name != tokens and list(map(len, lists[name])) == list(map(len, lists[tokens]))]
    tags = [target] if target else [name for name in beside if not _is_predicted(name, beside)] or beside
    return ListTarget(tags[0] if len(tags) == 1 else Question(f"one of {', '.join(tags)}"), TAGS, tokens)


def _is_predicted(name: str, others: Collection[str]) -> bool:
    """Whether a name is that of a prediction, perhaps of another column."""
    return names.is_prediction(name) or any(names.is_prediction_of(name, other) for other in others if other != name)


def _task_of_labels(cells: list[Any]) -> str | Question:
    """Return the task: labels of a case differ from each other; annotators of one case may agree."""
    repeated = any(len(set(cell)) < len(cell) for cell in cells)
    if all(len(cell) >= FEWEST for cell in cells):
        return "answers" if repeated else Question(WHICH_LISTS)
    return Question(WHICH_LISTS) if repeated else LABELS


def _tags_in_rows(table: pd.DataFrame, profiles: Mapping[str, Profile], target: str | None) -> ListTarget | None:
    """Find tags of which each row has one, the tokens beside them and the number of the text."""
    texts = [name for name in table.columns if profiles[name].kind == "text"]
    tags = [
        name
        for name in texts
        if target in (None, name) and not _is_predicted(name, texts) and _are_tags(set(table[name].dropna().head(_SAMPLE)))
    ]
    tokens = [name for name in texts if names.phrase(name) in _TOKEN_NAMES]
    if not tags or len(tokens) != 1:
        return None
    tag = tags[0] if len(tags) == 1 else Question(f"one of {', '.join(tags)}")
    sentences = [
        name for name in table.columns if _SENTENCES.fullmatch(names.phrase(name)) and _is_in_runs(table[name], profiles[name])
    ]
    return ListTarget(tag, TAGS, tokens[0], sentences[0] if len(sentences) == 1 else Question(_WHICH_TEXT))


def _is_in_runs(values: pd.Series[Any], about: Profile) -> bool:
    """Whether equal values follow each other, and no cell is missing."""
    if about.missing or not 1 < about.distinct < about.rows:
        return False
    cells = values.tolist()
    runs = 1 + sum(bool(before != after) for before, after in pairwise(cells))
    return runs == about.distinct
