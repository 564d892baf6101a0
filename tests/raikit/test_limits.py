"""What is larger, deeper or of another kind than what is read is refused before it is read, by a sentence that says how to read it."""

from __future__ import annotations

import gzip
import io
import json
import os
import socket
import tarfile
import zipfile

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import feather

from raikit import limits
from raikit.cli import main
from raikit.config.schema import DataConfig
from raikit.data.roles import find_table
from raikit.data.tables import column_names, read_table
from raikit.errors import ConfigError, DataError, LimitError, RunError
from raikit.files import canonical, sha256_text
from raikit.gate.baseline_file import open_file
from raikit.remote import fetch
from raikit.run import manifest
from raikit.run.reader import load_run


@pytest.fixture(autouse=True)
def few(monkeypatch):
    """Set limits that small files exceed."""
    for name, limit in {"ROWS": "100000", "COLUMNS": "50", "MEGABYTES": "4"}.items():
        monkeypatch.setenv(f"RAIKIT_MAX_{name}", limit)
    limits.configure()
    yield
    limits.configure()


def refused(path, unit):
    with pytest.raises(LimitError) as error:
        read_table(path)
    said = str(error.value)
    assert path.name in said or path.is_dir()
    assert f"raise data.max_{unit}, or set RAIKIT_MAX_{unit.upper()}." in said


# --- kinds of files ---------------------------------------------------------------------------------------------


def make_socket(path):
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind(str(path))


@pytest.mark.parametrize("make", [os.mkfifo, make_socket, lambda path: path.symlink_to("/dev/zero")])
def test_only_regular_files_are_read(tmp_path, make, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the address of a socket must be short
    for name in ("a.csv", "b.parquet", "c.tar", "d.eval"):
        make((tmp_path / name).relative_to(tmp_path))
        with pytest.raises(LimitError, match=r"only regular files are read\.$"):
            read_table(tmp_path / name)


def test_pipes_and_loops_in_a_folder_are_left_out(tmp_path):
    (tmp_path / "a.csv").write_text("x,y\n1,2\n")
    os.mkfifo(tmp_path / "b.csv")
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "c.csv").symlink_to("c.csv")
    assert len(read_table(tmp_path)) == 1


def test_folders_inside_folders_without_end_are_refused(tmp_path):
    (tmp_path / "/".join("a" * 120)).mkdir(parents=True)
    with pytest.raises(LimitError, match="more than the 100 levels of nesting"):
        read_table(tmp_path)


@pytest.mark.parametrize("content", ["splits", "data"])
def test_a_saved_data_set_names_nothing_outside_its_folder(tmp_path, content):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "state.json").write_text('{"_data_files": [{"filename": "a.arrow"}]}')
    feather.write_feather(pd.DataFrame({"x": [1]}), outside / "a.arrow")
    folder = tmp_path / "set"
    folder.mkdir()
    if content == "splits":
        (folder / "dataset_dict.json").write_text('{"splits": ["../outside"]}')
    else:
        (folder / "state.json").write_text('{"_data_files": [{"filename": "../outside/a.arrow"}]}')
    with pytest.raises(Exception, match="names a (folder|file) outside"):
        read_table(folder)


# --- sizes ------------------------------------------------------------------------------------------------------


def test_parquet_with_many_rows_is_refused_by_its_footer(tmp_path):
    pq.write_table(pa.table({"x": np.zeros(100_001, dtype=np.int8)}), tmp_path / "a.parquet")
    refused(tmp_path / "a.parquet", "rows")


def test_parquet_with_many_cells_is_refused_by_its_footer(tmp_path):
    pq.write_table(pa.table({f"x{at}": np.zeros(90_000) for at in range(8)}), tmp_path / "a.parquet")
    assert (tmp_path / "a.parquet").stat().st_size < 10_000
    refused(tmp_path / "a.parquet", "megabytes")
    assert len(read_table(tmp_path / "a.parquet", ["x1"])) == 90_000  # its other columns are not read


