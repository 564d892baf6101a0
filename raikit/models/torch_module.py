"""Any `torch.nn.Module` as a raikit model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from raikit.errors import ModelError
from raikit.models.base import Model

if TYPE_CHECKING:
    import numpy as np
    import torch

    from raikit.data.batch import Batch
    from raikit.data.dataset import Dataset


def put_weights(module: torch.nn.Module, path: Path) -> None:
    """Read weights from safetensors, or from a .pt file that holds tensors and nothing that runs."""
    import torch

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
    """Calls ``module(**inputs)`` with a tensor (or list) of each input, by name, and reads logits from it.

    Inputs: tabular: float32 (n, c), missing values as 0; image: float32 (n, 3, h, w) in [0, 1], resized to
    ``module.image_size`` (h, w) if the module has that, else all pictures must be of one size; audio: float32 (n, t),
    padded with zeros; text: a list of n strings, which the module turns into numbers itself. A missing picture or sound
    is all zeros, a missing text is "".

    The module returns logits of shape (n, k), (n, 1) or (n,) for a binary target, or values for regression. Its inputs
    can be attributed on (capability ``gradients``) when none of them is text.
    """

    kind = "torch"

    def __init__(self, module: torch.nn.Module, data: Dataset) -> None:
        import torch

        if not isinstance(module, torch.nn.Module):
            raise ModelError(
                f"model.load.path: it gave a {type(module).__name__}, not a torch.nn.Module or raikit.Model."
            )
        self._module, self.task, self.classes = module.eval(), data.task, data.classes
        self.modalities = {name: item.modality for name, item in data.inputs.items()}
        differentiable = "text" not in self.modalities.values()
        self.capabilities = frozenset({"labels", "scores"} | ({"gradients"} if differentiable else set()))

    @property
    def module(self) -> torch.nn.Module:
        return self._module

    def prepare(self, batch: Batch) -> dict[str, Any]:
        size = getattr(self._module, "image_size", None)
        makers = {"tabular": _table, "audio": _waveforms, "text": _texts}
        return {
            name: _pictures(batch.inputs[name], size) if modality == "image" else makers[modality](batch.inputs[name])
            for name, modality in self.modalities.items()
        }

    def encode(self, batch: Batch) -> dict[str, torch.Tensor]:
        if "gradients" not in self.capabilities:
            raise self._lacks("gradients")
        return self.prepare(batch)

    def forward(self, encoded: Mapping[str, Any]) -> torch.Tensor:
        import torch

        logits: torch.Tensor = self._module(**encoded)
        if logits.ndim == 1:
            logits = logits[:, None]
        if self.task == "binary" and logits.shape[1] == 1:
            logits = torch.cat([torch.zeros_like(logits), logits], dim=1)
        return logits

    def loss(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        from torch.nn import functional

        if self.task == "regression":
            return (logits[:, 0] - target.to(logits.dtype)) ** 2
        return functional.cross_entropy(logits, target, reduction="none")

    def scores(self, batch: Batch) -> np.ndarray:
        import torch

        self._module.eval()
        with torch.inference_mode():
            logits = self.forward(self.prepare(batch)).double()
            scores: np.ndarray = (logits if self.task == "regression" else logits.softmax(dim=1)).numpy()
        return scores

    def copy(self) -> Self:
        import copy

        made = copy.copy(self)
        made._module = copy.deepcopy(self._module)
        return made

    def describe(self) -> dict[str, Any]:
        count = sum(parameter.numel() for parameter in self._module.parameters())
        return {**super().describe(), "module": type(self._module).__name__, "parameters": count}


def _table(frame: Any) -> torch.Tensor:
    import torch

    return torch.tensor(frame.astype("float32").fillna(0.0).to_numpy())


def _texts(values: Any) -> list[str]:
    return ["" if value is None else value for value in values]


def _waveforms(values: Any) -> torch.Tensor:
    import torch

    longest = max((len(value.samples) for value in values if value is not None), default=1)
    made = torch.zeros(len(values), longest)
    for row, value in enumerate(values):
        if value is not None:
            made[row, : len(value.samples)] = torch.as_tensor(value.samples)
    return made


def _pictures(values: Any, size: tuple[int, int] | None) -> torch.Tensor:
    import torch
    from torch.nn import functional

    sizes = {value.shape[:2] for value in values if value is not None}
    if size is None and len(sizes) > 1:
        raise ModelError("the pictures differ in size; give the module an attribute `image_size = (height, width)`.")
    height, width = size or next(iter(sizes), (1, 1))
    made = torch.zeros(len(values), 3, height, width)
    for row, value in enumerate(values):
        if value is not None:
            picture = torch.as_tensor(value.copy()).permute(2, 0, 1).float()[None] / 255
            if picture.shape[2:] != (height, width):
                picture = functional.interpolate(picture, (height, width), mode="bilinear", antialias=True)
            made[row] = picture[0]
    return made
