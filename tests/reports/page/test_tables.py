"""Tables keep every row and number; what belongs together stands together."""

from __future__ import annotations

from raikit.run.results import Column, Table
from raikit_reports.page import tables


def table(names: dict[str, str], rows: list[list]) -> Table:
    columns = [Column(name=name, title=name, format=kind) for name, kind in names.items()]
    return Table(id="t", title="t", columns=columns, rows=rows)


def test_the_ends_of_an_interval_stand_under_their_value():
    kinds = {"class": "text", "recall": "percent", "recall_low": "percent", "recall_high": "percent", "n": "integer"}
    shown = tables.view(table(kinds, [["a", 0.5, 0.41, 0.59, 1200], ["b", None, None, None, 0]]))
    assert shown.heads == ["class", "recall", "n"]
    assert shown.right == [False, True, True]
    assert shown.rows[0] == [
        tables.Cell("a"),
        tables.Cell("50.0%", "41.0 to 59.0%"),
        tables.Cell("1,200"),
    ]
    assert shown.rows[1][1] == tables.Cell("–")


def test_low_and_high_belong_to_the_column_before_them():
    shown = tables.view(
        table({"bin": "text", "rate": "number", "low": "number", "high": "number"}, [["x", 0.5, 0.4, 0.6]])
    )
    assert shown.rows == [[tables.Cell("x"), tables.Cell("0.5", "0.4 to 0.6")]]
    apart = tables.view(table({"low": "number", "high": "number"}, [[1, 2]]))
    assert apart.heads == ["low", "high"]


def test_long_tables_are_cut_and_say_so():
    assert tables.view(table({"a": "integer"}, [[1]] * 700)).left_out == 200
