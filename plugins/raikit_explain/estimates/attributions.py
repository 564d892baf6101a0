"""Integrated Gradients on all inputs of a model together, with as many steps as each case needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from raikit.arrays import FloatArray, IntArray

if TYPE_CHECKING:
    import raikit
    from raikit.models.encoded import Encoded

Score = Callable[..., Tensor]

FIRST_STEPS = 16
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
class IntegratedGradients:
    """Integrated Gradients of n cases.

    Attributes
    ----------
    attributions : mapping of input name to ndarray, shape (n, …)
        Same shapes as the encoded inputs.
    change : ndarray, shape (n,)
        Decision of the case minus the decision without any input: what the attributions should add up to.
    error : ndarray, shape (n,)
        Share of the change by which the attributions miss it, from 0 to 1 (`relative_error`).
    steps : ndarray of int, shape (n,)
    """

    attributions: dict[str, npt.NDArray[np.float32]]
    change: FloatArray
    error: FloatArray
    steps: IntArray

    def totals(self) -> FloatArray:
        """Sum the attributions over each input, shape (n, inputs)."""
        return np.stack([values.reshape(len(values), -1).sum(axis=1, dtype=np.float64)
                         for values in self.attributions.values()], axis=1)


def relative_error(total: FloatArray, change: FloatArray, floor: float) -> FloatArray:
    """Compute ``|total - change| / max(|change|, floor)``, at most 1, so that no case dominates a mean; NaN counts as 1."""
    with np.errstate(invalid="ignore"):
        error = np.abs(total - change) / np.maximum(np.abs(change), floor)
    return np.nan_to_num(np.minimum(error, 1.0), nan=1.0)


def integrated_gradients(
    score: Score, encoded: Encoded, decided: Tensor, *, tolerance: float, most_steps: int, floor: float,
) -> IntegratedGradients:
    """Attribute the decisions to the encoded inputs jointly, against the model's baseline of each input.

    Parameters
    ----------
    score : callable
        From `scorer`.
    encoded : Encoded
        Its context stays as it is on the whole path.
    decided : Tensor of int, shape (n,)
    tolerance : float
        Cases whose `relative_error` is above it are integrated again with twice the steps, up to `most_steps`.
    floor : float
        See `relative_error`.

    Returns
    -------
    IntegratedGradients

    Notes
    -----
    Captum's Integrated Gradients [1]_ with Gauss-Legendre nodes. All inputs move from their baselines to their values
    together, so that the effect of an interaction is divided between its inputs.

    References
    ----------
    .. [1] Sundararajan, Taly and Yan, "Axiomatic Attribution for Deep Networks", ICML 2017.
    """
    n = len(decided)
    change = evaluate(score, encoded, decided) - evaluate(score, encoded.without(list(encoded)), decided)
    best = IntegratedGradients({name: np.zeros(tuple(tensor.shape), np.float32) for name, tensor in encoded.inputs.items()},
                      change, np.full(n, np.inf), np.zeros(n, np.int64))
    pending, steps = np.arange(n), min(FIRST_STEPS, most_steps)
    while len(pending):
        for part in slices(len(pending), batch_size(encoded)):
            _improve(best, pending[part], score, encoded, decided, steps, floor)
        pending = pending[best.error[pending] > tolerance]
        if 2 * steps > most_steps:
            break
        steps *= 2
    return best


def _improve(
    best: IntegratedGradients, cases: IntArray, score: Score, encoded: Encoded, decided: Tensor, steps: int, floor: float,
) -> None:
    """Integrate `cases` with `steps` steps and keep the results with a smaller error than before."""
    at = torch.from_numpy(cases).to(decided.device)
    attributions = _captum(score, encoded.take(at), decided[at], steps, batch_size(encoded))
    total = sum((values.reshape(len(cases), -1).sum(axis=1, dtype=np.float64) for values in attributions),
                np.zeros(len(cases)))
    error = relative_error(total, best.change[cases], floor)
    better = error < best.error[cases]
    improved = cases[better]
    best.error[improved], best.steps[cases] = error[better], steps
    for name, values in zip(encoded.inputs, attributions, strict=True):
        best.attributions[name][improved] = values[better]


def _captum(score: Score, encoded: Encoded, decided: Tensor, steps: int, passes: int) -> list[npt.NDArray[np.float32]]:
    from captum.attr import IntegratedGradients

    method: Any = IntegratedGradients(score)
    inputs = tuple(tensor.detach().clone() for tensor in encoded.inputs.values())
    attributions = method.attribute(inputs, baselines=tuple(encoded.baseline(name) for name in encoded),
                                    additional_forward_args=(decided, *encoded.context.values()), n_steps=steps,
                                    internal_batch_size=max(passes, len(decided)))
    return [values.detach().float().cpu().numpy() for values in attributions]
