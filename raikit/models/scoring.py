"""Scoring: every row of every split once, kept as Parquet; or taken from the table where it holds predictions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raikit.errors import ModelError, RaikitError
from raikit.files import atomic
from raikit.models.decisions import decide
from raikit.models.table import TableModel

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from raikit.data.batch import Batch
    from raikit.data.dataset import Dataset
    from raikit.models.base import Model

BATCH = 256


def score(
    model: Model,
    data: Dataset,
    path: Path,
    *,
    threshold: float = 0.5,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> int:
    """Write ``predictions.parquet``.

    Parameters
    ----------
    threshold : float
        Binary: the positive class is decided from this probability on.

    Returns
    -------
    int
        Rows scored by the model; 0 if the table held the predictions.

    Raises
    ------
    ModelError
        If the model gives scores of another shape, or NaN; names the row.
    """
    scored = 0
    if isinstance(model, TableModel):
        frame = data.roles.join(model.columns_for(data))
    else:
        frame = _score_all(model, data, threshold, progress)
        scored = len(frame)
    with atomic(path) as temporary:
        frame.to_parquet(temporary, index=False)
    return scored


def _score_all(model: Model, data: Dataset, threshold: float, progress: Callable[[int, int], None]) -> pd.DataFrame:
    import numpy as np
    import pandas as pd

    total, done = sum(data.splits.values()), 0
    ids: list[Any] = []
    parts: list[np.ndarray] = []
    for split in data.splits:
        for batch in data.batches(split, BATCH):
            parts.append(_checked(_asked(model, batch), batch.ids, data))
            ids.extend(batch.ids)
            done += len(batch)
            progress(done, total)
    scores = np.concatenate(parts) if parts else np.empty((0, max(len(data.classes), 1)))
    decided = pd.DataFrame(decide(scores, data.task, data.classes, threshold), index=pd.Index(ids, name="id"))
    roles = data.roles.set_index("id", drop=False)
    roles.index.name = None
    # rows whose media could not be read were skipped, so they are in no prediction
    kept = roles.loc[decided.index]
    leading = kept[["id", "split", "target"]]
    rest = kept.drop(columns=["id", "split", "target"])
    return pd.concat([leading, decided, rest], axis=1).reset_index(drop=True)


def _asked(model: Model, batch: Batch) -> np.ndarray:
    """Scores of a batch; whatever the model raises is told as the model's."""
    try:
        return model.scores(batch)
    except RaikitError:
        raise
    except Exception as error:
        raise ModelError(
            f"the model ({model.kind}) raised {type(error).__name__} for the rows from id {batch.ids[0]!r} on: {error}; "
            "raikit --debug shows where."
        ) from error


def _checked(scores: np.ndarray, ids: Any, data: Dataset) -> np.ndarray:
    import numpy as np

    width = 1 if data.task == "regression" else len(data.classes)
    scores = np.asarray(scores, dtype=np.float64)
    if scores.shape != (len(ids), width):
        raise ModelError(
            f"the model gave scores of shape {scores.shape} for {len(ids)} rows; {(len(ids), width)} is right."
        )
    if not np.isfinite(scores).all():
        row = int(np.flatnonzero(~np.isfinite(scores).all(axis=1))[0])
        raise ModelError(f"the model gave a score that is no number for the row with id {ids[row]!r}.")
    return scores
