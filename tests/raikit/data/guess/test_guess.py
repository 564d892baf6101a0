from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from raikit.data.guess import Question, guess_roles
from raikit.errors import DataError

ROWS = 60
NUMBERS = np.random.default_rng(1).normal(70, 9, ROWS).round(2)
DATES = "dates; derive numbers from them, such as days between two"


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
        "sample_weight": mixed(1.0, 2.0),
        "split": mixed("train", "train", "val", "test"),
        "urgent": mixed(0, 1, 0, 0, 1),
        **columns,
    }


def test_columns_are_known_by_their_names_and_by_what_they_hold(guess_of):
    guess = guess_of(**people())
    assert (guess.id, guess.target, guess.task, guess.positive) == ("case_id", "urgent", "binary", None)
    assert (guess.split, guess.weight, guess.cluster) == ("split", "sample_weight", ["patient_id"])
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


def test_what_looks_like_a_models_output_and_cannot_be_used_is_no_input_and_makes_the_model_a_question(guess_of):
    guess = guess_of(y=mixed(0, 1), pred=mixed("x", "y", "z"), decile_score=mixed(1, 5, 10), pulse=NUMBERS)
    assert guess.tabular == ["pulse"]
    assert set(guess.left_out) == {"pred", "decile_score"}
    assert "classes of the target from pred" in guess.model.answers


def test_a_score_alone_is_no_prediction_of_several_classes(guess_of):
    guess = guess_of(y=mixed("a", "b", "c"), score=np.linspace(0, 1, ROWS))
    assert not guess.has_predictions
    assert guess.model is not None


def test_probabilities_of_every_class_are_scores(guess_of):
    guess = guess_of(y=mixed("cat", "dog", "ox"), p_cat=mixed(0.2, 0.4), p_dog=mixed(0.3, 0.5), p_ox=mixed(0.5, 0.1))
    assert guess.scores == {"cat": "p_cat", "dog": "p_dog", "ox": "p_ox"}
    assert guess.left_out == {}


@pytest.mark.parametrize(("labels", "positive"), [((0, 1), "1"), (("No", "Yes"), "Yes")])
def test_a_score_that_may_be_that_of_the_other_class_is_a_question(guess_of, labels, positive):
    y = mixed(*labels)
    p = np.where(np.array(y) == labels[0], 0.8, 0.1)
    guess = guess_of(label=y, prob=p)
    assert guess.score.answers.startswith(f"prob if it is the probability of {positive} (its AUC is 0.00")
    assert guess_of(label=y, prob=1 - p).score == "prob"


def test_several_predictions_are_a_question(guess_of):
    guess = guess_of(label=mixed(0, 1), pred_1=mixed(0, 1, 1), pred_2=mixed(0, 0, 1), sex=mixed("F", "M", "M"))
    assert guess.prediction == Question("one of pred_1 or pred_2")


def test_the_positive_of_two_texts_is_a_question(guess_of):
    guess = guess_of(outcome=mixed("fine", "fine", "ill"), pulse=NUMBERS)
    assert (guess.target, guess.positive) == ("outcome", Question("fine or ill"))


def test_a_column_called_split_or_weight_is_one_only_if_it_can_be(guess_of):
    guess = guess_of(**people(split=mixed("a", "b"), sample_weight=mixed(1.0, -1.0)))
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
    pd.DataFrame({"y": mixed(0, 1), "n": NUMBERS, "rownames": range(1, ROWS + 1)}).to_csv(tmp_path / "a.csv")
    guess = guess_roles(tmp_path / "a.csv")
    assert guess.tabular == ["n"]
    assert guess.left_out == {"": "row numbers", "rownames": "row numbers"}


def test_names_that_differ_by_case_only_are_guessed_once(guess_of):
    guess = guess_of(y=mixed(0, 1), sex=mixed("F", "M", "M"), Sex=mixed("f", "m", "m"))
    assert [name for name, _ in guess.sensitive] == ["sex"]
    assert "in another case" in guess.left_out["Sex"]


def test_without_anything_like_a_target_it_says_so(guess_of):
    with pytest.raises(DataError, match=r"cases\.parquet: no column can be the target"):
        guess_of(n=range(ROWS), sex=mixed("F", "M"))


def test_a_target_without_the_name_of_one_is_a_question_and_so_are_all_inputs(guess_of):
    guess = guess_of(alpha=mixed(0, 1, 1), beta=mixed("a", "b", "b", "b"), pulse=NUMBERS, sex=mixed("F", "M", "M", "M", "F"))
    assert guess.target == Question("one of beta, alpha or another column")
    assert set(guess.suspects) == {"alpha", "beta", "pulse"}
    assert guess.tabular == []


