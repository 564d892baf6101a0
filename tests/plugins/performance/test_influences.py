"""Influences are derivatives of the recorded values; the ingredients of too few clusters decide nothing."""

from __future__ import annotations

import numpy as np
import pytest

from raikit.arrays import Arrays
from raikit_performance import classification, regression, scores
from raikit_performance.influences import add_ingredients, influence_of

N = 300


@pytest.fixture
def classes():
    rng = np.random.default_rng(0)
    truth, score = rng.integers(0, 3, N), rng.dirichlet([1, 1, 1], N)
    score = (score + 0.5 * np.eye(3)[truth]) / 1.5
    weight = rng.uniform(0.5, 2, N)
    return lambda change=0.0: Arrays(truth, score.argmax(axis=1), score, weight + change * (np.arange(N) == 7), classes=[*"abc"])


@pytest.fixture
def numbers():
    rng = np.random.default_rng(0)
    y, weight = rng.normal(size=N), rng.uniform(0.5, 2, N)
    return lambda change=0.0: Arrays(y, y + rng.normal(0, 0, N) + 0.3 * np.sin(9 * y), None, weight + change * (np.arange(N) == 7))


def check_derivatives(metrics, cases):
    checked = 0
    for metric in metrics:
        influence = influence_of(metric, cases())
        if metric.direction is None or influence is None:
            continue
        step = 1e-6
        slope = (influence_of(metric, cases(step)).value - influence.value) / step * cases().weight[7]
        assert influence.of_entry[7] == pytest.approx(slope, rel=1e-3, abs=1e-8), metric.name
        assert influence.value == pytest.approx(metric.value), metric.name
        assert influence.of_entry.sum() == pytest.approx(0, abs=1e-9)
        checked += 1
    return checked


def test_of_labels_and_scores(classes):
    metrics = [*classification.label_metrics(classes(), 0.95), *scores.score_metrics(classes(), 0.95)]
    assert check_derivatives(metrics, classes) >= 20


def test_of_numbers(numbers):
    assert check_derivatives(regression.error_metrics(numbers(), 0.95), numbers) == 3


def test_too_few_clusters_cannot_decide(classes):
    cases = classes()
    clustered = Arrays(cases.truth, cases.prediction, cases.scores, cases.weight, [np.arange(N) % 3], ["home"], cases.classes)
    (accuracy, *_) = add_ingredients(classification.label_metrics(clustered, 0.95), clustered)
    assert accuracy.ingredients[0].estimates[0].df < 3


@pytest.mark.parametrize("metric", ["precision", "f1"])
def test_a_class_that_no_case_has_counts_with_what_its_first_case_would_change(metric):
    truth, prediction = np.repeat([0, 1, 0], [60, 30, 10]), np.repeat([0, 1, 2], [60, 30, 10])
    cases = Arrays(truth, prediction, classes=[0, 1, 2])
    (found,) = [each for each in classification.label_metrics(cases, 0.95)
                if each.name == metric and each.args == {"average": "weighted"}]
    influence, little = influence_of(found, cases), 1e-6
    more = Arrays(np.append(truth, 2), np.append(prediction, 1), weight=np.append(np.ones(100), little), classes=[0, 1, 2])
    slope = (influence_of(found, more).value - influence.value) / little
    assert influence.table[2, 1] == pytest.approx(slope, rel=1e-3)
    assert influence.value == pytest.approx(found.value)
