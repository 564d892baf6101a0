"""A function of a table of cases as a raikit model: whatever computes scores and is none of the known kinds."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from raikit.errors import ModelError
from raikit.models.base import Model
from raikit.models.outputs import as_numbers

if TYPE_CHECKING:
    from raikit.data.batch import Batch
    from raikit.data.dataset import Dataset


class FunctionModel(Model):
    """A wrapper of a function that gets a DataFrame of the columns of all inputs, one row a case, and returns their scores.

    Of classes it returns probabilities: shape (n, k) in the order of the data's classes, or of a binary target shape (n,) or
    (n, 1), that of the positive class. Of a regression it returns the predicted values.
    """

    kind = "function"
    capabilities = frozenset({"labels", "scores"})

    def __init__(self, function: Callable[[pd.DataFrame], Any], data: Dataset) -> None:
        self._function, self.task, self.classes = function, data.task, data.classes
        self.modalities = {name: item.modality for name, item in data.inputs.items()}

    def scores(self, batch: Batch) -> np.ndarray:
        """Compute the probabilities of the classes, shape (n, k), or the predicted values, shape (n, 1)."""
        scores = self._numbers(self._function(self._table(batch)))
        if scores.ndim == 1:
            scores = scores.reshape(-1, 1)
        if self.task == "binary" and scores.ndim == 2 and scores.shape[1] == 1:
            return np.concatenate([1 - scores, scores], axis=1)
        return scores

    def _table(self, batch: Batch) -> pd.DataFrame:
        tables = [
            batch.inputs[name].reset_index(drop=True) if modality == "tabular"
            else pd.DataFrame({name: pd.Series(list(batch.inputs[name]), dtype=object)})
            for name, modality in self.modalities.items()
        ]  # fmt: skip
        joined: pd.DataFrame = pd.concat(tables, axis=1)
        return joined

    @staticmethod
    def _numbers(values: Any) -> np.ndarray:
        if hasattr(values, "detach"):  # a tensor of torch, perhaps on another device and with a gradient
            values = values.detach().cpu().numpy()
        try:
            return as_numbers(values)
        except (ValueError, TypeError):
            raise ModelError("the function returned no numbers; return the probability of each class, not labels.") from None

    def describe(self) -> dict[str, Any]:
        """Return facts for the record."""
        return {**super().describe(), "function": getattr(self._function, "__name__", type(self._function).__name__)}
