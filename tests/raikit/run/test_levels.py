"""A check measures where the gate may need it, and nowhere else."""

from __future__ import annotations

import pytest
from scipy.special import ndtr, ndtri

from raikit.run.levels import LevelRequest, Levels
from raikit.run.results import JudgedOver, Metric

ERRORS = tuple(0.05 / size for size in (1, 2, 3, 5, 10, 20, 50, 100))


def gap(value=0.2, level=0.95, name="gap", **more):
    low, high = ends(value)(level)
    return Metric(name, value, low=low, high=high, n=96, method="normal", level=level, **more)


def ends(value, se=0.05):
    def at(level):
        reach = -float(ndtri((1 - level) / 2)) * se
        return value - reach, value + reach

    return at


def levels(limit=0.1, **more):
    return Levels([LevelRequest("mine.gap", limit, "max", **{"errors": ERRORS, **more})], prefix="mine")


def forbidden(level):
    raise AssertionError(f"nothing needs the level {level}")


def test_nothing_is_measured_that_no_rule_needs():
    assert Levels().measure(gap(), forbidden).limits == []
    assert levels(limit=0.15).measure(gap(), forbidden).limits == []  # not beyond the limit
    assert levels().measure(gap(0.5, name="other"), forbidden).limits == []
    assert levels().measure(Metric.exact("gap", 0.5), forbidden).limits == []


@pytest.mark.parametrize("value", [0.2, 0.22, 0.25, 0.3, 0.6])
def test_a_breach_is_measured_down_to_the_smallest_error_at_which_it_holds(value):
    metric = levels().measure(gap(value), ends(value))
    beyond = [(1 - limits.level) / 2 for limits in metric.limits if limits.low > 0.1]
    p = float(ndtr(-(value - 0.1) / 0.05))
    smallest = min(error for error in (*ERRORS, 1.0) if error >= p)
    assert min([*beyond, 0.025]) == pytest.approx(min(smallest, 0.025))
    assert len(metric.limits) <= 3  # by bisection


def test_the_level_of_a_rule_of_its_own_is_measured_whatever_the_interval():
    metric = levels(limit=0.5, confidence=0.999, errors=()).measure(gap(), ends(0.2))
    assert [limits.level for limits in metric.limits] == [0.999]
    assert metric.limits[0].low == pytest.approx(0.2 - 3.2905 * 0.05, abs=1e-4)


def test_judged_groups_have_their_own_ends():
    judged = JudgedOver(value=0.1, low=0.0, high=0.2)
    metric = gap(judged=judged)
    levels(confidence=0.99).measure(metric, lambda level: (*ends(0.2)(level), *ends(0.1)(level)))
    assert metric.limits[0].judged_high == pytest.approx(0.1 + 2.5758 * 0.05, abs=1e-4)


def test_metrics_that_are_computed_together_are_computed_once_for_each_level():
    asked = []

    def at(level):
        asked.append(level)
        return [gap(0.3, level), gap(0.4, level, name="other")]

    several = Levels([LevelRequest("mine.*", 0.1, "max", confidence=0.99)], prefix="mine")
    first, second = several.measure_all([gap(0.3), gap(0.4, name="other")], at)
    assert asked == [0.99]
    assert [limits.low for limits in first.limits] == [ends(0.3)(0.99)[0]]
    assert second.limits[0].high == ends(0.4)(0.99)[1]


@pytest.mark.parametrize(
    "again",
    [
        lambda level: [gap(0.21, level)],  # random
        lambda level: [gap(0.2, 0.95)],  # a level of its own
        lambda level: [Metric("gap", 0.2, low=gap().low, high=gap().high, n=96, method="normal")],  # ignores the level
        lambda level: [],
    ],
)
def test_what_is_not_the_same_measurement_at_another_level_is_not_taken_for_it(again):
    (metric,) = levels(confidence=0.99).measure_all([gap()], again)
    assert metric.limits == []


def test_spare_levels_are_measured_whether_or_not_the_limit_is_kept():
    spare = levels(limit=0.5, errors=(), spare=(0.005, 0.0005))
    metric = spare.measure(gap(), ends(0.2))
    assert [limits.level for limits in metric.limits] == [0.99, 0.999]
    assert spare.without_spares().measure(gap(), forbidden).limits == []
