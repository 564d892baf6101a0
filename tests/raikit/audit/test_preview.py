"""What --dry-run says is what an audit does."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from raikit.audit.conductor import audit
from raikit.audit.opening import open_data
from raikit.audit.plan import Request, planned
from raikit.audit.preview import preview_checks, preview_rule
from raikit.cli import commands
from raikit.console import Console
from raikit.errors import ModelError

CONFIG = """
name: m
data: {path: a.csv, target: y, positive: 1, sensitive: [sex]}
model: {load: {kind: predictions, prediction: yhat}}
gate:
  rules:
    - {metric: performance.accuracy_score, min: 0.1}
    - {metric: performance.rmse, max: 1}
"""


@pytest.fixture
def request_of(tmp_path):
    rng = np.random.default_rng(0)
    table = pd.DataFrame({name: rng.integers(0, 2, 200) for name in ("y", "yhat")})
    table.assign(sex=rng.choice(["F", "M"], 200), s=rng.uniform(size=200)).to_csv(tmp_path / "a.csv", index=False)

    def request_of(*sets):
        (tmp_path / "audit.yaml").write_text(CONFIG)
        return Request(tmp_path / "audit.yaml", tmp_path / "run", sets=sets, exclude=["fairness.search"], formats=["json"])

    return request_of


LISTS = {
    "token_classification": (("data.target=tags", "model.load.prediction=found"), "performance.entities"),
    "multilabel": (("data.target=tags", "model.load.prediction=found"), "performance.labels"),
    "answers": (("data.target=tags", "model.load.prediction=said"), "performance.answers"),
}


@pytest.mark.parametrize("task", LISTS)
def test_checks_of_targets_that_are_lists_run_as_the_preview_says(request_of, tmp_path, task):
    rng = np.random.default_rng(0)
    tags = [rng.choice(["O", "B-PER", "I-PER"], 5).tolist() for _ in range(100)]
    found = [rng.permutation(own).tolist() for own in tags]
    table = pd.DataFrame({"tags": tags, "found": found, "said": rng.choice(["O", "B-PER"], 100), "sex": rng.choice(["F", "M"], 100)})
    table.to_parquet(tmp_path / "a.parquet")
    sets, check = LISTS[task]
    request = replace(request_of("data.path=a.parquet", "data.positive=null", f"data.task={task}", *sets), exclude=["fairness.search"])
    with planned(request) as plan:
        would = {one.item.name for one in preview_checks(plan, open_data(plan)) if not one.reason}
    did = {one.name for one in audit(request, Console()).record.checks if one.status == "ok"}
    assert check in did
    assert would == did


@pytest.mark.parametrize("sets", [(), ("model.load.score=s",), ("data.sensitive=[]",), ("data.weight=s",)])
def test_the_checks_that_would_run_are_those_that_run(request_of, sets):
    request = request_of(*sets)
    with planned(request) as plan:
        would = {one.item.name: one for one in preview_checks(plan, open_data(plan))}
    did = {check.name: check for check in audit(request, Console()).record.checks}
    assert {name for name, one in would.items() if not one.reason} == {
        name for name, check in did.items() if check.status == "ok"
    }
    for name, check in did.items():
        assert check.status == "ok" or check.reason in would[name].reason
    assert not any(one.condition for one in would.values())  # nothing is unknown of a table


def test_a_check_that_the_model_decides_about_would_run_on_condition(request_of):
    request = request_of("model.load={kind: sklearn, path: model.joblib}", "data.inputs={x: {modality: tabular, columns: [s]}}")
    with planned(request) as plan:
        by_name = {one.item.name: one for one in preview_checks(plan, open_data(plan))}
    assert by_name["performance.calibration"].condition == "if the model provides scores"
    assert by_name["performance.classification"].condition == ""


def test_a_rule_names_the_check_that_measures_it_or_that_none_would(request_of):
    with planned(request_of()) as plan:
        checks = preview_checks(plan, open_data(plan))
    first, second = plan.settings.gate.rules
    assert preview_rule(first, checks) == "measured by performance.classification"
    assert preview_rule(second, checks) == "not measured; performance.regression would not run"


def test_a_dry_run_names_columns_metrics_rules_and_reports(request_of, capsys):
    assert commands.dry_run(request_of()) == 0
    said = capsys.readouterr().out
    assert "check   fairness.groups: would run over sex; measures count, base_rate," in said
    assert "check   performance.calibration: skipped (the data has no score)" in said
    assert "rule 1  performance.accuracy (written performance.accuracy_score) min 0.1: measured by" in said
    assert "rule 2  performance.root_mean_squared_error (written performance.rmse) max 1: not measured;" in said
    assert "report  json" in said


BUILDER = """
import numpy as np
from sklearn.linear_model import LogisticRegression
def build():
    return LogisticRegression().fit(np.array([[0.0], [1.0]]), [0, 1])
"""


@pytest.mark.parametrize("isolation", ["process", "none"])
def test_a_dry_run_opens_the_model_and_says_what_it_provides(request_of, tmp_path, capsys, isolation):
    (tmp_path / "builder.py").write_text(BUILDER)
    load = "model.load={kind: sklearn, path: 'builder:build'}"
    request = request_of(load, "data.inputs={x: {modality: tabular, columns: [s]}}")
    assert commands.dry_run(replace(request, isolation=isolation)) == 0
    said = capsys.readouterr().out
    assert "model   load sklearn: provides labels, scores" in said
    assert "; about " in said or "; less than " in said, said
    assert "check   performance.calibration: would run" in said
    assert "check   explainability.attributions: skipped (the model does not provide gradients)" in said
    assert not (tmp_path / "run").exists()


def test_a_dry_run_of_a_model_that_cannot_be_opened_is_its_error(request_of):
    with pytest.raises(ModelError, match=r"nothing\.joblib"):
        commands.dry_run(request_of("model.load={kind: sklearn, path: nothing.joblib, allow_pickle: true}",
                                    "data.inputs={x: {modality: tabular, columns: [s]}}"))
