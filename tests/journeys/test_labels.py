"""Labels, classes and scores that need a second look: audited as they are meant, and the record says how."""

import numpy as np
import pandas as pd
import pytest
from journey import check_row, numbers, people, record, write_audit_yaml
from odd_plugin import odd_plugin

MODELS = """
import numpy as np, torch
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier
class Net(torch.nn.Module):
    def forward(self, facts):
        return torch.sigmoid(2 * facts[:, :1] - 1)
def net():
    return Net()
def fitted(estimator, data):
    table = data.frame(["x", "target"], "test")
    return estimator.fit(table[["x"]], table["target"])
def svc(data):
    return fitted(SVC(), data)
def tree(data):
    return fitted(DecisionTreeClassifier(), data)
def more(data):
    table = data.frame(["x", "target"], "test")
    labels = np.where(np.arange(len(table)) < 9, "c", table["target"])
    return LogisticRegression().fit(table[["x"]], labels)
"""
FACTS = {"inputs": {"facts": {"modality": "tabular", "columns": ["x"]}}, "sensitive": ["sex"]}
CHECKS = ("performance.classification", "performance.calibration", "fairness.groups")


@pytest.fixture
def audited(tmp_path, raikit):
    """Audit a table; returns the run folder."""

    def audited(table, *more, checks=CHECKS, out="run", environment=None, **sections):
        (tmp_path / "labelled_models.py").write_text(MODELS)
        config = write_audit_yaml(tmp_path, table, checks=checks, **sections)
        raikit("audit", config, "--out", out, *more, code=0, **(environment or {}))
        return tmp_path / out

    return audited


def table_of(labels, rows=240):
    x = np.random.default_rng(0).normal(0.5, 1, rows)
    y = np.array(labels)[np.digitize(x, np.linspace(0, 1, len(labels) + 1)[1:-1])]
    return people(rows).assign(x=x, y=y)


def test_a_module_that_ends_in_a_sigmoid_is_not_squashed_again(audited):
    run = audited(table_of([0, 1]), data=FACTS, model={"load": {"kind": "torch", "path": "labelled_models:net"}})
    frame = pd.read_parquet(run / "predictions.parquet")
    assert numbers(run)["performance.accuracy"]["value"] == 1.0
    assert frame["score"].min() < 0.1
    assert "taken as probabilities and not as logits" in record(run)["data"]["notes"][-1]


@pytest.mark.parametrize(("model", "noted"), [("svc", False), ("tree", True)])
def test_no_area_is_measured_on_decisions(audited, model, noted):
    run = audited(table_of([0, 1]), data=FACTS, model={"load": {"kind": "sklearn", "path": f"labelled_models:{model}"}})
    assert check_row(run, "performance.calibration")["status"] == "skipped"
    assert not [id for id in numbers(run) if "roc_auc" in id or "brier" in id or "log_loss" in id]
    assert any("Every score of the model is 0 or 1" in note for note in record(run)["data"]["notes"]) == noted


def test_a_class_that_only_the_model_knows_is_measured_and_compared_with_a_baseline(audited):
    gate = {"regressions": [{"metric": "performance.accuracy", "margin": 0.1}]}
    sections = {"data": FACTS, "model": {"load": {"kind": "sklearn", "path": "labelled_models:more"}}, "gate": gate}
    first = audited(table_of(["a", "b", "d"]), "--no-baseline", **sections)
    assert record(first)["data"]["classes"] == ["a", "b", "c", "d"]
    assert record(first)["data"]["notes"] == ["No case has the class c, which is known to the model; its recall is undefined."]
    recall = numbers(first)["performance.recall(class=c)"]
    assert recall["value"] is None
    assert recall["reason"]
    again = audited(table_of(["a", "b", "d"]), "--baseline", str(first), out="again", **sections)
    (judged,) = record(again)["gate"]["rules"]
    assert judged["status"] == "pass"


def test_max_groups_holds_for_the_checks_too(audited):
    table = table_of([0, 1], rows=1200).assign(area=[f"area {row % 600}" for row in range(1200)])
    run = audited(
        table, data={"sensitive": ["area"], "max_groups": 600}, model={"load": {"kind": "predictions", "score": "p"}},
        checks=("fairness.impact_ratios",),
    )  # fmt: skip
    assert check_row(run, "fairness.impact_ratios")["status"] == "ok"


def test_a_check_in_a_process_of_its_own_sees_the_classes_that_only_the_model_knows(audited, raikit, install):
    environment = install(odd_plugin(
        "data = ctx.data.frame(['target']); batch = next(ctx.data.batches('test', 500)); "
        "assert [ctx.classes[number] for number in batch.target] == data['target'].tolist(); "
        "assert list(ctx.classes) == list(ctx.data.classes) == ['a', 'b', 'c', 'd']"
    ))  # fmt: skip
    model = {"load": {"kind": "sklearn", "path": "labelled_models:more"}}
    run = audited(table_of(["a", "b", "d"]), data=FACTS, model=model, checks=("odd.one",), environment=environment)
    assert check_row(run, "odd.one")["status"] == "ok"
