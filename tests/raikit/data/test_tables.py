import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raikit.data.tables import column_names, read_table
from raikit.errors import DataError

cells = st.text(
    st.characters(blacklist_categories=["Cs"], blacklist_characters="\x00\r\n"), min_size=1, max_size=12
).filter(lambda cell: not cell.strip().lstrip("+-").replace(".", "").replace("e", "").isdigit())


@pytest.fixture
def write(tmp_path):
    def write(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@given(st.lists(cells, min_size=1, max_size=8))
def test_text_survives_csv(tmp_path_factory, values):
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    pd.DataFrame({"n": range(len(values)), "text": ["x" + value for value in values]}).to_csv(path, index=False)
    assert read_table(path)["text"].tolist() == ["x" + value for value in values]


def test_in_csv_only_an_empty_cell_is_missing(write):
    table = read_table(write("a.csv", "a,n\nNA,1.5\nnull,nan\nNone,\n,2\n"))
    assert table["a"].tolist()[:3] == ["NA", "null", "None"]
    assert table["a"].isna().tolist() == [False, False, False, True]
    assert table["n"].isna().tolist() == [False, True, True, False]


def test_what_looks_like_a_date_stays_text(write):
    assert read_table(write("a.csv", "d,t\n2024-01-02,2024-01-02 10:00:00\n"))["d"].tolist() == ["2024-01-02"]


@pytest.mark.parametrize("text", ["a;b\n1;x\n", "a\tb\n1\tx\n", "\ufeffa,b\n1,x\n"])
def test_spreadsheets_of_half_of_the_world_are_read(write, text):
    table = read_table(write("a.csv", text))
    assert (list(table.columns), table["a"].tolist(), table["b"].tolist()) == (["a", "b"], [1], ["x"])


def test_a_column_that_turns_to_text_late_is_text_throughout(write):
    table = read_table(write("a.csv", "a\n" + "1\n" * 400_000 + "x\n"))
    assert table["a"].iloc[0] == "1"
    assert table["a"].iloc[-1] == "x"


def test_only_the_columns_asked_for_are_read(write):
    assert list(read_table(write("a.csv", "a,b,c\n1,2,3\n"), ["c", "a"]).columns) == ["c", "a"]
    assert column_names(write("b.jsonl", '{"x": 1, "y": "a"}\n')) == ["x", "y"]
    assert read_table(write("b.jsonl", '{"x": 1, "y": "a"}\n'))["y"].tolist() == ["a"]


def test_parquet_keeps_its_types(tmp_path):
    pq.write_table(pa.table({"b": [b"\x01"], "n": [3]}), tmp_path / "a.parquet")
    assert read_table(tmp_path / "a.parquet").to_dict("records") == [{"b": b"\x01", "n": 3}]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.csv", "", "is empty"),
        ("a.csv", "a,b\n", "has no rows"),
        ("a.csv", "a,b\n1,2\n3\n", "no table"),
        ("a.csv", "a,a\n1,2\n", "two columns are called 'a'"),
        ("a.csv", b"\x89PNG\x00\x00\n\x00", "no table|UTF-8"),
        ("a.csv", "<html><body>\n", "begins with markup"),
        ("a.csv", b"a,b\n\xff\xfe,1\n", "UTF-8|utf-8|UTF8"),
        ("a.parquet", b"not parquet", "no table that can be read"),
        ("a.jsonl", "{", "no table that can be read"),
        ("a.xlsx", "x", "must end in"),
    ],
)
def test_what_is_no_table_is_one_clear_sentence(write, name, content, says):
    with pytest.raises(DataError, match=says) as caught:
        read_table(write(name, content))
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    with pytest.raises(DataError, match=r"there is no file .*nope\.csv"):
        read_table(tmp_path / "nope.csv")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(DataError, match="is a folder"):
        read_table(tmp_path / "folder.csv")
