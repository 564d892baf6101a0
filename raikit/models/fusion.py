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
from raikit.models.base import Model, Origin, PreparedTensor
from raikit.models.encoded import Encoded
from raikit.models.folder import SIDE_FILE, WEIGHTS, read_side_file
from raikit.models.huggingface.encoder import PretrainedEncoder, attach, read_state, refuse_encoders
from raikit.models.huggingface.readers import Reader, cut_texts
from raikit.models.huggingface.size import nothing_large
from raikit.models.network import FusionConfig, FusionNet
from raikit.models.positions import EncodedColumns, Pixels, Positions, Spectrogram, Tokens
from raikit.models.preprocessing import Preprocessing
from raikit.models.runtime import computing
from raikit.run.results import plain

if TYPE_CHECKING:
    from raikit.config.types import Modality
    from raikit.data.batch import Batch

READERS = "encoder-{}"  # folder of what reads the inputs of a pretrained encoder
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

    Attributes
    ----------
    bases : mapping of input name to folder
        Where the pretrained encoders come from, as far as the configuration names them.

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
        self.tensors: Mapping[str, PreparedTensor] = {key: of for part in net.pretrained for key, of in part.tensors.items()}
        self.bases: Mapping[str, str] = {}
        self._frozen_once = False
        self.origin = self._origin()

    @classmethod
    def initial(
        cls, config: FusionConfig, preprocessing: Preprocessing, classes: Sequence[Any], seed: int = 0,
        readers: Mapping[str, Reader] | None = None,
    ) -> Self:  # fmt: skip
        """Return a model with random weights; `readers` are those of the inputs with pretrained encoders."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            net = FusionNet(config)
        for encoder in net.pretrained:
            encoder.reader = (readers or {})[encoder.name]
        return cls(net, preprocessing, classes)

    def start_from(self, bases: Mapping[str, str]) -> None:
        """Name the folders of the pretrained encoders, by input; `fresh` starts from them."""
        self.bases = dict(bases)
        self.origin = self._origin()

    def _origin(self) -> Origin:
        """Return where the weights of `fresh` come from."""
        kept = [encoder for encoder in self.net.pretrained if not encoder.is_trained_whole]
        if any(encoder.name not in self.bases for encoder in kept):
            return Origin("unknown")
        names = [encoder.settings["name"] for encoder in self.net.pretrained if encoder.name in self.bases]
        return Origin("pretrained", " and ".join(dict.fromkeys(names))) if names else Origin("random")

    # --- scores -------------------------------------------------------------------------------------------------

    def scores(self, batch: Batch) -> npt.NDArray[np.float64]:
        """Compute the probabilities of the classes, shape (n, k), or the predicted values, shape (n, 1)."""
        if not len(batch):
            return np.zeros((0, self.net.config.outputs))
        logits = self._apply(self.prepare(batch), lambda prepared: self.net(**prepared))  # a call, which may be compiled
        if self.classes:
            return logits.double().softmax(dim=1).cpu().numpy()
        return logits.double().cpu().numpy() * self.preprocessing.target_scale + self.preprocessing.target_mean

    def embeddings(self, batch: Batch) -> npt.NDArray[np.float32]:
        """Compute the representation of each case before the last layer, shape (n, 2 * width)."""
        if not len(batch):
            return np.zeros((0, 2 * self.net.config.width), dtype=np.float32)
        return self._apply(self.prepare(batch), self.net.represent).float().cpu().numpy()

    def _apply(self, prepared: Mapping[str, Tensor], function: Callable[[dict[str, Tensor]], Tensor]) -> Tensor:
        """Apply a function to prepared inputs, some cases at a time to save memory."""
        cases = len(next(iter(prepared.values())))
        self.net.train(False)
        with torch.inference_mode(), computing(self):
            return torch.cat([
                function({name: tensor[at : at + _CASES_AT_ONCE] for name, tensor in prepared.items()})
                for at in range(0, cases, _CASES_AT_ONCE)
            ])

    # --- gradients ----------------------------------------------------------------------------------------------

    @property
    def module(self) -> FusionNet:
        """The network."""
        return self.net

    def prepare(self, batch: Batch) -> dict[str, Tensor]:
        """Convert the raw inputs to tensors; an input that the batch lacks is missing in every case."""
        tensors: dict[str, Tensor] = {}
        for encoder in self.net.parts:
            if isinstance(encoder, PretrainedEncoder):
                own = {name: tensor.to(self.device) for name, tensor in encoder.prepare(batch).items()}
                tensors |= encoder.states(own) if self._frozen_once and encoder.is_frozen else own
            else:
                tensors[encoder.name] = torch.from_numpy(self._prepare(encoder.name, batch))
        return {name: tensor.to(self.device) for name, tensor in tensors.items()}

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

    def encode(self, batch: Batch) -> Encoded:
        """Compute what attributions refer to, by input name, with the context and the baselines of pretrained encoders."""
        self.net.train(False)
        with torch.no_grad():
            return self.net.embed(self.prepare(batch))

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
        """Return the words or tokens of each text, the columns of each table and the seconds and hertz of each sound."""
        return {
            part.name: part.positions(batch) if isinstance(part, PretrainedEncoder) else self._positions(part.name, batch)
            for part in self.net.parts
        }

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

    @contextlib.contextmanager
    def frozen_bodies_once(self) -> Iterator[None]:
        """Let `prepare` return what frozen encoders make of inputs inside the block, so that a training computes it once."""
        self._frozen_once = True
        try:
            yield
        finally:
            self._frozen_once = False

    def copy(self) -> Self:
        """Return an independent copy with the same weights."""
        copied = type(self)(copy.deepcopy(self.net), self.preprocessing, self.classes, self.training)
        copied.start_from(self.bases)
        copied.searched = self.searched
        return copied

    def fresh(self, seed: int = 0) -> Self:
        """Return a copy with the weights from before training: drawn from `seed`, and those of the pretrained encoders.

        The preprocessing, fitted on training cases, is kept. An encoder whose folder is not named keeps the weights that were
        frozen; one that was trained whole is drawn.
        """
        readers = {encoder.name: encoder.reader for encoder in self.net.pretrained}
        model = self.initial(copy.deepcopy(self.net.config), self.preprocessing, self.classes, seed, readers)
        for own, new in zip(self.net.pretrained, model.net.pretrained, strict=True):
            if own.name in self.bases:
                new.load_pretrained(read_state(own, self.bases[own.name]))
            elif not own.is_trained_whole:
                new.load_pretrained(own.pretrained_state())
        model.start_from(self.bases)
        return model

    def fitted(self) -> dict[str, str]:
        """Return what the preprocessing learnt from the training cases, by input and column."""
        return self.preprocessing.describe()

    def save(self, folder: Path) -> None:
        """Write the weights, the preprocessing and the settings of the training to a folder."""
        with _no_progress_bars():
            self.net.save_pretrained(folder)
            for at, encoder in enumerate(self.net.pretrained):
                encoder.config.save_pretrained(folder / READERS.format(at))
                encoder.reader.save(folder / READERS.format(at))
        side = {"classes": plain(self.classes), "preprocessing": self.preprocessing.to_dict(),
                "training": plain(self.training)}
        (folder / SIDE_FILE).write_text(json.dumps(side, ensure_ascii=False, indent=1), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote: safetensors and JSON, which cannot run code, and tokenizers and processors.

        Raises
        ------
        ModelError
            If the folder does not hold such a model.
        """
        folder = Path(folder)
        try:
            side = read_side_file(folder)
            config = FusionConfig.from_pretrained(folder, local_files_only=True)
            refuse_encoders(config.sources, folder)
            _refuse_other_size(config, folder)
            with _no_progress_bars():
                net = FusionNet.from_pretrained(folder, local_files_only=True, use_safetensors=True)
            for at, encoder in enumerate(net.pretrained):
                attach(encoder, folder / READERS.format(at))
            return cls(net, Preprocessing.from_dict(side["preprocessing"]), side["classes"], side.get("training"))
        except RaikitError:
            raise
        except Exception as error:  # the libraries that read the files raise many kinds, from another language too
            raise ModelError(f"{folder} does not hold a fusion model saved by raikit: {raised(error)}.") from error

    def notes(self) -> list[str]:
        """Return how many texts were cut, as far as they have been read."""
        return [note for encoder in self.net.pretrained for note in cut_texts(encoder.reader)]

    def describe(self) -> dict[str, Any]:
        """Return facts for the record."""
        return {
            **super().describe(),
            "parameters": sum(parameter.numel() for parameter in self.net.parameters()),
            "inputs": dict(self.modalities),
            "origin": "trained with pretrained encoders" if self.net.pretrained else "trained from scratch",
            **({"encoders": {part.name: f"{part.settings['name']}, {part.settings['method']}" for part in self.net.pretrained}}
               if self.net.pretrained else {}),
            "preprocessing": self.preprocessing.describe(),
            **({"reweight": ", ".join(self.training["reweight"])} if self.training.get("reweight") else {}),
        }


def _refuse_other_size(config: FusionConfig, folder: Path) -> None:
    """Raise if the network of the configuration is larger than its weights; it is built without memory here."""
    with torch.device("meta"), nothing_large():
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
