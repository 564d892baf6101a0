"""The model that raikit trains, behind the interface that every model has."""

from __future__ import annotations

import contextlib
import copy
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from raikit.errors import ModelError
from raikit.models import features
from raikit.models.base import Model
from raikit.models.network import FusionConfig, FusionNet
from raikit.models.preprocessing import Preprocessing
from raikit.run.results import plain

if TYPE_CHECKING:
    from raikit.config.types import Modality
    from raikit.data.batch import Batch

_ROWS_AT_ONCE = 256
_SIDE_FILE = "raikit.json"


class FusionModel(Model):
    """A `FusionNet` with the preprocessing that its training rows gave it.

    Parameters
    ----------
    net : FusionNet
    preprocessing : Preprocessing
    classes : sequence
        Labels in the order of the scores; empty for regression.
    training : mapping
        How it was trained; empty if it was not.

    See Also
    --------
    raikit.models.training.train_fusion : makes and trains one from a dataset.
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
        """A model whose weights have seen no row."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return cls(FusionNet(config), preprocessing, classes)

    # --- scores -------------------------------------------------------------------------------------------------

    def scores(self, batch: Batch) -> npt.NDArray[np.float64]:
        if not len(batch):
            return np.zeros((0, self.net.config.outputs))
        logits = self._in_parts(self.prepare(batch), self.net.classify)
        if self.classes:
            return logits.double().softmax(dim=1).numpy()
        return logits.double().numpy() * self.preprocessing.target_scale + self.preprocessing.target_mean

    def embeddings(self, batch: Batch) -> npt.NDArray[np.float32]:
        if not len(batch):
            return np.zeros((0, 2 * self.net.config.width), dtype=np.float32)
        return self._in_parts(self.prepare(batch), self.net.fuse).numpy()

    def _in_parts(self, prepared: Mapping[str, Tensor], function: Any) -> Tensor:
        rows = len(next(iter(prepared.values())))
        with torch.inference_mode():
            return torch.cat([
                function(self.net.embed({name: tensor[at : at + _ROWS_AT_ONCE] for name, tensor in prepared.items()}))
                for at in range(0, rows, _ROWS_AT_ONCE)
            ])

    # --- gradients ----------------------------------------------------------------------------------------------

    @property
    def module(self) -> FusionNet:
        return self.net

    def prepare(self, batch: Batch) -> dict[str, Tensor]:
        """Tensors of the raw inputs; an input that the batch does not have is missing in every row."""
        return {name: torch.from_numpy(self._prepare(name, batch)) for name in self.modalities}

    def _prepare(self, name: str, batch: Batch) -> npt.NDArray[Any]:
        config, modality = self.net.config, self.modalities[name]
        if modality == "tabular":
            if name not in batch.inputs:
                return np.zeros((len(batch), len(self.preprocessing.columns(name))), dtype=np.float32)
            return self.preprocessing.encode(name, batch.inputs[name])
        values = batch.inputs.get(name) or [None] * len(batch)
        if modality == "text":
            return features.word_ids(values, config.words, config.vocabulary)
        # Rows of one file share one decoded object: each is prepared once.
        objects = {id(value): value for value in values}
        place = {key: index for index, key in enumerate(objects)}
        media = list(objects.values())
        if modality == "image":
            prepared = features.pixels(media, config.image_size)
        else:
            prepared = features.spectrograms(media, config.sample_rate, config.mels, config.frames, config.hop)
        return prepared[[place[id(value)] for value in values]]

    def encode(self, batch: Batch) -> dict[str, Tensor]:
        with torch.no_grad():
            encoded: dict[str, Tensor] = self.net.embed(self.prepare(batch))
        return encoded

    def forward(self, encoded: Mapping[str, Tensor]) -> Tensor:
        logits: Tensor = self.net.classify(encoded)
        return logits

    def loss(self, logits: Tensor, target: Tensor) -> Tensor:
        if self.classes:
            return functional.cross_entropy(logits, target, reduction="none")
        wanted = (target - self.preprocessing.target_mean) / self.preprocessing.target_scale
        return functional.mse_loss(logits[:, 0], wanted.to(logits.dtype), reduction="none")

    def tokens(self, batch: Batch) -> dict[str, list[list[str]]]:
        """The words of each text input, in the order of its encoding; the rest of that axis is padding."""
        texts = {name: batch.inputs.get(name) or [None] * len(batch)
                 for name, modality in self.modalities.items() if modality == "text"}
        return {name: [features.split_words(text, self.net.config.words) for text in values]
                for name, values in texts.items()}

    def columns(self, name: str) -> list[str]:
        """Names of the columns of the encoding of a tabular input."""
        return self.preprocessing.columns(name)

    # --- training and storage -----------------------------------------------------------------------------------

    def copy(self) -> Self:
        return type(self)(copy.deepcopy(self.net), self.preprocessing, self.classes, self.training)

    def fresh(self, seed: int = 0) -> Self:
        """Newly drawn weights. The preprocessing stays, and has seen the rows that it was fitted on."""
        return self.initial(copy.deepcopy(self.net.config), self.preprocessing, self.classes, seed)

    def save(self, folder: Path) -> None:
        with _quiet():
            self.net.save_pretrained(folder)
        side = {"classes": plain(self.classes), "preprocessing": self.preprocessing.to_dict(),
                "training": plain(self.training)}
        (folder / _SIDE_FILE).write_text(json.dumps(side, ensure_ascii=False, indent=1), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote; safetensors and JSON, nothing that could run.

        Raises
        ------
        ModelError
            If the folder holds no such model.
        """
        folder = Path(folder)
        try:
            side = json.loads((folder / _SIDE_FILE).read_text(encoding="utf-8"))
            with _quiet():
                net = FusionNet.from_pretrained(folder, local_files_only=True, use_safetensors=True)
            return cls(net, Preprocessing.from_dict(side["preprocessing"]), side["classes"], side.get("training"))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ModelError(f"{folder} holds no fusion model that raikit saved: {error}") from error

    def describe(self) -> dict[str, Any]:
        return {
            **super().describe(),
            "parameters": sum(parameter.numel() for parameter in self.net.parameters()),
            "inputs": dict(self.modalities),
            "origin": "trained from scratch",
            "preprocessing": self.preprocessing.describe(),
            **({"reweight": ", ".join(self.training["reweight"])} if self.training.get("reweight") else {}),
        }


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """No progress bars of transformers for files that are read in milliseconds."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]
