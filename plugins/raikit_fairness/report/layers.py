"""Marks of groups, and the Vega-Lite layers that several figures share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

WORSE, NOT_SURELY_WORSE, SMALL, UNDEFINED = "worse", "not surely worse", "too small to judge", "undefined"


def reference_line(value: float, stroke: str = "var(--rule)", dash: Sequence[int] = (4, 4)) -> dict[str, Any]:
    """Return a vertical line."""
    return {
        "mark": {"type": "rule", "strokeDash": list(dash), "stroke": stroke, "strokeWidth": 1.5},
        "encoding": {"x": {"datum": value, "type": "quantitative"}},
    }


def interval_lines(x: dict[str, Any], y: dict[str, Any], test: str, **style: Any) -> dict[str, Any]:
    """Return the intervals of the rows that pass a test."""
    return {
        "transform": [{"filter": f"isValid(datum.value) && {test}"}],
        "mark": {"type": "rule", "stroke": "var(--ink)", "strokeWidth": 2, **style},
        "encoding": {"x": {**x, "field": "low"}, "x2": {"field": "high"}, "y": y},
    }


def points(x: dict[str, Any], y: dict[str, Any], mark: str, **style: Any) -> dict[str, Any]:
    """Return the values of the rows with a mark."""
    base = {"fill": "var(--ink)", "stroke": "var(--ink)", "size": 70, "opacity": 1}
    return {
        "transform": [{"filter": f"datum.mark === '{mark}'"}],
        "mark": {"type": "point", **base, **style},
        "encoding": {"x": x, "y": y},
    }


def text_at_end(y: dict[str, Any]) -> dict[str, Any]:
    """Return the text of each row, right of the drawing."""
    return {
        "mark": {"type": "text", "align": "left", "dx": 10, "baseline": "middle", "fill": "var(--ink-2)"},
        "encoding": {"x": {"value": "width"}, "y": y, "text": {"field": "shown", "type": "nominal"}},
    }


def unique_labels(texts: Sequence[str]) -> list[str]:
    """Return labels for an axis, numbered where two would be equal."""
    seen: dict[str, int] = {}
    labels = []
    for text in texts:
        seen[text] = seen.get(text, 0) + 1
        labels.append(text if seen[text] == 1 else f"{text} ({seen[text]})")
    return labels
