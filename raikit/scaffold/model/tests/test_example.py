"""The example on the command line; needs the package installed (pip install -e .)."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import raikit

EXAMPLE = Path(__file__).parent.parent / "example"


def test_the_model_is_loaded_and_audited(tmp_path):
    run, config = tmp_path / "run", EXAMPLE / "audit.yaml"
    command = [sys.executable, "-m", "raikit", "audit", str(config), "--out", str(run)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    record = raikit.load_run(run).record
    assert record.model["kind"] == "plugin_name"
    scored = pd.read_parquet(run / "predictions.parquet").set_index("id")["score"]
    known = pd.read_csv(EXAMPLE / "cases.csv").set_index("case")["p_urgent"]
    assert scored[known.index].to_numpy() == pytest.approx(known.to_numpy(), abs=1e-4)
