"""Somebody has logs of another evaluation tool, and wants them judged."""

import json
import shutil
from pathlib import Path

import pytest

LOGS = Path(__file__).parents[1] / "raikit" / "data" / "logs"


@pytest.fixture
def logs(tmp_path):
    shutil.copytree(LOGS, tmp_path, dirs_exist_ok=True)
    return tmp_path


def test_the_gate_finds_the_group_that_a_later_run_of_inspect_answers_worse(raikit, logs):
    raikit("init", "inspect_before.eval", code=0)
    before = raikit("audit", "audit.yaml", "--out", "before", code=0)
    assert "The accuracy may be under its limit: 75.0%, limit at least 80%." in before.out
    text = (logs / "audit.yaml").read_text()
    (logs / "audit.yaml").write_text(text.replace("  # regressions:", "  regressions:").replace("  #   - ", "    - "))
    later = ["audit", "audit.yaml", "--set", "data.path=inspect_after.eval", "--baseline", "before", "--out", "after"]
    after = raikit(*later, code=1)
    assert "language: French lost against language: English; Language gap worse by 62.0 pp" in after.out
    record = json.loads((logs / "after" / "audit.json").read_text())
    regression = next(r for r in record["gate"]["rules"] if "lost" in (r.get("reason") or ""))
    lost = [(rule["loser"], round(rule["value"], 2)) for rule in record["gate"]["rules"] if rule["kind"] == "regression"]
    assert ("language: French against language: English", 0.62) in lost
    assert regression["paired"] and regression["status"] == "fail"
    assert "95 answers in both runs, of 96 in the baseline" in regression["reason"]
    assert "inspect_after.eval: 1 of 96 answers have no score and are left out." in record["data"]["notes"]


def test_a_run_that_did_not_change_passes_with_itself_as_the_baseline(raikit, logs):
    raikit("init", "inspect_before.eval", code=0)
    raikit("audit", "audit.yaml", "--out", "one", code=0)
    again = raikit("audit", "audit.yaml", "--baseline", "one", "--out", "two", code=0)
    assert "lost" not in again.out and "not measured" not in again.out


def test_a_choice_of_scorer_stops_the_audit_until_it_is_made(raikit, logs):
    samples = next((logs / "lm_eval_before").glob("samples_capitals_*")).relative_to(logs)
    asked = raikit("init", samples, code=0)
    assert "Question: model.load.prediction: one of score.acc or score.acc_norm" in asked.printed
    refused = raikit("audit", "audit.yaml", code=2)
    assert "score.acc or score.acc_norm" in refused.printed
    raikit("audit", "audit.yaml", "--set", "model.load.prediction=score.acc", "--out", "run", code=0)
    raikit("init", samples, "--target", "score.acc", "--out", "answered.yaml", code=0)
    raikit("audit", "answered.yaml", "--out", "second", code=0)


def test_a_folder_of_tasks_of_lm_eval_is_judged_by_task_and_group(raikit, logs):
    raikit("init", "lm_eval_before", code=0)
    raikit("audit", "audit.yaml", "--out", "before", code=0)
    worse = raikit("audit", "audit.yaml", "--set", "data.path=lm_eval_after", "--baseline", "before", "--out", "after", "--verbose", code=1)
    assert "Rule: fairness.accuracy_difference[region] is at most 0.1" in worse.out


def test_mean_scores_of_every_eval_ever_are_audited_by_group(raikit, logs):
    raikit("init", "eee_inspect_samples.jsonl", "--target", "score.brevity:mean", code=0)
    raikit("audit", "audit.yaml", "--out", "run", code=0)
    assert "Errors have no comparison, because all targets are the same" in (logs / "run" / "report.md").read_text("utf-8")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"PK\x03\x04" + b"\x00" * 100, b"not a log"])
def test_a_damaged_log_is_one_sentence_and_exit_2(raikit, tmp_path, content):
    (tmp_path / "bad.eval").write_bytes(content)
    ran = raikit("init", "bad.eval", code=2)
    assert ran.err.startswith("raikit: bad.eval is ") and ran.err.count("\n") == 1
    assert not (tmp_path / "audit.yaml").exists()
