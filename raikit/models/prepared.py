"""The cases of a split as tensors: prepared once and kept if they fit in memory, else prepared again for each batch."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor

from raikit.models.base import PreparedTensor
from raikit.models.checkpoint import digest

if TYPE_CHECKING:
    from raikit.data.batch import Batch
    from raikit.data.dataset import Dataset
    from raikit.models.base import Model

Indices = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

_MAX_BYTES = 1_500_000_000
_CASES_AT_ONCE = 256


class TensorBatch(NamedTuple):
    """Some cases: the inputs of the module, the target, and the weights (None: all equal)."""

    inputs: dict[str, Tensor]
    target: Tensor
    weight: Tensor | None


class PreparedCases(Protocol):
    """The cases of a split, accessed by position."""

    def __len__(self) -> int: ...

    def take(self, indices: Indices) -> TensorBatch:
        """Return the cases at these positions, in this order."""
        ...


def prepare_cases(
    model: Model, data: Dataset, split: str, max_bytes: int = _MAX_BYTES, row_weight: FloatArray | None = None
) -> PreparedCases:
    """Prepare the cases of a split; they are kept in memory if they need at most `max_bytes`.

    Raises
    ------
    ValueError
        If `row_weight` does not hold one finite weight of at least 0 for each case.
    """
    size = data.size(split)
    factor = None if row_weight is None else _check_weight(row_weight, size)
    shared = _shared_files(data, split)
    sample = model.prepare(next(iter(data.batches(split, min(size, 8)))))
    shared = {name: shared[owner] for name in sample if (owner := _tensor(model, name).owner) in shared}
    needed = sum(
        tensor[0].numel() * tensor.element_size() * (int(shared[name].max()) + 1 if name in shared else size)
        for name, tensor in sample.items()
    )
    if needed > max_bytes:
        return _Streamed(model, data, split, factor)
    try:
        return _InMemory(model, data, split, shared, factor)
    except _NotSharedError:  # each case has a tensor of its own, which may need more memory
        own = sum(tensor[0].numel() * tensor.element_size() * size for tensor in sample.values())
        return _InMemory(model, data, split, {}, factor) if own <= max_bytes else _Streamed(model, data, split, factor)


def in_order(cases: PreparedCases, size: int = _CASES_AT_ONCE) -> Iterator[TensorBatch]:
    """Yield all cases in batches, in their order."""
    for start in range(0, len(cases), size):
        yield cases.take(np.arange(start, min(start + size, len(cases))))


def digest_cases(cases: PreparedCases) -> str:
    """Return a hash of all cases as the network receives them: inputs, targets and weights, in their order."""
    total = hashlib.sha256()
    for batch in in_order(cases):
        tensors = batch.inputs | {" target": batch.target} | ({} if batch.weight is None else {" weight": batch.weight})
        total.update(digest(tensors).encode())
    return total.hexdigest()[:16]


def _shared_files(data: Dataset, split: str) -> dict[str, Indices]:
    """Return the number of each case's file, for each input of media: cases of one file may share one tensor."""
    media = {name: item.columns[0] for name, item in data.inputs.items() if item.modality in {"image", "audio"}}
    if not media:
        return {}
    frame = data.frame(list(dict.fromkeys(media.values())), split)
    return {name: np.asarray(pd.factorize(frame[column], use_na_sentinel=False)[0], dtype=np.int64)
            for name, column in media.items()}


class _NotSharedError(Exception):
    """Two cases of one file have different tensors, because `prepare` looks at more than the file: a part of it, a column."""


