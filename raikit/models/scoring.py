"""Score every case of every split once, and keep the predictions as Parquet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd

from raikit.errors import ModelError, RaikitError
from raikit.models.decisions import decide
from raikit.run.predictions import write_predictions

if TYPE_CHECKING:
    from raikit.data.batch import Batch
    from raikit.data.dataset import Dataset
    from raikit.models.base import Model

BATCH = 256

Progress = Callable[[int, int], None]


class PredictionSource(Protocol):
    """Where an audit's predictions come from: a model that scores the cases, or a table that already holds them."""

    @property
    def model(self) -> Model | None:
        """Return the model that checks may call, None if there is only a table."""

    @property
    def capabilities(self) -> frozenset[str]:
        """Return what checks may require of the source."""

    def describe(self) -> dict[str, Any]:
        """Return facts for the record."""

    def predict(self, data: Dataset, progress: Progress) -> pd.DataFrame:
        """Return the rows of ``predictions.parquet``: the roles of every case, then its prediction and scores."""


def score(source: PredictionSource, data: Dataset, path: Path, *, progress: Progress = lambda done, total: None) -> int:
    """Write ``predictions.parquet``.

    Returns
    -------
    int
        Number of cases that a model scored; 0 if the table held the predictions.

    Raises
    ------
    ModelError
        If the model raises, or gives scores of another shape or NaN; names the case.
    DataError
        If the table's predictions cannot be used; names the row.
    """
    predictions = source.predict(data, progress)
    write_predictions(predictions, path)
    return len(predictions) if source.model is not None else 0


@dataclass(frozen=True)
class ModelScorer:
    """Predictions of a model, made in batches."""

    model: Model

    @property
    def capabilities(self) -> frozenset[str]:
        """Return the model's capabilities."""
        return self.model.capabilities

    def describe(self) -> dict[str, Any]:
        """Return what the model says of itself."""
        return self.model.describe()

    def predict(self, data: Dataset, progress: Progress) -> pd.DataFrame:
        """Score every case of `data` once.

        Raises
        ------
        ModelError
            If the model raises, or gives scores of another shape or NaN; names the case.
        """
        total = sum(data.splits.values())
        ids: list[Any] = []
        parts: list[np.ndarray] = []
        for split in data.splits:
            for batch in data.batches(split, BATCH):
                parts.append(_validate_scores(_scores_of(self.model, batch), batch.ids, data))
                ids.extend(batch.ids)
                progress(len(ids), total)
        scores = np.concatenate(parts) if parts else np.empty((0, max(len(data.classes), 1)))
        decisions = pd.DataFrame(decide(scores, data.task, data.classes), index=pd.Index(ids, name="id"))
        roles = data.roles.set_index("id", drop=False)
        roles.index.name = None
        # Cases whose media could not be read were skipped, so they have roles but no prediction.
        scored = roles.loc[decisions.index]
        leading = scored[["id", "split", "target"]]
        rest = scored.drop(columns=["id", "split", "target"])
        return pd.concat([leading, decisions, rest], axis=1).reset_index(drop=True)


def _scores_of(model: Model, batch: Batch) -> np.ndarray:
    """Return the scores of a batch; whatever the model raises is reported as the model's error."""
    try:
        return model.scores(batch)
    except RaikitError:
        raise
    except Exception as error:
        raise ModelError(
            f"the model ({model.kind}) raised {type(error).__name__} for the cases from id {batch.ids[0]!r} on: {error}; "
            "raikit --debug shows where."
        ) from error


def _validate_scores(scores: np.ndarray, ids: Sequence[Any], data: Dataset) -> np.ndarray:
    width = 1 if data.task == "regression" else len(data.classes)
    scores = np.asarray(scores, dtype=np.float64)
    if scores.shape != (len(ids), width):
        raise ModelError(
            f"the model returned scores of shape {scores.shape} for {len(ids)} cases; expected {(len(ids), width)}."
        )
    if not np.isfinite(scores).all():
        position = int(np.flatnonzero(~np.isfinite(scores).all(axis=1))[0])
        raise ModelError(f"the model returned a score that is NaN or infinite for the case with id {ids[position]!r}.")
    return scores