def test_parquet_with_long_lists_is_refused_by_its_footer(tmp_path):
    pq.write_table(pa.table({"x": [[0] * 600_000]}), tmp_path / "a.parquet")
    refused(tmp_path / "a.parquet", "megabytes")


def test_parquet_that_repeats_a_long_text_is_refused(tmp_path):
    codes = pa.DictionaryArray.from_arrays(pa.array(np.zeros(50_000, dtype=np.int32)), ["x" * 200_000])
    pq.write_table(pa.table({"x": codes}), tmp_path / "a.parquet")
    assert (tmp_path / "a.parquet").stat().st_size < 30_000
    with pytest.raises(LimitError, match=r"10,000 megabytes, more than the 4 that are read"):
        read_table(tmp_path / "a.parquet")


def test_many_columns_are_refused(tmp_path):
    names = [f"x{at}" for at in range(51)]
    frame = pd.DataFrame([range(51)], columns=names)
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.to_parquet(tmp_path / "a.parquet")
    frame.to_json(tmp_path / "a.json", orient="records")
    frame.to_json(tmp_path / "a.jsonl", orient="records", lines=True)
    frame.to_feather(tmp_path / "a.feather")
    (tmp_path / "b.csv").write_text(",".join(names) + "\n")
    (tmp_path / "b.jsonl").write_text("".join(f'{{"x{at}": 1}}\n' for at in range(51)))
    (tmp_path / "sub").mkdir()
    frame.to_csv(tmp_path / "sub" / "year=2024.csv", index=False)
    for name in ("a.csv", "a.parquet", "a.json", "a.jsonl", "a.feather", "b.csv", "b.jsonl", "sub"):
        refused(tmp_path / name, "columns")


def test_compressed_text_is_unpacked_no_further_than_the_limit(tmp_path):
    content = b"x,y\n" + b"1,22222222222222222222\n" * 200_000
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(content))
    (tmp_path / "a.csv.zst").write_bytes(pa.compress(content, codec="zstd", asbytes=True))
    (tmp_path / "b.csv.gz").write_bytes(gzip.compress(b"x" * 50_000_000))
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(b'{"x": 1}\n' * 600_000))
    (tmp_path / "c.csv.gz").write_bytes(gzip.compress(b"x,y\n" + b",\n" * 400_000))
    for name in ("a.csv.gz", "a.csv.zst", "b.csv.gz", "a.jsonl.gz", "c.csv.gz"):
        refused(tmp_path / name, "megabytes")


def test_text_with_many_short_cells_is_refused(tmp_path):
    (tmp_path / "a.csv").write_text("a,b,c\n" + ",,\n" * 300_000)
    refused(tmp_path / "a.csv", "megabytes")
    (tmp_path / "a.json").write_text("[" + "{},\n" * 70_000 + "{}]")
    refused(tmp_path / "a.json", "megabytes")


def test_objects_with_fields_of_their_own_are_refused(tmp_path):
    (tmp_path / "a.jsonl").write_text("".join(f'{{"x{at % 49}": 1}}\n' for at in range(60_000)))
    refused(tmp_path / "a.jsonl", "megabytes")


@pytest.mark.parametrize("codec", ["zstd", "lz4"])
def test_compressed_arrow_is_refused_by_its_messages(tmp_path, codec):
    table = pa.table({"x": np.zeros(90_000), "y": np.zeros((90_000, 6)).tolist()})
    feather.write_feather(table, tmp_path / "a.feather", compression=codec)
    refused(tmp_path / "a.feather", "megabytes")
    options = pa.ipc.IpcWriteOptions(compression=codec)
    with pa.ipc.new_stream(tmp_path / "a.arrow", table.schema, options=options) as writer:
        writer.write_table(table)
    refused(tmp_path / "a.arrow", "megabytes")
    codes = pa.DictionaryArray.from_arrays(pa.array([0]), ["x" * 5_000_000])
    feather.write_feather(pa.table({"x": codes}), tmp_path / "b.feather", compression=codec)
    refused(tmp_path / "b.feather", "megabytes")


