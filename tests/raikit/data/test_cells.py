from __future__ import annotations

import pandas as pd

from raikit.data.cells import RowNames, row_name, shown


def test_rows_are_named_by_number_and_id():
    assert RowNames("a.csv", ["x", 2.0]).at(0) == "a.csv, row 1 (id 'x')"
    assert row_name("a.csv", 1, pd.Series(["x", 2.0])) == "a.csv, row 2 (id 2)"


def test_a_long_cell_is_cut_and_written_on_one_line():
    assert shown("two\nlines" + "x" * 100) == repr("two lines" + "x" * 48 + "...")
