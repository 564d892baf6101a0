"""Small graphs of ONNX, written with the onnx package."""

from types import SimpleNamespace

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from raikit.config.schema import DataConfig
from raikit.data.batch import Audio, Batch
from raikit.data.dataset import Dataset

FLOAT, STRING, INT64, UINT8, DOUBLE = (
    getattr(TensorProto, name) for name in ("FLOAT", "STRING", "INT64", "UINT8", "DOUBLE")
)


def value(name, kind, shape):
    """Return the declaration of an input or an output."""
    return helper.make_tensor_value_info(name, kind, shape)


def save(path, nodes, inputs, outputs, tensors=()):
    """Write a graph; `tensors` maps names to arrays."""
    held = [numpy_helper.from_array(np.asarray(array), name) for name, array in dict(tensors).items()]
    graph = helper.make_graph(nodes, "g", inputs, outputs, held)
    versions = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    model = helper.make_model(graph, opset_imports=versions, ir_version=8)
    onnx.save(model, path)
    return model


WEIGHTS = np.array([[1.5, -0.5, 0.25], [-1.0, 2.0, 0.5]], dtype=np.float32)


def linear(path, columns=3, after=None, rows=None, name="facts"):
    """Write ``x @ W``, with an activation behind it if `after` names one."""
    nodes = [helper.make_node("MatMul", [name, "w"], ["y" if after is None else "z"])]
    if after is not None:
        nodes.append(helper.make_node(after, ["z"], ["y"], **({"axis": 1} if after == "Softmax" else {})))
    save(path, nodes, [value(name, FLOAT, [rows, 2])], [value("y", FLOAT, [rows, columns])], {"w": WEIGHTS[:, :columns]})
    return path


class Opened:
    """Data of a few cases in memory with one input of any modality."""

    parts = None

    def __init__(self, inputs, values, classes=(0, 1), task="binary"):
        self.inputs = {
            name: SimpleNamespace(modality=modality, columns=list(getattr(values[name], "columns", [name])))
            for name, modality in inputs.items()
        }
        self.values, self.classes, self.task = values, list(classes), task

    def add_classes(self, labels):
        """Classes are given."""

    def batch(self):
        rows = len(next(iter(self.values.values())))
        return Batch([f"c{row}" for row in range(rows)], self.values)

    def batches(self, split, size, indices=None):
        yield self.batch()


def table(frame, task="binary", columns=("x0", "x1")):
    """Return a dataset of a frame with one tabular input."""
    inputs = {"facts": {"modality": "tabular", "columns": list(columns)}}
    config = {"path": "t", "target": "y", "task": task, "inputs": inputs, "positive": frame["y"].max() if task == "binary" else None}
    return Dataset.of(frame, DataConfig.model_validate(config))


def sound(samples, rate=8000):
    """Return a sound."""
    return Audio(np.asarray(samples, dtype=np.float32), rate)
