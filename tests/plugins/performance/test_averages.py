"""Intervals of averages over classes hold for rare, empty and nearly perfect classes, and for estimated class shares."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sk

import raikit
from raikit_performance.averages import confusion_average
from raikit_performance.checks import Classification
from raikit_performance.classification import label_metrics
from raikit_performance.scores import score_metrics

from .conftest import measured, table_of


def population(prevalence, recall, *, even=True):
    """Return the shares of true and predicted classes; errors go to all others alike, or by their prevalence."""
    k, share = len(prevalence), np.array(prevalence) / np.sum(prevalence)
    others = np.tile(np.ones(k) if even else share, (k, 1))
    np.fill_diagonal(others, 0)
    recall = np.broadcast_to(recall, k).astype(float)
    return share[:, None] * ((1 - recall)[:, None] * others / others.sum(axis=1, keepdims=True) + np.diag(recall))


def averages(matrix):
    hits, truth, predicted = np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
    f1, precision = 2 * hits / (truth + predicted), hits / predicted
    return {("balanced_accuracy", None): (hits / truth).mean(), ("precision", "macro"): precision.mean(),
            ("precision", "weighted"): truth @ precision, ("f1", "macro"): f1.mean(), ("f1", "weighted"): truth @ f1}


def misses(matrix, n, runs, seed=0):
    """Return how often the intervals of each average miss the population's."""
    rng, k, truth = np.random.default_rng(seed), len(matrix), averages(matrix)
    missed = dict.fromkeys(truth, 0)
    for _ in range(runs):
        target, prediction = np.divmod(rng.choice(k * k, n, p=matrix.ravel()), k)
        for metric in label_metrics(raikit.Arrays(target, prediction, classes=list(range(k))), 0.95):
            key = metric.name, metric.args.get("average")
            if key in truth and "class" not in metric.args:
                missed[key] += not metric.low <= truth[key] <= metric.high
    return {key: count / runs for key, count in missed.items()}


@pytest.mark.parametrize(("matrix", "n"), [
    (population((95, 5), (0.97, 0.5)), 1_000),
    (population((50, 30, 15, 3, 1, 1), (0.9, 0.85, 0.7, 0.2, 0.1, 0.05), even=False), 100),
    (population(np.ones(20), 0.99), 300),
    (population(np.ones(10), 0.01), 300),
], ids=["class shares are estimated", "classes never predicted or absent", "nearly perfect", "nearly all wrong"])
def test_intervals_of_averages_hold_their_level(matrix, n):
    runs = 300
    for average, share in misses(matrix, n, runs).items():
        assert share <= 0.05 + 2 * (0.05 * 0.95 / runs) ** 0.5, average


def in_clusters_of_uneven_size(rng, target, prediction):
    """Return Zipf clusters, in which a third of the cases repeat the first one, so that the population stays what it is."""
    n, share = len(target), 1 / np.arange(1, 61)
    home = rng.choice(60, n, p=share / share.sum())
    first = np.full(60, -1)
    first[home[::-1]] = np.arange(n)[::-1]
    repeat = rng.random(n) < 0.33
    return home, *(np.where(repeat, part[first[home]], part) for part in (target, prediction))


def test_a_weighted_average_holds_its_level_where_one_cluster_has_a_fifth_of_the_cases():
    matrix, rng, runs = population(np.ones(10), 0.6), np.random.default_rng(3), 400
    truth, missed = averages(matrix)["precision", "weighted"], 0
    for _ in range(runs):
        home, target, prediction = in_clusters_of_uneven_size(rng, *np.divmod(rng.choice(100, 600, p=matrix.ravel()), 10))
        cases = raikit.Arrays(target, prediction, clusters=[home], cluster_names=["home"], classes=list(range(10)))
        (metric,) = (each for each in label_metrics(cases, 0.95) if (each.name, each.args.get("average")) == ("precision", "weighted"))
        missed += truth < metric.low
    assert missed / runs <= 0.025 + 2 * (0.025 * 0.975 / runs) ** 0.5


