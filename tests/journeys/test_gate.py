"""The CI engineer: a build fails on real regressions, and only on those."""

from __future__ import annotations

import json
import re
import shutil

import numpy as np
import pandas as pd
import pytest
import yaml
from journey import record

from raikit.run import manifest

RULES = {"rules": [{"metric": "performance.accuracy", "min": 0.5}],
         "regressions": [{"metric": "fairness.equalized_odds_difference", "margin": 0.0}]}


def table(seed=7, rows=6000):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"id": np.arange(rows), "group": rng.choice(list("abc"), rows), "y": rng.integers(0, 2, rows)})
    return frame.assign(yhat=(rng.random(rows) < np.where(frame.y == 1, 0.8, 0.1)).astype(int))


def retrained(frame, seed):
    """Imitate a model trained with another seed: one decision in twenty is drawn again."""
    rng = np.random.default_rng(seed)
    again = (rng.random(len(frame)) < np.where(frame.y == 1, 0.8, 0.1)).astype(int)
    return frame.assign(yhat=np.where(rng.random(len(frame)) < 0.05, again, frame.yhat))


@pytest.fixture
def repository(tmp_path):
    """A table of predictions; ``repository(gate=…)`` writes an audit.yaml beside it."""
    table().to_csv(tmp_path / "d.csv", index=False)

    def write(gate=RULES, **more):
        config = {"name": "m", "data": {"path": "d.csv", "id": "id", "target": "y", "sensitive": ["group"]},
                  "model": {"load": {"kind": "predictions", "prediction": "yhat"}},
                  "checks": {"fairness.groups": {"draws": 4000}, "performance.classification": {}},
                  "formats": ["json", "md"], "gate": gate, **more}
        (tmp_path / "audit.yaml").write_text(yaml.safe_dump(config))
        return tmp_path / "audit.yaml"

    return write


def test_a_candidate_made_worse_for_one_group_fails_and_the_group_is_named(raikit, repository, tmp_path):
    config = repository()
    assert "or --no-baseline if this is the first run" in raikit("audit", config, "--out", "base", code=2).err
    first = raikit("audit", config, "--out", "base", "--no-baseline", code=0)
    assert "there is no baseline yet" in first.out
    worse = table()
    hit = (worse.group == "c") & (worse.y == 1) & (np.random.default_rng(1).random(len(worse)) < 0.12)
    worse.assign(yhat=np.where(hit, 0, worse.yhat)).to_csv(tmp_path / "d.csv", index=False)
    ran = raikit("audit", config, "--out", "worse", "--baseline", "base", code=1)
    assert "is worse than in the baseline" in ran.out
    assert "group: c lost" in ran.out
    row = next(rule for rule in record(tmp_path / "worse")["gate"]["rules"] if rule["kind"] == "regression")
    assert (row["status"], row["paired"]) == ("fail", True)
    assert row["loser"].startswith("group: c against")
    assert "group: c" in (tmp_path / "worse" / "report.md").read_text()
    again = raikit("gate", "worse", "--baseline", "base", code=1)
    assert "  broken  " in again.out


def test_a_candidate_retrained_with_another_seed_never_fails_here(raikit, repository, tmp_path):
    config = repository()
    raikit("audit", config, "--out", "base", "--no-baseline", code=0)
    for seed in range(3):
        retrained(table(), seed).to_csv(tmp_path / "d.csv", index=False)
        raikit("audit", config, "--out", f"run{seed}", "--baseline", "base", code=0)


def test_a_baseline_without_regressions_is_held_against_the_disparities(raikit, repository, tmp_path):
    config = repository(gate={})
    raikit("audit", config, "--out", "base", code=0)
    raikit("audit", config, "--out", "next", "--baseline", "base", code=0)
    patterns = {rule["pattern"] for rule in record(tmp_path / "next")["gate"]["rules"]}
    assert patterns == {"fairness.*_difference"}


def test_a_baseline_may_be_one_committed_file(raikit, repository, tmp_path):
    config = repository()
    raikit("audit", config, "--out", "base", "--no-baseline", code=0)
    raikit("baseline", "save", "base", "baseline.json", code=0)
    ran = raikit("audit", config, "--out", "next", "--baseline", "baseline.json", code=0)
    assert "worse than in the baseline" in ran.out
    raikit("baseline", "accept", "next", "baseline.json", "--reason", "reviewed", code=0)
    assert json.loads((tmp_path / "baseline.json").read_text())["accepted"][-1]["reason"] == "reviewed"
    worse = table()
    hit = (worse.group == "c") & (worse.y == 1) & (np.random.default_rng(1).random(len(worse)) < 0.25)
    worse.assign(yhat=np.where(hit, 0, worse.yhat)).to_csv(tmp_path / "d.csv", index=False)
    lost = raikit("audit", config, "--out", "lost", "--baseline", "baseline.json", "--verbose", code=1)
    assert "group: c lost" in lost.out, "the counts in the file tell who lost"
    assert "unpaired" in lost.out
    refused = raikit("audit", config, "--out", "z", "--baseline", "baseline.json", "--set", "gate.if_rows_differ=refuse", code=2)
    assert "a file has no cases" in refused.err
    (tmp_path / "baseline.json").write_text((tmp_path / "baseline.json").read_text().replace("0.8", "0.9"))
    assert "it was changed after it was written" in raikit(
        "audit", config, "--out", "z", "--baseline", "baseline.json", code=2).err
    assert not (tmp_path / "z").exists()


