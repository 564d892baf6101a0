"""Runs are compared by what they find in the same texts and cases."""

from __future__ import annotations

from itertools import chain

import numpy as np
import pandas as pd
import pytest

from raikit import Margin, Margins, Record, match_rows
from raikit.config.schema import GateConfig
from raikit.gate.comparing import compare_records
from raikit.gate.regressions import compare as compare_runs
from raikit.run.reader import Run
from raikit.run.record import CheckRecord, DataRecord, Gate
from raikit.testing import result_of, table_context
from raikit_performance.checks import Answers, Entities, Labels
from raikit_performance.parts import entity_sides

TAGS = ["O", "B-PER", "B-LOC"]
CHECKS = [
    (Entities, "performance.entity_f1(average=micro)"), (Entities, "performance.entity_recall(average=macro)"),
    (Entities, "performance.entity_precision(class=PER)"), (Labels, "performance.label_f1(average=weighted)"),
    (Labels, "performance.label_recall(class=a)"), (Answers, "performance.vqa_accuracy"),
]


def as_run(folder, check, frame):
    """Return a run with what the check measured on the cases."""
    folder.mkdir()
    roles = {"task": "binary", "classes": [0, 1], "positive": 1} if check is Labels else {"task": "multiclass"}
    if check is not Labels:
        roles["classes"] = sorted({*frame["target"], *frame["prediction"]})
    cluster = [column for column in ("text",) if column in frame]
    result = result_of(check, table_context(frame.drop(columns="id"), cluster=cluster, **roles))
    frame.assign(split="test").to_parquet(folder / "predictions.parquet", index=False)
    for metric in result.metrics:
        metric.id = metric.address("performance")
    record = CheckRecord(name=check.name, pillar="performance", plugin="raikit", status="ok", metrics=result.metrics)
    data = DataRecord(cluster=cluster, **roles)
    return Run(folder, Record(name="m", verdict="pass", gate=Gate(verdict="pass"), data=data, checks=[record]))


def tagged(texts=300, seed=0, right=0.8):
    rng = np.random.default_rng(seed)
    lengths = rng.geometric(0.1, texts)
    truth = rng.choice(TAGS, lengths.sum(), p=[0.7, 0.2, 0.1])
    found = np.where(rng.random(len(truth)) < right, truth, rng.choice(TAGS, len(truth)))
    text = np.repeat(np.arange(texts), lengths).astype(str)
    token = np.array(list(chain(*map(range, lengths))))
    ids = [f"{one}:{two}" for one, two in zip(text, token, strict=True)]
    return pd.DataFrame({"id": ids, "target": truth, "prediction": found, "text": text, "target.token": token})


def labelled(cases=300, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 2, cases * 3)
    found = np.where(rng.random(len(truth)) < 0.8, truth, 1 - truth)
    text, label = np.repeat(np.arange(cases), 3).astype(str), np.tile(["a", "b", "c"], cases)
    ids = [f"{one}:{two}" for one, two in zip(text, label, strict=True)]
    return pd.DataFrame({"id": ids, "target": truth, "prediction": found, "text": text, "target.label": label})


def answered(cases=400, seed=0):
    rng = np.random.default_rng(seed)
    answers = [["yes"] * k + ["no"] * (10 - k) for k in rng.integers(0, 11, cases)]
    usual = ["yes" if given.count("yes") >= 5 else "no" for given in answers]
    found = np.where(rng.random(cases) < 0.8, usual, "other")
    ids = [str(at) for at in range(cases)]
    return pd.DataFrame({"id": ids, "target": usual, "prediction": found, "target.answers": answers})


DATA = {Entities: tagged, Labels: labelled, Answers: answered}


def worsened(frame, share, seed=1):
    """Make some of the right predictions wrong."""
    rng = np.random.default_rng(seed)
    wrong = {0: 1, 1: 0, "B-PER": "B-LOC", "B-LOC": "B-PER", "O": "O", "yes": "other", "no": "other"}
    worse = frame["target"].map(wrong)
    return frame.assign(prediction=frame["prediction"].where(rng.random(len(frame)) >= share, worse))


def compared(tmp_path, check, name, before, after, margin=0.0):
    old, new = as_run(tmp_path / "old", check, before), as_run(tmp_path / "new", check, after)
    found = check().compare(new, old, Margins({name: Margin(margin)}))
    return found[0], old.record.find(name), new.record.find(name)


