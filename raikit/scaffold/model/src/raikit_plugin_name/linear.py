"""A linear model of the columns of a table, read from a JSON file without code."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import raikit
from pydantic import BaseModel, ConfigDict, Field, ValidationError


class Settings(BaseModel):
    """Settings under ``model.load`` in audit.yaml."""

    model_config = ConfigDict(extra="forbid")

    kind: str
    path: Path = Field(description="The JSON file, beside audit.yaml.")


class Weights(BaseModel):
    """Content of the file: for each class, an intercept and a weight for each "
    "column."""

    columns: list[str] = Field(min_length=1)
    classes: list[str | int] = Field(min_length=2)
    weights: list[list[float]]
    intercepts: list[float]


class LinearModel(raikit.Model):
    """Softmax of a linear function of the columns; a missing value counts as 0.

    Parameters
    ----------
    weights : Weights
    data : raikit.Dataset
        Determines which inputs hold the columns, and the order of the classes.

    Raises
    ------
    raikit.ModelError
        If the data have other classes, or lack a column.
    """

    kind = "plugin_name"
    capabilities = frozenset({"labels", "scores"})

    def __init__(self, weights: Weights, data: raikit.Dataset) -> None:
        tables = {
            name: list(item.columns)
            for name, item in data.inputs.items()
            if item.modality == "tabular"
        }
        available = [column for columns in tables.values() for column in columns]
        for column in weights.columns:
            if column not in available:
                raise raikit.ModelError(
                    f"the model reads the column {column!r}; "
                    f"data.inputs has {', '.join(available) or 'no tabular input'}."
                )
        if sorted(map(str, weights.classes)) != sorted(map(str, data.classes)):
            raise raikit.ModelError(
                f"the model's classes are {', '.join(map(str, weights.classes))}; "
                f"the data's are {', '.join(map(str, data.classes)) or 'none'}."
            )
        own = [str(label) for label in weights.classes]
        order = [own.index(str(label)) for label in data.classes]
        self.columns = weights.columns
        self.coefficients = np.array(weights.weights, dtype=float)[order].T
        self.intercepts = np.array(weights.intercepts, dtype=float)[order]
        self.classes = list(data.classes)
        self.modalities = dict.fromkeys(tables, "tabular")

    def scores(self, batch: raikit.Batch) -> np.ndarray:
        """Return the probability of each class, shape (n, k)."""
        table = pd.concat([batch.inputs[name] for name in self.modalities], axis=1)
        x = table[self.columns].to_numpy(dtype=float)
        logits = np.nan_to_num(x) @ self.coefficients + self.intercepts
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        return odds / odds.sum(axis=1, keepdims=True)

    def describe(self) -> dict[str, Any]:
        """Return facts about the model for the record."""
        parameters = self.coefficients.size + self.intercepts.size
        return {**super().describe(), "parameters": parameters, "columns": self.columns}


def load(spec: Mapping[str, Any], data: raikit.Dataset) -> LinearModel:
    """Load a model as ``model.load`` describes.

    Parameters
    ----------
    spec : mapping
        ``kind`` and ``path``; the path is already absolute.
    data : raikit.Dataset

    Raises
    ------
    raikit.ModelError
        If the file does not exist, or does not hold a model for these data.
    """
    path = Settings.model_validate(dict(spec)).path
    try:
        weights = Weights.model_validate_json(path.read_bytes())
    except OSError as error:
        raise raikit.ModelError(f"model.load.path: {path}: {error.strerror}.") from None
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"])) or "the file"
        raise raikit.ModelError(
            f"model.load.path: {path.name}: {key}: {first['msg']}."
        ) from None
    shape = {len(weights.columns)}, len(weights.classes), len(weights.classes)
    actual = (
        set(map(len, weights.weights)),
        len(weights.weights),
        len(weights.intercepts),
    )
    if actual != shape:
        raise raikit.ModelError(
            f"model.load.path: {path.name}: each class needs an intercept and a weight "
            "for each column."
        )
    return LinearModel(weights, data)
