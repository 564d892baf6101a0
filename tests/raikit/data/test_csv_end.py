import gzip

import numpy as np
import pytest

from raikit.data.distinct import count_rows
from raikit.data.scan import TableScan
from raikit.data.tables import read_table
from raikit.errors import DataError

COLUMNS = ["y", "s"]


def read(path):
    return read_table(path, COLUMNS)


def scan(path):
    table = TableScan(path, COLUMNS)
    with table.errors():
        return list(table.batches())


def count(path):
    return count_rows(TableScan(path, COLUMNS))


@pytest.mark.parametrize("reader", [read, scan, count])
@pytest.mark.parametrize(
    ("rows", "line"),
    [
        ('0,M\n1,"F\n0,M\n1,F\n', 3),  # the rest of the table would be one group
        ('0,M\n1,F\n0,"M', 4),
        ('0,"M\n', 2),
        ('0,"a\nb"\n1,"F\n0,M\n', 4),  # a cell of two lines before
    ],
)
def test_a_quotation_mark_that_is_not_closed_swallows_no_rows(tmp_path, reader, rows, line):
    (tmp_path / "t.csv").write_text("y,s\n" + rows)
    with pytest.raises(DataError, match=rf"t\.csv, line {line}: a quotation mark is not closed\."):
        reader(tmp_path / "t.csv")


def test_a_compressed_file_is_checked_too(tmp_path):
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(b'y,s\n0,M\n1,"F\n0,M\n'))
    with pytest.raises(DataError, match="line 3: a quotation mark is not closed"):
        read(tmp_path / "t.csv.gz")


@pytest.mark.parametrize("end", ["", "\n", "\n\n\n", "\r\n"])
@pytest.mark.parametrize("last", ['1,F', '1,"F"', '1,"F\nx"', '1,5" pipe'])
def test_the_last_row_is_read_however_it_ends(tmp_path, last, end):
    (tmp_path / "t.csv").write_bytes(f"y,s\n0,M\n{last}{end}".encode())
    table = read(tmp_path / "t.csv")
    assert table["y"].tolist() == [0, 1]
    assert table["s"].iloc[1] == last[2:].replace('"', "" if last[2] == '"' else '"')
    assert sum(batch.num_rows for batch in scan(tmp_path / "t.csv")) == 2


def test_a_table_of_one_column_and_many_blocks_keeps_every_row(tmp_path, monkeypatch):
    monkeypatch.setattr("raikit.data.csv_file._BLOCK", 1 << 12)
    (tmp_path / "t.csv").write_text("y\n" + "\n".join(map(str, range(20_000))))
    assert np.array_equal(read_table(tmp_path / "t.csv", ["y"])["y"], np.arange(20_000))
    scanned = TableScan(tmp_path / "t.csv", ["y"])
    assert sum(batch.num_rows for batch in scanned.batches()) == 20_000
