"""From scores to decisions."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def decide(scores: npt.NDArray[np.float64], task: str, classes: Any, threshold: float) -> dict[str, Any]:
    """Columns ``prediction`` and ``score…`` of an array of scores, shape (n, k).

    Ties of the largest score go to the class that comes first.
    """
    if task == "regression":
        return {"prediction": scores[:, 0]}
    labels = np.asarray(classes, dtype=object)
    if task == "binary":
        positive = scores[:, 1] >= threshold
        return {"prediction": labels[positive.astype(int)].tolist(), "score": scores[:, 1]}
    columns: dict[str, Any] = {"prediction": labels[scores.argmax(axis=1)].tolist()}
    return columns | {f"score.{label}": scores[:, index] for index, label in enumerate(classes)}
