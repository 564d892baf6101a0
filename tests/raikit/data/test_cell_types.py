"""Tests of `raikit.data.cell_types`: columns of numbers in which a few cells are something else are never guessed."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raikit.config.schema import DataConfig
from raikit.data.cell_types import MISSING_SPELLINGS, CellFormat, MixedColumn, check_text, infer_type, type_by_value
from raikit.data.dataset import Dataset
from raikit.data.tables import read_as_written, read_table
from raikit.errors import DataError

NUMBERS = [str(number / 4) for number in range(40)]


def written(write, cells, name="a.csv"):
    return write(name, "row;x\n" + "".join(f'{row};"{cell}"\n' for row, cell in enumerate(cells)))


@pytest.mark.parametrize("token", ["NA", "n/a", "-", "?", "NULL", "null", "None", "#N/A", ".", "unknown"])
@pytest.mark.parametrize("others", [NUMBERS, ["0", "1"], ["true", "false"]])
def test_a_missing_value_by_another_name_is_an_error_that_says_how_to_name_it(write, token, others):
    path = written(write, [*others, token, token])
    with pytest.raises(DataError, match="column 'x' holds") as caught:
        read_table(path)
    message = str(caught.value)
    assert f"2 of {len(others) + 2} cells" in message
    assert f"'{token}' (2)" in message
    assert "a.csv" in message and "data.missing: [" in message
    column = read_table(path, written=CellFormat(missing=(token,)))["x"]
    assert column.isna().tolist() == [False] * len(others) + [True, True]
    assert column.iloc[0] in (0.0, True)
    assert not isinstance(column.iloc[0], str)


@given(st.sampled_from(MISSING_SPELLINGS), st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=30, unique=True), st.randoms())
def test_no_spelling_of_a_missing_value_turns_numbers_into_labels(tmp_path_factory, token, numbers, random):
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    cells = [*map(str, numbers), token]
    random.shuffle(cells)
    path.write_text("x\n" + "".join(f'"{cell}"\n' for cell in cells))
    if token == "nan":  # a number of its own
        assert read_table(path)["x"].isna().sum() == 1
        return
    with pytest.raises(DataError, match="holds numbers"):
        read_table(path)
    read = read_table(path, written=CellFormat(missing=(token,)))["x"]
    assert read.tolist() == pytest.approx([float("nan") if cell == token else float(cell) for cell in cells], nan_ok=True)


@pytest.mark.parametrize(
    ("cells", "says"),
    [
        ([f"{number},5" for number in range(30)], 'data.decimal: ","'),
        (["1.234,5", "12,5", "7"], None),
        ([f"{number}.5" for number in range(30)] + ["about 7"], "'about 7' (1); correct them"),
        ([f"${number},000" for number in range(30)], "without a unit"),
        ([f"{number} %" for number in range(30)], "without a unit"),
        ([f"{number} kg" for number in range(30)], "without a unit"),
        ([f"'{number}.5'" for number in range(30)], "without a unit or quotation marks"),
        ([f"{number},000" for number in range(1, 9)], "without marks between thousands, or set data.decimal"),
        ([f"{number},234.5" for number in range(1, 9)], "without marks between thousands"),
        ([f"{number} 234,5" for number in range(1, 9)], "without marks between thousands"),
        ([f"{number}\u00a0234" for number in range(1, 9)], "without marks between thousands"),
        ([f"{number}.234,5" for number in range(1, 9)], 'data.decimal: ","'),
        (["0,123", "0,456"], 'data.decimal: ","'),
        (["0", "1", "0", "label"], "'label' (1); correct them"),
        (["3", "4", "5", "x"], "remove the row that repeats the header"),
    ],
)
def test_numbers_that_are_written_another_way_are_an_error(write, cells, says):
    path = written(write, cells)
    if says is None:
        read = read_table(path, written=CellFormat(decimal=","))["x"]
        assert read.tolist() == [1234.5, 12.5, 7.0]
        return
    with pytest.raises(DataError) as caught:
        read_table(path)
    assert says in str(caught.value)
    assert read_table(path, written=CellFormat(text=frozenset({"x"})))["x"].tolist() == cells


@pytest.mark.parametrize(
    "cells",
    [
        ["25-34", "35-44", "65+"], ["0", "1", "2", "3+"], ["A12", "13", "14"], ["02139", "NA", "10115"], ["x", "NA"],
        ["one", "2 or 3", "many"], ["10%", "20%"], ["1,2", "a"], ["0", "1", "2+"], ["1", "2", "other"], ["12 kg", "30 kg"],
        [f"{number}{'AB'[number % 2]}" for number in range(30)],
    ],
)  # fmt: skip
def test_labels_that_begin_with_digits_stay_labels(write, cells):
    assert read_table(written(write, cells))["x"].tolist() == cells


def test_ids_may_mix_numbers_and_text(write):
    cells = [*map(str, range(100)), "NA"]
    assert read_table(written(write, cells), written=CellFormat(mixed=frozenset({"x"})))["x"].tolist() == cells


def test_text_in_parquet_is_examined_too_and_numbers_may_stand_for_missing(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"age": ["39", "?", "50"], "code": ["1", "2", "3"], "income": [10, -999, 30]}), path)
    with pytest.raises(DataError, match="column 'age' holds numbers, but 1 of 3 cells"):
        read_table(path)
    read = read_table(path, written=CellFormat(missing=("?", "-999")))
    assert np.array_equal(read["age"], [39, np.nan, 50], equal_nan=True)
    assert np.array_equal(read["income"], [10, np.nan, 30], equal_nan=True)
    assert isinstance(read["code"].dtype, pd.StringDtype)


def test_how_a_table_is_written_can_be_found(write):
    rows = [f"{number},5;{token};{word}" for number, (token, word) in enumerate(zip(["NA", "?", *"12345678"] * 5, "ab" * 25, strict=True))]
    table, found, columns = read_as_written(write("a.csv", "x;y;z\n" + "\n".join(rows)))
    assert (found.missing, found.decimal, found.text) == (("NA", "?"), ",", frozenset())
    assert [error.column for error in columns] == ["x", "y"]
    assert table["x"].iloc[3] == 3.5 and table["y"].isna().sum() == 10 and table["z"].iloc[0] == "a"


@pytest.mark.parametrize("cells", [["0", "1", "NA", "1"], [0, 1, "NA", 1], pd.Series(["0", "1", "NA", "1"], dtype="string")])
def test_a_table_in_memory_is_examined_too(cells):
    table = pd.DataFrame({"y": cells, "sex": ["F", "M", "F", "M"]})
    config = DataConfig(path="(memory)", target="y", sensitive=["sex"])
    with pytest.raises(DataError, match=r"table: column 'y' holds numbers, but 1 of 4 cells hold something else: 'NA'"):
        Dataset.of(table, config)
    assert table["y"].iloc[2] == "NA"
    with pytest.raises(DataError, match=r"row 3 .* data\.target \(y\) is missing"):
        Dataset.of(table, config.model_copy(update={"missing": ["NA"]}))


def test_a_table_of_arrow_or_of_any_library_that_speaks_arrow_is_one(write):
    class Foreign:
        """A table of another library."""

        def __init__(self, table):
            self.__arrow_c_stream__ = table.__arrow_c_stream__

    table = pa.table({"y": [0, 1, 1, 0], "sex": pa.array(["F", "M", None, "M"]).dictionary_encode()})
    config = DataConfig(path="(memory)", target="y", sensitive=["sex"])
    for each in (table, Foreign(table), table.to_pandas()):
        assert Dataset.of(each, config).roles["sex"].isna().tolist() == [False, False, True, False]
    with pytest.raises(DataError, match="the table is a list; give a DataFrame"):
        Dataset.of([1, 2], config)


@pytest.mark.parametrize("cells", [
    ["1", "2", None], ["a", "b", " "], ["007", "7"], ["true", "False", ""], ["1", "NA"], ["age 1", "age 2"], ["-999", "1"],
    ["1,5", "2"], ["12%", "3%"], ["1e3", ".5"], ["", None], ["x", "1"], ["12abc", "1"], [str(number) for number in range(30)],
    [*(str(number) for number in range(30)), "12abc"], [str(number) for number in range(3000)],
])
@pytest.mark.parametrize("repeats", [1, 400])
@pytest.mark.parametrize("coded", [False, True])
def test_few_different_cells_give_the_type_that_all_cells_give(cells, repeats, coded):
    """Also where how many cells are of which kind decides: 29 of 30 numbers are a column of numbers, and 1 of 2 are not."""
    how = CellFormat(missing=("-999",))
    many = pa.array(cells * (1 if len(cells) > 1000 else repeats) + cells[:1], pa.string())
    column = pa.chunked_array([many, many.slice(0, 1)])
    for read in (infer_type, check_text):
        by_value = outcome(lambda read=read: type_by_value(column.dictionary_encode() if coded else column, "g", how, read))
        assert by_value == outcome(lambda read=read: read(column, "g", how))


def outcome(call):
    """Return the type and cells of a column, or what is wrong with it."""
    try:
        column = call()
    except MixedColumn as error:
        return str(error)
    return column.type, column.to_pylist()


def test_marks_between_thousands_are_not_taken_for_decimal_marks(write):
    rows = "\n".join(f'{number / 4};"{number},000"' for number in range(1, 40))
    table, found, columns = read_as_written(write("a.csv", f"x;y\n{rows}\n"))
    assert (found.decimal, found.text) == (".", frozenset({"y"}))
    assert table["x"].tolist() == [number / 4 for number in range(1, 40)]
    assert columns[0].meaning == "thousands"


@pytest.mark.parametrize(
    ("cells", "numbers"),
    [(["5.1", "5.10", "5.2"], True), (["1E10", "10E9", "3"], True), (["9e999", "1e999", "2.5"], True), (["+5", "5", "6"], True),
     (["1", "1.0", "2"], True), (["0.1", "0.10000000000000000001", "2"], True), (["5.1", "5.2", "nan"], False), (["1", "2", "3"], False),
     (["-1.5", "2.5", "0.5"], False)],
)  # fmt: skip
def test_names_that_are_one_number_are_kept_apart_as_text_and_quantities_are_numbers(write, cells, numbers):
    path = written(write, cells * 4)
    named = read_table(path, ["x"], CellFormat(labels=frozenset({"x"})))["x"]
    assert pd.api.types.is_numeric_dtype(named) is not numbers
    assert not numbers or named.tolist() == cells * 4
    assert pd.api.types.is_numeric_dtype(read_table(path, ["x"])["x"])


def test_too_many_numbers_for_groups_are_quantities_unless_they_name_clusters(write):
    path = written(write, [*(f"{number / 8}" for number in range(60)), "5.50"])
    name = frozenset({"x"})
    assert pd.api.types.is_numeric_dtype(read_table(path, ["x"], CellFormat(labels=name))["x"])
    assert not pd.api.types.is_numeric_dtype(read_table(path, ["x"], CellFormat(labels=name, mixed=name))["x"])


@pytest.mark.parametrize("role", ["sensitive", "cluster"])
def test_groups_and_clusters_that_are_one_number_are_kept_apart_and_named(write, role):
    rows = "".join(f"{row % 2},{('5.1', '5.10', '6')[row % 3]},{row % 5}\n" for row in range(90))
    path = write("a.csv", "y,code,other\n" + rows)
    config = DataConfig.model_validate({"path": "a.csv", "target": "y", "sensitive": ["other"]} | {role: ["code"]})
    data = Dataset.open(config, path.parent, error=lambda key, text: DataError(text), needs_inputs=False)
    assert sorted(data.roles["code"].unique()) == ["5.1", "5.10", "6"]
    assert any("code: '5.1' and '5.10' differ only in how a number is written" in note for note in data.notes)
