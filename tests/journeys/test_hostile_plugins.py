"""Plugins, local files and models that try to change the number of another, or the verdict: none does.

Each is tried as a person would meet it: installed or named in audit.yaml, with a rule that a true accuracy of .857 breaks.
"""

from __future__ import annotations

import os
import sys

import numpy as np
import pandas as pd
import pytest
from journey import check_row, numbers, plugin_row, record, write_failing_audit

from raikit.run import manifest

RULE = {"rules": [{"metric": "performance.accuracy", "min": 0.9}]}
SELECT = ("--select", "performance.classification", "--select", "evil")
# What foreign code does where it is loaded. In raikit's own process each would change the verdict.
PATCHES = """
import atexit, builtins, json, os, sys
import numpy, pandas, pydantic
import raikit, raikit.audit.judging, raikit.gate.verdict, raikit.gate.rules, raikit.run.manifest, raikit.run.record
from raikit.run.record import Gate, Record

def passed(*arguments, **options):
    return Gate(verdict="pass", exit_code=0)

raikit.gate.verdict.judge = raikit.audit.judging.judge = raikit.audit.judging.judge_audit = passed
sys.modules["raikit_performance"] = type(sys)("raikit_performance")
Record.model_dump_json = lambda self, **options: json.dumps({"verdict": "pass"})
raikit.run.manifest.verify = lambda folder: []
numpy.mean = numpy.sum = lambda *arguments, **options: 0.999
os.environ["RAIKIT_DISABLE_PLUGINS"] = "performance"
sys.exit = os._exit
atexit.register(lambda: os._exit(0))
"""
PLUGIN = PATCHES + """
raikit_api = 1


class Evil(raikit.Check):
    "Tries to change others."
    name = "evil.one"
    pillar = "evil"
    produces = ["evil.one"]

    def run(self, ctx):
        {body}
        return raikit.CheckResult(metrics=[raikit.Metric.exact("one", 1)])


class Listener:
    pass


@raikit.hookimpl
def raikit_checks():
    return [Evil]


@raikit.hookimpl
def raikit_run_finished(record, run):
    {listener}


@raikit.hookimpl
def raikit_report_formats():
    def write(record, folder):
        {format}
        (folder / "evil.txt").write_text("x")
        return [folder / "evil.txt"]
    return {"evil": write}
"""


def plugin(body="pass", listener="pass", format="pass"):
    return PLUGIN.replace("{body}", body).replace("{listener}", listener).replace("{format}", format)


@pytest.fixture
def failing(tmp_path):
    """An audit of a table whose accuracy is .857, with a rule that asks for .9."""
    return write_failing_audit(tmp_path, RULE)


def verdict_of(run):
    """Return the verdict, and the accuracy, of an intact run."""
    assert manifest.verify(run) == []
    return record(run)["verdict"], numbers(run)["performance.accuracy"]["value"]


def test_what_a_plugin_replaces_when_it_is_loaded_is_replaced_in_its_own_process_alone(raikit, failing, install, tmp_path):
    raikit("audit", failing, "--out", "run", *SELECT, code=1, **install(plugin(), name="raikit-evil", point="evil"))
    assert verdict_of(tmp_path / "run") == ("fail", pytest.approx(0.857))
    assert check_row(tmp_path / "run", "evil.one")["process"] == "plugin"
    again = raikit("gate", "run", code=1, **install(plugin(), name="raikit-evil", point="evil"))
    assert "  broken  " in again.out


def test_what_a_local_file_replaces_is_replaced_in_its_own_process_alone(raikit, failing, tmp_path):
    (tmp_path / "checks.py").write_text(plugin().split("class Listener")[0])
    local = ("--set", "plugins.local=[checks.py]", *SELECT)
    raikit("audit", failing, "--out", "run", *local, code=1, PYTHONPATH=os.pathsep.join(sys.path))
    assert verdict_of(tmp_path / "run") == ("fail", pytest.approx(0.857))


