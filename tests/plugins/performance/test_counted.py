"""Measures of decisions come from counts: no case is read into memory."""

from __future__ import annotations

import numpy as np
import pytest

import raikit
from raikit.run.predictions import Predictions
from raikit.testing import result_of, table_context
from raikit_performance import mistakes
from raikit_performance.checks import Classification, ConfusionMatrix
from raikit_performance.classification import LabelMeasures
from raikit_performance.influences import add_ingredients

from .conftest import table_of


@pytest.fixture
def decisions():
    rng = np.random.default_rng(4)
    truth = rng.integers(0, 3, 500)
    return table_of(truth, np.where(rng.random(500) < 0.7, truth, rng.integers(0, 3, 500)))


@pytest.mark.parametrize("check", [Classification, ConfusionMatrix])
def test_checks_of_decisions_read_no_case(check, decisions, monkeypatch):
    context = table_context(decisions, task="multiclass", classes=[0, 1, 2])
    monkeypatch.setattr(mistakes, "_MOST_CASES", 499)  # the list of mistakes reads cases, of small data only
    monkeypatch.setattr(Predictions, "frame", lambda *args, **kwargs: pytest.fail("cases were read"))
    metrics = result_of(check, context).metrics
    assert metrics
    assert all(metric.n <= 500 for metric in metrics)


def test_counts_give_what_the_cases_give(decisions):
    cases = raikit.Arrays(
        truth=decisions["target"].to_numpy(), prediction=decisions["prediction"].to_numpy(), classes=[0, 1, 2]
    )
    alone = add_ingredients(LabelMeasures(cases).at(0.9), cases)
    counted = add_ingredients(LabelMeasures(cases.count_alike()).at(0.9), cases.count_alike())
    assert cases.count_alike().size == cases.size == 500
    for one, other in zip(alone, counted, strict=True):
        assert (one.id, one.n, one.method) == (other.id, other.n, other.method)
        assert (one.value, one.low, one.high) == pytest.approx((other.value, other.low, other.high), rel=1e-12)
        for first, second in zip(one.ingredients, other.ingredients, strict=True):
            assert first.estimates[0].variance == pytest.approx(second.estimates[0].variance, rel=1e-9)
            assert (first.estimates[0].n, first.estimates[0].df) == pytest.approx((500, second.estimates[0].df))


def test_shares_with_common_cases_have_the_covariance_of_single_cases(decisions):
    """F1 of several classes share cases; counted, they correlate as they do when every case is a cluster of its own."""
    from raikit_performance.classification import estimate_overlap

    cases = raikit.Arrays(
        truth=decisions["target"].to_numpy(), prediction=decisions["prediction"].to_numpy(), classes=[0, 1, 2]
    )
    counted = estimate_overlap(cases.count_alike()).correlation
    assert counted == pytest.approx(estimate_overlap(cases).correlation, abs=2e-3)
    assert counted[0, 1] > 0.02