def test_a_tampered_or_foreign_baseline_is_refused_before_anything_runs(raikit, repository, tmp_path):
    config = repository()
    raikit("audit", config, "--out", "base", "--no-baseline", code=0)
    shutil.copytree(tmp_path / "base", tmp_path / "good")
    with (tmp_path / "base" / "audit.json").open("a") as stream:
        stream.write(" ")
    assert "audit.json was changed" in raikit("audit", config, "--out", "next", "--baseline", "base", code=2).err
    assert "baseline nowhere" in raikit("audit", config, "--out", "next", "--baseline", "nowhere", code=2).err
    refused = raikit("audit", config, "--out", "next", "--baseline", "base", "--no-baseline", code=2).err
    assert "use either --baseline or --no-baseline, not both" in refused
    labels = table().assign(y=lambda t: t.y + 1, yhat=lambda t: t.yhat + 1)
    labels.to_csv(tmp_path / "d.csv", index=False)
    other = raikit("audit", config, "--out", "next", "--baseline", "good", "--set", "data.positive=2", code=2)
    assert "the baseline has classes [0, 1], the candidate has [1, 2]; use runs with the same classes" in other.err
    assert not (tmp_path / "next").exists()


def test_a_policy_may_stand_in_a_file_of_its_own(raikit, repository, tmp_path):
    config = repository(gate={"policy": "policy.yaml"})
    assert "there is no file 'policy.yaml'" in raikit("audit", config, "--out", "r", code=2).err
    (tmp_path / "policy.yaml").write_text("rules:\n  - {metric: performance.accuracy, min: 0.99}\n")
    raikit("audit", config, "--out", "r", code=1)
    (tmp_path / "policy.yaml").write_text("rules:\n  - {metric: performance.accuracy, mim: 0.99}\n")
    assert "policy.yaml, line 2: unknown key 'mim' in rules, rule 1" in raikit("audit", config, "--out", "s", code=2).err
    config = repository(gate={"policy": "policy.yaml", "on_inconclusive": "fail"})
    assert "move 'on_inconclusive' to that file" in raikit("audit", config, "--out", "s", code=2).err


@pytest.mark.parametrize(
    ("waiver", "key"),
    [
        ({"metric": "performance.accuracy", "reason": "r", "who": "w", "until": "soon"}, "until"),
        ({"metric": "performance.accuracy", "reason": "", "who": "w", "until": "2030-01-01"}, "reason"),
        ({"metric": "performance.accuracy", "reason": "r", "until": "2030-01-01"}, "who"),
    ],
)
def test_a_malformed_waiver_is_no_waiver(raikit, repository, waiver, key):
    config = repository(gate={"rules": [{"metric": "performance.accuracy", "min": 0.99}], "waivers": [waiver]})
    assert f"gate.waivers, waiver 1, {key}" in raikit("audit", config, "--out", "r", code=2).err


def test_a_waived_rule_passes_until_its_day(raikit, repository, tmp_path):
    waiver = {"metric": "performance.accuracy", "reason": "known", "who": "Ann", "until": "2999-01-01"}
    gate = {"rules": [{"metric": "performance.accuracy", "min": 0.99}], "waivers": [waiver]}
    raikit("audit", repository(gate=gate), "--out", "r", code=0)
    assert record(tmp_path / "r")["gate"]["rules"][0]["status"] == "waived"
    assert record(tmp_path / "r")["summary"]["answer"] == "Yes, by waiver. One broken rule is waived."
    gate["waivers"][0]["until"] = "2020-01-01"
    ran = raikit("audit", repository(gate=gate), "--out", "s", code=1)
    assert record(tmp_path / "s")["gate"]["rules"][0]["reason"].startswith("the waiver of Ann ended on 2020-01-01")
    assert "  broken  " in ran.out


