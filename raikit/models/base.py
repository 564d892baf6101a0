"""The model interface: anything that turns a batch of inputs into scores, with declared capabilities."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from raikit.errors import ModelError

if TYPE_CHECKING:
    import numpy as np
    import torch

    from raikit.config.types import Modality
    from raikit.data.batch import Batch
    from raikit.data.dataset import Dataset

Capability = Literal["labels", "scores", "gradients", "embeddings", "trainable"]

# loader(spec, data): `spec` is the `model.load` mapping of audit.yaml with `path` resolved, `data` gives the classes,
# the task and the inputs; what the loader does not know in `spec` is an error that names the key.
ModelLoader = Callable[[Mapping[str, Any], "Dataset"], "Model"]


class Model(ABC):
    """A loaded or trained model.

    Attributes
    ----------
    kind : str
        ``fusion``, ``torch``, ``sklearn`` …
    capabilities : frozenset
    classes : sequence
        Labels in the order of the columns of `scores`; empty for regression.
    modalities : mapping of input name to modality
        The inputs this model reads. Encoded tensors are keyed by these input names, so that a model may have two
        inputs of one modality.
    training : mapping
        How it was trained, as `raikit.fit` takes it (``epochs``, ``batch_size``, ``learning_rate``, ``weight_decay``,
        ``patience``, ``seed``), and ``reweight``; empty if that is not known.
    """

    kind: str = "model"
    capabilities: frozenset[str] = frozenset()
    classes: Sequence[Any] = ()
    modalities: Mapping[str, Modality] = {}
    training: Mapping[str, Any] = {}

    @abstractmethod
    def scores(self, batch: Batch) -> np.ndarray:
        """Probabilities of the classes, shape (n, k); for regression the predicted value, shape (n, 1)."""

    # --- capability "gradients" ---------------------------------------------------------------------------------

    @property
    def module(self) -> torch.nn.Module:
        """The network; called with the tensors of `prepare` it returns logits (n, k)."""
        raise self._lacks("gradients")

    def prepare(self, batch: Batch) -> dict[str, torch.Tensor]:
        """Tensors of the raw inputs, first axis n: token ids, pixels, spectrograms, columns."""
        raise self._lacks("gradients")

    def encode(self, batch: Batch) -> dict[str, torch.Tensor]:
        """What attributions are taken on, by input name: token embeddings, pixels, spectrogram, columns.

        A missing input is all zeros, so the zero tensor is the natural baseline: "nothing was seen".
        """
        raise self._lacks("gradients")

    def forward(self, encoded: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Logits, shape (n, k), of encoded inputs; differentiable."""
        raise self._lacks("gradients")

    def loss(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Loss of each row, shape (n,): cross-entropy, or squared error on the standardised target."""
        raise self._lacks("gradients")

    # --- capability "embeddings" --------------------------------------------------------------------------------

    def embeddings(self, batch: Batch) -> np.ndarray:
        """The representation of each row that the head decides on, shape (n, d)."""
        raise self._lacks("embeddings")

    # --- capability "trainable" ---------------------------------------------------------------------------------

    def copy(self) -> Self:
        """An independent copy with the same weights."""
        raise self._lacks("trainable")

    def fresh(self, seed: int = 0) -> Self:
        """A copy with the weights from before any row was seen (initialisation, or pretrained encoders)."""
        raise self._lacks("trainable")

    def save(self, folder: Path) -> None:
        """Write the model so that the loader of its kind reads it back."""
        raise self._lacks("trainable")

    def describe(self) -> dict[str, Any]:
        """Facts for the record: kind, number of parameters, where it came from."""
        return {"kind": self.kind, "capabilities": sorted(self.capabilities)}

    def _lacks(self, capability: str) -> ModelError:
        return ModelError(f"A model of kind {self.kind!r} has no {capability}; a check asks for them in `requires`.")
