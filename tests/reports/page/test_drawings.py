"""Figures in the page: drawn now or left to the script, which has all data that it needs."""

from __future__ import annotations

import pytest

from raikit.run.results import Figure
from raikit_reports.page import figures
from raikit_reports.page.drawings import Drawings

ROWS = [{"group": name, "rate": 0.1234567, "n": 3} for name in ("a", "b") for _ in range(4)]


def figure(**fields):
    return Figure(**{"id": "f", "title": "t", "alt": "a", "data": ROWS, "spec": {"mark": "point"}, **fields})


def never(spec, prefix):
    raise AssertionError("it was drawn")


def test_a_figure_in_a_fold_is_left_to_the_script_with_its_spec_and_data():
    drawings = Drawings(never)
    view = drawings.later(figure())
    entry = drawings.specs[view.anchor]
    assert view.svg is None and view.reason == "" and drawings.alive
    assert entry["spec"]["mark"] == "point" and "data" not in entry["spec"] and "config" not in entry["spec"]
    assert entry["names"] == ["group", "rate", "n"]
    assert entry["columns"][0] == {"texts": ["a", "b"], "places": [0] * 4 + [1] * 4}
    assert entry["columns"][1:] == [[0.12346] * 8, [3] * 8]


def test_a_figure_that_could_not_be_drawn_says_why_and_is_not_tried_again():
    drawings = Drawings(lambda spec, prefix: figures.Drawing(None, reason="too large"))
    view = drawings.now(figure())
    assert view.reason == "too large"
    assert "spec" not in drawings.specs[view.anchor] and drawings.specs[view.anchor]["many"] == 8
    assert not drawings.alive


def test_a_configuration_of_its_own_is_kept():
    drawings = Drawings(never)
    view = drawings.later(figure(spec={"mark": "point", "config": {"point": {"size": 9}}}))
    assert drawings.specs[view.anchor]["spec"]["config"]["point"]["size"] == 9


@pytest.mark.parametrize("many", [figures.INTERACTIVE_ROWS + 1])
def test_a_figure_too_large_for_the_script_is_drawn_now(many):
    drawn = []
    drawings = Drawings(lambda spec, prefix: drawn.append(prefix) or figures.Drawing(None, reason="no"))
    view = drawings.later(figure(data=[{"a": 1.0}] * many))
    assert drawn == [f"{view.anchor}-"]
    assert drawings.specs[view.anchor]["many"] == 500
