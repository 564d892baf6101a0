"""A small multimodal dataset in memory with the methods of `raikit.data.dataset.Dataset`, and a table of two numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from raikit.config.schema import DataConfig
from raikit.data.batch import Audio, Batch
from raikit.data.dataset import Dataset
from raikit.errors import ConfigError
from raikit.models.scoring import ModelScorer, score

MEDIA = {"image": 6, "audio": 5}
WORDS = ["red", "green", "blue", "grün", "azul"]


@dataclass
class MemoryDataset:
    """Rows in a frame; media columns hold a name, looked up in `media`."""

    table: pd.DataFrame
    media: dict
    task: str = "binary"
    classes: list = field(default_factory=lambda: [0, 1])
    weight: str | None = None
    inputs: dict = field(
        default_factory=lambda: {
            "image": SimpleNamespace(modality="image", columns=["image"]),
            "note": SimpleNamespace(modality="text", columns=["note"]),
            "voice": SimpleNamespace(modality="audio", columns=["voice"]),
            "facts": SimpleNamespace(modality="tabular", columns=["age", "vendor"]),
        }
    )

    def _rows(self, split):
        return self.table[self.table["split"] == split]

    def size(self, split):
        return len(self._rows(split))

    def frame(self, columns, split):
        return self._rows(split)[columns].reset_index(drop=True)

    def batches(self, split, size, indices=None):
        rows = self._rows(split)
        rows = rows if indices is None else rows.iloc[indices]
        for start in range(0, len(rows), size):
            yield self.batch(rows.iloc[start : start + size])

    def batch(self, rows):
        inputs = {}
        for name, source in self.inputs.items():
            if source.modality == "tabular":
                inputs[name] = rows[source.columns].reset_index(drop=True)
            else:
                values = [None if pd.isna(value) else value for value in rows[source.columns[0]]]
                decoded = source.modality in {"image", "audio"}
                inputs[name] = [self.media.get(value) for value in values] if decoded else values
        target = rows["target"].to_numpy(dtype=float if self.task == "regression" else np.int64)
        weight = None if self.weight is None else rows[self.weight].to_numpy(dtype=float)
        return Batch(rows["id"].tolist(), inputs, target, weight)


def make_dataset(rows=120, task="binary", seed=0, weight=None):
    """Colours in pictures and words, pitch in voices; the target says whether word and picture agree."""
    rng = np.random.default_rng(seed)
    media = {}
    for number in range(MEDIA["image"]):
        picture = rng.integers(0, 60, (20 + number, 24, 3), dtype=np.uint8)
        picture[..., number % 3] += 190
        media[f"{number}.png"] = picture
    for number in range(MEDIA["audio"]):
        time = np.arange(4000) / 8000
        media[f"{number}.wav"] = Audio(np.sin(2 * np.pi * (200 + 150 * number) * time).astype(np.float32), 8000)
    image = rng.integers(0, MEDIA["image"], rows)
    word = rng.integers(0, 3, rows)
    table = pd.DataFrame(
        {
            "id": np.arange(rows),
            "image": [f"{number}.png" for number in image],
            "note": [f"a {WORDS[number]} thing" for number in word],
            "voice": [f"{number}.wav" for number in rng.integers(0, MEDIA["audio"], rows)],
            "age": rng.normal(50, 10, rows),
            "vendor": rng.choice(["a", "b", "c"], rows),
            "w": rng.uniform(0.5, 2, rows),
            "split": np.where(np.arange(rows) % 4 == 0, "validation", "train"),
        }
    )
    for column in ("note", "voice", "image", "vendor", "age"):
        table.loc[rng.random(rows) < 0.15, column] = None
    table["target"] = {
        "binary": (image % 3 == word).astype(int),
        "multiclass": image % 3,
        "regression": 1000 + 50 * (image % 3) + rng.normal(0, 1, rows),
    }[task]
    classes = {"binary": [0, 1], "multiclass": ["r", "g", "b"], "regression": []}[task]
    return MemoryDataset(table, media, task, classes, weight)


@pytest.fixture(scope="session")
def make():
    """`make(rows, task, seed, weight)` gives a `MemoryDataset`."""
    return make_dataset


@pytest.fixture
def data():
    return make_dataset()


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture
def numbers(tmp_path):
    """Write a table of two numbers and open it: the target follows the first; p, yhat and named scores hold predictions."""

    def numbers(task="binary", extra=(), rows=60, **changes):
        rng = np.random.default_rng(0)
        x = rng.normal(size=(rows, 2))
        y = {
            "binary": (x[:, 0] > 0).astype(int),
            "multiclass": np.array(["a", "b", "c"])[np.digitize(x[:, 0], [-0.5, 0.5])],
            "regression": 3 * x[:, 0] + 1,
        }[task]
        p = np.round(1 / (1 + np.exp(-4 * x[:, 0])), 6)
        table = pd.DataFrame(
            {"x0": x[:, 0], "x1": x[:, 1], "y": y, "p": p, "yhat": y, "pa": 0.5, "pb": 0.25, "pc": 0.25}
        )
        for name, value in changes.items():
            table[name] = value
        table.to_csv(tmp_path / "t.csv", index=False)
        config = DataConfig.model_validate(
            {
                "path": "t.csv",
                "target": "y",
                "task": task,
                "inputs": {"facts": {"modality": "tabular", "columns": ["x0", "x1"]}},
            }
        )
        return Dataset.open(config, tmp_path, error=lambda key, problem: ConfigError(problem), extra_columns=extra)

    return numbers


@pytest.fixture
def predictions(tmp_path):
    """Score a model and read what was written."""

    def predictions(model, dataset):
        score(ModelScorer(model), dataset, tmp_path / "predictions.parquet")
        return pd.read_parquet(tmp_path / "predictions.parquet")

    return predictions


@pytest.fixture
def module(tmp_path):
    """Write a module beside audit.yaml under a name of its own (Python caches modules by name)."""

    def module(source):
        name = f"model_{abs(hash((str(tmp_path), source)))}"
        (tmp_path / f"{name}.py").write_text(source)
        return name

    return module
