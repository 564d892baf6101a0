import csv
import gzip
import random

import numpy as np
import pytest

from raikit.data.csv_end import MarkedFile, count_line_ends
from raikit.data.csv_file import read_csv
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
    monkeypatch.setattr("raikit.data.csv_file._LEAST_BLOCK", 1 << 12)
    (tmp_path / "t.csv").write_text("y\n" + "\n".join(map(str, range(20_000))))
    assert np.array_equal(read_table(tmp_path / "t.csv", ["y"])["y"], np.arange(20_000))
    scanned = TableScan(tmp_path / "t.csv", ["y"])
    assert sum(batch.num_rows for batch in scanned.batches()) == 20_000


PIECES = ["x", "ab ", "1", ",", '""', "longer words"]


def write_quoted(path, rng, end, breaks):
    """Write a table of quoted cells, of which that share of pieces break lines; return its rows."""

    def cell():
        pieces = [end if rng.random() < breaks else rng.choice(PIECES) for _ in range(rng.randint(1, 6))]
        return f'"{"".join(pieces)}"' if rng.random() < 0.9 else rng.choice(['5"', "word", "1 2"])

    lines = ["a,b", *(f"{cell()},{cell()}" for _ in range(rng.randint(1, 60)))]
    path.write_bytes((end.join(lines) + rng.choice(["", end, end * 3])).encode())
    with path.open(newline="") as stream:
        return [row for row in csv.reader(stream) if row][1:]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("breaks", [0, 0.02, 0.3])
def test_no_cell_is_cut_where_a_block_ends(tmp_path, monkeypatch, end, breaks):
    monkeypatch.setattr("raikit.data.csv_file._LEAST_BLOCK", 64)
    monkeypatch.setattr("raikit.data.csv_file._BLOCKS", 1 << 20)
    rng = random.Random(0)
    for _ in range(40):
        rows = write_quoted(tmp_path / "t.csv", rng, end, breaks)
        read = read_csv(tmp_path / "t.csv", ["a", "b"])
        assert [list(row) for row in zip(*read.to_pydict().values(), strict=True)] == [
            [cell or None for cell in row] for row in rows
        ]


def blocks_apart(path, monkeypatch):
    """Return whether the file was read once, in blocks that end with any line."""
    opened = []

    class Recorded(MarkedFile):
        def __init__(self, *arguments, apart):
            opened.append(apart)
            super().__init__(*arguments, apart=apart)

    monkeypatch.setattr("raikit.data.csv_file.MarkedFile", Recorded)
    read_csv(path, ["a", "b"])
    return opened == [True]


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_quoted_cells_of_one_line_are_parsed_apart(tmp_path, monkeypatch, end):
    (tmp_path / "t.csv").write_bytes(f'a,b{end or chr(10)}"x, y","5"" pipe"{end}'.encode())
    assert blocks_apart(tmp_path / "t.csv", monkeypatch)


def test_a_quoted_line_break_is_noticed(tmp_path, monkeypatch):
    (tmp_path / "t.csv").write_text('a,b\n"x",1\n"x\ny",2\n"x",3\n')
    assert not blocks_apart(tmp_path / "t.csv", monkeypatch)


def test_line_ends_are_counted_over_blocks():
    text, before, found = b"a\nb\r\n\r\rc\r\n\n", b"", 0
    for place in range(0, len(text), 2):
        block = text[place : place + 2]
        found, before = found + count_line_ends(block, before), block[-1:]
    assert found == count_line_ends(text) == 6
