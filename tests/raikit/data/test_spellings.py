from __future__ import annotations

import pandas as pd
import pytest

from raikit import Dataset
from raikit.config.schema import DataConfig
from raikit.data.spellings import find_lookalikes, lookalike_note


@pytest.mark.parametrize(
    ("values", "pairs", "difference"),
    [
        (["F", " F ", "M"], [("F", " F ")], "'F' and ' F ' differ only in spaces"),
        (["F", "f"], [("F", "f")], "'F' and 'f' differ only in upper and lower case"),
        (["Caf\u00e9", "Cafe\u0301"], [("Caf\u00e9", "Cafe\u0301")], r"'Caf\xe9' and 'Cafe\u0301' differ only in their Unicode form"),
        (["A1", "\uff21\uff11"], [("A1", "\uff21\uff11")], r"'A1' and '\uff21\uff11' differ only in their Unicode form"),
        (["a b", "A\u00a0 B"], [("a b", "A\u00a0 B")], "differ only in spaces, case or Unicode form"),
        (["a\u00a0b", "a b"], [("a\u00a0b", "a b")], "differ only in spaces"),
        (["F", "F\u200b"], [("F", "F\u200b")], r"'F' and 'F\u200b' differ only in characters that cannot be seen"),
        (["F", "\ufeffF"], [("F", "\ufeffF")], "differ only in characters that cannot be seen"),
        (["STRASSE", "Straße"], [("STRASSE", "Straße")], "differ only in upper and lower case"),
    ],
)
def test_values_that_are_alike_are_named(values, pairs, difference):
    assert find_lookalikes(values) == pairs
    assert difference in lookalike_note("who", values)


@pytest.mark.parametrize("values", [["F", "M", None], [1, 1.5, True], ["a b", "ab"], ["résumé", "resume"]])
def test_values_that_differ_in_more_are_not(values):
    assert lookalike_note("who", values) is None


def test_of_many_pairs_the_first_are_named():
    note = lookalike_note("who", [letter + space for letter in "ABCDE" for space in ("", " ")])
    assert "'C' and 'C '" in note
    assert "(and 2 more)" in note
    assert "'D'" not in note


@pytest.mark.parametrize(("role", "kind"), [("sensitive", "group"), ("cluster", "cluster")])
def test_the_record_has_a_note_on_groups_and_clusters(role, kind):
    table = pd.DataFrame({"y": [0, 1, 0, 1], "who": ["F", " F ", "M", "M"], "sex": ["a", "b", "a", "b"]})
    data = Dataset.of(table, DataConfig.model_validate({"path": "-", "target": "y", role: ["who"]}))
    assert any(note.startswith(f"who: 'F' and ' F ' differ only in spaces, yet each is a {kind}") for note in data.describe().notes)


def test_the_record_has_a_note_on_classes():
    table = pd.DataFrame({"y": ["yes", "no", "Yes", "no"], "sex": ["a", "b", "a", "b"]})
    data = Dataset.of(table, DataConfig(path="-", target="y", sensitive=["sex"]))
    assert any("target y: 'Yes' and 'yes' differ only in upper and lower case" in note for note in data.notes)


def test_a_group_called_missing_beside_missing_cells_is_named():
    note = "sex: some cells hold 'missing' and others are missing, yet each is a group of its own; write them alike."
    assert lookalike_note("sex", ["missing", "F", None]) == note
    assert lookalike_note("sex", ["missing", "F", float("nan")]) == note
    assert lookalike_note("sex", ["missing", "F"]) is lookalike_note("sex", ["F", None]) is None


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (["F", "NULL", "M"], "'NULL' is a group of its own; if it means a missing value, leave such cells empty or set data.missing: [NULL]."),
        (["F", "?"], "set data.missing: ['?']."),
        (["F", "n/a", " NA "], "'n/a' and ' NA ' are groups of their own; if they mean a missing value, leave such cells empty"),
        (["F", "n/a", " NA "], "set data.missing: ['n/a', ' NA ']."),
        (["F", "\u200b"], r"'\u200b' is a group of its own; if it means a missing value, leave such cells empty."),
    ],
)
def test_a_text_that_stands_for_a_missing_value_is_named(values, says):
    assert says in lookalike_note("sex", values)


def test_none_and_unknown_may_be_groups():
    assert lookalike_note("religion", ["none", "unknown", "other", "N"]) is None


def test_placeholders_and_lookalikes_are_both_named():
    note = lookalike_note("sex", ["F", "f", "null"])
    assert "'F' and 'f' differ only in upper and lower case" in note
    assert note.endswith("sex: 'null' is a group of its own; if it means a missing value, leave such cells empty or set data.missing: [null].")


@pytest.mark.parametrize(("role", "kind"), [("sensitive", "group"), ("cluster", "cluster")])
def test_the_record_names_placeholders_among_groups_and_clusters(role, kind):
    table = pd.DataFrame({"y": [0, 1, 0, 1], "who": ["F", "NULL", "M", "M"], "sex": ["a", "b", "a", "b"]})
    data = Dataset.of(table, DataConfig.model_validate({"path": "-", "target": "y", role: ["who"]}))
    assert any(note.startswith(f"who: 'NULL' is a {kind} of its own") for note in data.describe().notes)


@pytest.mark.parametrize(("one", "other"), [("5.1", "5.10"), ("1E10", "10e9"), ("7", "007"), ("+3", "3"), ("0", "-0")])
def test_texts_that_are_one_number_are_named(one, other):
    note = lookalike_note("code", [one, other])
    assert note == (f"code: '{one}' and '{other}' differ only in how a number is written, yet each is a group of its own; "
                    "write them alike if they mean the same.")


def test_texts_that_only_floats_take_for_one_number_are_not_alike():
    assert lookalike_note("code", ["9e999", "1e999", "10000000000000000001", "10000000000000000002", "1e9999999", "5.1.0", "5.1"]) is None
