"""An .onnx file, looked through before it is run: its size, the files that it leads to, and what makes its outputs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raikit.errors import ModelError
from raikit.files import sha256
from raikit.limits import Limits, remedy
from raikit.models.extras import import_extra
from raikit.models.folder import refuse_special_file

_MOST_BYTES = 2 << 30  # a limit of the format; larger tensors lie in files of their own
_LAYOUT = {"Identity", "Cast", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "Transpose", "Gather", "Slice", "ZipMap"}
_AFFINE = {"Gemm", "MatMul", "Add", "Sub", "Mul", "Conv", "FusedGemm", "LinearRegressor", "ReduceMean", "ReduceSum"}
_CLASSIFIERS = {"LinearClassifier", "SVMClassifier", "TreeEnsembleClassifier", "Normalizer"}


@dataclass(frozen=True)
class GraphFile:
    """What the file says of a graph.

    Attributes
    ----------
    external : mapping of str to str
        SHA-256 of the files of tensors, by name.
    makers : mapping of str to str
        For each output the operation that computes its numbers.
    """

    external: dict[str, str]
    makers: dict[str, str]

    def is_linear(self, output: str) -> bool:
        """Return whether an output is a sum that may lie anywhere, wherever it lies for a few cases."""
        return self.makers.get(output, "") in _AFFINE

    def is_classifier(self, output: str) -> bool:
        """Return whether an output is that of a classifier which states what it decides for."""
        return self.makers.get(output, "") in _CLASSIFIERS


def read_graph(path: Path) -> GraphFile:
    """Read the structure of a graph, without the tensors that lie in other files.

    Raises
    ------
    ModelError
        If the file is no graph or too large, or leads to a file outside its folder, a link, or one that is too short.
    """
    refuse_special_file(path, "model.load.path")
    onnx = import_extra("onnx", "an .onnx file")
    if not path.exists():
        raise ModelError(f"model.load.path: there is no file {path.name}.")
    if (size := path.stat().st_size) > _MOST_BYTES:
        raise ModelError(f"model.load.path: {path.name} has {size:,} bytes; the limit is {_MOST_BYTES:,}.")
    try:
        model = onnx.load(path, load_external_data=False)
    except MemoryError:
        raise
    except Exception:
        raise ModelError(f"model.load.path: {path.name} is no graph of ONNX that can be read.") from None
    external = sorted({_validate_external(tensor, path) for tensor in _tensors(model, onnx)})
    return GraphFile({name: sha256(path.parent / name) for name in external}, _makers(model.graph))


def _tensors(message: Any, onnx: Any) -> Iterator[Any]:
    """Yield the tensors with data elsewhere, of the graph and of all graphs and functions within it."""
    if isinstance(message, onnx.TensorProto):
        if message.data_location == onnx.TensorProto.EXTERNAL or message.external_data:
            yield message
        return
    for field, value in message.ListFields():
        if field.message_type is not None:
            for item in [value] if hasattr(value, "ListFields") else value:
                yield from _tensors(item, onnx)


def _validate_external(tensor: Any, path: Path) -> str:
    """Return the name of the file that holds a tensor, below the folder of the graph."""
    entries = {entry.key: entry.value for entry in tensor.external_data}
    name = str(entries.get("location", ""))
    if not name or Path(name).is_absolute() or ".." in Path(name).parts or "\\" in name or ":" in name or "\x00" in name:
        raise ModelError(f"model.load.path: {path.name} has tensors in a file outside its folder; save the graph with its tensors.")
    file = path.parent / name
    inside = file.resolve().is_relative_to(path.parent.resolve())
    if file.is_symlink() or not inside or not file.is_file():
        what = "a link" if file.is_symlink() or not inside else "no regular file" if file.exists() else "missing"
        raise ModelError(f"model.load.path: {path.name} has tensors in {Path(name).name}, which is {what}.")
    offset, length = (_whole(entries.get(key, "0")) for key in ("offset", "length"))
    size = file.stat().st_size
    if size > (most := Limits.of_environment().weights_megabytes * 1_000_000):
        raise ModelError(f"{file}: it has {size:,} bytes, more than the {most:,} that are read; {remedy('weights_megabytes')}.")
    if offset is None or length is None or offset + length > size:
        raise ModelError(f"model.load.path: {Path(name).name} is not as long as {path.name} says.")
    return name


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None


def _makers(graph: Any) -> dict[str, str]:
    """Return the operation that computes each output, past those that only change how numbers are laid out."""
    nodes = {name: node for node in graph.node for name in node.output}
    makers = {}
    for output in graph.output:
        name, seen = output.name, 0
        while (node := nodes.get(name)) is not None and node.op_type in _LAYOUT and node.input and seen < len(nodes):
            name, seen = node.input[0], seen + 1
        makers[output.name] = node.op_type if node is not None else ""
    return makers