def test_a_target_that_a_person_names_is_taken(tmp_path):
    pd.DataFrame({"sex": mixed("F", "M"), "married": mixed(0, 1, 1), "pulse": NUMBERS}).to_csv(tmp_path / "a.csv")
    guess = guess_roles(tmp_path / "a.csv", "married")
    assert (guess.target, guess.task, guess.tabular) == ("married", "binary", ["pulse"])
    with pytest.raises(DataError, match=r"no column 'marred' in a\.csv\. Did you mean 'married'\?"):
        guess_roles(tmp_path / "a.csv", "marred")


def test_nothing_is_dropped_without_a_reason(guess_of):
    guess = guess_of(
        **people(),
        tags=mixed(["a"], ["a", "b"], None, []),
        who=[{"x": 1, "y": None}] * ROWS,
        seen=[f"2024-01-{1 + row % 28:02d} 10:00" for row in range(ROWS)],
        born=pd.date_range("1950-01-01", periods=ROWS),
        first_name=[f"n{row}" for row in range(ROWS)],
        always=["x"] * ROWS,
        never=[None] * ROWS,
        code=[f"q{row}" for row in range(ROWS)],
        sex_code=mixed(2, 1, 2),
        pulse_again=np.linspace(50, 90, ROWS),
        uuid=[f"u{row}" for row in range(ROWS)],
    )
    assert guess.left_out == {
        "tags": "lists or mappings",
        "who": "lists or mappings",
        "seen": DATES,
        "born": DATES,
        "first_name": "identifies a person",
        "always": "one value only",
        "never": "no values",
        "code": "different in (almost) every row",
        "sex_code": "says the same as 'sex'",
        "pulse_again": "says the same as 'pulse'",
        "uuid": "different in (almost) every row",
    }


def test_a_column_that_tells_the_target_is_no_input_and_its_figure_is_named(guess_of):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 400)
    nearly = np.where(rng.random(400) < 0.08, 1 - y, y)
    only_then = np.where((y == 1) & (rng.random(400) < 0.6), rng.integers(1, 50, 400).astype(float), np.nan)
    honest = y + rng.normal(0, 1, 400)
    guess = guess_of(y=y, paid_back=1 - y, days_since=only_then, event=nearly, honest=honest)
    assert guess.left_out["paid_back"] == "nearly tells 'y' (AUC 1.00); it may be known only afterwards"
    assert guess.suspects == {"days_since": "where it is present, 100% are 1", "event": "AUC 0.94"}
    assert guess.tabular == ["honest"]


def test_a_weight_may_be_a_bodys(guess_of):
    columns = {"label": mixed(0, 1, 1), "weight": NUMBERS, "sex": mixed("F", "M")}
    assert guess_of(**columns).weight == Question("weight, or delete this line if it is no sampling weight and no count of cases")
    guess = guess_of(**columns, height=mixed(1.6, 1.8, 1.7, 1.9))
    assert (guess.weight, guess.tabular) == (None, ["weight", "height"])


def test_ages_and_their_groups_are_one_feature(guess_of):
    ages = np.arange(20, 20 + ROWS)
    guess = guess_of(label=mixed(0, 1, 1), age=ages, age_cat=np.where(ages < 40, "young", "old"))
    assert (guess.sensitive, guess.left_out) == ([("age_cat", None)], {"age": "grouped in 'age_cat'"})


def test_repeated_ids_are_clusters_and_flags_are_not(guess_of):
    guess = guess_of(
        label=mixed(0, 1, 1), job_ad_id=mixed(*range(30)), person=mixed(0, 1), student=mixed("Yes", "No", "No", "No"), pulse=NUMBERS
    )
    assert guess.cluster == ["job_ad_id"]
    assert guess.tabular == ["person", "student", "pulse"]


def test_few_whole_numbers_may_be_classes_or_amounts(guess_of):
    assert guess_of(label=mixed(0, 1, 2), pulse=NUMBERS).task == "multiclass"
    assert guess_of(label=mixed(2, 5, 9), pulse=NUMBERS).task == Question(
        "multiclass (the 3 numbers are classes) or regression (they are amounts)"
    )