def test_weighted_averages_hold_their_level_where_errors_are_few_and_heavy():
    matrix, rng, runs = population((95, 5), (0.97, 0.5)), np.random.default_rng(1), 400
    truth, missed = averages(matrix * np.where(np.eye(2), 1, 5) / (matrix * np.where(np.eye(2), 1, 5)).sum()), {}
    for _ in range(runs):
        target, prediction = np.divmod(rng.choice(4, 300, p=matrix.ravel()), 2)
        weight = np.where(target == prediction, 1.0, 5.0) * rng.lognormal(size=300)
        for metric in label_metrics(raikit.Arrays(target, prediction, weight=weight, classes=[0, 1]), 0.95):
            if metric.args.get("average") == "weighted":
                decides = "few_events" not in metric.flags
                missed.setdefault(metric.name, []).append(decides and not metric.low <= truth[metric.name, "weighted"] <= metric.high)
    assert {name: np.mean(each) <= 0.05 + 2 * (0.05 * 0.95 / runs) ** 0.5 for name, each in missed.items()} == {
        "precision": True, "f1": True,
    }  # fmt: skip


def test_weighted_averages_hold_at_99_percent_where_a_rare_class_is_heavy_and_may_show_no_error():
    """Nine cases of the last class weigh ten times as much; in one sample in a hundred all of them are right."""
    rng, runs, matrix = np.random.default_rng(11), 400, population((60, 37, 3), (0.9, 0.8, 0.6))
    weight = np.array([1.0, 1.0, 10.0])
    truth, missed = averages(matrix * weight[:, None] / (weight @ matrix.sum(axis=1))), {"precision": 0, "f1": 0}
    for _ in range(runs):
        target, prediction = np.divmod(rng.choice(9, 300, p=matrix.ravel()), 3)
        for metric in label_metrics(raikit.Arrays(target, prediction, weight=weight[target], classes=[0, 1, 2]), 0.99):
            if metric.args.get("average") == "weighted" and "few_events" not in metric.flags:
                missed[metric.name] += metric.low > truth[metric.name, "weighted"]
    assert max(missed.values()) <= runs * 0.005 + 3 * (runs * 0.005) ** 0.5


def test_the_effect_of_a_cell_is_the_derivative_of_the_average():
    rng = np.random.default_rng(0)
    truth = rng.choice(4, 80, p=[0.5, 0.3, 0.15, 0.05])
    prediction = np.where(rng.random(80) < 0.7, truth, rng.integers(0, 4, 80))
    weight = rng.random(80) + 0.5
    matrix = np.bincount(truth * 4 + prediction, weight, minlength=16).reshape(4, 4)
    scores = {"precision": sk.precision_score, "f1": sk.f1_score, "recall": sk.recall_score}
    for measure, score in scores.items():
        for kind in ("macro", "weighted"):
            average = confusion_average(matrix, measure, kind == "weighted")
            assert average.value == pytest.approx(score(truth, prediction, average=kind, sample_weight=weight))
            for case in range(20):
                more = weight.copy()
                more[case] += 1e-6
                slope = (score(truth, prediction, average=kind, sample_weight=more) - average.value) / 1e-6
                effect = average.effect[truth[case], prediction[case]] / weight.sum()
                assert effect == pytest.approx(slope, abs=1e-6)


def test_an_empty_class_may_have_any_value_and_is_named():
    truth, prediction = np.repeat([0, 1, 2], [60, 30, 10]), np.repeat([0, 1, 0], [60, 30, 10])
    metrics = measured(Classification, table_of(truth, prediction), 3)
    for kind, share in (("macro", np.ones(3) / 3), ("weighted", np.array([0.6, 0.3, 0.1]))):
        metric = metrics[f"performance.precision(average={kind})"]
        assert metric.excluded == ["2"]
        assert metric.flags == ["empty_class"]
        assert metric.low < share @ [6 / 7, 1, 0]
        assert metric.high > share @ [6 / 7, 1, 1]
    assert metrics["performance.balanced_accuracy"].flags == []
    absent = measured(Classification, table_of(truth[:90], prediction[:90]), 3)
    for name in ("balanced_accuracy", "f1(average=macro)", "precision(average=macro)"):
        assert absent[f"performance.{name}"].flags == ["empty_class"]
        assert absent[f"performance.{name}"].low < 2 / 3
    assert absent["performance.f1(average=weighted)"].flags == []


def test_averages_of_nearly_perfect_areas_hold_their_level():
    rng = np.random.default_rng(0)

    def draw(n):
        truth = rng.integers(0, 8, n)
        logits = rng.normal(size=(n, 8)) + 4 * np.eye(8)[truth]
        scores = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        return raikit.Arrays(truth, truth, scores=scores, classes=list(range(8)))

    true_area = score_metrics(draw(200_000), 0.95)[0].value
    areas = [score_metrics(draw(300), 0.95)[0] for _ in range(200)]
    assert np.mean([not area.low <= true_area <= area.high for area in areas]) <= 0.025 + 2 * (0.025 * 0.975 / 200) ** 0.5
