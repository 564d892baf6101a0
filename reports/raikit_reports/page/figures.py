"""Figures: a Vega-Lite spec becomes a static drawing in the page, and a safe spec for the interactive one.

A spec comes from a plugin and is treated as hostile: nothing in it may fetch, link or configure the page, and only known
shapes and attributes of the drawing are kept.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

from markupsafe import Markup, escape

import raikit
from raikit_reports.texts import clean

WIDTH = 400  # units across; one column of the page, on phones and desktops
INTERACTIVE_ROWS = 5000  # with more rows the figure is a static drawing only
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"

CONFIG: dict[str, Any] = {
    "font": FONT,
    "background": None,
    "padding": 2,
    "view": {"stroke": None, "step": 26, "discreteHeight": {"step": 26}, "continuousHeight": 190},
    "mark": {"color": "var(--ink)", "tooltip": True},
    "bar": {"color": "var(--q4)"},
    "area": {"color": "var(--q2)"},
    "rect": {"color": "var(--q2)"},
    "line": {"color": "var(--ink)", "strokeWidth": 2},
    "rule": {"color": "var(--ink)", "strokeWidth": 2},
    "tick": {"color": "var(--ink)"},
    "point": {"color": "var(--ink)", "filled": True, "size": 60, "opacity": 1},
    "text": {"color": "var(--ink)", "fontSize": 14},
    "title": {
        "color": "var(--ink)",
        "fontSize": 13,
        "fontWeight": 600,
        "anchor": "start",
        "subtitleColor": "var(--ink-2)",
    },
    "axis": {
        "labelColor": "var(--ink-2)",
        "titleColor": "var(--ink-2)",
        "labelFontSize": 12.5,
        "titleFontSize": 12.5,
        "titleFontWeight": "normal",
        "gridColor": "var(--line)",
        "domain": False,
        "ticks": False,
        "labelPadding": 6,
        "titlePadding": 8,
        "labelLimit": 150,
    },
    "axisY": {"labelColor": "var(--ink)"},
    "axisQuantitative": {"tickCount": 5, "grid": True, "labelColor": "var(--ink-2)"},
    "axisDiscrete": {"grid": False, "labelFontSize": 14},
    "axisX": {"labelColor": "var(--ink-2)"},
    "header": {
        "labelColor": "var(--ink)",
        "titleColor": "var(--ink-2)",
        "labelFontSize": 14,
        "titleFontWeight": "normal",
    },
    "legend": {
        "labelColor": "var(--ink)",
        "titleColor": "var(--ink-2)",
        "labelFontSize": 12.5,
        "titleFontSize": 12.5,
        "titleFontWeight": "normal",
        "orient": "top",
        "direction": "horizontal",
        "offset": 6,
        "symbolType": "circle",
    },
    "range": {
        "category": ["var(--ink)", "var(--q3)", "var(--q4)", "var(--q2)"],
        "ordinal": ["var(--q1)", "var(--q2)", "var(--q3)", "var(--q4)", "var(--q5)"],
        "ramp": ["#eff1f4", "#a7b1bd", "#667382"],
        "heatmap": ["#eff1f4", "#a7b1bd", "#667382"],
        "diverging": ["#667382", "#eff1f4", "#667382"],
    },
}

_COMPOSED = {"facet", "repeat", "concat", "hconcat", "vconcat"}
_FACETS = {"row", "column", "facet"}
# `usermeta` configures the embedding, `href` makes links, `url` fetches, `bind` adds inputs to the page.
_DROPPED = {"usermeta", "href", "$schema", "bind"}


def safe_spec(figure: raikit.Figure) -> dict[str, Any]:
    """Return a figure's spec with its data, on top of our configuration, without anything that fetches."""
    spec: dict[str, Any] = _strip_addresses(figure.spec or {})
    own = spec.pop("config", None)
    spec["$schema"] = "https://vega.github.io/schema/vega-lite/v6.json"
    spec["data"] = {"name": "table", "values": _clean_strings(figure.data)}
    spec["config"] = _merge(CONFIG, own if isinstance(own, dict) else {})
    encoding = spec.get("encoding")
    faceted = isinstance(encoding, dict) and _FACETS & set(encoding)
    if not faceted and not _COMPOSED & set(spec):
        if spec.get("width", "container") == "container":
            spec["width"] = WIDTH
            spec.setdefault("autosize", {"type": "fit-x", "contains": "padding"})
        if spec.get("height") == "container":
            del spec["height"]
    return spec


