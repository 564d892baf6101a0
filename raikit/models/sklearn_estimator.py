"""A fitted scikit-learn estimator as a raikit model; it gets the columns of all inputs as one data frame."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd

from raikit.errors import ModelError, raised
from raikit.format import counted
from raikit.models.base import Model
from raikit.models.class_positions import class_positions
from raikit.models.outputs import as_numbers

if TYPE_CHECKING:
    from raikit.data.batch import Batch
    from raikit.data.dataset import Dataset

_RANKS_ONLY = (
    "The numbers of its `decision_function` are not probabilities, so nothing is measured on scores; CalibratedClassifierCV of "
    "scikit-learn would add probabilities."
)


class SklearnModel(Model):
    """A wrapper of an estimator with ``predict_proba`` (classification) or ``predict``.

    The scores of a classifier without ``predict_proba`` are its decisions, 0 or 1, and it lacks the capability ``scores``. The
    numbers of a ``decision_function`` are no probabilities and are not used; `notes` says so.
    An estimator that was fitted on single texts and not on columns gets its one input as an array of texts, shape (n,).
    """

    kind = "sklearn"

    def __init__(
        self, estimator: Any, data: Dataset, notes: Sequence[str] = (), classes: Sequence[Any] | None = None
    ) -> None:  # fmt: skip
        if not hasattr(estimator, "predict"):
            raise ModelError(f"model.load: {type(estimator).__name__} has no `predict`; give a fitted estimator.")
        self.estimator, self.task, self.classes = estimator, data.task, data.classes
        self._notes = list(notes)
        self.modalities = {name: item.modality for name, item in data.inputs.items()}
        if data.task != "regression":
            self._order = self._class_order(estimator, data, classes)
        probabilities = hasattr(estimator, "predict_proba") and data.task != "regression"
        self.capabilities = frozenset({"labels"} | ({"scores"} if probabilities else set()))

    def _class_order(self, estimator: Any, data: Dataset, classes: Sequence[Any] | None) -> list[int]:
        """Return the columns of the estimator's scores in the order of the classes of the data, which may get further ones.

        `classes` names the estimator's, where it was fitted on other labels than those of the data.
        """
        known = getattr(estimator, "classes_", None)
        if known is None:
            raise ModelError(
                f"model.load: {type(estimator).__name__} has no `classes_`; give a fitted classifier."
            )
        if classes is not None and len(classes) != len(known):
            raise ModelError(f"model.load.classes names {counted(len(classes), 'class')}, and the estimator knows {len(known)}.")
        order = class_positions(list(known if classes is None else classes), data, "of the estimator")
        self.classes = data.classes
        return order

    def scores(self, batch: Batch) -> np.ndarray:
        """Compute the probabilities of the classes, shape (n, k), or the predicted values, shape (n, 1)."""
        table = self._texts(batch) if self._takes_texts else self._table(batch)
        if self.task == "regression":
            return as_numbers(self.estimator.predict(table)).reshape(-1, 1)
        if "scores" in self.capabilities:
            return as_numbers(self.estimator.predict_proba(table))[:, self._order]
        predicted = np.asarray(self.estimator.predict(table))
        own = list(self.estimator.classes_)
        return np.stack([predicted == own[index] for index in self._order], axis=1).astype(np.float64)

    def refitted(self, batch: Batch, target: np.ndarray) -> Self:
        """Return a copy whose estimator is fitted anew on the cases of a batch.

        Parameters
        ----------
        batch : Batch
        target : ndarray, shape (n,)
            Positions in `classes`, or numbers: those of the batch, or shuffled ones for a copy that knows nothing.

        Raises
        ------
        ModelError
            If the estimator cannot be fitted anew, or no case has one of its classes.
        """
        from sklearn.base import clone

        labels = target if self.task == "regression" else np.asarray(self.estimator.classes_)[np.asarray(self._order)[target]]
        try:
            # A search has found its settings; searching again would cost as many fits as it has tried.
            estimator = clone(getattr(self.estimator, "best_estimator_", self.estimator))
            estimator.fit(self._texts(batch) if self._takes_texts else self._table(batch), labels)
        except Exception as error:
            raise ModelError(f"{type(self.estimator).__name__} cannot be fitted anew: {raised(error)}") from error
        if self.task != "regression" and list(estimator.classes_) != list(self.estimator.classes_):
            raise ModelError("no case has one of the classes that the estimator knows.")
        copied = copy.copy(self)
        copied.estimator = estimator
        return copied

    def _table(self, batch: Batch) -> Any:
        return pd.concat([self._columns(name, batch) for name in self.modalities], axis=1)

    @property
    def _takes_texts(self) -> bool:
        """Whether the only input is text, and the estimator is one of scikit-learn that was not fitted on columns."""
        from sklearn.base import BaseEstimator

        columns_known = hasattr(self.estimator, "feature_names_in_") or hasattr(self.estimator, "n_features_in_")
        only_text = list(self.modalities.values()) == ["text"]
        return only_text and isinstance(self.estimator, BaseEstimator) and not columns_known

    def _texts(self, batch: Batch) -> np.ndarray:
        """Return the texts of the only input; a missing one is "", which every vectorizer can read."""
        values = next(batch.inputs[name] for name in self.modalities)
        return np.array(["" if value is None else value for value in values], dtype=object)

    def _columns(self, name: str, batch: Batch) -> Any:
        value = batch.inputs[name]
        if self.modalities[name] == "tabular":
            return value.reset_index(drop=True)
        return pd.DataFrame({name: value})

    def notes(self) -> list[str]:
        """Tell how it was saved, and that a classifier has no probabilities, where its numbers could be taken for some."""
        if "scores" in self.capabilities or self.task == "regression" or not hasattr(self.estimator, "decision_function"):
            return self._notes
        name = type(self.estimator).__name__
        return [*self._notes, f"{name} has no `predict_proba`. {_RANKS_ONLY}"]

    def describe(self) -> dict[str, Any]:
        """Return facts for the record."""
        return {**super().describe(), "estimator": type(self.estimator).__name__}
