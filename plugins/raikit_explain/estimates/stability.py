"""Whether an explanation stays when the input hardly changes, and whether two methods say the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from raikit.arrays import BoolArray, FloatArray
from raikit_explain.estimates.faithfulness import LEAST_PARTS

if TYPE_CHECKING:
    from raikit.models.encoded import Encoded

_RADIUS = 0.02  # of an input's standard deviation over its elements; Captum's default, in units of the input


def sensitivity_max(
    attribute: Callable[[Encoded, Tensor], Mapping[str, npt.NDArray[Any]]], encoded: Encoded, decided: Tensor, *,
    seed: int, draws: int = 5, radius: float = _RADIUS,
) -> FloatArray:
    """Compute how much an explanation changes at most when the inputs change a little: Captum's measure [1]_.

    Parameters
    ----------
    attribute : callable
        Explains cases: ``attribute(encoded, decided)``.
    encoded : Encoded
    decided : Tensor of int, shape (n,)
    seed : int
    draws : int
        Changed inputs a case.
    radius : float
        Largest change of an element, in standard deviations of its input.

    Returns
    -------
    ndarray, shape (n,)
        Norm of the change of the explanation over its norm, the largest of all draws; NaN where the explanation is zero.

    References
    ----------
    .. [1] Yeh et al., "On the (In)fidelity and Sensitivity of Explanations", NeurIPS 2019.
    """
    from captum.metrics import sensitivity_max as captums

    scales = [float(tensor.std()) * radius if tensor.numel() > 1 else 0.0 for tensor in encoded.values()]
    n = len(decided)

    def explained(inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        cases = torch.arange(n, device=decided.device).repeat_interleave(len(inputs[0]) // n)
        of_cases = encoded.take(cases).with_inputs(inputs)
        with torch.enable_grad():  # Captum calls this without
            values = attribute(of_cases, decided[cases])
        return tuple(torch.as_tensor(of_input) for of_input in values.values())

    def moved(given: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        inputs = (given,) if isinstance(given, Tensor) else given  # Captum gives one input without its tuple
        return tuple(tensor + (2 * torch.rand_like(tensor) - 1) * scale for tensor, scale in zip(inputs, scales, strict=True))

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        change: FloatArray = captums(explained, tuple(encoded.values()), perturb_func=moved, n_perturb_samples=draws,
                                     max_examples_per_batch=n).double().cpu().numpy()
    size = sum(np.abs(values.astype(np.float64)).reshape(n, -1).sum(axis=1)
               for values in attribute(encoded, decided).values())
    return np.where(size > 0, change, np.nan)


def agreement(first: FloatArray, second: FloatArray, content: BoolArray) -> tuple[FloatArray, FloatArray]:
    """Compute how alike two explanations order the parts of each case.

    Parameters
    ----------
    first, second : ndarray, shape (n, m)
        Attributions of players.
    content : ndarray of bool, shape (n, m)
        Players that count; blank ones would agree with one another.

    Returns
    -------
    ndarray, ndarray, each shape (n,)
        Spearman's rank correlation (0 by chance), and the share of the quarter of parts that the first puts highest which the
        second puts there too (a quarter by chance). NaN with fewer than four parts, or where an explanation says nothing.
    """
    from scipy.stats import rankdata

    correlation, overlap = np.full(len(content), np.nan), np.full(len(content), np.nan)
    for row, counts in enumerate(content):
        one, other = first[row, counts], second[row, counts]
        if len(one) < LEAST_PARTS or not (np.isfinite(one).all() and np.isfinite(other).all() and np.ptp(one) and np.ptp(other)):
            continue
        ranks = rankdata(one), rankdata(other)
        top = max(len(one) // 4, 1)
        correlation[row] = np.corrcoef(*ranks)[0, 1]
        overlap[row] = len(set(np.argsort(-ranks[0], kind="stable")[:top]) & set(np.argsort(-ranks[1], kind="stable")[:top])) / top
    return correlation, overlap
