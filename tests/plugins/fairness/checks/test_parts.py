"""Groups are compared for each label, and for each type of entity."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from fairlearn.metrics import MetricFrame, false_positive_rate, selection_rate, true_positive_rate
from sklearn.metrics import precision_score

from raikit import Margin, Margins, Record
from raikit.gate.comparing import compare_records
from raikit.run.reader import Run
from raikit.run.record import CheckRecord, DataRecord, Gate
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
    (finding,) = of_labels(labelled(np.random.default_rng(0), n=4_000, gap=0.0)).findings
    assert (finding.severity, finding.sentence) == ("note", "No gap is shown for any label by sex.")
    assert (finding.kind, finding.headline) == ("fine", "No gap shown for any label by sex")


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
    assert finding.sentence.startswith("Entity PER: entities with genre: web are missed more often than genre: news: ")


def as_run(folder, check, frame, roles):
    """Return a run with what the check measured on the cases."""
    folder.mkdir(parents=True)
    result = result_of(check, table_context(frame.drop(columns="id"), **roles))
    frame.assign(split="test").to_parquet(folder / "predictions.parquet", index=False)
    for metric in result.metrics:
        metric.id = metric.address("fairness")
    record = CheckRecord(name=check.name, pillar="fairness", plugin="raikit", status="ok", metrics=result.metrics)
    return Run(folder, Record(name="m", verdict="pass", gate=Gate(verdict="pass"), data=DataRecord(**roles), checks=[record]))


def label_runs(folder):
    """Return runs of which the second misses more toxic cases of f."""
    before, rng = labelled(np.random.default_rng(0), gap=0.05), np.random.default_rng(1)
    before = before.assign(id=before["case"] + ":" + before["target.label"])
    lost = (before["sex"] == "f") & (before["target.label"] == "toxic") & (rng.random(len(before)) < 0.15)
    after = before.assign(prediction=before["prediction"].where(~lost, 0))
    roles = {"task": "binary", "classes": [0, 1], "positive": 1, "sensitive": ["sex"], "cluster": ["case"]}
    frames = {"old": before, "same": before, "new": after}
    old, same, new = (as_run(folder / name, LabelGaps, frame, roles) for name, frame in frames.items())
    return LabelGaps, old, same, new, "fairness.{}(label=toxic)[sex]", "fairness.{}(label=insult)[sex]"


def entity_runs(folder):
    """Return runs of which the second misses more persons of the web and sees some where there are none."""
    before, rng = tagged(np.random.default_rng(0)), np.random.default_rng(1)
    before = before.assign(id=before["text"] + ":" + before["target.token"].astype(str))
    chosen = rng.random(len(before)) < 0.3
    lost = (before["genre"] == "web") & before["target"].str.endswith("PER") & chosen
    invented = (before["target.token"] == 4) & (before["genre"] == "news") & chosen
    after = before.assign(prediction=before["prediction"].mask(lost, "O").mask(invented, "B-LOC"))
    roles = {"task": "multiclass", "classes": ["B-LOC", "B-PER", "I-PER", "O"], "sensitive": ["genre"], "cluster": ["text"]}
    frames = {"old": before, "same": before, "new": after}
    old, same, new = (as_run(folder / name, EntityGaps, frame, roles) for name, frame in frames.items())
    return EntityGaps, old, same, new, "fairness.{}(entity=PER)[genre]", "fairness.{}(entity=LOC)[genre]"


@pytest.mark.parametrize("runs", [label_runs, entity_runs])
def test_a_gap_that_grew_in_one_part_is_found_there_alone_on_the_same_cases(tmp_path, runs):
    check, old, same, new, worse, other = runs(tmp_path)
    names = ["equal_opportunity_difference", "precision_difference", "false_negative_rate_difference"]
    ids = [str(metric.id) for metric in new.record.checks[0].metrics]
    addresses = [where.format(name) for where in (worse, other) for name in names if where.format(name) in ids]
    margins = Margins({address: Margin(0.0) for address in addresses})
    for comparison in check().compare(same, old, margins):
        assert comparison.paired or comparison.value is None  # all precise in either run, so nothing is decided
        assert comparison.p_value >= 0.5 - 1e-9
    found = {comparison.metric: comparison for comparison in check().compare(new, old, margins)}
    assert set(found) == set(addresses)
    lost = found[worse.format("equal_opportunity_difference")]
    assert lost.p_value < 0.01
    assert lost.loser in ("sex: f against sex: m", "genre: web against genre: news")
    assert found[other.format("equal_opportunity_difference")].p_value >= 0.5 - 1e-9
    before, after = (run.record.find(worse.format("equal_opportunity_difference")) for run in (old, new))
    unpaired = compare_records(after, before, Margin(0.0), 0.05)
    assert lost.high - lost.low < unpaired.high - unpaired.low
