"""Measures of scores equal scikit-learn's, and influences are derivatives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from sklearn import metrics as sk

from raikit.stats import average_precision_influence
from raikit_performance.checks import Classification

from .conftest import close, measured, table_of, tables


@given(tables())
@settings(max_examples=25)
def test_score_measures_equal_scikit_learn_wherever_it_defines_them(drawn):
    k, truth, prediction, scores, weight = drawn
    more = {} if weight is None else {"w": weight}
    metrics = measured(Classification, table_of(truth, prediction, scores, **more), k, weight="w" if more else None)
    onehot, keep = np.eye(k)[truth], {"sample_weight": weight}
    close(metrics["performance.log_loss"], sk.log_loss(truth, scores, labels=range(k), **keep))
    brier = np.average(((scores - onehot) ** 2).sum(axis=1), weights=weight) * (0.5 if k == 2 else 1)
    close(metrics["performance.brier_score"], float(brier))
    for name, oracle in (("roc_auc", sk.roc_auc_score), ("average_precision", sk.average_precision_score)):
        each = [oracle(onehot[:, c], scores[:, c], **keep) if 0 < onehot[:, c].sum() < len(truth) else np.nan
                for c in range(k)]
        if k == 2:
            close(metrics[f"performance.{name}"], each[1])
            continue
        for label in range(k):
            close(metrics[f"performance.{name}(class={label})"], each[label])
        close(metrics[f"performance.{name}"], np.nan if np.isnan(each).all() else float(np.nanmean(each)))


@pytest.mark.parametrize("ties", [False, True])
def test_the_influence_of_a_case_is_the_derivative_of_average_precision_influence(ties):
    rng = np.random.default_rng(6)
    truth, score, weight = rng.random(60) < 0.4, rng.random(60), rng.random(60) + 0.5
    score = np.round(score, 1) if ties else score
    value, influence = average_precision_influence(truth, score, weight)
    assert influence.sum() == pytest.approx(0, abs=1e-12)
    for row in range(0, 60, 7):
        nudged = weight.copy()
        nudged[row] += 1e-6
        assert influence[row] / weight[row] == pytest.approx(
            (sk.average_precision_score(truth, score, sample_weight=nudged) - value) / 1e-6, abs=1e-4)
