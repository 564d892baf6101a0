"""A drawing in Vega-Lite, 400 units wide: marks at positions, in one layer for each style."""

from __future__ import annotations

import base64
import json
import unicodedata
from typing import Any

WIDTH = 400
TEXT = 13
SMALL = 12
_ORDER = ("rect", "image", "rule", "text")


def width_of(text: str, size: float = TEXT) -> float:
    """Estimate the width of a text; a character of an East Asian script is as wide as high."""
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return size * (0.58 * (len(text) - wide) + 1.05 * wide)


def shortened(text: str, room: float, size: float = TEXT) -> str:
    """Return the text, cut to its room."""
    if width_of(text, size) <= room:
        return text
    while text and width_of(text + "…", size) > room:
        text = text[:-1]
    return text + "…"


class Canvas:
    """Collects marks, in units from the upper left corner, and returns a spec."""

    def __init__(self) -> None:
        self._layers: dict[str, list[dict[str, Any]]] = {}

    def text(self, x: float, y: float, text: str, *, size: float = TEXT, align: str = "left",
             colour: str = "var(--ink)", weight: int = 400) -> None:
        """Add one line of text; `y` is its middle."""
        self._add({"type": "text", "align": align, "baseline": "middle", "fontSize": size, "fontWeight": weight,
                   "color": colour}, {"x": x, "y": y, "text": text})

    def box(self, x: float, y: float, width: float, height: float, *, fill: str | None = None,
            dashed: bool = False, radius: float = 0) -> None:
        """Add a rectangle, filled or outlined."""
        style: dict[str, Any] = {"type": "rect", "cornerRadius": radius, "fill": fill or "transparent"}
        if dashed:
            style |= {"stroke": "var(--ink)", "strokeWidth": 1, "strokeDash": [2, 2]}
        self._add(style, {"x": x, "y": y, "x2": x + width, "y2": y + height})

    def line(self, x: float, y: float, x2: float, y2: float, *, colour: str = "var(--ink)", thick: float = 1.0,
             dashed: bool = False) -> None:
        """Add a straight line."""
        self._add({"type": "rule", "color": colour, "strokeWidth": thick, "strokeCap": "butt" if dashed else "square",
                   "strokeDash": [2, 2] if dashed else [1, 0]}, {"x": x, "y": y, "x2": x2, "y2": y2})

    def image(self, x: float, y: float, width: float, height: float, picture: bytes, media_type: str) -> None:
        """Add a picture, stretched to the given size."""
        url = f"data:{media_type};base64,{base64.b64encode(picture).decode()}"
        self._add({"type": "image", "url": url, "width": width, "height": height, "align": "left", "baseline": "top",
                   "aspect": False}, {"x": x, "y": y})

    def spec(self, height: float) -> dict[str, Any]:
        """Return the Vega-Lite spec: boxes lie under pictures, pictures under lines, lines under text."""
        layers = [(json.loads(style), values) for style, values in self._layers.items()]
        layers.sort(key=lambda layer: _ORDER.index(layer[0]["type"]))
        return {"width": WIDTH, "height": height, "view": {"stroke": None},
                "layer": [self._layer(style, values, height) for style, values in layers]}

    def _add(self, style: dict[str, Any], position: dict[str, Any]) -> None:
        self._layers.setdefault(json.dumps(style | {"tooltip": None}), []).append(
            {key: round(value, 2) if isinstance(value, float) else value for key, value in position.items()})

    @staticmethod
    def _layer(style: dict[str, Any], values: list[dict[str, Any]], height: float) -> dict[str, Any]:
        encoding: dict[str, Any] = {
            "x": {"field": "x", "type": "quantitative", "axis": None, "scale": {"domain": [0, WIDTH], "nice": False}},
            "y": {"field": "y", "type": "quantitative", "axis": None,
                  "scale": {"domain": [height, 0], "nice": False, "zero": False}},
        }
        if "x2" in values[0]:
            encoding |= {"x2": {"field": "x2"}, "y2": {"field": "y2"}}
        if "text" in values[0]:
            encoding["text"] = {"field": "text", "type": "nominal"}
        return {"data": {"values": values}, "mark": style, "encoding": encoding}
