"""A page in the style of the report: its style sheet, a policy that allows each script and style by its hash, and hostile texts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from markupsafe import Markup

from raikit import format as fmt
from raikit_reports import offline, texts

_OWN = Path(__file__).parent / "templates"
_REPORT = Path(__file__).parents[1] / "page" / "templates"


def render(template: str, **values: Any) -> str:
    """Return a page as text; `values` are those of its template."""
    style = (_REPORT / "report.css").read_text(encoding="utf-8") + (_OWN / "changes.css").read_text(encoding="utf-8")
    script = (_OWN / "changes.js").read_text(encoding="utf-8")
    words = texts.Texts()
    filters = {
        "say": words.say, "brief": words.brief, "flat": texts.flat, "address": texts.breakable, "count": fmt.count,
        "moment": fmt.moment,
    }  # fmt: skip
    page = offline.environment(_OWN, filters).get_template(template).render(
        policy=offline.policy([style], [script]), style=Markup(style), script=Markup(script), texts=words, **values  # noqa: S704 - ours
    )  # fmt: skip
    return page.encode("utf-8", "replace").decode() + "\n"  # a lone surrogate is no character of a page
