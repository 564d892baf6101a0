"""Tests of `raikit.data.tables` with the readers behind it: `table_format`, `csv_file` and `json_file`."""

from __future__ import annotations

import json
from decimal import Decimal
from functools import partial

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raikit.data import csv_file
from raikit.data.cell_types import CellFormat
from raikit.data.frames import fingerprint_of_table
from raikit.data.tables import column_names, read_table
from raikit.errors import DataError

text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00\r"), min_size=1, max_size=12)


@given(st.lists(text, min_size=1, max_size=8), st.sampled_from(",;\t|"))
def test_text_survives_csv(tmp_path_factory, values, delimiter):
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    written = ["x" + value for value in values]
    pd.DataFrame({"number": range(len(values)), "words": written}).to_csv(path, index=False, sep=delimiter)
    table = read_table(path)
    assert table["words"].tolist() == written
    assert table["number"].tolist() == list(range(len(values)))


@given(st.lists(st.none() | st.floats(allow_nan=False), min_size=1, max_size=8))
def test_numbers_survive_csv_bit_by_bit(tmp_path_factory, values):
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    frame = pd.DataFrame({"row": "r", "number": pd.Series(values, dtype="float64")})
    frame.to_csv(path, index=False)
    read = read_table(path)["number"]
    assert pd.to_numeric(read).astype("float64").equals(frame["number"])


@given(st.lists(st.none() | st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=6))
def test_whole_numbers_stay_apart_even_where_a_float_would_merge_them(tmp_path_factory, values):
    path = tmp_path_factory.mktemp("table") / "a.parquet"
    pq.write_table(pa.table({"n": pa.array(values, pa.int64())}), path)
    read = read_table(path)["n"]
    assert [None if pd.isna(value) else int(value) for value in read] == values


def test_in_csv_only_an_empty_cell_is_missing(write):
    table = read_table(write("a.csv", 'a,n\nNA,1.5\nnull,nan\nNone,\n"",2\n'))
    assert table["a"].tolist()[:3] == ["NA", "null", "None"]
    assert table["a"].isna().tolist() == [False, False, False, True]
    assert table["n"].isna().tolist() == [False, True, True, False]
    assert table["n"].dtype == np.float64


@pytest.mark.parametrize(
    ("cells", "read"),
    [
        (["2024-01-02", "2024-01-03"], ["2024-01-02", "2024-01-03"]),
        (["2024-01-02 10:00:00", "x"], ["2024-01-02 10:00:00", "x"]),
        (["10:30", "11:00"], ["10:30", "11:00"]),
        (["02139", "10115"], ["02139", "10115"]),
        (["12345678901234567890", "1"], ["12345678901234567890", "1"]),
        (["nan", "NaN"], ["nan", "NaN"]),
        (["true", "FALSE"], [True, False]),
        (["yes", "no"], ["yes", "no"]),
        (["1", " 2"], [1, 2]),
        (["0", "-3"], [0, -3]),
        (["0.5", "1e3"], [0.5, 1000.0]),
        (["1", " "], [1, None]),
        (["25-34", "35-44"], ["25-34", "35-44"]),
        (["0", "1", "2", "3+"], ["0", "1", "2", "3+"]),
        (["10%", "20%"], ["10%", "20%"]),
        (["007", "NA"], ["007", "NA"]),
    ],
)
def test_a_column_is_a_number_only_if_nothing_is_lost_by_it(write, cells, read):
    path = write("a.csv", "n,a\n" + "".join(f'{row},"{cell}"\n' for row, cell in enumerate(cells)))
    column = read_table(path)["a"]
    assert [None if pd.isna(cell) and not isinstance(cell, str) else cell for cell in column] == read


def test_a_column_that_turns_to_text_late_is_text_throughout(write):
    table = read_table(write("a.csv", "a\n" + "1\n" * 400_000 + "x\n"))
    assert table["a"].iloc[[0, -1]].tolist() == ["1", "x"]


@pytest.mark.parametrize(
    "content", ["a;b\n1;x\n", "a\tb\n1\tx\n", "\ufeffa,b\n1,x\n", "\n\na,b\r\n1,x\r\n", '"a";b\n1;x']
)
def test_what_spreadsheets_write_is_read(write, content):
    table = read_table(write("a.csv", content))
    assert table.to_dict("list") == {"a": [1], "b": ["x"]}


def test_a_comma_inside_a_quoted_name_is_no_separator(write):
    assert column_names(write("a.csv", '"a, b, c";d\n1;2\n')) == ["a, b, c", "d"]


