"""The example on the command line; needs the package installed (pip install -e .)."""

import subprocess
import sys
from pathlib import Path

import raikit

EXAMPLE = Path(__file__).parent.parent / "example" / "audit.yaml"
RISK = "plugin_name.selective_risk"


def test_the_check_appears_in_a_report_and_can_be_gated_on(tmp_path):
    run = tmp_path / "run"
    command = [sys.executable, "-m", "raikit", "audit", str(EXAMPLE), "--out", str(run)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    record = raikit.load_run(run).record
    rule = record.gate.rules[0]
    assert (rule.metric, rule.status) == (RISK, "pass")
    assert RISK in (run / "report.html").read_text("utf-8")
