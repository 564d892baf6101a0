"""Figures of foreign checks: whatever a spec does to the renderer, only that figure is lost."""

from __future__ import annotations

import signal

import pytest
from report_record import make_record

from raikit.run.results import Figure
from raikit_reports.page import figures
from raikit_reports.page.html import render
from raikit_reports.page.renderer import ForeignRenderer

BAR = {"mark": "bar", "encoding": {"y": {"field": "a", "type": "nominal"}, "x": {"field": "b", "type": "quantitative"}}}
ROWS = [{"a": "one", "b": 1}, {"a": "two", "b": 2}]
# Sequences and cross products that a few words of a spec ask for.
HUGE = {"mark": "point", "transform": [{"calculate": "sequence(1e9)", "as": "s"}, {"flatten": ["s"]}], "encoding": {"x": {"field": "s"}}}


def safe(spec, rows=ROWS):
    return figures.safe_spec(Figure(id="f", title="t", alt="a", spec=spec, data=rows))


def test_a_drawing_from_the_other_process_is_the_same():
    with ForeignRenderer() as apart:
        assert apart.render(safe(BAR), "f-") == figures.render(safe(BAR), "f-")
        assert apart.render(safe({"mark": "nonsense"}), "f-").reason == figures.render(safe({"mark": "nonsense"}), "f-").reason


@pytest.mark.parametrize(("limits", "spec"), [({"memory": 300 << 20}, BAR), ({"seconds": 0.2}, BAR), ({"seconds": 6.0}, HUGE)])
def test_a_figure_beyond_a_limit_is_lost_with_the_reason(limits, spec):
    with ForeignRenderer(**limits) as apart:
        lost = apart.render(safe(spec), "f-")
    assert lost.svg is None and ("renderer ended" in lost.reason or "more than" in lost.reason), lost.reason


def test_a_process_that_dies_costs_one_figure():
    with ForeignRenderer() as apart:
        assert apart.render(safe(BAR), "f-").svg is not None
        apart._process.send_signal(signal.SIGABRT)
        apart._process.wait()
        assert apart.render(safe(BAR), "f-").reason.startswith("the renderer ended (SIGABRT); ")
        assert apart.render(safe(BAR), "f-").svg is not None


def test_the_page_draws_figures_of_foreign_checks_apart_and_says_why_one_is_lost():
    record = make_record()
    check = next(check for check in record.checks if check.status == "ok").model_copy(
        update={"name": "mine.it", "plugin": "raikit-mine", "findings": [], "metrics": []}
    )
    check.figures = [Figure(id="f", title="Lost", alt="a", spec=HUGE, data=ROWS), Figure(id="g", title="Kept", alt="a", spec=BAR, data=ROWS)]
    record.checks.append(check)
    page = render(record)
    assert ("Lost" in page and "Kept" in page and "the renderer ended" in page) or "took more than" in page
