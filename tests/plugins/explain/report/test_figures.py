"""Figures of shares (raikit_explain.report.figures) and of examples (report.examples): valid, in place, true to the numbers."""

from __future__ import annotations

import numpy as np
import pytest
import vl_convert

from raikit.models.positions import Tokens
from raikit.testing import result_of
from raikit_explain.checks import Attributions
from raikit_explain.report.canvas import WIDTH
from raikit_explain.report.examples import ExampleDrawing, Piece, _draw_text, _signed


def _svg(figure):
    spec = figure.spec | {"data": {"name": "table", "values": figure.data},
                          "$schema": "https://vega.github.io/schema/vega-lite/v6.json"}
    return vl_convert.vegalite_to_svg(spec, allowed_base_urls=[])


@pytest.fixture
def result(tiny_model, make_context):
    return result_of(Attributions, make_context(tiny_model(), rows=60), rows=12)


def test_every_figure_draws_and_says_what_it_shows(result):
    assert [figure.id for figure in result.figures] == ["shares", *(f"example-{number}" for number in range(1, 7)), "parts"]
    for figure in result.figures:
        svg = _svg(figure)
        assert svg.count("<text") > 5
        assert len(figure.alt) > 40
        assert figure.data
    shares = _svg(result.figures[0])
    for name in ("photo", "note", "voice", "facts"):
        assert name in shares


def test_nothing_is_drawn_outside(result):
    for figure in (figure for figure in result.figures if figure.id != "parts"):  # Vega-Lite lays that one out
        height = figure.spec["height"]
        for layer in figure.spec["layer"]:
            for mark in layer["data"]["values"]:
                assert -1 <= mark["x"] <= WIDTH + 1
                assert -1 <= mark.get("x2", 0) <= WIDTH + 1
                assert -1 <= mark["y"] <= height + 1
                assert -1 <= mark.get("y2", 0) <= height + 1


def test_the_parts_of_words_sounds_and_columns_add_up_to_their_input(result):
    for figure in result.figures[1:-1]:
        for name in ("note", "voice", "facts"):
            whole = [row["towards"] for row in figure.data if row["input"] == name and row["part"] == "all of it"]
            parts = [row["towards"] for row in figure.data if row["input"] == name and row["part"] != "all of it"
                     and not row["part"].startswith("cell")]
            assert sum(parts) == pytest.approx(whole[0], abs=0.01)


def test_tokens_without_a_text_of_their_own_are_not_drawn(tiny_model, make_context):
    model = tiny_model({"note": "text"})
    own = model.positions
    model.positions = lambda batch: {
        "note": [Tokens(["", *tokens.text[1:]]) for tokens in own(batch)["note"]]
    }
    result = result_of(Attributions, make_context(model, rows=60), rows=12, examples=4)
    drawn = [row for figure in result.figures for row in figure.data if row["part"] != "all of it"]
    assert drawn
    assert all(row["part"] for row in drawn)
    first = [sum(row["part"] != "all of it" for row in figure.data) for figure in result.figures if figure.id.startswith("example")]
    assert max(first) <= 5, "the first of six words is none"


def test_a_missing_input_is_said_to_be_missing(tiny_model, make_context):
    result = result_of(Attributions, make_context(tiny_model(), rows=30, missing=1.0), rows=12, examples=1)
    assert [figure.id for figure in result.figures] == ["parts", "example-1"], "one input has no shares to draw"
    drawn = [mark["text"] for layer in result.figures[1].spec["layer"] for mark in layer["data"]["values"] if "text" in mark]
    assert drawn.count("missing") == 3


def test_tokens_without_text_are_not_drawn():
    attribution = np.array([0.0, 0.3, -0.1, 0.0, 0.0])[:, None] * np.ones((1, 4))
    drawing = ExampleDrawing(strongest=1.2)
    _draw_text(drawing, Piece("note", 0.0, "a b", np.ones((5, 4)), attribution, Tokens(["", "a", "b", "", ""])))
    assert [row["part"] for row in drawing.numbers] == ["a", "b"]
    long = Piece("note", 0.0, "", np.ones((99, 4)), np.zeros((99, 4)), Tokens(["", "a", *[""] * 97]))
    assert _draw_text(ExampleDrawing(strongest=1.0), long) == 38, "padding takes no room and is not counted"


def test_hostile_names_are_only_text(tiny_model, make_context):
    name = '</script><img src=x onerror="1">{{x}}'
    model = tiny_model({name: "tabular", "b": "tabular"})
    result = result_of(Attributions, make_context(model, rows=30, names=[f"{name} {row}" for row in range(30)]), rows=12)
    for figure in result.figures:
        assert "<img" not in _svg(figure)
        assert "<script" not in _svg(figure)


def test_attributions_are_written_with_fewer_decimals_the_larger_they_are():
    assert [_signed(value) for value in (0.154, -12.34, 0.001, 250.0)] == ["+0.15", "−12.3", "0.00", "+250"]
