"""What a tokenizer or processor makes of raw inputs, and how its positions map back to them.

A reader turns the inputs of some cases into the tensors of a network (`prepare`), says which of them attributions refer to
(`encode`), and puts changed ones back (`restore`). Each case is prepared as it would be alone, apart from padding that is masked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np
import torch
from torch import Tensor

from raikit.errors import ModelError, raised
from raikit.format import cases
from raikit.models import features
from raikit.models.base import PreparedTensor
from raikit.models.encoded import Encoded
from raikit.models.huggingface.quiet import is_panic
from raikit.models.positions import WHOLE, Pixels, Positions, Spectrogram, Tokens, Waveform

if TYPE_CHECKING:
    from raikit.data.batch import Audio, Batch

FIXED, LENGTHS = "fixed_embeddings", "lengths"  # context of texts that belongs to no input; samples of each sound
HIDDEN = "hidden"  # tokens of texts that are hidden in training
_MOST_SAMPLES = 1 << 20  # of the shortest sound that a network of convolutions reads
_KALDI_FRAME = 400  # samples: 25 milliseconds at 16 kHz
_OFFSET_POSITIONS = {"roberta", "xlm-roberta", "camembert", "longformer", "mpnet", "esm", "mpt", "bloom"}  # they count their own


class Reader(Protocol):
    """Reads some inputs of a batch."""

    @property
    def tensors(self) -> Mapping[str, PreparedTensor]:
        """The tensors of `prepare`."""
        ...

    def prepare(self, batch: Batch) -> dict[str, Tensor]:
        """Convert raw inputs to tensors with first axis n."""
        ...

    def encode(self, prepared: Mapping[str, Tensor], embed: Callable[[Tensor], Tensor]) -> Encoded:
        """Return what is attributed, by input name; `embed` looks up the embeddings of token ids."""
        ...

    def restore(self, encoded: Encoded) -> tuple[dict[str, Tensor], Tensor | None]:
        """Return the tensors of the network, and the embeddings that replace those of its token ids."""
        ...

    def hide(self, prepared: Mapping[str, Tensor], kept: Tensor) -> dict[str, Tensor]:
        """Return what changes where the inputs of the cases that are not `kept`, shape (n,), give way to their baselines."""
        ...

    def positions(self, batch: Batch) -> dict[str, list[Positions]]:
        """Return how encoded positions map back, for each case."""
        ...

    def save(self, folder: Path) -> None:
        """Write the tokenizer or processor beside the network."""
        ...


@dataclass
class TextReader:
    """One text, or a pair of texts, through a tokenizer.

    Attributions refer to token embeddings. Their baseline is the embedding of the padding token. Start, separator and padding
    tokens belong to no input, and stay. A missing text is an empty one.
    """

    tokenizer: Any
    inputs: Sequence[str]
    accepted: frozenset[str]  # arguments of the network's forward
    most_tokens: int
    own_positions: bool
    reads_padding: bool = False  # as SigLIP does: it was trained on texts of one length, without a mask
    cut: set[Any] = field(default_factory=set)  # ids of cases whose text was longer

    @classmethod
    def of(cls, tokenizer: Any, inputs: Sequence[str], net: Any, accepted: frozenset[str], max_length: int | None) -> Self:
        """Return the reader of a network's texts."""
        config = net.config.get_text_config() if hasattr(net.config, "get_text_config") else net.config
        if tokenizer.pad_token is None:  # of models that were trained on whole blocks of text
            tokenizer.pad_token = tokenizer.eos_token
            config.pad_token_id = net.config.pad_token_id = tokenizer.pad_token_id
        offset = config.model_type in _OFFSET_POSITIONS
        room = getattr(config, "max_position_embeddings", None) or 1 << 20
        if max_length is not None:  # saved with the tokenizer, so that texts are cut alike wherever the model is read again
            tokenizer.model_max_length = min(tokenizer.model_max_length, max_length)
        limit = min(tokenizer.model_max_length, room - (2 if offset else 0), 1 << 20)
        own_positions = "position_ids" in accepted and not offset
        return cls(tokenizer, inputs, accepted, int(limit), own_positions, reads_padding(config, tokenizer))

    @property
    def tensors(self) -> dict[str, PreparedTensor]:
        """The tensors of `prepare`, which all belong to the first text; padding is masked."""
        padding = {"input_ids": float(self.tokenizer.pad_token_id)}
        names = ("input_ids", "attention_mask", "token_type_ids", "position_ids")
        return {name: PreparedTensor(self.inputs[0], padding.get(name, 0.0)) for name in names if name in self.accepted}

    def _tokenize(self, batch: Batch) -> Any:
        texts = [["" if value is None else str(value) for value in batch.inputs[name]] for name in self.inputs]
        padding = "max_length" if self.reads_padding else True
        try:
            tokens = self.tokenizer(
                *texts, truncation=True, max_length=self.most_tokens, padding=padding, padding_side="right", return_tensors="pt",
                return_offsets_mapping=self.tokenizer.is_fast, return_attention_mask=True,
            )  # fmt: skip
        except BaseException as error:
            if not is_panic(error):
                raise
            raise ModelError(f"the tokenizer cannot read the texts ({raised(error)}).") from None
        if self.reads_padding:
            return tokens | {"attention_mask": torch.ones_like(tokens["attention_mask"])}
        return _with_a_token(tokens, self.tokenizer.pad_token_id)

    def prepare(self, batch: Batch) -> dict[str, Tensor]:
        """Convert texts to token ids, mask, token types and positions, shape (n, tokens)."""
        tokens = self._tokenize(batch)
        if tokens["input_ids"].shape[1] >= self.most_tokens:
            empty = tokens["input_ids"][:, -1] == self.tokenizer.pad_token_id
            full = (tokens["attention_mask"].sum(dim=1) >= self.most_tokens) & ~(empty & self.reads_padding)
            self.cut.update(batch.ids[row] for row in torch.nonzero(full)[:, 0].tolist())
        prepared = {name: tokens[name] for name in self.tensors if name in tokens}
        if self.own_positions:  # one row for each case, because a row that is shared has no gradient of its own
            prepared["position_ids"] = torch.arange(tokens["input_ids"].shape[1]).repeat(len(batch), 1)
        return prepared

    def encode(self, prepared: Mapping[str, Tensor], embed: Callable[[Tensor], Tensor]) -> Encoded:
        """Return the embeddings of each text's tokens, shape (n, tokens, width), zero where a token is not of that text."""
        ids = prepared["input_ids"]
        embeddings, owner = embed(ids), self._owner(prepared)
        padding = embed(torch.full_like(ids[:1, :1], self.tokenizer.pad_token_id))
        inputs, baselines = {}, {}
        for index, name in enumerate(self.inputs):
            mask = (owner == index)[..., None].to(embeddings.dtype)
            inputs[name], baselines[name] = embeddings * mask, padding * mask
        fixed = embeddings * (owner < 0)[..., None].to(embeddings.dtype)
        return Encoded(inputs, {**prepared, FIXED: fixed}, baselines)

    def _owner(self, prepared: Mapping[str, Tensor]) -> Tensor:
        """Return the number of the text that each token belongs to, -1 for start, separator and padding tokens."""
        ids = prepared["input_ids"]
        special = torch.isin(ids, torch.tensor(self.tokenizer.all_special_ids, dtype=ids.dtype, device=ids.device))
        owner = torch.zeros_like(ids)
        if len(self.inputs) == 2:
            owner = self._second(prepared, special)
        unknown = self.tokenizer.unk_token_id  # a word that the vocabulary lacks is part of its text
        special &= ids != (-1 if unknown is None else unknown)
        return torch.where(special | (prepared["attention_mask"] == 0), -1, owner)

    def _second(self, prepared: Mapping[str, Tensor], special: Tensor) -> Tensor:
        """Return 1 where a token is of the second text of a pair: by token types, else behind the separator in the middle."""
        types = prepared.get("token_type_ids")
        if types is not None and types.any():
            return types
        behind = special.long().cumsum(dim=1) - special.long()[:, :1].cumsum(dim=1)  # separators so far, without the start token
        return (behind > 0).long()

    def restore(self, encoded: Encoded) -> tuple[dict[str, Tensor], Tensor | None]:
        """Return the token ids with their masks, and the embeddings that replace theirs."""
        prepared = {name: encoded.context[name] for name in self.tensors if name in encoded.context}
        replaced = encoded.context[FIXED] + sum(encoded[name] for name in self.inputs)
        return prepared, replaced

    def hide(self, prepared: Mapping[str, Tensor], kept: Tensor) -> dict[str, Tensor]:
        """Return a mask of the tokens whose embeddings give way to that of padding, shape (n, tokens).

        Their ids stay: some models count positions from them.
        """
        return {HIDDEN: ~_as_mask(kept, prepared["input_ids"]) & (self._owner(prepared) >= 0)}

    def positions(self, batch: Batch) -> dict[str, list[Positions]]:
        """Return the tokens of each text with their characters; those of the other text of a pair are empty."""
        tokens = self._tokenize(batch)
        owner = self._owner({name: tokens[name] for name in tokens if name != "offset_mapping"})
        return {
            name: [self._tokens(tokens, row, owner[row] == index, value or "") for row, value in enumerate(batch.inputs[name])]
            for index, name in enumerate(self.inputs)
        }

    def save(self, folder: Path) -> None:
        """Write the tokenizer beside the network."""
        self.tokenizer.save_pretrained(folder)

    def _tokens(self, tokens: Any, row: int, own: Tensor, text: str) -> Tokens:
        names = self.tokenizer.convert_ids_to_tokens(tokens["input_ids"][row].tolist())
        offsets = tokens["offset_mapping"][row].tolist() if "offset_mapping" in tokens else [None] * len(names)
        spans = [tuple(span) if is_own and span else None for span, is_own in zip(offsets, own.tolist(), strict=True)]
        words = [
            (text[slice(*span)] if span else name) if is_own else ""
            for name, span, is_own in zip(names, spans, own.tolist(), strict=True)
        ]
        return Tokens(words, spans)


