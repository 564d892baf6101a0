"""Probes: terms of texts, columns and inputs that are changed, and the nearest case with another decision."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from raikit import ConfigError
from raikit.config.schema import DataConfig
from raikit.data.dataset import Dataset
from raikit.models.function import FunctionModel
from raikit.testing import run_check
from raikit_explain.estimates.term_swaps import TermGroups
from raikit_explain.probe_check import Probes

PRONOUNS = {"pronouns": {"male": ["he", "his"], "female": ["she", "her"]}}


def dataset(table, inputs, **more):
    return Dataset.of(table, DataConfig.model_validate({"path": "(memory)", "target": "y", "inputs": inputs, **more}))


def letters(rows=80, seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame({
        "letter": [f"{rng.choice(['He', 'She'])} worked {rng.integers(1, 40)} years and kept {rng.choice(['his', 'her'])} word"
                   for _ in range(rows)],
        "sex": rng.choice(["F", "M"], rows), "age": rng.integers(20, 60, rows), "y": np.arange(rows) % 2,
    })


def value(record, name, **args):
    return next(metric for metric in record.metrics if metric.name == name and metric.args == args)


def likes(word):
    def function(frame):
        has = frame["letter"].fillna("").str.lower().str.split().map(lambda words: word in words)
        return np.where(has, 0.8, 0.3)

    return function


TEXT = {"letter": {"modality": "text"}}
BOTH = {**TEXT, "form": {"modality": "tabular", "columns": ["sex", "age"]}}


def test_a_model_that_prefers_one_pronoun_is_found():
    data = dataset(letters(), TEXT)
    record = run_check(Probes, {"terms": PRONOUNS, "opposites": 0}, data=data, model=FunctionModel(likes("he"), data))
    assert record.status == "ok", record.traceback
    effect = value(record, "term_swap_effect", terms="pronouns", to="female")
    assert effect.value == pytest.approx(-0.5)
    assert value(record, "term_flip_rate", terms="pronouns").value == 1
    assert value(record, "term_flip_rate", terms="pronouns").n_clusters <= 40  # texts of one template are one cluster


def test_an_effect_that_varies_has_an_interval_over_templates():
    data = dataset(letters(160), TEXT)

    def bent(frame):
        years = frame["letter"].str.extract(r"(\d+)")[0].astype(float)
        return 0.5 - 0.01 * years * frame["letter"].str.startswith("She")

    record = run_check(Probes, {"terms": PRONOUNS}, data=data, model=FunctionModel(bent, data))
    effect = value(record, "term_swap_effect", terms="pronouns", to="female")
    assert effect.high < 0
    assert effect.n_clusters < effect.n
    assert any(finding.severity == "warn" and "Pronouns: female instead of male" in finding.headline for finding in record.findings)


def test_a_model_that_reads_no_pronouns_has_no_effect():
    data = dataset(letters(), TEXT)
    record = run_check(Probes, {"terms": PRONOUNS}, data=data, model=FunctionModel(likes("years"), data))
    effect = value(record, "term_swap_effect", terms="pronouns", to="female")
    assert effect.value == 0
    assert effect.low < 0 < effect.high
    assert value(record, "term_flip_rate", terms="pronouns").value == 0
    assert not any(finding.severity == "warn" for finding in record.findings)


def test_terms_that_hardly_occur_are_not_measured():
    data = dataset(letters(), TEXT)
    record = run_check(Probes, {"terms": {"names": {"a": ["Aisha"], "b": ["Emma"]}}}, data=data, model=FunctionModel(likes("he"), data))
    assert "fewer than 8 cases" in value(record, "term_flip_rate", terms="names").reason


def test_a_sensitive_column_is_set_to_its_other_values_without_being_named():
    data = dataset(letters(), BOTH, sensitive=["sex"])
    record = run_check(
        Probes, {}, data=data, model=FunctionModel(lambda frame: np.where(frame["sex"] == "F", 0.4, 0.6), data))
    assert record.status == "ok", record.traceback
    assert value(record, "column_flip_rate", column="sex").value == 1
    assert value(record, "column_effect", column="sex", to="M").value == pytest.approx(0.2)
    assert value(record, "replacement_flip_rate", input="letter").value == 0
    assert value(record, "replacement_flip_rate", input="form").value > 0.2


def test_the_nearest_opposite_differs_in_what_decides():
    table = pd.DataFrame({"sex": ["F", "M"] * 20, "age": np.repeat(np.arange(20), 2), "y": [0, 1] * 20})
    data = dataset(table, {"form": {"modality": "tabular", "columns": ["sex", "age"]}}, sensitive=["sex"])
    record = run_check(Probes, {}, data=data, model=FunctionModel(lambda frame: np.where(frame["sex"] == "F", 0.1, 0.9), data))
    rows = next(one for one in record.tables if one.id == "opposites").rows
    assert all(row[4] in ("sex F → M", "sex M → F") for row in rows)
    assert any("differ only in sex" in finding.headline for finding in record.findings)


@pytest.mark.parametrize("terms", [{"a": {"x": ["he"]}}, {"a": {"x": ["he"], "y": []}}, {"a": {"x": ["he"], "y": ["she", "her"]}},
                                   {"a": {"x": [" "], "y": ["she"]}}])
def test_terms_that_stand_for_nothing_are_refused(terms):
    data = dataset(letters(), TEXT)
    with pytest.raises(ConfigError, match="equally many terms|is empty"):
        run_check(Probes, {"terms": terms}, data=data, model=FunctionModel(likes("he"), data))


def test_a_regression_has_effects_and_no_flips():
    data = dataset(letters().assign(y=np.arange(80) / 3.0), BOTH, task="regression", sensitive=["sex"])
    record = run_check(Probes, {"terms": PRONOUNS}, data=data, model=FunctionModel(lambda frame: frame["age"] * likes("he")(frame), data))
    assert record.status == "ok", record.traceback
    assert not any("flip" in metric.name for metric in record.metrics)
    assert value(record, "term_swap_effect", terms="pronouns", to="female").high < -10


def test_whole_words_are_replaced_in_their_capitals():
    pronouns = TermGroups(PRONOUNS["pronouns"])
    assert pronouns.version("HE heard the hero and his cat.", "female") == "SHE heard the hero and her cat."
    assert pronouns.template("He left.") == pronouns.template("SHE left.")
    assert not pronouns.occurs_in("the hero")
    assert not pronouns.occurs_in(None)


def test_cases_are_found_in_a_table_whose_ids_are_called_otherwise():
    table = letters().assign(id=lambda frame: frame.index[::-1])  # a column of the table that is not the ids of the audit
    data = dataset(table, BOTH, sensitive=["sex"])
    record = run_check(Probes, {"terms": PRONOUNS}, data=data, model=FunctionModel(likes("he"), data))
    assert record.status == "ok", record.traceback
    effect = value(record, "term_swap_effect", terms="pronouns", to="female")
    assert effect.value == pytest.approx(-0.5)
    opposite = next(one for one in record.tables if one.id == "opposites").rows[0]
    at = dict(zip(data.roles["id"].astype(str), table["age"], strict=True))
    if "age " in opposite[4]:
        assert f"age {at[opposite[0]]} → {at[opposite[2]]}" in opposite[4]


def test_a_column_of_numbers_is_set_to_whole_numbers_as_people_write_them():
    data = dataset(letters().assign(age=lambda frame: frame["age"].astype(float)), BOTH)
    record = run_check(
        Probes, {"columns": ["age"]}, data=data, model=FunctionModel(lambda frame: frame["age"] / 100, data))
    to = [metric.args["to"] for metric in record.metrics if metric.name == "column_effect"]
    assert len(to) == 4
    assert all(str(value).isdigit() for value in to)
