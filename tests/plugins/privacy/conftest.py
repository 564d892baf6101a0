"""The smallest model and dataset that private training can be tried on: two columns, one hidden layer."""

from __future__ import annotations

import copy
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from torch.nn import functional

from raikit.data.batch import Batch
from raikit.models.base import Model


def words_of(finding):
    """Return all that a finding says: its sentence, the facts of the fold, headline and evidence."""
    return " ".join([finding.sentence, *(f"{label}: {text}" for label, text in finding.facts), finding.headline, finding.evidence])


class Net(nn.Module):
    """Words are embedded, columns are not; both meet in one hidden layer."""

    def __init__(self, seed=0, norm=None, conv=False):
        super().__init__()
        self.has_conv = conv
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.words = nn.Embedding(20, 3, padding_idx=0)
            self.conv = nn.Sequential(nn.Conv1d(1, 2, 2), nn.Tanh(), nn.Flatten()) if conv else nn.Identity()
            self.first = nn.Linear(2 + 3, 8)
            self.norm = norm(8) if norm else nn.Identity()
            self.last = nn.Linear(8, 2)

    def forward(self, columns, note):
        columns = self.conv(columns[:, None]) if self.has_conv else columns
        hidden = torch.cat([columns, self.words(note).mean(dim=1)], dim=1)
        return self.last(torch.tanh(self.norm(self.first(hidden))))


class TinyModel(Model):
    capabilities = frozenset({"labels", "scores", "gradients", "trainable"})
    classes = (0, 1)
    modalities = {"columns": "tabular", "note": "text"}  # noqa: RUF012

    def __init__(self, net=None, kind="fusion", norm=None):
        self.net, self.kind, self.norm = net or Net(norm=norm), kind, norm
        self.net.eval()

    @property
    def module(self):
        return self.net

    def prepare(self, batch):
        columns = torch.tensor(batch.inputs["columns"].to_numpy(dtype=np.float32))
        notes = torch.tensor([[int(word) for word in (text or "0 0").split()] for text in batch.inputs["note"]])
        return {"columns": columns, "note": notes.reshape(len(columns), 2)}

    def scores(self, batch):
        with torch.inference_mode():
            return self.net(**self.prepare(batch)).double().softmax(dim=1).numpy()

    def loss(self, logits, target):
        return functional.cross_entropy(logits, target, reduction="none")

    def copy(self):
        return TinyModel(copy.deepcopy(self.net), self.kind, self.norm)

    def fresh(self, seed=0):
        return TinyModel(type(self.net)(seed, self.norm), self.kind, self.norm)


class TinyData:
    task, classes = "binary", (0, 1)
    inputs = {  # noqa: RUF012
        "columns": SimpleNamespace(modality="tabular", columns=("a", "b")),
        "note": SimpleNamespace(modality="text", columns=("note",)),
    }

    def __init__(self, table):
        self.table = table

    def _rows(self, split):
        return self.table[self.table["split"] == split]

    def size(self, split):
        return len(self._rows(split))

    def positions(self, split=None):
        return np.arange(len(self.table)) if split is None else np.flatnonzero((self.table["split"] == split).to_numpy())

    def with_splits(self, split):
        return TinyData(self.table.assign(split=split))

    def frame(self, columns, split):
        return self._rows(split)[columns].reset_index(drop=True)

    def batches(self, split, size, indices=None):
        rows = self._rows(split)
        rows = rows if indices is None else rows.iloc[indices]
        for start in range(0, len(rows), size):
            part = rows.iloc[start : start + size]
            yield Batch(part["id"].tolist(), {"columns": part[["a", "b"]].reset_index(drop=True), "note": part["note"].tolist()},
                        part["target"].to_numpy(dtype=np.int64))


def table(rows=600, seed=0):
    """The target is the sign of a + b; group F is a third of the rows; four rows of each person."""
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, rows))
    return pd.DataFrame({
        "id": [f"r{i}" for i in range(rows)], "a": a, "b": b,
        "note": [f"{x} {y}" for x, y in rng.integers(0, 20, (rows, 2))],
        "target": (a + b + 0.3 * rng.normal(size=rows) > 0).astype(int),
        "split": np.array(["train", "train", "train", "validation", "test", "test"])[np.arange(rows) % 6],
        "sex": np.where(rng.random(rows) < 1 / 3, "F", "M"), "person": [f"p{i // 24}-{i % 6}" for i in range(rows)],
    })


def predictions(model, data):
    """What the harness would have written: every row scored once."""
    parts = []
    for split in ("train", "validation", "test"):
        frame = data.frame(["id", "split", "target", "sex", "person"], split)
        score = np.concatenate([model.scores(batch)[:, 1] for batch in data.batches(split, 256)])
        parts.append(frame.assign(prediction=(score >= 0.5).astype(int), score=score))
    return pd.concat(parts, ignore_index=True)


@pytest.fixture(scope="session")
def data():
    return TinyData(table())


@pytest.fixture
def model():
    return TinyModel()


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny():
    """What the tests build their own from."""
    return SimpleNamespace(Net=Net, Model=TinyModel, Data=TinyData, table=table, predictions=predictions)


@pytest.fixture(scope="session")
def fusion():
    """A small fusion model of a table, with its preprocessing."""
    from raikit.models.fusion import FusionModel
    from raikit.models.network import FusionConfig
    from raikit.models.preprocessing import Preprocessing

    facts = pd.DataFrame({"age": [31.0, 40.0, np.nan], "town": ["Ulm", "Bonn", "Trier"]})
    preprocessing = Preprocessing.fit({"facts": facts})
    sources = [{"name": "facts", "modality": "tabular", "columns": len(preprocessing.columns("facts"))},
               {"name": "note", "modality": "text"}, {"name": "photo", "modality": "image"}]
    return FusionModel.initial(FusionConfig(sources, width=16, vocabulary=64, words=4, image_size=16), preprocessing, [0, 1])
