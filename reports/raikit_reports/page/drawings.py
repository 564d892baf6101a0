"""Figures of checks in the page: those that are open are drawn now, those in folds by the reader's browser when opened."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

import raikit
from raikit_reports.page import figures as drawing

Render = Callable[[dict[str, Any], str], drawing.Drawing]
MOST_ROWS = 500  # of the numbers of a figure that is drawn once and for all


@dataclass(frozen=True)
class FigureView:
    """A figure with its anchor; without `svg` and `reason`, the script draws it when its fold is opened."""

    anchor: str
    figure: raikit.Figure
    svg: Markup | None = None
    reason: str = ""
    wide: bool = False
    rows: int = 0


class Drawings:
    """The figures of a page and the data from which its script draws and lists them."""

    def __init__(self, render: Render) -> None:
        self._render = render
        self._numbers = itertools.count(1)
        self.specs: dict[str, Any] = {}

    @property
    def alive(self) -> bool:
        """Whether the script draws any figure."""
        return any("spec" in entry for entry in self.specs.values())

    def now(self, figure: raikit.Figure) -> FigureView:
        """Draw a figure, whoever wrote it."""
        anchor = f"fig-{next(self._numbers)}"
        spec = drawing.safe_spec(figure)
        if figure.image is not None:
            self._keep(anchor, figure, spec, drawn=False)
            return FigureView(anchor, figure, rows=len(figure.data))
        drawn = self._render(spec, f"{anchor}-")
        self._keep(anchor, figure, spec, drawn=drawn.svg is not None)
        return FigureView(anchor, figure, drawn.svg, drawn.reason, drawn.width > 1.4 * drawing.WIDTH, len(figure.data))

    def later(self, figure: raikit.Figure) -> FigureView:
        """Leave a figure of raikit's own checks to the script; one that is too large for it is drawn now."""
        if figure.image is not None or len(figure.data) > drawing.INTERACTIVE_ROWS:
            return self.now(figure)
        anchor = f"fig-{next(self._numbers)}"
        self._keep(anchor, figure, drawing.safe_spec(figure), drawn=True)
        return FigureView(anchor, figure, rows=len(figure.data))

    def _keep(self, anchor: str, figure: raikit.Figure, spec: dict[str, Any], *, drawn: bool) -> None:
        """Keep what the script needs: the data by columns, and the spec without what all have in common."""
        rows = spec["data"]["values"]
        alive = drawn and len(rows) <= drawing.INTERACTIVE_ROWS
        names = list(dict.fromkeys(itertools.chain.from_iterable(row.keys() for row in rows[:MOST_ROWS])))
        kept = rows if alive else rows[:MOST_ROWS]
        columns = [_column([row.get(name) for row in kept]) for name in names]
        entry: dict[str, Any] = {"names": names, "columns": columns, "many": len(kept)}
        if alive:
            own = bool((figure.spec or {}).get("config"))
            entry["spec"] = {key: value for key, value in spec.items() if key != "data" and (key != "config" or own)}
        if kept or alive:
            self.specs[anchor] = entry


def _column(values: list[Any]) -> Any:
    """Return the values of a column; texts that repeat stand once, and their places follow."""
    short = [_short(value) for value in values]
    if not all(isinstance(value, str) for value in short):
        return short
    places: dict[str, int] = {}
    found = [places.setdefault(value, len(places)) for value in short]
    return short if 2 * len(places) > len(short) else {"texts": list(places), "places": found}


def _short(value: Any) -> Any:
    """Return a number with five significant digits, as many as a drawing shows; the record has all."""
    if isinstance(value, float):
        return float(f"{value:.5g}")
    return value if value is None or isinstance(value, str | int | bool) else str(value)
