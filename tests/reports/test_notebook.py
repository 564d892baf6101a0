"""What a notebook shows: the words of the one writer, a figure, and nothing that runs or asks for anything."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from hostile import records
from hypothesis import HealthCheck, given, settings

import raikit
from raikit_reports.notebook import render

KNOWN = {
    "div", "style", "p", "h4", "ul", "li", "br", "small", "table", "tr", "th", "td", "details", "summary", "svg", "g", "path",
    "line", "rect", "circle", "text", "tspan", "defs", "clippath", "ellipse", "polygon", "polyline",
}  # fmt: skip


class Elements(HTMLParser):
    """The names of elements and attributes, and the text outside the style."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.names, self.attributes, self.text = set(), set(), ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.names.add(tag)
        self.attributes |= {name for name, _ in attributes}

    def handle_data(self, data):
        self.text += data


def test_it_says_what_the_statements_say(record):
    shown = " ".join(Elements(render(record)).text.split())
    first = raikit.statements(record)[0]
    assert first.headline in shown and record.summary.answer in shown


def test_it_draws_one_figure_with_a_text_alternative(record):
    page = render(record)
    assert page.count("<svg") == 1
    assert re.search(r'role="img" aria-label="[^"]{10,}"', page)


@given(record=records())
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_whatever_a_record_holds_stays_text(record):
    parsed = Elements(render(record))
    assert parsed.names <= KNOWN
    assert not {name for name in parsed.attributes if name.startswith("on") or name in ("href", "src", "srcdoc")}


def test_it_has_no_script_and_its_style_touches_nothing_else(record):
    page = render(record)
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)[1]
    selectors = re.findall(r"([^{}]+)\{", re.sub(r"@media\([^)]*\)\{", "", style))
    assert selectors and all(".raikit" in part for selector in selectors for part in selector.split(",") if part.strip())
    assert "<script" not in page and "url(http" not in page


@pytest.mark.parametrize("theme", ["prefers-color-scheme:dark", "data-jp-theme-light=false", "vscode-dark"])
def test_it_follows_the_theme_of_the_notebook(record, theme):
    assert theme in render(record)
