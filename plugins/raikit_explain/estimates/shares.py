"""Contribution of each input as a whole, by leaving inputs out in every combination."""

from __future__ import annotations

from math import factorial
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from raikit.arrays import FloatArray
from raikit_explain.estimates.attributions import Score, evaluate

if TYPE_CHECKING:
    from raikit.models.encoded import Encoded

MAX_INPUTS = 8  # with more, 2^m passes cost more than the integration itself


def coalitions(score: Score, encoded: Encoded, decided: Tensor) -> FloatArray:
    """Compute decisions with every subset of the inputs present and the others absent.

    Returns
    -------
    ndarray, shape (n, 2^m)
        Column ``S``, read in binary, holds the inputs whose bits are set (the first input is bit 0).
    """
    return np.stack([evaluate(score, _only(encoded, subset), decided) for subset in range(2 ** len(encoded))], axis=1)


def leave_one_out(score: Score, encoded: Encoded, decided: Tensor) -> FloatArray:
    """Compute decisions with one input absent, shape (n, m)."""
    all_inputs = 2 ** len(encoded) - 1
    return np.stack([evaluate(score, _only(encoded, all_inputs - (1 << index)), decided)
                     for index in range(len(encoded))], axis=1)


def _only(encoded: Encoded, subset: int) -> Encoded:
    return encoded.without([name for index, name in enumerate(encoded) if not subset >> index & 1])


def shapley(values: FloatArray) -> FloatArray:
    """Compute exact Shapley values of the players of a game [1]_.

    Parameters
    ----------
    values : ndarray, shape (n, 2^m)
        From `coalitions`.

    Returns
    -------
    ndarray, shape (n, m)
        Each player's gain, averaged over all orders in which players may join; they add up to
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
    gains = np.zeros((len(values), players))
    for player in range(players):
        absent = subsets[(subsets >> player & 1) == 0]
        weight = np.array([factorial(size) * factorial(players - size - 1) for size in sizes[absent]])
        gains[:, player] = (values[:, absent | 1 << player] - values[:, absent]) @ weight / factorial(players)
    return gains


def shares(contributions: FloatArray) -> FloatArray:
    """Compute each input's share of the change of a decision: ``|c_i| / sum |c_j|``; NaN where all are 0.

    Parameters
    ----------
    contributions : ndarray, shape (n, m)
        Signed; they may have opposite signs.

    Examples
    --------
    >>> shares(np.array([[3.0, -1.0], [0.0, 0.0]])).tolist()
    [[0.75, 0.25], [nan, nan]]
    """
    size = np.abs(contributions)
    whole = size.sum(axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(whole > 1e-9, size / whole, np.nan)
