"""One audit with all plugins from outside; `.ci/outside` runs it where only a wheel of raikit is installed."""

import json
import os
import random
import subprocess
from pathlib import Path

import pytest
import yaml

import raikit

SOURCE = Path(os.environ["RAIKIT_SOURCE"])
PACKAGES = {
    "ten_lines": "raikit-ten-lines",
    "saliency": "raikit-saliency-flips",
    "badge": "raikit-badge",
    "fresh_check": "raikit-fresh-check",
    "fresh_report": "raikit-fresh-report",
    "fresh_model": "raikit-fresh-model",
}
CHECKS = {
    "ten_lines.promise": "raikit-ten-lines",
    "saliency.flips": "raikit-saliency-flips",
    "fresh_check.selective_risk": "raikit-fresh-check",
    "performance.classification": "raikit",
}
RULES = [
    {"metric": "ten_lines.calibration_in_the_large", "max": 0.4},
    {"metric": "fresh_check.selective_risk", "max": 0.5},
    {"metric": "saliency.flipped", "max": 1},
]


def command(*arguments):
    return subprocess.run(["raikit", *map(str, arguments)], capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A table of words and numbers that predict the target, and an audit.yaml."""
    site = tmp_path_factory.mktemp("site")
    rng = random.Random(0)
    rows = ["case,split,site,note,pulse,urgent"]
    for at in range(600):
        urgent = at % 2
        note = rng.choice(["short of breath", "chest pain"] if urgent else ["a cold", "a small cut"])
        split = ("train", "train", "test")[at % 3]
        rows.append(f"c{at},{split},{rng.choice(['north', 'south'])},{note},{rng.gauss(80 + 20 * urgent, 15):.0f},{urgent}")
    (site / "cases.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    config = {
        "name": "outside",
        "data": {
            "path": "cases.csv",
            "id": "case",
            "inputs": {"note": {"modality": "text"}, "vitals": {"modality": "tabular", "columns": ["pulse"]}},
            "target": "urgent",
            "sensitive": ["site"],
            "split": "split",
        },
        "model": {"train": {"kind": "fusion", "epochs": 3}},
        "checks": {"saliency.flips": {"rows": 64}} | {name: {} for name in CHECKS if name != "saliency.flips"},
        "gate": {"rules": RULES},
        "formats": ["json", "html", "badge", "fresh_report"],
    }
    (site / "audit.yaml").write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    return site


@pytest.fixture(scope="module")
def run(site):
    ran = command("audit", site / "audit.yaml", "--out", site / "run")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return site / "run"


@pytest.fixture(scope="module")
def record(run):
    return raikit.load_run(run).record


def test_the_wheel_is_tested():
    assert not Path(raikit.__file__).is_relative_to(SOURCE)


def test_every_package_is_listed():
    listed = command("plugins").stdout
    for plugin, distribution in PACKAGES.items():
        line = next(line for line in listed.splitlines() if line.startswith(f"{plugin} "))
        assert distribution in line.replace("_", "-")


def test_every_check_ran_under_the_name_of_its_distribution(record):
    ran = {check.name: check for check in record.checks if check.status != "deselected"}
    assert {name: check.status for name, check in ran.items()} == dict.fromkeys(CHECKS, "ok")
    assert {name: check.plugin.replace("_", "-") for name, check in ran.items()} == CHECKS
    assert {plugin.status for plugin in record.plugins} == {"ok"}


def test_the_rules_on_their_metrics_hold(record):
    statuses = {rule.metric: rule.status for rule in record.gate.rules}
    assert statuses == {
        "ten_lines.calibration_in_the_large": "pass",
        "fresh_check.selective_risk": "pass",
        "saliency.flipped(input=note)": "pass",
        "saliency.flipped(input=vitals)": "pass",
    }


def test_both_formats_were_written_and_are_in_the_manifest(run, record):
    assert json.loads((run / "badge.json").read_text("utf-8"))["message"] == "passed, 4 of 4 rules"
    assert (run / "badge.svg").read_text("utf-8").startswith("<svg")
    assert len((run / "fresh_report.csv").read_text("utf-8").splitlines()) == 1 + len(list(record.metrics()))
    assert command("verify", run).returncode == 0


def test_their_results_are_in_the_report(run):
    page = (run / "report.html").read_text("utf-8")
    for text in ("ten_lines.promise", "2 were tried.", "Risk at each coverage"):
        assert text in page


def test_a_rule_on_their_metric_can_fail_the_build(site, run):
    policy = site / "strict.yaml"
    policy.write_text("rules: [{metric: fresh_check.coverage, max: 0}]\n", encoding="utf-8")
    ran = command("gate", run, "--policy", policy)
    assert ran.returncode == 1, ran.stdout + ran.stderr