def _clean_strings(node: Any) -> Any:
    """Clean all strings and field names of the data, as in the spec, so that both match."""
    if isinstance(node, str):
        return clean(node)
    if isinstance(node, list):
        return [_clean_strings(item) for item in node]
    if isinstance(node, dict):
        return {clean(key): _clean_strings(value) for key, value in node.items()}
    return node


def _strip_addresses(node: Any) -> Any:
    if isinstance(node, str):
        return clean(node)
    if isinstance(node, list):
        return [_strip_addresses(item) for item in node]
    if not isinstance(node, dict):
        return node
    allowed = {}
    for key, value in node.items():
        if key in _DROPPED or (key == "url" and isinstance(value, str) and not value.startswith("data:image/")):
            continue
        allowed[clean(key)] = _strip_addresses(value)
    return allowed


def _merge(base: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in own.items():
        below = merged.get(key)
        merged[key] = _merge(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged


@dataclass(frozen=True)
class Drawing:
    """A drawing ready for the page, or the reason why there is none."""

    svg: Markup | None
    width: float = WIDTH
    reason: str = ""


def render(spec: dict[str, Any], prefix: str) -> Drawing:
    """Draw a safe spec as SVG in this process; if that fails, return the reason."""
    return finish(draw(spec), prefix)


def draw(spec: dict[str, Any], kind: str = "svg") -> dict[str, Any]:
    """Draw a safe spec: ``svg``, or ``png`` in base64, or the ``reason`` why that failed."""
    import vl_convert

    try:
        if kind == "png":
            return {"png": base64.b64encode(vl_convert.vegalite_to_png(spec, scale=2, allowed_base_urls=[])).decode()}
        return {"svg": vl_convert.vegalite_to_svg(spec, allowed_base_urls=[])}
    except (ValueError, TypeError) as error:
        lines = [line for line in str(error).splitlines() if line.strip() and not line.lstrip().startswith("at ")]
        return {"reason": clean(lines[-1] if lines else error)[:300]}
    except BaseException as error:  # a panic of the renderer is not an Exception
        if type(error).__name__ != "PanicException":
            raise
        return {"reason": "the renderer failed on this spec"}


def finish(drawn: dict[str, Any], prefix: str) -> Drawing:
    """Return what `draw` made as a drawing for the page, of which only known shapes are kept."""
    if "svg" not in drawn:
        return Drawing(None, reason=clean(str(drawn.get("reason", "the renderer gave no answer")))[:300])
    try:
        return sanitize(str(drawn["svg"]), prefix)
    except (ValueError, TypeError, KeyError, ElementTree.ParseError) as error:
        return Drawing(None, reason=clean(str(error))[:300])


_ELEMENTS = {
    "svg",
    "g",
    "path",
    "line",
    "rect",
    "circle",
    "ellipse",
    "polygon",
    "polyline",
    "text",
    "tspan",
    "defs",
    "clipPath",
    "linearGradient",
    "radialGradient",
    "stop",
    "image",
}
_ATTRIBUTES = {
    "viewBox", "transform", "d", "x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "r", "rx", "ry", "dx", "dy", "points",
    "width", "height", "fill", "fill-opacity", "fill-rule", "stroke", "stroke-width", "stroke-opacity",
    "stroke-dasharray", "stroke-dashoffset", "stroke-linecap", "stroke-linejoin", "stroke-miterlimit", "opacity",
    "text-anchor", "font-size", "font-weight", "font-style", "dominant-baseline", "id", "clip-path",
    "offset", "stop-color", "stop-opacity",
    "gradientUnits", "gradientTransform", "preserveAspectRatio", "display", "visibility",
}  # fmt: skip
_LOCAL = re.compile(r"url\(#([\w.-]+)\)")
_PICTURE = re.compile(r"data:image/(png|jpeg|gif|webp);base64,[A-Za-z0-9+/=\s]+")


def sanitize(text: str, prefix: str) -> Drawing:
    """Keep the known shapes and attributes of an SVG; prefix ids, so that drawings on a page do not share clip paths."""
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise ValueError("the drawing declares a document type")
    root = ElementTree.fromstring(text)  # noqa: S314 - without a document type there is no entity to expand
    parts: list[str] = []
    _write(root, prefix, parts)
    box = (root.get("viewBox") or f"0 0 {WIDTH} {WIDTH}").split()
    return Drawing(Markup("".join(parts)), float(box[2]))  # noqa: S704 - every name is known, every value escaped


def _write(element: ElementTree.Element, prefix: str, parts: list[str]) -> None:
    name = _local(element.tag)
    if name not in _ELEMENTS or _invisible(element, name):
        return
    attributes = dict(_attributes(element, name, prefix))
    if name == "svg":
        attributes = {"viewBox": attributes.get("viewBox", f"0 0 {WIDTH} {WIDTH}")}
        parts.append('<svg class="fig" aria-hidden="true" focusable="false"')
    else:
        parts.append(f"<{name}")
    parts.extend(f' {key}="{escape(value)}"' for key, value in attributes.items())
    parts.append(">")
    if name in {"text", "tspan"} and element.text:
        parts.append(str(escape(clean(element.text))))
    for child in element:
        _write(child, prefix, parts)
        if name in {"text", "tspan"} and child.tail:
            parts.append(str(escape(clean(child.tail))))
    parts.append(f"</{name}>")


def _invisible(element: ElementTree.Element, name: str) -> bool:
    """Return whether an element draws nothing: empty paths, hidden parts, backgrounds without paint."""
    if element.get("display") == "none" or (name == "path" and not element.get("d")):
        return True
    if name == "text" and element.get("opacity") == "0":
        return True
    return element.get("class") in {"background", "foreground"} and not (element.get("fill") or element.get("stroke"))


def _attributes(element: ElementTree.Element, name: str, prefix: str) -> list[tuple[str, str]]:
    allowed = []
    for qualified, value in element.attrib.items():
        key = _local(qualified)
        if key == "href" and name == "image" and _PICTURE.fullmatch(value):
            allowed.append(("href", value))
        elif key not in _ATTRIBUTES:
            continue
        elif key == "id":
            allowed.append(("id", prefix + re.sub(r"[^\w.-]", "", value)))
        elif "url(" in value.lower():
            local = _LOCAL.fullmatch(value.strip())
            if local:
                allowed.append((key, f"url(#{prefix}{local[1]})"))
        else:
            allowed.append((key, clean(value)))
    return allowed


def _local(name: Any) -> str:
    return str(name).rpartition("}")[2]


# Vega-Lite warns of what a spec asks for in vain; a report must not write to its reader's console.
_COMPILE = re.compile(r"\b(\w+)\.compile\((\w+),\{config:(\w+)\}\)\.spec")


def runtime(bundle: str) -> str:
    """Return Vega's bundle as a classic script: in a function, because it was written as a module."""
    bundle = _COMPILE.sub(r"\1.compile(\2,{config:\3,logger:window.vegaLogger}).spec", bundle)
    bundle = bundle.replace("\r\n", "\n").replace("\r", "\n").replace("</script", "<\\/script").replace("<!--", "<\\!--")
    return '(()=>{"use strict";' + bundle + "})()"
