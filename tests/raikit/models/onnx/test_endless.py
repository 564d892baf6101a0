"""A graph of ONNX may be a program that never ends; it is stopped after its time."""

import subprocess
import sys

import numpy as np
import pytest
from graphs import FLOAT, save, value
from onnx import TensorProto, helper, numpy_helper

CONFIG = """name: m
data: {path: cases.csv, target: y, inputs: {facts: {modality: tabular, columns: [x0, x1]}}}
model: {load: {kind: onnx, path: m.onnx}, timeout: 4}
checks: {performance.classification: true}
"""


def _loop():
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["goes"]), helper.make_node("Identity", ["v"], ["w"])], "body",
        [value("i", TensorProto.INT64, []), value("go", TensorProto.BOOL, []), value("v", FLOAT, None)],
        [value("goes", TensorProto.BOOL, []), value("w", FLOAT, None)],
    )  # fmt: skip
    return [helper.make_node("Loop", ["most", "true", "facts"], ["z"], body=body), helper.make_node("Softmax", ["z"], ["y"])], []


def _doubling_functions():
    """Return functions that call the next one twice: 2^24 nodes when they are put into the graph."""
    versions = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]

    def calls(depth):
        if depth == 24:
            return [helper.make_node("Identity", ["a"], ["b"])]
        return [helper.make_node(f"F{depth + 1}", [a], [b], domain="own") for a, b in (("a", "m"), ("m", "b"))]

    functions = [helper.make_function("own", f"F{depth}", ["a"], ["b"], calls(depth), versions) for depth in range(25)]
    return [helper.make_node("F0", ["facts"], ["z"], domain="own"), helper.make_node("Softmax", ["z"], ["y"])], functions


@pytest.mark.parametrize("make", [_loop, _doubling_functions])
def test_a_graph_that_does_not_end_is_stopped(tmp_path, make):
    nodes, functions = make()
    path = tmp_path / "m.onnx"
    save(path, nodes, [value("facts", FLOAT, ["N", 2])], [value("y", FLOAT, ["N", 2])], {"most": np.array(1 << 62), "true": np.array(True)})
    if functions:
        graph = helper.make_graph(nodes, "g", [value("facts", FLOAT, ["N", 2])], [value("y", FLOAT, ["N", 2])],
                                  [numpy_helper.from_array(np.array(True), "unused")])  # fmt: skip
        versions = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
        path.write_bytes(helper.make_model(graph, opset_imports=versions, functions=functions, ir_version=8).SerializeToString())
    (tmp_path / "cases.csv").write_text("x0,x1,y\n" + "0.1,0.9,0\n0.8,0.2,1\n" * 20)
    (tmp_path / "audit.yaml").write_text(CONFIG)
    command = [sys.executable, "-m", "raikit", "audit", "audit.yaml", "--no-baseline", "--out", "run"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 2
    assert "the model did not finish within 4 seconds" in done.stderr
