"""Errors list a table's columns, but quote no case of a table without a header."""

import pandas as pd
import pytest

from raikit.data.guess import guess_roles
from raikit.data.headers import columns_there, count_values
from raikit.data.tables import read_table
from raikit.errors import DataError

PERSON = ["Jane Doe", "34", "F", "1"]


@pytest.mark.parametrize("names", [
    PERSON, ["Jane Doe", "34", "F"], ["Jane", "1987-04-01"], ["a", "jane@doe.org"], ["x", "+49 30 1234567"], ["$1,200.50", "yes"],
    ["a", "b" * 200], ["a", "1", "1"], ["a", "2"], ["a", "12", "13"],
])  # fmt: skip
def test_names_that_are_values_are_counted_and_not_quoted(names):
    assert count_values(names) >= 1
    sentence = columns_there(names, "target")
    assert not any(len(name) > 2 and name in sentence for name in names)
    assert "the first row must be the header" in sentence


@pytest.mark.parametrize("names", [
    ["age", "sex"], ["0", "1", "2"], ["label", "1", "2", "3"], ["country", "2018", "2019", "2021"], ["Q1", "x2"], ["", "y"], ["0"],
])  # fmt: skip
def test_names_that_are_names_are_listed(names):
    assert "Columns there: " in columns_there(names, "sax")


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
@pytest.mark.parametrize("read", [lambda path: read_table(path, ["y"]), lambda path: guess_roles(path, "y")])
def test_a_table_without_a_header_quotes_no_person(kind, read, tmp_path):
    table = pd.DataFrame([PERSON, ["Joe Roe", "35", "M", "0"]])
    path = tmp_path / f"people.{kind}"
    (table.to_csv if kind == "csv" else table.to_excel)(path, index=False, header=False)
    with pytest.raises(DataError, match="2 of its 4 columns are named like values") as caught:
        read(path)
    assert "Jane" not in str(caught.value) and "34" not in str(caught.value)
