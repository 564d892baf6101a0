"""Targets that are lists are known by what they hold (raikit.data.guess.lists)."""

from __future__ import annotations

import pandas as pd
import pytest

from raikit.data.guess import Question, guess_roles
from raikit.errors import DataError

ROWS = 60
TOKENS = [["Ada", "left", "Oslo", "."], ["Rome", "fell"], ["Alan", "went"]]
TEXTS = [f"this is text {row}" for row in range(ROWS)]
TAGS = [["B-PER", "O", "B-LOC", "O"], ["B-LOC", "O"], ["B-PER", "O"]]


def over(*values):
    return [values[row % len(values)] for row in range(ROWS)]


@pytest.fixture
def guess_of(tmp_path):
    def guess_of(target=None, **columns):
        pd.DataFrame(columns).to_parquet(tmp_path / "t.parquet", index=False)
        return guess_roles(tmp_path / "t.parquet", target)

    return guess_of


@pytest.mark.parametrize("target", [None, "ner"])
def test_lists_of_tags_beside_lists_of_tokens_are_named_entities(guess_of, target):
    guess = guess_of(target, words=over(*TOKENS), ner=over(*TAGS), source=over("news", "chat"))
    assert (guess.target, guess.task, guess.text) == ("ner", "token_classification", ["words"])
    assert "raikit trains no model" in guess.model.answers
    assert guess.left_out == {"source": "not read by models for such lists"}


def test_two_lists_of_tags_are_a_question(guess_of):
    guess = guess_of(tokens=over(*TOKENS), pos_tags=over(["N", "V", "N", "."], ["N", "V"], ["N", "V"]), ner_tags=over(*TAGS))
    assert guess.target == Question("one of pos_tags, ner_tags")
    assert (guess.task, guess.text, set(guess.left_out)) == ("token_classification", ["tokens"], {"pos_tags", "ner_tags"})


def test_predicted_tags_need_no_model(guess_of):
    guess = guess_of(tokens=over(*TOKENS), tags=over(*TAGS), predicted_tags=over(*TAGS))
    assert (guess.target, guess.prediction, guess.model) == ("tags", "predicted_tags", None)


def test_one_token_a_row_names_its_text_or_asks_for_it(guess_of):
    rows = [(text, token, tag) for text in range(20) for token, tag in zip(TOKENS[text % 3], TAGS[text % 3], strict=True)]
    sentence, token, tag = map(list, zip(*rows, strict=True))
    guess = guess_of(sentence_id=sentence, token=token, tag=tag)
    assert (guess.target, guess.task, guess.sequence, guess.text) == ("tag", "token_classification", "sentence_id", ["token"])
    guess = guess_of(token=token, tag=tag)
    assert "which text" in guess.questions["data.sequence"].answers


@pytest.mark.parametrize(
    ("cells", "task"),
    [
        ((["a", "b"], [], ["c"]), "multilabel"),
        ((["a", "a", "b", "a"], ["b", "b", "b", "c"]), "answers"),
        ((["a", "a"], ["b"]), "question"),
        ((["a", "b", "c", "d"],), "question"),
    ],
)
def test_lists_of_labels_differ_in_a_case_and_answers_agree(guess_of, cells, task):
    guess = guess_of(text=TEXTS, labels=over(*cells))
    assert guess.target == "labels"
    assert guess.text == ["text"]
    assert ("question" if isinstance(guess.task, Question) else guess.task) == task


def test_answers_of_annotators_are_a_target(guess_of):
    guess = guess_of(question=TEXTS, answers=over(["red", "red", "red", "blue"], ["blue"] * 5), answer=over("red", "blue"))
    assert (guess.target, guess.task) == ("answers", "answers")


def test_a_target_that_is_no_list_stays_the_target(guess_of):
    guess = guess_of(churned=over(0, 1, 1), tags=over(["a"], ["b", "c"]), pulse=[row * 1.5 for row in range(ROWS)])
    assert (guess.target, guess.task, guess.left_out["tags"]) == ("churned", "binary", "lists or mappings")


@pytest.mark.parametrize("first", ["sport", "toxic"])  # the name of an event made one label of several the target
def test_columns_of_0_and_1_beside_text_may_be_labels_of_a_case(guess_of, first):
    flags = {first: over(0, 1), "money": over(1, 0, 0), "travel": over(0, 0, 1, 1)}
    question = guess_of(text=TEXTS, **flags).questions["data.target"].answers
    assert f"or [{first}, money, travel] if these are labels" in question
    assert "labels" not in str(guess_of(**flags).target)
    assert guess_of(text=TEXTS, label=over(0, 1), **flags).target == "label"


def test_several_texts_are_a_question(guess_of):
    guess = guess_of(title=TEXTS, body=TEXTS[::-1], labels=over(["a", "b"], ["c"]))
    assert guess.questions["data.inputs"].answers == (
        "{title: {modality: text}} or {body: {modality: text}}"
    )


def test_lists_of_numbers_are_left_out_with_what_is_missing(guess_of):
    guess = guess_of(tokens=over(*TOKENS), tags=over([1, 0, 2, 0], [2, 0], [1, 0]), kind=over("a", "b"))
    assert guess.left_out["tags"] == "lists of numbers; tags and labels are read by name"


def test_lists_of_numbers_are_refused_as_a_target(guess_of):
    with pytest.raises(DataError, match="'tags' cannot be the target: lists or mappings"):
        guess_of("tags", tokens=over(*TOKENS), tags=over([1, 0, 2, 0], [2, 0], [1, 0]))