def test_arrow_within_the_limits_is_read(tmp_path):
    table = pa.table({"x": np.arange(1000.0), "y": pa.array(["a", None] * 500).dictionary_encode()})
    for codec in ("zstd", "lz4", "uncompressed"):
        feather.write_feather(table, tmp_path / f"{codec}.feather", compression=codec)
        assert read_table(tmp_path / f"{codec}.feather")["x"].sum() == 499_500


def sheet(path, cells, strings=""):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        rels = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
        main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
        archive.writestr("[Content_Types].xml", '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>')
        archive.writestr("xl/workbook.xml", f'<workbook xmlns="{main}" xmlns:r="{rels}"><sheets/></workbook>')
        archive.writestr("xl/worksheets/sheet1.xml", f'<worksheet xmlns="{main}"><sheetData>{cells}</sheetData></worksheet>')
        archive.writestr("xl/sharedStrings.xml", strings)


def test_spreadsheets_are_unpacked_no_further_than_the_limit(tmp_path):
    sheet(tmp_path / "a.xlsx", "", " " * 5_000_000)
    refused(tmp_path / "a.xlsx", "megabytes")


def test_cells_that_lie_far_apart_are_refused(tmp_path):
    sheet(tmp_path / "a.xlsx", '<row r="1"><c r="A1"/></row><row r="1048576"><c r="XFD1048576"/></row>')
    refused(tmp_path / "a.xlsx", "megabytes")


