"""Child processes that forge what they send, plant files, hang or lie: no number of others changes, and nothing turns green.

`tests/raikit/isolation/test_channel.py`, `tests/raikit/models/test_remote.py` and `tests/raikit/plugins/test_description.py` try
the single messages; here a person meets them on the command line.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
from journey import check_row, numbers, record

from raikit.run import manifest

ACCURACY = pytest.approx(0.857)
APART = {"PYTHONPATH": os.pathsep.join(sys.path)}


@pytest.fixture
def failing(audit_yaml):
    """An audit of a table or a model whose accuracy is .857, with a rule that asks for .9."""

    def failing(**sections):
        y = np.arange(1000) % 2
        table = pd.DataFrame({"case": range(1000), "sex": np.where(np.arange(1000) % 3, "F", "M"), "y": y, "yhat": y})
        table.loc[::7, "yhat"] = 1 - table.loc[::7, "y"]
        load = {"load": {"kind": "predictions", "prediction": "yhat"}}
        defaults = {"model": load, "gate": {"rules": [{"metric": "performance.accuracy", "min": 0.9}]}, "formats": ["json"]}
        data = {"sensitive": ["sex"], **sections.pop("data", {})}
        return audit_yaml(table, **{"checks": ["performance.classification"], "data": data, **defaults, **sections})

    return failing


def judged(run):
    """Return the verdict, and the accuracy, of an intact run."""
    assert manifest.verify(run) == []
    return record(run)["verdict"], numbers(run)["performance.accuracy"]["value"]


PLANTS = """
import json, os, threading, time
import raikit

work = os.path.join(os.path.dirname(__file__), "run", ".work")
METRIC = {"id": "performance.accuracy", "name": "accuracy", "value": 0.99, "low": 0.99, "high": 0.99, "method": "exact", "n": 9}
RESULT = {"name": "performance.classification", "pillar": "performance", "plugin": "raikit", "status": "ok", "metrics": [METRIC]}

def plant():
    while not os.path.isdir(os.path.join(work, "checks")):
        time.sleep(0.0005)
    for name, content in {
        "checks/performance.classification.json": json.dumps(RESULT),
        "checks/performance.classification.started": "x\\nx\\n",
        "state.json": "[" * 100_000,
        "scored.json": "{}",
    }.items():
        with open(os.path.join(work, "partial"), "w") as file:
            file.write(content)
        os.rename(os.path.join(work, "partial"), os.path.join(work, name))

threading.Thread(target=plant, daemon=True).start()


class Plants(raikit.Check):
    "Plants what an interrupted run would have left."
    name, pillar = "evil.plants", "evil"

    def run(self, ctx):
        return raikit.CheckResult()
"""


def test_what_a_plugin_plants_in_a_new_run_is_not_taken_for_finished_work(raikit, failing, tmp_path):
    (tmp_path / "checks.py").write_text(PLANTS)
    raikit("audit", failing(plugins={"local": ["checks.py"]}), "--out", "run", code=1, **APART)
    assert judged(tmp_path / "run") == ("fail", ACCURACY)


FORGES = """
import inspect, json, os, shutil, sys, time
from multiprocessing.connection import Connection
import raikit


def send(**message):
    frame = inspect.currentframe()
    while "job" not in frame.f_locals or "number" not in frame.f_locals["job"]:
        frame = frame.f_back
    raw(json.dumps({"number": frame.f_locals["job"]["number"], **message}).encode())


def raw(message):
    Connection(os.dup(int(sys.argv[1]))).send_bytes(message)
    time.sleep(0.5)


def nested():
    raw(b"[" * 200_000)


def progress():
    raw(b'{"progress": ["x"]}')


def warnings():
    send(result='{"metrics": []}', warnings=[[1], {"a": 2}])


def half():
    os.write(int(sys.argv[1]), b"\\0\\0\\x10\\0abc")
    time.sleep(1000)


def others():
    metric = {"id": "performance.accuracy", "name": "accuracy", "value": 1, "low": 1, "high": 1, "method": "exact", "n": 9}
    send(result=json.dumps({"metrics": [{**metric, "name": "performance.accuracy"}]}))


def twice():
    metric = {"name": "two", "value": 1, "low": 1, "high": 1, "method": "exact", "n": 9}
    for _ in range(2):
        send(result=json.dumps({"metrics": [metric]}))


def many():
    return raikit.CheckResult(metrics=[raikit.Metric.exact("many", number, args={"n": number}) for number in range(101)])


def copy(ctx):
    path, status = ctx.predictions.path, os.stat(ctx.predictions.path)
    os.chmod(path, 0o644)
    with open(path, "r+b") as file:
        file.seek(8)
        file.write(b"XXXX")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def link(ctx):
    shutil.rmtree(ctx.workdir)
    os.symlink("/etc", ctx.workdir)
    return raikit.CheckResult(artifacts=[raikit.Artifact(path="passwd")])


