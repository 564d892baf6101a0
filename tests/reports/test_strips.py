"""A strip is an argument: right of the line is a breach, and no rounding may move an interval across it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from raikit_reports.strips import MIDDLE, WIDTH, draw

number = st.floats(-1e6, 1e6, allow_nan=False).map(lambda value: round(value, 4))


@given(st.tuples(number, number, number), number, st.sampled_from(["max", "min"]))
def test_everything_stays_on_the_strip_and_on_its_side(numbers, limit, bound):
    low, value, high = sorted(numbers)
    strip = draw(value, low, high, limit, bound)
    assert strip is not None
    places = [place for place in (strip.low, strip.at, strip.high) if place is not None]
    assert places == sorted(places)
    assert all(0 <= place <= WIDTH for place in places)
    beyond = value > limit if bound == "max" else value < limit
    assert (strip.at >= MIDDLE) if beyond else (strip.at <= MIDDLE)


def test_what_is_computed_is_a_point():
    assert draw(3, 3, 3, 8, "max").low is None


def test_without_a_measurement_there_is_nothing_to_draw():
    assert draw(None, None, None, 8, "max") is None
    assert draw(1, 0, 2, None, "max") is None
