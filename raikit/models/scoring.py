"""Score every case of every split once, and keep the predictions as Parquet."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd

from raikit.data.cells import TOO_LARGE, first_too_large
from raikit.data.counted import CountedDataset
from raikit.errors import ModelError, RaikitError, listed, raised
from raikit.models.decisions import decide, is_score
from raikit.models.outputs import as_numbers
from raikit.models.probabilities import SUM_TOLERANCE, are_decisions, clip_rounding, first_improbable
from raikit.models.runtime import is_out_of_memory
from raikit.models.score_files import ScoredParts
from raikit.run.predictions import write_parts, write_predictions

if TYPE_CHECKING:
    from raikit.data.batch import Batch
    from raikit.data.dataset import Dataset
    from raikit.models.base import Model

BATCH = 256
_WINDOW = 8  # batches; of more cases fewer would share the media that were decoded last

Progress = Callable[[int, int], None]


class PredictionSource(Protocol):
    """Where an audit's predictions come from: a model that scores the cases, or a table that already holds them."""

    @property
    def model(self) -> Model | None:
        """Return the model that checks in this process may call, None if there is none."""

    @property
    def is_model(self) -> bool:
        """Return whether a model scores the cases, in this process or another; false for a table."""

    @property
    def capabilities(self) -> frozenset[str]:
        """Return what checks may require of the source."""

    def describe(self) -> dict[str, Any]:
        """Return facts for the record."""

    def notes(self, predictions: Sequence[str]) -> list[str]:
        """Return sentences for the record about the predictions, whose columns are given."""

    def predict(self, data: Dataset, progress: Progress, parts: Path | None = None) -> pd.DataFrame:
        """Return the rows of ``predictions.parquet``: the roles of every case, then its prediction and scores.

        `parts` is a folder in which a model's scores are kept meanwhile, to go on after an interruption.
        """


def score(
    source: PredictionSource, data: Dataset, path: Path, *, progress: Progress = lambda done, total: None, parts: Path | None = None
) -> int:
    """Write ``predictions.parquet``; in `parts` a model's scores are kept meanwhile, to go on after an interruption.

    Returns
    -------
    int
        Number of cases that a model scored; 0 if the table held the predictions.

    Raises
    ------
    ModelError
        If the model raises, or gives scores of another shape, NaN or no probabilities; names the case.
    DataError
        If the table's predictions cannot be used; names the row.
    """
    predictions = source.predict(data, progress, parts)
    if isinstance(data, CountedDataset):
        write_parts(data.expand(predictions), path)
    else:
        write_predictions(predictions, path)
    return len(predictions) if source.is_model else 0


@dataclass(frozen=True)
class ModelScorer:
    """Predictions of a model, made in batches."""

    model: Model
    batch_size: int = BATCH

    is_model = True

    @property
    def capabilities(self) -> frozenset[str]:
        """Return the model's capabilities."""
        return self.model.capabilities

    def describe(self) -> dict[str, Any]:
        """Return what the model says of itself."""
        return self.model.describe()

    def notes(self, predictions: Sequence[str]) -> list[str]:
        """Return what the model says of how it was read, and whether its scores were left out."""
        return [*self.model.notes(), *self.model.limits, *left_out_scores(predictions, self.capabilities, self.model.classes)]

    def predict(self, data: Dataset, progress: Progress, parts: Path | None = None) -> pd.DataFrame:
        """Score every case of `data` once. Decisions are no scores: where a model gives nothing else, there are none.

        Raises
        ------
        ModelError
            If the model raises, or gives scores of another shape, NaN or no probabilities; names the case.
        """
        ids, scores = score_all(self.model, data, progress, self.batch_size, parts)
        return predictions_of(ids, scores, data, self.capabilities)


