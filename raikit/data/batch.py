"""A batch of cases as a model gets it: decoded media, text and columns, by input name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np


class Audio(NamedTuple):
    """A mono waveform: float32 samples in [-1, 1], shape (t,), and their rate in Hz."""

    samples: np.ndarray
    rate: int


@dataclass(frozen=True)
class Batch:
    """Some cases of a dataset.

    Attributes
    ----------
    ids : sequence, length n
    inputs : mapping of input name to its n values
        text: ``list[str | None]``, of token classification the list of each text's tokens; image: list of uint8 arrays of shape
        (height, width, 3) or None, sizes may differ;
        audio: ``list[Audio | None]``; tabular: a pandas DataFrame of n rows. None is a missing input.
    target : ndarray, shape (n,), or None
        Position in the classes (int64), or float64 for regression.
    weight : ndarray, shape (n,), or None
        Sampling weights.
    whole, part : ndarray of int64, shape (n,), or None
        Where cases are parts: number of the text or of the case that may have several labels, and of the token or the label in it.
    """

    ids: Sequence[Any]
    inputs: Mapping[str, Any]
    target: np.ndarray | None = None
    weight: np.ndarray | None = None
    whole: np.ndarray | None = None
    part: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: Sequence[int]) -> Batch:
        """Return some of the cases, by position."""
        inputs = {
            name: values.iloc[list(rows)].reset_index(drop=True) if hasattr(values, "iloc") else [values[row] for row in rows]
            for name, values in self.inputs.items()
        }
        at = list(rows)
        arrays = (self.target, self.weight, self.whole, self.part)
        return Batch([self.ids[row] for row in rows], inputs, *(None if array is None else array[at] for array in arrays))
