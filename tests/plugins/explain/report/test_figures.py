"""What is drawn: valid, in place, true to the numbers, and unmoved by hostile text."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest
import vl_convert
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from raikit.testing import result_of
from raikit_explain.checks import Attributions
from raikit_explain.report import pictures
from raikit_explain.report.canvas import WIDTH, Canvas, shortened, width_of
from raikit_explain.words import points, signed

grids = arrays.arrays(np.float64, st.tuples(st.integers(2, 20), st.integers(2, 20)), elements=st.floats(-5, 5))


def _svg(figure):
    spec = figure.spec | {"data": {"name": "table", "values": figure.data},
                          "$schema": "https://vega.github.io/schema/vega-lite/v6.json"}
    return vl_convert.vegalite_to_svg(spec, allowed_base_urls=[])


@pytest.fixture
def result(tiny_model, make_context):
    return result_of(Attributions, make_context(tiny_model(), rows=60), rows=12)


def test_every_figure_draws_and_says_what_it_shows(result):
    assert [figure.id for figure in result.figures] == ["shares", *(f"example-{number}" for number in range(1, 7))]
    for figure in result.figures:
        svg = _svg(figure)
        assert svg.count("<text") > 5
        assert len(figure.alt) > 40
        assert figure.data
    shares = _svg(result.figures[0])
    for name in ("photo", "note", "voice", "facts"):
        assert name in shares


def test_nothing_is_drawn_outside(result):
    for figure in result.figures:
        height = figure.spec["height"]
        for layer in figure.spec["layer"]:
            for mark in layer["data"]["values"]:
                assert -1 <= mark["x"] <= WIDTH + 1
                assert -1 <= mark.get("x2", 0) <= WIDTH + 1
                assert -1 <= mark["y"] <= height + 1
                assert -1 <= mark.get("y2", 0) <= height + 1


def test_the_parts_of_words_sounds_and_columns_add_up_to_their_input(result):
    for figure in result.figures[1:]:
        for name in ("note", "voice", "facts"):
            whole = [row["towards"] for row in figure.data if row["input"] == name and row["part"] == "all of it"]
            parts = [row["towards"] for row in figure.data if row["input"] == name and row["part"] != "all of it"
                     and not row["part"].startswith("cell")]
            assert sum(parts) == pytest.approx(whole[0], abs=0.01)


def test_a_missing_input_is_said_to_be_missing(tiny_model, make_context):
    result = result_of(Attributions, make_context(tiny_model(), rows=30, missing=1.0), rows=12, examples=1)
    assert result.figures[0].id == "example-1", "one input has no shares to draw"
    drawn = [mark["text"] for layer in result.figures[0].spec["layer"] for mark in layer["data"]["values"] if "text" in mark]
    assert drawn.count("not there") == 3


def test_hostile_names_are_only_text(tiny_model, make_context):
    name = '</script><img src=x onerror="1">{{x}}'
    model = tiny_model({name: "tabular", "b": "tabular"})
    result = result_of(Attributions, make_context(model, rows=30, names=[f"{name} {row}" for row in range(30)]), rows=12)
    for figure in result.figures:
        assert "<img" not in _svg(figure)
        assert "<script" not in _svg(figure)


@given(grids, st.integers(1, 12), st.integers(1, 12))
def test_cells_add_up_to_the_picture(grid, rows, columns):
    found = pictures.cells(grid, rows, columns)
    assert found.shape == (min(rows, grid.shape[0]), min(columns, grid.shape[1]))
    assert found.sum() == pytest.approx(grid.sum(), abs=1e-6)


@given(grids)
def test_frames_enclose_the_strongest_cells_and_signs_keep_apart(grid):
    framed = pictures.strongest(grid)
    size = np.abs(grid)
    if framed.any() and not framed.all():
        assert size[framed].min() >= size[~framed].max()
    assert framed.sum() <= 10
    edges = pictures.outline(grid, framed)
    for against in (False, True):
        mine = framed & ((grid < 0) == against)
        # every row of cells of one kind is entered as often as it is left
        upright = [edge for edge in edges if edge.against == against and edge.x == edge.x2]
        assert len(upright) == sum(np.abs(np.diff(np.pad(row, 1).astype(int))).sum() for row in mine)


def test_what_mattered_keeps_its_colours_and_the_rest_fades():
    picture = np.zeros((80, 80, 3), np.uint8)
    picture[..., 0] = 200
    grid = np.zeros((8, 8))
    grid[:, :2] = 1.0
    file, aspect = pictures.faded(picture, grid)
    pixels = np.asarray(Image.open(io.BytesIO(file))).astype(int)
    assert aspect == 1.0
    np.testing.assert_allclose(pixels[150, 20], [200, 0, 0], atol=12)
    assert pixels[150, 280].min() > 190, "faded towards white"
    assert np.ptp(pixels[150, 280]) < 12, "and grey"


def test_a_tall_picture_stays_tall():
    assert pictures.faded(np.zeros((60, 20, 3), np.uint8), np.ones((4, 4)))[1] == 3.0


@pytest.mark.parametrize(("shape", "expected"), [((3, 16, 8), (16, 8)), ((49, 32), (7, 7)), ((50, 32), (7, 7)), ((51, 2), None)])
def test_encodings_are_laid_out_as_planes_where_they_are_planes(shape, expected):
    found = pictures.plane(np.ones(shape))
    assert (None if found is None else found.shape) == expected


@given(st.text(max_size=60), st.floats(20, 300))
def test_text_is_cut_to_its_room(text, room):
    assert width_of(shortened(text, room)) <= room or len(shortened(text, room)) <= 1


def test_boxes_lie_under_text_in_whatever_order_they_come():
    canvas = Canvas()
    canvas.text(1, 1, "word")
    canvas.box(0, 0, 9, 9, fill="var(--q1)")
    svg = vl_convert.vegalite_to_svg(canvas.spec(20))
    assert re.search(r"var\(--q1\).*word", svg, re.DOTALL)


def test_numbers_are_written_alike():
    assert [signed(value) for value in (0.154, -12.34, 0.001, 250.0)] == ["+0.15", "−12.3", "0.00", "+250"]
    assert [points(value) for value in (0.08, -0.012, 0.01)] == ["8 points", "−1.2 points", "1 point"]
