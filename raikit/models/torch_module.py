"""Any `torch.nn.Module` as a raikit model."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd
import torch
from torch.nn import functional

from raikit.errors import ModelError
from raikit.models.base import Model
from raikit.models.folder import refuse_special_file
from raikit.models.outputs import PROBE, OutputKind, check_probabilities, taken_as_probabilities
from raikit.models.runtime import computing
from raikit.models.torch_outputs import logits_of, returns_probabilities

if TYPE_CHECKING:
    from raikit.data.batch import Audio, Batch
    from raikit.data.dataset import Dataset


def load_weights(module: torch.nn.Module, path: Path) -> None:
    """Load weights from safetensors, or from a .pt file of tensors; neither can run code.

    Raises
    ------
    ModelError
        If the file does not exist, is of another kind, or does not fit the module.
    """
    refuse_special_file(path, "model.load.weights")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            weights = load_file(path)
        else:
            weights = torch.load(path, map_location="cpu", weights_only=True)
        module.load_state_dict(weights)
    except FileNotFoundError:
        raise ModelError(f"model.load.weights: there is no file {path.name}.") from None
    except Exception as error:
        raise ModelError(f"model.load.weights: {path.name}: {str(error).splitlines()[0]}.") from None


class TorchModel(Model):
    """A wrapper that calls ``module(**inputs)`` with a tensor (or list) for each input.

    The inputs, by modality:

    - tabular: float32, shape (n, c), missing values are 0;
    - image: float32, shape (n, 3, h, w), in [0, 1]; resized to ``module.image_size`` (h, w) if the module has that
      attribute, else all pictures must be of one size; a missing picture is all zeros;
    - audio: float32, shape (n, t), padded with zeros; a missing sound is all zeros;
    - text: a list of n strings, which the module converts itself; a missing text is "".

    The module returns logits of shape (n, k), (n, 1) or (n,) for a binary target, or values for regression: a tensor, or the
    entry ``logits`` of a mapping or of an output of transformers. A module that ends in a sigmoid or softmax returns
    probabilities: where `outputs` does not say which, the first cases are looked at, and `notes` tells what was found. If no
    input is text, the model has the capability ``gradients``.
    """

    kind = "torch"

    def __init__(self, module: torch.nn.Module, data: Dataset, outputs: OutputKind | None = None) -> None:
        if not isinstance(module, torch.nn.Module):
            raise ModelError(
                f"model.load.path: the function returned a {type(module).__name__}, not a torch.nn.Module or raikit.Model."
            )
        self._module, self.task, self.classes = module.eval(), data.task, data.classes
        self.modalities = {name: item.modality for name, item in data.inputs.items()}
        differentiable = "text" not in self.modalities.values()
        self.capabilities = frozenset({"labels", "scores"} | ({"gradients"} if differentiable else set()))
        self._data, self._declared = data, outputs

    @property
    def module(self) -> torch.nn.Module:
        """The wrapped module."""
        return self._module

    def prepare(self, batch: Batch) -> dict[str, Any]:
        """Convert the raw inputs to tensors; texts stay lists of strings."""
        size = getattr(self._module, "image_size", None)
        converters: dict[str, Callable[[Any], Any]] = {"tabular": _table, "audio": _waveforms, "text": _texts}
        prepared = {
            name: _pictures(batch.inputs[name], size) if modality == "image" else converters[modality](batch.inputs[name])
            for name, modality in self.modalities.items()
        }
        return {name: value.to(self.device) if isinstance(value, torch.Tensor) else value for name, value in prepared.items()}

    def encode(self, batch: Batch) -> dict[str, torch.Tensor]:
        """Return the prepared tensors, which attributions refer to."""
        if "gradients" not in self.capabilities:
            raise self._lacks("gradients")
        return self.prepare(batch)

    @cached_property
    def _gives_probabilities(self) -> bool:
        """Whether the module's outputs are probabilities. All cases are read alike, so a few of the data decide."""
        if self._declared is not None or self.task == "regression":
            return self._declared == "probabilities"
        self._module.eval()
        for split in ("train", "validation", "test"):
            for batch in self._data.batches(split, PROBE):
                return returns_probabilities(self._module, self.prepare(batch))
        return False

    def notes(self) -> list[str]:
        """Tell what the outputs were taken for, if nobody said it and they are not what torch modules usually return."""
        if self._declared is not None or not self._gives_probabilities:
            return []
        return [taken_as_probabilities("module")]

    def forward(self, encoded: Mapping[str, Any]) -> torch.Tensor:
        """Compute logits of shape (n, k) from prepared inputs; of probabilities their logarithms, whose softmax they are."""
        outputs = self._outputs(encoded)
        if not self._gives_probabilities:
            return outputs
        return outputs.clamp(min=torch.finfo(outputs.dtype).tiny).log()

    def _outputs(self, encoded: Mapping[str, Any]) -> torch.Tensor:
        """Call the module, and give a binary target that has one column two, without another number in them."""
        with computing(self):
            outputs = logits_of(self._module(**encoded))
        if self.task == "binary" and outputs.shape[1] == 1:
            negative = 1 - outputs if self._gives_probabilities else torch.zeros_like(outputs)
            outputs = torch.cat([negative, outputs], dim=1)
        return outputs

    def loss(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Compute the loss of each case: cross-entropy, or squared error."""
        if self.task == "regression":
            return (logits[:, 0] - target.to(logits)) ** 2
        return functional.cross_entropy(logits, target.to(logits.device), reduction="none")

    def scores(self, batch: Batch) -> np.ndarray:
        """Compute the probabilities of the classes, shape (n, k), or the predicted values, shape (n, 1)."""
        as_they_are = self._gives_probabilities or self.task == "regression"
        self._module.eval()
        with torch.inference_mode():
            outputs = self._outputs(self.prepare(batch)).double()
            scores: np.ndarray = (outputs if as_they_are else outputs.softmax(dim=1)).cpu().numpy()
        if not self._gives_probabilities:
            return scores
        return check_probabilities(scores, batch.ids, "module", self._declared is not None)

    def copy(self) -> Self:
        """Return an independent copy with the same weights."""
        copied = copy.copy(self)
        copied._module = copy.deepcopy(self._module)
        return copied

    def describe(self) -> dict[str, Any]:
        """Return facts for the record."""
        count = sum(parameter.numel() for parameter in self._module.parameters())
        return {**super().describe(), "module": type(self._module).__name__, "parameters": count}


def _table(frame: pd.DataFrame) -> torch.Tensor:
    values = frame.to_numpy(dtype=np.float32, na_value=np.nan, copy=True)
    values[np.isnan(values)] = 0.0
    return torch.from_numpy(values)


def _texts(values: Sequence[str | None]) -> list[str]:
    return ["" if value is None else value for value in values]


def _waveforms(values: Sequence[Audio | None]) -> torch.Tensor:
    longest = max((len(value.samples) for value in values if value is not None), default=1)
    padded = torch.zeros(len(values), longest)
    for row, value in enumerate(values):
        if value is not None:
            padded[row, : len(value.samples)] = torch.as_tensor(value.samples)
    return padded


def _pictures(values: Sequence[np.ndarray | None], size: tuple[int, int] | None) -> torch.Tensor:
    sizes = {value.shape[:2] for value in values if value is not None}
    if size is None and len(sizes) > 1:
        raise ModelError("the pictures differ in size; set the attribute `image_size = (height, width)` of the module.")
    height, width = size or next(iter(sizes), (1, 1))
    resized = torch.zeros(len(values), 3, height, width)
    for row, value in enumerate(values):
        if value is not None:
            picture = torch.as_tensor(value.copy()).permute(2, 0, 1).float()[None] / 255
            if picture.shape[2:] != (height, width):
                picture = functional.interpolate(picture, (height, width), mode="bilinear", antialias=True)
            resized[row] = picture[0]
    return resized
