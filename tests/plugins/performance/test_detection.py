"""Measures of entities equal seqeval's and those of labels scikit-learn's, wherever these define them."""

from __future__ import annotations

import warnings
from itertools import chain

import numpy as np
import pandas as pd
import pytest
from seqeval.metrics import classification_report
from sklearn import metrics as sk

from raikit.testing import result_of, table_context
from raikit_performance.checks import Entities, Labels

TAGS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-ORG"]


def texts_of(rng, texts=60):
    truth = [rng.choice(TAGS, rng.integers(1, 12), p=[0.4, 0.15, 0.15, 0.1, 0.1, 0.1]).tolist() for _ in range(texts)]
    found = [[tag if rng.random() < 0.7 else str(rng.choice(TAGS)) for tag in tags] for tags in truth]
    return truth, found


def entities(truth, found, **roles):
    table = pd.DataFrame({
        "target": list(chain(*truth)), "prediction": list(chain(*found)), "text": [str(at) for at, tags in enumerate(truth) for _ in tags],
        "target.token": [number for tags in truth for number in range(len(tags))],
    })
    context = table_context(table, task="multiclass", classes=sorted(TAGS), cluster=["text"], **roles)
    return result_of(Entities, context)


@pytest.mark.parametrize("seed", range(5))
def test_entities_are_measured_as_seqeval_does(seed):
    truth, found = texts_of(np.random.default_rng(seed))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = classification_report(truth, found, output_dict=True)
    metrics = {metric.id: metric for metric in entities(truth, found).metrics}
    for row, values in expected.items():
        key = f"average={row.removesuffix(' avg')}" if row.endswith(" avg") else f"class={row}"
        for name, seqeval in (("precision", "precision"), ("recall", "recall"), ("f1", "f1-score")):
            metric = metrics[f"performance.entity_{name}({key})"]
            assert metric.value == pytest.approx(values[seqeval], abs=1e-12)
            assert metric.low < metric.value < metric.high
            assert metric.counts == "entity"
        if key.startswith("class"):
            assert metrics[f"performance.entity_support({key})"].value == values["support"]


def test_texts_are_clusters_of_which_like_ones_add_nothing():
    truth, found = texts_of(np.random.default_rng(0))
    once = {metric.id: metric for metric in entities(truth, found).metrics}["performance.entity_f1(average=micro)"]
    tripled = entities(*([[*tags, "O", *tags, "O", *tags] for tags in side] for side in (truth, found)))
    thrice = {metric.id: metric for metric in tripled.metrics}["performance.entity_f1(average=micro)"]
    assert thrice.value == pytest.approx(once.value)
    assert thrice.high - thrice.low > 0.9 * (once.high - once.low)


def test_a_type_that_is_only_predicted_has_no_recall_and_is_named():
    result = entities([["B-LOC", "O"], ["B-LOC"]], [["B-LOC", "B-PER"], ["O"]])
    metrics = {metric.id: metric for metric in result.metrics}
    assert "whose denominator is 0 is undefined and left out of averages; seqeval counts it as 0" in result.tables[0].note
    assert "denominator" not in entities([["B-LOC"]], [["B-LOC"]]).tables[0].note
    assert metrics["performance.entity_recall(class=PER)"].value is None
    assert metrics["performance.entity_recall(class=PER)"].reason == "no entity PER is in the truth"
    assert metrics["performance.entity_recall(average=macro)"].excluded == ["PER"]


def test_the_finding_counts_what_is_there_and_what_is_found():
    # An entity that is taken for another type is one of the truth and one that is predicted.
    finding = entities([["B-LOC", "O", "B-LOC"]] * 9, [["B-PER", "B-PER", "B-LOC"]] * 9).findings[0]
    assert "18 entities in the truth, 27 predicted" in dict(finding.facts)["Sample"]


def test_tags_without_entities_are_left_to_the_other_checks():
    table = pd.DataFrame({"target": ["NOUN", "VERB"], "prediction": ["NOUN", "NOUN"], "target.token": [0, 1]})
    result = result_of(Entities, table_context(table, task="multiclass", classes=["NOUN", "VERB"]))
    assert not result.metrics
    assert "mark no entities" in result.findings[0].sentence


@pytest.mark.parametrize("seed", range(5))
def test_labels_are_measured_as_scikit_learn_does(seed):
    rng, names = np.random.default_rng(seed), ["toxic", "insult", "threat"]
    truth, found = rng.random((80, 3)) < [0.5, 0.2, 0.1], rng.random((80, 3)) < [0.4, 0.3, 0.2]
    weight = rng.integers(1, 4, 80).astype(float)
    table = pd.DataFrame({
        "target": truth.ravel().astype(int), "prediction": found.ravel().astype(int), "target.label": names * 80,
        "case": np.repeat(np.arange(80), 3).astype(str), "w": np.repeat(weight, 3),
    })
    context = table_context(table, task="binary", classes=[0, 1], positive=1, cluster=["case"], weight="w")
    metrics = {metric.id: metric for metric in result_of(Labels, context).metrics}
    for average in (None, "micro", "macro", "weighted"):
        values = sk.precision_recall_fscore_support(truth, found, average=average, sample_weight=weight, zero_division=np.nan)
        for name, value in zip(("precision", "recall", "f1"), values[:3], strict=True):
            keys = [f"average={average}"] if average else [f"class={label}" for label in names]
            for key, expected in zip(keys, np.atleast_1d(value), strict=True):
                metric = metrics[f"performance.label_{name}({key})"]
                assert metric.value == pytest.approx(float(expected), abs=1e-12)
                assert metric.low <= metric.value <= metric.high