def reads_padding(config: Any, tokenizer: Any) -> bool:
    """Return whether a network attends to padding, so that its texts must all be padded to the length that it reads."""
    return "siglip" in config.model_type and "attention_mask" not in tokenizer.model_input_names


def cut_texts(reader: Reader) -> list[str]:
    """Return a sentence if texts were cut, as far as they have been read."""
    if not isinstance(reader, TextReader) or not reader.cut:
        return []
    return [f"{cases(len(reader.cut))} had texts of {reader.most_tokens} tokens or more; what is longer was cut."]


def _as_mask(kept: Tensor, values: Tensor) -> Tensor:
    """Return which cases are kept as a mask that fits their values, shape (n, 1, …)."""
    return kept.to(values.device).bool().view(-1, *[1] * (values.ndim - 1))


def _with_a_token(tokens: Any, padding: int) -> Any:
    """Let a text without any token, where a tokenizer adds no start token, be read as one padding token that is attended to."""
    if not tokens["input_ids"].shape[1]:
        rows = len(tokens["input_ids"])
        filled = {"input_ids": padding, "offset_mapping": [0, 0]}
        for name in tokens:
            tokens[name] = torch.tensor([[filled.get(name, 0)]] * rows)
    empty = tokens["attention_mask"].sum(dim=1) == 0
    tokens["attention_mask"][empty, 0] = 1
    return tokens


