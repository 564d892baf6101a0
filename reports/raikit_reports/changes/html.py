"""A page in the style of the report: its style sheet, a policy that allows each script and style by its hash, and hostile texts."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from raikit import format as fmt
from raikit_reports import texts

_OWN = Path(__file__).parent / "templates"
_REPORT = Path(__file__).parents[1] / "page" / "templates"


def render(template: str, **values: Any) -> str:
    """Return a page as text; `values` are those of its template."""
    style = (_REPORT / "report.css").read_text(encoding="utf-8") + (_OWN / "changes.css").read_text(encoding="utf-8")
    script = (_OWN / "changes.js").read_text(encoding="utf-8")
    words = texts.Texts()
    page = _environment(words).get_template(template).render(
        policy=_policy(style, script), style=Markup(style), script=Markup(script), texts=words, **values  # noqa: S704 - ours
    )  # fmt: skip
    return page.encode("utf-8", "replace").decode() + "\n"  # a lone surrogate is no character of a page


def _policy(style: str, script: str) -> str:
    return (
        f"default-src 'none'; style-src 'sha256-{_hash(style)}'; script-src 'sha256-{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(content: str) -> str:
    return base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()


def _environment(words: texts.Texts) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_OWN),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Any] = {
        "say": words.say, "brief": words.brief, "flat": texts.flat, "address": texts.breakable, "count": fmt.count,
        "moment": fmt.moment,
    }  # fmt: skip
    environment.filters.update(filters)
    return environment
