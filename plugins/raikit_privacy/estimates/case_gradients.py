"""Gradients of single cases, kept as the pairs that they are products of wherever that is smaller [1]_.

Each class gives the same three things without a loop over cases where it can: lengths, a weighted sum, and the gradients of some
cases in full.

References
----------
.. [1] Bu, Wang, Zha and Karypis, "Differentially Private Optimization on Large Model at Small Cost", ICML 2023.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import torch
from torch import Tensor

# Where the rows of a tensor's first axes belong to cases: "blocks" has all rows of the first case first, "interleaved" one row of
# each case in turn, and in "second" the second axis counts cases.
Layout = Literal["blocks", "interleaved", "second"]
_FEWEST_SORTED = 32  # words of a case from which equal ones are found by sorting, not by comparing all pairs


class CaseGradients(Protocol):
    """Gradients of n cases with regard to one tensor."""

    def squared_norms(self) -> Tensor:
        """Return the squared length of each case's gradient, shape (n,)."""

    def weighted_sum(self, weights: Tensor) -> Tensor:
        """Return the sum over cases of weight times gradient."""

    def some(self, part: slice) -> Tensor:
        """Return the gradients of some cases, one after the other along the first axis."""


def layouts(shape: tuple[int, ...], n: int) -> list[Layout]:
    """Return the layouts that n cases can have in a tensor of a shape."""
    first: list[Layout] = ["blocks", "interleaved"] if shape and shape[0] % n == 0 and shape[0] else []
    second: list[Layout] = ["second"] if len(shape) > 1 and shape[1] == n else []
    return first + second


def by_case(tensor: Tensor, n: int, layout: Layout) -> Tensor:
    """Return a view or copy of shape (n, rows of a case, …)."""
    if layout == "second":
        return tensor.transpose(0, 1)
    rows = len(tensor) // n
    if layout == "blocks":
        return tensor.reshape(n, rows, *tensor.shape[1:])
    return tensor.reshape(rows, n, *tensor.shape[1:]).transpose(0, 1)


@dataclass(frozen=True)
class Stored:
    """Gradients in full.

    Parameters
    ----------
    gradients : Tensor, shape (n, ...)
    """

    gradients: Tensor

    def squared_norms(self) -> Tensor:
        """Return the squared length of each case's gradient."""
        return self.gradients.flatten(1).square().sum(dim=1)

    def weighted_sum(self, weights: Tensor) -> Tensor:
        """Return the weighted sum."""
        return (weights @ self.gradients.flatten(1)).reshape(self.gradients.shape[1:])

    def some(self, part: slice) -> Tensor:
        """Return the gradients of some cases."""
        return self.gradients[part]


@dataclass(frozen=True)
class Products:
    """Gradients of a matrix that rows of inputs were multiplied with: sums over rows of input times output gradient.

    Parameters
    ----------
    inputs : Tensor, shape (n, rows, d)
    outputs : Tensor, shape (n, rows, p)
    """

    inputs: Tensor
    outputs: Tensor

    def squared_norms(self) -> Tensor:
        """Return squared lengths without the gradients: inner products of rows with one another, of both factors."""
        if self.inputs.shape[1] == 1:
            return self.inputs.square().sum(dim=(1, 2)) * self.outputs.square().sum(dim=(1, 2))
        return ((self.inputs @ self.inputs.mT) * (self.outputs @ self.outputs.mT)).sum(dim=(1, 2))

    def weighted_sum(self, weights: Tensor) -> Tensor:
        """Return the weighted sum by one product over all rows."""
        return self.inputs.flatten(0, 1).T @ (self.outputs * weights[:, None, None]).flatten(0, 1)

    def some(self, part: slice) -> Tensor:
        """Return the gradients of some cases."""
        return self.inputs[part].mT @ self.outputs[part]


def products(inputs: Tensor, outputs: Tensor) -> CaseGradients:
    """Return the gradients in full if they are no larger than their factors, else the factors."""
    pairs = Products(inputs, outputs)
    rows, d, p = *inputs.shape[1:], outputs.shape[2]
    return Stored(pairs.some(slice(None))) if d * p <= rows * (d + p) else pairs


