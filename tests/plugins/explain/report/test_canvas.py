"""Text is cut to its room and lies above boxes."""

from __future__ import annotations

import re

import vl_convert
from hypothesis import given
from hypothesis import strategies as st

from raikit_explain.report.canvas import Canvas, shortened, width_of


@given(st.text(max_size=60), st.floats(20, 300))
def test_text_is_cut_to_its_room(text, room):
    assert width_of(shortened(text, room)) <= room or len(shortened(text, room)) <= 1


def test_boxes_lie_under_text_in_whatever_order_they_come():
    canvas = Canvas()
    canvas.text(1, 1, "word")
    canvas.box(0, 0, 9, 9, fill="var(--q1)")
    svg = vl_convert.vegalite_to_svg(canvas.spec(20))
    assert re.search(r"var\(--q1\).*word", svg, re.DOTALL)
