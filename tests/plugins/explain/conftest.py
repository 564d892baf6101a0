"""Small models over four kinds of input, and data for them in memory."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import raikit
from raikit.models.positions import Tokens
from raikit.testing import table_context

WORDS = ["alpha", "beta", "gamma", "delta", "epsilon"]
EVERYTHING = {"photo": "image", "note": "text", "voice": "audio", "facts": "tabular"}


class TinyModel(raikit.Model):
    """Encodes like the big ones do; what it decides by is any function of the encoded inputs."""

    kind = "tiny"
    capabilities = frozenset({"labels", "scores", "gradients"})

    def __init__(self, modalities: Mapping[str, str], classes: Sequence[Any], logits: Callable[..., torch.Tensor]) -> None:
        self.modalities, self.classes, self._logits = dict(modalities), list(classes), logits

    def encode(self, batch):
        return {name: getattr(self, f"_{modality}")(batch.inputs[name]) for name, modality in self.modalities.items()}

    def forward(self, encoded):
        return self._logits(encoded)

    def scores(self, batch):
        with torch.no_grad():
            logits = self.forward(self.encode(batch)).double()
        return (logits.softmax(dim=1) if self.classes else logits).numpy()

    def positions(self, batch):
        return {name: [Tokens(text.split() if text else []) for text in batch.inputs[name]]
                for name, modality in self.modalities.items() if modality == "text"}

    @staticmethod
    def _image(values):
        encoded = torch.zeros(len(values), 3, 16, 16)
        for row, value in enumerate(values):
            if value is not None:
                encoded[row] = torch.as_tensor(value.copy()).permute(2, 0, 1).float() / 127.5 - 1
        return encoded

    @staticmethod
    def _text(values):
        encoded = torch.zeros(len(values), 6, 4)
        for row, text in enumerate(values):
            for place, word in enumerate(text.split() if text else []):
                encoded[row, place] = torch.sin(torch.arange(1.0, 5.0) * (1 + WORDS.index(word)))
        return encoded

    @staticmethod
    def _audio(values):
        encoded = torch.zeros(len(values), 1, 8, 16)
        for row, value in enumerate(values):
            if value is not None:
                encoded[row, 0] = torch.as_tensor(value.samples.reshape(8, 16))
        return encoded

    @staticmethod
    def _tabular(frame):
        return torch.tensor(frame.to_numpy(dtype=np.float32))


class MemoryData:
    """As much of `raikit.Dataset` as a check sees."""

    def __init__(self, ids, inputs: Mapping[str, Any], split: str = "test") -> None:
        self.roles = pd.DataFrame({"id": ids, "split": split})
        self._inputs = inputs

    def batches(self, split, size, indices=None):
        rows = np.arange(len(self.roles)) if indices is None else np.asarray(indices)
        for start in range(0, len(rows), size):
            part = rows[start : start + size]
            inputs = {name: values.iloc[part].reset_index(drop=True) if isinstance(values, pd.DataFrame)
                      else [values[row] for row in part] for name, values in self._inputs.items()}
            yield raikit.Batch(self.roles["id"].iloc[part].tolist(), inputs)


def random_inputs(modalities: Mapping[str, str], rows: int, seed: int = 0, missing: float = 0.2) -> dict[str, Any]:
    """Inputs of each kind; some are missing."""
    rng = np.random.default_rng(seed)

    def maybe(value):
        return None if rng.random() < missing else value

    makers = {
        "image": lambda: [maybe(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)) for _ in range(rows)],
        "text": lambda: [maybe(" ".join(rng.choice(WORDS, rng.integers(1, 6)))) for _ in range(rows)],
        "audio": lambda: [maybe(raikit.Audio(rng.random(128).astype(np.float32), 8000)) for _ in range(rows)],
        "tabular": lambda: pd.DataFrame({"age": rng.normal(size=rows), "height": rng.normal(size=rows)}),
    }
    return {name: makers[modality]() for name, modality in modalities.items()}


def bent(encoded: Mapping[str, torch.Tensor], outputs: int = 2, seed: int = 0) -> torch.Tensor:
    """A smooth function in which inputs act together."""
    sizes = tuple(tensor[0].numel() for tensor in encoded.values())
    *layers, head = _weights(sizes, outputs, seed)
    tokens = [torch.tanh(tensor.flatten(1) @ weight + 0.1)
              for tensor, weight in zip(encoded.values(), layers, strict=True)]
    together = sum(tokens, torch.zeros_like(tokens[0])) + 2 * tokens[0] * tokens[-1]
    return together @ head


@functools.cache
def _weights(sizes: tuple[int, ...], outputs: int, seed: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [*(torch.randn(size, 8, generator=generator) / size**0.5 for size in sizes),
            torch.randn(8, outputs, generator=generator)]


@pytest.fixture
def tiny_model():
    """`tiny_model(modalities, classes, logits)`; by default all four inputs, two classes, smooth and joint."""

    def make(modalities=None, classes=(0, 1), logits=None):
        outputs = max(len(classes), 1)
        return TinyModel(modalities or EVERYTHING, classes, logits or (lambda encoded: bent(encoded, outputs)))

    return make


@pytest.fixture
def make_context(tmp_path):
    """`make_context(model, rows, task)`: scored data for a model, and the context that a check gets."""

    def make(model, rows=60, task="binary", missing=0.2, seed=0, clusters=None, weight=None, inputs=None, names=None):
        inputs = inputs or random_inputs(model.modalities, rows, seed, missing)
        ids = names or [f"row {number}" for number in range(rows)]
        data = MemoryData(ids, inputs)
        scores = model.scores(next(data.batches("test", rows)))
        rng = np.random.default_rng(seed + 1)
        table = pd.DataFrame({"id": ids})
        if task == "regression":
            table["prediction"] = scores[:, 0]
            table["target"] = scores[:, 0] + rng.normal(size=rows)
        else:
            labels = np.asarray(model.classes, dtype=object)
            decided = scores.argmax(axis=1)
            table["prediction"] = labels[decided]
            table["target"] = labels[np.where(rng.random(rows) < 0.8, decided, (decided + 1) % len(labels))]
            if task == "binary":
                table["score"] = scores[:, 1]
            else:
                table = table.assign(**{f"score.{label}": scores[:, index] for index, label in enumerate(labels)})
            table[["prediction", "target"]] = table[["prediction", "target"]].infer_objects()
        if clusters:
            table["patient"] = [f"p{number % clusters}" for number in range(rows)]
        if weight is not None:
            table["w"] = weight
        return table_context(table, task=task, model=model, data=data, classes=list(model.classes),
                       positive=model.classes[-1] if task == "binary" else None, folder=tmp_path,
                       cluster=["patient"] if clusters else (), weight=None if weight is None else "w")

    return make
