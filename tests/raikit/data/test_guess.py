from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from raikit.data.guess import guess_roles
from raikit.errors import DataError

ROWS = 60


@pytest.fixture
def guess_of(tmp_path):
    def guess_of(**columns):
        pd.DataFrame(columns).to_parquet(tmp_path / "cases.parquet", index=False)
        return guess_roles(tmp_path / "cases.parquet")

    return guess_of


def mixed(*values):
    return [values[row % len(values)] for row in range(ROWS)]


def people(**columns):
    return {
        "case_id": [f"c-{row}" for row in range(ROWS)],
        "patient_id": mixed(*range(20)),
        "sex": mixed("F", "M", "F"),
        "age": list(range(20, 20 + ROWS)),
        "photo": [f"photos/{row}.PNG" for row in range(ROWS)],
        "voice": mixed("a.wav", None, "b.flac"),
        "note": [f"feels quite unwell since day {row}" for row in range(ROWS)],
        "pulse": np.linspace(50, 90, ROWS),
        "ward": mixed("A", "B", "C"),
        "w": mixed(1.0, 2.0),
        "split": mixed("train", "train", "val", "test"),
        "urgent": mixed(0, 1, 0, 0, 1),
        **columns,
    }


def test_columns_are_known_by_their_names_and_by_what_they_hold(guess_of):
    guess = guess_of(**people())
    assert (guess.id, guess.target, guess.task, guess.positive) == ("case_id", "urgent", "binary", None)
    assert (guess.split, guess.weight, guess.cluster) == ("split", "w", ["patient_id"])
    assert [name for name, _ in guess.sensitive] == ["sex", "age"]
    assert guess.sensitive[0][1] is None
    assert len(guess.sensitive[1][1]) == 3, "a number with many values comes with bins"
    assert guess.media == {"photo": "image", "voice": "audio"}
    assert (guess.text, guess.tabular) == (["note"], ["pulse", "ward"])
    assert not guess.has_predictions


def test_predictions_are_known_if_they_can_be_some(guess_of):
    guess = guess_of(y=mixed(0, 1), yhat=mixed(0, 1, 1), p=np.linspace(0, 1, ROWS), sex=mixed("F", "M"))
    assert (guess.target, guess.prediction, guess.score, guess.has_predictions) == ("y", "yhat", "p", True)
    guess = guess_of(y=mixed(0, 1), pred=mixed("x", "y", "z"), score=np.arange(ROWS), sex=mixed("F", "M"))
    assert (guess.prediction, guess.score, guess.has_predictions) == (None, None, False)
    assert guess.tabular == ["pred", "score"]


def test_a_score_alone_is_no_prediction_of_several_classes(guess_of):
    assert not guess_of(y=mixed("a", "b", "c"), score=np.linspace(0, 1, ROWS)).has_predictions


def test_of_two_texts_the_rarer_is_guessed_to_be_positive(guess_of):
    assert guess_of(outcome=mixed("fine", "fine", "ill"), n=range(ROWS)).positive == "ill"


def test_a_column_called_split_or_weight_is_one_only_if_it_can_be(guess_of):
    guess = guess_of(**people(split=mixed("a", "b"), w=mixed(1.0, -1.0)))
    assert (guess.split, guess.weight) == (None, None)
    assert guess_of(**people(split=mixed("train", "val"))).split is None
    assert guess_of(**people(split=mixed("train", "test", None))).split is None


def test_pictures_in_the_table_are_known_by_their_bytes(guess_of, png, wav):
    picture, sound = png(), wav([0.1] * 10)
    guess = guess_of(
        y=mixed(0, 1),
        image=[{"bytes": picture, "path": None}] * ROWS,
        clip=[sound] * ROWS,
        raw=[b"neither"] * ROWS,
        tags=[["a"]] * ROWS,
    )
    assert guess.media == {"image": "image", "clip": "audio"}
    assert guess.tabular == []


def test_row_numbers_that_a_writer_left_behind_are_no_input(tmp_path):
    pd.DataFrame({"y": mixed(0, 1), "n": range(ROWS)}).to_csv(tmp_path / "a.csv")
    assert guess_roles(tmp_path / "a.csv").tabular == ["n"]


def test_names_that_differ_by_case_only_are_guessed_once(guess_of):
    guess = guess_of(y=mixed(0, 1), sex=mixed("F", "M", "M"), Sex=mixed("f", "m", "m"))
    assert [name for name, _ in guess.sensitive] == ["sex"]


def test_without_anything_like_a_target_it_says_so(guess_of):
    with pytest.raises(DataError, match=r"cases\.parquet: cannot guess the target: no column is called"):
        guess_of(n=range(ROWS), sex=mixed("F", "M"))
