"""Integrated Gradients on all inputs of a model together, with as many steps as each case needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from raikit.arrays import BoolArray, FloatArray, IntArray
from raikit_explain.estimates.quadrature import Rule, nested_rule

if TYPE_CHECKING:
    import raikit
    from raikit.models.encoded import Encoded

Score = Callable[..., Tensor]

AGREEMENT = 0.05  # successive estimates agree where they differ by at most this share of the attributions
MEGABYTES = 1024
_MAX_CELLS = 2_000_000
_MAX_PASSES = 128  # larger batches do not fit in the cache and are slower


def decision(logits: Tensor, decided: Tensor, scale: float = 1.0) -> Tensor:
    """Compute the quantity that is explained: the log-odds of the decided class.

    Parameters
    ----------
    logits : Tensor, shape (n, k)
    decided : Tensor of int, shape (n,)
        Class of each case; ignored if k is 1.
    scale : float
        Regression (k is 1): the target's units per unit of the output.

    Returns
    -------
    Tensor, shape (n,)
        With two classes, the decided class's logit minus the other's; with more, minus the log-sum-exp of the others.
        Adding a constant to every logit changes nothing. Regression: the predicted value, up to a constant.
    """
    if logits.shape[1] == 1:
        return logits[:, 0] * scale
    chosen = torch.nn.functional.one_hot(decided, logits.shape[1]).bool()
    return logits[chosen] - logits.masked_fill(chosen, -torch.inf).logsumexp(dim=1)


def scorer(model: raikit.Model, encoded: Encoded, scale: float = 1.0) -> Score:
    """Return ``score(*values, decided, *context)``, which computes decisions from inputs in the order of `encoded`."""

    def score(*arguments: Tensor) -> Tensor:
        tensors, (decided, *context) = arguments[: len(encoded)], arguments[len(encoded) :]
        # A model may change what it gets in place (``relu_``), which autograd refuses and which would change the next pass.
        copies = encoded.with_inputs([tensor.clone() for tensor in tensors], [tensor.clone() for tensor in context])
        value = decision(model.forward(copies), decided, scale)
        # Autograd fails on an input that the model never reads, because it has no gradient; this makes it zero.
        return value + sum(0.0 * tensor.flatten(1).sum(dim=1) for tensor in tensors)

    return score


def evaluate(score: Score, encoded: Encoded, decided: Tensor) -> FloatArray:
    """Compute the decisions of all cases without gradients, shape (n,)."""
    with torch.no_grad():
        parts = [_evaluate_part(score, encoded.take(part), decided[part])
                 for part in slices(len(decided), batch_size(encoded))]
    return np.concatenate(parts) if parts else np.zeros(0)


def _evaluate_part(score: Score, encoded: Encoded, decided: Tensor) -> FloatArray:
    decisions: FloatArray = score(*encoded.inputs.values(), decided, *encoded.context.values()).double().cpu().numpy()
    return decisions


def batch_size(encoded: Encoded) -> int:
    """Return how many cases go through the model together, so that they fit in memory and in the cache."""
    cells = sum(tensor[0].numel() for tensor in encoded.inputs.values() if len(tensor))
    return int(np.clip(_MAX_CELLS // max(cells, 1), 1, _MAX_PASSES))


def slices(n: int, size: int) -> Iterator[slice]:
    """Yield consecutive parts of at most `size` cases."""
    for start in range(0, n, size):
        yield slice(start, min(start + size, n))


@dataclass(frozen=True)
class Attribution:
    """What one method attributes to the inputs of n cases.

    Attributes
    ----------
    method : str
        By Captum's name.
    values : mapping of input name to ndarray, shape (n, …)
        Same shapes as the encoded inputs; 0 where the method gives nothing.
    change : ndarray, shape (n,)
        Decision of the case minus the decision without any input: what the attributions should add up to.
    error : ndarray, shape (n,)
        Share of the change by which the attributions miss it, from 0 to 1 (`relative_error`); NaN if they need not add up.
    converged : ndarray of bool, shape (n,), or None
        Whether the integral is known as precisely as was asked, or the sum is right where it must be; None if the method
        computes neither.
    steps : ndarray of int, shape (n,), or None
        Of the integral.
    layers : mapping of input name to str
        Grad-CAM: the layer whose map shows the input.
    """

    method: str
    values: dict[str, npt.NDArray[np.float32]]
    change: FloatArray
    error: FloatArray
    converged: BoolArray | None = None
    steps: IntArray | None = None
    layers: Mapping[str, str] = field(default_factory=dict)

    def totals(self) -> FloatArray:
        """Sum the attributions over each input, shape (n, inputs)."""
        return np.stack([values.reshape(len(values), -1).sum(axis=1, dtype=np.float64)
                         for values in self.values.values()], axis=1)


def relative_error(total: FloatArray, change: FloatArray, floor: float) -> FloatArray:
    """Compute ``|total - change| / max(|change|, floor)``, at most 1, so that no case dominates a mean; NaN counts as 1."""
    with np.errstate(invalid="ignore"):
        error = np.abs(total - change) / np.maximum(np.abs(change), floor)
    return np.nan_to_num(np.minimum(error, 1.0), nan=1.0)


def change_of_decision(score: Score, encoded: Encoded, decided: Tensor) -> FloatArray:
    """Compute the decision of each case minus the decision without any input, shape (n,)."""
    return evaluate(score, encoded, decided) - evaluate(score, encoded.without(list(encoded)), decided)


def integrated_gradients(
    score: Score, encoded: Encoded, decided: Tensor, *, tolerance: float, most_steps: int, floor: float,
    agreement: float = AGREEMENT, megabytes: float = MEGABYTES,
) -> Attribution:
    """Attribute the decisions to the encoded inputs jointly, against the model's baseline of each input.

    Parameters
    ----------
    score : callable
        From `scorer`.
    encoded : Encoded
        Its context stays as it is on the whole path.
    decided : Tensor of int, shape (n,)
    tolerance, agreement : float
        A case has converged when its `relative_error` is at most `tolerance` and its last two estimates differ by at most
        `agreement` of their absolute sum. Others are integrated with twice the steps, up to `most_steps`.
    floor : float
        See `relative_error`.
    megabytes : float
        Most memory for gradients and for what backward passes keep; one case goes through the model in any case.

    Returns
    -------
    Attribution

    Notes
    -----
    Integrated Gradients [1]_ by nested quadrature (`nested_rule`): a finer estimate reuses the gradients of a coarser one. All
    inputs move from their baselines to their values together, so that the effect of an interaction is divided between its
    inputs. Completeness alone can hold because errors cancel, which is why estimates are compared too.

    References
    ----------
    .. [1] Sundararajan, Taly and Yan, "Axiomatic Attribution for Deep Networks", ICML 2017.
    """
    n = len(decided)
    result = Attribution(
        "integrated_gradients", {name: np.zeros(tuple(tensor.shape), np.float32) for name, tensor in encoded.items()},
        change_of_decision(score, encoded, decided), np.ones(n), np.zeros(n, dtype=bool), np.zeros(n, np.int64))
    rule = nested_rule(most_steps)
    passes = gradient_batch_size(score, encoded, decided, megabytes / 2)
    cells = sum(tensor[0].numel() for tensor in encoded.inputs.values()) if n else 1
    at_once = max(int(megabytes / 2 * 1e6 / (4 * max(cells, 1) * (len(rule.levels) + 3))), 1)
    for part in slices(n, at_once):
        _Path(score, encoded.take(part), decided[part], rule, passes).integrate(
            result, np.arange(n)[part], (tolerance, agreement, floor))
    return result


class _Path:
    """The straight ways of some cases from their baselines to their values, with the sums of gradients for every level."""

    def __init__(self, score: Score, encoded: Encoded, decided: Tensor, rule: Rule, passes: int) -> None:
        self._score, self._encoded, self._decided, self._rule, self._passes = score, encoded, decided, rule, passes
        self._starts = [encoded.baseline(name) for name in encoded]
        self._ways = [tensor - start for tensor, start in zip(encoded.values(), self._starts, strict=True)]
        self._sums = [way.new_zeros((len(rule.levels), *way.shape), dtype=torch.float32) for way in self._ways]
        self._broken = torch.zeros(len(decided), dtype=torch.bool, device=decided.device)

    def integrate(self, result: Attribution, rows: IntArray, limits: tuple[float, float, float]) -> None:
        """Write the estimates of these cases, which are `rows` of the result, level by level until they have converged."""
        tolerance, agreement, floor = limits
        assert result.converged is not None
        assert result.steps is not None
        pending, before = np.arange(len(rows)), None
        for number, level in enumerate(self._rule.levels):
            if not len(pending):
                break
            self._evaluate(number, pending)
            values = self._estimate(number, pending)
            own = rows[pending]
            total = sum((part.reshape(len(own), -1).sum(axis=1, dtype=np.float64) for part in values), np.zeros(len(own)))
            result.error[own], result.steps[own] = relative_error(total, result.change[own], floor), level.steps
            for name, part in zip(result.values, values, strict=True):
                result.values[name][own] = part
            if before is not None:
                apart = difference(values, before, floor)
                result.converged[own] = ((result.error[own] <= tolerance) & (apart <= agreement)
                                         & ~self._broken[torch.from_numpy(pending)].cpu().numpy())
            still = ~result.converged[own]
            pending, before = pending[still], [part[still] for part in values]

    def _evaluate(self, number: int, pending: IntArray) -> None:
        """Compute the gradients at the new nodes of a level, and add them to the sums of this level and all finer ones."""
        nodes, weights = self._rule.levels[number].nodes, self._rule.weights[number]
        node, case = (part.ravel() for part in np.meshgrid(np.arange(len(nodes)), pending, indexing="ij"))
        for part in slices(len(node), self._passes):
            at = torch.from_numpy(case[part]).to(self._decided.device)
            gradients = self._gradients(nodes[node[part]], at)
            for sums, gradient in zip(self._sums, gradients, strict=True):
                for finer in range(number, len(self._rule.levels)):
                    weight = _column(torch.from_numpy(weights[finer][node[part]]), gradient)
                    sums[finer].index_add_(0, at, weight * gradient)

    def _gradients(self, nodes: FloatArray, at: Tensor) -> list[Tensor]:
        """Compute gradients at one node of each case; those that are not finite count as zero, and the case as broken."""
        encoded = self._encoded.take(at)
        inputs = [(start[at] + _column(torch.from_numpy(nodes), way) * way[at]).requires_grad_()
                  for start, way in zip(self._starts, self._ways, strict=True)]
        value = self._score(*inputs, self._decided[at], *encoded.context.values())
        gradients = [gradient.float() for gradient in torch.autograd.grad(value.sum(), inputs)]
        for position, (gradient, way) in enumerate(zip(gradients, self._ways, strict=True)):
            moves = way[at] != 0
            lost = ~gradient.isfinite() & moves
            self._broken[at[lost.flatten(1).any(dim=1)]] = True
            gradients[position] = torch.where(gradient.isfinite(), gradient, 0.0)
        return gradients

    def _estimate(self, number: int, pending: IntArray) -> list[npt.NDArray[np.float32]]:
        at = torch.from_numpy(pending).to(self._decided.device)
        return [(sums[number][at] * way[at]).float().cpu().numpy() for sums, way in zip(self._sums, self._ways, strict=True)]


def _column(values: Tensor, like: Tensor) -> Tensor:
    """Return values of cases in the shape that multiplies a tensor with one entry of the first axis for each."""
    return values.to(like.device, like.dtype).view(-1, *[1] * (like.ndim - 1))


def difference(values: list[npt.NDArray[np.float32]], others: list[npt.NDArray[np.float32]], floor: float) -> FloatArray:
    """Compute how far two attributions are apart, as a share of the first one's absolute sum, at least `floor`."""
    def size(parts: list[npt.NDArray[np.float32]]) -> FloatArray:
        return sum((np.abs(part.reshape(len(part), -1)).sum(axis=1, dtype=np.float64) for part in parts), np.zeros(len(parts[0])))

    apart = size([one - other for one, other in zip(values, others, strict=True)])
    return np.asarray(apart / np.maximum(size(values), floor))


def gradient_batch_size(score: Score, encoded: Encoded, decided: Tensor, megabytes: float) -> int:
    """Return how many cases go through the model with gradients together, so that what backward passes keep fits."""
    usual = batch_size(encoded)
    if not len(decided):
        return usual
    one, two = (_kept_bytes(score, encoded, decided, cases) for cases in (1, 2))
    return int(np.clip(megabytes * 1e6 // max(two - one, 1), 1, usual))


def _kept_bytes(score: Score, encoded: Encoded, decided: Tensor, cases: int) -> int:
    """Count the bytes that a backward pass over some copies of the first case needs."""
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    at = torch.zeros(cases, dtype=torch.int64, device=decided.device)
    own = encoded.take(at)
    inputs = [tensor.clone().requires_grad_() for tensor in own.values()]
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        value = score(*inputs, decided[at], *own.context.values())
    del value
    return sum(kept.values())
