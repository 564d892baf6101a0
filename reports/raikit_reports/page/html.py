"""``report.html``: one offline file with a Content-Security-Policy that allows each script and style by its hash."""

from __future__ import annotations

import base64
import hashlib
from functools import partial
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

import raikit
from raikit import format as fmt
from raikit.files import write_text
from raikit_reports import texts
from raikit_reports.page import figures, layout

TEMPLATES = Path(__file__).parent / "templates"


def write(record: raikit.Record, folder: Path) -> list[Path]:
    """Write the report into `folder`."""
    return [write_text(folder / "report.html", render(record))]


def render(record: raikit.Record) -> str:
    """Return the whole page as text, which depends on the record alone."""
    view = layout.build(record)
    style = _asset("report.css") + _paper(record)
    script = _asset("report.js")
    runtime = figures.runtime() if view.specs else ""
    policy = _policy([style], [script, runtime] if runtime else [script])
    words = texts.Texts()
    text = (
        _environment(words)
        .get_template("report.html.j2")
        .render(
            page=view,
            record=record,
            policy=policy,
            style=Markup(style),  # noqa: S704 - ours, except for the strings escaped by css_string
            script=Markup(script),  # noqa: S704 - ours
            runtime=Markup(runtime),  # noqa: S704 - vl_convert's
            specs=texts.script_json(view.specs),
            texts=words,
        )
    )
    return text.encode("utf-8", "replace").decode() + "\n"  # a lone surrogate, in a unit for example, is no character of a page


def _asset(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


def _paper(record: raikit.Record) -> str:
    """Return the style of the foot of every printed page."""
    run = f"{record.name} · run {record.provenance.run_id}" if record.provenance.run_id else record.name
    return f"@page {{ @bottom-left {{ content: {texts.css_string(run)} }} }}\n"


def _policy(styles: list[str], scripts: list[str]) -> str:
    def sources(contents: list[str]) -> str:
        return " ".join(f"'sha256-{_hash(content)}'" for content in contents)

    return (
        f"default-src 'none'; img-src data:; style-src {sources(styles)}; script-src {sources(scripts)}; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(content: str) -> str:
    return base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()


def _environment(words: texts.Texts) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Any] = {
        "say": words.say,
        "brief": words.brief,
        "flat": texts.flat,
        "clean": texts.clean,
        "address": texts.breakable,
        "words": texts.words,
        "sentence": texts.sentence,
        "count": fmt.count,
        "cell": fmt.cell,
        "column": fmt.column_text,
        "class": fmt.class_text,
        "group": partial(fmt.group_text, None),
        "capitalised": fmt.capitalised,
        "moment": fmt.moment,
        "seconds": fmt.seconds,
        "facts": layout.facts,
        "scalar": fmt.scalar,
        "beside": texts.beside,
    }
    environment.filters.update(filters)
    return environment
