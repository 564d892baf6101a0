"""Which mistakes are listed, of whom, and when none may be."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from raikit.testing import result_of, table_context
from raikit_performance import mistakes
from raikit_performance.checks import Classification, Regression


def table(n=400, **columns):
    rng = np.random.default_rng(3)
    truth = rng.integers(0, 2, n)
    score = np.clip(truth * 0.5 + rng.random(n) * 0.6, 0.0, 1.0)
    group = np.where(np.arange(n) < 10, "few", "many")
    return pd.DataFrame({"id": np.arange(n), "target": truth, "prediction": (score > 0.5).astype(int), "score": score, "sex": group, **columns})


def listed(check, ctx):
    tables = [one for one in result_of(check, ctx).tables if one.id == mistakes.TABLE]
    if not tables:
        return None
    return pd.DataFrame(tables[0].rows, columns=[column.name for column in tables[0].columns])


def test_only_mistakes_are_listed_the_least_probable_truth_first():
    data = table()
    shown = listed(Classification, table_context(data, task="binary", classes=[0, 1], sensitive=("sex",)))
    wrong = data[data.target != data.prediction]
    assert set(shown.case) <= set(wrong.id.astype(str)) and (shown.truth != shown.prediction).all()
    lacking = np.where(wrong.target == 1, 1 - wrong.score, wrong.score)
    assert shown.badness.iloc[0] == pytest.approx(lacking.max(), abs=1e-4) and shown.badness.is_monotonic_decreasing


def test_every_group_has_its_worst_even_if_another_group_has_more():
    data = table(4_000)
    data.loc[3, ["target", "prediction", "score"]] = [1, 0, 0.49]  # a mild mistake of a small group
    shown = listed(Classification, table_context(data, task="binary", classes=[0, 1], sensitive=("sex",)))
    assert len(shown) <= 200 and "3" in set(shown.case)


def test_numbers_are_ordered_by_their_distance():
    data = pd.DataFrame({"id": range(5), "target": [1.0, 2, 3, 4, 5], "prediction": [1.0, 2.5, 9, 3, 5]})
    shown = listed(Regression, table_context(data, task="regression"))
    assert list(shown.case) == ["2", "3", "1"] and list(shown.badness) == [6.0, 1.0, 0.5]


def test_nothing_is_listed_where_cases_must_not_be_shown_or_none_is_wrong(monkeypatch):
    ctx = table_context(table(), task="binary", classes=[0, 1], sensitive=("sex",))
    assert listed(Classification, replace(ctx, redact=True)) is None
    monkeypatch.setattr(mistakes, "_MOST_CASES", 100)
    assert listed(Classification, ctx) is None
    right = table().assign(prediction=lambda frame: frame.target)
    assert listed(Classification, table_context(right, task="binary", classes=[0, 1], sensitive=("sex",))) is None
