"""Drawings made from numbers: everything at its place, every name a text, nothing beyond the axis."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest
from report_record import HOSTILE

from raikit_reports.page import charts
from raikit_reports.page.charts import Axis, Bar, Cell, GapDrawing, Grouping


def bars(*values):
    return [Bar(f"group {place}", value, value - 0.02, value + 0.02, 100) for place, value in enumerate(values)]


def positions(svg, pattern):
    return [float(found) for found in re.findall(pattern, svg)]


def test_a_value_stands_where_its_axis_says_and_never_beyond():
    axis = Axis(0.0, 0.2, 100, 300)
    assert [axis.at(value) for value in (0.0, 0.1, 0.2, 7.0, -1.0)] == [100, 200, 300, 300, 100]


@pytest.mark.parametrize(("values", "low"), [([0.02, 0.2], 0.0), ([0.91, 0.95], 0.9084), ([0.0, 0.0], 0.0), ([], 0.0), ([-0.1, 0.1], -0.108)])
def test_an_axis_begins_at_zero_unless_all_values_are_far_from_it(values, low):
    axis = charts.axis_of(values, 0, 1, "rate")
    assert axis.low == pytest.approx(low)
    assert axis.high > axis.low


def test_ticks_are_round_and_in_the_unit():
    assert [text for _, text in charts.axis_of([0.0, 0.238], 0, 1, "rate").ticks()] == ["0", "10", "20%"]
    assert [text for _, text in charts.axis_of([2.4, 2.9], 0, 1, "kWh").ticks()] == ["2.4", "2.6", "2.8"]


def test_groups_stand_in_their_order_on_one_axis_with_value_and_n():
    one, other = Grouping("One", bars(0.3, 0.1)), Grouping("Other", bars(0.2))
    svg = charts.by_group([one, other], "rate", "It says.")
    places = positions(svg, r'<circle class="mk" cx="([\d.]+)"')
    assert places[0] > places[2] > places[1]
    assert re.findall(r">([\d.]+%)<", svg)[-3:] and {"30.0%", "20.0%", "10.0%"} <= set(re.findall(r">([\d.]+%)<", svg))
    assert svg.count(">100<") == 3 and ">One<" in svg and ">Other<" in svg


def test_what_is_allowed_is_grey_up_to_the_limit():
    svg = charts.by_group([Grouping("One", bars(0.3, 0.1), band=(0.1, 0.2))], "rate", "alt", "limit: b + 10 pp")
    x, width = positions(svg, r'<rect class="q1" x="([\d.]+)"')[0], positions(svg, r'width="([\d.]+)"')[0]
    (limit,) = positions(svg, r'<path class="lim" d="M([\d.]+)')
    assert x + width == pytest.approx(limit, abs=0.2)
    worst, best = positions(svg, r'<circle class="mk" cx="([\d.]+)"')
    assert best == pytest.approx(x, abs=0.2) and worst > limit


def test_groups_that_are_left_out_are_counted():
    assert "and 7 more groups" in charts.by_group([Grouping("One", bars(0.3), left_out=7)], "rate", "alt")


def test_both_ends_of_a_gap_its_interval_and_its_limit_are_drawn():
    drawing = GapDrawing(0.2, "West 20%", 0.05, "North 5%", 0.12, 0.28, limit=0.15, allowed=0.05, tone="fail")
    axis = charts.axis_of(drawing.values(), 10, 310, None)
    svg = charts.gap(drawing, axis, "alt")
    (ring,), (disc,), (limit,) = (positions(svg, pattern) for pattern in (
        r'class="ring" cx="([\d.]+)"', r'class="mk" cx="([\d.]+)"', r'class="lim" d="M([\d.]+)'))  # fmt: skip
    assert ring < limit < disc
    assert 'g class="fail"' in svg and "West 20%" in svg and "North 5%" in svg


def test_a_gap_without_reference_limit_or_interval_is_a_disc():
    svg = charts.gap(GapDrawing(0.2, "20%"), Axis(0, 1, 10, 310), "alt")
    assert [part in svg for part in ("ring", "lim", "allow", 'class="ci"', "mk")] == [False, False, False, False, True]


def test_a_heat_map_frames_the_highest_and_the_lowest():
    cells = {(0, 0): Cell(0.25, 9), (0, 1): Cell(0.1, 9), (1, 0): Cell(0.02, 9)}
    svg = charts.heat(["a", "b"], ["left", "medium right, so long that it needs two lines"], cells, "rate", "alt")
    assert svg.count('class="frame"') == svg.count('class="frame2"') == 2
    assert ">25.0<" in svg and 'class="q5"' in svg and 'class="q1"' in svg
    assert "Medium right" not in svg and ">medium<title>" in svg.replace("Medium", "medium")


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_name_is_a_text_of_a_sound_drawing(text):
    for svg in (
        charts.by_group([Grouping(text, [Bar(text, 0.1, 0.0, 0.2, 3)]), Grouping(text, [])], "rate", text, text),
        charts.gap(GapDrawing(0.2, text, 0.1, text), Axis(0, 1, 10, 310), text),
        charts.heat([text], [text], {(0, 0): Cell(0.1, 1)}, "rate", text),
    ):
        root = ElementTree.fromstring(svg)
        assert {element.tag for element in root.iter()} <= {"svg", "g", "text", "title", "path", "rect", "circle"}
        assert not any(name.startswith("on") for element in root.iter() for name in element.attrib)


@pytest.mark.parametrize(("counts", "head"), [("true matches", "true matches"), ("people who did not reoffend", "n"), ("", "cases")])
def test_the_sizes_are_headed_by_what_they_count(counts, head):
    assert f">{head}</text>" in charts.by_group([Grouping("One", bars(0.3), counts=counts)], "rate", "alt")


def test_a_name_is_whole_where_there_is_room():
    name = "Received Pronunciation"
    assert f">{name}<" in charts.by_group([Grouping("One", [Bar(name, 0.1, None, None, 3)])], "rate", "alt")
    assert f">{name}<" in charts.heat([name], ["A", "B"], {(0, 0): Cell(0.1, 3), (0, 1): Cell(0.2, 3)}, "rate", "alt")
