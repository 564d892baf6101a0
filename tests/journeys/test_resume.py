"""After ``kill -9`` and ``--resume``, the record is that of an uninterrupted run."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
from journey import check_row, record

pytestmark = pytest.mark.long

COUNTING = '''
import os, pathlib, raikit

class Counts(raikit.Check):
    """Writes a letter each time it runs."""
    name, pillar = "counts.runs", "counts"
    def run(self, ctx):
        with open(pathlib.Path(__file__).with_name("ran"), "a") as stream:
            stream.write("x")
        return raikit.CheckResult(metrics=[raikit.Metric.exact("draw", float(ctx.rng.random()))])

class Kills(raikit.Check):
    """Ends the process if the file says so."""
    name, pillar = "kills.it", "kills"
    def run(self, ctx):
        if pathlib.Path(__file__).with_name("kill").exists():
            os.kill(os.getpid(), 9)
        return raikit.CheckResult(metrics=[raikit.Metric.exact("draw", float(ctx.rng.random()))])
'''


def notes(rows=400, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, rows)
    words = np.array([["calm", "quiet", "slow"], ["urgent", "loud", "fast"]])
    text = [" ".join(rng.choice(words[label if rng.random() < 0.8 else 1 - label], 3)) for label in y]
    return pd.DataFrame(
        {
            "note": text,
            "age": rng.normal(40, 10, rows) + 5 * y,
            "y": y,
            "sex": rng.choice(["F", "M"], rows),
            "split": np.where(np.arange(rows) % 4 == 0, "test", "train"),
        }
    )


@pytest.fixture
def trained(audit_yaml, tmp_path):
    """A configuration that trains a model, with two local checks; one of them can kill the process."""
    (tmp_path / "checks.py").write_text(COUNTING)
    data = {
        "id": None,
        "sensitive": ["sex"],
        "split": "split",
        "inputs": {"note": {"modality": "text"}, "facts": {"modality": "tabular", "columns": ["age"]}},
    }
    return audit_yaml(
        notes(),
        checks=["performance.classification", "counts", "kills"],
        data=data,
        model={"train": {"kind": "fusion", "epochs": 4, "width": 16}},
        plugins={"local": ["checks.py"]},
    )


@pytest.fixture
def scored(audit_yaml, tmp_path):
    """A configuration with predictions and the same local checks: nothing is trained."""
    (tmp_path / "checks.py").write_text(COUNTING)
    return audit_yaml(checks=["performance.classification", "counts", "kills"], plugins={"local": ["checks.py"]})


def comparable(folder):
    """The record without times and the run's id."""
    content = record(folder)
    for key in ("run_id", "started", "seconds"):
        content["provenance"].pop(key)
    for check in content["checks"]:
        check.pop("seconds")
    return content


def start(config, out, *options):
    return subprocess.Popen(
        [sys.executable, "-m", "raikit", "audit", str(config), "--out", str(out), *options],
        cwd=config.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def kill_when(process, happened):
    deadline = time.monotonic() + 300
    while process.poll() is None and not happened() and time.monotonic() < deadline:
        time.sleep(0.005)
    was_running = process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.communicate()
    return was_running


def finish(config, out, *options):
    process = start(config, out, *options)
    output = process.communicate(timeout=600)[0].decode()
    return process.returncode, output


def test_killed_in_training_and_again_while_scoring_the_result_is_the_same(trained, tmp_path):
    assert finish(trained, tmp_path / "whole")[0] == 0
    run = tmp_path / "run"
    moments = [lambda: any((run / ".work" / "training").glob("*")), lambda: (run / "model").exists()]
    for index, moment in enumerate(moments):
        assert kill_when(start(trained, run, *(["--resume"] if index else [])), moment), (
            "it had ended before it was killed"
        )
        assert not (run / "audit.json").exists()
    code, output = finish(trained, run, "--resume")
    assert code == 0, output
    assert comparable(run) == comparable(tmp_path / "whole")
    assert (run / "predictions.parquet").read_bytes() == (tmp_path / "whole" / "predictions.parquet").read_bytes()
    assert finish(trained, run, "--resume")[0] == 0


def test_a_check_that_kills_the_process_twice_is_an_error_and_finished_ones_are_not_run_again(scored, tmp_path):
    (tmp_path / "kill").touch()
    run, together = tmp_path / "run", ("--isolation", "none")
    assert finish(scored, run, *together)[0] == -signal.SIGKILL
    assert finish(scored, run, "--resume", *together)[0] == -signal.SIGKILL
    code, _ = finish(scored, run, "--resume", *together)
    assert code == 3
    killed = check_row(run, "kills.it")
    assert (killed["status"], "twice" in killed["reason"]) == ("error", True)
    assert (tmp_path / "ran").read_text() == "x"


def test_a_check_that_kills_its_process_is_an_error_at_once_where_it_has_one_of_its_own(scored, tmp_path):
    (tmp_path / "kill").touch()
    assert finish(scored, tmp_path / "run")[0] == 3
    killed = check_row(tmp_path / "run", "kills.it")
    assert (killed["status"], "SIGKILL" in killed["reason"]) == ("error", True)
    assert (tmp_path / "ran").read_text() == "x"


def test_every_row_is_scored_once_whatever_the_number_of_checks(trained, tmp_path, monkeypatch):
    from raikit.audit.conductor import audit
    from raikit.audit.plan import Request
    from raikit.console import Console
    from raikit.models.fusion import FusionModel

    scored = []
    scores = FusionModel.scores
    monkeypatch.setattr(FusionModel, "scores", lambda self, batch: (scored.extend(batch.ids), scores(self, batch))[1])
    monkeypatch.setattr("raikit.models.probe.examine", lambda model, data: model)  # tries the model on three of the cases
    monkeypatch.chdir(tmp_path)
    outcome = audit(Request(trained, tmp_path / "run"), Console(quiet=True))
    assert sorted(scored) == list(range(400))
    assert outcome.record.provenance.rows_scored == 400


def test_a_trained_model_is_loaded_by_another_audit_and_gives_the_same_scores(trained, audit_yaml, raikit, tmp_path):
    import yaml

    raikit("train", trained, "--out", "model", code=0)
    config = yaml.safe_load(trained.read_text())
    config["model"] = {"load": {"kind": "fusion", "path": "model"}}
    (tmp_path / "loaded.yaml").write_text(yaml.safe_dump(config))
    raikit("audit", trained, "--out", "a", code=0)
    raikit("audit", "loaded.yaml", "--out", "b", code=0)
    # Without training there is no validation split, so the order of the cases is different.
    one, other = (
        pd.read_parquet(tmp_path / name / "predictions.parquet").set_index("id").sort_index() for name in "ab"
    )
    pd.testing.assert_series_equal(one["score"], other["score"])
    assert json.loads((tmp_path / "model" / "history.json").read_text())["epochs"]
    assert not [item for item in os.listdir(tmp_path) if item.endswith(".training")]
