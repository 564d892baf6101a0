"""Measures of scores equal scikit-learn's, and influences are derivatives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from sklearn import metrics as sk

import raikit
from raikit.stats import average_precision_influence
from raikit_performance.checks import Classification
from raikit_performance.scores import average_precision_interval

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


def precision_of(rng, positives, negatives, spread=0.3):
    """Return truth, scores and the interval of average precision; 2% of positives rank last, wrong predictions weigh more."""
    truth = np.repeat([1, 0], [positives, negatives])
    score = np.where((truth == 1) & (rng.random(len(truth)) < 0.02), -3.0, 3.0 * truth + rng.normal(size=len(truth)))
    weight = np.where((score > 1.5) != (truth == 1), 5.0, 1.0) * rng.lognormal(0, spread, len(truth)) if spread else None
    p = 1 / (1 + np.exp(-score))
    cases = raikit.Arrays(truth, (p > 0.5).astype(int), scores=np.column_stack([1 - p, p]), weight=weight, classes=[0, 1])
    value = average_precision_influence(truth == 1, p, weight)[0]
    return value, average_precision_interval(truth == 1, p, cases, 0.95)[0]


def test_average_precision_holds_its_level_where_few_heavy_positives_rank_last():
    rng, runs = np.random.default_rng(7), 500
    population = np.mean([precision_of(rng, 3_000, 30_000)[0] for _ in range(10)])
    found = [precision_of(rng, 30, 300)[1] for _ in range(runs)]
    missed = np.mean([each.low > population and "few_events" not in each.flags for each in found])
    assert missed <= 0.025 + 2 * (0.025 * 0.975 / runs) ** 0.5


def test_average_precision_decides_nothing_on_fewer_than_ten_effective_weighted_positives():
    rng = np.random.default_rng(1)
    assert [precision_of(rng, 10, 200, spread)[1].flags for spread in (0.3, 0.0)] == [("few_events",), ()]
