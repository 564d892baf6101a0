"""Permutation p-value of "all groups have the same rate"."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from raikit.stats._types import BoolArray, FloatArray, IntArray
from raikit.stats.constants import EXCEEDANCES, TINY

_BLOCK = 1_000
_TIES = 1 - 1e-9  # Factor below which a statistic is smaller than the observed one beyond rounding.


def permutation_p_strata(
    strata: Sequence[tuple[FloatArray, FloatArray]], draws: int, rng: np.random.Generator
) -> float:
    """Compute a Monte-Carlo p-value of "no difference in any stratum".

    Parameters
    ----------
    strata : sequence of (x, n)
        Whole counts per group.
    draws : int
        Permutations. Sampling stops early at 400 exceedances [2]_, where p is known to a relative standard error of 5%.
    rng : numpy.random.Generator

    Returns
    -------
    float, in (0, 1]
        ``(1 + exceedances) / (1 + draws)``, or ``400 / draws used`` after an early stop. Where p is smaller than
        the draws can resolve, Chernoff's upper bound of it [3]_.

    Notes
    -----
    Exchanging cases within a stratum makes the successes of the groups multivariate hypergeometric. The statistic is the
    largest ``|p_i - p_j| / sqrt(p (1 - p) (1 / n_i + 1 / n_j))`` over pairs and strata. The level is exact [1]_ for
    independent, unweighted cases and the hypothesis "no difference"; the test cannot be inverted to an interval.

    References
    ----------
    .. [1] Phipson and Smyth, "Permutation p-values should never be zero", 2010.
    .. [2] Besag and Clifford, "Sequential Monte Carlo p-values", Biometrika 1991.
    .. [3] Hoeffding, "Probability inequalities for sums of bounded random variables", JASA 1963, theorem 1 and section 6
       (draws without replacement).
    """
    whole = [(np.rint(x).astype(np.int64), np.rint(n).astype(np.int64)) for x, n in strata]
    whole = [(x, n) for x, n in whole if 0 < x.sum() < n.sum()]
    if not whole:
        return 1.0
    observed = max(float(_largest(x[None], n)[0]) for x, n in whole) * _TIES
    if (bound := _chernoff_bound(whole, observed)) < 1 / (1 + draws):
        return bound
    exceeded = 0
    for start in range(0, draws, _BLOCK):
        size = min(_BLOCK, draws - start)
        above = np.zeros(size, dtype=bool)
        for x, n in whole:
            above |= _exceeds(_shuffled(x, n, size, rng), n, observed)
        if exceeded + above.sum() >= EXCEEDANCES:
            used = start + int(np.searchsorted(np.cumsum(above), EXCEEDANCES - exceeded)) + 1
            return EXCEEDANCES / used
        exceeded += int(above.sum())
    return (1 + exceeded) / (1 + draws)


def _chernoff_bound(strata: Sequence[tuple[IntArray, IntArray]], observed: float) -> float:
    """Return an upper bound of the p-value.

    To reach the statistic, some group must be ``observed / sqrt(2)`` standard deviations off the common rate.
    """
    total = 0.0
    for x, n in strata:
        p = x.sum() / n.sum()
        reach = observed * np.sqrt(p * (1 - p) / (2 * n))
        for rate in (p, 1 - p):
            total += float(np.sum(np.where(rate + reach <= 1, np.exp(-n * _divergence(rate + reach, rate)), 0.0)))
    return min(max(total, TINY), 1.0)


def _divergence(q: FloatArray, p: float) -> FloatArray:
    """Return the Kullback-Leibler divergence of a Bernoulli distribution with rate q from one with rate p."""
    inside = np.clip(q, TINY, 1 - 1e-16)
    return np.asarray(inside * np.log(inside / p) + (1 - inside) * np.log((1 - inside) / (1 - p)))


def _shuffled(x: IntArray, n: IntArray, size: int, rng: np.random.Generator) -> IntArray:
    return np.asarray(rng.multivariate_hypergeometric(n, int(x.sum()), size=size, method="marginals"))


def _scores(x: IntArray, n: IntArray) -> tuple[FloatArray, FloatArray]:
    total = n.sum()
    common = x[0].sum() / total
    return x / n - common, 1 / (common * (1 - common) * n)


def _largest(x: IntArray, n: IntArray) -> FloatArray:
    """Return the largest pooled-variance |t| over pairs; counts have shape (draws, k), the result (draws,).

    Of groups of the same size, only the lowest and the highest rate can make it.
    """
    deviation, variance = _scores(x, n)
    order = np.argsort(n, kind="stable")
    first = np.flatnonzero(np.diff(n[order], prepend=-1))
    variance = variance[order][first]
    low, high = (extreme.reduceat(deviation[:, order], first, axis=1) for extreme in (np.minimum, np.maximum))
    best = np.zeros(len(x))
    for i in range(len(first)):
        reach = np.maximum(high[:, i, None] - low[:, i:], high[:, i:] - low[:, i, None])
        np.maximum(best, (reach / np.sqrt(variance[i] + variance[i:])).max(axis=1), out=best)
    return best


def _exceeds(x: IntArray, n: IntArray, observed: float) -> BoolArray:
    """Return whether the statistic reaches `observed`; pairs are evaluated only where Cauchy-Schwarz does not decide."""
    deviation, variance = _scores(x, n)
    standard = deviation / np.sqrt(variance)
    bound = np.hypot(np.maximum(standard.max(axis=1), 0), np.maximum(-standard.min(axis=1), 0))
    undecided = np.flatnonzero(bound >= observed * _TIES)
    result = np.zeros(len(x), dtype=bool)
    if len(undecided):
        result[undecided] = _largest(x[undecided], n) >= observed
    return result
