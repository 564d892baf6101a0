"""The auditor with many rules: intervals are measured where they decide, and a verdict names whom it says nothing about."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
import yaml
from journey import record

GAP = "fairness.equal_opportunity_difference[group]"

CHECK = '''
import raikit
from raikit.stats import clopper_pearson


class Right(raikit.Check):
    """How often the model is right."""

    name, pillar, produces = "mine.right", "mine", ["mine.right"]

    def run(self, ctx):
        cases = ctx.arrays()
        right = int((cases.truth == cases.prediction).sum())
        low, high = clopper_pearson(right, len(cases), ctx.confidence)
        metric = raikit.Metric("right", right / len(cases), low=low, high=high, n=len(cases), method="Clopper-Pearson")
        return raikit.CheckResult(metrics=[metric])
'''


@pytest.fixture
def repository(tmp_path):
    """Groups a and b, of which b is missed more often, and c without a positive case."""
    rng = np.random.default_rng(3)
    frame = pd.DataFrame({"id": np.arange(4000), "group": rng.choice(list("abc"), 4000, p=[0.5, 0.4, 0.1])})
    frame["y"] = np.where(frame.group == "c", 0, rng.integers(0, 2, 4000))
    hit = rng.random(4000) < np.where(frame.group == "b", 0.75, 0.9)
    frame["yhat"] = np.where(frame.y == 1, hit, rng.random(4000) < 0.1).astype(int)
    frame.to_csv(tmp_path / "d.csv", index=False)
    (tmp_path / "checks.py").write_text(CHECK)

    def write(rules, **more):
        config = {"name": "m", "data": {"path": "d.csv", "id": "id", "target": "y", "positive": 1, "sensitive": ["group"]},
                  "model": {"load": {"kind": "predictions", "prediction": "yhat"}},
                  "checks": {"fairness.groups": {}, "mine.right": {}}, "plugins": {"local": ["checks.py"]},
                  "formats": ["json", "md", "html", "junit", "sarif", "comment"], "gate": {"rules": rules, **more}}
        (tmp_path / "audit.yaml").write_text(yaml.safe_dump(config))
        return tmp_path / "audit.yaml"

    return write


def test_a_group_about_which_a_rule_says_nothing_is_named_in_every_format(raikit, repository, tmp_path):
    ran = raikit("audit", repository([{"metric": GAP, "max": 0.9}]), "--out", "run", code=0)
    says = re.compile(r"not defined for group: c \(no case has target 1\), so this rule says nothing about it")
    assert says.search(ran.out)
    assert record(tmp_path / "run")["gate"]["rules"][0]["not_judged"] == ["group: c"]
    files = [path for path in (tmp_path / "run").iterdir() if path.suffix in (".md", ".html", ".xml", ".sarif")]
    assert len(files) >= 5
    for path in files:
        text = re.sub(r"\s+", " ", path.read_text().replace("&#40;", "(").replace("&#41;", ")"))
        assert says.search(text), path.name


def test_many_rules_share_one_error_and_a_check_of_ones_own_is_measured_at_its_level(raikit, repository, tmp_path):
    rules = [{"metric": GAP, "max": 0.05}, {"metric": "mine.right", "min": 0.95}, {"metric": "fairness.accuracy[*]", "min": 0.5},
             {"metric": "fairness.selection_rate[*]", "max": 0.9}]
    ran = raikit("audit", repository(rules), "--out", "run", code=1)
    gate = record(tmp_path / "run")["gate"]
    rows = {rule["metric"]: rule for rule in gate["rules"]}
    assert gate["family"]["size"] == len(rows) > 7
    for name, bad in ((GAP, "low"), ("mine.right", "high")):
        row = rows[name]
        assert (row["status"], row["level"] >= gate["family"]["level"] - 1e-9) == ("fail", True)
        assert row[bad] > row["limit"] if bad == "low" else row[bad] < row["limit"]
    assert f"{gate['family']['size']} rules and regressions can fail this build, together by chance in at most 5% of builds" in ran.out
    assert "rules and regressions can fail this build" in (tmp_path / "run" / "report.md").read_text()
    alone = raikit("audit", repository(rules, error_rate="rule"), "--out", "alone", code=1)
    assert "can fail this build, together" not in alone.out
    assert {rule["level"] for rule in record(tmp_path / "alone")["gate"]["rules"]} == {0.95}


def test_a_policy_that_needs_another_level_is_decided_by_another_audit(raikit, repository, tmp_path):
    config = repository([{"metric": GAP, "max": 0.3}])
    raikit("audit", config, "--out", "run", code=0)
    (tmp_path / "strict.yaml").write_text(yaml.safe_dump({"rules": [{"metric": GAP, "max": 0.3, "confidence": 0.9999}]}))
    again = raikit("gate", "run", "--policy", "strict.yaml", code=0)
    assert "it was not measured at 99.99%, the level of this rule; run the audit again with this policy" in again.out
    strict = raikit("audit", repository([{"metric": GAP, "max": 0.3, "confidence": 0.9999}]), "--out", "strict", code=0)
    assert "99.99% CI" in strict.out
    assert "holds" in raikit("gate", "strict", "--policy", "strict.yaml", code=0).out
