"""Of several annotators' answers the most frequent one is the target, and all are kept."""

from __future__ import annotations

import pandas as pd
import pytest

from raikit.data.classes import PredictedClasses
from raikit.data.parts import ANSWERS
from raikit.errors import DataError

ANSWERED = pd.DataFrame({"given": [["a", "b", "b", "c"], ["c", "a", "c", "a"]], "said": ["d", "a"]})


def test_the_most_frequent_answer_is_the_target_and_all_are_kept(opened):
    predicted = PredictedClasses("said", by_label={"prediction": {"": "said"}})
    data = opened(ANSWERED, target="given", task="answers", extra_columns=["said"], predicted=predicted)
    assert data.task == "multiclass"
    assert data.roles["target"].tolist() == ["b", "c"]
    assert data.classes == ["a", "b", "c", "d"]
    assert [list(answers) for answers in data.roles[ANSWERS]] == [["a", "b", "b", "c"], ["c", "a", "c", "a"]]


def test_each_annotator_may_have_a_column(opened):
    frame = pd.DataFrame({"a1": ["x", "y"], "a2": ["x", "y"], "a3": ["z", "x"], "a4": ["x", "y"], "a5": [None, "y"]})
    data = opened(frame, target=["a1", "a2", "a3", "a4", "a5"], task="answers")
    assert [list(answers) for answers in data.roles[ANSWERS]] == [["x", "x", "z", "x"], ["y", "y", "x", "y", "y"]]


def test_three_annotators_are_too_few(opened):
    with pytest.raises(DataError, match="row 2: there are 3 answers; agreement needs 4 or more annotators"):
        opened(ANSWERED.assign(given=[["a"] * 4, ["a", "b", "a"]]), target="given", task="answers")


def test_a_model_may_know_many_more_answers_than_cases_have(opened):
    data = opened(ANSWERED, target="given", task="answers")
    data.add_classes([f"answer {number}" for number in range(40)])
    assert len(data.classes) == 42
