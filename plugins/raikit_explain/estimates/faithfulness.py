"""Whether an explanation orders the parts of a case better than chance: an exact test, case by case."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from raikit.arrays import BoolArray, FloatArray, IntArray
from raikit_explain.estimates.games import Game

LEAST_PARTS = 4  # with three parts, the best of all orders comes up by chance in one of six
DRAWS = 39
_EXCEEDANCES = 4
_ROUND = 8
_KEPT = np.array([1 / 16, 1 / 8, 1 / 4, 1 / 2, 3 / 4])  # shares of the parts that are kept
_NOISE = 1e-5  # scores that differ by less, as a share of the decisions, are equal: float32 tells no more


@dataclass(frozen=True)
class ChanceTest:
    """How explanations of n cases by several methods compare with random ones.

    Attributes
    ----------
    score : ndarray, shape (methods, n)
        Mean decision with only the first parts kept, minus that with only the last ones kept. 0 by chance; NaN where a case
        cannot be tested.
    p : ndarray, shape (methods, n)
        Exact p-value of "the order is random", one-sided; equal scores count against the explanation. NaN where a case cannot
        be tested.
    below : ndarray, shape (methods, n)
        Next smaller value that `p` can take: by chance, a uniform number between the two is uniform on (0, 1).
    draws : ndarray of int, shape (n,)
        Random orders that were tried; all methods share them.
    """

    score: FloatArray
    p: FloatArray
    below: FloatArray
    draws: IntArray


def chance_test(
    game: Game, explanations: Sequence[FloatArray], rng: np.random.Generator, *, draws: int = DRAWS
) -> ChanceTest:
    """Compare explanations with random ones that have the same values in another order.

    Parameters
    ----------
    game : Game
        Of the model that was explained, with n cases and m players.
    explanations : sequence of ndarray, shape (n, m)
        Attribution of each player by each method. NaN among them never passes.
    rng : Generator
    draws : int
        Most random orders a case.

    Returns
    -------
    ChanceTest

    Notes
    -----
    The score is the area between the insertion and the deletion curve [1]_ [2]_, over content players only: blank parts would
    make random networks look right. Equal attributions are ordered at random, so an explanation that says nothing is one of
    the random ones.

    Where an explanation knows nothing of the model, its values are exchangeable over players, and its order is as likely as any
    other. An order and its reverse have scores of opposite sign, so the sign of the score and its size are independent: half
    of all random explanations are told by their sign alone, and the others by the rank of their size among random orders, by
    sequential draws [3]_ that stop at the fourth that is as large. The p-value is exact for any number of draws, and at most
    its nominal level where scores are equal. Cases are not independent: one method explains them all.

    Cases with fewer than four content players, or with a decision that is not finite, are not tested.

    References
    ----------
    .. [1] Petsiuk, Das and Saenko, "RISE: Randomized Input Sampling for Explanation of Black-box Models", BMVC 2018.
    .. [2] Samek et al., "Evaluating the Visualization of What a Deep Neural Network Has Learned", IEEE TNNLS 2017.
    .. [3] Besag and Clifford, "Sequential Monte Carlo p-values", Biometrika 1991.
    """
    n = len(game.content)
    testable = game.content.sum(axis=1) >= LEAST_PARTS
    cases = np.flatnonzero(testable)
    score, noise = np.full((len(explanations), n), np.nan), np.zeros(n)
    for method, values in enumerate(explanations):
        score[method, cases], found = _scores(game, cases, _order(values[cases], game.content[cases], rng))
        noise[cases] = np.fmax(noise[cases], found)
    testable &= np.isfinite(score).all(axis=0)
    score[:, ~testable] = np.nan
    broken = np.stack([(np.isnan(values) & game.content).any(axis=1) for values in explanations]) & testable
    sizes = np.where(broken, 0.0, score)  # an explanation with NaN is never better than chance
    pool = _random_sizes(game, sizes, noise, rng, draws)
    p, below = _p_values(sizes, noise, pool, draws)
    return ChanceTest(score, p, below, np.isfinite(pool).sum(axis=1))


def _order(values: FloatArray, content: BoolArray, rng: np.random.Generator) -> IntArray:
    """Return the place of each content player, the largest attribution first and equal ones at random; others come last."""
    size = np.where(content, np.nan_to_num(values, nan=0.0), -np.inf)
    by_size = np.lexsort((rng.random(size.shape), -size), axis=1)
    places = np.empty_like(by_size)
    np.put_along_axis(places, by_size, np.broadcast_to(np.arange(size.shape[1]), size.shape), axis=1)
    return places


def _scores(game: Game, cases: IntArray, places: IntArray) -> tuple[FloatArray, FloatArray]:
    """Compute the scores of orders, and below which size they are noise."""
    if not len(cases):
        return np.zeros(0), np.zeros(0)
    content = game.content[cases]
    parts = content.sum(axis=1)
    kept = np.clip(np.ceil(_KEPT * parts[:, None]), 1, parts[:, None] - 1)[:, :, None]
    first = (places[:, None, :] < kept) | ~content[:, None, :]
    last = (places[:, None, :] >= parts[:, None, None] - kept) | ~content[:, None, :]
    masks = np.concatenate([first, last], axis=1)
    values = game.values(np.repeat(cases, masks.shape[1]), masks.reshape(-1, masks.shape[2])).reshape(len(cases), 2, -1)
    means = values.mean(axis=2)
    return means[:, 0] - means[:, 1], _NOISE * np.abs(values).max(axis=(1, 2))


def _random_sizes(
    game: Game, score: FloatArray, noise: FloatArray, rng: np.random.Generator, draws: int
) -> FloatArray:
    """Draw random orders of each case until every method is decided; return the sizes of their scores, shape (n, draws)."""
    pool = np.full((score.shape[1], draws), np.nan)
    for start in range(0, draws, _ROUND):
        reached = (pool[None] >= (score - noise)[:, :, None]).sum(axis=2)
        cases = np.flatnonzero(((score > noise) & (reached < _EXCEEDANCES)).any(axis=0))
        if not len(cases):
            break
        batch = np.repeat(cases, min(_ROUND, draws - start))
        found, _ = _scores(game, batch, _order(np.zeros((len(batch), game.content.shape[1])), game.content[batch], rng))
        pool[cases, start : start + _ROUND] = np.abs(found).reshape(len(cases), -1)
    return pool


def _p_values(score: FloatArray, noise: FloatArray, pool: FloatArray, draws: int) -> tuple[FloatArray, FloatArray]:
    """Return the p-value of each score, and the next smaller value that it could have had."""
    exceeds = np.cumsum(pool[None] >= (score - noise)[:, :, None], axis=2)
    total = exceeds[:, :, -1]
    stopped = total >= _EXCEEDANCES
    last = (exceeds >= _EXCEEDANCES).argmax(axis=2) + 1
    two_sided = np.where(stopped, _EXCEEDANCES / last, (total + 1) / (draws + 1))
    smaller = np.where(stopped, _EXCEEDANCES / (last + 1), total / (draws + 1))
    right = score > noise
    p, below = np.where(right, two_sided / 2, 1.0), np.where(right, smaller / 2, 0.5)
    untested = np.isnan(score)
    return np.where(untested, np.nan, p), np.where(untested, np.nan, below)
