"""The inputs of a graph, filled from the inputs of the data: by name, or by order where there is one."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd

from raikit.errors import ModelError
from raikit.models.features import resample
from raikit.models.onnx.settings import PictureSpec

if TYPE_CHECKING:
    from raikit.data.batch import Audio, Batch

TYPES: dict[str, Any] = {
    "tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(float16)": np.float16, "tensor(int64)": np.int64,
    "tensor(int32)": np.int32, "tensor(uint8)": np.uint8, "tensor(bool)": np.bool_, "tensor(string)": np.object_,
}  # fmt: skip
Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class GraphInput:
    """An input of a graph: its name, the type of its numbers and its shape, in which None is any size."""

    name: str
    dtype: Any
    shape: tuple[int | None, ...]

    @classmethod
    def of(cls, argument: Any) -> GraphInput:
        """Return what onnxruntime says of an input; raise if it is none of numbers or texts."""
        if argument.type not in TYPES:
            raise ModelError(f"model.load: the graph's input {argument.name!r} is of type {argument.type}, which nothing fills.")
        shape = tuple(size if isinstance(size, int) and size > 0 else None for size in argument.shape)
        return cls(argument.name, TYPES[argument.type], shape)

    def __str__(self) -> str:
        return f"the graph's input {self.name!r}"

    @property
    def is_text(self) -> bool:
        """Whether it takes strings."""
        return self.dtype is np.object_


class Feed(Protocol):
    """Fills one input of a graph."""

    def keys(self, batch: Batch) -> Sequence[Hashable]:
        """Return for each case what must be equal for cases to be run together, such as the length of a sound."""
        ...

    def tensor(self, batch: Batch) -> Array:
        """Return the tensor of cases that may be run together."""
        ...


@dataclass(frozen=True)
class ConstantFeed:
    """A number that fills an input of fixed shape; a first axis without a size has one entry for each case."""

    target: GraphInput
    value: float

    def keys(self, batch: Batch) -> Sequence[Hashable]:
        """Return nothing that differs."""
        return [None] * len(batch)

    def tensor(self, batch: Batch) -> Array:
        """Return the tensor."""
        shape = tuple(len(batch) if size is None else size for size in self.target.shape)
        return np.full(shape, self.value, dtype=self.target.dtype)


@dataclass(frozen=True)
class TableFeed:
    """Columns of a table as numbers, or as strings if the graph takes them."""

    target: GraphInput
    input: str
    columns: Sequence[str]
    missing: float | None

    def __post_init__(self) -> None:
        shape = self.target.shape
        if len(shape) > 2 or (len(shape) < 2 and len(self.columns) > 1):
            raise ModelError(f"model.load: {self.target} has {len(shape)} axes; a table has rows and columns.")
        if len(shape) == 2 and shape[1] not in (None, len(self.columns)):
            raise ModelError(
                f"model.load: {self.target} takes {shape[1]} columns, and the input {self.input!r} of the "
                f"data has {len(self.columns)}."
            )

    def keys(self, batch: Batch) -> Sequence[Hashable]:
        """Return nothing that differs."""
        return [None] * len(batch)

    def tensor(self, batch: Batch) -> Array:
        """Return the columns, shape (n, c)."""
        frame = batch.inputs[self.input][list(self.columns)]
        if self.target.is_text:
            values: Array = frame.astype(object).where(frame.notna(), "").astype(str).to_numpy(dtype=object)
        else:
            values = np.stack([self._numbers(frame[column], batch) for column in self.columns], axis=1)
        return values if len(self.target.shape) == 2 else values.reshape(len(batch))

    def _numbers(self, column: pd.Series[Any], batch: Batch) -> Array:
        numbers = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
        if (texts := np.isnan(numbers) & column.notna().to_numpy()).any():
            case = batch.ids[int(texts.argmax())]
            raise ModelError(
                f"model.load: the column {column.name!r} holds text (case with id {case!r}), and {self.target} takes numbers."
            )
        numbers = numbers if self.missing is None else np.where(np.isnan(numbers), self.missing, numbers)
        if np.isnan(numbers).any() and not np.issubdtype(self.target.dtype, np.floating):
            raise ModelError(
                f"model.load: the column {column.name!r} has missing values, and {self.target} takes whole numbers; "
                "`model.load.missing` says what stands for them."
            )
        return numbers.astype(self.target.dtype)


@dataclass(frozen=True)
class TextFeed:
    """Texts as a tensor of strings; a missing one is ""."""

    target: GraphInput
    input: str

    def __post_init__(self) -> None:
        if not self.target.is_text:
            raise ModelError(
                f"model.load: {self.target} takes numbers, not texts; a graph behind a tokenizer needs a "
                "loader of its own (docs/how-to/model-loader.md)."
            )

    def keys(self, batch: Batch) -> Sequence[Hashable]:
        """Return nothing that differs."""
        return [None] * len(batch)

    def tensor(self, batch: Batch) -> Array:
        """Return the texts, shape (n,) or (n, 1)."""
        texts = np.array(["" if text is None else str(text) for text in batch.inputs[self.input]], dtype=object)
        return texts.reshape([len(batch)] + [1] * (len(self.target.shape) - 1))


@dataclass(frozen=True)
class PictureFeed:
    """Pictures, resized to the size of the graph; a missing one is zero after scaling."""

    target: GraphInput
    input: str
    settings: PictureSpec
    _layout: str = field(init=False)

    def __post_init__(self) -> None:
        shape = self.target.shape
        if len(shape) != 4 or self.target.is_text:
            raise ModelError(f"model.load: {self.target} has {len(shape)} axes; pictures need four.")
        fits = [name for name, axis in (("NCHW", 1), ("NHWC", 3)) if shape[axis] in (1, 3)]
        layout = self.settings.layout or (fits[0] if len(fits) == 1 else None)
        if layout is None:
            raise ModelError(
                f"model.load: the shape of {self.target} does not show which axis has the channels; say "
                "`picture: {layout: NCHW}` or NHWC."
            )
        object.__setattr__(self, "_layout", layout)

    @property
    def _channels(self) -> int:
        return self.target.shape[1 if self._layout == "NCHW" else 3] or 3

    @property
    def _size(self) -> tuple[int, int] | None:
        start = 2 if self._layout == "NCHW" else 1
        height, width = self.target.shape[start : start + 2]
        return (height, width) if height and width else self.settings.size

    def keys(self, batch: Batch) -> Sequence[Hashable]:
        """Return the size of each picture that keeps its own."""
        return [None] * len(batch) if self._size is not None else self._own_sizes(batch)

    def _own_sizes(self, batch: Batch) -> list[tuple[int, int]]:
        """Return the size of each picture; a missing one is 64 pixels high and wide."""
        return [(64, 64) if value is None else value.shape[:2] for value in batch.inputs[self.input]]

    def tensor(self, batch: Batch) -> Array:
        """Return the pictures, shape (n, c, h, w) or (n, h, w, c)."""
        height, width = self._size or self._own_sizes(batch)[0]
        filled = np.zeros((len(batch), height, width, self._channels), dtype=np.float32)
        for row, value in enumerate(batch.inputs[self.input]):
            if value is not None:
                filled[row] = self._pixels(value, height, width)
        ordered = filled.transpose(0, 3, 1, 2) if self._layout == "NCHW" else filled
        return np.ascontiguousarray(ordered).astype(self.target.dtype)

    def _pixels(self, value: Array, height: int, width: int) -> Array:
        from PIL import Image

        picture = Image.fromarray(value)
        if self._channels == 1:
            picture = picture.convert("L")
        if picture.size != (width, height):
            picture = picture.resize((width, height), Image.Resampling.BILINEAR)
        pixels = np.asarray(picture, dtype=np.float32).reshape(height, width, self._channels)
        if self.settings.channels == "bgr":
            pixels = pixels[..., ::-1]
        if self.target.dtype is np.uint8:
            return pixels
        settings = self.settings
        return (pixels * settings.scale - np.array(settings.mean, np.float32)) / np.array(settings.std, np.float32)


@dataclass(frozen=True)
class SoundFeed:
    """Sounds as samples. Those of one length are run together; silence stands for a missing one, of a second."""

    target: GraphInput
    input: str
    rate: int | None
    cut: set[Any] = field(default_factory=set)  # ids of cases whose sound was longer than the graph takes

    def __post_init__(self) -> None:
        if len(self.target.shape) not in (2, 3) or self.target.is_text:
            raise ModelError(f"model.load: {self.target} has {len(self.target.shape)} axes; sounds need 2 or 3.")

    @property
    def _length(self) -> int | None:
        sizes = [size for size in self.target.shape[1:] if size != 1]
        return sizes[0] if len(sizes) == 1 else None

    def _samples(self, sound: Audio | None) -> Array:
        if sound is None:
            return np.zeros(self._length or self.rate or 16_000, dtype=np.float32)
        samples: Array = sound.samples if self.rate is None else resample(sound, self.rate)
        return samples if len(samples) else np.zeros(1, dtype=np.float32)

    def keys(self, batch: Batch) -> Sequence[Hashable]:
        """Return the number of samples of each sound, unless the graph takes a fixed number."""
        return [self._length or len(self._samples(sound)) for sound in batch.inputs[self.input]]

    def tensor(self, batch: Batch) -> Array:
        """Return the samples, shape (n, t), (n, 1, t) or (n, t, 1)."""
        sounds = [self._samples(sound) for sound in batch.inputs[self.input]]
        length = self._length or len(sounds[0])
        filled = np.zeros((len(sounds), length), dtype=self.target.dtype)
        for row, samples in enumerate(sounds):
            filled[row, : len(samples)] = samples[:length]
            if len(samples) > length:
                self.cut.add(batch.ids[row])
        if len(self.target.shape) == 2:
            return filled
        return filled[:, :, None] if self.target.shape[2] == 1 else filled[:, None, :]
