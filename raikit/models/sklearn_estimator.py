"""A fitted scikit-learn estimator as a raikit model: it sees the tabular inputs' columns as one data frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from raikit.errors import ModelError
from raikit.models.base import Model

if TYPE_CHECKING:
    import numpy as np

    from raikit.data.batch import Batch
    from raikit.data.dataset import Dataset


class SklearnModel(Model):
    """Wraps an estimator with ``predict_proba`` (classification) or ``predict``.

    Without ``predict_proba`` a classifier gives its decision as a score of 0 or 1, and has no capability ``scores``.
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
        """Columns of the estimator's scores in the order of the data's classes."""
        from raikit.address import text

        known = getattr(estimator, "classes_", None)
        if known is None:
            raise ModelError(
                f"model.load: {type(estimator).__name__} has no `classes_`; it was not fitted as a classifier."
            )
        own = [text(label.item() if hasattr(label, "item") else label) for label in known]
        wanted = [text(label) for label in self.classes]
        if sorted(own) != sorted(wanted):
            raise ModelError(
                f"model.load: the estimator's classes are {', '.join(own)}; the data's are {', '.join(wanted)}."
            )
        return [own.index(label) for label in wanted]

    def scores(self, batch: Batch) -> np.ndarray:
        import numpy as np
        import pandas as pd

        table = pd.concat([self._columns(name, batch) for name in self.modalities], axis=1)
        if self.task == "regression":
            return np.asarray(self.estimator.predict(table), dtype=np.float64).reshape(-1, 1)
        if "scores" in self.capabilities:
            return np.asarray(self.estimator.predict_proba(table), dtype=np.float64)[:, self._order]
        decided = np.asarray(self.estimator.predict(table))
        own = list(self.estimator.classes_)
        return np.stack([decided == own[index] for index in self._order], axis=1).astype(np.float64)

    def _columns(self, name: str, batch: Batch) -> Any:
        import pandas as pd

        value = batch.inputs[name]
        if self.modalities[name] == "tabular":
            return value.reset_index(drop=True)
        return pd.DataFrame({name: value})

    def describe(self) -> dict[str, Any]:
        return {**super().describe(), "estimator": type(self.estimator).__name__}