def test_only_the_columns_asked_for_are_read_in_that_order(write, tmp_path):
    assert list(read_table(write("a.csv", "a,b,c\n1,2,3\n"), ["c", "a"]).columns) == ["c", "a"]
    pq.write_table(pa.table({"a": [1], "a.b": [2], "c": [3]}), tmp_path / "a.parquet")
    assert read_table(tmp_path / "a.parquet", ["c", "a.b"]).to_dict("list") == {"c": [3], "a.b": [2]}


FRAME = pd.DataFrame({"n": [1, 2, 3], "share": [0.5, None, 1.5], "code": ["007", "x", None], "late": [True, False, True]})


@pytest.mark.parametrize("suffix", ["csv.gz", "tsv.zst", "csv.bz2", "jsonl.gz", "json.zst"])
def test_compressed_text_is_read(tmp_path, suffix):
    kind, packing = suffix.split(".")
    if kind in ("csv", "tsv"):
        content = FRAME.to_csv(index=False, sep="\t" if kind == "tsv" else ",")
    else:
        content = FRAME.to_json(orient="records", lines=True)
    path = tmp_path / f"a.{suffix}"
    with pa.CompressedOutputStream(str(path), {"gz": "gzip", "zst": "zstd", "bz2": "bz2"}[packing]) as stream:
        stream.write(content.encode())
    assert column_names(path) == list(FRAME)
    pd.testing.assert_frame_equal(read_table(path), FRAME, check_dtype=False)


