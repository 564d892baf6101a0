"""Shapley values and interactions from the worth of coalitions: of all of them, or by least squares from a sample."""

from __future__ import annotations

from math import comb, factorial

import numpy as np

from raikit.arrays import BoolArray, FloatArray

MOST_EXACT = 10  # players whose 2^m coalitions are all played


def all_coalitions(players: int) -> BoolArray:
    """Return every coalition, shape (2^m, m); row ``S``, read in binary, holds the players whose bits are set.

    Examples
    --------
    >>> all_coalitions(2).tolist()
    [[False, False], [True, False], [False, True], [True, True]]
    """
    return np.asarray(np.arange(2**players)[:, None] >> np.arange(players) & 1, dtype=bool)


def interactions(values: FloatArray) -> FloatArray:
    """Compute the Shapley interaction index of each pair of players [1]_.

    Parameters
    ----------
    values : ndarray, shape (n, 2^m)
        Worth of each coalition in the order of `all_coalitions`.

    Returns
    -------
    ndarray, shape (n, m, m)
        Symmetric, with zeros on the diagonal: by how much two players add more together than each adds alone, averaged over
        the coalitions of others that they may meet. Negative where one makes the other dispensable.

    References
    ----------
    .. [1] Grabisch and Roubens, "An axiomatic approach to the concept of interaction among players in cooperative games",
       International Journal of Game Theory 1999.

    Examples
    --------
    >>> interactions(np.array([[0.0, 1.0, 2.0, 5.0]]))[0].tolist()
    [[0.0, 2.0], [2.0, 0.0]]
    """
    players = int(values.shape[1]).bit_length() - 1
    subsets = np.arange(values.shape[1])
    sizes = all_coalitions(players).sum(axis=1)
    index = np.zeros((len(values), players, players))
    for first in range(players):
        for second in range(first):
            one, other = 1 << first, 1 << second
            others = subsets[(subsets & (one | other)) == 0]
            weight = np.array([factorial(size) * factorial(players - size - 2) for size in sizes[others].tolist()], dtype=float)
            gain = values[:, others | one | other] - values[:, others | one] - values[:, others | other] + values[:, others]
            index[:, first, second] = index[:, second, first] = gain @ weight / factorial(players - 1)
    return index


def kernel_coalitions(players: int, most: int, rng: np.random.Generator) -> tuple[BoolArray, FloatArray]:
    """Choose coalitions for KernelSHAP and their weights; all of them where they are at most `most`.

    Coalitions of few and of nearly all players weigh most. Whole sizes are enumerated from both ends inwards as long as they
    fit, and the rest is drawn together with its complements [1]_.

    Parameters
    ----------
    players : int
        At least 2.
    most : int
        Coalitions besides the empty one and that of all.

    Returns
    -------
    ndarray of bool, shape (k, m), and ndarray, shape (k,)

    References
    ----------
    .. [1] Covert and Lee, "Improving KernelSHAP: practical Shapley value estimation using linear regression", AISTATS 2021.
    """
    if 2**players - 2 <= most:
        masks = all_coalitions(players)[1:-1]
        sizes = masks.sum(axis=1).tolist()
        return masks, np.array([_size_weight(players, size) / comb(players, size) for size in sizes])
    parts, weights, left = [], [], most
    size = 1
    while 2 * size < players and 2 * comb(players, size) <= left:
        own = _of_size(players, size)
        parts += [own, ~own]
        weights += [np.full(2 * len(own), _size_weight(players, size) / comb(players, size))]
        left, size = left - 2 * len(own), size + 1
    sampled = _draw(players, np.arange(size, players - size + 1), max(left // 2, 1), rng)
    rest = sum(_size_weight(players, inner) for inner in range(size, players - size + 1))
    weights.append(np.full(2 * len(sampled), rest / len(sampled) / 2))
    return np.concatenate([*parts, sampled, ~sampled]), np.concatenate(weights)


def _size_weight(players: int, size: int) -> float:
    """Return the weight of all coalitions of a size together."""
    return (players - 1) / (size * (players - size))


def _of_size(players: int, size: int) -> BoolArray:
    from itertools import combinations

    masks = np.zeros((comb(players, size), players), dtype=bool)
    for row, members in enumerate(combinations(range(players), size)):
        masks[row, list(members)] = True
    return masks


def _draw(players: int, sizes: FloatArray | np.ndarray, number: int, rng: np.random.Generator) -> BoolArray:
    """Draw coalitions whose sizes occur in proportion to their weights."""
    weight = np.array([_size_weight(players, int(size)) for size in sizes])
    chosen = rng.choice(sizes, number, p=weight / weight.sum())
    order = rng.random((number, players)).argsort(axis=1).argsort(axis=1)
    return np.asarray(order < chosen[:, None])


def kernel_solution(masks: BoolArray, weights: FloatArray, values: FloatArray, empty: float, full: float) -> FloatArray:
    """Solve the weighted least squares of KernelSHAP [1]_; the values add up to ``full - empty`` exactly.

    Parameters
    ----------
    masks, weights
        From `kernel_coalitions`.
    values : ndarray, shape (k,)
        Worth of each coalition.
    empty, full : float
        Worth of no player and of all.

    References
    ----------
    .. [1] Lundberg and Lee, "A Unified Approach to Interpreting Model Predictions", NeurIPS 2017.
    """
    present = masks.astype(float)
    last = present[:, -1]
    root = np.sqrt(weights / weights.sum())
    target = (values - empty - last * (full - empty)) * root
    solution = np.linalg.lstsq((present[:, :-1] - last[:, None]) * root[:, None], target, rcond=None)[0]
    return np.append(solution, full - empty - solution.sum())
