"""Means over rows are compared on the rows that both runs hold."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats as sp

from raikit import Margin, Margins, Metric, Record
from raikit.run.reader import Run
from raikit.run.record import CheckRecord, DataRecord, Gate
from raikit_performance.checks import Classification, Regression


def as_run(folder, frame, name="accuracy", task="binary", direction="higher"):
    folder.mkdir()
    frame.assign(split="test").to_parquet(folder / "predictions.parquet", index=False)
    metric = Metric(name, 0.5, low=0.4, high=0.6, n=len(frame), method="m", direction=direction)
    metric.id = metric.address("performance")
    check = CheckRecord(name="performance.it", pillar="performance", plugin="raikit", status="ok", metrics=[metric])
    data = DataRecord(task=task, classes=[0, 1] if task == "binary" else [], positive=1,
                      cluster=[c for c in ("home",) if c in frame])
    return Run(folder, Record(name="m", verdict="pass", gate=Gate(verdict="pass"), data=data, checks=[check]))


def compared(tmp_path, before, after, check=Classification, name="accuracy", margin=0.0, **more):
    old, new = as_run(tmp_path / "old", before, name, **more), as_run(tmp_path / "new", after, name, **more)
    margins = Margins({f"performance.{name}": Margin(margin)})
    return next(iter(check().compare(new, old, margins)), None)


def table(n=2000, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    return pd.DataFrame({"id": np.arange(n), "target": y, "prediction": np.where(rng.random(n) < 0.8, y, 1 - y)})


def test_accuracy_on_the_same_cases_is_nearly_as_sure_as_an_exact_paired_test(tmp_path):
    before, rng = table(), np.random.default_rng(1)
    after = before.assign(prediction=np.where(rng.random(2000) < 0.01, 1 - before.target, before.prediction))
    comparison = compared(tmp_path, before, after.sample(frac=1, random_state=0))
    worse = (after.prediction != after.target).astype(float) - (before.prediction != before.target)
    oracle = sp.ttest_1samp(worse, 0.0, alternative="greater")
    assert comparison.value == pytest.approx(worse.mean())
    exact = sp.binomtest(int((worse == 1).sum()), int((worse != 0).sum()), alternative="greater")  # McNemar's test
    assert max(oracle.pvalue, exact.pvalue) < comparison.p_value < 0.02
    assert (comparison.paired, comparison.n) == (True, 2000)
    assert comparison.low < comparison.value < comparison.high


def test_a_model_that_says_the_same_is_not_proven_to_be_the_same_to_the_last_row(tmp_path):
    comparison = compared(tmp_path, table(), table())
    assert (comparison.value, comparison.p_value) == (0, 0.5)
    assert 0 < comparison.high < 0.005


def test_rows_of_one_home_count_as_one(tmp_path):
    before = table().assign(home=lambda t: (t.id // 100).astype(str))
    after = before.assign(prediction=np.where(before.home.isin(["3", "7"]), 1 - before.target, before.prediction))
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    rows = compared(tmp_path / "a", before.drop(columns="home"), after.drop(columns="home"))
    homes = compared(tmp_path / "b", before, after)
    assert rows.p_value < 1e-6 < 0.01 < homes.p_value


def test_losses_of_scores_and_errors_of_numbers(tmp_path):
    rng = np.random.default_rng(0)
    before = table().assign(score=lambda t: np.clip(0.3 + 0.4 * t.target + rng.normal(0, 0.1, 2000), 0, 1))
    after = before.assign(score=np.clip(before.score + rng.normal(0, 0.2, 2000), 0, 1))
    brier = [((frame.score - frame.target) ** 2).mean() for frame in (before, after)]
    (tmp_path / "a").mkdir()
    comparison = compared(tmp_path / "a", before, after, name="brier_score", direction="lower")
    assert comparison.value == pytest.approx(brier[1] - brier[0])
    (tmp_path / "b").mkdir()
    y = rng.normal(size=500)
    numbers = pd.DataFrame({"id": np.arange(500), "target": y, "prediction": y + rng.normal(0, 1e-9, 500)})
    off = numbers.assign(prediction=numbers.prediction + 1e-9)
    comparison = compared(tmp_path / "b", numbers, off, Regression, "mean_absolute_error", task="regression", direction="lower")
    assert comparison.p_value < 1e-6
