from __future__ import annotations

import pytest

from raikit.data.guess import names


@pytest.mark.parametrize(
    ("name", "concept"),
    [
        ("sex", "sex"),
        ("SexCode", "sex"),
        ("sexcd", "sex"),
        ("is_female", "sex"),
        ("male", "sex"),
        ("personal_status", "sex"),
        ("personal_status_sex", "sex"),
        ("RaceDesc", "race"),
        ("nonwhite", "race"),
        ("hispan", "race"),
        ("asian", "race"),
        ("black", "race"),
        ("EthnicGroup", "race"),
        ("age_cat", "age"),
        ("AGE", "age"),
        ("maritl", "marital status"),
        ("marital-status", "marital status"),
        ("maritalstatus", "marital status"),
        ("foreign_worker", "nationality"),
        ("native-country", "nationality"),
        ("religion", "religion"),
        ("disability_flag", "disability"),
        ("skin_tone", "skin tone"),
        ("mortgage", None),
        ("average_usage", None),
        ("skin", None),
        ("account_age", None),
        ("language_model", "language"),
        ("blackout", None),
        ("message", None),
        ("sextant", None),
        ("tracer", None),
    ],
)
def test_a_sensitive_feature_is_known_by_its_name(name, concept):
    assert names.sensitive_concept(name) == concept


@pytest.mark.parametrize(
    ("strength", "examples"),
    [
        (3, ["target", "Label", "y", "y_true", "yTrue", "outcome", "ground truth", "Outcome_1"]),
        (2, ["default", "is_recid", "two_year_recid", "loan_approved", "deny", "denied", "Survived", "churn", "is_fraud", "readmitted_30",
             "default payment next month", "received_callback"]),
        (1, ["class", "income-per-year", "Status", "is_violent_recid", "lwage", "salary", "credit"]),
        (0, ["credit_amount", "credit_history", "y77", "pulse", "white", "passenger"]),
    ],
)  # fmt: skip
def test_an_outcome_is_known_by_its_name(strength, examples):
    assert {name: names.outcome_strength(name) for name in examples} == dict.fromkeys(examples, strength)


@pytest.mark.parametrize("name", ["prediction", "y_pred", "yhat", "Predicted", "pred_2", "approved_pred", "predicted_approved"])
def test_a_prediction_is_known_by_its_name(name):
    assert names.is_prediction(name, "approved")


@pytest.mark.parametrize("name", ["score", "p_hat", "proba", "decile_score", "v_score_text", "p_approved", "approved_prob", "decile_score.1"])
def test_a_score_is_known_by_its_name(name):
    assert names.is_score(name, "approved")


@pytest.mark.parametrize("name", ["credit_score", "test_score", "apgar", "p_value", "approved", "predictor"])
def test_inputs_are_neither(name):
    assert not names.is_prediction(name, "approved")
    assert not names.is_score(name, "approved")


@pytest.mark.parametrize(("name", "known"), [("PassengerId", True), ("case_id", True), ("uuid", True), ("paid", False), ("covid", False)])
def test_an_id_is_known_by_its_name(name, known):
    assert names.is_id(name) == known
