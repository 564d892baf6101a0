"""The model of a configuration, opened on trial: for ``raikit audit --dry-run``."""

from __future__ import annotations

import re
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raikit.audit.opening import open_loaded
from raikit.models.batches import first_batch
from raikit.models.scoring import scores_in_memory

if TYPE_CHECKING:
    from raikit.audit.plan import Plan
    from raikit.data.dataset import Dataset
    from raikit.models.base import Model

_TIMED = 64  # cases whose scoring is timed
_PATIENCE = 10.0  # seconds that a whole batch may take; of a slower model the memory is that of fewer cases


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
    memory : float or None
        Estimate of the most bytes of memory that this process needs to score all cases: what it has needed for a batch, and the
        scores. None where `seconds` is, and where the system does not say it.
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
        seconds, memory = (None, None) if source.model is None else _cost(source.model, data, plan.settings.model.batch_size)
        return ModelTrial(source.capabilities, source.describe(), source.notes(["score"]), seconds, memory)


def _cost(model: Model, data: Dataset, batch_size: int) -> tuple[float | None, float | None]:
    """Return about how long the model takes to score all cases, and how much memory, from the first of them."""
    batch = first_batch(data, min(_TIMED, batch_size))
    if batch is None:
        return None, None
    start = time.perf_counter()
    model.scores(batch)
    each, total = (time.perf_counter() - start) / len(batch), sum(data.splits.values())
    if each * batch_size <= _PATIENCE and (whole := first_batch(data, batch_size)) is not None:
        scores_in_memory(model, whole, batch_size)
    most = _most_memory()
    return each * total, None if most is None else most + 8.0 * total * max(len(data.classes), 1)


def _most_memory() -> float | None:
    """Return the most bytes that this process has held so far; None on a system that does not say it."""
    status = Path("/proc/self/status")  # of Linux, where `resource` counts what the process held that started this one, too
    if status.is_file():
        held = re.search(r"^VmHWM:\s*(\d+) kB", status.read_text(), re.MULTILINE)
        return None if held is None else 1024.0 * int(held[1])
    try:
        import resource
    except ImportError:  # Windows
        return None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(most) if sys.platform == "darwin" else 1024.0 * most
