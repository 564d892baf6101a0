"""A dry run estimates what scoring takes: seconds, and memory for whole batches."""

import re
import subprocess
import sys
from types import SimpleNamespace

import joblib
import numpy as np
import onnx
import pandas as pd
import pytest
import yaml
from onnx import TensorProto, helper
from sklearn.linear_model import LogisticRegression

# A case needs .8 MB while it is scored.
NET = """
import torch
class Net(torch.nn.Module):
    def forward(self, facts):
        return (facts[:, :1] + torch.ones(len(facts), 200_000)).mean(dim=1, keepdim=True)
def build():
    return Net()
"""


SLOW = """
import time
import torch
class Net(torch.nn.Module):
    def forward(self, facts):
        time.sleep(0.05 * len(facts))
        with open("scored.txt", "a") as file:
            file.write(f"{len(facts)}\\n")
        return facts[:, :1]
def build():
    return Net()
"""


@pytest.fixture
def dry_run(tmp_path):
    pd.DataFrame({"x": np.linspace(1, 3, 400), "y": np.arange(400) % 2}).to_csv(tmp_path / "t.csv", index=False)

    def dry_run(*options, batch_size=256, net=NET, load=None):
        (tmp_path / "net.py").write_text(net)
        config = {
            "name": "t", "data": {"path": "t.csv", "target": "y", "inputs": {"facts": {"modality": "tabular", "columns": ["x"]}}},
            "model": {"load": load or {"kind": "torch", "path": "net:build"}, "batch_size": batch_size}, "checks": {"performance": {}},
        }  # fmt: skip
        (tmp_path / "audit.yaml").write_text(yaml.safe_dump(config))
        command = [sys.executable, "-m", "raikit", "audit", "audit.yaml", "--dry-run", *options]
        ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        found = re.search(r"(?:about|less than) ([\d.]+) s(?: and ([\d,]+) MB of memory)? to score 400 cases", ran.stdout)
        assert found, ran.stdout + ran.stderr
        return SimpleNamespace(seconds=float(found[1]), memory=int((found[2] or "0").replace(",", "")))

    return dry_run


IN_ONE_PROCESS, IN_ITS_OWN = ("--isolation", "none"), ()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not say how much memory a process has held")
@pytest.mark.parametrize("options", [IN_ONE_PROCESS, IN_ITS_OWN])
def test_the_memory_of_a_dry_run_is_that_of_whole_batches(dry_run, options):
    more = dry_run(*options, batch_size=256).memory - dry_run(*options, batch_size=16).memory
    assert 80 < more < 600  # 192 MB of inputs and as much for their sum; the allocator may have some of it already


@pytest.mark.parametrize("options", [IN_ONE_PROCESS, IN_ITS_OWN])
def test_a_slow_model_is_timed_on_few_cases(dry_run, tmp_path, options):
    assert 19 < dry_run(*options, net=SLOW).seconds < 30  # 400 cases of .05 s
    assert sum(map(int, (tmp_path / "scored.txt").read_text().split())) < 128  # 91: those that tell logits from probabilities, the probe, and 1 + 2 + 4 + 8


def test_a_joblib_file_and_an_onnx_graph_are_timed_in_their_own_process(dry_run, tmp_path):
    joblib.dump(LogisticRegression().fit([[1.0], [3.0]], [0, 1]), tmp_path / "m.joblib")
    of_joblib = dry_run(load={"kind": "sklearn", "path": "m.joblib", "allow_pickle": True})
    nodes = [helper.make_node("Sigmoid", ["facts"], ["p"])]
    shape = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 1]) for name in ("facts", "p")]
    graph = helper.make_graph(nodes, "g", shape[:1], shape[1:])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), tmp_path / "m.onnx")
    of_onnx = dry_run(load={"kind": "onnx", "path": "m.onnx", "outputs": "probabilities"})
    for one in (of_joblib, of_onnx):
        assert 0 < one.seconds < 2
        assert sys.platform == "win32" or 50 < one.memory < 3000
