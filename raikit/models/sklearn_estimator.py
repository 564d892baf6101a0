"""A fitted scikit-learn estimator as a raikit model; it gets the columns of all inputs as one data frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from raikit.address import text
from raikit.errors import ModelError
from raikit.models.base import Model

if TYPE_CHECKING:
    from raikit.data.batch import Batch
    from raikit.data.dataset import Dataset


class SklearnModel(Model):
    """A wrapper of an estimator with ``predict_proba`` (classification) or ``predict``.

    The scores of a classifier without ``predict_proba`` are its decisions, 0 or 1, and it lacks the capability ``scores``.
    """

    kind = "sklearn"

    def __init__(self, estimator: Any, data: Dataset) -> None:
        if not hasattr(estimator, "predict"):
            raise ModelError(f"model.load: {type(estimator).__name__} has no `predict`; give a fitted estimator.")
        self.estimator, self.task, self.classes = estimator, data.task, data.classes
        self.modalities = {name: item.modality for name, item in data.inputs.items()}
        if data.task != "regression":
            self._order = self._class_order(estimator)
        probabilities = hasattr(estimator, "predict_proba") and data.task != "regression"
        self.capabilities = frozenset({"labels"} | ({"scores"} if probabilities else set()))

    def _class_order(self, estimator: Any) -> list[int]:
        """Return the columns of the estimator's scores in the order of the classes of the data."""
        known = getattr(estimator, "classes_", None)
        if known is None:
            raise ModelError(
                f"model.load: {type(estimator).__name__} has no `classes_`; give a fitted classifier."
            )
        own = [text(label.item() if hasattr(label, "item") else label) for label in known]
        expected = [text(label) for label in self.classes]
        if sorted(own) != sorted(expected):
            raise ModelError(
                f"model.load: the classes of the estimator are {', '.join(own)}; those of the data are {', '.join(expected)}."
            )
        return [own.index(label) for label in expected]

    def scores(self, batch: Batch) -> np.ndarray:
        """Compute the probabilities of the classes, shape (n, k), or the predicted values, shape (n, 1)."""
        table = pd.concat([self._columns(name, batch) for name in self.modalities], axis=1)
        if self.task == "regression":
            return np.asarray(self.estimator.predict(table), dtype=np.float64).reshape(-1, 1)
        if "scores" in self.capabilities:
            return np.asarray(self.estimator.predict_proba(table), dtype=np.float64)[:, self._order]
        predicted = np.asarray(self.estimator.predict(table))
        own = list(self.estimator.classes_)
        return np.stack([predicted == own[index] for index in self._order], axis=1).astype(np.float64)

    def _columns(self, name: str, batch: Batch) -> Any:
        value = batch.inputs[name]
        if self.modalities[name] == "tabular":
            return value.reset_index(drop=True)
        return pd.DataFrame({name: value})

    def describe(self) -> dict[str, Any]:
        """Return facts for the record."""
        return {**super().describe(), "estimator": type(self.estimator).__name__}
