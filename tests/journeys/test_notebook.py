"""Somebody in a notebook: objects in memory give the numbers, rules and files that the command line gives for the same data."""

import json

import torch
from journey import people, record, write_audit_yaml
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skops.io import dump

import raikit as library

RULES = {"fairness.equal_opportunity_difference[sex]": 0.1, "performance.accuracy": {"min": 0.7}}
WRITTEN = [{"metric": metric, **(limit if isinstance(limit, dict) else {"max": limit})} for metric, limit in RULES.items()]
CHECKS = ["performance.classification", "fairness.groups"]
# What says when, where and of which file, and not what was measured.
APART = {"seconds", "output", "traceback", "process", "warnings"}


def audit(model=None, **options):
    named = {"target": "y", "sensitive": ["sex", "race"], "id": "case", "rules": RULES, "checks": CHECKS, "name": "people"}
    return library.audit(people(), model, progress=False, **named, **options)


def measured(told):
    checks = [{key: value for key, value in check.items() if key not in APART} for check in told["checks"]]
    return checks, told["gate"], told["model"]["capabilities"]


def assert_same(run, result):
    assert measured(json.loads(result.record.model_dump_json())) == measured(record(run))


def test_predictions_in_a_frame_and_in_a_file(raikit, tmp_path):
    path = write_audit_yaml(tmp_path, gate={"rules": WRITTEN}, data={"unit": "applicant", "labels": {"sex": {"F": "Women"}}})
    raikit("audit", path, "--out", "run", code=1)
    result = audit(score="p", unit="applicant", labels={"sex": {"F": "Women"}})
    assert_same(tmp_path / "run", result)
    assert [one.headline for one in result.statements] == [one.headline for one in library.statements(_stored(tmp_path / "run"))]


def test_an_estimator_in_memory_and_in_a_file(raikit, tmp_path):
    table = people()
    estimator = make_pipeline(StandardScaler(), LogisticRegression()).fit(table[["p"]], table["y"])
    dump(estimator, tmp_path / "model.skops")
    inputs = {"features": {"modality": "tabular", "columns": ["p"]}}
    load = {"load": {"kind": "sklearn", "path": "model.skops"}}
    path = write_audit_yaml(tmp_path, gate={"rules": WRITTEN}, data={"inputs": inputs}, model=load)
    raikit("audit", path, "--out", "run")
    assert_same(tmp_path / "run", audit(estimator))


MODULE = """
import torch

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)
        torch.nn.init.constant_(self.layer.weight, 6.0)
        torch.nn.init.constant_(self.layer.bias, -3.0)

    def forward(self, facts):
        return self.layer(facts)
"""


def test_a_torch_module_in_memory_and_in_a_file(raikit, tmp_path):
    (tmp_path / "net.py").write_text(MODULE)
    inputs = {"facts": {"modality": "tabular", "columns": ["p"]}}
    load = {"load": {"kind": "torch", "path": "net:Net"}}
    path = write_audit_yaml(tmp_path, gate={"rules": WRITTEN}, data={"inputs": inputs}, model=load)
    raikit("audit", path, "--out", "run")
    space = {"torch": torch}
    exec(MODULE, space)
    assert_same(tmp_path / "run", audit(space["Net"](), inputs=["p"]))


def test_a_saved_run_is_one_of_the_command_line(raikit, tmp_path):
    audit(score="p").save(tmp_path / "saved", formats=["html"])
    raikit("report", "saved", "--formats", "md,junit", code=0)
    raikit("verify", "saved", code=0)
    page = (tmp_path / "saved" / "report.html").read_text(encoding="utf-8")
    assert "raikit.audit(DataFrame of pandas, …)" in page and "--isolation none" not in page
    assert "sex" in raikit("gate", "saved", code=1).out


def _stored(run):
    return library.load_run(run).record