@pytest.mark.parametrize(
    ("cells", "says"), [([1], "lists or mappings"), ({"a": 1}, "lists or mappings"), ("2020-01-01", "it holds dates"), ("x", "one value only"), (None, "no values")]
)
def test_what_cannot_be_a_target_is_refused(tmp_path, cells, says):
    pd.DataFrame({"y": mixed(0, 1), "bad": [cells] * ROWS}).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(DataError, match=f"column 'bad' cannot be the target: {says}"):
        guess_roles(tmp_path / "a.parquet", "bad")


def test_without_the_name_of_a_target_text_is_left_out_with_a_word(guess_of):
    guess = guess_of(a=mixed(0, 1, 1), b=mixed(1, 0, 0, 0), note=[f"day {row} of the stay" for row in range(ROWS)])
    assert guess.left_out == {"note": "text that may be known only afterwards"}


def test_cells_that_are_no_numbers_are_said_to_be_missing_or_the_column_is_left_out(tmp_path):
    holes = ["NA" if row % 20 == 0 else str(value) for row, value in enumerate(NUMBERS)]
    odd = ["90+" if row == 7 else str(value) for row, value in enumerate(NUMBERS[::-1])]
    pd.DataFrame({"y": mixed(0, 1), "pulse": holes, "bmi": odd}).to_csv(tmp_path / "a.csv", index=False)
    guess = guess_roles(tmp_path / "a.csv")
    assert (guess.missing, guess.tabular) == (["NA"], ["pulse"])
    assert guess.left_out["bmi"].startswith("numbers but for a few cells ('90+'); correct them")
    with pytest.raises(DataError, match=r"a\.csv: column 'bmi' holds numbers, but 1 of 60 cells"):
        guess_roles(tmp_path / "a.csv", "bmi")


def test_columns_of_one_name_are_left_out(tmp_path):
    rows = "".join(f"{row % 2},{value},{value + row}\n" for row, value in enumerate(NUMBERS))
    (tmp_path / "a.csv").write_text("y,priors,priors\n" + rows)
    guess = guess_roles(tmp_path / "a.csv")
    assert guess.left_out == {"priors": "two columns have this name; rename one"}


def test_a_column_that_is_named_like_another_outcome_is_asked_about(tmp_path):
    rng = np.random.default_rng(3)
    table = {
        "recid": rng.integers(0, 2, 200), "is_violent_recid": rng.random(200) < 0.1, "days_to_death": rng.integers(1, 90, 200),
        "priors": rng.integers(0, 9, 200), "sex": rng.choice(["F", "M"], 200),
    }  # fmt: skip
    pd.DataFrame(table).to_csv(tmp_path / "cases.csv", index=False)
    guess = guess_roles(tmp_path / "cases.csv", "recid")
    assert guess.tabular == ["priors"]
    assert guess.suspects == dict.fromkeys(["is_violent_recid", "days_to_death"], "has the name of an outcome")


def test_numbers_of_patients_and_the_time_until_the_outcome_are_no_silent_inputs(tmp_path):
    rng = np.random.default_rng(3)
    table = {
        "death": rng.integers(0, 2, 200), "pidnum": rng.permutation(90_000)[:200], "follow_up_time": rng.integers(1, 900, 200),
        "wtkg": rng.normal(70, 9, 200).round(1), "gender": rng.integers(0, 2, 200),
    }  # fmt: skip
    pd.DataFrame(table).to_csv(tmp_path / "cases.csv", index=False)
    guess = guess_roles(tmp_path / "cases.csv")
    assert (guess.target, guess.id, guess.tabular) == ("death", "pidnum", ["wtkg"])
    assert guess.suspects == {"follow_up_time": "a time that may end with the outcome"}


@pytest.mark.parametrize(
    ("other", "suspects"),
    [
        ("credit_amount", {}),
        ("LoanAmount", {}),
        ("loan", {"duration": "a time that may end with the outcome"}),
        ("claim_amount", {"duration": "a time that may end with the outcome"}),
    ],
)
def test_a_duration_beside_the_amount_of_a_credit_is_its_term(guess_of, other, suspects):
    rng = np.random.default_rng(2)
    columns = {"risk": rng.integers(0, 2, 60), "duration": rng.integers(6, 60, 60), other: rng.integers(1, 9000, 60), "sex": mixed("F", "M")}
    guess = guess_of(**columns)
    assert (guess.target, guess.suspects) == ("risk", suspects)


