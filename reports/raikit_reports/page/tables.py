"""Tables as the page shows them: numbers are aligned to the right, and an interval is under its value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import raikit
from raikit import format as fmt

ROWS_SHOWN = 500
COLUMNS_SHOWN = 24


@dataclass(frozen=True)
class Cell:
    """The text of a cell, and the interval under it."""

    text: str
    interval: str = ""


@dataclass(frozen=True)
class TableView:
    """A table ready for the page; `left_out` is the number of rows that only `audit.json` has."""

    title: str
    heads: list[str]
    right: list[bool]
    rows: list[list[Cell]]
    left_out: int = 0
    note: str = ""


def view(table: raikit.Table) -> TableView:
    """Prepare a table; columns `x`, `x_low` and `x_high` become one, and so do adjacent `x`, `low` and `high`."""
    ends = _ends(table)
    hidden = {place for pair in ends.values() for place in pair}
    shown = [place for place in range(len(table.columns)) if place not in hidden][:COLUMNS_SHOWN]
    return TableView(
        title=table.title,
        heads=[table.columns[place].title for place in shown],
        right=[_is_numeric(table, place) for place in shown],
        rows=[[_cell(table, row, place, ends) for place in shown] for row in table.rows[:ROWS_SHOWN]],
        left_out=max(len(table.rows) - ROWS_SHOWN, 0),
        note=table.note,
    )


def _ends(table: raikit.Table) -> dict[str, tuple[int, int]]:
    """Return the positions of the columns with the ends of each column's interval, by its name."""
    names = [column.name for column in table.columns]
    places = {name: place for place, name in enumerate(names)}
    ends = {
        name: (places[f"{name}_low"], places[f"{name}_high"])
        for name in names
        if f"{name}_low" in places and f"{name}_high" in places
    }
    low = places.get("low", 0)
    if low and names[low + 1 : low + 2] == ["high"] and table.columns[low - 1].format == table.columns[low].format:
        ends[names[low - 1]] = (low, low + 1)
    return ends


def _is_numeric(table: raikit.Table, place: int) -> bool:
    if table.columns[place].format != "text":
        return True
    values = [row[place] for row in table.rows[:ROWS_SHOWN] if row[place] is not None]
    return bool(values) and all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)


def _cell(table: raikit.Table, row: list[Any], place: int, ends: dict[str, tuple[int, int]]) -> Cell:
    column = table.columns[place]
    text = fmt.cell(row[place], column.format)
    low, high = (row[end] for end in ends.get(column.name, (place, place)))
    if column.name not in ends or low is None or high is None:
        return Cell(text)
    return Cell(text, f"{fmt.cell(low, column.format).removesuffix('%')} to {fmt.cell(high, column.format)}")