@dataclass(frozen=True)
class ImageReader:
    """A picture through an image processor. Its baseline, and a missing picture, is one of the processor's mean colour."""

    processor: Any
    input: str
    accepted: frozenset[str]
    patch: int | None = None

    @property
    def tensors(self) -> dict[str, PreparedTensor]:
        """The tensors of `prepare`."""
        return {name: PreparedTensor(self.input) for name in ("pixel_values", "pixel_mask") if name in self.accepted}

    def prepare(self, batch: Batch) -> dict[str, Tensor]:
        """Convert pictures to pixels, shape (n, channels, height, width); a picture that several cases share is read once."""
        values = batch.inputs[self.input]
        objects = {id(value): value for value in values}
        first = {key: index for index, key in enumerate(objects)}
        grey = np.full((64, 64, 3), 127, dtype=np.uint8)
        # A picture one or three pixels high could have its channels first; the processor must not guess.
        read = self.processor(
            images=[grey if value is None else value for value in objects.values()], input_data_format="channels_last",
            return_tensors="pt",
        )  # fmt: skip
        prepared = {name: read[name] for name in self.tensors if name in read}
        for row, value in enumerate(objects.values()):
            if value is None:
                prepared["pixel_values"][row] = self._mean
        rows = [first[id(value)] for value in values]
        return {name: tensor[rows] for name, tensor in prepared.items()}

    @property
    def _mean(self) -> float:
        """The mean colour after normalisation; without it, the middle of the range."""
        if getattr(self.processor, "do_normalize", False):
            return 0.0
        return 0.5 if getattr(self.processor, "do_rescale", True) else 127.5

    def encode(self, prepared: Mapping[str, Tensor], embed: Callable[[Tensor], Tensor]) -> Encoded:
        """Return the pixels."""
        pixels = prepared["pixel_values"]
        context = {name: tensor for name, tensor in prepared.items() if name != "pixel_values"}
        return Encoded({self.input: pixels}, context, {self.input: torch.full_like(pixels[:1], self._mean)})

    def restore(self, encoded: Encoded) -> tuple[dict[str, Tensor], Tensor | None]:
        """Return the pixels with their mask."""
        context = {name: encoded.context[name] for name in self.tensors if name in encoded.context}
        return {**context, "pixel_values": encoded[self.input]}, None

    def hide(self, prepared: Mapping[str, Tensor], kept: Tensor) -> dict[str, Tensor]:
        """Return the pixels, of the mean colour where they are hidden."""
        pixels = prepared["pixel_values"]
        return {"pixel_values": torch.where(_as_mask(kept, pixels), pixels, self._mean)}

    def positions(self, batch: Batch) -> dict[str, list[Positions]]:
        """Return the part of each picture that is read, and the side of its patches."""
        return {self.input: [Pixels(self._crop(value), self.patch) for value in batch.inputs[self.input]]}

    def save(self, folder: Path) -> None:
        """Write the processor beside the network."""
        self.processor.save_pretrained(folder)

    def _crop(self, picture: np.ndarray | None) -> tuple[float, float, float, float]:
        """Return the edges of the part that a crop in the middle keeps, after the picture was resized."""
        if picture is None or not getattr(self.processor, "do_center_crop", False):
            return WHOLE
        height, width = picture.shape[:2]
        size, crop = dict(self.processor.size or {}), dict(self.processor.crop_size)
        if "shortest_edge" in size:
            scale = size["shortest_edge"] / min(height, width)
            height, width = height * scale, width * scale
        elif "height" in size:
            height, width = size["height"], size["width"]
        across, down = min(crop["width"] / width, 1.0), min(crop["height"] / height, 1.0)
        return ((1 - across) / 2, (1 - down) / 2, (1 + across) / 2, (1 + down) / 2)


