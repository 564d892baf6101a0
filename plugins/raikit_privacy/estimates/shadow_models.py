"""Shadow models: trained as the audited model was, each on a random half of its training cases and of cases it has not seen.

Each is trained by `raikit.fit` from the weights of `Model.fresh`, with the settings of the audited model's training. What it
says of all cases is kept in a file, so that an interrupted run goes on where it stopped and all attacks share one training.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import raikit
from raikit.arrays import BoolArray, FloatArray, IntArray
from raikit_privacy.estimates.shadow_attacks import Signals, balanced_halves, log_odds

SETTINGS = ("epochs", "batch_size", "learning_rate", "weight_decay", "patience")
_BATCH = 256
_FOLDER = "shadow-models"


@dataclass(frozen=True)
class AttackedPool:
    """Members and non-members, as positions in the dataset.

    Parameters
    ----------
    split : str
        The non-members'.
    positions : tuple of ndarray of int
        Positions of members in the split ``train``, and of non-members in theirs, in the order of the predictions.
    truth : ndarray of int, shape (n,)
        Positions of the targets in the classes, members first.
    """

    split: str
    positions: tuple[IntArray, IntArray]
    truth: IntArray

    @classmethod
    def read(cls, ctx: raikit.CheckContext, split: str) -> AttackedPool:
        """Find the scored cases of the training split and of another one in the dataset."""
        assert ctx.data is not None
        positions, truth = [], []
        for name in ("train", split):
            at = {case: position for position, case in enumerate(ctx.data.frame(["id"], name)["id"])}
            found = np.array([at[case] for case in ctx.predictions.frame(["id"], name)["id"]], dtype=np.int64)
            positions.append(found)
            truth += [np.asarray(batch.target) for batch in ctx.data.batches(name, _BATCH, indices=found)]
        return cls(split, (positions[0], positions[1]), np.concatenate(truth).astype(np.int64))

    def __len__(self) -> int:
        return sum(map(len, self.positions))

    @property
    def member(self) -> BoolArray:
        """Whether each case was in the audited model's training, shape (n,)."""
        return np.arange(len(self)) < len(self.positions[0])

    def rows(self, data: raikit.Dataset) -> IntArray:
        """Return where the cases are in the roles of the dataset."""
        return np.concatenate([data.positions(name)[at] for name, at in zip(("train", self.split), self.positions, strict=True)])

    def scores(self, data: raikit.Dataset, model: raikit.Model) -> FloatArray:
        """Return the probabilities that a model gives to the classes, shape (n, k)."""
        return np.concatenate([
            np.asarray(model.scores(batch), dtype=float)
            for name, at in zip(("train", self.split), self.positions, strict=True)
            for batch in data.batches(name, _BATCH, indices=at)
        ])


def unknown_training(model: raikit.Model) -> str:
    """Return why no model can be trained as this one was; empty if one can."""
    if set(SETTINGS) <= set(model.training):
        return ""
    return ("how the audited model was trained is not known, so no shadow model can be trained in the same way; it is known of "
            "a model that raikit trains (model.train: {kind: fusion})")


class ShadowModels:
    """Trains shadow models one after the other, and keeps the log odds that each gives to all cases.

    Parameters
    ----------
    ctx : CheckContext
    pool : AttackedPool
    models : int

    Notes
    -----
    Each case is in the training of half of the models, so that every attack has as many models on both sides. Where the audited
    model was stopped early by its validation cases, as many cases that a shadow model has not seen take their place.
    Preprocessing is the audited model's own, which learnt scales and categories from its training cases.
    """

    def __init__(self, ctx: raikit.CheckContext, pool: AttackedPool, models: int) -> None:
        assert ctx.data is not None and ctx.model is not None
        self.ctx, self.pool, self.models = ctx, pool, models
        self._data, self._model = ctx.data, ctx.model
        self.inside = balanced_halves(len(pool), models, np.random.default_rng([ctx.seed, 1]))
        self._folder = ctx.workdir / _FOLDER

    def signals(self, audited: FloatArray) -> Signals:
        """Train what is not trained yet, and return the signals of all models beside those of the audited one.

        Parameters
        ----------
        audited : ndarray, shape (n, k)
            Probabilities that the audited model gives.
        """
        self._folder.mkdir(exist_ok=True)
        shadow = np.stack([self._signal(number) for number in range(self.models)])
        return Signals(log_odds(audited, self.pool.truth), shadow, self.inside)

    def _signal(self, number: int) -> FloatArray:
        """Return the log odds of a shadow model, from its file if it was trained before."""
        kept, key = self._folder / f"{number:03}.npz", self._key(number)
        if (signal := _read(kept, key)) is None:
            signal = log_odds(self.pool.scores(self._data, self._train(number)), self.pool.truth)
            _write(kept, key, signal)
            shutil.rmtree(self._checkpoints(number), ignore_errors=True)
        self._progress(number)(1, 1)
        return signal

    def _train(self, number: int) -> raikit.Model:
        training, seed = self._model.training, self._seed(number)
        data = self._data.with_splits(self._splits(number))
        model = self._model.fresh(seed)
        columns = list(training.get("reweight") or ())
        self.ctx.trainer(
            model, data, **{key: training[key] for key in SETTINGS}, seed=seed, workdir=self._checkpoints(number),
            row_weight=raikit.reweighing(data, columns) if columns else None, progress=self._progress(number),
        )
        return model

    def _splits(self, number: int) -> NDArray[np.object_]:
        """Return the split of each row of the dataset, for the training of one shadow model."""
        split = np.full(len(self._data.positions()), None, dtype=object)
        rows = self.pool.rows(self._data)
        split[rows[self.inside[number]]] = "train"
        if self._model.training["patience"] is not None and (watched := self._data.size("validation")):
            unseen = rows[~self.inside[number]]
            split[np.random.default_rng([self.ctx.seed, 2, number]).permutation(unseen)[:watched]] = "validation"
        return split

    def _seed(self, number: int) -> int:
        return int(np.random.SeedSequence([self.ctx.seed, 3, number]).generate_state(1)[0] >> 1)

    def _checkpoints(self, number: int) -> Path:
        folder = self._folder / f"{number:03}"
        folder.mkdir(exist_ok=True)
        return folder

    def _progress(self, number: int) -> Callable[[int, int], None]:
        return lambda done, total: self.ctx.progress(round((number + done / max(total, 1)) * 100), self.models * 100)

    def _key(self, number: int) -> str:
        """Return a hash of what a kept signal depends on; the run's folder belongs to one model and one table."""
        facts: dict[str, Any] = {
            "training": {key: str(value) for key, value in self._model.training.items()}, "seed": self._seed(number),
            "inside": hashlib.sha256(np.packbits(self.inside[number]).tobytes()).hexdigest(),
            "cases": hashlib.sha256(self.pool.rows(self._data).tobytes()).hexdigest(), "truth": self.pool.truth.tolist(),
        }
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _read(path: Path, key: str) -> FloatArray | None:
    """Return a kept signal if it belongs to this training; None if there is none or the file is damaged."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
            return np.asarray(kept["signal"], dtype=float) if str(kept["key"]) == key else None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


def _write(path: Path, key: str, signal: FloatArray) -> None:
    """Write a signal; a file that a kill leaves half written is under another name."""
    half = path.with_suffix(".part")
    with half.open("wb") as file:
        np.savez(file, signal=signal, key=key)
    half.replace(path)