def test_a_text_that_many_cells_of_a_sheet_share_is_refused(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for value in ["x", *["y" * 30_000] * 200]:
        book.active.append([value])
    book.save(tmp_path / "a.xlsx")
    refused(tmp_path / "a.xlsx", "megabytes")


def test_sparse_members_of_a_shard_are_refused_by_their_size(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for at in range(3):
            entry = tarfile.TarInfo(f"{at}.txt")
            entry.size = 2_000_000
            archive.addfile(entry, io.BytesIO(b"x" * 2_000_000))
    refused(tmp_path / "a.tar", "megabytes")


def test_a_copy_of_a_remote_file_is_limited(tmp_path):
    fsspec = pytest.importorskip("fsspec")
    memory = fsspec.filesystem("memory")
    memory.pipe("/limits/a.csv", b"x" * 4_000_001)
    with pytest.raises(LimitError, match=r"a\.csv has 5 megabytes"):
        fetch("memory://limits/a.csv")
    for at in range(3):
        memory.pipe(f"/limits/set/{at}.csv", b"x" * 2_000_000)
    with pytest.raises(LimitError, match="the copy of set has 6 megabytes"):
        fetch("memory://limits/set")


# --- depth ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("before", ["", '{"x": 1}\n', "]" * 100_000 + "\n", '"\n', '{"x": "\\\\"}\n', '{"x": "\\"}\n'])
@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
def test_deep_json_is_refused(tmp_path, before, name):
    (tmp_path / name).write_text(before + '{"a":' * 100_000)
    refused(tmp_path / name, "depth")


def test_brackets_in_text_are_no_depth():
    limits.check_depth(json.dumps([{"x": '[[[[\\"[' * 200, "y": "{" * 200}] * 30).encode(), "x")
    limits.check_depth(("[" * 100 + "]" * 100).encode() * 5, "x")
    with pytest.raises(LimitError):
        limits.check_depth(("[" * 101 + "]" * 101).encode(), "x")


def test_depth_is_seen_across_blocks(monkeypatch):
    monkeypatch.setattr(limits, "_BLOCK", 7)
    limits.check_depth(b"[\n" * 100 + b"]\n" * 100, "x")
    with pytest.raises(LimitError):
        limits.check_depth(b"[\n" * 60 + b'"]]]]"\n' * 60 + b"[\n" * 60, "x")


def test_json_of_runs_holds_no_number_that_is_none():
    for content in (b"[NaN]", b"[-Infinity]", b"[1e999]"):
        with pytest.raises(ValueError):
            limits.parse_json(content, "x")


# --- how they are raised ----------------------------------------------------------------------------------------


def test_a_key_raises_a_limit(tmp_path):
    (tmp_path / "a.csv").write_text(",".join(f"x{at}" for at in range(51)) + "\n" + "1," * 50 + "1\n")
    with pytest.raises(LimitError):
        column_names(tmp_path / "a.csv")
    find_table(DataConfig(path="a.csv", max_columns=51), tmp_path, lambda key, problem: ConfigError(problem))
    assert len(column_names(tmp_path / "a.csv")) == 51


@pytest.mark.parametrize("written", ["-1", "0", "many", "1e6", "٣", "9" * 40])
def test_a_variable_that_is_no_number_is_an_error(monkeypatch, written):
    monkeypatch.setenv("RAIKIT_MAX_ROWS", written)
    with pytest.raises(ConfigError, match=r"^RAIKIT_MAX_ROWS must be a whole number from 1"):
        limits.in_force()


# --- runs -------------------------------------------------------------------------------------------------------


def test_a_pipe_in_a_run_is_a_change_and_is_not_read(tmp_path):
    (tmp_path / "audit.json").write_text("{}")
    manifest.write(tmp_path, {}, tmp_path / ".work")
    assert manifest.verify(tmp_path) == []
    (tmp_path / "audit.json").unlink()
    os.mkfifo(tmp_path / "audit.json")
    assert manifest.verify(tmp_path) == ["audit.json was changed into a pipe or a device"]
    with pytest.raises(LimitError, match=r"audit\.json is a pipe"):
        load_run(tmp_path)
    with pytest.raises(LimitError, match=r"audit\.json is a pipe"):
        open_file(tmp_path / "audit.json")


@pytest.mark.parametrize("content", ['{"files": {"a": 1}}', '{"files": []}', '{"files": {}, "x": NaN}', '{"files": {}, "x": "\\ud800"}'])
def test_a_manifest_with_other_content_is_none(tmp_path, content):
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(RunError, match="this is not a manifest of raikit"):
        manifest.verify(tmp_path)


@pytest.mark.parametrize("part", [{"counts": 1}, {"accepted": None}, {"suppressed_below": None}, {"suppressed_below": True}, {"record": {}}])
def test_a_baseline_with_a_right_hash_and_wrong_content_is_none(tmp_path, part):
    content = {"raikit_baseline": 1, "accepted": [], "record": {}, "suppressed_below": 10, "everything": True, "counts": []} | part
    (tmp_path / "b.json").write_text(json.dumps({**content, "sha256": sha256_text(canonical(content))}))
    with pytest.raises(ConfigError, match="it was not written by `raikit baseline save`"):
        open_file(tmp_path / "b.json")


def test_arrow_with_wrong_offsets_is_damaged(tmp_path):
    table = pa.table({"x": ["a", "b", "c"]})
    buffers = [None, pa.py_buffer(np.array([0, 10**9, 2, 3], dtype=np.int32)), pa.py_buffer(b"abc")]
    broken = pa.Table.from_arrays([pa.Array.from_buffers(pa.string(), 3, buffers)], schema=table.schema)
    with pa.ipc.new_file(tmp_path / "a.arrow", table.schema) as writer:
        writer.write_table(table)
    content = (tmp_path / "a.arrow").read_bytes()
    offsets = np.array([0, 1, 2, 3], dtype=np.int32).tobytes()
    assert content.count(offsets) == 1
    (tmp_path / "a.arrow").write_bytes(content.replace(offsets, broken.column(0).chunk(0).buffers()[1].to_pybytes()))
    with pytest.raises(DataError, match="it is damaged or malformed"):
        read_table(tmp_path / "a.arrow")


def test_a_path_that_no_system_takes_is_a_sentence(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.csv").write_text("sex,y\nF,1\nM,0\n")
    assert main(["init", "a.csv", "--out", "a" * 5000]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("content", ['{"columns": ["x"], "data": [1]}', '{"columns": ["x"], "data": [1.5]}', '{"columns": ["x"], "data": [true]}'])
def test_a_layout_of_pandas_with_a_number_for_a_list_is_damaged(tmp_path, content):
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(DataError, match="it is damaged or malformed"):
        read_table(tmp_path / "a.json")
