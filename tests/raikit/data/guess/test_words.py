"""What a decision means is proposed where a name says it; everything else is a comment for a person."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from raikit.config.load import load
from raikit.data.guess.words import favourable_of
from raikit.scaffold.config import write_config


@pytest.fixture
def proposed(tmp_path):
    """Return the lines of a new audit.yaml, and its data section as it is read."""

    def proposed(**columns):
        pd.DataFrame(columns).to_csv(tmp_path / "t.csv", index=False)
        write_config(tmp_path / "t.csv", tmp_path / "audit.yaml")
        return (tmp_path / "audit.yaml").read_text().splitlines(), load(tmp_path / "audit.yaml").audit.data

    return proposed


def x(rows=120):
    return np.random.default_rng(0).normal(size=rows)


def line(lines, key):
    return next(text.partition("      #")[0] for text in lines if text.strip().startswith((f"# {key}:", f"{key}:")))


def test_a_target_that_names_a_good_decision_is_favourable_and_gets_labels(proposed):
    lines, data = proposed(sex=["F"] * 50 + ["M"] * 70, x=x(), loan_approved=[0, 1] * 60)
    assert data.favourable == 1
    assert line(lines, "reference") == "  # reference: {sex: M}"
    assert line(lines, "labels") == '  labels: {sex: {M: Men, F: Women}, loan_approved: {0: "not approved", 1: approved}}'
    assert line(lines, "unit") == "  # unit: applicant"
    assert (data.reference, data.unit.one) == ({}, "case")  # what is a comment decides nothing
    assert data.labels["sex"].values == {"F": "Women", "M": "Men"}  # words change no number


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"gender": ["Male", "Female"] * 60}, {"gender": (None, {"Male": "Men", "Female": "Women"})}),
        ({"female": [0, 1] * 60}, {"female": (None, {"0": "Men", "1": "Women"})}),
        ({"is_black": [True, False] * 60}, {"is_black": ("is black", {"true": "Black", "false": "not Black"})}),
        ({"marital_status": ["single", "married"] * 60}, {"marital_status": ("marital status", {})}),
        ({"sex": [0, 1] * 60}, {}),
        ({"sex": ["F", "M", "X"] * 40}, {}),
    ],
)  # fmt: skip
def test_obvious_codes_and_names_of_sensitive_columns_get_words(proposed, columns, says):
    _, data = proposed(**columns, x=x(), two_year_recid=[0, 0, 1] * 40)
    assert {column: (words.name, words.values) for column, words in data.labels.items()} == says


def test_the_proposals_hold_once_the_hash_is_deleted(proposed, tmp_path):
    lines, _ = proposed(sex=["F"] * 50 + ["M"] * 70, x=x(), loan_approved=[0, 1] * 60)
    keys = ("reference", "unit", "labels")
    uncommented = [text.replace("  # ", "  ", 1) if text.startswith(tuple(f"  # {key}:" for key in keys)) else text for text in lines]
    (tmp_path / "audit.yaml").write_text("\n".join(uncommented))
    data = load(tmp_path / "audit.yaml").audit.data
    assert (data.reference, data.unit.many) == ({"sex": "M"}, "applicants")
    assert data.labels["sex"].values == {"F": "Women", "M": "Men"}


def test_what_a_name_does_not_say_is_not_guessed(proposed):
    lines, data = proposed(sex=[0, 1] * 60, x=x(), two_year_recid=[0, 0, 1] * 40)
    assert data.favourable is None
    assert line(lines, "favourable") == "  # favourable: …"
    assert not any(text.strip().startswith("# reference") for text in lines)  # no group is the largest
    assert line(lines, "labels") == "  # labels: {sex: {F: Women, M: Men}}"  # an example: what 0 and 1 mean is unknown


@pytest.mark.parametrize(
    ("target", "classes", "favourable"),
    [
        ("approved", [0, 1], 1), ("is_hired", ["no", "yes"], "yes"), ("outcome", ["rejected", "hired"], "hired"),
        ("admitted", [False, True], True), ("default", [0, 1], None), ("outcome", ["hired", "promoted"], None),
        ("outcome", ["hired", "other"], None), ("arrest_approved_by", [0, 1], None), ("approved", ["a", "b"], None),
    ],
)  # fmt: skip
def test_only_two_opposite_decisions_or_a_name_say_which_is_good(target, classes, favourable):
    assert favourable_of(target, classes) == favourable
