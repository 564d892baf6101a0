"""Areas under the ROC curve by group hold where a few cases of a scarce class rank last."""

import numpy as np
import pytest
from scipy.special import ndtr

from raikit_fairness.estimates.case_counts import Cells, dense_ranks
from raikit_fairness.estimates.features import Feature
from raikit_fairness.estimates.group_estimates import Draws
from raikit_fairness.estimates.task_metrics import estimate_view, target_views

VIEW = target_views("binary", [0, 1], 1)[0]
BELOW_ALL = -3.0


def intervals(rng, positives, negatives, apart, failing):
    """Return limits of a group of which a share of positives fails, and of one that is ranked without fault."""
    n = positives + negatives
    truth = np.tile(np.repeat([1, 0], [positives, negatives]), 2)
    scores = rng.normal(size=2 * n) + np.repeat([apart, 9.0], n) * truth
    scores = np.where((truth == 1) & (np.arange(2 * n) < n) & (rng.random(2 * n) < failing), BELOW_ALL, scores)
    ones = np.ones(2 * n)
    cells = Cells(truth, truth, ones.astype(np.int64), ones, ones, [], [], False, scores=scores, ranks=dense_ranks(scores))
    feature = Feature(("g",), [("a",), ("b",)], np.repeat([0, 1], n))
    view = estimate_view(VIEW, cells, feature, (cells, feature), Draws(0, ("g",), 100), full=True, names={"roc_auc"})
    return view.by_name["roc_auc"].intervals(0.95)


@pytest.mark.parametrize(
    ("positives", "negatives", "failing"), [(10, 200, 0.05), (30, 300, 0.02), (100, 300, 0.02), (200, 800, 0.01)]
)
def test_the_low_end_allows_for_cases_that_rank_last_and_are_absent(positives, negatives, failing):
    rng = np.random.default_rng(21)
    true = (1 - failing) * ndtr(3.0 / np.sqrt(2)) + failing * ndtr(BELOW_ALL)
    found = [intervals(rng, positives, negatives, 3.0, failing) for _ in range(300)]
    assert np.mean([each.low[0] > true for each in found]) <= 0.04
    assert np.mean([each.high[0] < true for each in found]) <= 0.04


def test_a_group_that_shows_how_badly_cases_rank_is_no_less_precise():
    found = [intervals(np.random.default_rng(seed), 100, 300, 1.5, 0.0) for seed in range(100)]
    assert np.mean([each.high[0] - each.low[0] for each in found]) < 0.0945
