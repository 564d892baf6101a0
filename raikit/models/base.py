"""The model interface: anything that computes scores from a batch of inputs, with declared capabilities."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self

from raikit.errors import ModelError

if TYPE_CHECKING:
    import numpy as np
    import torch

    from raikit.config.types import Modality
    from raikit.data.batch import Batch
    from raikit.data.dataset import Dataset
    from raikit.models.encoded import Encoded
    from raikit.models.positions import Positions

Capability = Literal["labels", "scores", "gradients", "embeddings", "trainable"]

# loader(spec, data): `spec` is the `model.load` mapping of audit.yaml with `path` resolved; `data` knows the classes, the
# task and the inputs. A key of `spec` that the loader does not know is an error that names the key.
ModelLoader = Callable[[Mapping[str, Any], "Dataset"], "Model"]


class PreparedTensor(NamedTuple):
    """A tensor that `Model.prepare` returns.

    Attributes
    ----------
    owner : str
        The input that it comes from; several tensors may have one owner.
    padding : float
        What fills the second axis where a case is shorter than others.
    """

    owner: str
    padding: float = 0.0


class Origin(NamedTuple):
    """Where the weights of a model come from, before it was trained on the audited cases.

    Attributes
    ----------
    kind : {"random", "pretrained", "unknown"}
        Drawn at random; pretrained on other cases, which `name` says; or not known.
    name : str
        Of the pretrained model, empty for the others.
    """

    kind: Literal["random", "pretrained", "unknown"]
    name: str = ""


class Model(ABC):
    """A loaded or trained model.

    Attributes
    ----------
    kind : str
        ``fusion``, ``torch``, ``sklearn`` …
    capabilities : frozenset
        What checks may ask of it. If the class names none, they follow from the methods that it defines. Those that fail on
        the first cases are taken away as it is opened (`raikit.models.probe`).
    classes : sequence
        Labels in the order of the columns of `scores`; empty for regression.
    modalities : mapping of input name to modality
        The inputs that the model reads. Encoded tensors are keyed by these names, because a model may have two inputs
        of one modality.
    tensors : mapping of tensor name to PreparedTensor
        The tensors of `prepare`. Those that are not named belong to the input of their name, and are padded with zero.
    origin : Origin
        Where the weights that `fresh` returns come from; not known unless the model says so.
    device, precision : str
        Where it runs (``cpu``, ``cuda``, ``mps``) and in which numbers (``float32``, ``bf16``).
    limits : sequence of str
        Sentences on capabilities that it seemed to have and did not show; raikit fills it.
    training : mapping
        The settings of its training, as `raikit.fit` takes them (``epochs``, ``batch_size``, ``learning_rate``,
        ``weight_decay``, ``patience``, ``seed``), and ``reweight``; empty if they are not known.
    searched : int
        Trials of a search on these cases that chose the settings of its training; raikit sets it. None of its trials is private.
    built_by : str
        The function or loader that built the model, if it is code that raikit did not write; raikit sets it.
    """

    kind: str = "model"
    capabilities: frozenset[str] = frozenset()
    classes: Sequence[Any] = ()
    modalities: Mapping[str, Modality] = {}
    tensors: Mapping[str, PreparedTensor] = {}
    origin: Origin = Origin("unknown")
    device: str = "cpu"
    precision: str = "float32"
    limits: Sequence[str] = ()
    training: Mapping[str, Any] = {}
    searched: int = 0
    built_by: str = ""

    @abstractmethod
    def scores(self, batch: Batch) -> np.ndarray:
        """Compute the probabilities of the classes, shape (n, k); for regression the predicted values, shape (n, 1)."""

    # --- capability "gradients" ---------------------------------------------------------------------------------

    @property
    def module(self) -> torch.nn.Module:
        """The network; called with the tensors of `prepare` by name, it returns logits of shape (n, k)."""
        raise self._lacks("gradients")

    def prepare(self, batch: Batch) -> dict[str, torch.Tensor]:
        """Convert the raw inputs to tensors with first axis n: token ids, masks, pixels, spectrograms, columns."""
        raise self._lacks("gradients")

    def encode(self, batch: Batch) -> Encoded | dict[str, torch.Tensor]:
        """Compute what attributions refer to, by input name: token embeddings, pixels, spectrogram, columns.

        An `Encoded` also has what must stay as it is (attention masks, positions), and what stands for an absent input. In a plain
        mapping, zero is an absent input.
        """
        raise self._lacks("gradients")

    def forward(self, encoded: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Compute logits of shape (n, k) from what `encode` returns, with the same or other values; differentiable."""
        raise self._lacks("gradients")

    def positions(self, batch: Batch) -> Mapping[str, Sequence[Positions]]:
        """Return how encoded positions map back to words, pixels, seconds or columns: for each input, one entry a case.

        An input that is left out is drawn with numbered positions.
        """
        return {}

    def loss(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Compute the loss of each case, shape (n,): cross-entropy, or squared error on the standardised target."""
        raise self._lacks("gradients")

    # --- capability "embeddings" --------------------------------------------------------------------------------

    def embeddings(self, batch: Batch) -> np.ndarray:
        """Compute the representation of each case before the last layer, shape (n, d)."""
        raise self._lacks("embeddings")

    # --- capability "trainable" ---------------------------------------------------------------------------------

    def copy(self) -> Self:
        """Return an independent copy with the same weights."""
        raise self._lacks("trainable")

    def fresh(self, seed: int = 0) -> Self:
        """Return a copy with the weights from before training: drawn from `seed`, or pretrained on other data.

        Private training starts from them, and only a weight that changes with the seed (or is 0 or 1) is taken to have seen
        no case. Return no weights of the trained model.
        """
        raise self._lacks("trainable")

    def fitted(self) -> Mapping[str, str] | None:
        """Return what `prepare`, `loss` and `scores` learnt from the training cases, other than weights, by where it is used.

        For example ``{"form.age": "mean and standard deviation", "loss": "weights of the classes"}``, and an empty mapping if
        nothing was learnt. None means that it is not known. Private training does not cover it, and the report lists it.
        """
        return None

    def save(self, folder: Path) -> None:
        """Write the model so that the loader of its kind can read it."""
        raise self._lacks("trainable")

    def describe(self) -> dict[str, Any]:
        """Return facts for the record: kind, number of parameters, origin."""
        return {"kind": self.kind, "capabilities": sorted(self.capabilities)}

    def notes(self) -> Sequence[str]:
        """Return sentences for the record: how the model was read, where that could be doubted."""
        return []

    def _lacks(self, capability: str) -> ModelError:
        return ModelError(f"a model of kind {self.kind!r} has no {capability}; a check must name the capability in `requires`.")
