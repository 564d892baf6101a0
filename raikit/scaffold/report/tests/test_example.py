"""The example on the command line; needs the package installed (pip install -e .)."""

import subprocess
import sys
from pathlib import Path

import raikit

EXAMPLE = Path(__file__).parent.parent / "example" / "audit.yaml"


def test_an_audit_writes_the_file(tmp_path):
    run = tmp_path / "run"
    command = [sys.executable, "-m", "raikit", "audit", str(EXAMPLE), "--out", str(run)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    metrics = list(raikit.load_run(run).record.metrics())
    written = run / "plugin_name.csv"
    lines = written.read_text("utf-8").splitlines()
    assert len(lines) == 1 + len(metrics)
