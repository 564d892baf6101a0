"""Gaps of metrics whose errors weigh more do not grow by chance more often than the level says."""

import numpy as np
import pytest

from raikit import stats
from raikit.stats.constants import LEAST_DF
from raikit_fairness.estimates.case_counts import Cells, dense_ranks
from raikit_fairness.estimates.features import Feature
from raikit_fairness.estimates.group_estimates import Draws
from raikit_fairness.estimates.task_metrics import estimate_view, target_views

VIEW = target_views("binary", [0, 1], 1)[0]
GROUPS = [(name,) for name in "abcde"]


def estimate(rng, n, name, base, apart, log_weight):
    """Estimate a metric in five groups that are alike, whose errors weigh `exp(log_weight)` times more."""
    truth = (rng.random(n) < base).astype(int)
    scores = apart * (2 * truth - 1) * 0.75 + rng.normal(0, 1, n)
    prediction = (scores > 0).astype(int)
    w = np.exp(log_weight * (prediction != truth)) * rng.lognormal(0, 0.3, n)
    scores = 1 / (1 + np.exp(-scores))
    cells = Cells(truth, prediction, np.ones(n, dtype=np.int64), w, w**2, [], [], True, scores=scores, ranks=dense_ranks(scores))
    feature = Feature(("g",), GROUPS, rng.integers(0, 5, n))
    return estimate_view(VIEW, cells, feature, (cells, feature), Draws(0, ("g",), 100), full=True, names={name}).by_name[name]


def grew(before, after):
    """Whether a group is said to have lost against another one, at a one-sided level of 5%."""
    known = [each.uncertainty() for each in (before, after)]
    keep = np.flatnonzero((known[0].df >= LEAST_DF) & (known[1].df >= LEAST_DF) & (after.support >= 10))
    if len(keep) < 2:
        return False
    runs = [stats.RunEstimates.independent(each.value[keep], of.variance[keep], of.df[keep])
            for each, of in zip((before, after), known, strict=True)]  # fmt: skip
    return stats.changes.gap_change(*runs, higher_is_better=True).p_value <= 0.05


@pytest.mark.parametrize(
    ("name", "n", "base", "apart", "log_weight", "runs"),
    [("f1", 1_000, 0.2, 2.5, 1.6, 300), ("balanced_accuracy", 300, 0.5, 1.5, 1.6, 300), ("roc_auc", 300, 0.5, 1.5, 2.3, 150)],
)
def test_a_gap_does_not_grow_by_chance_where_errors_weigh_more(name, n, base, apart, log_weight, runs):
    rng = np.random.default_rng(21)
    failed = sum(
        grew(estimate(rng, 10_000, name, base, apart, log_weight), estimate(rng, n, name, base, apart, log_weight))
        for _ in range(runs)
    )
    assert failed <= 0.05 * runs


def test_weights_that_are_alike_change_nothing():
    cells = [estimate_alike(np.random.default_rng(1), weight) for weight in (1.0, 3.0)]
    for name in ("rates", "M", "df"):
        np.testing.assert_allclose(*(getattr(each.cov, name) for each in cells), rtol=1e-9)


def estimate_alike(rng, weight):
    n = 500
    truth, prediction, w = rng.integers(0, 2, n), rng.integers(0, 2, n), np.full(n, weight)
    cells = Cells(truth, prediction, np.ones(n, dtype=np.int64), w, w**2, [], [], weight != 1)
    feature = Feature(("g",), GROUPS, rng.integers(0, 5, n))
    return estimate_view(VIEW, cells, feature, None, Draws(0, ("g",), 100), full=True, names={"f1"}).by_name["f1"]
