"""The model of a configuration, opened on trial: for ``raikit audit --dry-run``."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raikit.audit.opening import open_loaded
from raikit.models.batches import first_batch

if TYPE_CHECKING:
    from raikit.audit.plan import Plan
    from raikit.data.dataset import Dataset
    from raikit.models.base import Model

_TIMED = 64  # cases whose scoring is timed


@dataclass(frozen=True)
class ModelTrial:
    """What an opened model has shown.

    Attributes
    ----------
    capabilities : frozenset of str
    description : mapping
        What the record would say of it.
    notes : sequence of str
        How it was read, and which capabilities it lacks, with the reasons.
    seconds : float or None
        Estimate for scoring all cases; None for a model in a process of its own.
    """

    capabilities: frozenset[str]
    description: Mapping[str, Any] = field(default_factory=dict)
    notes: Sequence[str] = ()
    seconds: float | None = None


def try_model(plan: Plan, data: Dataset) -> ModelTrial | None:
    """Open the model that a configuration names; None if there is none yet, or a table holds the predictions.

    Raises
    ------
    ModelError
        If it cannot be opened, or does not fit the data.
    """
    model = plan.settings.model
    if model.load is None or model.is_table:
        return None
    with tempfile.TemporaryDirectory(prefix="raikit-") as folder:
        source = open_loaded(plan, data, Path(folder), Path(folder), plan.children)
        seconds = None if source.model is None else _seconds(source.model, data)
        return ModelTrial(source.capabilities, source.describe(), source.notes(["score"]), seconds)


def _seconds(model: Model, data: Dataset) -> float | None:
    """Return about how long the model takes to score all cases, from the first of them."""
    batch = first_batch(data, _TIMED)
    if batch is None:
        return None
    start = time.perf_counter()
    model.scores(batch)
    return (time.perf_counter() - start) / len(batch) * sum(data.splits.values())
