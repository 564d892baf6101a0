"""The model of a configuration, opened on trial: for ``raikit audit --dry-run``."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raikit.audit.opening import open_loaded
from raikit.models.cost import measure_cost, most_memory

if TYPE_CHECKING:
    from raikit.audit.plan import Plan
    from raikit.data.dataset import Dataset
    from raikit.models.scoring import PredictionSource


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
        Estimate for scoring all cases; None without cases.
    memory : float or None
        Estimate of the most bytes of memory that scoring all cases needs: what a batch has needed, and the scores; of a model in a
        process of its own that of both processes. None where `seconds` is, and where the system does not say it.
    """

    capabilities: frozenset[str]
    description: Mapping[str, Any] = field(default_factory=dict)
    notes: Sequence[str] = ()
    seconds: float | None = None
    memory: float | None = None


def try_model(plan: Plan, data: Dataset) -> ModelTrial | None:
    """Open the model that a configuration names; None if it is still to be trained, or a table holds the predictions.

    Raises
    ------
    ModelError
        If it cannot be opened, or does not fit the data.
    ConfigError, ModelError
        If a search could not measure its trials.
    """
    model = plan.settings.model
    if model.train is not None and (model.train.model_extra or {}).get("search") is not None:
        from raikit.audit.search import check_search

        check_search(plan, data)
    if model.load is None or model.is_table:
        return None
    with tempfile.TemporaryDirectory(prefix="raikit-") as folder:
        source = open_loaded(plan, data, Path(folder), Path(folder), plan.children)
        seconds, memory = _cost(source, data, plan.settings.model.batch_size)
        return ModelTrial(source.capabilities, source.describe(), source.notes(["score"]), seconds, memory)


def _cost(source: PredictionSource, data: Dataset, batch_size: int) -> tuple[float | None, float | None]:
    """Return about how long scoring all cases takes, and how much memory, in all processes."""
    if source.model is not None:
        cost, held = measure_cost(source.model, data, batch_size), 0.0
    else:
        from raikit.isolation.model import RemoteModel

        assert isinstance(source, RemoteModel)
        cost, held = source.cost(), most_memory() or 0.0
    if cost is None:
        return None, None
    total = sum(data.splits.values())
    scores = 8.0 * total * max(len(data.classes), 1) * (2 if held else 1)
    return cost.seconds * total, None if cost.memory is None else cost.memory + held + scores
