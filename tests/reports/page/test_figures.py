"""Specs come from plugins: they may draw, and nothing else."""

from __future__ import annotations

import pytest

from raikit.run.results import Figure
from raikit_reports.page import figures, renderer
from raikit_reports.page.renderer import RuntimeBundle

BAR = {"mark": "bar", "encoding": {"y": {"field": "a", "type": "nominal"}, "x": {"field": "b", "type": "quantitative"}}}
ROWS = [{"a": "one", "b": 1}, {"a": "two", "b": 2}]


def figure(spec: dict, data: list | None = None) -> Figure:
    return Figure(id="f", title="t", alt="a", spec=spec, data=ROWS if data is None else data)


def test_a_spec_is_drawn_one_column_wide_by_role():
    drawn = figures.render(figures.safe_spec(figure(BAR)), "f-")
    assert drawn.width == figures.WIDTH
    assert 'fill="var(--q4)"' in drawn.svg
    assert "<script" not in drawn.svg
    assert "style=" not in drawn.svg


def test_the_same_spec_gives_the_same_drawing():
    first, second = (figures.render(figures.safe_spec(figure(BAR)), "f-").svg for _ in range(2))
    assert first == second


def test_nothing_fetches_links_or_configures_the_page():
    spec = figures.safe_spec(
        figure(
            {
                **BAR,
                "data": {"url": "https://example.org/x.csv"},
                "usermeta": {"embedOptions": {"ast": False}},
                "transform": [
                    {"lookup": "a", "from": {"data": {"url": "file:///etc/passwd"}, "key": "a", "fields": ["b"]}}
                ],
                "encoding": {**BAR["encoding"], "href": {"value": "javascript:alert(1)"}, "url": {"value": "x"}},
                "params": [{"name": "p", "value": 1, "bind": {"input": "range"}}],
            }
        )
    )
    written = str(spec)
    assert not any(word in written for word in ("example.org", "passwd", "javascript:", "usermeta", "bind"))
    assert spec["data"]["values"] == ROWS


@pytest.mark.parametrize(
    "spec", [{"mark": "nonsense"}, {"layer": "x"}, {"mark": {"type": "bar"}, "encoding": {"x": 3}}, {}]
)
def test_a_spec_that_cannot_be_drawn_says_why(spec):
    drawn = figures.render(figures.safe_spec(figure(spec)), "f-")
    assert drawn.svg is not None or drawn.reason


def test_hostile_labels_are_text_and_unreadable_ones_are_replaced():
    rows = [{"a": text, "b": 1} for text in ("</text><script>alert(1)</script>", "\u202eevil", "a\ud800b", "")]
    drawn = figures.render(figures.safe_spec(figure(BAR, rows)), "f-")
    assert drawn.svg
    assert "<script" not in drawn.svg
    assert "\u202e" not in drawn.svg
    drawn.svg.encode()


def test_of_an_svg_only_what_draws_is_kept():
    text = (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        'viewBox="0 0 9 9" onload="x()">'
        '<style>*{}</style><script>x()</script><a href="javascript:x()"><path d="M0 0"/></a><foreignObject/>'
        '<defs><clipPath id="c"><rect width="1" height="1"/></clipPath></defs>'
        '<path d="M1 1" style="x" onclick="x()" clip-path="url(#c)" fill="url(https://example.org/#a)"/>'
        '<image xlink:href="https://example.org/x.png"/><image href="data:image/svg+xml;base64,AAAA"/>'
        '<image xlink:href="data:image/png;base64,AAAA"/></svg>'
    )
    svg = figures.sanitize(text, "f1-").svg
    assert not any(
        word in svg for word in ("script", "style", "onload", "onclick", "example.org", "foreign", "<a", "svg+xml")
    )
    assert 'clip-path="url(#f1-c)"' in svg
    assert 'id="f1-c"' in svg
    assert 'href="data:image/png;base64,AAAA"' in svg


def test_a_document_type_is_refused():
    with pytest.raises(ValueError, match="document type"):
        figures.sanitize('<!DOCTYPE svg [<!ENTITY a "b">]><svg/>', "f-")


def test_the_runtime_cannot_end_its_own_script():
    with RuntimeBundle() as bundle:
        script = bundle.read()
    assert "vegaEmbed" in script and "vegaLogger" in script
    assert "</script" not in script
    assert "<!--" not in script


def test_a_runtime_that_cannot_be_bundled_is_left_out(monkeypatch):
    monkeypatch.setattr(renderer, "_BUNDLE", "raise MemoryError")
    with RuntimeBundle() as bundle:
        assert bundle.read() == ""