@pytest.mark.parametrize(
    ("labels", "columns", "score"),
    [
        (("no", "yes"), ("prob_no", "prob_yes"), "prob_yes"),
        ((0, 1), ("p_0", "p_1"), "p_1"),
        ((False, True), ("proba_False", "proba_True"), "proba_True"),
        (("no", "yes"), ("yes_probability",), "yes_probability"),
    ],
)
def test_of_two_classes_the_probabilities_of_the_positive_one_are_the_score(guess_of, labels, columns, score):
    shares = np.where(np.array(mixed(0, 0, 1)) == 1, 0.7, 0.2) + np.linspace(0, 0.2, ROWS)
    of_class = [1 - shares, shares] if len(columns) == 2 else [shares]
    table = dict(zip(columns, of_class, strict=True))
    guess = guess_of(sex=mixed("F", "M"), income=NUMBERS, **table, deny=mixed(labels[0], labels[0], labels[1]))
    assert (guess.target, guess.score, guess.tabular, guess.questions) == ("deny", score, [], {})
    assert set(guess.left_out) == {"income", *columns} - {score}, "each column is used or left out with a reason"


def test_probabilities_of_the_other_class_alone_or_of_an_unknown_one_are_a_question(guess_of):
    shares = np.linspace(0, 1, ROWS)
    other = guess_of(sex=mixed("F", "M"), prob_no=shares, deny=mixed("no", "yes"))
    assert isinstance(other.score, Question) and "prob_no" in other.score.answers and other.tabular == []
    unknown = guess_of(sex=mixed("F", "M"), p_good=shares, p_bad=1 - shares, outcome=mixed("good", "bad"))
    assert unknown.score == Question("one of p_good or p_bad") and "data.positive" in unknown.questions


def test_predictions_may_be_missing_where_the_target_is(guess_of):
    vote = mixed("yes", "no", "none", None)
    told = [None if value is None else row / ROWS for row, value in enumerate(vote)]
    guess = guess_of(sex=mixed("F", "M"), vote=vote, p_yes=told, p_no=told, p_none=told, predicted_vote=vote)
    assert (guess.target, guess.missing_targets, guess.prediction) == ("vote", ROWS // 4, "predicted_vote")
    assert guess.scores == {"yes": "p_yes", "no": "p_no", "none": "p_none"}
    missing_elsewhere = guess_of(outcome=mixed("yes", "no", "none"), predicted=mixed("yes", "no", "none", None))
    assert missing_elsewhere.prediction is None and isinstance(missing_elsewhere.model, Question)


def test_probabilities_of_some_classes_are_no_inputs(guess_of):
    shares = np.linspace(0, 1, ROWS)
    guess = guess_of(sex=mixed("F", "M"), income=NUMBERS, p_yes=shares, p_no=1 - shares, outcome=mixed("yes", "no", "none"))
    assert (guess.scores, guess.tabular) == ({}, ["income"]) and isinstance(guess.model, Question)
    assert "needed of every class" in guess.left_out["p_yes"]


def test_a_prediction_of_the_target_is_no_second_target(guess_of):
    vote, shares = mixed("yes", "no", "none"), np.linspace(0, 1, ROWS)
    guess = guess_of(sex=mixed("F", "M"), vote=vote, p_yes=shares, p_no=shares, p_none=shares, predicted_vote=mixed("no", "yes", "none"))
    assert (guess.target, guess.prediction, len(guess.scores)) == ("vote", "predicted_vote", 3)


@pytest.mark.parametrize(
    ("name", "values", "asked"),
    [
        ("school", range(18), True),  # years of it
        ("family", range(1, 13), True),  # members
        ("hospital", range(11), True),  # stays
        ("school", range(9_000, 9_012), False),
        ("school_id", range(18), False),
        ("patient", range(12), False),
    ],
)
def test_small_numbers_below_the_name_of_a_cluster_are_a_question(guess_of, name, values, asked):
    guess = guess_of(sex=mixed("F", "M"), pulse=NUMBERS, **{name: mixed(*values)}, died=mixed(0, 1))
    assert (guess.unsure_clusters, guess.cluster) == (([name], []) if asked else ([], [name]))
    assert ("data.cluster" in guess.questions) is asked


def test_a_number_of_pregnancies_is_no_group(guess_of):
    guess = guess_of(sex=mixed("F", "M"), pregnant=mixed("yes", "no", "no"), pregnancies=mixed(*range(7)), died=mixed(0, 1))
    assert ([name for name, _ in guess.sensitive], guess.tabular) == (["sex", "pregnant"], ["pregnancies"])
