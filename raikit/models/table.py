"""``kind: predictions``: the data's table already holds a model's predictions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from pydantic import ConfigDict, Field

from raikit.address import text
from raikit.config.types import NumbersToComputeWith
from raikit.data.cells import TOO_LARGE, first_too_large
from raikit.data.classes import PredictedClasses
from raikit.data.groups import refuse_nested
from raikit.data.labels import ClassNames
from raikit.data.multilabel import PREDICTED, SCORED
from raikit.data.parts import LABEL
from raikit.errors import DataError, listed
from raikit.models.decisions import DECISION_THRESHOLD, decide
from raikit.models.probabilities import are_decisions, clip_rounding, first_improbable, first_incomplete

if TYPE_CHECKING:
    from pathlib import Path

    from raikit.data.dataset import Dataset

_UNKNOWN = object()


class PredictionsSpec(NumbersToComputeWith):
    """Settings of ``model.load`` with ``kind: predictions``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: str = "predictions"
    prediction: str | dict[str, str] | None = Field(
        None, description="Column of decisions, or label to its column; absent: from the score and `threshold`."
    )
    score: str | None = Field(None, description="Column with the probability of the positive class (binary).")
    scores: dict[str, str] | None = Field(None, description="Class or label to column of its probability.")
    threshold: float = Field(
        DECISION_THRESHOLD, ge=0, le=1, description="Decides for the positive class from this score on."
    )

    @property
    def classes(self) -> PredictedClasses:
        """What the columns say about classes."""
        decided = self.prediction if isinstance(self.prediction, str) else None
        by_label = {"prediction": _by_label(self.prediction), "score": self.scores or _by_label(self.score)}
        return PredictedClasses(decided, tuple(self.scores or ()), by_label)

    @property
    def columns(self) -> list[str]:
        """Columns of the table that are read."""
        columns = (_by_label(self.prediction), _by_label(self.score), self.scores or {})
        return list(dict.fromkeys(name for by_label in columns for name in by_label.values()))


@dataclass(frozen=True)
class PredictionsTable:
    """Predictions that were made elsewhere and stand in the data's table. Nothing new can be scored."""

    spec: PredictionsSpec

    is_model = False

    @property
    def model(self) -> None:
        """Return None, because there is no model to call."""
        return None

    @property
    def capabilities(self) -> frozenset[str]:
        """Return ``labels``, and ``scores`` if the table has a column of them."""
        has_scores = self.spec.score is not None or self.spec.scores is not None
        return frozenset({"labels", "scores"} if has_scores else {"labels"})

    def describe(self) -> dict[str, Any]:
        """Return facts for the record."""
        return {"kind": "predictions", "capabilities": sorted(self.capabilities)}

    def notes(self, predictions: Sequence[str]) -> list[str]:
        """Return nothing: what the table's predictions leave open is an error."""
        return []

    def predict(
        self, data: Dataset, progress: Callable[[int, int], None] = lambda done, total: None, parts: Path | None = None
    ) -> pd.DataFrame:
        """Return the roles of every case with the table's ``prediction`` and ``score…``.

        Raises
        ------
        DataError
            If a value is NaN, a score is not a probability, or a prediction is not among the classes; names the row.
        """
        return data.roles.join(self._columns(data))

    def _columns(self, data: Dataset) -> pd.DataFrame:
        spec, table = self.spec, data.extra
        columns: dict[str, Any] = {}
        if data.task == "regression":
            return pd.DataFrame({"prediction": _numbers(table, str(spec.prediction), data)}, index=table.index)
        if spec.score is not None:
            score = _numbers(table, spec.score, data, probability=True)
            _refuse_decisions(score, [spec.score], data)
            columns = decide(np.stack([1 - score, score], axis=1), "binary", data.classes, spec.threshold)
            columns["score"] = score
        elif spec.scores is not None:
            kind = "binary" if data.task == "binary" else "multiclass"
            columns = decide(_distribution(table, spec.scores, data), kind, data.classes, spec.threshold)
        if spec.prediction is not None:
            columns.pop("prediction", None)
            columns = {"prediction": _labels(table, str(spec.prediction), data), **columns}
        return pd.DataFrame(columns, index=table.index)