# Without NumPy's functions: the scoring of the model itself needs them.
MODEL = PATCHES.replace("numpy.mean = ", "unused = ").replace("numpy.sum = ", "") + """
import numpy


class Estimator:
    classes_ = numpy.array([0, 1])

    def predict(self, table):
        {scoring}
        return table["yhat"].to_numpy()


def build():
    return Estimator()
"""


@pytest.mark.parametrize("scoring", ["pass", "raikit.audit.judging.judge_audit = passed"])
def test_what_a_model_replaces_is_replaced_in_its_own_process_alone(raikit, failing, tmp_path, scoring):
    own = ("--set", "model={load: {kind: sklearn, path: 'evil_model:build'}}",
           "--set", "data.inputs={x: {modality: tabular, columns: [yhat]}}")  # fmt: skip
    (tmp_path / "evil_model.py").write_text(MODEL.replace("{scoring}", scoring))
    raikit("audit", failing, "--out", "run", "--select", "performance.classification", *own, code=1,
           PYTHONPATH=os.pathsep.join(sys.path))  # fmt: skip
    assert verdict_of(tmp_path / "run") == ("fail", pytest.approx(0.857))
    assert record(tmp_path / "run")["model"]["process"] == "own"


OVER = """[(path.chmod(0o644), path.write_bytes(path.read_bytes().replace(b'"fail"', b'"pass"') + b" ")) for path in {where}]"""
WRITES = {
    "the predictions, from a check": ("body", "(ctx.workdir.parents[2] / 'predictions.parquet',)", "predictions.parquet"),
    "the record, from a listener": ("listener", "(run / 'audit.json',)", "audit.json"),
    "the record, from a format": ("format", "(folder / 'audit.json',)", "audit.json"),
}


@pytest.mark.parametrize("what", WRITES)
def test_a_plugin_that_writes_over(raikit, failing, install, tmp_path, what):
    hook, where, named = WRITES[what]
    environment = install(plugin(**{hook: OVER.replace("{where}", where)}), name="raikit-evil", point="evil")
    ran = raikit("audit", failing, "--out", "run", *SELECT, "--formats", "json,evil", code=3, **environment)
    assert f"{named} was changed by another process while the audit ran" in ran.printed
    assert not (tmp_path / "run" / "manifest.json").exists()


@pytest.mark.parametrize(("when", "name"), [("it is loaded", "people.csv"), ("its check runs", "baseline.json")])
def test_a_plugin_that_writes_over_what_an_audit_reads_when(when, name, raikit, failing, install, tmp_path):
    raikit("audit", failing, "--out", "before", "--select", "performance.classification", code=1)
    raikit("baseline", "save", "before", "baseline.json", code=0)
    line = f"import pathlib; path = pathlib.Path({str(tmp_path / name)!r}); path.write_text(path.read_text() + chr(10))"
    source = plugin(body=line) if when == "its check runs" else f"{line}\n{plugin()}"
    compared = ("--baseline", "baseline.json", "--set", "gate.regressions=[{metric: performance.accuracy}]")
    ran = raikit("audit", failing, "--out", "run", *SELECT, *compared, code=3, **install(source, "raikit-evil", "evil"))
    assert f"{name} was changed by another process while raikit read it" in ran.printed
    assert not (tmp_path / "run" / "manifest.json").exists()


@pytest.mark.parametrize("name", ["predictions.parquet", "report.md"])
def test_a_format_that_writes_over_what_is_not_its_own_when_reports_are_written_again(
    name, raikit, failing, install, tmp_path
):
    over = f"(folder / {name!r}).write_bytes(b'x'); return [folder / {name!r}]"
    environment = install(plugin(format=over), name="raikit-evil", point="evil")
    raikit("audit", failing, "--out", "run", "--select", "performance.classification", "--formats", "json,md", code=1)
    ran = raikit("report", "run", "--formats", "evil", code=3, **environment)
    assert f"{name} was changed by another process while reports were written" in ran.printed
    assert f"{name} was changed" in raikit("verify", "run").printed


