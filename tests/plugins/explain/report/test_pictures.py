"""Pictures fade where attributions are weak, and frames enclose the strongest cells."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from raikit_explain.report import pictures

grids = arrays.arrays(np.float64, st.tuples(st.integers(2, 20), st.integers(2, 20)), elements=st.floats(-5, 5))


@given(grids, st.integers(1, 12), st.integers(1, 12))
def test_cells_add_up_to_the_picture(grid, rows, columns):
    sums = pictures.cells(grid, rows, columns)
    assert sums.shape == (min(rows, grid.shape[0]), min(columns, grid.shape[1]))
    assert sums.sum() == pytest.approx(grid.sum(), abs=1e-6)


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
    plane = pictures.plane(np.ones(shape))
    assert (None if plane is None else plane.shape) == expected
