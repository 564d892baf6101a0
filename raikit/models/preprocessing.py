"""Preprocessing that is fitted on the training cases: scales, categories, and the scale of the target.

It is kept apart from the weights because differentially private training does not cover it. A mean or a list of
categories is a fact about the training cases, and the privacy report says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from raikit.errors import DataError, listed

_MAX_CATEGORIES = 32
OTHER = "(other)"


@dataclass(frozen=True)
class Number:
    """A standardised numeric column; if training values were missing, a second column marks missing ones."""

    column: str
    mean: float
    scale: float
    gaps: bool

    @property
    def names(self) -> list[str]:
        """Names of the encoded columns."""
        return [self.column, f"{self.column} is missing"] if self.gaps else [self.column]

    def encode(self, values: pd.Series[Any]) -> npt.NDArray[np.float32]:
        """Encode values, shape (n, 1 or 2)."""
        numbers = pd.to_numeric(values, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
        missing = ~np.isfinite(numbers)
        scaled = np.where(missing, 0.0, (numbers - self.mean) / self.scale)
        # A value far outside the range of training would outweigh every other input.
        columns = [np.clip(scaled, -10, 10), missing] if self.gaps else [np.clip(scaled, -10, 10)]
        return np.stack(columns, axis=1).astype(np.float32)


@dataclass(frozen=True)
class Category:
    """A one-hot column of labels: the most frequent ones, and one for the rest; a missing label is all zeros."""

    column: str
    labels: list[str]

    @property
    def names(self) -> list[str]:
        """Names of the encoded columns."""
        return [f"{self.column}={label}" for label in [*self.labels, OTHER]]

    def encode(self, values: pd.Series[Any]) -> npt.NDArray[np.float32]:
        """Encode values, shape (n, labels + 1)."""
        positions = {label: index for index, label in enumerate(self.labels)}
        present = values.notna().to_numpy()
        codes = np.array([positions.get(text, len(positions)) for text in values.astype(str)], dtype=np.int64)
        return (np.eye(len(positions) + 1, dtype=np.float32)[codes] * present[:, None]).astype(np.float32)


@dataclass(frozen=True)
class Preprocessing:
    """Everything that is fitted on the training cases, except the weights.

    Attributes
    ----------
    tables : mapping of tabular input to its columns
    target_mean, target_scale : float
        Mean and standard deviation of a regression target; otherwise 0 and 1.
    """

    tables: Mapping[str, Sequence[Number | Category]] = field(default_factory=dict)
    target_mean: float = 0.0
    target_scale: float = 1.0

    @classmethod
    def fit(cls, tables: Mapping[str, pd.DataFrame], target: npt.NDArray[Any] | None = None) -> Self:
        """Fit scales and categories on the training cases; `target` is given for regression only."""
        fitted = {name: [_fit_column(table[column]) for column in table.columns] for name, table in tables.items()}
        if target is None:
            return cls(fitted)
        return cls(fitted, float(np.mean(target)), float(np.std(target)) or 1.0)

    def columns(self, name: str) -> list[str]:
        """Return the names of the encoded columns of a tabular input."""
        return [encoded for column in self.tables[name] for encoded in column.names]

    def encode(self, name: str, table: pd.DataFrame) -> npt.NDArray[np.float32]:
        """Encode a table as numbers, shape (n, c); zero is the mean of a number, or a missing label.

        Raises
        ------
        DataError
            If the table lacks a column that the model was trained on.
        """
        columns = self.tables[name]
        if absent := [column.column for column in columns if column.column not in table]:
            raise DataError(f"input {name!r} lacks the columns {listed(absent)} that the model was trained on.")
        if not columns:
            return np.zeros((len(table), 0), dtype=np.float32)
        return np.concatenate([column.encode(table[column.column]) for column in columns], axis=1)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Build the preprocessing from what `to_dict` returned."""
        tables = {name: [Category(**column) if "labels" in column else Number(**column) for column in columns]
                  for name, columns in data["tables"].items()}
        return cls(tables, data["target_mean"], data["target_scale"])

    def describe(self) -> dict[str, str]:
        """Return for each column what was learnt outside the privacy guarantee, in words for the record."""
        facts = {
            f"{name}.{column.column}": "mean, standard deviation and whether values are missing"
            if isinstance(column, Number) else f"list of {len(column.labels)} labels"
            for name, columns in self.tables.items() for column in columns
        }
        if (self.target_mean, self.target_scale) != (0.0, 1.0):
            facts["target"] = "mean and standard deviation"
        return facts


def _fit_column(values: pd.Series[Any]) -> Number | Category:
    if pd.api.types.is_numeric_dtype(values):
        numbers = values.to_numpy(dtype=float, na_value=np.nan)
        finite = numbers[np.isfinite(numbers)]
        mean, scale = (float(finite.mean()), float(finite.std())) if len(finite) else (0.0, 1.0)
        return Number(str(values.name), mean, scale or 1.0, gaps=len(finite) < len(numbers))
    counts = values.dropna().astype(str).value_counts()
    # Ties are broken by name, so that the result does not depend on the order of the cases.
    ordered = sorted(counts.index, key=lambda label: (-counts[label], label))
    return Category(str(values.name), sorted(ordered[:_MAX_CATEGORIES]))