def test_two_runs_are_compared_for_people(raikit, repository, tmp_path):
    config = repository(gate={})
    raikit("audit", config, "--out", "a", code=0)
    worse = table()
    hit = (worse.group == "b") & (worse.y == 1) & (np.random.default_rng(1).random(len(worse)) < 0.15)
    worse.assign(yhat=np.where(hit, 0, worse.yhat)).to_csv(tmp_path / "d.csv", index=False)
    raikit("audit", config, "--out", "b", code=0)
    ran = raikit("compare", "a", "b", "--out", "c", code=0)
    assert re.search(r"worse     Cases with group: b lost ground against the rest\. Gap in false negative rate by group [\d.]+ pp before, "
                     r"[\d.]+ pp after; group: b against the rest worse by .* the same cases \(fairness.equal_opp", ran.out)
    assert "worse than in the baseline" in (tmp_path / "c" / "report.md").read_text()
    assert "<!doctype html>" in (tmp_path / "c" / "report.html").read_text()
    assert "no metric common to both runs matches nothing" in raikit("compare", "a", "b", "--metric", "nothing.*", code=2).err


def test_every_machine_format_of_one_audit(raikit, repository, tmp_path):
    config = repository()
    raikit("audit", config, "--out", "base", "--no-baseline", code=0)
    raikit("audit", config, "--out", "next", "--baseline", "base", "--formats", "json,md,junit,sarif,comment", code=0)
    written = {path.name for path in (tmp_path / "next").iterdir()}
    assert {"audit.json", "report.md", "junit.xml", "results.sarif", "comment.md"} <= written
    assert record(tmp_path / "next")["provenance"]["config_path"] == "audit.yaml"
    raikit("verify", "next", code=0)


def test_other_names_of_a_metric_serve_everywhere_and_the_record_has_one(raikit, repository, tmp_path):
    fairlearn, aif360 = "fairness.false_negative_rate_difference[group]", "fairness.statistical_parity_difference[group]"
    waiver = {"metric": "fairness.selection_rate_difference[group]", "reason": "r", "who": "Ann", "until": "2999-01-01"}
    rules = [{"metric": fairlearn, "max": 0.9}, {"metric": "performance.recall(average=macro)", "min": 0.5},
             {"metric": aif360, "max": 0.0001}]
    regressions = [{"metric": "fairness.fnr_difference", "margin": 0.1}]
    config = repository(gate={"rules": rules, "waivers": [waiver], "regressions": regressions, "on_inconclusive": "pass"})
    raikit("audit", config, "--out", "first", "--no-baseline")
    done = raikit("audit", config, "--out", "run", "--baseline", "first", "--verbose", code=0)
    kept = {rule["pattern"]: rule for rule in record(tmp_path / "run")["gate"]["rules"]}
    assert kept["fairness.equal_opportunity_difference[group]"]["written"] == fairlearn
    assert kept["fairness.equal_opportunity_difference[group]"]["status"] == "pass"
    assert kept["performance.balanced_accuracy"]["metric"] == "performance.balanced_accuracy"
    assert kept["fairness.demographic_parity_difference[group]"]["status"] == "waived"
    assert kept["fairness.equal_opportunity_difference"]["kind"] == "regression"
    assert f"fairness.equal_opportunity_difference[group] (written {fairlearn}) is at most 0.9, written {fairlearn}" in done.out
    assert fairlearn in (tmp_path / "run" / "report.md").read_text().replace("\\", "")
    (tmp_path / "p.yaml").write_text(f"rules: [{{metric: '{fairlearn}', max: 0.9}}]\n")
    assert f"(written {fairlearn})" in raikit("gate", "run", "--policy", "p.yaml", "--verbose", code=0).out
    compared = raikit("compare", "first", "run", "--metric", "fairness.recall_difference", code=0).out
    assert "(fairness.equal_opportunity_difference[group])" in compared
    wrong = raikit("compare", "first", "run", "--metric", "fairness.recal_difference", code=2).err
    assert "Did you mean 'fairness.recall_difference', another name of 'fairness.equal_opportunity_difference'?" in wrong
    (tmp_path / "p.yaml").write_text("regressions: [{metric: fairness.false_negatives_rate_difference}]\n")
    wrong = raikit("gate", "run", "--policy", "p.yaml", "--baseline", "first", code=2).err
    assert "regressions, regression 1, metric: the run has no" in wrong
    assert "Did you mean 'fairness.false_negative_rate_difference'" in wrong


GATED = {"rules": [{"metric": "performance.accuracy", "min": 0.9}, {"metric": "fairness.equalized_odds_difference", "max": 0.2}]}


def rewritten(run, change):
    """Change the record of a run as its author could, with a new manifest."""
    path = run / "audit.json"
    content = json.loads(path.read_text())
    change({metric["id"]: metric for check in content["checks"] for metric in check["metrics"]})
    path.write_text(json.dumps(content))
    manifest.update(run, [path])


