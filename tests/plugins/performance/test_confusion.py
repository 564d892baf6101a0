"""Confusions equal scikit-learn's matrix."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sk

from raikit.testing import result_of, table_context
from raikit_performance.checks import ConfusionMatrix

from .conftest import table_of


def test_confusions_are_shares_of_the_true_class_and_the_figure_holds_a_number_per_cell():
    truth, prediction = [0] * 6 + [1] * 4 + [2] * 5, [0, 0, 0, 1, 1, 2] + [1, 1, 1, 0] + [2] * 5
    ctx = table_context(table_of(truth, prediction), task="multiclass", classes=[0, 1, 2])
    result = result_of(ConfusionMatrix, ctx)
    metrics = {metric.id: metric for metric in result.metrics}
    matrix = sk.confusion_matrix(truth, prediction, normalize="true")
    for t in range(3):
        for p in range(3):
            if t != p:
                metric = metrics[f"performance.confusion_matrix(predicted={p},target={t})"]
                assert metric.value == pytest.approx(matrix[t, p])
                assert metric.n == truth.count(t)
    assert len(result.figures[0].data) == 9
    assert all(row["number"].isdigit() for row in result.figures[0].data)


def test_the_most_frequent_of_many_alike_confusions_is_covered():
    rng = np.random.default_rng(0)
    missed = 0
    for _ in range(60):
        truth = np.repeat(np.arange(6), 60)
        prediction = np.where(rng.random(360) < 0.5, truth, (truth + rng.integers(1, 6, 360)) % 6)
        ctx = table_context(table_of(truth, prediction), task="multiclass", classes=list(range(6)))
        finding = result_of(ConfusionMatrix, ctx).findings[0]
        missed += not finding.low <= 0.1 <= finding.high
    assert missed <= 8  # the interval of the chosen confusion alone misses 21 of 60
