"""Integrated Gradients on all inputs of a model at once, with as many steps as each row needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

if TYPE_CHECKING:
    import raikit

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
Score = Callable[..., Tensor]

FIRST_STEPS = 16
_CELLS_AT_ONCE = 2_000_000
_PASSES_AT_ONCE = 128  # larger batches leave the cache and are slower, not faster


def decision(logits: Tensor, decided: Tensor, scale: float = 1.0) -> Tensor:
    """The quantity that is explained: what the model says for the class it decided, as log-odds.

    Parameters
    ----------
    logits : Tensor, shape (n, k)
    decided : Tensor of int, shape (n,)
        Class of each row; ignored if k is 1.
    scale : float
        Regression (k is 1): the target's units per unit of the output.

    Returns
    -------
    Tensor, shape (n,)
        With two classes the decided class's logit less the other's, with more less the log-sum-exp of the others, so
        that adding a constant to every logit changes nothing. Regression: the predicted value, but for a constant.
    """
    if logits.shape[1] == 1:
        return logits[:, 0] * scale
    chosen = torch.nn.functional.one_hot(decided, logits.shape[1]).bool()
    return logits[chosen] - logits.masked_fill(chosen, -torch.inf).logsumexp(dim=1)


def scorer(model: raikit.Model, names: list[str], scale: float = 1.0) -> Score:
    """``score(*tensors, decided)``: the decision of rows whose inputs come in the order of `names`."""

    def score(*arguments: Tensor) -> Tensor:
        *tensors, decided = arguments
        value = decision(model.forward(dict(zip(names, tensors, strict=True))), decided, scale)
        # An input that the model never reads has no gradient at all, which autograd refuses; this makes it zero.
        return value + sum(0.0 * tensor.flatten(1).sum(dim=1) for tensor in tensors)

    return score


def evaluate(score: Score, encoded: Mapping[str, Tensor], decided: Tensor) -> Floats:
    """Decisions of all rows, no gradients kept, shape (n,)."""
    with torch.no_grad():
        parts = [score(*(tensor[part] for tensor in encoded.values()), decided[part]).double().cpu().numpy()
                 for part in slices(len(decided), rows_at_once(encoded))]
    return np.concatenate(parts) if parts else np.zeros(0)


def rows_at_once(encoded: Mapping[str, Tensor]) -> int:
    """How many rows go through the model together, so that they fit in memory and in the cache."""
    cells = sum(tensor[0].numel() for tensor in encoded.values() if len(tensor))
    return int(np.clip(_CELLS_AT_ONCE // max(cells, 1), 1, _PASSES_AT_ONCE))


def slices(rows: int, size: int) -> Iterator[slice]:
    """Consecutive parts of at most `size` rows."""
    for start in range(0, rows, size):
        yield slice(start, min(start + size, rows))


@dataclass(frozen=True)
class Integrated:
    """Integrated Gradients of n rows.

    Attributes
    ----------
    attributions : mapping of input name to ndarray, shape (n, …)
        Same shapes as the encoded inputs.
    change : ndarray, shape (n,)
        Decision of the row less the decision where nothing is seen: what the attributions should add up to.
    error : ndarray, shape (n,)
        Share of the change by which they do not, from 0 to 1 (`relative_error`).
    steps : ndarray of int, shape (n,)
    """

    attributions: dict[str, npt.NDArray[np.float32]]
    change: Floats
    error: Floats
    steps: Indices

    def totals(self) -> Floats:
        """The sum over each input, shape (n, inputs)."""
        return np.stack([values.reshape(len(values), -1).sum(axis=1, dtype=np.float64)
                         for values in self.attributions.values()], axis=1)


def relative_error(total: Floats, change: Floats, floor: float) -> Floats:
    """``|total - change| / max(|change|, floor)``, at most 1, so that one row cannot carry a mean; NaN counts as 1."""
    with np.errstate(invalid="ignore"):
        error = np.abs(total - change) / np.maximum(np.abs(change), floor)
    return np.nan_to_num(np.minimum(error, 1.0), nan=1.0)


def integrated_gradients(
    score: Score, encoded: Mapping[str, Tensor], decided: Tensor, *, tolerance: float, most_steps: int, floor: float,
) -> Integrated:
    """Attribute the decisions to the encoded inputs jointly; the baseline is "nothing was seen": all zeros.

    Parameters
    ----------
    score : callable
        From `scorer`.
    encoded : mapping of input name to Tensor, shape (n, …)
    decided : Tensor of int, shape (n,)
    tolerance : float
        Rows whose `relative_error` is above it are integrated again with twice the steps, up to `most_steps`.
    floor : float
        See `relative_error`.

    Returns
    -------
    Integrated

    Notes
    -----
    Captum's Integrated Gradients [1]_ with Gauss-Legendre nodes. All inputs move from zero to their values together,
    so that what two inputs do only jointly is divided between them.

    References
    ----------
    .. [1] Sundararajan, Taly and Yan, "Axiomatic Attribution for Deep Networks", ICML 2017.
    """
    rows = len(decided)
    nothing = {name: torch.zeros_like(tensor) for name, tensor in encoded.items()}
    change = evaluate(score, encoded, decided) - evaluate(score, nothing, decided)
    best = Integrated({name: np.zeros(tuple(tensor.shape), np.float32) for name, tensor in encoded.items()},
                      change, np.full(rows, np.inf), np.zeros(rows, np.int64))
    pending, steps = np.arange(rows), min(FIRST_STEPS, most_steps)
    while len(pending):
        for part in slices(len(pending), rows_at_once(encoded)):
            _improve(best, pending[part], score, encoded, decided, steps, floor)
        pending = pending[best.error[pending] > tolerance]
        if 2 * steps > most_steps:
            break
        steps *= 2
    return best


def _improve(
    best: Integrated, rows: Indices, score: Score, encoded: Mapping[str, Tensor], decided: Tensor, steps: int,
    floor: float,
) -> None:
    """Integrate `rows` with `steps` steps and keep what adds up better than before."""
    at = torch.from_numpy(rows).to(decided.device)
    found = _captum(score, [tensor[at] for tensor in encoded.values()], decided[at], steps, rows_at_once(encoded))
    total = sum((values.reshape(len(rows), -1).sum(axis=1, dtype=np.float64) for values in found), np.zeros(len(rows)))
    error = relative_error(total, best.change[rows], floor)
    better = error < best.error[rows]
    kept = rows[better]
    best.error[kept], best.steps[rows] = error[better], steps
    for name, values in zip(encoded, found, strict=True):
        best.attributions[name][kept] = values[better]


def _captum(
    score: Score, tensors: list[Tensor], decided: Tensor, steps: int, passes: int
) -> list[npt.NDArray[np.float32]]:
    from captum.attr import IntegratedGradients

    method: Any = IntegratedGradients(score)
    inputs = tuple(tensor.detach().clone() for tensor in tensors)
    found = method.attribute(inputs, additional_forward_args=(decided,), n_steps=steps,
                             internal_batch_size=max(passes, len(decided)))
    return [values.detach().float().cpu().numpy() for values in found]
