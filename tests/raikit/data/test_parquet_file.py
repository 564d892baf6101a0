"""Parquet files whose footers contradict themselves, and names that mean something to a database."""

from __future__ import annotations

import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from raikit.data import tables
from raikit.data.parquet_file import read_parquet
from raikit.errors import DataError

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
