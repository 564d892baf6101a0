"""Decisions without truth are audited for what needs no truth, with the numbers that they have beside a target."""

import numpy as np
import pandas as pd
import pytest
from journey import check_row, numbers, record, write_audit_yaml

TRUTHLESS = ("count", "selection_rate", "demographic_parity", "mean_score", "impact_ratio", "scoring_rate", "unknown_category")


def applicants(classes=("reject", "approve"), rows=900):
    rng = np.random.default_rng(0)
    sex, race = rng.choice(["F", "M"], rows), rng.choice(["A", "B", "C"], rows)
    p = np.clip(rng.normal(0.5 + 0.1 * (sex == "M"), 0.2), 0.01, 0.99).round(4)
    decision = np.array(classes)[np.digitize(p, np.linspace(0, 1, len(classes) + 1)[1:-1])]
    table = pd.DataFrame({"sex": sex, "race": race, "p": p, "decision": decision, "home": rng.integers(0, 90, rows)})
    return table.assign(y=rng.choice(classes, rows), w=rng.integers(1, 4, rows))


@pytest.fixture
def audit(tmp_path, raikit):
    def audit(*arguments, out, target, table, load, code=0, gate=None, **data):
        more = {"gate": gate} if gate else {}
        config = write_audit_yaml(
            tmp_path, table if target else table.drop(columns="y"), checks=None, model={"load": {"kind": "predictions", **load}},
            data={"id": None, "sensitive": ["sex", "race"], "target": target, **data}, **more,
        )  # fmt: skip
        if target is None:
            config.write_text(config.read_text(encoding="utf-8").replace("  target: null\n", ""), encoding="utf-8")
        ran = raikit("audit", config, "--out", out, "--formats", "html,json,md,junit,sarif", *arguments, code=code)
        return tmp_path / out, ran

    return audit


@pytest.mark.parametrize("more", [{}, {"weight": "w"}, {"cluster": ["home"]}])
@pytest.mark.parametrize(
    ("classes", "load"),
    [
        (("reject", "approve"), {"prediction": "decision"}),
        ((0, 1), {"score": "p"}),
        (("a", "b", "c"), {"prediction": "decision"}),
    ],
)
def test_the_numbers_are_those_of_an_audit_that_knows_the_truth(audit, classes, load, more):
    table = applicants(classes)
    data = {**more, **({"positive": classes[1]} if len(classes) == 2 else {})}
    run, ran = audit(out="without", target=None, table=table, load=load, **data)
    beside = numbers(audit(out="with", target="y", table=table, load=load, **data)[0])
    mine = numbers(run)
    assert mine.keys() == {id for id in beside if id.removeprefix("fairness.").startswith(TRUTHLESS)}
    near = 0.05 if "weight" in more else 1e-9  # the variance of one more case uses the mean weights of like cases
    for id, metric in mine.items():
        for key in ("value", "low", "high", "p_value", "n"):
            other = beside[id][key]
            tolerance = 1e-9 if key in ("value", "n") else near
            assert metric[key] == (None if other is None else pytest.approx(other, rel=tolerance, abs=1e-9)), (id, key)
    assert record(run)["data"]["target"] is None
    assert check_row(run, "performance.classification")["reason"] == "the data has no target"
    assert not [check for check in record(run)["checks"] if check["status"] == "error"]
    assert "only what needs no truth is measured" in ran.printed


def test_parity_leads_and_is_judged_and_compared_with_a_baseline(audit, raikit):
    table = applicants()
    gate = {
        "rules": [{"metric": "fairness.demographic_parity_difference[sex]", "max": 0.05}],
        "regressions": [{"metric": "fairness.demographic_parity_difference[sex]", "margin": 0.02}],
    }
    sections = {"load": {"prediction": "decision"}, "positive": "approve", "gate": gate, "reference": {"sex": "M"}}
    first, _ = audit("--no-baseline", out="first", target=None, table=table, code=1, **sections)
    assert record(first)["summary"]["sentences"][0].startswith(
        "For sex: M, 68.5% are labelled “approve”; for sex: F, 48.8%.")
    raikit("baseline", "save", first, "base.json", code=0)
    worse = table.assign(decision=np.where((table.sex == "F") & (np.arange(len(table)) % 3 == 0), "reject", table.decision))
    for number, baseline in enumerate(("first", "base.json")):
        again, _ = audit("--baseline", baseline, out=f"again{number}", target=None, table=worse, code=1, **sections)
        judged = {rule["kind"]: rule["status"] for rule in record(again)["gate"]["rules"]}
        assert judged["regression"] in ("fail", "inconclusive"), baseline
    _, ran = audit("--baseline", "first", out="other", target="y", table=table, code=2, **sections)
    assert "the baseline has no target" in ran.err


def test_what_a_dry_run_promises_is_what_runs(audit):
    _, ran = audit("--dry-run", out="dry", target=None, table=applicants(), load={"prediction": "decision"}, positive="approve")
    assert "the data has no target" in ran.printed
