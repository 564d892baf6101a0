"""The rows of one split as tensors: prepared once and kept where they fit, else prepared again for each batch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

if TYPE_CHECKING:
    from raikit.data.batch import Batch
    from raikit.data.dataset import Dataset
    from raikit.models.base import Model

Indices = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

_MOST_BYTES = 1_500_000_000
_ROWS_AT_ONCE = 256


class Part(NamedTuple):
    """Some rows: the module's inputs, the target, and the weights (None: all alike)."""

    inputs: dict[str, Tensor]
    target: Tensor
    weight: Tensor | None


class Rows(Protocol):
    """Rows of a split, by position."""

    def __len__(self) -> int: ...

    def take(self, indices: Indices) -> Part: ...


def gather(
    model: Model, data: Dataset, split: str, most_bytes: int = _MOST_BYTES, row_weight: FloatArray | None = None
) -> Rows:
    """Prepare the rows of `split`; kept in memory if they need at most `most_bytes`.

    Raises
    ------
    ValueError
        If `row_weight` has not one finite weight of at least 0 for each row.
    """
    more = None if row_weight is None else _checked(row_weight, data.size(split))
    shared = _shared_media(data, split)
    size = data.size(split)
    sample = model.prepare(next(iter(data.batches(split, min(size, 8)))))
    needed = sum(
        tensor[0].numel() * tensor.element_size() * (int(shared[name].max()) + 1 if name in shared else size)
        for name, tensor in sample.items()
    )
    return _Kept(model, data, split, shared, more) if needed <= most_bytes else _Streamed(model, data, split, more)


def in_order(rows: Rows, size: int = _ROWS_AT_ONCE) -> Iterator[Part]:
    """All rows, a part at a time."""
    for start in range(0, len(rows), size):
        yield rows.take(np.arange(start, min(start + size, len(rows))))


def _shared_media(data: Dataset, split: str) -> dict[str, Indices]:
    """For each input of media, which file a row holds, as a number: rows of one file share one tensor."""
    import pandas as pd

    media = {name: source.columns[0] for name, source in data.inputs.items() if source.modality in {"image", "audio"}}
    if not media:
        return {}
    frame = data.frame(list(dict.fromkeys(media.values())), split)
    return {name: np.asarray(pd.factorize(frame[column], use_na_sentinel=False)[0], dtype=np.int64)
            for name, column in media.items()}


class _Kept:
    """Every row's tensors in memory, each media file once."""

    def __init__(
        self, model: Model, data: Dataset, split: str, shared: Mapping[str, Indices], more: Tensor | None = None
    ) -> None:
        tensors: dict[str, list[Tensor]] = {}
        targets: list[Tensor] = []
        weights: list[Tensor] = []
        highest = dict.fromkeys(shared, -1)
        start = 0
        for batch in data.batches(split, _ROWS_AT_ONCE):
            for name, tensor in model.prepare(batch).items():
                if name in shared:
                    # Files are numbered as they appear: one not seen before has a number above all that were.
                    numbers, first = np.unique(shared[name][start : start + len(batch)], return_index=True)
                    tensor = tensor[torch.from_numpy(first[numbers > highest[name]])]
                    highest[name] = max(highest[name], int(numbers[-1]))
                tensors.setdefault(name, []).append(tensor)
            targets.append(_target(batch))
            if batch.weight is not None:
                weights.append(torch.tensor(batch.weight, dtype=torch.float32))
            start += len(batch)
        self._tensors = {name: torch.cat(parts) for name, parts in tensors.items()}
        self._shared = {name: torch.from_numpy(numbers) for name, numbers in shared.items()}
        self._target = torch.cat(targets)
        self._weight = _product(torch.cat(weights) if weights else None, more)

    def __len__(self) -> int:
        return len(self._target)

    def take(self, indices: Indices) -> Part:
        at = torch.as_tensor(indices, dtype=torch.int64)
        inputs = {name: tensor[self._shared[name][at] if name in self._shared else at]
                  for name, tensor in self._tensors.items()}
        return Part(inputs, self._target[at], None if self._weight is None else self._weight[at])


class _Streamed:
    """Rows are read and prepared each time they are asked for."""

    def __init__(self, model: Model, data: Dataset, split: str, more: Tensor | None = None) -> None:
        self._model, self._data, self._split, self._more = model, data, split, more
        self._nothing = self._part(next(iter(data.batches(split, 1))), slice(0))

    def __len__(self) -> int:
        return self._data.size(self._split)

    def take(self, indices: Indices) -> Part:
        if not len(indices):
            return self._nothing
        part = self._part(next(iter(self._data.batches(self._split, len(indices), indices=indices))), slice(None))
        more = None if self._more is None else self._more[torch.as_tensor(indices, dtype=torch.int64)]
        return part._replace(weight=_product(part.weight, more))

    def _part(self, batch: Batch, rows: slice) -> Part:
        inputs = {name: tensor[rows] for name, tensor in self._model.prepare(batch).items()}
        weight = None if batch.weight is None else torch.tensor(batch.weight, dtype=torch.float32)[rows]
        return Part(inputs, _target(batch)[rows], weight)


def _checked(row_weight: FloatArray, size: int) -> Tensor:
    weight = np.asarray(row_weight, dtype=np.float64)
    if weight.shape != (size,) or not np.isfinite(weight).all() or (weight < 0).any():
        raise ValueError(f"row_weight needs a finite weight of at least 0 for each of {size:,} rows")
    return torch.tensor(weight, dtype=torch.float32)


def _product(first: Tensor | None, second: Tensor | None) -> Tensor | None:
    """Weights of both, where None is 1."""
    if first is None or second is None:
        return second if first is None else first
    return first * second


def _target(batch: Batch) -> Tensor:
    if batch.target is None:
        raise ValueError("rows without a target cannot be trained on")
    return torch.tensor(batch.target)
