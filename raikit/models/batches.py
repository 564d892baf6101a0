"""The first cases of a dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from raikit.data.batch import Batch
    from raikit.data.dataset import Dataset


def first_batch(data: Dataset, size: int) -> Batch | None:
    """Return the first cases of the first split that has any; None without cases."""
    for split in ("train", "validation", "test"):
        for batch in data.batches(split, size):
            return batch
    return None
