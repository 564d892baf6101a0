"""Accuracy by agreeing annotators is that of the VQA challenge."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from raikit.testing import result_of, table_context
from raikit_performance.answers import agreement
from raikit_performance.checks import Answers


@pytest.mark.parametrize(("agreeing", "accuracy"), [(0, 0.0), (1, 0.3), (2, 0.6), (3, 0.9), (4, 1.0), (10, 1.0)])
def test_ten_annotators_give_the_published_accuracies(agreeing, accuracy):
    assert agreement(["yes"], [["yes"] * agreeing + ["no"] * (10 - agreeing)])[0] == pytest.approx(accuracy, abs=1e-12)


@pytest.mark.parametrize("of", [4, 5, 9])
def test_it_is_the_mean_over_all_ways_to_leave_one_annotator_out(of):
    for agreeing in range(of + 1):
        given = ["yes"] * agreeing + ["no"] * (of - agreeing)
        expected = np.mean([min(subset.count("yes") / 3, 1) for subset in combinations(given, of - 1)])
        assert agreement(["yes"], [given])[0] == pytest.approx(expected, abs=1e-12)


def test_the_check_averages_over_cases_by_weight():
    table = pd.DataFrame({
        "target": ["yes", "no"] * 20, "prediction": "yes", "target.answers": [["yes"] * 10, ["no"] * 9 + ["yes"]] * 20,
        "w": [1.0, 3.0] * 20,
    })
    context = table_context(table, task="multiclass", classes=["no", "yes"], weight="w")
    (metric,) = result_of(Answers, context).metrics
    assert metric.id == "performance.vqa_accuracy"
    assert metric.value == pytest.approx((1 + 3 * 0.3) / 4)
    assert 0 < metric.low < metric.value < metric.high < 1


def test_accuracies_near_zero_allow_for_a_right_answer_that_was_not_seen():
    table = pd.DataFrame({
        "target": "no", "prediction": ["yes"] * 100, "target.answers": [["no"] * 9 + ["yes"]] + [["no"] * 10] * 99,
        "picture": [str(at // 4) for at in range(100)],
    })
    (metric,) = result_of(Answers, table_context(table, task="multiclass", classes=["no", "yes"], cluster=["picture"])).metrics
    assert metric.value == pytest.approx(0.003)
    assert metric.low == 0
    assert metric.high > 0.03
