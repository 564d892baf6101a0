"""No estimate and no interval leaves the values that its quantity can have, whatever table it comes from."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from raikit import Metric
from raikit_fairness import Assessment, assess

MANY_CLASS_BRIER = 2.0
BRIEFLY = {"derandomize": True, "phases": [Phase.generate]}  # an assessment takes too long to look for a smaller table
LARGEST_LOG_LOSS = 36.1  # of a probability that is kept 2.2e-16 away from 0 and 1


def largest_value(metric: Metric) -> float:
    """Return the largest possible value of the quantity that is compared, without a limit for errors of numbers."""
    base = metric.name.removesuffix("_difference").removesuffix("_ratio")
    if base == "log_loss":
        return LARGEST_LOG_LOSS
    if base == "brier_score" and not metric.args.keys() - {"to"}:
        return MANY_CLASS_BRIER
    return math.inf if ("error" in base and "calibration" not in base) or base == "mean_prediction" else 1.0


def bounds(metric: Metric) -> tuple[float, float]:
    """Return the smallest and the largest value that a metric can have."""
    most = largest_value(metric)
    if metric.name.endswith("_ratio"):
        return 0.0, 1.0
    signed = "to" in metric.args or metric.name.startswith(("mean_signed", "mean_prediction"))
    return (-most if signed else 0.0), most


def violations(result: Assessment) -> list[str]:
    """Return the addresses of what cannot be, with the numbers."""
    wrong = []
    for metric in result.metrics:
        if metric.value is None or metric.method == "exact":
            continue
        low, high, value = metric.low, metric.high, metric.value
        least, most = bounds(metric)
        numbers = [value, low, high, metric.minimum_detectable or 0.0]
        tiny = any(0 < abs(number) < 1e-12 * (high - low) for number in numbers)
        promised = metric.minimum_detectable or 0.0
        if not least <= low <= value <= high <= most or tiny or not 0 <= promised <= most:
            wrong.append(f"{metric.address('fairness')}: {value} [{low}, {high}], {promised}")
    return wrong


@dataclass(frozen=True)
class Design:
    """A small table: groups, classes of uneven sizes, wrong predictions, weights, clusters and scores, or not."""

    seed: int
    n: int
    classes: int
    evenness: float
    wrong: float
    groups: int
    scores: float
    spread: float
    clusters: int

    def table(self) -> dict[str, object]:
        """Draw the table."""
        rng, n, k = np.random.default_rng(self.seed), self.n, self.classes
        y = rng.choice(k, n, p=rng.dirichlet(np.full(k, self.evenness)))
        y[:k] = np.arange(k)
        y_pred = np.where(rng.random(n) < self.wrong, rng.choice(k, n), y)
        table = {"y_true": y, "y_pred": y_pred, "sensitive_features": {"g": rng.integers(0, self.groups, n).astype(str)}}
        if self.scores:
            scores = rng.dirichlet(np.full(k, self.scores), n)
            table["scores"] = scores[:, 1] if k == 2 else pd.DataFrame(scores, columns=range(k))
        if self.spread:
            table["sample_weight"] = np.exp(self.spread * rng.normal(size=n))
        if self.clusters:
            table["clusters"] = rng.integers(0, self.clusters, n).astype(str)
        return table


DESIGNS = st.builds(
    Design, seed=st.integers(0, 2**32 - 1), n=st.integers(6, 90), classes=st.sampled_from([2, 3, 5]),
    evenness=st.sampled_from([0.1, 1.0]), wrong=st.sampled_from([0.0, 0.02, 0.3, 0.9]), groups=st.integers(2, 4),
    scores=st.sampled_from([0.0, 0.05, 1.0]), spread=st.sampled_from([0.0, 0.5, 3.0]), clusters=st.sampled_from([0, 1, 4, 40]),
)  # fmt: skip


@given(DESIGNS)
@settings(max_examples=12, **BRIEFLY)
def test_no_interval_of_a_random_small_table_leaves_its_bounds(design):
    assert violations(assess(**design.table())) == []


@given(DESIGNS)
@settings(max_examples=6, **BRIEFLY)
def test_no_interval_of_an_error_of_numbers_ends_below_zero(design):
    rng = np.random.default_rng(0)
    numbers = rng.standard_t(2, design.n)
    table = replace(design, scores=0.0).table() | {"y_true": numbers, "y_pred": numbers + rng.normal(size=design.n)}
    assert violations(assess(**table)) == []


@pytest.mark.parametrize("seed", range(4, 9))
def test_a_group_of_one_class_has_no_area_however_uneven_its_weights_are(seed):
    rng = np.random.default_rng(seed)
    y, weight = np.repeat([1, 0, 2], [45, 40, 35]), np.exp(3 * rng.normal(size=120))
    y_pred, scores = rng.permutation(y), pd.DataFrame(rng.dirichlet(np.ones(3), 120), columns=[0, 1, 2])
    result = assess(y, y_pred, sensitive_features=np.repeat(["a", "b", "b"], 40), scores=scores, sample_weight=weight,
                    metrics=["roc_auc"])  # fmt: skip
    assert result.by_group.set_index(["metric", "group"]).value.isna()["roc_auc", "a"]


def few_clusters_of_three_classes(**more):
    """Return an assessment of three classes of which one is rare, in groups of three clusters: t has 1 degree of freedom."""
    rng = np.random.default_rng(1)
    y = rng.choice(3, 60, p=[0.6, 0.35, 0.05])
    groups, clusters = np.arange(60) % 3, np.where(np.arange(60) % 3 == 0, np.arange(60) // 30, np.arange(60) // 10)
    y_pred = np.where(rng.random(60) < 0.3, rng.choice(3, 60), y)
    return assess(y, y_pred, sensitive_features={"g": groups.astype(str)}, clusters=clusters.astype(str), **more)


@pytest.mark.parametrize("name", ["f1", "balanced_accuracy", "accuracy", "precision"])
def test_a_difference_in_few_clusters_ends_where_rates_end(name):
    result = few_clusters_of_three_classes(reference={"g": "1"})
    compared = [metric for metric in result.metrics if metric.name == f"{name}_difference" and metric.low is not None]
    assert {metric.args.get("to") for metric in compared} == {None, "rest", "1"}
    assert all(-1 <= metric.low <= metric.high <= 1 for metric in compared)
    assert any(metric.low == -1 or metric.high == 1 for metric in compared)
