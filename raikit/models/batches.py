"""Some cases of a batch, and the first cases of a dataset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from raikit.data.batch import Batch
    from raikit.data.dataset import Dataset


def take(batch: Batch, rows: Sequence[int]) -> Batch:
    """Return some cases of a batch, by their positions, without target and weight."""
    inputs = {
        name: values.iloc[list(rows)] if isinstance(values, pd.DataFrame) else [values[row] for row in rows]
        for name, values in batch.inputs.items()
    }
    return replace(batch, ids=[batch.ids[row] for row in rows], inputs=inputs, target=None, weight=None)


def first_batch(data: Dataset, size: int) -> Batch | None:
    """Return the first cases of the first split that has any; None without cases."""
    for split in ("train", "validation", "test"):
        for batch in data.batches(split, size):
            return batch
    return None