@dataclass(frozen=True)
class SoundReader:
    """A sound through a feature extractor, resampled to its rate. Its baseline, and a missing sound, is silence.

    Where the extractor gives no mask for waveforms, sounds of one length go through the network together and others apart, so
    that padding changes no score. A sound that is shorter than one frame of the network is followed by silence.
    """

    extractor: Any
    input: str
    accepted: frozenset[str]
    shortest: int = _KALDI_FRAME  # samples

    @classmethod
    def of(cls, extractor: Any, input: str, net: Any, accepted: frozenset[str]) -> SoundReader:
        """Return the reader of a network's sounds.

        Raises
        ------
        ModelError
            If the extractor has no sampling rate.
        """
        rate = getattr(extractor, "sampling_rate", None)
        if not isinstance(rate, int) or rate < 1:
            raise ModelError("model.load: the feature extractor has no `sampling_rate`, a whole number of samples a second.")
        kernels, strides = getattr(net.config, "conv_kernel", None), getattr(net.config, "conv_stride", None)
        if not (isinstance(kernels, list | tuple) and isinstance(strides, list | tuple)):
            return cls(extractor, input, accepted)
        samples = 1
        for kernel, stride in zip(reversed(kernels), reversed(strides), strict=True):
            samples = (samples - 1) * stride + kernel
        if not 1 <= samples <= _MOST_SAMPLES:
            raise ModelError(f"model.load: by conv_kernel and conv_stride the shortest sound has {samples:,} samples; "
                             f"up to {_MOST_SAMPLES:,} are read.")
        return cls(extractor, input, accepted, samples)

    @property
    def _name(self) -> str:
        return str(self.extractor.model_input_names[0])

    @property
    def _waveform(self) -> bool:
        return self._name == "input_values" and not hasattr(self.extractor, "num_mel_bins")

    @property
    def _masked(self) -> bool:
        return bool(getattr(self.extractor, "return_attention_mask", False)) and "attention_mask" in self.accepted

    @property
    def tensors(self) -> dict[str, PreparedTensor]:
        """The tensors of `prepare`."""
        names = [self._name, *(["attention_mask"] if self._masked else [LENGTHS] if self._waveform else [])]
        return {name: PreparedTensor(self.input) for name in names}

    def prepare(self, batch: Batch) -> dict[str, Tensor]:
        """Convert sounds to samples, shape (n, t), or to spectrograms, shape (n, frames, bands)."""
        sounds = [self._samples(value) for value in batch.inputs[self.input]]
        read = self.extractor(
            sounds, sampling_rate=self.extractor.sampling_rate, return_tensors="pt",
            padding=True if self._waveform else "max_length",
            # Without lengths the extractor scales each waveform by the mean and spread of what it was padded to.
            **({"return_attention_mask": True} if self._masked or self._waveform else {}),
        )  # fmt: skip
        prepared = {name: read[name] for name in self.tensors if name in read}
        if LENGTHS in self.tensors:
            prepared[LENGTHS] = torch.tensor([len(sound) for sound in sounds])
        return prepared

    def _samples(self, value: Audio | None) -> np.ndarray:
        rate = int(self.extractor.sampling_rate)
        samples = np.zeros(rate, dtype=np.float32) if value is None else features.resample(value, rate)
        missing = self.shortest - len(samples)
        return np.pad(samples, (0, missing)) if missing > 0 else samples

    def encode(self, prepared: Mapping[str, Tensor], embed: Callable[[Tensor], Tensor]) -> Encoded:
        """Return the samples or the spectrogram."""
        values = prepared[self._name]
        context = {name: tensor for name, tensor in prepared.items() if name != self._name}
        return Encoded({self.input: values}, context, {self.input: self._silence(values)})

    def _silence(self, values: Tensor) -> Tensor:
        """Return what the extractor makes of silence, shape (1, …)."""
        if self._waveform:
            return torch.zeros_like(values[:1])
        rate = int(self.extractor.sampling_rate)
        read = self.extractor([np.zeros(rate, dtype=np.float32)], sampling_rate=rate, return_tensors="pt", padding="max_length")
        silent: Tensor = read[self._name].to(values)
        return silent.nan_to_num()

    def restore(self, encoded: Encoded) -> tuple[dict[str, Tensor], Tensor | None]:
        """Return the samples or the spectrogram with its mask."""
        context = {name: encoded.context[name] for name in self.tensors if name in encoded.context}
        return {**context, self._name: encoded[self.input]}, None

    def hide(self, prepared: Mapping[str, Tensor], kept: Tensor) -> dict[str, Tensor]:
        """Return the sounds, silent where they are hidden."""
        values = prepared[self._name]
        return {self._name: torch.where(_as_mask(kept, values), values, self._silence(values))}

    def positions(self, batch: Batch) -> dict[str, list[Positions]]:
        """Return samples a second, or seconds a frame with the bands in hertz."""
        rate = int(self.extractor.sampling_rate)
        if self._waveform:
            return {self.input: [Waveform(rate)] * len(batch)}
        bands = getattr(self.extractor, "num_mel_bins", None) or getattr(self.extractor, "feature_size", None) or 80
        hop = getattr(self.extractor, "hop_length", None) or rate // 100  # Kaldi's frames are ten milliseconds apart
        first = self._name == "input_values"  # Whisper's features have the bands first
        return {self.input: [Spectrogram(hop / rate, features.band_centres(rate, int(bands)), time_first=first)] * len(batch)}

    def save(self, folder: Path) -> None:
        """Write the feature extractor beside the network."""
        self.extractor.save_pretrained(folder)
