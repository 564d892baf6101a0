"""Groups are compared for each label, and for each type of entity."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from fairlearn.metrics import MetricFrame, false_positive_rate, selection_rate, true_positive_rate
from sklearn.metrics import precision_score

from raikit.testing import result_of, table_context
from raikit_fairness.checks.parts import EntityGaps, LabelGaps

LABELS = ["toxic", "insult"]


def labelled(rng, n=400, gap=0.4):
    sex = rng.choice(["f", "m"], n)
    truth = rng.random((n, 2)) < 0.5
    wrong = rng.random((n, 2)) < np.column_stack([np.where(sex == "f", 0.1 + gap, 0.1), np.full(n, 0.2)])
    return pd.DataFrame({
        "target": truth.ravel().astype(int), "prediction": (truth ^ wrong).ravel().astype(int), "target.label": LABELS * n,
        "sex": np.repeat(sex, 2), "case": np.repeat(np.arange(n), 2).astype(str),
    })


def of_labels(table):
    context = table_context(table, task="binary", classes=[0, 1], positive=1, sensitive=["sex"], cluster=["case"])
    return result_of(LabelGaps, context)


def test_rates_of_each_label_are_those_of_fairlearn():
    table = labelled(np.random.default_rng(0))
    metrics = {metric.id: metric for metric in of_labels(table).metrics}
    names = {"selection_rate": selection_rate, "true_positive_rate": true_positive_rate, "false_positive_rate": false_positive_rate,
             "precision": precision_score}
    for label in LABELS:
        cases = table[table["target.label"] == label]
        frame = MetricFrame(metrics=names, y_true=cases["target"], y_pred=cases["prediction"], sensitive_features=cases["sex"])
        for name in names:
            for group in ("f", "m"):
                metric = metrics[f"fairness.{name}(label={label})[sex={group}]"]
                assert metric.value == pytest.approx(frame.by_group.loc[group, name])
                assert metric.n_clusters == metric.n  # a case has each label once
                assert metric.method == "Clopper-Pearson"
        difference = metrics[f"fairness.demographic_parity_difference(label={label})[sex]"]
        assert difference.value == pytest.approx(frame.difference()["selection_rate"])


def test_a_finding_names_the_label_with_the_gap_and_no_other():
    sentences = [finding.sentence for finding in of_labels(labelled(np.random.default_rng(0))).findings]
    assert sentences
    assert all(sentence.startswith("Label toxic: cases with sex: f are ") for sentence in sentences)


def test_without_a_gap_one_note_stands_for_all_labels():
    (finding,) = of_labels(labelled(np.random.default_rng(0), gap=0.0)).findings
    assert (finding.severity, finding.sentence) == ("note", "No gap is established for any label over sex.")


def tagged(rng, texts=200):
    genre = rng.choice(["news", "web"], texts)
    rows = []
    for text in range(texts):
        for token in range(6):
            tag = ["B-PER", "I-PER", "O", "B-LOC", "O", "O"][token]
            missed = tag[2:] == "PER" and rng.random() < (0.4 if genre[text] == "web" else 0.05)
            rows.append((tag, "O" if missed else tag, token, genre[text], str(text)))
    return pd.DataFrame(rows, columns=["target", "prediction", "target.token", "genre", "text"])


def test_recall_of_each_type_of_entity_is_compared():
    table = tagged(np.random.default_rng(0))
    classes = ["B-LOC", "B-PER", "I-PER", "O"]
    context = table_context(table, task="multiclass", classes=classes, sensitive=["genre"], cluster=["text"])
    result = result_of(EntityGaps, context)
    metrics = {metric.id: metric for metric in result.metrics}
    starts = table[table["target.token"].isin([0, 1])].groupby(["text", "genre"])
    found = starts.apply(lambda part: (part["target"] == part["prediction"]).all(), include_groups=False).groupby("genre").mean()
    for group in ("news", "web"):
        assert metrics[f"fairness.true_positive_rate(entity=PER)[genre={group}]"].value == pytest.approx(found[group])
        assert metrics[f"fairness.true_positive_rate(entity=LOC)[genre={group}]"].value == 1
    (finding,) = result.findings
    assert finding.sentence.startswith("Entity PER: entities with genre: web are missed more often than genre: news (")
