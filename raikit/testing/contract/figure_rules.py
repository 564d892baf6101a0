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
    """Every figure can be drawn: a Vega-Lite spec with its data, or a picture that can be decoded."""
    drawn: set[str] = set()
    for trial, found in bench.results():
        for figure in found.figures:
            if (content := figure.model_dump_json(include={"spec", "data", "image"})) in drawn:
                continue
            drawn.add(content)
            if problem := _problem(figure):
                raise Broken(f"on {trial.case.name}: the figure {figure.id!r} cannot be drawn: {problem}")
    if not drawn:
        raise NotApplicable("it makes no figures")
    return f"{len(drawn):,} drawn"


def _problem(figure: Figure) -> str | None:
    return _of_picture(figure.image) if figure.image is not None else _of_spec(figure.spec or {}, figure.data)


def _of_picture(image: str) -> str | None:
    from PIL import Image

    try:
        Image.open(io.BytesIO(base64.b64decode(image.partition(",")[2], validate=True))).load()
    except (OSError, ValueError, SyntaxError) as error:
        return str(error)
    return None


def _of_spec(spec: dict[str, Any], data: list[dict[str, Any]]) -> str | None:
    """What the renderer of the reports says; nothing is fetched for it."""
    import vl_convert

    whole = {**spec, "$schema": _SCHEMA, "data": {"name": "table", "values": data}}
    try:
        vl_convert.vega_to_svg(vl_convert.vegalite_to_vega(json.loads(json.dumps(whole))), allowed_base_urls=[])
    except (ValueError, TypeError) as error:
        said = [line for line in str(error).splitlines() if line.strip() and not line.lstrip().startswith("at ")]
        return _stray_mark(spec) or (said or ["for no reason"])[-1][:300]
    except BaseException as error:  # a panic of the renderer is no Exception
        if type(error).__name__ != "PanicException":
            raise
        return "the renderer gave up on it"
    return None


def _stray_mark(node: Any) -> str | None:
    """A mark that there is not: the renderer only says that something is undefined."""
    if isinstance(node, list):
        return next((found for item in node if (found := _stray_mark(item))), None)
    if not isinstance(node, dict):
        return None
    mark = node.get("mark")
    mark = mark.get("type") if isinstance(mark, dict) else mark
    if isinstance(mark, str) and mark not in _MARKS:
        return f"no mark is called {mark!r}.{nearest(mark, _MARKS)}"
    return next((found for item in node.values() if (found := _stray_mark(item))), None)
