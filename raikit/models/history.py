"""The course of a training: one row for each epoch, stored and drawn as curves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

import pandas as pd


@dataclass(frozen=True)
class Epoch:
    """One pass over the training cases; None is a value that could not be measured (no validation cases)."""

    epoch: int
    steps: int
    train_loss: float | None
    validation_loss: float | None
    validation_metric: float | None


@dataclass(frozen=True)
class History:
    """The course of a training, epoch by epoch.

    Attributes
    ----------
    metric : str
        The quantity in `validation_metric`: ``accuracy``, or ``r2`` for regression.
    epochs : list of Epoch
    kept : int
        The epoch whose weights the model has: with `patience` that of the least validation loss, else the last.
    """

    metric: str
    epochs: list[Epoch] = field(default_factory=list)
    kept: int = 0

    @property
    def best(self) -> int:
        """The epoch of the least validation loss; without validation cases the last one."""
        measured = [epoch for epoch in self.epochs if epoch.validation_loss is not None]
        return min(measured, key=lambda epoch: epoch.validation_loss or 0.0).epoch if measured else len(self.epochs)

    @property
    def kept_loss(self) -> float | None:
        """The validation loss of the kept epoch; None without validation cases."""
        return next((epoch.validation_loss for epoch in self.epochs if epoch.epoch == self.kept), None)

    def frame(self) -> pd.DataFrame:
        """Return a table with one row for each epoch."""
        return pd.DataFrame([asdict(epoch) for epoch in self.epochs])

    def to_dict(self) -> dict[str, Any]:
        """Return the history as plain values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Build a history from what `to_dict` returned."""
        return cls(data["metric"], [Epoch(**epoch) for epoch in data["epochs"]], data["kept"])