@pytest.mark.parametrize("suffix", ["feather", "arrow", "ipc", "xlsx"])
def test_tables_of_other_programs_are_read(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    table = pa.Table.from_pandas(FRAME)
    if suffix == "feather":
        FRAME.to_feather(path)
    elif suffix == "xlsx":
        FRAME.to_excel(path, index=False)
    else:
        writer = pa.ipc.new_file if suffix == "arrow" else pa.ipc.new_stream
        with writer(str(path), table.schema) as sink:
            sink.write_table(table)
    pd.testing.assert_frame_equal(read_table(path, ["late", "code", "n", "share"])[list(FRAME)], FRAME, check_dtype=False)


@pytest.mark.parametrize("orient", ["records", "columns", "index", "split", "table"])
def test_every_layout_of_pandas_that_names_its_columns_is_read(tmp_path, orient):
    path = tmp_path / "a.json"
    FRAME.to_json(path, orient=orient)
    pd.testing.assert_frame_equal(read_table(path, list(FRAME)), FRAME, check_dtype=False)
    assert set(column_names(path)) - {"index"} == set(FRAME)


def test_one_object_on_one_line_is_one_row(write):
    assert read_table(write("a.jsonl", '{"a": 1, "b": {"c": 2}}')).to_dict("records") == [{"a": 1, "b": {"c": 2}}]
    assert read_table(write("a.json", '{"a": 1, "b": "x"}')).to_dict("records") == [{"a": 1, "b": "x"}]


def test_two_columns_of_one_name_matter_only_if_they_are_used(write, tmp_path):
    path = write("a.csv", "a,b,a\n1,2,3\n")
    assert read_table(path, ["b"])["b"].tolist() == [2]
    with pytest.raises(DataError, match=r"a\.csv has two columns called 'a'"):
        read_table(path, ["a"])
    pq.write_table(pa.table([[1], [2], [3]], names=["a", "b", "a"]), tmp_path / "b.parquet")
    assert read_table(tmp_path / "b.parquet", ["b"])["b"].tolist() == [2]


@pytest.mark.parametrize("as_array", [False, True])
def test_json_has_every_field_that_any_row_has_and_dates_stay_text(write, as_array):
    rows = [{"day": "2024-01-02", "n": 1}, {"day": "2024-01-03T10:00:00", "n": None, "late": "x"}]
    content = json.dumps(rows) if as_array else "\n".join(map(json.dumps, rows))
    path = write("a.json" if as_array else "a.jsonl", content)
    assert column_names(path) == ["day", "n", "late"]
    table = read_table(path, ["late", "day"])
    assert table["day"].tolist() == ["2024-01-02", "2024-01-03T10:00:00"]
    assert table["late"].isna().tolist() == [True, False]


def test_parquet_keeps_its_types(tmp_path):
    table = pa.table(
        {
            "bytes": [b"\x01"],
            "n": [3],
            "price": pa.array([1.5]).cast(pa.decimal128(5, 2)),
            "kind": pa.array(["x"]).dictionary_encode(),
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    expected = [{"bytes": b"\x01", "n": 3, "price": 1.5, "kind": "x"}]
    read = read_table(tmp_path / "a.parquet")
    assert read.to_dict("records") == expected
    assert read["price"].dtype == np.float64
    assert isinstance(read["kind"].dtype, pd.StringDtype)


def test_a_column_that_pandas_had_for_an_index_is_a_column(tmp_path):
    pd.DataFrame({"case": ["c-1", "c-2"], "n": [1, 2]}).set_index("case").to_parquet(tmp_path / "a.parquet")
    assert read_table(tmp_path / "a.parquet").to_dict("list") == {"n": [1, 2], "case": ["c-1", "c-2"]}


def test_a_line_break_in_a_cell_is_no_new_row_wherever_the_file_is_cut(write, monkeypatch):
    monkeypatch.setattr(csv_file, "_LEAST_BLOCK", 64)
    cells = [f"one\ntwo {row}" for row in range(40)]
    path = write("a.csv", "n,a\n" + "".join(f'{row},"{cell}"\n' for row, cell in enumerate(cells)))
    assert read_table(path)["a"].tolist() == cells


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.csv", "", r"a\.csv is empty"),
        ("a.csv", "\ufeff \n", r"a\.csv is empty"),
        ("a.csv", "a,b\n", r"a\.csv has no rows"),
        ("a.csv", "a,b\n1,2\n\n3\n", r"a\.csv, line 4: 1 cell where the header has 2"),
        ("a.csv", 'a,b\n"1\n1",2\n3,4,5\n', r"a\.csv, line 4: 3 cells where the header has 2"),
        ("a.csv", 'a,b\n1,2\n"3,4\n5,6\n', r"a\.csv, line 3: .*quotation mark"),
        ("a.csv", "a,a\n1,2\n", r"a\.csv has two columns called 'a'"),
        ("a.csv", b"\x89PNG\x00\x00\n\x00", r"a\.csv is not a table: it holds binary data"),
        ("a.csv", "\n <html><body>\n", r"begins like a web page"),
        ("a.csv", b"a,b\n\xff\xfe,1\n", r"a\.csv is not UTF-8; save it as UTF-8"),
        ("a.csv", "a,b\n1,2\n".encode("utf-16"), r"UTF-16; save it as UTF-8"),
        ("a.csv", b"PK\x03\x04....", r"spreadsheet; export the sheet as CSV"),
        ("a.csv", b"PAR1....", r"rename it to \.parquet"),
        ("a.csv", "version https://git-lfs.github.com/spec/v1\n", r"git lfs pull"),
        ("a.parquet", b"not parquet", r"a\.parquet is not a Parquet file"),
        ("a.parquet", b"PAR1 cut off", r"a\.parquet .*damaged"),
        ("a.jsonl", "{", r"a\.jsonl.*not a valid JSON object"),
        ("a.jsonl", '{"a": 1}\n{"a": "x"}\n', r"column 'a' mixes number and string"),
        ("a.json", "[1, 2]", r"an array of objects"),
        ("a.json", '[{"a": 1}', r"a\.json cannot be read as JSON"),
        ("a.ods", "x", r"unsupported format; supported are \.csv"),
        ("a.parquet.gz", "x", r"unsupported format; supported are \.csv"),
        ("a.xlsx", "x", r"a\.xlsx is not an Excel file"),
        ("a.arrow", "x", r"a\.arrow is not an Arrow file"),
        ("a.csv.gz", "a,b\n1,2\n", r"a\.csv\.gz is damaged"),
        ("a.csv", b"\x1f\x8b\x08", r"it is compressed; end its name in \.gz"),
        ("a.json", '{"a": {"x": 1, "y": 2}, "b": {"x": 3}}', r"a\.json is one object, in none of pandas' layouts"),
        ("a.csv.gz", "a,b\n1,2\n", r"a\.csv\.gz is damaged or not compressed; if it is plain text, remove \.gz from its name"),
        ("a.csv", "sep=;\na;b\n1;2\n", r"a\.csv, line 1: 'sep=;' is for Excel alone; remove the line"),
        ("a.csv", "# exported\na,b\n1,2\n", r"a\.csv, line 2: 2 cells where line 1 has 1; the first line must be the header"),
        ("a.csv", "Report,,,\na,b,c,d\n1,2,3,4\n", r"a\.csv: 3 of 4 columns have no name; the first row must be the header"),
        ("a.csv", "a,b\nx,1\na,b\ny,2\n", r"a\.csv, row 2: this row repeats the header; remove it"),
        ("a.json", '[{"a": 1}, {"a": "x"}]', r"a\.json: column 'a' mixes number and string; use one type"),
        ("a.json", f'[{{"a": {2**64}}}]', r"a\.json: column 'a' holds integers of more than 64 bits; write them as text"),
        ("a.jsonl", f'{{"a": {2**63 + 1}}}\n{{"a": {2**63 + 2}}}\n', r"a\.jsonl: column 'a' holds integers of more than 64 bits"),
    ],
)
def test_what_is_no_table_is_one_sentence_that_says_why(write, name, content, says):
    with pytest.raises(DataError, match=says) as caught:
        read_table(write(name, content))
    assert "\n" not in str(caught.value)


def test_errors_do_not_quote_cells(write):
    with pytest.raises(DataError) as caught:
        read_table(write("a.csv", "a,b\nsecret,2,3\n"))
    assert "secret" not in str(caught.value)


def test_a_missing_file_a_folder_and_a_missing_column_are_named(tmp_path, write):
    with pytest.raises(DataError, match=r"there is no file or folder nope\.csv in "):
        read_table(tmp_path / "nope.csv")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(DataError, match=r"folder\.csv holds no table: a folder may hold"):
        read_table(tmp_path / "folder.csv")
    with pytest.raises(DataError, match=r"no column 'sexx' in a\.csv\. Did you mean 'sex'\? Columns there: age, sex"):
        read_table(write("a.csv", "sex,age\n1,2\n"), ["sexx"])


def test_the_fingerprint_of_a_table_depends_on_the_names_and_the_order_of_its_columns():
    table = pd.DataFrame({"a": [1, 2], "b": [3, 4]})
    assert fingerprint_of_table(table) == fingerprint_of_table(table.copy())
    for other in (table[["b", "a"]], table.rename(columns={"a": "c"}), table.rename(columns={"a": "b", "b": "a"})):
        assert fingerprint_of_table(other) != fingerprint_of_table(table)


@pytest.mark.parametrize(
    ("content", "line"),
    [("null", 1), (' null\n{"a": 1}', 1), ('{"a": 1}\nnull\n{"a": 2}', 2), ('{"a": 1}\n\n  null', 3), ("null\nnull", 1)],
)
def test_a_line_that_is_null_is_an_error_and_does_not_end_the_process(tmp_path, content, line):
    (tmp_path / "t.jsonl").write_text(content)
    with pytest.raises(DataError, match=rf"^t\.jsonl, line {line}: this is not a valid JSON object\.$"):
        read_table(tmp_path / "t.jsonl")


def test_a_null_inside_an_object_over_several_lines_is_missing(tmp_path):
    (tmp_path / "t.jsonl").write_text('{"a":\nnull\n, "b": 1}\n{"a": 2, "b": 3}')
    assert read_table(tmp_path / "t.jsonl")["a"].isna().tolist() == [True, False]


def test_text_in_parquet_is_the_same_whether_it_stands_there_as_codes_or_not(tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({
        "few": rng.choice(["a", "b", None], 5000), "number": rng.choice(["1", "2", "NA"], 5000),
        "many": [f"row {row}" for row in range(5000)], "n": rng.integers(0, 9, 5000),
    })  # fmt: skip
    written = CellFormat(missing=("NA",))
    for name, codes in (("codes", True), ("plain", False)):
        frame.to_parquet(tmp_path / f"{name}.parquet", use_dictionary=codes, row_group_size=1000)
    read = [read_table(tmp_path / f"{name}.parquet", written=written) for name in ("codes", "plain")]
    pd.testing.assert_frame_equal(*read)
    assert [str(kind) for kind in read[0].dtypes] == ["str", "float64", "str", "int64"]
    with pytest.raises(DataError, match="column 'number' holds numbers, but .* of 5,000 cells hold something else: 'NA'"):
        read_table(tmp_path / "codes.parquet")


def test_a_file_that_is_blank_in_one_column_of_the_header_is_read(write):
    assert column_names(write("a.csv", ",b,c\n0,1,2\n")) == ["", "b", "c"]


def test_large_unsigned_integers_with_gaps_stay_what_they_are(tmp_path):
    pq.write_table(pa.table({"k": pa.array([2**64 - 1, None, 2**64 - 2], pa.uint64())}), tmp_path / "a.parquet")
    assert read_table(tmp_path / "a.parquet")["k"].dropna().tolist() == [2**64 - 1, 2**64 - 2]


@pytest.mark.parametrize("quote", ['"', ""], ids=["quoted", "unquoted"])
def test_a_row_of_csv_may_be_longer_than_a_block(tmp_path, quote):
    long = "x" * 1_500_000
    rows = [f"{at},{quote}{long if at == 1 else 'short'}{quote}" for at in range(3)]
    (tmp_path / "t.csv").write_text("\n".join(["id,text", *rows]) + "\n", encoding="utf-8")
    table = read_table(tmp_path / "t.csv")
    assert table["id"].tolist() == [0, 1, 2]
    assert table["text"].tolist() == ["short", long, "short"]


@pytest.mark.parametrize("kind", ["csv", "parquet", "jsonl", "feather"])
def test_a_blank_cell_is_missing_in_every_format(tmp_path, kind):
    table = pd.DataFrame({"group": ["x", "", "  ", None, "y"], "code": ["1", "2", "", "3", "4"], "n": range(5)})
    path = tmp_path / f"table.{kind}"
    write = {"csv": partial(table.to_csv, index=False), "parquet": table.to_parquet, "feather": table.to_feather,
             "jsonl": partial(table.to_json, orient="records", lines=True)}  # fmt: skip
    write[kind](path)
    read = read_table(path)
    assert read["group"].isna().tolist() == [False, True, True, True, False]
    assert read["code"].isna().tolist() == [False, False, True, False, False]
    assert (read["code"].dtype == "str") == (kind != "csv"), "text of a file that has types stays text"


def test_columns_that_are_typed_on_threads_are_the_same(write, monkeypatch):
    path = write("a.csv", "n,code,word,flag\n" + "".join(f"{row},0{row},w{row % 3},{row % 2 == 0}\n" for row in range(500)))
    alone = read_table(path)
    monkeypatch.setattr("raikit.data.tables._MANY", 1)
    monkeypatch.setattr("pyarrow.cpu_count", lambda: 2)
    pd.testing.assert_frame_equal(read_table(path), alone)
    path = write("b.csv", "n,m\n" + "".join(f"{row},{row}\n" for row in range(500)) + "x,y\n")
    with pytest.raises(DataError, match="column 'n'"):
        read_table(path)


@pytest.mark.parametrize("write", [pq.write_table, pa.feather.write_feather])
@pytest.mark.parametrize("kind", [pa.decimal128(5, 2), pa.decimal128(38, 10), pa.decimal256(60, 4)])
def test_decimals_are_the_nearest_floats(tmp_path, write, kind):
    numbers = [f"{whole}.{tenths}" for whole in range(30) for tenths in (1, 3, 7)]
    table = pa.table({"x": pa.array([*map(Decimal, numbers), None]).cast(kind)})
    write(table, tmp_path / "a.parquet" if write is pq.write_table else tmp_path / "a.feather")
    read = next(iter(read_table(path)["x"] for path in tmp_path.iterdir()))
    assert read.tolist()[:-1] == list(map(float, numbers)) and np.isnan(read.iloc[-1])


def test_whole_decimals_are_integers_unless_they_are_too_large(tmp_path):
    codes = [2**53, 2**53 + 1, None]
    pq.write_table(pa.table({"x": pa.array(codes).cast(pa.decimal128(38, 0))}), tmp_path / "a.parquet")
    read = read_table(tmp_path / "a.parquet")["x"]
    assert [None if pd.isna(value) else int(value) for value in read] == codes
    pq.write_table(pa.table({"x": pa.array([Decimal(10**30), None])}), tmp_path / "b.parquet")
    assert read_table(tmp_path / "b.parquet")["x"].iloc[0] == 1e30


def test_times_finer_than_those_of_python_are_text(tmp_path):
    fine, coarse = (pa.array(times, pa.time64("ns")) for times in ([1, 2, None], [3_600_000_000_000, 1_000, None]))
    pq.write_table(pa.table({"fine": fine, "coarse": coarse}), tmp_path / "a.parquet")
    read = read_table(tmp_path / "a.parquet")
    assert read["fine"].tolist()[:2] == ["00:00:00.000000001", "00:00:00.000000002"]
    assert [time.isoformat() for time in read["coarse"].tolist()[:2]] == ["01:00:00", "00:00:00.000001"]


@pytest.mark.parametrize("suffix", ["jsonl", "json", "parquet", "feather"])
def test_text_that_is_not_utf_8_is_an_error_that_names_the_column(tmp_path, suffix):
    path = tmp_path / f"cases.{suffix}"
    cells = pa.array([b"a", b"\xef\xbf"]).view(pa.string())
    if suffix == "parquet":
        pq.write_table(pa.table({"id": [1, 2], "name": cells}), path)
    elif suffix == "feather":
        pa.feather.write_feather(pa.table({"id": [1, 2], "name": cells}), path)
    else:
        rows = [b'{"id": 1, "name": "a"}', b'{"id": 2, "name": "\xef\xbf"}']
        path.write_bytes(b"\n".join(rows) if suffix == "jsonl" else b"[" + b",".join(rows) + b"]")
    with pytest.raises(DataError, match="UTF-8|damaged"):
        read_table(path)