@dataclass(frozen=True)
class Convolved:
    """Gradients of a convolution's kernel, as those of the matrices of its groups.

    Parameters
    ----------
    groups : tuple of CaseGradients
        Each of shape (n, inputs of a group times kernel, outputs of a group).
    kernel : tuple of int
        Shape of the kernel: outputs, inputs of a group, and so on.
    """

    groups: tuple[CaseGradients, ...]
    kernel: tuple[int, ...]

    def squared_norms(self) -> Tensor:
        """Return the squared length of each case's gradient."""
        return torch.stack([of.squared_norms() for of in self.groups]).sum(dim=0)

    def weighted_sum(self, weights: Tensor) -> Tensor:
        """Return the weighted sum."""
        return torch.cat([of.weighted_sum(weights).mT for of in self.groups]).reshape(self.kernel)

    def some(self, part: slice) -> Tensor:
        """Return the gradients of some cases."""
        found = torch.cat([of.some(part).mT for of in self.groups], dim=1)
        return found.reshape(len(found), *self.kernel)


@dataclass(frozen=True)
class Lookups:
    """Gradients of a table of which each case took some rows.

    Parameters
    ----------
    rows : Tensor of int, shape (n, taken)
    outputs : Tensor, shape (n, taken, p)
    size : int
        Rows of the table.
    """

    rows: Tensor
    outputs: Tensor
    size: int

    def squared_norms(self) -> Tensor:
        """Return squared lengths: gradients of a row that a case took twice are added first."""
        n, taken = self.rows.shape
        if taken < _FEWEST_SORTED:
            same = self.rows[:, :, None] == self.rows[:, None, :]
            return ((self.outputs @ self.outputs.mT) * same).sum(dim=(1, 2))
        case = torch.arange(n, device=self.rows.device)[:, None]
        keys, place = torch.unique(case * self.size + self.rows, return_inverse=True)
        summed = self.outputs.new_zeros(len(keys), self.outputs.shape[2])
        summed.index_add_(0, place.flatten(), self.outputs.flatten(0, 1))
        return self.outputs.new_zeros(n).index_add_(0, keys // self.size, summed.square().sum(dim=1))

    def weighted_sum(self, weights: Tensor) -> Tensor:
        """Return the weighted sum."""
        total = self.outputs.new_zeros(self.size, self.outputs.shape[2])
        return total.index_add_(0, self.rows.flatten(), (self.outputs * weights[:, None, None]).flatten(0, 1))

    def some(self, part: slice) -> Tensor:
        """Return the gradients of some cases."""
        rows, outputs = self.rows[part], self.outputs[part]
        case = torch.arange(len(rows), device=rows.device)[:, None]
        found = outputs.new_zeros(len(rows) * self.size, outputs.shape[2])
        found.index_add_(0, (case * self.size + rows).flatten(), outputs.flatten(0, 1))
        return found.reshape(len(rows), self.size, -1)


@dataclass(frozen=True)
class Masked:
    """Gradients through an operation that no rule knows: its own backward pass, with all cases but one set to zero.

    A backward pass is linear in what it is given, so this is right for each operation of torch, and slow.

    Parameters
    ----------
    backward : callable
        From gradients of the outputs to that of the argument.
    outputs : tuple of Tensor or None
        Gradients of the outputs.
    n : int
    layout : Layout
    """

    backward: Callable[..., Any]
    outputs: tuple[Tensor | None, ...]
    n: int
    layout: Layout

    def squared_norms(self) -> Tensor:
        """Return the squared length of each case's gradient."""
        return torch.stack([self.some(slice(at, at + 1)).square().sum() for at in range(self.n)])

    def weighted_sum(self, weights: Tensor) -> Tensor:
        """Return the weighted sum, by one backward pass."""
        return self._through(weights)

    def some(self, part: slice) -> Tensor:
        """Return the gradients of some cases."""
        weights = torch.eye(self.n, dtype=_dtype(self.outputs))[part]
        return torch.stack([self._through(row) for row in weights])

    def _through(self, weights: Tensor) -> Tensor:
        found: Tensor = self.backward(*(None if output is None else self._weighted(output, weights) for output in self.outputs))
        return found.to_dense() if found.is_sparse else found

    def _weighted(self, output: Tensor, weights: Tensor) -> Tensor:
        rows = by_case(output, self.n, self.layout)
        scaled = rows * weights.to(rows).reshape(-1, *[1] * (rows.ndim - 1))
        return (scaled if self.layout == "blocks" else scaled.transpose(0, 1)).reshape(output.shape)


def _dtype(outputs: tuple[Tensor | None, ...]) -> torch.dtype:
    return next(output.dtype for output in outputs if output is not None)
