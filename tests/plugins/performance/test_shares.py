"""Intervals of shares and averages cover the truth and respect clusters and weights."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sk

import raikit
from raikit_performance.checks import Classification
from raikit_performance.classification import label_metrics

from .conftest import measured, scored, table_of


def test_the_scale_of_weights_changes_nothing():
    rng = np.random.default_rng(3)
    truth, scores = scored(rng, 150, 3)
    weight = rng.random(150) + 0.1
    once, again = (
        measured(Classification, table_of(truth, scores.argmax(1), scores, w=weight * scale), 3, weight="w")
        for scale in (1.0, 1e4)
    )
    for name, metric in once.items():
        assert again[name].value == pytest.approx(metric.value, rel=1e-9)
        assert again[name].low == pytest.approx(metric.low, rel=1e-9)
        assert again[name].n == metric.n


def test_cases_copied_within_a_cluster_do_not_narrow_an_interval():
    rng = np.random.default_rng(4)
    truth, scores = scored(rng, 120, 3, noise=3.0)
    single = table_of(truth, scores.argmax(1), scores)
    copies = single.loc[single.index.repeat(25)].assign(c=np.repeat(np.arange(120), 25).astype(str))
    alone, naive, robust = (
        measured(Classification, table, 3, cluster=cluster)
        for table, cluster in ((single, ()), (copies, ()), (copies, ("c",)))
    )
    for name in ("accuracy", "balanced_accuracy", "f1(average=macro)", "roc_auc", "average_precision", "log_loss"):
        one, wrong, right = (metrics[f"performance.{name}"] for metrics in (alone, naive, robust))
        width = one.high - one.low
        assert (wrong.high - wrong.low) < 0.25 * width
        assert 0.9 * width < (right.high - right.low) < 1.25 * width
        assert right.n_clusters == 120


def test_a_case_without_a_cluster_counts_as_one():
    rng = np.random.default_rng(6)
    truth, scores = scored(rng, 600, 2)
    voice = np.array([str(v) for v in np.arange(600) % 30], dtype=object)
    voice[::7] = None
    metrics = measured(Classification, table_of(truth, scores.argmax(1), scores, v=voice), 2, cluster=("v",))
    assert metrics["performance.accuracy"].n_clusters == 30 + 86


def test_two_crossed_cluster_columns_widen_what_one_leaves_narrow():
    rng = np.random.default_rng(5)
    voice, picture = np.repeat(np.arange(20), 60), np.tile(np.arange(60), 20)
    hard = rng.normal(0, 2, 20)[voice] + rng.normal(0, 2, 60)[picture]
    truth = rng.integers(0, 2, 1200)
    prediction = np.where(rng.random(1200) < 1 / (1 + np.exp(hard)), truth, 1 - truth)
    table = table_of(truth, prediction, v=voice.astype(str), p=picture.astype(str))
    widths = [
        (lambda metric: metric.high - metric.low)(measured(Classification, table, 2, cluster=c)["performance.accuracy"])
        for c in ((), ("p",), ("p", "v"))
    ]
    assert widths[0] * 2 < widths[1]
    assert widths[1] * 1.2 < widths[2]


def test_averages_over_classes_cover_the_truth():
    rng = np.random.default_rng(7)
    cells = np.array([[30, 5, 1], [6, 18, 4], [3, 4, 9]], dtype=float).ravel()
    cells /= cells.sum()
    big = np.rint(cells * 4_000_000).astype(int)
    truths = np.repeat(np.arange(9) // 3, big), np.repeat(np.arange(9) % 3, big)
    names = {"f1(average=macro)": sk.f1_score(*truths, average="macro"),
             "balanced_accuracy": sk.balanced_accuracy_score(*truths)}
    covered = dict.fromkeys(names, 0)
    for _ in range(100):
        drawn = rng.choice(9, 150, p=cells)
        metrics = label_metrics(raikit.Arrays(drawn // 3, drawn % 3, classes=[0, 1, 2]), 0.95)
        by_id = {metric.address("p")[2:]: metric for metric in metrics}
        for name, truth in names.items():
            covered[name] += by_id[name].low <= truth <= by_id[name].high
    assert min(covered.values()) > 87  # three standard errors below 95%
    assert max(covered.values()) < 100  # and not merely wide


def test_the_interval_of_accuracy_knows_that_errors_weigh_more():
    rng = np.random.default_rng(5)
    truth, wrong = rng.integers(0, 2, 1000), rng.random(1000) < 0.06
    weight = np.where(wrong, 5.0, 1.0)
    accuracy = measured(Classification, table_of(truth, np.where(wrong, 1 - truth, truth), w=weight), 2, weight="w")[
        "performance.accuracy"
    ]
    error = np.sum((weight * (~wrong - accuracy.value)) ** 2) ** 0.5 / weight.sum()
    assert accuracy.high - accuracy.low > 2 * 1.9 * error


def test_a_weighted_share_with_few_errors_decides_nothing():
    rng = np.random.default_rng(6)
    truth = rng.integers(0, 2, 400)
    decided = np.where(np.arange(400) < 3, 1 - truth, truth)
    flags = [
        measured(Classification, table_of(truth, decided, w=w), 2, weight="w")["performance.accuracy"].flags
        for w in (rng.random(400) + 0.5, np.ones(400))
    ]
    assert flags == [["few_events"], []]
