"""The rule for the figures of a check: the report can draw them."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

from raikit.errors import nearest
from raikit.run.results import Figure
from raikit.testing.contract.bench import Bench
from raikit.testing.contract.rule import Broken, NotApplicable

_SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
_MARKS = (
    "arc", "area", "bar", "boxplot", "circle", "errorband", "errorbar", "geoshape", "image", "line", "point", "rect", "rule",
    "square", "text", "tick", "trail",
)  # fmt: skip


def figures(bench: Bench) -> str:
    """Return figures that can be drawn: a Vega-Lite specification with its data, or an image."""
    drawn: set[str] = set()
    for trial, result in bench.results():
        for figure in result.figures:
            if (content := figure.model_dump_json(include={"spec", "data", "image"})) in drawn:
                continue
            drawn.add(content)
            if problem := _problem(figure):
                raise Broken(f"on {trial.scenario.name}: the figure {figure.id!r} cannot be drawn: {problem}")
    if not drawn:
        raise NotApplicable("it makes no figures")
    return f"{len(drawn):,} drawn"


def _problem(figure: Figure) -> str | None:
    return _image_problem(figure.image) if figure.image is not None else _spec_problem(figure.spec or {}, figure.data)


def _image_problem(image: str) -> str | None:
    from PIL import Image

    try:
        Image.open(io.BytesIO(base64.b64decode(image.partition(",")[2], validate=True))).load()
    except (OSError, ValueError, SyntaxError) as error:
        return str(error)
    return None


def _spec_problem(spec: dict[str, Any], data: list[dict[str, Any]]) -> str | None:
    """Return what the renderer of the reports complains about; it may not load anything from the network."""
    import vl_convert

    whole = {**spec, "$schema": _SCHEMA, "data": {"name": "table", "values": data}}
    try:
        vl_convert.vega_to_svg(vl_convert.vegalite_to_vega(json.loads(json.dumps(whole))), allowed_base_urls=[])
    except (ValueError, TypeError) as error:
        lines = [line for line in str(error).splitlines() if line.strip() and not line.lstrip().startswith("at ")]
        return _unknown_mark(spec) or (lines or ["the renderer gave no reason"])[-1][:300]
    except BaseException as error:  # A panic of the renderer is not an Exception.
        if type(error).__name__ != "PanicException":
            raise
        return "the renderer crashed"
    return None


def _unknown_mark(node: Any) -> str | None:
    """Name a mark that Vega-Lite does not have, because the renderer only says that something is undefined."""
    if isinstance(node, list):
        return next((problem for item in node if (problem := _unknown_mark(item))), None)
    if not isinstance(node, dict):
        return None
    mark = node.get("mark")
    mark = mark.get("type") if isinstance(mark, dict) else mark
    if isinstance(mark, str) and mark not in _MARKS:
        return f"unknown mark {mark!r}.{nearest(mark, _MARKS)}"
    return next((problem for item in node.values() if (problem := _unknown_mark(item))), None)
