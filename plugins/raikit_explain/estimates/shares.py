"""What each input as a whole contributes: by leaving inputs out, in every combination."""

from __future__ import annotations

from collections.abc import Mapping
from math import factorial

import numpy as np
import torch
from torch import Tensor

from raikit_explain.estimates.attributions import Floats, Score, evaluate

MOST_INPUTS = 8  # beyond this, 2^m passes cost more than the integration itself


def coalitions(score: Score, encoded: Mapping[str, Tensor], decided: Tensor) -> Floats:
    """Decisions with every subset of the inputs present and the others absent.

    Returns
    -------
    ndarray, shape (n, 2^m)
        Column ``S``, read in binary, holds the inputs whose bits are set (the first input is bit 0).
    """
    return np.stack([evaluate(score, _only(encoded, subset), decided) for subset in range(2 ** len(encoded))], axis=1)


def without_each(score: Score, encoded: Mapping[str, Tensor], decided: Tensor) -> Floats:
    """Decisions with one input absent, shape (n, m)."""
    everything = 2 ** len(encoded) - 1
    return np.stack([evaluate(score, _only(encoded, everything - (1 << index)), decided)
                     for index in range(len(encoded))], axis=1)


def _only(encoded: Mapping[str, Tensor], subset: int) -> dict[str, Tensor]:
    return {name: tensor if subset >> index & 1 else torch.zeros_like(tensor)
            for index, (name, tensor) in enumerate(encoded.items())}


def shapley(values: Floats) -> Floats:
    """Exact Shapley values of the players of a game [1]_.

    Parameters
    ----------
    values : ndarray, shape (n, 2^m)
        From `coalitions`.

    Returns
    -------
    ndarray, shape (n, m)
        Each player's gain, averaged over all orders in which the players may come; they add up to
        ``values[:, -1] - values[:, 0]``.

    References
    ----------
    .. [1] Shapley, "A value for n-person games", 1953; for models Lundberg and Lee, NeurIPS 2017.

    Examples
    --------
    >>> shapley(np.array([[0.0, 1.0, 2.0, 5.0]])).tolist()
    [[2.0, 3.0]]
    """
    players = int(values.shape[1]).bit_length() - 1
    subsets = np.arange(values.shape[1])
    sizes = np.array([int(subset).bit_count() for subset in subsets])
    found = np.zeros((len(values), players))
    for player in range(players):
        absent = subsets[(subsets >> player & 1) == 0]
        weight = np.array([factorial(size) * factorial(players - size - 1) for size in sizes[absent]])
        found[:, player] = (values[:, absent | 1 << player] - values[:, absent]) @ weight / factorial(players)
    return found


def shares(contributions: Floats) -> Floats:
    """Each input's share of what moved the decision: ``|c_i| / sum |c_j|``; NaN where nothing moved it.

    Parameters
    ----------
    contributions : ndarray, shape (n, m)
        Signed; they may pull against each other.

    Examples
    --------
    >>> shares(np.array([[3.0, -1.0], [0.0, 0.0]])).tolist()
    [[0.75, 0.25], [nan, nan]]
    """
    size = np.abs(contributions)
    whole = size.sum(axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(whole > 1e-9, size / whole, np.nan)
