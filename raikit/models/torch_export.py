"""Archives that `torch.export` writes: a graph with its weights, called by the names of its inputs.

Reading one may run code: `torch.export.load` unpickles tensors, constants and objects without restriction, and evaluates shapes as
expressions (torch 2.13: ``torch/export/pt2_archive/_package.py``, ``torch/_export/serde/serialize.py``). So it is read by
permission only, in the model's own process.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor

from raikit.errors import ModelError, listed, raised
from raikit.models.folder import refuse_special_file


class ExportedModule(torch.nn.Module):
    """A program of `torch.export` that is called by input name, with any number of cases.

    Parameters
    ----------
    program : torch.export.ExportedProgram
    """

    def __init__(self, program: Any) -> None:
        super().__init__()
        positional, named = program.example_inputs or ((), {})
        if not all(isinstance(value, Tensor) for value in [*positional, *named.values()]):
            raise ModelError("model.load.path: the exported module takes something else than one tensor for each input.")
        order = list(program.graph_signature.user_inputs)
        self.inputs: Sequence[str] = [*order[: len(positional)], *named]
        self._positional = len(positional)
        self._call = (program.module(),)  # a tuple, because an exported module refuses `eval` and is no part of another
        self.weights = torch.nn.ParameterList(program.parameters())
        self._device = next((weight.device for weight in self.weights), torch.device("cpu"))
        self._rows = _fixed_rows(program)

    def _apply(self, *arguments: Any, **named: Any) -> Self:
        """Stay where the module was exported: its graph names the device."""
        return self

    def forward(self, **inputs: Any) -> Any:
        """Return what the module returns; of a fixed number of cases, in parts of that number."""
        if missing := [name for name in self.inputs if name not in inputs]:
            raise ModelError(
                f"model.load: the exported module takes the input {missing[0]!r}, which the data lack ({listed(inputs)}); give "
                "the inputs of the data its names."
            )
        if extra := [name for name in inputs if name not in self.inputs]:
            raise ModelError(f"model.load: the exported module takes no input {extra[0]!r}; it takes {listed(self.inputs)}.")
        if texts := [name for name, value in inputs.items() if not isinstance(value, Tensor)]:
            raise ModelError(f"model.load: the exported module takes tensors, and the input {texts[0]!r} is text.")
        values = [inputs[name].to(self._device) for name in self.inputs]
        return self._run(values) if self._rows is None else self._in_parts(values, self._rows)

    def _run(self, values: Sequence[Tensor]) -> Any:
        named = dict(zip(self.inputs[self._positional :], values[self._positional :], strict=True))
        return self._call[0](*values[: self._positional], **named)

    def _in_parts(self, values: Sequence[Tensor], rows: int) -> Tensor:
        from raikit.models.torch_outputs import logits_of

        count, parts = len(values[0]), []
        for start in range(0, count, rows):
            index = torch.arange(start, start + rows).clamp(max=count - 1)  # the last case fills up the last part
            parts.append(logits_of(self._run([value[index] for value in values])))
        return torch.cat(parts)[:count]


def _fixed_rows(program: Any) -> int | None:
    """Return the number of cases that a program was exported for, None for any number."""
    users = set(program.graph_signature.user_inputs)
    shapes = [node.meta["val"].shape for node in program.graph.nodes if node.op == "placeholder" and node.name in users]
    fixed = [shape[0] for shape in shapes if len(shape) and isinstance(shape[0], int)]
    return min(fixed, default=None)


def read_exported(path: Path, allowed: bool, weights: str | None) -> ExportedModule:
    """Read an archive, which may run code that it holds.

    Raises
    ------
    ModelError
        If that is not allowed, or the file cannot be read or called by input name.
    """
    if not allowed:
        raise ModelError(
            f"model.load.path: reading {path.name}, an archive of torch.export, may run code that it holds; if you trust its "
            "source say `allow_pickle: true`, or save it as ONNX."
        )
    if weights is not None:
        raise ModelError("model.load.weights: an archive of torch.export has its own weights; leave `weights` out.")
    refuse_special_file(path, "model.load.path")
    if not path.exists():
        raise ModelError(f"model.load.path: there is no file {path.name}.")
    try:
        program = torch.export.load(path)
    except Exception as error:
        raise ModelError(f"model.load.path: {path.name} cannot be read as an archive of torch.export ({raised(error)}).") from None
    return ExportedModule(program)

