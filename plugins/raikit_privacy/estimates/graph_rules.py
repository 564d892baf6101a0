"""Gradients of single cases from what autograd saved in the forward pass and what the backward pass gives each operation.

One function for each operation of torch that networks use weights in. Each reads what it needs before the backward pass, which
frees it, and returns a function of the gradients of the operation's outputs. All other operations have the slow rule `masked`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor
from torch.nn import functional

from raikit_privacy.estimates.case_gradients import (
    CaseGradients,
    Convolved,
    Layout,
    Lookups,
    Masked,
    Stored,
    by_case,
    products,
)
from raikit_privacy.estimates.weight_uses import Use

Rule = Callable[[Tensor, int, Layout], CaseGradients]
Reader = Callable[[Use], Rule | None]


def rule_of(use: Use) -> Rule | None:
    """Return the rule for a use of a weight; None if there is only the slow one."""
    reader = _READERS.get((use.name, use.index))
    return reader(use) if reader is not None else None


def masked(use: Use, outputs: tuple[Tensor | None, ...], n: int, layout: Layout) -> CaseGradients:
    """Return gradients by the operation's own backward pass, one case after the other."""
    def backward(*gradients: Tensor | None) -> Any:
        found = use.node(*gradients)
        return found[use.index] if isinstance(found, tuple) else found

    return Masked(backward, outputs, n, layout)


def _product(use: Use) -> Rule | None:
    inputs = use.node._saved_mat1 if use.name == "AddmmBackward0" else use.node._saved_self
    if getattr(use.node, "_saved_alpha", 1) != 1:
        return None
    return lambda gradient, n, layout: products(by_case(inputs, n, layout), by_case(gradient, n, layout))


def _row_sum(use: Use) -> Rule | None:
    if use.node._saved_beta != 1 or len(use.shape) != 1 or use.shape[0] != use.node._input_metadata[0].shape[1]:
        return None
    return lambda gradient, n, layout: Stored(by_case(gradient, n, layout).sum(dim=1))


def _lookup(use: Use) -> Rule | None:
    node = use.node
    rows, padding, size = node._saved_indices, node._saved_padding_idx, node._saved_weight_sym_argsize_0
    if node._saved_scale_grad_by_freq:  # depends on the other cases
        return None

    def rule(gradient: Tensor, n: int, layout: Layout) -> CaseGradients:
        taken, outputs = by_case(rows, n, layout).flatten(1), by_case(gradient, n, layout).flatten(1, -2)
        return Lookups(taken, outputs.masked_fill((taken == padding)[..., None], 0.0) if padding < size else outputs, size)

    return rule


def _kernel(use: Use) -> Rule | None:
    node = use.node
    if node._saved_transposed:
        return None
    inputs, kernel, groups = node._saved_input, use.shape, int(node._saved_groups)
    stride, padding, dilation = (tuple(map(int, of)) for of in (node._saved_stride, node._saved_padding, node._saved_dilation))

    def rule(gradient: Tensor, n: int, layout: Layout) -> CaseGradients:
        patches = _patches(inputs, kernel[2:], stride, padding, dilation)  # (rows, channels, kernel, positions)
        found = []
        for taken, given in zip(patches.chunk(groups, dim=1), gradient.flatten(2).chunk(groups, dim=1), strict=True):
            pair = (by_case(of, n, layout).transpose(1, 2).flatten(2).mT for of in (taken.flatten(1, 2), given))
            found.append(products(*pair))
        return Convolved(tuple(found), kernel)

    return rule


def _patches(inputs: Tensor, kernel: tuple[int, ...], stride: tuple[int, ...], padding: tuple[int, ...], dilation: tuple[int, ...]
             ) -> Tensor:
    """Return what the kernel meets at each position, shape (rows, channels, size of the kernel, positions)."""
    if len(kernel) < 3:
        one = len(kernel) == 1
        plane = inputs[:, :, None] if one else inputs
        (k, s, p, d) = ((0 if of is padding else 1, of[0]) if one else of for of in (kernel, stride, padding, dilation))
        found = functional.unfold(plane, k, dilation=d, padding=p, stride=s)
        return found.reshape(len(found), inputs.shape[1], -1, found.shape[2])
    found = functional.pad(inputs, [size for size in reversed(padding) for _ in range(2)])
    for axis, (size, step, apart) in enumerate(zip(kernel, stride, dilation, strict=True), start=2):
        found = found.unfold(axis, (size - 1) * apart + 1, step)[..., ::apart]
    spatial = len(kernel)
    return found.permute(0, 1, *range(2 + spatial, 2 + 2 * spatial), *range(2, 2 + spatial)).flatten(2 + spatial).flatten(2, -2)


