"""A few bytes of a graph can ask for a tensor of any size; its memory has a limit."""

import resource
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from graphs import FLOAT, INT64, save, table, value
from onnx import TensorProto, helper

from raikit.errors import ModelError
from raikit.models.onnx.model import GraphMemory, load_onnx

only_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux counts the memory of a part of a process")
MOST = 300  # megabytes
CONFIG = f"""name: m
data: {{path: cases.csv, target: y, inputs: {{facts: {{modality: tabular, columns: [x0, x1]}}}}}}
model: {{load: {{kind: onnx, path: m.onnx, max_megabytes: {MOST}}}, timeout: 60}}
checks: {{performance.classification: true}}
"""
NUMBERS = {
    "zero": np.array(0, dtype=np.int64), "size": np.array([500_000_000], dtype=np.int64), "true": np.array(True),
    "rows": np.array(1_000, dtype=np.int64), "million": np.array([1_000_000], dtype=np.int64), "word": np.array(["w" * 100]),
}  # fmt: skip


def _sized(size):
    """Return nodes that compute a size from the cases, so that nothing can be computed when the graph is opened."""
    return [
        helper.make_node("ReduceMax", ["facts"], ["highest"], keepdims=0),
        helper.make_node("Cast", ["highest"], ["whole"], to=INT64),
        helper.make_node("Mul", ["whole", "zero"], ["nothing"]),
        helper.make_node("Add", ["nothing", size], ["shape"]),
    ]


def _mean_of(name):
    return [
        helper.make_node("ReduceMean", [name], ["mean"], keepdims=0),
        helper.make_node("Add", ["facts", "mean"], ["z"]),
        helper.make_node("Softmax", ["z"], ["y"], axis=1),
    ]


def _folded():
    return [helper.make_node("ConstantOfShape", ["size"], ["c"]), *_mean_of("c")]


def _constant():
    return [*_sized("size"), helper.make_node("ConstantOfShape", ["shape"], ["c"]), *_mean_of("c")]


def _expanded():
    return [
        *_sized("size"), helper.make_node("ReduceMean", ["facts"], ["one"], keepdims=0),
        helper.make_node("Expand", ["one", "shape"], ["c"]), *_mean_of("c"),
    ]  # fmt: skip


def _words():
    """Repeat a text, which is not allocated where numbers are."""
    return [
        *_sized("million"), helper.make_node("Expand", ["word", "shape"], ["words"]),
        helper.make_node("Concat", ["words"] * 30, ["more"], axis=0), helper.make_node("Shape", ["more"], ["long"]),
        helper.make_node("Cast", ["long"], ["c"], to=FLOAT), *_mean_of("c"),
    ]  # fmt: skip


def _grown():
    """Keep a megabyte of each of a thousand steps of a loop."""
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["goes"]),
            helper.make_node("ConstantOfShape", ["shape"], ["kept"]),
        ],
        "body", [value("i", INT64, []), value("go", TensorProto.BOOL, [])],
        [value("goes", TensorProto.BOOL, []), value("kept", FLOAT, None)],
    )  # fmt: skip
    return [*_sized("million"), helper.make_node("Loop", ["rows", "true"], ["c"], body=body), *_mean_of("c")]


def _returned():
    """Return a thousand million scores for each case."""
    return [*_sized("size"), helper.make_node("Concat", ["shape"], ["wide"], axis=0),
            helper.make_node("ReduceMean", ["facts"], ["one"], axes=[1], keepdims=1),
            helper.make_node("Expand", ["one", "wide"], ["y"])]  # fmt: skip


def _save(folder, nodes):
    save(folder / "m.onnx", nodes, [value("facts", FLOAT, ["N", 2])], [value("y", FLOAT, ["N", "k"])], NUMBERS)


def _open(folder, most):
    data = table(pd.DataFrame({"x0": [0.1, 0.8], "x1": [0.9, 0.2], "y": [0, 1]}))
    return load_onnx({"kind": "onnx", "path": str(folder / "m.onnx"), "max_megabytes": most}, data)


@only_linux
@pytest.mark.parametrize("make", [_folded, _constant, _expanded, _words, _grown, _returned])
def test_a_graph_that_takes_gigabytes_is_refused(tmp_path, make):
    _save(tmp_path, make())
    before = resource.getrlimit(resource.RLIMIT_DATA)
    with pytest.raises(ModelError, match=f"{MOST} megabytes of memory do not suffice .*; `max_megabytes` allows more"):
        _open(tmp_path, MOST)
    assert resource.getrlimit(resource.RLIMIT_DATA) == before, "the limit is the graph's, not the process's"


@only_linux
def test_what_a_graph_keeps_counts_for_the_next_cases():
    """Otherwise each batch could take as much again."""
    limit = GraphMemory(MOST)
    with limit.limited("the first"):
        kept = np.ones(25_000_000)  # 200 megabytes
    with pytest.raises(ModelError, match="for the second"), limit.limited("the second"):
        np.ones(25_000_000)
    assert len(kept) == 25_000_000


def test_a_graph_within_its_memory_is_scored(tmp_path):
    _save(tmp_path, [*_sized("million"), helper.make_node("ConstantOfShape", ["shape"], ["c"]), *_mean_of("c")])
    assert _open(tmp_path, MOST).classes == [0, 1]


@only_linux
def test_an_audit_of_such_a_graph_ends_in_one_sentence(tmp_path):
    _save(tmp_path, _constant())
    (tmp_path / "cases.csv").write_text("x0,x1,y\n" + "0.1,0.9,0\n0.8,0.2,1\n" * 20)
    (tmp_path / "audit.yaml").write_text(CONFIG)
    command = [sys.executable, "-m", "raikit", "audit", "audit.yaml", "--no-baseline", "--out", "run"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 2, done.stderr
    assert f"{MOST} megabytes of memory do not suffice for the graph and" in done.stderr
    assert "Traceback" not in done.stderr
