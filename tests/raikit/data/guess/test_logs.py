"""What `raikit init` writes for an evaluation log: which score, which groups, and a question where there are several scores."""

from pathlib import Path

import pandas as pd
import pytest

from raikit.data.guess import Question, guess_roles
from raikit.data.guess.logs import guess_log_roles
from raikit.errors import DataError

LOGS = Path(__file__).parents[1] / "logs"
CAPITALS = next((LOGS / "lm_eval_before").glob("samples_capitals_*.jsonl"))


def table(**columns):
    rows = len(next(iter(columns.values())))
    fixed = {"id": range(rows), "task": "t", "model": "m", "sample": range(rows), "ideal": True}
    frame = pd.DataFrame(fixed | columns)
    frame.attrs |= {"tool": "Inspect", "left_out": {"tags": "lists or mappings"}, "correct": {"t": "match"}}
    return frame


def test_one_scorer_that_says_right_or_wrong_is_audited():
    guess = guess_roles(LOGS / "inspect_before.eval")
    assert (guess.id, guess.target, guess.prediction) == ("id", "ideal", "correct")
    assert (guess.task, guess.classes, guess.positive) == ("binary", [False, True], True)
    assert [name for name, _ in guess.sensitive] == ["language", "reviewed"]
    assert guess.left_out["digits"] == "no two groups with 30 answers"
    assert guess.cluster == ["sample"]  # two epochs
    assert guess.left_out["tags"] == "lists or mappings"
    assert not guess.questions


def test_several_scorers_are_a_question_and_a_named_one_is_none():
    guess = guess_roles(CAPITALS)
    assert guess.questions == {"model.load.prediction": Question("one of score.acc or score.acc_norm")}
    assert guess_roles(CAPITALS, "score.acc_norm").prediction == "score.acc_norm"
    assert not guess_roles(CAPITALS, "score.acc_norm").questions
    with pytest.raises(DataError, match="'score.ac' is no column of scores of this log; name one of correct, score.acc"):
        guess_roles(CAPITALS, "score.ac")


def test_tasks_with_scores_of_their_own_are_compared_by_what_is_correct():
    guess = guess_roles(LOGS / "lm_eval_before")
    assert guess.prediction == "correct" and not guess.questions
    assert [name for name, _ in guess.sensitive] == ["task", "region"]
    assert guess.correct == {"capitals": "acc", "sums": "exact_match.strict"}


def test_a_score_with_parts_is_a_regression():
    guess = guess_log_roles(table(**{"score.f1": [0.0, 0.5, 1.0]}))
    assert (guess.task, guess.prediction, guess.classes) == ("regression", "score.f1", [])


def test_a_named_score_with_parts_beside_a_decision_is_a_regression():
    frame = table(**{"score.f1": [0.0, 0.5], "score.match": [0.0, 1.0], "correct": [False, True]})
    assert guess_log_roles(frame, "score.f1").task == "regression"
    assert guess_log_roles(frame).prediction == "correct"


def test_of_columns_that_differ_only_in_case_one_is_compared():
    frame = table(**{"score.match": [0.0, 1.0] * 20}, correct=[False, True] * 20, sex=["F", "M"] * 20, Sex=["f", "m"] * 20)
    guess = guess_log_roles(frame)
    assert [name for name, _ in guess.sensitive] == ["sex"]
    assert guess.left_out["Sex"] == "'sex' in another case"


def test_columns_that_form_groups_are_compared_and_the_others_named_with_a_reason():
    rows = 40
    frame = table(
        **{"score.match": [0.0, 1.0] * 20},
        correct=[False, True] * 20,
        sex=["F", "M"] * 20,
        level=[1, 2, 3, 4] * 10,
        topic=[f"t{i % 4}" for i in range(rows)],
        hard=[True, False] * 20,
        short=[True, False] * 20,
        question=[f"q{i}" for i in range(rows)],
        always=["x"] * rows,
    )
    guess = guess_log_roles(frame)
    assert [name for name, _ in guess.sensitive] == ["sex", "topic", "hard", "short"]
    assert guess.left_out == {
        "task": "one value only",
        "model": "one value only",
        "level": "groups, too; name it under sensitive to compare them",
        "question": "40 different values; groups need fewer",
        "always": "one value only",
        "tags": "lists or mappings",
    }
