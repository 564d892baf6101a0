"""Tables with the columns and shapes of well-known ones: nothing that `raikit init` writes for them is a wrong guess that runs."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from raikit.config.load import load
from raikit.data.dataset import Dataset
from raikit.errors import ConfigError
from raikit.scaffold.config import write_config

ROWS = 600


@pytest.fixture
def rng():
    return np.random.default_rng(7)


@pytest.fixture
def init(tmp_path):
    def init(frame, target=None):
        frame.to_csv(tmp_path / "table.csv", index=False)
        write_config(tmp_path / "table.csv", tmp_path / "audit.yaml", target)
        return (tmp_path / "audit.yaml").read_text(encoding="utf-8")

    return init


@pytest.fixture
def opened(tmp_path):
    def opened(*answers):
        config = load(tmp_path / "audit.yaml", answers)
        model = config.audit.model
        data = config.audit.data
        return data, Dataset.open(
            data, config.folder, error=config.error, trains=model.train is not None, needs_inputs=model.load is None
        )

    return opened


@pytest.fixture
def question(tmp_path):
    def question():
        with pytest.raises(ConfigError) as error:
            load(tmp_path / "audit.yaml")
        return str(error.value)

    return question


def inputs_of(config):
    return [column for item in config.inputs.values() for column in item.columns or [item.column]]


def sensitive_of(config):
    return [feature.column for feature in config.sensitive]


def are_named(written, frame):
    return [column for column in frame if not re.search(rf"(?<!\w){re.escape(column)}(?!\w)", written)]


def compas(rng):
    sex, race = rng.choice(["Male", "Female"], ROWS), rng.choice(["African-American", "Caucasian", "Hispanic"], ROWS)
    age = rng.integers(18, 70, ROWS)
    recid = rng.integers(0, 2, ROWS)
    two_year = np.where(rng.random(ROWS) < 0.04, 0, recid)
    decile = np.clip(rng.integers(1, 9, ROWS) + 2 * recid, 1, 10)
    day = pd.Series(pd.date_range("2013-01-01", periods=ROWS).strftime("%Y-%m-%d"))
    again = recid == 1
    return pd.DataFrame(
        {
            "id": range(1, ROWS + 1),
            "name": [f"person {row}" for row in range(ROWS)],
            "sex": sex,
            "dob": day,
            "age": age,
            "age_cat": np.select([age < 25, age <= 45], ["Less than 25", "25 - 45"], "Greater than 45"),
            "race": race,
            "decile_score": decile,
            "priors_count": rng.poisson(3, ROWS),
            "c_jail_in": day + " 06:03:42",
            "c_case_number": [f"1300{row}CF10A" for row in range(ROWS)],
            "c_charge_degree": rng.choice(["F", "M"], ROWS),
            "is_recid": recid,
            "r_charge_degree": np.where(again, rng.choice(["(F3)", "(M1)"], ROWS), None),
            "r_days_from_arrest": np.where(again & (rng.random(ROWS) < 0.7), rng.integers(0, 900, ROWS).astype(float), np.nan),
            "r_jail_in": np.where(again, day, None),
            "violent_recid": None,
            "is_violent_recid": np.where(again & (rng.random(ROWS) < 0.2), 1, 0),
            "type_of_assessment": "Risk of Recidivism",
            "score_text": np.select([decile < 5, decile < 8], ["Low", "Medium"], "High"),
            "two_year_recid": two_year,
        }
    )


def test_compas_asks_for_the_target_the_inputs_and_the_model(rng, init, question):
    frame = compas(rng)
    written = init(frame)
    assert are_named(written, frame) == []
    assert 'target: "?"      # one of two_year_recid, is_recid or is_violent_recid' in written
    asked = question()
    assert "is_recid" in asked
    assert "model" in asked
    inputs = re.search(r"table: \{.*columns: \[(.*?)\]", written)[1]
    assert inputs == 'priors_count, c_charge_degree, "?"'
    assert "sensitive: [sex, age_cat, race]" in written


def test_compas_with_its_target_leaves_out_what_is_known_only_after_an_arrest(rng, init, opened):
    frame = compas(rng)
    written = init(frame, "two_year_recid")
    assert are_named(written, frame) == []
    assert re.search(r"nearly tells 'two_year_recid' \(AUC 0\.9\d\).*: (is_recid|r_charge_degree)", written)
    data, _ = opened("model={train: {kind: fusion}}", "data.inputs.table.columns=[priors_count, c_charge_degree]")
    assert data.target == "two_year_recid"


def test_adult(rng, init, question, opened):
    income = rng.choice(["<=50K", ">50K"], ROWS, p=[0.75, 0.25])
    education = rng.choice(["Bachelors", "HS-grad", "Masters"], ROWS)
    frame = pd.DataFrame(
        {
            "age": rng.integers(17, 90, ROWS),
            "workclass": rng.choice(["Private", "State-gov"], ROWS),
            "fnlwgt": rng.integers(20000, 400000, ROWS),
            "education": education,
            "education-num": pd.Series(education).map({"Bachelors": 13, "HS-grad": 9, "Masters": 14}),
            "marital-status": rng.choice(["Never-married", "Divorced", "Married-civ-spouse"], ROWS),
            "race": rng.choice(["White", "Black"], ROWS),
            "sex": rng.choice(["Male", "Female"], ROWS),
            "hours-per-week": rng.integers(10, 70, ROWS),
            "native-country": [f"Country-{row % 42}" for row in range(ROWS)],
            "income-per-year": income,
        }
    )
    written = init(frame)
    assert are_named(written, frame) == []
    assert question().startswith('audit.yaml, line 23: data.weight is an open question; in place of "?" write fnlwgt, or delete this line')
    config, data = opened("data.weight=null")
    assert (config.target, data.positive) == ("income-per-year", ">50K")
    assert sensitive_of(config) == ["age", "marital-status", "race", "sex"]
    assert inputs_of(config) == ["workclass", "education", "hours-per-week"]


def test_loans_never_take_race_for_the_target(rng, init, question):
    approve = rng.integers(0, 2, ROWS)
    black = rng.integers(0, 2, ROWS)
    frame = pd.DataFrame(
        {
            "loanamt": rng.integers(20, 500, ROWS),
            "action": np.where(approve == 0, 3, rng.choice([1, 2], ROWS)),
            "married": rng.integers(0, 2, ROWS),
            "obrat": rng.normal(32, 8, ROWS).round(1),
            "black": black,
            "hispan": np.where(black == 1, 0, rng.integers(0, 2, ROWS)),
            "male": rng.integers(0, 2, ROWS),
            "reject": 1 - approve,
            "approve": approve,
        }
    )
    frame["white"] = 1 - frame["black"] - frame["hispan"]
    written = init(frame)
    assert are_named(written, frame) == []
    assert "sensitive: [married, black, hispan, male, white]" in written
    assert "data.target" in question()
    assert 'target: "?"      # one of approve, reject or action' in written
    assert "columns: [loanamt, obrat, \"?\"]" in written
    written = init(frame, "approve")
    assert re.search(r"nearly tells 'approve' \(AUC 1\.00\).*: action, reject", written)
    assert "columns: [loanamt, obrat]" in written


def test_titanic_with_a_code_of_the_sex(rng, init, opened):
    sex = rng.choice(["male", "female"], ROWS)
    frame = pd.DataFrame(
        {
            "Name": [f"Passenger, Mr {row}" for row in range(ROWS)],
            "PClass": rng.choice(["1st", "2nd", "3rd"], ROWS),
            "Age": rng.integers(1, 70, ROWS),
            "Sex": sex,
            "Survived": rng.integers(0, 2, ROWS),
            "SexCode": (sex == "female").astype(int),
        }
    )
    written = init(frame)
    assert are_named(written, frame) == []
    config, _ = opened()
    assert (config.target, sensitive_of(config), inputs_of(config)) == ("Survived", ["Age", "Sex"], ["PClass"])
    assert "#   says the same as 'Sex': SexCode" in written


def test_german_credit(rng, init, question, opened):
    frame = pd.DataFrame(
        {
            "checking_status": rng.choice(["A11", "A12", "A14"], ROWS),
            "credit_history": rng.choice(["A32", "A34"], ROWS),
            "credit_amount": rng.integers(250, 18000, ROWS),
            "personal_status_sex": rng.choice(["A91", "A92", "A93"], ROWS),
            "age": rng.integers(19, 75, ROWS),
            "foreign_worker": rng.choice(["A201", "A202"], ROWS),
            "class": rng.choice([1, 2], ROWS, p=[0.7, 0.3]),
        }
    )
    written = init(frame)
    assert are_named(written, frame) == []
    assert 'data.positive is an open question; in place of "?" write 1 or 2.' in question()
    config, _ = opened("data.positive=2")
    assert config.target == "class"
    assert sensitive_of(config) == ["personal_status_sex", "age", "foreign_worker"]
    assert inputs_of(config) == ["checking_status", "credit_history", "credit_amount"]


def test_wages(rng, init, opened):
    wage = np.exp(rng.normal(1.6, 0.5, ROWS)).round(2)
    frame = pd.DataFrame(
        {
            "wage": wage,
            "educ": rng.integers(6, 18, ROWS),
            "nonwhite": rng.integers(0, 2, ROWS),
            "female": rng.integers(0, 2, ROWS),
            "services": rng.integers(0, 2, ROWS),
            "lwage": np.log(wage) + rng.normal(0, 0.01, ROWS),
        }
    )
    written = init(frame)
    assert are_named(written, frame) == []
    config, data = opened()
    assert (config.target, data.task) == ("wage", "regression")
    assert sensitive_of(config) == ["nonwhite", "female"]
    assert inputs_of(config) == ["educ", "services"]
    assert re.search(r"nearly tells 'wage' \(R² (0\.9\d|1\.00)\).*: lwage", written)


def test_predictions_are_no_inputs(rng, init, opened, tmp_path):
    label = rng.integers(0, 2, ROWS)
    frame = pd.DataFrame(
        {
            "default": label,
            "gender": rng.choice(["f", "m"], ROWS),
            "income": rng.normal(size=ROWS),
            "y_pred": np.where(rng.random(ROWS) < 0.8, label, 1 - label),
            "p_hat": rng.random(ROWS).round(3),
        }
    )
    written = init(frame)
    assert are_named(written, frame) == []
    config = load(tmp_path / "audit.yaml").audit
    assert config.model.load.model_extra == {"prediction": "y_pred", "score": "p_hat"}
    assert "not needed, because the table holds predictions: income" in written
    assert config.data.target == "default"
