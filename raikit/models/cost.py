"""What scoring costs, measured on the first cases in a second: time for a case, and the most memory that a process has held."""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from raikit.models.batches import first_batch
from raikit.models.scoring import scores_in_memory

if TYPE_CHECKING:
    from raikit.data.dataset import Dataset
    from raikit.models.base import Model

PATIENCE = 1.0  # seconds


class Cost(BaseModel):
    """What scoring costs.

    Attributes
    ----------
    seconds : float
        For a case, reading it included.
    memory : float or None
        The most bytes that the process needs for a batch, with all that it holds besides; None where the system does not say it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    seconds: float = Field(ge=0, allow_inf_nan=False)
    memory: float | None = Field(ge=0, allow_inf_nan=False)


def measure_cost(model: Model, data: Dataset, batch_size: int, patience: float = PATIENCE) -> Cost | None:
    """Score the first cases, twice as many each time, up to a batch or until the next would take longer than is left.

    A slower model's memory for a whole batch is extrapolated from the last two numbers of cases.

    Parameters
    ----------
    model : Model
    data : Dataset
    batch_size : int
    patience : float
        Seconds in all; a case that takes longer is scored once.

    Returns
    -------
    Cost or None
        None without cases.
    """
    until, size, before = time.perf_counter() + patience, 1, most_memory()
    while True:
        start = time.perf_counter()
        batch = first_batch(data, size)
        if batch is None:
            return None
        scores_in_memory(model, batch, batch_size)
        took, after = time.perf_counter() - start, most_memory()
        if len(batch) == batch_size or len(batch) < size or start + 3 * took > until:
            break
        size, before = min(2 * size, batch_size), after
    if before is None or after is None:
        return Cost(seconds=took / len(batch), memory=after)
    unscored = batch_size - size if len(batch) == size > 1 else 0
    return Cost(seconds=took / len(batch), memory=after + (after - before) / max(size - size // 2, 1) * unscored)


def most_memory() -> float | None:
    """Return the most bytes that this process has held so far; None on a system that does not say it."""
    if sys.platform == "linux":  # where `resource` counts what the process held that started this one, too
        held = re.search(r"^VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
        return None if held is None else 1024.0 * int(held[1])
    try:
        import resource
    except ImportError:  # Windows
        return None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(most) if sys.platform == "darwin" else 1024.0 * most
