"""Texts are in the words in use, records in the codes of the data."""

import pytest

from raikit import format as fmt
from raikit.naming import DisplayNames, names_in_use, plural_of, using

NAMES = DisplayNames(
    unit=("applicant", "applicants"),
    columns={"race": "ethnicity"},
    values={"sex": {"F": "Women", "M": "M: Men"}, "smokes": {"true": "smokers"}},
    nouns={"race": "{} applicants"},
    missing={"sex": "not stated"},
    classes={"1": "approved"},
)


def test_groups_columns_classes_and_cases_are_written_in_the_words_in_use():
    with using(NAMES):
        assert fmt.group_text(["sex", "race"], {"sex": "F", "race": None}) == "sex: Women, ethnicity: missing"
        assert fmt.group_text(["sex"], {"sex": None}) == "sex: not stated"
        assert fmt.group_text(["sex"], {"sex": "M"}) == "sex: “M: Men”"  # quoted, as a value of the data would be
        assert fmt.group_text(["sex", "race"], None) == "sex and ethnicity"
        assert fmt.value_text("smokes", True) == "smokers"
        assert [fmt.class_text(label) for label in (1, 1.0, "1", 0)] == ["approved", "approved", "approved", "0"]
        assert (fmt.cases(1), fmt.sample_size(1200), fmt.case_noun()) == ("1 applicant", "1,200 applicants", "applicants")
        assert fmt.stored_group({"sex": "F", "race": None}) == "sex: F, race: missing"


def test_a_group_of_one_column_may_have_a_noun():
    with using(NAMES):
        assert fmt.group_name({"race": "B"}) == fmt.group_cases({"race": "B"}) == "B applicants"
        assert fmt.group_name({"race": None}) == "ethnicity: missing"
        assert fmt.group_cases({"race": "B", "smokes": "false"}) == "B applicants with smokes: false"
        assert fmt.group_cases({"smokes": "false", "age": 30}) == "applicants with smokes: false, age: 30"
        assert fmt.group_name({"sex": None}) == "not stated"


WORDS = DisplayNames(
    unit=("query", "queries"),
    values={"sex": {"F": "Women", "M": "Men"}, "income": {"1": "low"}},
    nouns={"race": "{} people", "age": "people aged {}", "accent": "queries in a {} accent", "skin": "drawings with {} skin",
           "voice": "{} voices", "drawn": "drawings of a {}"},
    missing={"voice": "no voice", "accent": "no voice"},
)  # fmt: skip


@pytest.mark.parametrize(
    ("group", "cases", "name", "label"),
    [
        ({"voice": None}, "queries with no voice", "no voice", "no voice"),
        ({"sex": "F"}, "Women", "Women", "Women"),
        ({"income": 1}, "queries with income: low", "income: low", "income: low"),
        ({"race": "Black", "sex": "M", "age": "18 to 25"}, "Black men aged 18 to 25", None, "Black people, Men, aged 18 to 25"),
        ({"skin": "dark", "accent": "Scottish"}, "queries in a Scottish accent and with drawings with dark skin", None, "dark skin, Scottish accent"),
        ({"voice": "male", "drawn": "man"}, "queries with male voices and with drawings of a man", None, "male voices, man"),
        ({"skin": "dark", "voice": None}, "drawings with dark skin and with no voice", None, "dark skin, no voice"),
        ({"voice": None, "accent": None}, "queries with no voice", None, "no voice"),
        ({"race": "Other", "sex": "F"}, "“Other” women", None, "“Other” people, Women"),
        ({"sex": "M", "zip": "[1, 2)"}, "Men with zip: [1, 2)", None, "Men, zip: [1, 2)"),
        ({"zip": 1, "town": None}, "queries with zip: 1, town: missing", "zip: 1, town: missing", "zip: 1, town: missing"),
    ],
)
def test_intersections_and_missing_groups_read_as_noun_phrases(group, cases, name, label):
    with using(WORDS):
        assert (fmt.group_cases(group), fmt.group_name(group), fmt.group_label(group)) == (cases, name or cases, label)


def test_the_words_end_with_the_block_even_if_it_fails():
    with pytest.raises(ZeroDivisionError), using(NAMES):
        1 / 0
    assert names_in_use() == DisplayNames()
    assert fmt.group_text(["sex"], {"sex": "F"}) == "sex: F"


@pytest.mark.parametrize(
    ("one", "many"),
    [("case", "cases"), ("box", "boxes"), ("search", "searches"), ("boy", "boys"), ("story", "stories"), ("job child", "job children")],
)
def test_plural(one, many):
    assert plural_of(one) == many