def test_a_stored_run_is_measured_again_from_its_predictions(raikit, repository, tmp_path):
    raikit("audit", repository(GATED), "--out", "run", "--no-baseline", code=1)
    before = json.loads((tmp_path / "run" / "audit.json").read_text())["gate"]["rules"]
    raikit("gate", "run", "--remeasure", code=1)
    again = json.loads((tmp_path / "run" / "gate.json").read_text())["rules"]
    assert [(rule["value"], rule["low"], rule["status"]) for rule in again] == [
        (rule["value"], rule["low"], rule["status"]) for rule in before
    ]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (lambda metrics: metrics["performance.accuracy"].update(value=0.97, low=0.96, high=0.98), "for value of performance.accuracy"),
        (lambda metrics: metrics["performance.accuracy"].update(low=metrics["performance.accuracy"]["value"]), "for low of performance.accuracy"),
        (lambda metrics: metrics["fairness.equalized_odds_difference[group]"].update(high=0.9), "for high of fairness.equalized_odds"),
    ],
)
def test_a_number_that_was_rewritten_and_hashed_again_is_found_by_measuring(raikit, repository, tmp_path, changed, said):
    raikit("audit", repository(GATED), "--out", "run", "--no-baseline", code=1)
    rewritten(tmp_path / "run", changed)
    raikit("verify", "run", code=0)
    assert said in raikit("gate", "run", "--remeasure", code=3).err


def test_what_another_policy_rests_on_is_measured_again_too(raikit, repository, tmp_path):
    """The run's own rules do not look at recall; a policy that does must not be judged by what somebody wrote there."""
    raikit("audit", repository({"rules": [{"metric": "performance.accuracy", "min": 0.5}]}), "--out", "run", "--no-baseline", code=0)
    policy = tmp_path / "policy.yaml"
    policy.write_text(yaml.safe_dump({"rules": [{"metric": "fairness.equal_opportunity_difference", "max": 0.1, "confidence": 0.9}]}))
    raikit("gate", "run", "--policy", policy, "--remeasure", code=0)
    before = json.loads((tmp_path / "run" / "gate.json").read_text())["rules"]
    assert "fairness.equal_opportunity_difference[group]" in {rule["metric"] for rule in before}
    assert all(rule["level"] is not None for rule in before)
    address = "fairness.equal_opportunity_difference[group]"
    rewritten(tmp_path / "run", lambda metrics: metrics[address].update(value=0.02, low=0.01, high=0.03))
    assert f"for value of {address}" in raikit("gate", "run", "--policy", policy, "--remeasure", code=3).err


def test_a_baseline_at_its_worst_is_a_warning_that_the_comment_shows(raikit, repository, tmp_path):
    gate = {"regressions": [{"metric": "performance.accuracy", "margin": 0.01}]}
    frame = table()
    frame.assign(yhat=1 - frame.y).to_csv(tmp_path / "d.csv", index=False)
    config = repository(gate)
    raikit("audit", config, "--out", "base", "--no-baseline", code=0)
    frame.to_csv(tmp_path / "d.csv", index=False)
    raikit("audit", config, "--out", "run", "--baseline", "base", "--formats", "json,comment", code=0)
    assert any("performance.accuracy at its worst value, 0" in warning for warning in record(tmp_path / "run")["gate"]["warnings"])
    assert "at its worst value" in (tmp_path / "run" / "comment.md").read_text()


def test_a_class_that_only_one_run_predicts_does_not_stop_a_gate_that_nobody_wrote(raikit, audit_yaml):
    rng = np.random.default_rng(4)
    table = pd.DataFrame({"case": np.arange(240), "sex": np.tile(["F", "M"], 120), "y": rng.choice(["a", "b"], 240)})
    roles = {"target": "y", "sensitive": ["sex"], "classes": ["a", "b", "c"]}
    for run, predicted in (("before", np.where(rng.random(240) < 0.05, "c", table["y"])), ("after", table["y"])):
        audit_yaml(
            table.assign(yhat=predicted), data=roles, model={"load": {"kind": "predictions", "prediction": "yhat"}},
            checks=["fairness.groups"],
        )  # fmt: skip
        baseline = ["--baseline", "before"] if run == "after" else []
        printed = raikit("audit", "audit.yaml", "--out", run, *baseline, "--verbose", code=0).out
    sentence = "precision_difference(class=c)[sex] is worse than in the baseline by at most 0.02"
    lines = printed.splitlines()
    rule = next(number for number, line in enumerate(lines) if sentence in line)
    assert any("Undefined in the candidate" in line for line in lines[rule - 4 : rule]), printed
    assert "there is no baseline yet" not in printed
    assert "unpaired, )" not in printed