def made(attack):
    def run(self, ctx):
        return (attack(ctx) if attack in (copy, link) else attack()) or raikit.CheckResult()

    return type(attack.__name__, (raikit.Check,), {
        "__doc__": "Forges.", "name": f"evil.{attack.__name__}", "pillar": "evil", "run": run, "__module__": __name__})


for attack in (nested, progress, warnings, half, others, twice, many, copy, link):
    globals()[attack.__name__.title()] = made(attack)
"""
EXPECTED = {
    "nested": "nested too deeply", "progress": "a report of progress that is not two numbers", "warnings": "sent an answer that",
    "half": "did not finish within 8 seconds", "copy": "it modified the shared predictions",
    "many": "it returned 101 metrics, more than 100; set RAIKIT_MAX_METRICS to raise", "link": "is not a file in the check's workdir",
}  # fmt: skip


def test_each_forged_answer_costs_its_own_check(raikit, failing, tmp_path, monkeypatch):
    monkeypatch.setenv("RAIKIT_MAX_METRICS", "100")
    (tmp_path / "checks.py").write_text(FORGES)
    config = failing(checks=["performance.classification", "evil"], plugins={"local": ["checks.py"], "timeout": 8})
    start = time.perf_counter()
    ran = raikit("audit", config, "--out", "run", code=1)
    assert time.perf_counter() - start < 60
    assert judged(tmp_path / "run") == ("fail", ACCURACY)
    for name, says in EXPECTED.items():
        row = check_row(tmp_path / "run", f"evil.{name}")
        assert row["status"] == "error" and says in row["reason"], (name, row["reason"])
    for name in ("twice", "others"):  # what they forge becomes their own number
        assert check_row(tmp_path / "run", f"evil.{name}")["status"] == "ok"
    assert "evil.performance.accuracy" in numbers(tmp_path / "run")
    assert not (tmp_path / "run" / "artifacts").exists() and "Traceback" not in ran.printed


HANGS = """
import time
import raikit

raikit_api = 1


@raikit.hookimpl
def raikit_check_finished(result):
    time.sleep(1000)


@raikit.hookimpl
def raikit_run_finished(record, run):
    time.sleep(1000)
"""


def test_a_listener_that_hangs_costs_its_time_once(raikit, failing, install, tmp_path):
    config = failing(checks=["performance.classification", "fairness.groups"], plugins={"timeout": 2})
    ran = raikit("audit", config, "--out", "run", code=1, **install(HANGS))
    assert judged(tmp_path / "run") == ("fail", ACCURACY)
    assert ran.printed.count("did not finish within 2 seconds") == 1


MODEL = """
import json, os, sys, time
from multiprocessing.connection import Connection
import numpy


class Estimator:
    classes_ = numpy.array([0, 1])

    def predict(self, table):
        {scoring}
        return table["yhat"].to_numpy()


def build():
    return Estimator()
"""
ENDLESS = """
        link = Connection(os.dup(int(sys.argv[1])))
        n = 0
        while True:
            n += 1
            link.send_bytes(json.dumps({'progress': [n, 1]}).encode())
"""
LIES = {
    "sleeps": ("time.sleep(1000)", 2, "did not finish within 2 seconds"),
    "reports progress without end": (ENDLESS.strip(), 2, "did not finish within 2 seconds"),
    "ends well": ("os._exit(0)", 2, "ended the process that it ran in (exit code 0)"),
    "begins a command": (r"raise ValueError('a\n::error::b')", 2, "a ::error::b; "),
}  # fmt: skip


@pytest.mark.parametrize("what", LIES)
def test_a_model_that(raikit, failing, tmp_path, what):
    scoring, code, says = LIES[what]
    (tmp_path / "evil_model.py").write_text(MODEL.replace("{scoring}", scoring))
    config = failing(
        model={"load": {"kind": "sklearn", "path": "evil_model:build"}, "timeout": 2 if "2 seconds" in says else 60},
        data={"inputs": {"x": {"modality": "tabular", "columns": ["yhat"]}}},
    )
    start = time.perf_counter()
    ran = raikit("audit", config, "--out", "run", code=code, **APART)
    assert says in ran.err and "Traceback" not in ran.printed and "\n::" not in ran.printed
    assert time.perf_counter() - start < 30
    assert not (tmp_path / "run").exists()


def test_an_audit_of_predictions_with_raikits_own_checks_starts_no_process(raikit, failing, tmp_path, monkeypatch):
    def refuse(*arguments, **options):
        raise AssertionError(f"started {arguments}")

    config = failing(checks=["performance.classification", "fairness.groups"], formats=["json", "html", "md"])
    raikit("plugins", code=0)  # finds what other tests of this session have loaded
    for owner, name in ((subprocess, "Popen"), (os, "fork"), (os, "posix_spawn"), (os, "system")):
        monkeypatch.setattr(owner, name, refuse)
    raikit("audit", config, "--out", "run", code=1)
    assert judged(tmp_path / "run") == ("fail", ACCURACY)
    assert {check["process"] for check in record(tmp_path / "run")["checks"] if check["status"] == "ok"} == {"audit"}