def _channel_sum(use: Use) -> Rule | None:
    return lambda gradient, n, layout: Stored(by_case(gradient.flatten(2).sum(dim=2), n, layout).sum(dim=1))


def _layer_norm(use: Use) -> Rule | None:
    node, shape = use.node, use.shape
    scale = _normalised(node._saved_input, node._saved_result1, node._saved_result2) if use.index == 1 else None

    def rule(gradient: Tensor, n: int, layout: Layout) -> CaseGradients:
        rows = by_case(gradient if scale is None else gradient * scale(), n, layout)
        return Stored(rows.reshape(n, -1, *shape).sum(dim=1))

    return rule


def _group_norm(use: Use) -> Rule | None:
    node = use.node
    inputs, means, deviations, groups = node._saved_input, node._saved_result1, node._saved_result2, int(node._saved_group)

    def rule(gradient: Tensor, n: int, layout: Layout) -> CaseGradients:
        if use.index == 1:
            parted = inputs.reshape(len(inputs), groups, -1)
            gradient = gradient * ((parted - means[..., None]) * deviations[..., None]).reshape(gradient.shape)
        summed = gradient.flatten(2).sum(dim=2) if gradient.ndim > 2 else gradient
        return Stored(by_case(summed, n, layout).sum(dim=1))

    return rule


def _normalised(inputs: Tensor, mean: Tensor, inverse: Tensor) -> Callable[[], Tensor]:
    return lambda: (inputs - mean) * inverse


def _broadcast(derivative: Callable[[Use], Callable[[Tensor], Tensor] | None]) -> Reader:
    """Return the reader of an operation that treats each number by itself, and whose arguments are broadcast to its output."""
    def read(use: Use) -> Rule | None:
        shape, through = use.shape, derivative(use)
        output = tuple(use.node._input_metadata[0].shape)
        padded = (1,) * (len(output) - len(shape)) + shape
        if through is None or len(padded) > len(output) or not output or padded[0] != 1:
            return None

        def rule(gradient: Tensor, n: int, layout: Layout) -> CaseGradients:
            rows = by_case(through(gradient), n, layout)
            kept = (1, *padded[1:]) if layout != "second" else (*padded[:1], *padded[2:])
            for axis, size in enumerate(kept, start=1):
                if size == 1 and rows.shape[axis] != 1:
                    rows = rows.sum(dim=axis, keepdim=True)
            return Stored(rows.reshape(n, *shape))

        return rule

    return read


def _sum(use: Use) -> Callable[[Tensor], Tensor] | None:
    factor = getattr(use.node, "_saved_alpha", 1) if use.index == 1 else 1
    sign = -1 if use.name == "SubBackward0" and use.index == 1 else 1
    return lambda gradient: gradient * (sign * factor) if sign * factor != 1 else gradient


def _factor(use: Use) -> Callable[[Tensor], Tensor] | None:
    other = use.node._saved_other if use.index == 0 else use.node._saved_self
    return (lambda gradient: gradient * other) if isinstance(other, Tensor) and not other.is_complex() else None


_READERS: dict[tuple[str, int], Reader] = {
    ("AddmmBackward0", 2): _product, ("MmBackward0", 1): _product, ("AddmmBackward0", 0): _row_sum,
    ("EmbeddingBackward0", 0): _lookup,
    ("ConvolutionBackward0", 1): _kernel, ("ConvolutionBackward0", 2): _channel_sum,
    ("NativeLayerNormBackward0", 1): _layer_norm, ("NativeLayerNormBackward0", 2): _layer_norm,
    ("NativeGroupNormBackward0", 1): _group_norm, ("NativeGroupNormBackward0", 2): _group_norm,
    ("AddBackward0", 0): _broadcast(_sum), ("AddBackward0", 1): _broadcast(_sum),
    ("SubBackward0", 0): _broadcast(_sum), ("SubBackward0", 1): _broadcast(_sum),
    ("MulBackward0", 0): _broadcast(_factor), ("MulBackward0", 1): _broadcast(_factor),
    ("ExpandBackward0", 0): _broadcast(lambda use: lambda gradient: gradient),
}
