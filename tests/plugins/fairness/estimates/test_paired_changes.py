"""A change between two decisions about the same cases has an interval that holds."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from raikit.testing import table_context
from raikit_fairness.estimates import paired_changes
from raikit_fairness.estimates.case_counts import read_cases


@pytest.mark.parametrize("turned", [0.0, 0.25])
def test_a_changed_gap_is_covered_also_where_the_difference_turns_round(turned):
    """Two decisions about the same rows, of known rates: |0.7 - 0.5| becomes |0.5 + turned - 0.5|."""
    truth, outside = 0.2 - turned, 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        n, first = 800, np.arange(800) < 300
        u = rng.random(n)
        before, after = u < np.where(first, 0.7, 0.5), u < np.where(first, 0.5 - turned, 0.5)
        table = pd.DataFrame({"g": np.where(first, "a", "b"), "target": 1, "prediction": before.astype(int), "score": 0.5})
        cells = read_cases(table_context(table, sensitive=["g"], classes=[0, 1]), 1, 10)
        change = paired_changes.gap_change(cells, before.astype(float), after.astype(float), np.ones(n, bool), (first, ~first), 0.9)
        assert change.low <= change.value <= change.high
        outside += not change.low <= truth <= change.high
    assert outside <= 30


def test_models_that_agree_on_few_rows_are_not_known_to_be_alike():
    table = pd.DataFrame({"g": ["a"] * 6 + ["b"] * 6, "target": 1, "prediction": [0, 1] * 6, "score": 0.5})
    cells = read_cases(table_context(table, sensitive=["g"], classes=[0, 1]), 1, 10)
    same = cells.prediction.astype(float)
    change = paired_changes.gap_change(cells, same, same, np.ones(12, bool), (np.arange(12) < 6, np.arange(12) >= 6), 0.95)
    assert change.value == 0
    assert change.low < -0.3 < 0.3 < change.high
    cost = paired_changes.mean_change(cells, same - same, np.ones(12, bool), 0.95)
    assert cost.low < -0.1 < 0.1 < cost.high
