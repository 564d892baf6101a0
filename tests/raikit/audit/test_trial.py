"""A dry run estimates what scoring takes: seconds, and memory for whole batches."""

import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import yaml

# A case needs .8 MB while it is scored.
NET = """
import torch
class Net(torch.nn.Module):
    def forward(self, facts):
        return (facts[:, :1] + torch.ones(len(facts), 200_000)).mean(dim=1, keepdim=True)
def build():
    return Net()
"""


@pytest.fixture
def dry_run(tmp_path):
    (tmp_path / "net.py").write_text(NET)
    pd.DataFrame({"x": np.linspace(1, 3, 400), "y": np.arange(400) % 2}).to_csv(tmp_path / "t.csv", index=False)

    def dry_run(batch_size):
        config = {
            "name": "t", "data": {"path": "t.csv", "target": "y", "inputs": {"facts": {"modality": "tabular", "columns": ["x"]}}},
            "model": {"load": {"kind": "torch", "path": "net:build"}, "batch_size": batch_size}, "checks": {"performance": {}},
        }  # fmt: skip
        (tmp_path / "audit.yaml").write_text(yaml.safe_dump(config))
        command = [sys.executable, "-m", "raikit", "audit", "audit.yaml", "--dry-run", "--isolation", "none"]
        ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        found = re.search(r"about [\d.]+ m?s and ([\d,]+) MB of memory to score 400 cases", ran.stdout)
        assert found, ran.stdout + ran.stderr
        return int(found[1].replace(",", ""))

    return dry_run


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not say how much memory a process has held")
def test_the_memory_of_a_dry_run_is_that_of_whole_batches(dry_run):
    assert 120 < dry_run(256) - dry_run(16) < 600  # 192 MB of inputs and as much for their sum
