"""The words of a configuration are about columns, groups and classes that the table holds."""

from __future__ import annotations

import pandas as pd
import pytest

from raikit.errors import ConfigError

TABLE = pd.DataFrame(
    {"y": [0, 1, 1, 0], "sex": ["F", "M", None, "F"], "smokes": [True, False, True, False], "age": [20, 30, 40, 50]}
)


def data(opened, labels, **more):
    sensitive = ["sex", "smokes", {"column": "age", "bins": [35]}]
    return opened(TABLE, sensitive=sensitive, labels=labels, **more)


def test_labels_reach_the_record_by_the_codes_of_addresses(opened):
    labels = {
        "sex": {"F": "Women", None: "not stated"}, "smokes": {True: "smokers"}, "age": {"name": "age in years", "values": {
            "[-inf, 35)": "under 35"}}, "y": {"name": "decision", "values": {"0": "refused", 1.0: "approved"}},
    }  # fmt: skip
    names = data(opened, labels, unit="applicant").describe().labels
    assert names.unit == ("applicant", "applicants")
    assert names.columns == {"age": "age in years", "y": "decision"}
    assert (names.value("sex", "F"), names.value("sex", "M"), names.value("sex", None)) == ("Women", "M", "not stated")
    assert (names.value("smokes", "true"), names.value("age", "[-inf, 35)")) == ("smokers", "under 35")
    assert [names.of_class(label) for label in (0, 1)] == ["refused", "approved"]


@pytest.mark.parametrize("written", [True, "true", 1, "1.0"])
def test_a_class_is_labelled_however_it_is_written(opened, written):
    assert data(opened, {"y": {written: "approved"}}).labels.of_class(1) == "approved"


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        ({"sx": {"F": "Women"}}, r"data\.labels\.sx: no column 'sx' has a role in this audit\. Did you mean 'sex'\?"),
        ({"sex": {"f": "Women"}}, r"data\.labels\.sex\.f: no value of 'sex' is 'f'\..* Values: F, M\."),
        ({"y": {2: "open"}}, r"data\.labels\.y\.2: no value of 'y' is '2'\. Values: 0, 1\."),
        ({"age": {"20": "twenty"}}, r"data\.labels\.age\.20: no value of 'age' is '20'\."),
        ({"sex": {"F": "M"}}, r"data\.labels\.sex\.F: the label 'M' is another value of 'sex'"),
        ({"sex": "gender", "smokes": "gender"}, r"data\.labels\.smokes: 'sex' and 'smokes' have the same name 'gender'"),
        ({"sex": "smokes"}, r"data\.labels\.sex: 'sex' and 'smokes' have the same name 'smokes'"),
    ],
)
def test_a_label_of_something_else_is_named_with_its_key(opened, labels, says):
    with pytest.raises(ConfigError, match=says):
        data(opened, labels)


def test_codes_may_be_swapped_as_long_as_all_have_a_label(opened):
    names = data(opened, {"sex": {"F": "M", "M": "F"}}).labels
    assert (names.value("sex", "F"), names.value("sex", "M")) == ("M", "F")


def test_an_input_has_a_name_without_a_column_of_that_name(opened):
    inputs = {"form": {"modality": "tabular", "columns": ["age"]}}
    assert data(opened, {"form": "form fields"}, inputs=inputs).labels.column("form") == "form fields"
    with pytest.raises(ConfigError, match=r"data\.labels\.form: 'form' is an input and no column"):
        data(opened, {"form": {"a": "b"}}, inputs=inputs)
    with pytest.raises(ConfigError, match="have the same name 'sex'"):
        data(opened, {"form": "sex"}, inputs=inputs)