class _InMemory:
    """Tensors of every case, with each media file only once.

    Raises
    ------
    _NotSharedError
        If cases of one file have different tensors.
    """

    def __init__(
        self, model: Model, data: Dataset, split: str, shared: Mapping[str, Indices], factor: Tensor | None = None
    ) -> None:
        tensors: dict[str, list[Tensor]] = {}
        targets: list[Tensor] = []
        weights: list[Tensor] = []
        highest = dict.fromkeys(shared, -1)
        start = 0
        for batch in data.batches(split, _CASES_AT_ONCE):
            for name, tensor in model.prepare(batch).items():
                if name in shared:
                    # Files are numbered in the order in which they appear, so a new one has a higher number than all before.
                    of_case = shared[name][start : start + len(batch)]
                    numbers, first = np.unique(of_case, return_index=True)
                    whole, tensor = tensor, tensor[torch.from_numpy(first[numbers > highest[name]])]
                    _check_shared([*tensors.get(name, []), tensor], whole, of_case)
                    highest[name] = max(highest[name], int(numbers[-1]))
                tensors.setdefault(name, []).append(tensor)
            targets.append(_target(batch))
            if batch.weight is not None:
                weights.append(torch.tensor(batch.weight, dtype=torch.float32))
            start += len(batch)
        self._tensors = {name: torch.cat(_padded(parts, _tensor(model, name).padding)) for name, parts in tensors.items()}
        self._shared = {name: torch.from_numpy(numbers) for name, numbers in shared.items()}
        self._target = torch.cat(targets)
        self._weight = _product(torch.cat(weights) if weights else None, factor)

    def __len__(self) -> int:
        return len(self._target)

    def take(self, indices: Indices) -> TensorBatch:
        at = torch.as_tensor(indices, dtype=torch.int64)
        inputs = {name: tensor[self._shared[name][at] if name in self._shared else at]
                  for name, tensor in self._tensors.items()}
        return TensorBatch(inputs, self._target[at], None if self._weight is None else self._weight[at])


class _Streamed:
    """Cases that are read and prepared each time they are needed."""

    def __init__(self, model: Model, data: Dataset, split: str, factor: Tensor | None = None) -> None:
        self._model, self._data, self._split, self._factor = model, data, split, factor
        self._empty = self._tensors(next(iter(data.batches(split, 1))), slice(0))

    def __len__(self) -> int:
        return self._data.size(self._split)

    def take(self, indices: Indices) -> TensorBatch:
        if not len(indices):
            return self._empty
        batch = self._tensors(next(iter(self._data.batches(self._split, len(indices), indices=indices))), slice(None))
        factor = None if self._factor is None else self._factor[torch.as_tensor(indices, dtype=torch.int64)]
        return batch._replace(weight=_product(batch.weight, factor))

    def _tensors(self, batch: Batch, rows: slice) -> TensorBatch:
        inputs = {name: tensor[rows] for name, tensor in self._model.prepare(batch).items()}
        weight = None if batch.weight is None else torch.tensor(batch.weight, dtype=torch.float32)[rows]
        return TensorBatch(inputs, _target(batch)[rows], weight)


def _tensor(model: Model, name: str) -> PreparedTensor:
    return model.tensors.get(name, PreparedTensor(name))


def _padded(parts: list[Tensor], padding: float) -> list[Tensor]:
    """Return batches of tensors with their second axis as long as the longest."""
    longest = max((part.shape[1] for part in parts if part.ndim > 1), default=0)
    return [
        part if part.ndim < 2 or part.shape[1] == longest
        else torch.cat([part, part.new_full((len(part), longest - part.shape[1], *part.shape[2:]), padding)], dim=1)
        for part in parts
    ]


def _check_shared(kept: list[Tensor], tensor: Tensor, of_case: Indices) -> None:
    """Raise if a case's tensor is not the one that is kept for its file."""
    starts = np.cumsum([0, *(len(part) for part in kept)])
    for at, number in enumerate(of_case):
        part = int(np.searchsorted(starts, number, side="right")) - 1
        if not torch.equal(tensor[at], kept[part][number - starts[part]]):
            raise _NotSharedError


def _check_weight(row_weight: FloatArray, size: int) -> Tensor:
    weight = np.asarray(row_weight, dtype=np.float64)
    if weight.shape != (size,) or not np.isfinite(weight).all() or (weight < 0).any():
        raise ValueError(f"row_weight must hold a finite weight of at least 0 for each of {size:,} cases")
    return torch.tensor(weight, dtype=torch.float32)


def _product(first: Tensor | None, second: Tensor | None) -> Tensor | None:
    """Multiply weights; None means that all are 1."""
    if first is None or second is None:
        return second if first is None else first
    return first * second


def _target(batch: Batch) -> Tensor:
    if batch.target is None:
        raise ValueError("cases without a target cannot be used for training")
    return torch.tensor(batch.target)
