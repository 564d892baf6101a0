"""Parquet files whose footers contradict themselves, and names that mean something to a database."""

from __future__ import annotations

import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from raikit.data import tables
from raikit.data.parquet_file import parquet_batches, read_parquet
from raikit.data.scan import TableScan
from raikit.errors import DataError, LimitError

DAMAGED = Path(__file__).parent / "damaged"


def test_a_footer_that_contradicts_itself_is_an_error_and_does_not_end_the_process(tmp_path: Path) -> None:
    """Arrow's own look at the size statistics of a column aborts the whole process."""
    table = tmp_path / "cases.parquet"
    shutil.copy(DAMAGED / "size-statistics.parquet", table)
    with pytest.raises(DataError, match="cases.parquet is damaged"):
        tables.read_table(table)


@pytest.mark.parametrize("name", ["a*.parquet", "a?.parquet", "a[1].parquet", "it's.parquet"])
def test_a_name_is_a_name_and_no_pattern(tmp_path: Path, name: str) -> None:
    pq.write_table(pa.table({"x": [1, 2]}), tmp_path / "a1.parquet")
    pq.write_table(pa.table({"x": [1, 2, 3]}), tmp_path / name)
    assert read_parquet(tmp_path / name, ["x"]).num_rows == 3


def test_nested_and_dotted_columns_are_read_by_their_names(tmp_path: Path) -> None:
    path = tmp_path / "cases.parquet"
    pq.write_table(pa.table({"a.b": [1, 2], "person": [{"age": 1}, {"age": 2}], "words": [["x"], ["y"]]}), path)
    assert read_parquet(path, ["a.b", "person", "words"], codes=True).num_columns == 3


def _write_groups(path: Path, table: pa.Table, times: int, **settings: object) -> None:
    with pq.ParquetWriter(path, table.schema, compression="zstd", **settings) as writer:
        for _ in range(times):
            writer.write_table(table)


_LONG = pa.array(["a" * 50_000] * 100)
_BOMBS = {
    "a few texts in each of many groups of rows": (pa.table({"x": _LONG}), {}),
    "prefixes of the cell before": (pa.table({"x": _LONG}), {"use_dictionary": False, "column_encoding": {"x": "DELTA_BYTE_ARRAY"}}),
    "pictures": (pa.table({"x": _LONG.cast(pa.binary())}), {}),
    "lists of texts": (pa.table({"x": pa.array([["a" * 50_000] * 10] * 10)}), {}),
}


@pytest.mark.parametrize("kind", _BOMBS)
@pytest.mark.parametrize("way", ["read", "batches"])
def test_a_small_file_never_unpacks_to_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, way: str) -> None:
    """120 MB of cells, of which a file of some kilobytes stores each text once."""
    table, settings = _BOMBS[kind]
    _write_groups(tmp_path / "cases.parquet", table, 24, **settings)
    assert (tmp_path / "cases.parquet").stat().st_size < 100_000
    monkeypatch.setenv("RAIKIT_MAX_MEGABYTES", "20")
    if way == "batches":
        sizes = [batch.nbytes for batch in parquet_batches(tmp_path / "cases.parquet", ["x"], 10_000)]
        assert sum(sizes) > 100e6 and max(sizes) < 65e6
        return
    with pytest.raises(LimitError, match="megabytes"):
        read_parquet(tmp_path / "cases.parquet", ["x"])


@pytest.mark.parametrize("encoding", ["DELTA_BYTE_ARRAY", "DELTA_LENGTH_BYTE_ARRAY", "PLAIN", None])
def test_the_limit_changes_no_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoding: str | None) -> None:
    table = pa.table({"x": [f"case {number % 7}" for number in range(3_000)], "y": range(3_000), "z": [b"\xff", b"", None] * 1_000})
    how = {"use_dictionary": False, "column_encoding": {"x": encoding, "z": encoding, "y": "PLAIN"}} if encoding else {}
    pq.write_table(table, tmp_path / "cases.parquet", **how)
    monkeypatch.setenv("RAIKIT_MAX_MEGABYTES", "1")
    for codes in (False, True):
        assert read_parquet(tmp_path / "cases.parquet", ["z", "x", "y"], codes=codes).to_pydict() == table.to_pydict()
    batches = list(parquet_batches(tmp_path / "cases.parquet", ["z", "x", "y"], 900))
    assert pa.Table.from_batches(batches).select(["x", "y", "z"]).to_pydict() == table.to_pydict()


def test_streamed_text_that_is_not_utf8_is_refused_with_its_column(tmp_path: Path) -> None:
    words = pa.Array.from_buffers(pa.string(), 2, [None, pa.array([0, 1, 2], pa.int32()).buffers()[1], pa.py_buffer(b"\xffa")])
    (tmp_path / "cases").mkdir()
    pq.write_table(pa.table({"x": words}), tmp_path / "cases" / "a.parquet")
    scan = TableScan(tmp_path / "cases", ["x"])
    with pytest.raises(DataError, match="column 'x' has text that is not UTF-8"), scan.errors():
        list(scan.batches())
