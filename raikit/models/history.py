"""What happened in a training: one row for each epoch, to be stored and drawn as curves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Epoch:
    """One pass over the training rows; what could not be measured (no validation rows) is None."""

    epoch: int
    steps: int
    train_loss: float | None
    validation_loss: float | None
    validation_metric: float | None


@dataclass(frozen=True)
class History:
    """A training, epoch by epoch.

    Attributes
    ----------
    metric : str
        What `validation_metric` is: ``accuracy``, or ``r2`` for regression.
    epochs : list of Epoch
    kept : int
        The epoch whose weights the model has: the best by validation loss with `patience`, else the last.
    """

    metric: str
    epochs: list[Epoch] = field(default_factory=list)
    kept: int = 0

    @property
    def best(self) -> int:
        """The epoch of the least validation loss; the last one without validation rows."""
        measured = [epoch for epoch in self.epochs if epoch.validation_loss is not None]
        return min(measured, key=lambda epoch: epoch.validation_loss or 0.0).epoch if measured else len(self.epochs)

    def frame(self) -> pd.DataFrame:
        """One row for each epoch."""
        import pandas as pd

        return pd.DataFrame([asdict(epoch) for epoch in self.epochs])

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        return cls(data["metric"], [Epoch(**epoch) for epoch in data["epochs"]], data["kept"])