@pytest.mark.parametrize(("check", "name"), CHECKS)
def test_runs_that_are_equal_never_regress(tmp_path, check, name):
    frame = DATA[check]()
    comparison, *_ = compared(tmp_path, check, name, frame, frame)
    assert comparison.value == pytest.approx(0, abs=1e-12)
    assert comparison.paired
    assert comparison.p_value >= 0.5
    assert 0 < comparison.high < 0.03


@pytest.mark.parametrize(("check", "name"), CHECKS)
def test_a_few_points_on_a_few_hundred_texts_are_a_loss_that_intervals_do_not_show(tmp_path, check, name):
    before = DATA[check]()
    comparison, old, new = compared(tmp_path, check, name, before, worsened(before, 0.05))
    assert comparison.value == pytest.approx(old.value - new.value)
    assert 0.005 < comparison.value < 0.08
    by_intervals = compare_records(new.model_copy(update={"ingredients": []}), old, Margin(0.0), 0.05)
    assert by_intervals.low < 0 < comparison.low
    assert comparison.p_value < 0.01


@pytest.mark.parametrize(("check", "name"), CHECKS)
def test_a_gate_fails_on_the_loss_and_passes_on_the_same(tmp_path, check, name):
    policy = GateConfig.model_validate({"regressions": [{"metric": name, "margin": 0.0}]})
    before = DATA[check]()
    for folder, after, small in (("same", before, False), ("worse", worsened(before, 0.15), True)):
        (tmp_path / folder).mkdir()
        old, new = (as_run(tmp_path / folder / which, check, frame) for which, frame in (("old", before), ("new", after)))
        (claim,) = compare_runs(policy, new, old, {check.name: check()}).claims
        assert claim.comparison.paired
        assert (claim.comparison.p_value < 0.01) == small


def test_perfect_runs_are_not_proven_to_be_equal(tmp_path):
    for check, name in CHECKS:
        frame = DATA[check]()
        frame = frame.assign(prediction=frame["target"])
        if check is Answers:
            frame = frame.assign(**{"target.answers": [[answer] * 10 for answer in frame["target"]]})
        folder = tmp_path / name.replace("/", "")
        folder.mkdir()
        comparison, *_ = compared(folder, check, name, frame, frame)
        assert (comparison.value, comparison.p_value) == (0, 0.5)
        assert 0.001 < comparison.high < 0.1


def test_errors_of_rounding_are_no_loss(tmp_path):
    before = labelled()
    before = before.assign(prediction=np.where(before["target"] == 1, 1, before["prediction"]))
    after = worsened(before, 0.05).assign(prediction=lambda frame: np.where(frame["target"] == 1, 1, frame["prediction"]))
    comparison, old, new = compared(tmp_path, Labels, "performance.label_recall(average=weighted)", before, after)
    assert old.value == pytest.approx(new.value) == 1
    assert comparison.p_value == pytest.approx(0.5)
    assert comparison.high > 0.001


def test_an_entity_that_one_run_alone_predicts_stands_in_both(tmp_path):
    before = pd.DataFrame({
        "id": ["0:0", "0:1", "1:0"], "target": ["B-PER", "O", "O"], "prediction": ["B-PER", "O", "B-LOC"],
        "text": ["0", "0", "1"], "target.token": [0, 1, 0],
    })
    after = before.assign(prediction=["O", "B-LOC", "B-LOC"])
    old, new = as_run(tmp_path / "old", Entities, before), as_run(tmp_path / "new", Entities, after)
    sides = entity_sides(match_rows(new, old, Margins({})), new.record)
    assert [sorted(side.unit.tolist()) for side in sides] == [[0, 1, 2]] * 2
    assert [int(side.present.sum()) for side in sides] == [2, 3]


def test_texts_that_one_run_alone_has_are_compared_too(tmp_path):
    before, more = tagged(), tagged(60, seed=5)
    after = worsened(before, 0.06)
    more = more.assign(text="n" + more["text"], id="n" + more["id"])
    comparison, *_ = compared(tmp_path, Entities, CHECKS[0][1], before, pd.concat([after, more], ignore_index=True))
    assert comparison.paired
    assert "in both runs" in comparison.reason
    assert comparison.p_value < 0.01


def test_a_run_without_cases_is_compared_by_what_is_recorded(tmp_path):
    before = tagged()
    old, new = as_run(tmp_path / "old", Entities, before), as_run(tmp_path / "new", Entities, worsened(before, 0.4))
    first, second = (run.record.find("performance.entity_f1(average=micro)") for run in (old, new))
    assert first.ingredients
    assert compare_records(second, first, Margin(0.0), 0.05).p_value < 0.01