def left_out_scores(predictions: Sequence[str], capabilities: frozenset[str], classes: Sequence[Any]) -> list[str]:
    """Return a sentence if a model's scores are not among the columns of the predictions, because they are decisions."""
    if not classes or "scores" not in capabilities or any(is_score(column) for column in predictions):
        return []
    return ["Every score of the model is 0 or 1. These are decisions, not probabilities, so nothing is measured on scores."]


def score_all(
    model: Model, data: Dataset, progress: Progress, batch_size: int = BATCH, parts: Path | None = None
) -> tuple[list[Any], np.ndarray]:
    """Score every case of every split in batches, which are halved for good where memory does not suffice.

    Parameters
    ----------
    model : Model
    data : Dataset
    progress : callable
        ``progress(done, total)``, in cases.
    batch_size : int
    parts : Path, optional
        Folder in which scores are kept every few seconds; a scoring that was interrupted goes on behind them.

    Returns
    -------
    ids : list
    scores : ndarray of float64, shape (n, k)

    Raises
    ------
    ModelError
        If the model raises, or gives scores of another shape, NaN or no probabilities; names the case.
    """
    order = {split: scoring_order(size, data.text_lengths(split), batch_size) for split, size in data.splits.items()}
    total, scored = sum(data.splits.values()), ScoredParts(parts)
    skipped = scored.restore(_ids_in(order, data)) if parts is not None else 0
    scorer = BatchScorer(model, data, batch_size)
    for split, size in data.splits.items():
        rest = order[split][skipped:]
        skipped = max(skipped - size, 0)
        for batch in data.batches(split, batch_size, indices=rest):
            scored.add(batch.ids, scorer.scores(batch))
            progress(len(scored.ids), total)
    return in_table_order(scored.ids, scored.scores(max(len(data.classes), 1)), list(order.values()))


def _ids_in(order: Mapping[str, np.ndarray], data: Dataset) -> list[Any]:
    """Return the ids of all cases in the order in which they are scored."""
    return [id for split, at in order.items() for id in data.roles["id"].iloc[data.positions(split)[at]].tolist()]


@dataclass
class BatchScorer:
    """The model's valid scores of one batch after another; batches are halved for good where memory does not suffice."""

    model: Model
    data: Dataset
    together: int

    def scores(self, batch: Batch) -> np.ndarray:
        """Return the scores of a batch, shape (n, k).

        Raises
        ------
        ModelError
            If the model raises, or gives scores of another shape, NaN or no probabilities; names the case.
        """
        scores, self.together = scores_in_memory(self.model, batch, self.together)
        return validate_scores(scores, batch.ids, self.data)


def scoring_order(cases: int, lengths: np.ndarray | None, batch_size: int) -> np.ndarray:
    """Return the order in which cases are scored: among those of a few batches by length, as a batch is padded to its longest text.

    Parameters
    ----------
    cases : int
    lengths : ndarray or None
        Of the text of each case; None keeps the order of the table.
    batch_size : int

    Returns
    -------
    ndarray of int64, shape (cases,)
        Positions; the longest of some batches come first, because they need the most memory.
    """
    if lengths is None:
        return np.arange(cases)
    windows = np.arange(cases) // (batch_size * _WINDOW)
    return np.lexsort((-lengths, windows))


def in_table_order(ids: Sequence[Any], scores: np.ndarray, orders: Sequence[np.ndarray]) -> tuple[list[Any], np.ndarray]:
    """Return ids and scores in the order of the table; `orders` are those in which the cases of each split were scored."""
    starts = np.cumsum([0, *map(len, orders)])
    back = np.argsort(np.concatenate([[], *(order + start for order, start in zip(orders, starts, strict=False))]))
    return [ids[at] for at in back.tolist()], scores[back]


