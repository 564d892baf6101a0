"""`data.unit` and `data.labels`: the short and the long form say the same, and mistakes are named."""

from __future__ import annotations

import pytest

from raikit.config.load import load
from raikit.config.schema import AuditConfig
from raikit.errors import ConfigError

CONFIG = """\
name: loans
data:
  path: loans.csv
  target: y
  {line}
model: {{load: {{kind: predictions, prediction: p}}}}
"""


@pytest.fixture
def data_with(tmp_path):
    def data_with(line):
        (tmp_path / "audit.yaml").write_text(CONFIG.format(line=line))
        return load(tmp_path / "audit.yaml").audit.data

    return data_with


def test_without_these_keys_cases_are_cases_and_nothing_has_a_label(data_with):
    data = data_with("id: i")
    assert (data.unit.one, data.unit.many, data.labels) == ("case", "cases", {})


@pytest.mark.parametrize(
    ("written", "many"),
    [("applicant", "applicants"), ("query", "queries"), ("person", "people"), ("{one: Fall, many: Fälle}", "Fälle")],
)
def test_the_plural_follows_by_rule_or_is_given(data_with, written, many):
    assert data_with(f"unit: {written}").unit.many == many


@pytest.mark.parametrize(
    ("written", "name", "values", "missing"),
    [
        ("{F: Women, M: Men}", None, {"F": "Women", "M": "Men"}, None),
        ("{0: refused, 1: approved, null: open}", None, {"0": "refused", "1": "approved"}, "open"),
        ("{true: smokers, 2.0: two}", None, {"true": "smokers", "2": "two"}, None),
        ("gender", "gender", {}, None),
        ("{name: gender, values: {F: Women, null: unknown}}", "gender", {"F": "Women"}, "unknown"),
        ("{values: {name: Name}, missing: unknown}", None, {"name": "Name"}, "unknown"),
        ("{F: 2020}", None, {"F": "2020"}, None),
    ],
)
def test_both_forms_give_values_as_addresses_have_them(data_with, written, name, values, missing):
    data = data_with(f"labels: {{sex: {written}}}")
    labels = data.labels["sex"]
    assert (labels.name, labels.values, labels.missing) == (name, values, missing)
    assert type(data).model_validate(data.model_dump(mode="json")) == data  # as a child process gets it


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("labels: {sex: {F: People, M: People}}", "line 5: data.labels.sex: 'F' and 'M' have the same label 'People'"),
        ("labels: {sex: {F: unknown, null: unknown}}", "'F' and 'null' have the same label 'unknown'"),
        ('labels: {sex: {1: Women, "1": Men}}', "data.labels.sex: the value '1' has two labels"),
        ("labels: {sex: {values: {F: Women}, M: Men}}", "data.labels.sex: the value 'M' stands beside `values`"),
        ('labels: {sex: {F: ""}}', "a label is one line of 1 to 100 characters"),
        ('labels: {sex: {F: "a\\nb"}}', "a label is one line of 1 to 100 characters"),
        ("labels: {sex: {F: [Women]}}", "data.labels.sex.values.F"),
        ("labels: {sex: {noun: applicants}}", "data.labels.sex: `noun` has {} once, where the label of a group stands"),
        ("unit: {one: person}", "data.unit.many is required"),
        ("unit: ''", "data.unit.one: a label is one line"),
    ],
)
def test_what_is_no_label_is_named_in_one_sentence(data_with, line, says):
    with pytest.raises(ConfigError) as error:
        data_with(line)
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_editors_accept_both_forms():
    properties = AuditConfig.model_json_schema()["$defs"]["DataConfig"]["properties"]
    assert {"type": "string"} in properties["unit"]["anyOf"]
    forms = properties["labels"]["additionalProperties"]["anyOf"]
    assert {form.get("type", "a model") for form in forms} == {"string", "object", "a model"}
