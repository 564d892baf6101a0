"""Spreadsheets as other programs write them."""

from __future__ import annotations

import zipfile

import pytest
from openpyxl import Workbook

from raikit.data.tables import column_names, read_table
from raikit.errors import DataError
from raikit_fairness import assess


@pytest.fixture
def sheet(tmp_path):
    def sheet(*rows):
        book = Workbook()
        for row in rows:
            book.active.append(row)
        book.save(tmp_path / "cases.xlsx")
        return tmp_path / "cases.xlsx"

    return sheet


def test_a_formula_without_a_saved_value_is_refused_and_its_cell_is_named(sheet):
    path = sheet(["y", "sex"], [1, "F"], [0, '=IF(A3=1,"F","M")'])
    with pytest.raises(DataError, match=r"cases\.xlsx, cell B3: a formula without a saved value; open and save the file"):
        read_table(path)


def test_a_formula_without_a_saved_value_matters_only_in_a_column_that_is_used(sheet):
    path = sheet(["y", "sex", "total"], [1, "F", "=A2"], [0, "M", "=A3"])
    assert column_names(path) == ["y", "sex", "total"]
    assert read_table(path, ["y", "sex"])["sex"].tolist() == ["F", "M"]
    with pytest.raises(DataError, match=r"cell C2: a formula without a saved value"):
        read_table(path, ["y", "total"])


def test_a_formula_in_the_header_is_refused_because_it_may_name_a_column_that_is_used(sheet):
    with pytest.raises(DataError, match=r"cell B1: a formula without a saved value"):
        read_table(sheet(["y", "=A1"], [1, "F"]), ["y"])


def test_a_row_of_formulas_at_the_end_is_not_lost(sheet):
    with pytest.raises(DataError, match=r"cases\.xlsx, cell A3: a formula without a saved value"):
        read_table(sheet(["y", "sex"], [1, "F"], ["=A2", "=B2"]))


def test_a_formula_with_an_empty_text_is_a_missing_cell(sheet):
    # As Excel saves it: the cell says that it holds text, and the text is empty.
    path = sheet(["y", "sex"], [1, "F"], [0, '=""'])
    _replace(path, b'<c r="B3"><f>""</f><v /></c>', b'<c r="B3" t="str"><f>""</f><v></v></c>')
    assert read_table(path)["sex"].isna().tolist() == [False, True]


def _replace(path, old, new):
    with zipfile.ZipFile(path) as book:
        parts = {name: book.read(name) for name in book.namelist()}
    assert old in parts["xl/worksheets/sheet1.xml"]
    parts["xl/worksheets/sheet1.xml"] = parts["xl/worksheets/sheet1.xml"].replace(old, new)
    with zipfile.ZipFile(path, "w") as book:
        for name, content in parts.items():
            book.writestr(name, content)


def test_two_columns_of_one_name_are_refused_if_one_is_used_as_in_csv(sheet):
    path = sheet(["y", "yhat", "sex", "sex"], *[[row % 2, row % 2, "FM"[row % 2], "Z"] for row in range(8)])
    assert column_names(path) == ["y", "yhat", "sex", "sex"]
    assert read_table(path, ["y"])["y"].tolist() == [0, 1] * 4
    with pytest.raises(DataError, match="two columns called 'sex'"):
        assess(path, target="y", prediction="yhat", sensitive_features=["sex"])


def test_a_column_without_a_name_is_numbered(sheet):
    assert column_names(sheet(["y", None, 2020], [1, "a", 3])) == ["y", "Unnamed: 1", "2020"]
