"""The model that raikit trains, with the interface of every model."""

from __future__ import annotations

import contextlib
import copy
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from raikit.errors import ModelError, RaikitError, raised
from raikit.models import features
from raikit.models.base import Model, Origin
from raikit.models.folder import SIDE_FILE, WEIGHTS, read_side_file
from raikit.models.network import FusionConfig, FusionNet
from raikit.models.positions import EncodedColumns, Pixels, Positions, Spectrogram, Tokens
from raikit.models.preprocessing import Preprocessing
from raikit.models.runtime import computing
from raikit.run.results import plain

if TYPE_CHECKING:
    from raikit.config.types import Modality
    from raikit.data.batch import Batch

_CASES_AT_ONCE = 256


class FusionModel(Model):
    """A `FusionNet` with the preprocessing that was fitted on its training cases.

    Parameters
    ----------
    net : FusionNet
    preprocessing : Preprocessing
    classes : sequence
        Labels in the order of the scores; empty for regression.
    training : mapping
        Settings of its training; empty if it is not trained.

    See Also
    --------
    raikit.models.training.train_fusion : Build and train a model from a dataset.
    """

    kind = "fusion"
    capabilities = frozenset({"labels", "scores", "gradients", "embeddings", "trainable"})

    def __init__(
        self, net: FusionNet, preprocessing: Preprocessing, classes: Sequence[Any], training: Mapping[str, Any] | None = None
    ) -> None:
        self.net: FusionNet = net
        self.net.train(False)
        self.preprocessing = preprocessing
        self.classes = list(classes)
        self.training = dict(training or {})
        self.modalities: Mapping[str, Modality] = {
            source["name"]: source["modality"] for source in net.config.sources
        }

    @classmethod
    def initial(cls, config: FusionConfig, preprocessing: Preprocessing, classes: Sequence[Any], seed: int = 0) -> Self:
        """Return a model with random weights."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = cls(FusionNet(config), preprocessing, classes)
        model.origin = Origin("random")
        return model

    # --- scores -------------------------------------------------------------------------------------------------

    def scores(self, batch: Batch) -> npt.NDArray[np.float64]:
        """Compute the probabilities of the classes, shape (n, k), or the predicted values, shape (n, 1)."""
        if not len(batch):
            return np.zeros((0, self.net.config.outputs))
        logits = self._apply(self.prepare(batch), self.net.classify)
        if self.classes:
            return logits.double().softmax(dim=1).cpu().numpy()
        return logits.double().cpu().numpy() * self.preprocessing.target_scale + self.preprocessing.target_mean

    def embeddings(self, batch: Batch) -> npt.NDArray[np.float32]:
        """Compute the representation of each case before the last layer, shape (n, 2 * width)."""
        if not len(batch):
            return np.zeros((0, 2 * self.net.config.width), dtype=np.float32)
        return self._apply(self.prepare(batch), self.net.fuse).float().cpu().numpy()

    def _apply(self, prepared: Mapping[str, Tensor], function: Callable[[dict[str, Tensor]], Tensor]) -> Tensor:
        """Apply a method of the network to embedded inputs, some cases at a time to save memory."""
        cases = len(next(iter(prepared.values())))
        with torch.inference_mode(), computing(self):
            return torch.cat([
                function(self.net.embed({name: tensor[at : at + _CASES_AT_ONCE] for name, tensor in prepared.items()}))
                for at in range(0, cases, _CASES_AT_ONCE)
            ])

    # --- gradients ----------------------------------------------------------------------------------------------

    @property
    def module(self) -> FusionNet:
        """The network."""
        return self.net

    def prepare(self, batch: Batch) -> dict[str, Tensor]:
        """Convert the raw inputs to tensors; an input that the batch lacks is missing in every case."""
        return {name: torch.from_numpy(self._prepare(name, batch)).to(self.device) for name in self.modalities}

    def _prepare(self, name: str, batch: Batch) -> npt.NDArray[Any]:
        config, modality = self.net.config, self.modalities[name]
        if modality == "tabular":
            if name not in batch.inputs:
                return np.zeros((len(batch), len(self.preprocessing.columns(name))), dtype=np.float32)
            return self.preprocessing.encode(name, batch.inputs[name])
        values = batch.inputs.get(name) or [None] * len(batch)
        if modality == "text":
            return features.word_ids(values, config.words, config.vocabulary)
        # Cases of one file share one decoded object; each object is prepared once.
        objects = {id(value): value for value in values}
        positions = {key: index for index, key in enumerate(objects)}
        media = list(objects.values())
        if modality == "image":
            prepared = features.pixels(media, config.image_size)
        else:
            prepared = features.spectrograms(media, config.sample_rate, config.mels, config.frames, config.hop)
        return prepared[[positions[id(value)] for value in values]]

    def encode(self, batch: Batch) -> dict[str, Tensor]:
        """Compute the tensors that attributions refer to, by input name."""
        with torch.no_grad():
            encoded: dict[str, Tensor] = self.net.embed(self.prepare(batch))
        return encoded

    def forward(self, encoded: Mapping[str, Tensor]) -> Tensor:
        """Compute logits of shape (n, k) from encoded inputs."""
        with computing(self):
            logits: Tensor = self.net.classify(encoded)
        return logits

    def loss(self, logits: Tensor, target: Tensor) -> Tensor:
        """Compute the loss of each case: cross-entropy, or squared error on the standardised target."""
        if self.classes:
            return functional.cross_entropy(logits, target.to(logits.device), reduction="none")
        standardised = (target.to(logits.device) - self.preprocessing.target_mean) / self.preprocessing.target_scale
        return functional.mse_loss(logits[:, 0], standardised.to(logits.dtype), reduction="none")

    def positions(self, batch: Batch) -> dict[str, list[Positions]]:
        """Return the words of each text, the columns of each table and the seconds and hertz of each sound."""
        return {name: self._positions(name, batch) for name in self.modalities}

    def _positions(self, name: str, batch: Batch) -> list[Positions]:
        config, modality = self.net.config, self.modalities[name]
        if modality == "text":
            return [Tokens(features.split_words(text, config.words)) for text in batch.inputs.get(name) or [None] * len(batch)]
        if modality == "tabular":
            return [EncodedColumns(self.preprocessing.columns(name))] * len(batch)
        if modality == "audio":
            bands = features.band_centres(config.sample_rate, config.mels)
            return [Spectrogram(config.hop / config.sample_rate, bands)] * len(batch)
        return [Pixels()] * len(batch)

    # --- training and storage -----------------------------------------------------------------------------------

    def copy(self) -> Self:
        """Return an independent copy with the same weights."""
        return type(self)(copy.deepcopy(self.net), self.preprocessing, self.classes, self.training)

    def fresh(self, seed: int = 0) -> Self:
        """Return a copy with random weights; the preprocessing, fitted on training cases, is kept."""
        return self.initial(copy.deepcopy(self.net.config), self.preprocessing, self.classes, seed)

    def fitted(self) -> dict[str, str]:
        """Return what the preprocessing learnt from the training cases, by input and column."""
        return self.preprocessing.describe()

    def save(self, folder: Path) -> None:
        """Write the weights, the preprocessing and the settings of the training to a folder."""
        with _no_progress_bars():
            self.net.save_pretrained(folder)
        side = {"classes": plain(self.classes), "preprocessing": self.preprocessing.to_dict(),
                "training": plain(self.training)}
        (folder / SIDE_FILE).write_text(json.dumps(side, ensure_ascii=False, indent=1), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote: safetensors and JSON, which cannot run code.

        Raises
        ------
        ModelError
            If the folder does not hold such a model.
        """
        folder = Path(folder)
        try:
            side = read_side_file(folder)
            _refuse_other_size(folder)
            with _no_progress_bars():
                net = FusionNet.from_pretrained(folder, local_files_only=True, use_safetensors=True)
            return cls(net, Preprocessing.from_dict(side["preprocessing"]), side["classes"], side.get("training"))
        except RaikitError:
            raise
        except Exception as error:  # the libraries that read the files raise many kinds, from another language too
            raise ModelError(f"{folder} does not hold a fusion model saved by raikit: {raised(error)}.") from error

    def describe(self) -> dict[str, Any]:
        """Return facts for the record."""
        return {
            **super().describe(),
            "parameters": sum(parameter.numel() for parameter in self.net.parameters()),
            "inputs": dict(self.modalities),
            "origin": "trained from scratch",
            "preprocessing": self.preprocessing.describe(),
            **({"reweight": ", ".join(self.training["reweight"])} if self.training.get("reweight") else {}),
        }


def _refuse_other_size(folder: Path) -> None:
    """Raise if the network of the configuration is larger than its weights; it is built without memory here."""
    config = FusionConfig.from_pretrained(folder, local_files_only=True)
    with torch.device("meta"):
        needed = sum(parameter.numel() * parameter.element_size() for parameter in FusionNet(config).parameters())
    if needed > (size := (folder / WEIGHTS).stat().st_size):
        raise ModelError(f"{folder}: its configuration needs {needed:,} bytes of weights, and {WEIGHTS} has {size:,}.")


@contextlib.contextmanager
def _no_progress_bars() -> Iterator[None]:
    """Turn off the progress bars of transformers, because the files are read in milliseconds."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]
