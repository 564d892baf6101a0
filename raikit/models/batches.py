"""The first cases of a dataset, and batches that lack an input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
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


def with_inputs(batch: Batch, names: Sequence[str]) -> Batch:
    """Return a batch in which each of these inputs, none of them a table, is there; one that was not is missing in every case."""
    absent = {name: [None] * len(batch) for name in names if batch.inputs.get(name) is None}
    return replace(batch, inputs={**batch.inputs, **absent}) if absent else batch
