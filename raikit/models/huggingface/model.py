"""A network of transformers as a raikit model."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from raikit.errors import ModelError
from raikit.models.base import Model, Origin, PreparedTensor
from raikit.models.encoded import Encoded
from raikit.models.huggingface.adapter import has_adapter, without_adapter
from raikit.models.huggingface.network import PART, Network, groups, picked, replaced_output
from raikit.models.huggingface.quiet import quiet
from raikit.models.huggingface.readers import Reader, cut_texts
from raikit.models.huggingface.token_reader import TokenReader, wholes
from raikit.models.runtime import computing

if TYPE_CHECKING:
    from raikit.config.types import Modality
    from raikit.data.batch import Batch
    from raikit.models.positions import Positions


class HuggingFaceModel(Model):
    """A classifier or a regression of transformers, with its tokenizer or processors.

    Parameters
    ----------
    net : PreTrainedModel
    readers : sequence of Reader
        Each reads one or two of the inputs.
    order : sequence of int
        The network's output of each class of the data.
    modalities : mapping of input name to modality
    classes : sequence
        Empty for regression.
    restart : callable, optional
        ``restart()`` returns a network whose weights have seen none of the cases, drawn from torch's generator where they are
        not pretrained.
    origin : Origin
        Of those weights.
    beside : mapping of str to Tensor, optional
        What the network gets with every batch: the texts of a zero-shot model.
    readers_of_base : bool
        The tokenizer and processors are those of the pretrained model that `restart` reads. Others may have been fitted on the
        training cases: a vocabulary, the mean of pictures.

    Notes
    -----
    Where a case is a token of a text, or one label of a case that may have several, scores need one pass for each text or case.
    """

    kind = "huggingface"

    def __init__(
        self, net: Any, readers: Sequence[Reader], order: Sequence[int], modalities: Mapping[str, Modality],
        classes: Sequence[Any], restart: Callable[[], Any] | None = None, origin: Origin = Model.origin,
        beside: Mapping[str, Tensor] | None = None, readers_of_base: bool = False,
    ) -> None:  # fmt: skip
        self._tokens = next((reader for reader in readers if isinstance(reader, TokenReader)), None)
        self._network = Network(net, order, beside, tokens=self._tokens is not None).eval()
        self._readers, self._restart, self.origin = list(readers), restart, origin
        self._readers_of_base = readers_of_base
        self.modalities, self.classes = dict(modalities), list(classes)
        self.tensors: Mapping[str, PreparedTensor] = {name: of for reader in readers for name, of in reader.tensors.items()}
        with_a_head = {"embeddings", "trainable"} if restart is not None else set()
        self.capabilities = frozenset({"labels", "scores", "gradients"} | with_a_head)

    @property
    def net(self) -> Any:
        """The network as transformers has it."""
        return self._network.net

    @net.setter
    def net(self, net: Any) -> None:
        self._network.net = net

    @property
    def module(self) -> nn.Module:
        """The network; called with the tensors of `prepare`, it returns logits in the order of the classes."""
        return self._network

    # --- scores -------------------------------------------------------------------------------------------------

    def scores(self, batch: Batch) -> np.ndarray:
        """Compute the probabilities of the classes, shape (n, k), or the predicted values, shape (n, 1)."""
        self._network.eval()
        with torch.inference_mode(), computing(self):
            logits = (self._network(**self.prepare(batch)) if batch.whole is None else self._logits_of_parts(batch)).double()
        scores: np.ndarray = (logits.softmax(dim=1) if self.classes else logits).cpu().numpy()
        return scores

    def _logits_of_parts(self, batch: Batch) -> Tensor:
        own, back = wholes(batch)
        logits = self._network.whole(**self._read(own))
        return picked(logits[torch.from_numpy(back).to(logits.device)], self._parts(batch))

    def _parts(self, batch: Batch) -> Tensor:
        """Return which logits of its text or case each case picks, shape (n,)."""
        assert batch.part is not None
        return torch.from_numpy(batch.part) if self._tokens is None else self._tokens.places(batch)

    def _read(self, batch: Batch) -> dict[str, Tensor]:
        return {name: tensor.to(self.device) for reader in self._readers for name, tensor in reader.prepare(batch).items()}

    def embeddings(self, batch: Batch) -> np.ndarray:
        """Compute what the last linear layer of the outputs' size receives, shape (n, d); of a sequence its last token."""
        rows, parts = [], []
        self._network.eval()
        with torch.inference_mode():
            for at, tensors in groups(self.prepare(batch)):
                rows.append(at)
                parts.append(self._received(tensors))
        found: np.ndarray = torch.cat(parts)[torch.cat(rows).argsort()].float().cpu().numpy()
        return found

    def _received(self, tensors: Mapping[str, Tensor]) -> Tensor:
        """Return what the last layer receives, shape (n, d)."""
        received: list[Tensor] = []
        handle = self._last_layer().register_forward_pre_hook(lambda layer, arguments: received.append(arguments[0]))
        try:
            self._network(**tensors)
        finally:
            handle.remove()
        if received[-1].ndim == 3 and PART in tensors:
            return received[-1][torch.arange(len(tensors[PART])), tensors[PART]]
        if received[-1].ndim == 3 and "attention_mask" in tensors:  # a language model decides at the last token of each text
            last = tensors["attention_mask"].long().cumsum(dim=1).argmax(dim=1)
            return received[-1][torch.arange(len(last)), last]
        return received[-1]

    def _last_layer(self) -> nn.Module:
        size = self._network.net.config.num_labels
        layers = [part for part in self._network.modules() if isinstance(part, nn.Linear) and part.out_features == size]
        if not layers:
            raise self._lacks("embeddings")
        return layers[-1]

    # --- gradients ----------------------------------------------------------------------------------------------

    def prepare(self, batch: Batch) -> dict[str, Tensor]:
        """Convert the raw inputs to the tensors of the network, padded to the longest of the batch where a mask says so."""
        part = {} if batch.part is None else {PART: self._parts(batch).to(self.device)}
        return {**self._read(batch), **part}

    def encode(self, batch: Batch) -> Encoded:
        """Compute token embeddings, pixels, samples or spectrograms; masks, types and positions are their context."""
        inputs: dict[str, Tensor] = {}
        context: dict[str, Tensor] = {}
        baselines: dict[str, Tensor] = {}
        with torch.no_grad():
            for reader in self._readers:
                prepared = {name: tensor.to(self.device) for name, tensor in reader.prepare(batch).items()}
                part = reader.encode(prepared, self._embed)
                inputs, context = {**inputs, **part.inputs}, {**context, **part.context}
                baselines = {**baselines, **part.baselines}
        if batch.part is not None:
            context[PART] = self._parts(batch).to(self.device)
        return Encoded({name: inputs[name] for name in self.modalities}, context, baselines)

    def _embed(self, ids: Tensor) -> Tensor:
        embeddings: Tensor = self._network.net.get_input_embeddings()(ids)
        return embeddings

    def forward(self, encoded: Mapping[str, Tensor]) -> Tensor:
        """Compute logits of shape (n, k) from encoded inputs.

        Raises
        ------
        TypeError
            If they have lost their context.
        """
        if not isinstance(encoded, Encoded):
            raise TypeError("the encoded inputs lack their context; change them with `Encoded.with_inputs`")
        tensors: dict[str, Tensor] = {}
        embeddings = None
        for reader in self._readers:
            own, replaced = reader.restore(encoded)
            tensors, embeddings = {**tensors, **own}, replaced if replaced is not None else embeddings
        if PART in encoded.context:
            tensors[PART] = encoded.context[PART]
        with computing(self), self._embedded(embeddings):
            logits: Tensor = self._network(**tensors)
        return logits

    def _embedded(self, embeddings: Tensor | None) -> contextlib.AbstractContextManager[None]:
        """Return a context in which `embeddings` replace those of the token ids."""
        if embeddings is None:
            return contextlib.nullcontext()
        return replaced_output(self._network.net.get_input_embeddings(), embeddings)

    def loss(self, logits: Tensor, target: Tensor) -> Tensor:
        """Compute the loss of each case: cross-entropy, or squared error."""
        if self.classes:
            return functional.cross_entropy(logits, target.to(logits.device), reduction="none")
        return (logits[:, 0] - target.to(logits)) ** 2

    def positions(self, batch: Batch) -> dict[str, list[Positions]]:
        """Return the tokens of each text with their characters, the parts of pictures and the seconds of sounds."""
        return {name: of for reader in self._readers for name, of in reader.positions(batch).items()}

    # --- training and storage -----------------------------------------------------------------------------------

    def copy(self) -> Self:
        """Return an independent copy with the same weights."""
        copied = copy.copy(self)
        copied._network = copy.deepcopy(self._network)
        return copied

    def fresh(self, seed: int = 0) -> Self:
        """Return a copy with the weights from before fine-tuning: those of `base` with a new head, else drawn from `seed`."""
        if self._restart is None:
            raise self._lacks("trainable")
        started = copy.copy(self)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = Network(self._restart(), self._network.order, tokens=self._network.tokens)
        started._network = network.to(self.device).eval()
        return started

    def fitted(self) -> dict[str, str] | None:
        """Return what was learnt from training cases beside the weights: nothing if tokenizer and processors are the base's.

        A folder does not say what its tokenizer was fitted on, nor where the numbers of its configuration come from.
        """
        return {} if self._readers_of_base else None

    def save(self, folder: Path) -> None:
        """Write the network, its tokenizer and its processors as `save_pretrained` does."""
        with quiet():
            self._network.net.save_pretrained(folder)
            if has_adapter(self._network.net):  # adapters are saved without the model that they are beside
                self._network.net.config.save_pretrained(folder)
            for reader in self._readers:
                reader.save(folder)

    def describe(self) -> dict[str, Any]:
        """Return facts for the record."""
        net = self._network.net
        return {
            **super().describe(),
            "architecture": type(without_adapter(net)).__name__,
            "parameters": sum(parameter.numel() for parameter in net.parameters()),
            "inputs": dict(self.modalities),
            **({"pretrained": self.origin.name} if self.origin.kind == "pretrained" else {}),
        }

    def notes(self) -> list[str]:
        """Return how many texts were cut, as far as they have been read."""
        return [note for reader in self._readers for note in cut_texts(reader)]


def refuse_inputs(modalities: Mapping[str, Modality], wanted: Mapping[str, int], architecture: str) -> None:
    """Raise unless the data have as many inputs of each modality as the model reads.

    Raises
    ------
    ModelError
        Names what the model reads and what the data have.
    """
    for modality, most in wanted.items():
        names = [name for name, own in modalities.items() if own == modality]
        if not 1 <= len(names) <= most:
            some = f"one {modality} input" if most == 1 else f"one or two {modality} inputs"
            raise ModelError(f"model.load: {architecture} reads {some}; data.inputs has {len(names)}.")
    if other := [name for name, modality in modalities.items() if modality not in wanted]:
        raise ModelError(
            f"model.load: {architecture} does not read {modalities[other[0]]}; leave {other[0]!r} out of data.inputs."
        )
