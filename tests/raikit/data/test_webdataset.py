"""Tests of `raikit.data.webdataset`: shards of the webdataset library are tables."""

from __future__ import annotations

import io
import json
import tarfile

import pytest

from raikit.data.tables import read_table
from raikit.data.webdataset import KEY
from raikit.errors import DataError


def shard(path, members):
    with tarfile.open(path, "w") as archive:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))


def row(at, sex):
    return {f"a/{at}.jpg": b"\xff\xd8", f"a/{at}.cls": b"1", f"a/{at}.txt": "caf\u00e9".encode(),
            f"a/{at}.json": json.dumps({"sex": sex, "age": at}).encode(), f"a/{at}.seg.png": b"png"}  # fmt: skip


def test_files_of_one_name_are_a_row_and_fields_of_json_are_columns(tmp_path):
    shard(tmp_path / "a.tar", {**row(1, "F"), **row(2, None), "a/.hidden": b""})
    assert read_table(tmp_path / "a.tar").to_dict("records")[0] == {
        KEY: "a/1", "jpg": b"\xff\xd8", "cls": 1, "txt": "caf\u00e9", "sex": "F", "age": 1, "seg.png": b"png"
    }  # fmt: skip
    assert read_table(tmp_path / "a.tar", ["sex", "age"])["age"].tolist() == [1, 2]


def test_shards_in_a_folder_are_one_table_with_their_splits(tmp_path):
    shard(tmp_path / "train-000000.tar", row(1, "F"))
    shard(tmp_path / "test-000000.tar", row(2, "M"))
    table = read_table(tmp_path, ["sex", "split"])
    assert table.to_dict("list") == {"sex": ["M", "F"], "split": ["test", "train"]}


@pytest.mark.parametrize(
    ("members", "says"),
    [
        ({"1.json": b"{"}, r"a\.tar: 1\.json is not what its suffix says"),
        ({"1.cls": b"cat"}, r"1\.cls is not what its suffix says"),
        ({"1.txt": b"\xff"}, r"1\.txt is not what its suffix says"),
        ({"1.json": b'{"a": 1}', "2.json": b'{"a": "x"}'}, "values of several types"),
        (None, "is not a tar archive, or is damaged"),
    ],
)
def test_a_damaged_shard_is_named(tmp_path, members, says):
    if members is None:
        (tmp_path / "a.tar").write_bytes(b"no archive" * 200)
    else:
        shard(tmp_path / "a.tar", members)
    with pytest.raises(DataError, match=says):
        read_table(tmp_path / "a.tar")