def test_a_format_may_write_its_own_file_again(raikit, failing, install, tmp_path):
    environment = install(plugin(), name="raikit-evil", point="evil")
    raikit("audit", failing, "--out", "run", *SELECT, "--formats", "json,evil", code=1, **environment)
    for _ in range(2):
        raikit("report", "run", "--formats", "evil", code=0, **environment)
        raikit("verify", "run", code=0)
    raikit("audit", failing, "--out", "other", "--select", "performance.classification", "--formats", "json", code=1)
    for _ in range(2):
        raikit("report", "other", "--formats", "evil,md", code=0, **environment)
        raikit("verify", "other", code=0)


def test_without_isolation_the_record_says_so(raikit, failing, tmp_path):
    raikit("audit", failing, "--out", "run", "--select", "performance.classification", "--isolation", "none", code=1)
    assert record(tmp_path / "run")["provenance"]["isolation"] == "none"
    assert any("--isolation none" in sentence for sentence in record(tmp_path / "run")["summary"]["sentences"])


@pytest.mark.parametrize("name", ["raikit", "Raikit", "local"])
def test_a_distribution_that_takes_a_name_of_raikits_is_refused_with_its_file(
    raikit, failing, write_distribution, tmp_path, name
):
    write_distribution(tmp_path / "site", name, {"evil": "evil_module"}, {"evil_module": plugin()})
    environment = {"PYTHONPATH": os.pathsep.join([str(tmp_path / "site"), *sys.path])}
    raikit("audit", failing, "--out", "run", "--select", "performance.classification", code=1, **environment)
    row = plugin_row(tmp_path / "run", "evil")
    assert row["status"] == "error" and str(tmp_path / "site" / "evil_module.py") in row["reason"]
    assert verdict_of(tmp_path / "run")[1] == pytest.approx(0.857)


def test_a_package_that_lies_before_one_of_raikits_is_refused(raikit, failing, tmp_path):
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "raikit_performance.py").write_text(plugin())
    environment = {"PYTHONPATH": os.pathsep.join([str(tmp_path / "site"), *sys.path])}
    raikit("audit", failing, "--out", "run", "--select", "fairness.groups", code=3, **environment)
    row = plugin_row(tmp_path / "run", "performance")
    assert row["status"] == "error" and str(tmp_path / "site" / "raikit_performance.py") in row["reason"]


TORCH = """
import torch


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.layers = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.Tanh(), torch.nn.Linear(8, 2))

    def forward(self, form):
        return self.layers(form)


def build():
    return Net()
"""


def test_checks_that_call_a_model_run_beside_it_and_measure_what_they_would_measure_here(raikit, audit_yaml, tmp_path):
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"a": rng.normal(size=400), "b": rng.normal(size=400), "sex": rng.choice(["F", "M"], 400)})
    (tmp_path / "net.py").write_text(TORCH)
    config = audit_yaml(
        table.assign(case=range(400), y=(table.a > 0).astype(int)),
        checks={"performance.classification": {}, "explainability.attributions": {}},
        data={"sensitive": ["sex"], "inputs": {"form": {"modality": "tabular", "columns": ["a", "b"]}}},
        model={"load": {"kind": "torch", "path": "net:build"}},
    )
    apart = {"PYTHONPATH": os.pathsep.join(sys.path)}
    raikit("audit", config, "--out", "apart", code=0, **apart)
    raikit("audit", config, "--out", "here", "--isolation", "none", code=0, **apart)
    assert [check["process"] for check in record(tmp_path / "apart")["checks"] if check["status"] == "ok"] == ["audit", "model"]
    assert numbers(tmp_path / "apart") == numbers(tmp_path / "here")
    assert any(name.startswith("explainability") for name in numbers(tmp_path / "here"))
