"""Clip the gradients of all cases with one backward pass: book-keeping [1]_.

The backward pass gives each operation that uses a weight the gradient of its output; autograd kept its input. From the two follow
each case's gradient length and, without a second pass, the sum of the clipped gradients. The weights' own gradients, which a
plain step computes in the backward pass, are never computed, so a step costs little more than a plain one.

Which rows of an operation belong to which case is not guessed. It is measured by a second backward pass whenever clipping is
compared: each case's loss has another weight there, and each row must carry that of its case and no other's.

References
----------
.. [1] Bu, Wang, Zha and Karypis, "Differentially Private Optimization on Large Model at Small Cost", ICML 2023.
"""

from __future__ import annotations

import contextlib
import functools
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge

from raikit_privacy.estimates import graph_rules
from raikit_privacy.estimates.case_gradients import CaseGradients, Layout, Lookups, Products, by_case, layouts
from raikit_privacy.estimates.clipping import (
    ClippedSum,
    Clipper,
    Clipping,
    NormKind,
    Norms,
    OneByOne,
    ShortcutError,
    case_losses,
    isolated_losses,
    trained_parameters,
)
from raikit_privacy.estimates.foreign_code import foreign_code
from raikit_privacy.estimates.weight_uses import Graph, Use, is_rearranged, output_shapes

if TYPE_CHECKING:
    import raikit

_AT_ONCE = 2**24  # numbers of gradients that are held in full at once, where a weight has uses of several kinds
_FEW = 2  # cases that show which operations are on weights alone
_UNSEEN = "autograd's graph does not show every use of the weights"


