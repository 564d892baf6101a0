"""``kind: predictions``: the table already holds what a model said."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from raikit.errors import DataError
from raikit.models.base import Model

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from raikit.data.batch import Batch
    from raikit.data.dataset import Dataset


class PredictionsSpec(BaseModel):
    """Settings of ``model.load`` with ``kind: predictions``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: str = "predictions"
    prediction: str | None = Field(None, description="Column of decisions; absent: from the score and `threshold`.")
    score: str | None = Field(None, description="Column with the probability of the positive class (binary).")
    scores: dict[str, str] | None = Field(None, description="Class to column of its probability (multiclass).")
    threshold: float = Field(0.5, ge=0, le=1, description="Decides for the positive class from this score on.")

    @property
    def columns(self) -> list[str]:
        """Columns of the table that are read."""
        return [name for name in (self.prediction, self.score, *(self.scores or {}).values()) if name]


class TableModel(Model):
    """Predictions that were made elsewhere. It cannot be asked anything new."""

    kind = "predictions"

    def __init__(self, spec: PredictionsSpec, data: Dataset) -> None:
        self.spec = spec
        self.classes = data.classes
        has_scores = spec.score is not None or spec.scores is not None
        self.capabilities = frozenset({"labels"} | ({"scores"} if has_scores else set()))

    def scores(self, batch: Batch) -> np.ndarray:
        raise self._lacks("scores of new rows")

    def columns_for(self, data: Dataset) -> pd.DataFrame:
        """``prediction`` and ``score…`` of every row, checked.

        Raises
        ------
        DataError
            A NaN, a score that is no probability, or a prediction outside the classes; names the row.
        """
        import pandas as pd

        from raikit.models.decisions import decide

        spec, table = self.spec, data.extra
        found: dict[str, Any] = {}
        if data.task == "regression":
            return pd.DataFrame({"prediction": _numbers(table, str(spec.prediction), data)}, index=table.index)
        if spec.score is not None:
            score = _numbers(table, spec.score, data, probability=True)
            import numpy as np

            found = decide(np.stack([1 - score, score], axis=1), "binary", data.classes, spec.threshold)
            found["score"] = score
        elif spec.scores is not None:
            found = decide(_distribution(table, spec.scores, data), "multiclass", data.classes, spec.threshold)
        if spec.prediction is not None:
            found = {"prediction": _labels(table, spec.prediction, data)} | {
                k: v for k, v in found.items() if k != "prediction"
            }
        return pd.DataFrame(found, index=table.index)


def load_predictions(spec: Any, data: Dataset) -> TableModel:
    """Loader of ``kind: predictions``."""
    settings = PredictionsSpec.model_validate(dict(spec))
    if data.task == "binary" and settings.score is None and settings.prediction is None:
        raise DataError("model.load: name the column of the `prediction`, of the `score`, or of both.")
    if data.task == "multiclass" and settings.prediction is None and settings.scores is None:
        raise DataError("model.load: name the column of the `prediction`, or `scores` as a mapping of class to column.")
    if data.task == "multiclass" and settings.score is not None:
        raise DataError("model.load.score: with more than two classes give `scores`, a mapping of class to column.")
    if data.task == "regression" and settings.prediction is None:
        raise DataError("model.load: name the column of the `prediction`.")
    return TableModel(settings, data)


def _numbers(table: pd.DataFrame, column: str, data: Dataset, probability: bool = False) -> np.ndarray:
    import numpy as np
    import pandas as pd

    values = pd.to_numeric(table[column], errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    if (bad := np.flatnonzero(~np.isfinite(values))).size:
        raise DataError(f"{data.where(int(bad[0]))}: {column} is no number.")
    if probability and (bad := np.flatnonzero((values < 0) | (values > 1))).size:
        raise DataError(
            f"{data.where(int(bad[0]))}: {column} is {values[bad[0]]:g}, which is no probability; "
            "rescale it to 0 … 1, or leave `score` out and give the `prediction`."
        )
    return values


def _distribution(table: pd.DataFrame, columns: dict[str, str], data: Dataset) -> np.ndarray:
    import numpy as np

    from raikit.address import text

    named = {text(label): label for label in data.classes}
    if set(columns) != set(named):
        odd = sorted(set(columns) ^ set(named))[0]
        raise DataError(
            f"model.load.scores: the classes are {', '.join(sorted(named))}; {odd!r} is in only one of the two."
        )
    scores = np.stack([_numbers(table, columns[name], data, probability=True) for name in named], axis=1)
    if (bad := np.flatnonzero(np.abs(scores.sum(axis=1) - 1) > 1e-3)).size:
        raise DataError(f"{data.where(int(bad[0]))}: the scores add up to {scores[bad[0]].sum():g}, not to 1.")
    return scores


def _labels(table: pd.DataFrame, column: str, data: Dataset) -> Sequence[Any]:
    """Decisions as the classes' own values: 1.0, "1" and True all mean the class 1 if there is one."""
    from raikit.address import text

    named = {text(label): label for label in data.classes}
    named |= {{"1": "true", "0": "false"}.get(name, name): label for name, label in named.items()}
    named |= {text(label): label for label in data.classes}
    codes, values = table[column].factorize(use_na_sentinel=True)
    if (codes < 0).any():
        raise DataError(f"{data.where(int((codes < 0).argmax()))}: {column} is missing.")
    known = [named.get(text(value.item() if hasattr(value, "item") else value), _UNKNOWN) for value in values]
    if _UNKNOWN in known:
        position = int((codes == known.index(_UNKNOWN)).argmax())
        raise DataError(
            f"{data.where(position)}: {column} is {str(values[known.index(_UNKNOWN)])!r}, which is none of the "
            f"classes {', '.join(text(label) for label in data.classes)}."
        )
    return [known[code] for code in codes]


_UNKNOWN = object()
