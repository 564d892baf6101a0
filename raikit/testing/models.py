"""A tiny model with every capability, and predictions with or without a model."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from raikit.arrays import class_positions
from raikit.data.dataset import Dataset
from raikit.models.base import Model
from raikit.models.decisions import decide
from raikit.models.scoring import ModelScorer, score
from raikit.run.directory import PREDICTIONS
from raikit.run.predictions import Predictions

_TINY = {
    "width": 8, "image_size": 16, "words": 6, "vocabulary": 512, "sample_rate": 4000, "frames": 8, "hop": 64,
    "dropout": 0.0, "modality_dropout": 0.0, "epochs": 6, "batch_size": 32, "learning_rate": 0.04,
}  # fmt: skip
_SKILL = (1.6, 0.9)  # shift of the drawn logits of the true class, for the first group and for the others


def model(data: Dataset, *, seed: int = 0) -> Model:
    """Train a tiny fusion model on `data`, with every capability that a model can have.

    Parameters
    ----------
    data : Dataset
        Any task, with any inputs.
    seed : int
        Seed of the initial weights and of training.

    Returns
    -------
    Model
        Saved and read back by its loader, as in an audit.

    Raises
    ------
    ModelError
        If `data` has no inputs or no train cases.

    Examples
    --------
    >>> from raikit.testing import dataset
    >>> sorted(model(dataset()).capabilities)
    ['embeddings', 'gradients', 'labels', 'scores', 'trainable']
    """
    from raikit.models.loaders import load_fusion
    from raikit.models.training import train_fusion

    trained, _ = train_fusion(data, _TINY, seed=seed)
    with tempfile.TemporaryDirectory(prefix="raikit-") as folder:
        trained.save(Path(folder))
        return load_fusion({"kind": "fusion", "path": folder}, data)


def predictions(data: Dataset, model: Model | None = None, *, folder: Path, seed: int = 0) -> Predictions:
    """Write ``predictions.parquet`` for `data`, as in an audit.

    Parameters
    ----------
    data : Dataset
    model : Model, optional
        Scores every case. Absent: plausible scores are drawn around the labels, better ones for the first group, as a table
        of predictions would hold.
    folder : Path
        Folder of the file; it is created if needed.
    seed : int
        Seed of the drawn scores.

    Returns
    -------
    Predictions

    Examples
    --------
    >>> import tempfile
    >>> from raikit.testing import dataset
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     predictions(dataset(), folder=Path(folder)).columns
    ['id', 'split', 'target', 'group', 'prediction', 'score']
    """
    path = Path(folder) / PREDICTIONS
    path.parent.mkdir(parents=True, exist_ok=True)
    if model is not None:
        score(ModelScorer(model), data, path)
    else:
        _draw_predictions(data, seed).to_parquet(path, index=False)
    return Predictions(path, data.audited_split)


def _draw_predictions(data: Dataset, seed: int = 0) -> pd.DataFrame:
    """Make the table of ``predictions.parquet`` with drawn scores."""
    rng = np.random.default_rng([seed, 1789])
    first = _in_first_group(data)
    skill = np.where(first, *_SKILL)
    if data.task == "regression":
        target = data.roles["target"].to_numpy(dtype=float)
        spread = float(target.std()) or 1.0
        predicted = target + rng.normal(0, spread / (2 * skill))
        return data.roles.join(pd.DataFrame({"prediction": predicted}))
    truth = class_positions(data.roles["target"], data.classes)
    logits = rng.normal(0, 1, (len(truth), len(data.classes)))
    logits[np.arange(len(truth)), truth] += skill
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    scores = odds / odds.sum(axis=1, keepdims=True)
    columns: dict[str, Any] = decide(scores, data.task, data.classes)
    return data.roles.join(pd.DataFrame(columns))


def _in_first_group(data: Dataset) -> np.ndarray:
    if not data.sensitive:
        return np.ones(len(data.roles), dtype=bool)
    groups = data.roles[data.sensitive[0]]
    first: np.ndarray = (groups == sorted(groups.dropna().unique())[0]).to_numpy(dtype=bool, na_value=False)
    return first
