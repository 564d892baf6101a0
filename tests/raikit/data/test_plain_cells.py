"""Tests of columns that are typed by the first bytes of their cells."""

from __future__ import annotations

import random

import pyarrow as pa
import pytest

from raikit.data import cell_types
from raikit.data.cell_types import CellFormat, MixedColumn, check_text, infer_type, type_by_value
from raikit.data.plain_cells import plainly_typed

CELLS = [
    "", "  ", "1", "0", "-1", "+3", "007", "-0", "1.5", "0.5", "00.5", ".5", "-.5", "1.", "1e5", "nan", "NaN", "inf", "-inf",
    "Infinity", "+nan", "true", "True", "FALSE", "t", "F", "Female", "Texas", "false alarm", "no", "India", "nan ", "NA", "-", "?",
    "12 kg", "$5", "€5", "'5'", "£4", "12345678901234567", "999999999999999999", "1000000000000000000", "-999999999999999999",
    "9223372036854775807", "12345678901234567890", "1234567890123456789.5", "1e18", "1e17", "1e300", "1e999", "Ärger", "中文",
    "\u00a0x", "\u3000", "x", "abc", "--", "1,5", "1.234", "1,234.5", "-999", " 5", "5 ", "０", "1_0", "1d", "+0", "+01", "-x",
    "+.5", "0e0", "01e1", "0x1F", None,
]  # fmt: skip


def chunked(cells):
    """Return cells in two chunks, of which one begins within a buffer and the other ends within it."""
    cut = len(cells) // 2
    first, last = pa.array(["zz", *cells[:cut]], pa.string()), pa.array([*cells[cut:], "9x"], pa.string())
    return pa.chunked_array([first.slice(1), last.slice(0, len(cells) - cut)])


def outcome(read, column, written):
    """Return type and cells, or the error."""
    try:
        typed = read(column, "c", written)
    except MixedColumn as error:
        return str(error)
    return str(typed.type), repr(typed.to_pylist())


def by_value(read):
    return lambda column, name, written: type_by_value(column, name, written, read)


@pytest.mark.parametrize("read", [infer_type, by_value(infer_type), by_value(check_text)], ids=["all", "by_value", "typed"])
def test_plain_columns_are_what_a_look_at_every_cell_makes_of_them(read, monkeypatch):
    rng, columns = random.Random(0), []
    for _ in range(1_000):
        pool = rng.sample(CELLS, rng.choice([1, 2, 2, 3, 4]))
        written = CellFormat(
            missing=tuple(rng.sample(["NA", "-999", "?", "nan", "x"], rng.choice([0, 0, 1, 2]))), decimal=rng.choice([".", ".", ","])
        )
        columns.append((chunked([rng.choice(pool) for _ in range(rng.choice([1, 2, 5, 30]))]), written))
    fast = [outcome(read, *column) for column in columns]
    assert sum(plainly_typed(column) is not None for column, _ in columns) > 150
    monkeypatch.setattr(cell_types, "plainly_typed", lambda column: None)
    assert fast == [outcome(read, *column) for column in columns]


def test_a_plain_column_is_typed_without_telling_cells_apart():
    assert plainly_typed(chunked(["1", None, "-2"])).to_pylist() == [1, None, -2]
    assert plainly_typed(chunked(["0.5", "nan", "1e3"])).type == pa.float64()
    assert plainly_typed(chunked(["Female", None, "Äpfel"])).to_pylist() == ["Female", None, "Äpfel"]


def test_hexadecimal_codes_are_text():
    column = chunked(["0x1F", "0x1f", "0x01", "0x1"])
    assert infer_type(column, "c", CellFormat()).to_pylist() == column.to_pylist()
