"""From scores to decisions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

DECISION_THRESHOLD = 0.5  # unless a table of predictions sets its own


def decide(
    scores: npt.NDArray[np.float64], task: str, classes: Sequence[Any], threshold: float = DECISION_THRESHOLD
) -> dict[str, Any]:
    """Return the columns ``prediction`` and ``score…`` for an array of scores.

    Parameters
    ----------
    scores : ndarray of float64, shape (n, k)
        Probabilities of the classes; for regression the predicted value, with k = 1.
    task : str
    classes : sequence
        Labels in the order of the columns; empty for regression.
    threshold : float
        Binary targets only: the positive class is predicted from this probability on. With more classes the largest score
        decides, and the first of equal ones.
    """
    if task == "regression":
        return {"prediction": scores[:, 0]}
    labels = np.asarray(classes, dtype=object)
    if task == "binary":
        positive = scores[:, 1] >= threshold
        return {"prediction": labels[positive.astype(int)].tolist(), "score": scores[:, 1]}
    columns: dict[str, Any] = {"prediction": labels[scores.argmax(axis=1)].tolist()}
    return columns | {f"score.{label}": scores[:, index] for index, label in enumerate(classes)}


def is_score(column: str) -> bool:
    """Return whether a column of ``predictions.parquet`` holds scores.

    Examples
    --------
    >>> is_score("score"), is_score("score.cat"), is_score("prediction")
    (True, True, False)
    """
    return column == "score" or column.startswith("score.")
