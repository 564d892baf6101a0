"""``report.html``: one offline file with a Content-Security-Policy that allows each script and style by its hash."""

from __future__ import annotations

import base64
import gzip
import re
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import jinja2
from markupsafe import Markup

import raikit
from raikit import format as fmt
from raikit.files import write_text
from raikit_reports import offline, texts, verdicts
from raikit_reports.page import figures, layout
from raikit_reports.page.glossary import Glossary, terms
from raikit_reports.page.renderer import RuntimeBundle
from raikit_reports.page.sections import WORDS

TEMPLATES = Path(__file__).parent / "templates"


def write(record: raikit.Record, folder: Path) -> list[Path]:
    """Write the report into `folder`."""
    return [write_text(folder / "report.html", render(record))]


def render(record: raikit.Record) -> str:
    """Return the whole page as text, which depends on the record alone."""
    drawn = "history" in record.model or any(check.figures for check in record.checks)
    with RuntimeBundle() if drawn else nullcontext() as bundle:
        view = layout.build(record)
        runtime = bundle.read() if bundle is not None and view.alive else ""
    style, script = _asset("report.css") + _paper(record), _asset("report.js")
    words, glossary = texts.Texts(), Glossary(terms(record.data.positive))
    text = (
        _environment(words, glossary)
        .get_template("report.html.j2")
        .render(
            page=view,
            record=record,
            policy=offline.policy([style], [script, runtime] if runtime else [script], images="data:"),
            style=Markup(style),  # noqa: S704 - ours, except for the strings escaped by css_string
            script=Markup(script),  # noqa: S704 - ours
            runtime=base64.b64encode(gzip.compress(runtime.encode(), mtime=0)).decode() if runtime else "",
            specs=texts.script_json({"config": figures.CONFIG, "figures": view.figures}),
            tables=texts.script_json(view.tables),
            numbers=texts.script_json({**view.numbers, "name": texts.flat(record.name, 60)}),
            texts=words,
            glossary=glossary,
            begin_section=glossary.section,
            rule_words=_RULE_WORDS,
        )
    )
    return text.encode("utf-8", "replace").decode() + "\n"  # a lone surrogate, in a unit for example, is no character of a page


def _asset(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


def _paper(record: raikit.Record) -> str:
    """Return the style of the foot of every printed page."""
    run = f"{record.name} · run {record.provenance.run_id}" if record.provenance.run_id else record.name
    return f"@page {{ @bottom-left {{ content: {texts.css_string(run)} }} }}\n"


_RULE_WORDS = {verdict: fmt.capitalised(word) for verdict, word in WORDS.items()}
_RULE_WORDS |= {verdicts.PASS: "Holds", verdicts.WARN: "Warning"}
_TAG = re.compile(r"(<[^>]*>)")
_SHARE = re.compile(r"(?<![\w.])\d[\d,.]*%(?! CI)")
_BEFORE_COLON = re.compile(r"^([^:]{1,60}):\s")


def _strong(marked: Markup, whole: bool = False) -> Markup:
    """Set shares in bold: in the `whole` of a text, else up to its first semicolon, as the two values of an evidence line."""
    first, semicolon, rest = (str(marked), "", "") if whole else str(marked).partition("; ")
    parts = [part if part.startswith("<") else _SHARE.sub(r"<b>\g<0></b>", part) for part in _TAG.split(first)]
    return Markup("".join(parts) + semicolon + rest)  # noqa: S704 - it was escaped, and only tags of ours are added


def _lead(text: object) -> Markup:
    """Write a line of a list, what stands before its colon in bold."""
    written = texts.flat(text, 400)
    match = _BEFORE_COLON.match(written)
    if match is None:
        return Markup("<bdi>{}</bdi>").format(written)
    return Markup("<bdi><b>{}:</b> {}</bdi>").format(match[1], written[match.end() :])


def _environment(words: texts.Texts, glossary: Glossary) -> jinja2.Environment:
    filters = {
        "say": words.say,
        "brief": words.brief,
        "flat": texts.flat,
        "clean": texts.clean,
        "address": texts.breakable,
        "sentence": texts.sentence,
        "count": fmt.count,
        "column": fmt.column_text,
        "class": fmt.class_text,
        "group": partial(fmt.group_text, None),
        "capitalised": fmt.capitalised,
        "moment": fmt.moment,
        "seconds": fmt.seconds,
        "facts": layout.facts,
        "explain": glossary.mark,
        "lead": _lead,
        "strong": _strong,
    }
    return offline.environment(TEMPLATES, filters)
