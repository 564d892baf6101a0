"""Where a network uses its weights, read from autograd's graph of the losses: it has an edge for each use, in a layer or not.

Nothing is put in the place of a layer, so layers that are used twice or share a weight, and weights that are used outside a layer,
are uses like all others. Only what autograd's graph does not show is missed: functions with a backward pass of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

# Functions of a weight that only rearrange it, so that its gradient is as long as that of the result.
REARRANGEMENTS = frozenset({
    "TBackward0", "TransposeBackward0", "PermuteBackward0", "ViewBackward0", "UnsafeViewBackward0", "ReshapeAliasBackward0",
    "UnsqueezeBackward0", "SqueezeBackward0", "SqueezeBackward1", "AliasBackward0", "CloneBackward0", "SelectBackward0",
    "SliceBackward0", "SplitBackward0", "SplitWithSizesBackward0", "UnbindBackward0",
})


@dataclass(frozen=True)
class Use:
    """An operation on cases that uses a weight, or something that was computed from weights alone.

    Parameters
    ----------
    node : Node
        The operation, in autograd's graph.
    index : int
        Which of its arguments is the weight.
    source : Node
        What gives the argument: the weight itself, or the last of the functions that computed it from weights.
    output : int
        Which of the outputs of `source`.
    parameters : tuple of int
        Positions of the weights behind it.
    signature : tuple
        The same for the same use in another pass.
    """

    node: Any
    index: int
    source: Any
    output: int
    parameters: tuple[int, ...]
    signature: tuple[Any, ...]

    @property
    def name(self) -> str:
        """Name of the operation in autograd."""
        return str(self.node.name())

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the argument."""
        return output_shapes(self.source)[self.output]

    @property
    def is_direct(self) -> bool:
        """Whether the argument is a weight itself."""
        return hasattr(self.source, "variable")


class Graph:
    """Autograd's graph of some losses.

    Parameters
    ----------
    losses : Tensor
    """

    def __init__(self, losses: Tensor) -> None:
        self.nodes, self.edges = _topological(losses.grad_fn)

    def names(self) -> list[str]:
        """Return the names of all operations, inputs before outputs."""
        return [node.name() for node in self.nodes]

    def own_functions(self) -> set[str]:
        """Return the names of operations whose backward pass is Python code: they may use weights that no edge shows."""
        return {str(node.name()) for node in self.nodes if issubclass(type(node), torch.autograd.function.BackwardCFunction)}

    def leading_to(self, marked: Container[Any]) -> set[Any]:
        """Return the operations through which the backward pass reaches a marked one."""
        leading: set[Any] = set()
        for node in self.nodes:
            if any(before in marked or before in leading for before, _ in self.edges[node]):
                leading.add(node)
        return leading

    def uses(self, parameters: Iterable[nn.Parameter], is_shared: Callable[[int, tuple[Any, ...]], bool]) -> list[Use]:
        """Return all uses of weights.

        Parameters
        ----------
        parameters : iterable of Parameter
        is_shared : callable
            Whether the operation at a position, with a signature, is the same for all cases. It is called for operations
            all of whose arguments are computed from weights alone.
        """
        position = {id(parameter): at for at, parameter in enumerate(parameters)}
        shared: dict[Any, tuple[tuple[Any, ...], tuple[int, ...]]] = {}  # signature and weights of what no case enters
        uses = []
        for at, node in enumerate(self.nodes):
            if (weight := getattr(node, "variable", None)) is not None:
                if (place := position.get(id(weight))) is not None:
                    shared[node] = ("weight", place), (place,)
                continue
            following = [(before, output) for before, output in self.edges[node] if before is not None]
            behind = [(shared[before], output) for before, output in following if before in shared]
            if not behind:
                continue
            if len(behind) == len(following):
                signature = (node.name(), *((of, output) for (of, _), output in behind))
                if is_shared(at, signature):
                    shared[node] = signature, tuple(sorted({place for (_, places), _ in behind for place in places}))
                    continue
            for index, (before, output) in enumerate(self.edges[node]):
                if before in shared:
                    of, places = shared[before]
                    signature = (node.name(), index, of, output, tuple(len(shape) for shape in output_shapes(node)))
                    uses.append(Use(node, index, before, output, places, signature))
        return uses


def _topological(root: Any) -> tuple[list[Any], dict[Any, Any]]:
    order: list[Any] = []
    edges: dict[Any, Any] = {}
    waiting = [(root, False)]
    while waiting:
        node, is_done = waiting.pop()
        if is_done:
            order.append(node)
        elif node not in edges:
            edges[node] = node.next_functions
            waiting.append((node, True))
            waiting.extend((before, False) for before, _ in edges[node] if before is not None and before not in edges)
    return order, edges


def output_shapes(node: Any) -> tuple[tuple[int, ...], ...]:
    """Return the shapes of the outputs of an operation."""
    return tuple(tuple(of.shape) for of in node._input_metadata)


def is_rearranged(use: Use) -> bool:
    """Return whether the argument of a use is one weight whose numbers were only rearranged, or rows of it, none twice."""
    node = use.source
    while not hasattr(node, "variable"):
        if node.name() != "EmbeddingBackward0" and node.name() not in REARRANGEMENTS:
            return False
        if node.name() == "EmbeddingBackward0" and not _takes_each_row_once(node):
            return False
        ((node, _),) = node.next_functions
    return True


def _takes_each_row_once(node: Any) -> bool:
    rows = node._saved_indices
    padding = node._saved_padding_idx
    is_padded = 0 <= padding < node._saved_weight_sym_argsize_0 and bool((rows == padding).any())
    return not is_padded and not node._saved_scale_grad_by_freq and len(rows.unique()) == rows.numel()
