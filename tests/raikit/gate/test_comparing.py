"""Comparisons by records alone: ingredients where there are any, else intervals that are apart."""

from __future__ import annotations

import numpy as np
import pytest

from raikit import Margin, stats
from raikit.gate.comparing import compare_intervals, compare_records
from raikit.run.results import Ingredient, Ingredients, Metric


def gap(values, variance=1e-4, df=50.0, value=None, names=None, **more):
    names = names or [f"g{at}" for at in range(len(values))]
    estimates = [Ingredient(group=name, value=v, variance=variance, df=df, n=100) for name, v in zip(names, values, strict=True)]
    part = Ingredients(name="precision", higher_is_better=True, estimates=estimates)
    spread = max(values) - min(values) if value is None else value
    return Metric("precision_difference", spread, low=0, high=1, n=300, method="m", level=0.95, direction="lower", id="f.gap",
                  ingredients=[part], **more)


def test_the_pair_that_lost_is_named():
    comparison = compare_records(gap([0.6, 0.8, 0.7]), gap([0.7, 0.8, 0.7]), Margin(0.02), 0.05)
    assert comparison.loser == "g0 against g1"
    assert comparison.value == pytest.approx(0.1)
    assert comparison.low > 0.02
    assert compare_records(gap([0.6, 0.8, 0.7]), gap([0.7, 0.8, 0.7]), Margin(0.02, "gap"), 0.05).loser is None


def test_groups_of_one_run_only_and_those_with_few_clusters_are_left_out():
    few = compare_records(gap([0.6, 0.8], df=2), gap([0.7, 0.8]), Margin(0.0), 0.05)
    assert (few.p_value, few.low, few.high) == (1, None, None)
    assert few.reason == "too few clusters or cases to decide: four are needed, and fewer must not dominate"
    other = compare_records(gap([0.6, 0.8], names=["a", "b"]), gap([0.7, 0.8]), Margin(0.0), 0.05)
    assert other.p_value == 1
    assert "suppressed" in other.reason


@pytest.mark.parametrize("with_ingredients", [True, False])
@pytest.mark.parametrize("which", ["new", "old"])
def test_what_one_training_shows_is_no_regression(which, with_ingredients):
    runs = {"new": gap([0.2, 0.8]), "old": gap([0.7, 0.8])}
    if not with_ingredients:
        narrow = {"new": {"low": 0.5, "high": 0.7}, "old": {"low": 0.05, "high": 0.15}}
        runs = {name: run.model_copy(update={"ingredients": [], **narrow[name]}) for name, run in runs.items()}
    assert compare_records(**runs, margin=Margin(0.02), error=0.05).p_value < 0.05
    runs[which] = runs[which].model_copy(update={"flags": ["one_training"]})
    compared = compare_records(**runs, margin=Margin(0.02), error=0.05)
    assert compared.p_value == 1
    assert compared.reason == "it is of one training in either run, and how much trainings differ is not known"


def test_covariances_of_groups_that_share_clusters_are_used():
    def run(values, shared):
        metric = gap(values)
        metric.ingredients[0].estimates[1].covariance = [shared]
        return metric

    apart, together = (
        compare_records(run([0.6, 0.66], shared), run([0.64, 0.66], shared), Margin(0.0), 0.05).p_value
        for shared in (0.0, 9e-5)
    )  # fmt: skip
    assert together < 0.01 < apart


def metric(value, low, high, direction="lower", **more):
    return Metric("gap", value, low=low, high=high, n=400, method="m", level=0.95, direction=direction, id="f.gap", **more)


def test_a_truncated_interval_does_not_make_a_regression():
    # The baseline's gap is sure, the candidate's is what 80 cases of a group show where groups are equal.
    old, new = metric(0.01, 0.0, 0.03), metric(0.14, 0.0, 0.35)
    comparison = compare_records(new, old, Margin(0.02), 0.1)
    assert (comparison.p_value, comparison.low) == (1, pytest.approx(-0.03))
    assert "only the two intervals are known" in comparison.reason
    cut = metric(0.14, 0.14, 0.35)  # an end cut to the value is no standard error of 0
    assert compare_records(cut, old, Margin(0.1), 0.001).p_value > 0.0005


@pytest.mark.parametrize("error", [0.1, 0.05, 0.01, 0.002])
@pytest.mark.parametrize("now", [0.8, 0.84, 0.855, 0.9, 0.95])
def test_the_interval_belongs_to_the_test(now, error):
    old, new = (metric(v, v - 0.01, v + 0.01, "higher") for v in (0.9, now))
    comparison = compare_intervals(new, old, 0.02, error)
    assert (comparison.low > 0.02) == (comparison.p_value <= error / 2)
    assert comparison.low <= comparison.value <= comparison.high


def test_intervals_alone_rarely_fail_what_did_not_change():
    rng, failed = np.random.default_rng(0), 0
    for _ in range(300):
        runs = []
        for n in (4_000, 80):
            m = rng.binomial(n, 0.5, 5)
            found = stats.gap(rng.binomial(m, 0.7), m, draws=2_000, rng=rng)
            runs.append(metric(found.value, min(found.low, found.value), max(found.high, found.value)))
        failed += compare_records(runs[1], runs[0], Margin(0.0), 0.1).p_value <= 0.05
    assert failed <= 6