class BookKeeping:
    """One forward and one backward pass for all cases of a step.

    Parameters
    ----------
    model : Model
    norms : Norms
        To which lengths gradients are clipped.

    Notes
    -----
    What it is compared on decides what it may be used for. A use of a weight that was not compared, or a function with a backward
    pass of its own that was not there, raises `ShortcutError`.
    """

    def __init__(self, model: raikit.Model, norms: Norms) -> None:
        self.model, self.norms, self.module = model, norms, model.module
        self.parameters = trained_parameters(model.module)
        self._losses_of = isolated_losses if foreign_code(model) else case_losses
        self._is_compared = False
        self._shared: set[tuple[Any, ...]] = set()  # signatures of operations on weights alone, the same for all cases
        self._counts: Counter[tuple[Any, ...]] = Counter()  # uses in one pass, by signature
        self._layouts: dict[tuple[Any, ...], Layout] = {}
        self._functions: set[str] = set()  # with a backward pass of their own

    @contextlib.contextmanager
    def compared(self) -> Iterator[None]:
        """Learn how the network uses its weights: what is clipped in this block is compared with autograd."""
        self._is_compared = True
        try:
            yield
        finally:
            self._is_compared = False

    def clip(self, inputs: dict[str, Tensor], target: Tensor) -> ClippedSum:
        """Return the sum of the clipped gradients.

        Raises
        ------
        ShortcutError
            If the network uses a weight in a way that was not compared.
        """
        if self._is_compared:
            self._learn_shared(inputs, target)
        if any(parameter._backward_hooks for parameter in self.parameters):
            raise ShortcutError("a weight has a hook that changes its gradient")
        losses = self._losses_of(self.model, self.module, inputs, target)
        graph = Graph(losses)
        uses = graph.uses(self.parameters, lambda at, signature: signature in self._shared)
        if self._is_compared:
            self._functions |= graph.own_functions()
            self._counts |= Counter(use.signature for use in uses)
            self._learn_layouts(losses, uses)
        self._check_known(graph, uses)
        gradients = self._case_gradients(losses, graph, uses)
        del graph
        losses = losses.detach()
        with torch.no_grad():
            squares = self._squared_norms(uses, gradients, len(losses))
            lengths = squares.clamp(min=0).sqrt()
            factors = self.norms.factors(lengths)
            return ClippedSum(losses, lengths, self._sums(uses, gradients, factors))

    def _learn_shared(self, inputs: dict[str, Tensor], target: Tensor) -> None:
        """Find operations on weights alone, such as those of weight norm: their results have one size whatever the cases are.

        A few cases are given once and twice over. Operations on cases give twice as much the second time.
        """
        few = slice(_FEW)
        graphs = [Graph(case_losses(
            self.model, self.module, {name: torch.cat([tensor[few]] * times) for name, tensor in inputs.items()},
            torch.cat([target[few]] * times))) for times in (1, 2)]
        if graphs[0].names() != graphs[1].names():
            raise ShortcutError("the network computes something else for another number of cases")
        once, twice = graphs
        signatures: set[tuple[Any, ...]] = set()

        def is_shared(at: int, signature: tuple[Any, ...]) -> bool:
            same = output_shapes(once.nodes[at]) == output_shapes(twice.nodes[at])
            if same:
                signatures.add(signature)
            return same

        once.uses(self.parameters, is_shared)
        self._shared |= signatures

    def _learn_layouts(self, losses: Tensor, uses: Sequence[Use]) -> None:
        """Find out, for each use, which rows belong to which case."""
        n = len(losses)
        weights = 1.0 + torch.arange(n, dtype=losses.dtype, device=losses.device).mul(0.618034).frac()
        nodes = list(dict.fromkeys(use.node for use in uses))
        plain, weighted = (_gradients(losses, nodes, given, retain_graph=True) for given in (torch.ones_like(losses), weights))
        for use in uses:
            before = self._layouts.get(use.signature)
            candidates = [before] if before is not None else layouts(output_shapes(use.node)[0], n)
            pairs = [(one, other) for one, other in zip(plain[use.node], weighted[use.node], strict=True)
                     if one is not None and other is not None]
            if all(_is_rounding(one) for one, _ in pairs):
                continue  # no case has a gradient, so nothing can be learnt
            for layout in candidates:
                if all(_carries(one, other, weights, layout) for one, other in pairs):
                    self._layouts[use.signature] = layout
                    break
            else:
                raise ShortcutError("a weight meets several cases at once, or some of them only")

    def _check_known(self, graph: Graph, uses: Sequence[Use]) -> None:
        if unknown := graph.own_functions() - self._functions:
            raise ShortcutError(f"{_UNSEEN}: {', '.join(sorted(unknown))} has a backward pass of its own")
        counts = Counter(use.signature for use in uses)
        if any(count > self._counts[signature] for signature, count in counts.items()):
            raise ShortcutError("a weight is used in a way that was not compared")

    def _case_gradients(self, losses: Tensor, graph: Graph, uses: Sequence[Use]) -> list[CaseGradients | None]:
        """Return each case's gradient, by use; None where no case has one.

        What an operation gives is computed while the backward pass goes on, where that is smaller than its output.
        """
        n, rules = len(losses), [graph_rules.rule_of(use) for use in uses]
        places: dict[Any, list[int]] = defaultdict(list)
        for at, use in enumerate(uses):
            places[use.node].append(at)
        found: list[CaseGradients | None] = [None] * len(uses)

        def receive(node: Any, outputs: tuple[Tensor | None, ...]) -> None:
            with torch.no_grad():
                for at in places[node]:
                    found[at] = self._of_use(uses[at], rules[at], outputs, n)

        passed = graph.leading_to(places)
        ends = [node for node in places if node not in passed]
        hooks = [node.register_prehook(functools.partial(receive, node)) for node in places if node in passed]
        try:
            given = _gradients(losses, ends, torch.ones_like(losses), retain_graph=None in rules)
        finally:
            for hook in hooks:
                hook.remove()
        for node in ends:
            receive(node, given.pop(node))
        return found

    def _of_use(self, use: Use, rule: graph_rules.Rule | None, outputs: tuple[Tensor | None, ...], n: int) -> CaseGradients | None:
        """Return each case's gradient from those of an operation's outputs."""
        if not any(output is not None and bool(output.any()) for output in outputs):
            return None
        layout = self._layouts.get(use.signature)
        if layout is None and all(output is None or _is_rounding(output) for output in outputs):
            layout = next(iter(layouts(output_shapes(use.node)[0], n)), None)
        if layout is None:
            raise ShortcutError("a weight has a gradient that it did not have when clipping was compared")
        if rule is None or outputs[0] is None:
            return graph_rules.masked(use, outputs, n, layout)
        return rule(outputs[0], n, layout)

    def _squared_norms(self, uses: Sequence[Use], gradients: Sequence[CaseGradients | None], n: int) -> Tensor:
        """Return the squared length of each case's gradient, by parameter, shape (n, p)."""
        behind: dict[int, list[tuple[Use, CaseGradients]]] = defaultdict(list)
        for use, gradient in zip(uses, gradients, strict=True):
            for place in use.parameters if gradient is not None else ():
                behind[place].append((use, gradient))  # type: ignore[arg-type]
        columns = []
        for place, parameter in enumerate(self.parameters):
            if not behind[place]:
                columns.append(parameter.new_zeros(n))
            elif (joined := _joined(behind[place])) is not None:
                columns.append(joined.squared_norms())
            else:
                columns.append(self._squared_norms_in_full(place, behind[place], n))
        return torch.stack(columns, dim=1)

    def _squared_norms_in_full(self, place: int, behind: Sequence[tuple[Use, CaseGradients]], n: int) -> Tensor:
        """Return squared lengths of a parameter with uses of several kinds: gradients are added in full, some cases at a time."""
        parameter = self.parameters[place]
        size = max(1, _AT_ONCE // parameter.numel())
        parts = []
        for start in range(0, n, size):
            part = slice(start, min(n, start + size))
            total = torch.zeros(part.stop - start, *parameter.shape, dtype=parameter.dtype, device=parameter.device)
            for use, gradient in behind:
                for at, one in enumerate(gradient.some(part)):
                    total[at] += self._back_to(parameter, use, one)
            parts.append(total.flatten(1).square().sum(dim=1))
        return torch.cat(parts)

    def _sums(self, uses: Sequence[Use], gradients: list[CaseGradients | None], factors: Tensor) -> list[Tensor]:
        """Return the sums of clipped gradients; empties `gradients`, so that no more is held than needed."""
        sums: list[Tensor | None] = [None] * len(self.parameters)
        for use in uses:
            if (gradient := gradients.pop(0)) is None:
                continue
            for place in use.parameters:
                more = self._back_to(self.parameters[place], use, gradient.weighted_sum(factors[:, place]))
                total = sums[place]
                sums[place] = more if total is None else total + more
        return [torch.zeros_like(parameter) if total is None else total.contiguous()
                for total, parameter in zip(sums, self.parameters, strict=True)]

    @staticmethod
    def _back_to(parameter: nn.Parameter, use: Use, gradient: Tensor) -> Tensor:
        """Return the gradient of a weight from that of what was computed from it."""
        if use.is_direct:
            return gradient
        if use.source.name() == "TBackward0" and hasattr(use.source.next_functions[0][0], "variable"):
            return gradient.mT
        edge = GradientEdge(use.source, use.output)
        (back,) = torch.autograd.grad([edge], [parameter], [gradient], retain_graph=True)
        return back.to_dense() if back.is_sparse else back


def make_clipper(model: raikit.Model, max_grad_norm: float, way: Clipping, norms: NormKind = "flat") -> Clipper:
    """Return what clips the gradients of `model`."""
    limits = Norms.of(model.module, max_grad_norm, norms)
    return OneByOne(model, limits) if way == "one by one" else BookKeeping(model, limits)


def _gradients(losses: Tensor, nodes: Sequence[Any], weights: Tensor, retain_graph: bool) -> dict[Any, tuple[Tensor | None, ...]]:
    """Return the gradients of the outputs of some operations, by operation."""
    edges = [GradientEdge(node, at) for node in nodes for at in range(len(output_shapes(node)))]
    found: dict[Any, tuple[Tensor | None, ...]] = defaultdict(tuple)
    if edges:
        gradients = torch.autograd.grad(losses, edges, weights, retain_graph=retain_graph, allow_unused=True)
        for edge, gradient in zip(edges, gradients, strict=True):
            found[edge.node] += (gradient,)
    return found


def _is_rounding(gradient: Tensor) -> bool:
    """Return whether a gradient is no more than rounding, beside that of a loss with regard to itself, which is 1."""
    return gradient.numel() == 0 or float(gradient.abs().max()) <= torch.finfo(gradient.dtype).eps


def _carries(plain: Tensor, weighted: Tensor, weights: Tensor, layout: Layout) -> bool:
    """Return whether each row's gradient has the weight of its case, so that no other case has a share in it."""
    rows, others = by_case(plain, len(weights), layout), by_case(weighted, len(weights), layout)
    expected = rows * weights.reshape(-1, *[1] * (rows.ndim - 1)).to(rows)
    eps = torch.finfo(plain.dtype).eps
    off = (others - expected).abs().flatten(1).amax(dim=1)
    return bool((off <= 1000 * eps * rows.abs().flatten(1).amax(dim=1) + eps).all())


def _joined(behind: Sequence[tuple[Use, CaseGradients]]) -> CaseGradients | None:
    """Return the uses of a weight as one, if their lengths follow without gradients in full; else None."""
    use, gradient = behind[0]
    if any(other.signature[2:4] != use.signature[2:4] for other, _ in behind):
        return None
    if not is_rearranged(use):
        return None
    if len(behind) == 1:
        return gradient
    joined: Callable[[Sequence[Any]], CaseGradients] | None = None
    if all(isinstance(of, Products) for _, of in behind):
        joined = lambda of: Products(torch.cat([one.inputs for one in of], 1), torch.cat([one.outputs for one in of], 1))  # noqa: E731
    elif all(isinstance(of, Lookups) for _, of in behind):
        joined = lambda of: Lookups(torch.cat([one.rows for one in of], 1), torch.cat([one.outputs for one in of], 1), of[0].size)  # noqa: E731
    return joined([of for _, of in behind]) if joined is not None else None