def open_table(spec: Mapping[str, Any], data: Dataset) -> PredictionsTable:
    """Return the predictions that `spec`, the ``model.load`` of a configuration, finds in the table of `data`.

    Raises
    ------
    DataError
        If `spec` names no column, or columns that do not suit the task.
    """
    settings = _of_cases(PredictionsSpec.model_validate(dict(spec)), data)
    if data.task == "binary" and settings.score is None and settings.scores is None and settings.prediction is None:
        raise DataError("model.load: name the column of the `prediction`, of the `score`, or of both.")
    if data.task == "multiclass" and settings.prediction is None and settings.scores is None:
        raise DataError("model.load: name the column of the `prediction`, or `scores` as a mapping of class to column.")
    if data.task == "multiclass" and settings.score is not None:
        raise DataError("model.load.score: with more than two classes give `scores`, a mapping of class to column.")
    if data.task == "regression" and settings.prediction is None:
        raise DataError("model.load: name the column of the `prediction`.")
    return PredictionsTable(settings)


def _by_label(columns: str | Mapping[str, str] | None) -> Mapping[str, str]:
    return {} if columns is None else {"": columns} if isinstance(columns, str) else columns


def _of_cases(spec: PredictionsSpec, data: Dataset) -> PredictionsSpec:
    """Return the settings as they are for the cases, of which each has one label."""
    if data.parts is None or data.parts.role != LABEL:
        if isinstance(spec.prediction, dict):
            raise DataError("model.load.prediction: only several labels (`task: multilabel`) have a column each; name one column.")
        return spec
    present = {key: name for key, name in (("prediction", PREDICTED), ("score", SCORED)) if name in data.extra_columns}
    return PredictionsSpec(**present, threshold=spec.threshold)


def _numbers(table: pd.DataFrame, column: str, data: Dataset, probability: bool = False) -> np.ndarray:
    refuse_nested(table[column], column)
    try:
        values = pd.to_numeric(table[column], errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    except OverflowError:  # a whole number of Python beyond any float
        raise DataError(f"model.load: the column {column!r} holds a number {TOO_LARGE}.") from None
    if (bad := np.flatnonzero(~np.isfinite(values))).size:
        raise DataError(f"{data.where(int(bad[0]))}: {column} is not a finite number.")
    if not probability:
        if (large := first_too_large(values)) is not None:
            raise DataError(f"{data.where(large)}: {column} is {TOO_LARGE}.")
        return values
    values = clip_rounding(values)
    if (wrong := first_improbable(values)) is not None:
        raise DataError(
            f"{data.where(wrong[0])}: {column} is {wrong[1]}, which is not a probability; "
            "rescale it to 0 … 1, or leave `score` out and give the `prediction`."
        )
    return values


def _refuse_decisions(scores: np.ndarray, columns: Sequence[str], data: Dataset) -> None:
    """Raise if no score lies between 0 and 1: areas and calibration of decisions would look like those of scores."""
    if len(scores) and are_decisions(scores):
        raise DataError(
            f"{data.path.name}: every value of {listed(columns)} is 0 or 1, a decision and no score; "
            "name a column of decisions as `prediction`, and leave it out of the scores."
        )


def _distribution(table: pd.DataFrame, columns: Mapping[str, str], data: Dataset) -> np.ndarray:
    """Return the probabilities of the classes, shape (n, k), in the order of the data's classes."""
    names = ClassNames(data.classes)
    by_class = {text(names.find(name, name)): column for name, column in columns.items()}
    known = [text(label) for label in data.classes]
    if set(by_class) != set(known):
        odd = sorted(set(by_class) ^ set(known))[0]
        problem = f"{odd!r} is missing" if odd in known else f"{odd!r} is not a class"
        raise DataError(f"model.load.scores: {problem}; the classes are {', '.join(sorted(known))}.")
    scores = np.stack([_numbers(table, by_class[name], data, probability=True) for name in known], axis=1)
    if (bad := first_incomplete(scores)) is not None:
        raise DataError(f"{data.where(bad)}: the scores add up to {scores[bad].sum():g}, not to 1.")
    _refuse_decisions(scores, [by_class[name] for name in known], data)
    return scores


def _labels(table: pd.DataFrame, column: str, data: Dataset) -> Sequence[Any]:
    """Return decisions as the classes' own values: 1.0, "1" and True all mean the class 1 if there is one."""
    names = ClassNames(data.classes)
    refuse_nested(table[column], column)
    codes, values = table[column].factorize(use_na_sentinel=True)
    if (codes < 0).any():
        raise DataError(f"{data.where(int((codes < 0).argmax()))}: {column} is missing.")
    known = [names.find(value, _UNKNOWN) for value in values]
    if _UNKNOWN in known:
        position = int((codes == known.index(_UNKNOWN)).argmax())
        raise DataError(
            f"{data.where(position)}: {column} is {str(values[known.index(_UNKNOWN)])!r}, which is not among the "
            f"classes {', '.join(text(label) for label in data.classes)}; if it is one, name all in data.classes."
        )
    return [known[code] for code in codes]