def predictions_of(ids: Sequence[Any], scores: np.ndarray, data: Dataset, capabilities: frozenset[str]) -> pd.DataFrame:
    """Return the rows of ``predictions.parquet``: the roles of the scored cases, with decisions and scores.

    Parameters
    ----------
    ids : sequence
        Of the scored cases. Cases whose media could not be read have roles but no prediction.
    scores : ndarray of float64, shape (n, k)
    data : Dataset
    capabilities : frozenset of str
        Of the model.
    """
    columns = decide(scores, data.task, data.classes)
    if "scores" not in capabilities or are_decisions(scores):
        columns = {name: column for name, column in columns.items() if not is_score(name)}
    decisions = pd.DataFrame(columns, index=pd.Index(ids, name="id"))
    roles = data.roles.set_index("id", drop=False)
    roles.index.name = None
    scored = roles.loc[decisions.index]
    leading = scored[["id", "split", "target"]]
    rest = scored.drop(columns=["id", "split", "target"])
    return pd.concat([leading, decisions, rest], axis=1).reset_index(drop=True)


def scores_in_memory(model: Model, batch: Batch, together: int) -> tuple[np.ndarray, int]:
    """Return the scores of a batch, and how many cases fit in memory together: at most `together`.

    Raises
    ------
    ModelError
        If the model raises, or one case does not fit in memory.
    """
    while True:
        try:
            if len(batch) <= together:
                return _scores_of(model, batch), together
            starts = range(0, len(batch), together)
            parts = [_scores_of(model, batch.take(range(at, min(at + together, len(batch))))) for at in starts]
            return np.concatenate(parts), together
        except MemoryError:
            if together == 1:
                raise ModelError("model: there is not enough memory to score one case.") from None
            together = max(min(together, len(batch)) // 2, 1)


def _scores_of(model: Model, batch: Batch) -> np.ndarray:
    """Return the scores of a batch; whatever the model raises is reported as the model's error.

    Raises
    ------
    MemoryError
        If torch could not allocate memory.
    """
    try:
        return model.scores(batch)
    except (RaikitError, MemoryError):
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise MemoryError(str(error)) from None
        name, colon, message = raised(error).partition(": ")
        raise ModelError(
            f"the model ({model.kind}) raised {name} for the cases from id {batch.ids[0]!r} on{colon}{message}; "
            "raikit --debug shows where."
        ) from error


def validate_scores(scores: np.ndarray, ids: Sequence[Any], data: Dataset) -> np.ndarray:
    """Return scores as float64, probabilities without float32 rounding; raise if they are none, and name the case."""
    width = 1 if data.task == "regression" else len(data.classes)
    scores = as_numbers(scores)
    if scores.shape != (len(ids), width):
        classes = f", for the classes {listed(data.classes)} (data.classes can declare others)" if data.classes else ""
        raise ModelError(
            f"the model returned scores of shape {scores.shape} for {len(ids)} cases; expected {(len(ids), width)}{classes}."
        )
    if not np.isfinite(scores).all():
        position = int(np.flatnonzero(~np.isfinite(scores).all(axis=1))[0])
        raise ModelError(f"the model returned a score that is NaN or infinite for the case with id {ids[position]!r}.")
    if data.task != "regression":
        return _probabilities(scores, ids)
    if (large := first_too_large(scores[:, 0])) is not None:
        raise ModelError(f"the case with id {ids[large]!r} is predicted as a number {TOO_LARGE}.")
    return scores


def _probabilities(scores: np.ndarray, ids: Sequence[Any]) -> np.ndarray:
    """Return scores without float32 rounding; raise if they are no probabilities, such as logits."""
    scores = clip_rounding(scores)
    if (bad := first_improbable(scores)) is not None:
        raise ModelError(
            f"the model returned the score {bad[1]} for the case with id {ids[bad[0]]!r}; scores must be probabilities, "
            "of each class, from 0 to 1."
        )
    if (wrong := np.flatnonzero(np.abs(scores.sum(axis=1) - 1) > SUM_TOLERANCE)).size:
        row = int(wrong[0])
        raise ModelError(
            f"the model's scores for the case with id {ids[row]!r} add up to {scores[row].sum():.9g}; the probabilities of "
            "the classes must add up to 1."
        )
    return scores
