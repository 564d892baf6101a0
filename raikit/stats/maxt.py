"""The engine of every gap: one-sided max-t over a family of contrasts, with two-step selection.

A *family* lists differences between quantities of one stratum (the rows a rate is taken over): every ordered pair of
groups and, with more than two groups, each group against the pooled rest in both directions. The largest true
difference is what we call the gap, so a lower limit of the largest difference is a lower limit of the gap.

References
----------
.. [1] Romano, Shaikh and Wolf, "A practical two-step method for testing moment inequalities", Econometrica 2014.
.. [2] Chernozhukov, Lee and Rosen, "Intersection bounds: estimation and inference", Econometrica 2013.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raikit.stats._types import AnyArray, BoolArray, FloatArray, IntArray

Noise = NDArray[np.float32]
_BLOCK = 1 << 19  # elements of a block of draws x contrasts: 2 MB, stays in the cache
_ROUNDS = 12


@dataclass(frozen=True)
class Family:
    """Contrasts between quantities: the k groups, then the pooled rest of each group in `rest_of`.

    Parameters
    ----------
    sizes : ndarray, shape (k,)
        Weights with which groups are pooled to a rest.
    strata : ndarray of int, shape (k,)
    rest_of : ndarray of int, shape (r,)
    plus, minus : ndarray of int, shape (c,)
        Contrast i is quantity ``plus[i]`` minus quantity ``minus[i]``.
    """

    sizes: FloatArray
    strata: IntArray
    rest_of: IntArray
    plus: IntArray
    minus: IntArray

    @property
    def pairs(self) -> BoolArray:
        """Which contrasts are between two groups (no rest)."""
        k = len(self.sizes)
        return np.asarray((self.plus < k) & (self.minus < k))

    def extend(self, values: AnyArray) -> AnyArray:
        """Append the rests' pooled values: shape (k, ...) to (k + r, ...)."""
        if not len(self.rest_of):
            return values
        shape = (-1,) + (1,) * (values.ndim - 1)
        size = self.sizes.astype(values.dtype).reshape(shape)
        rests = np.empty((len(self.rest_of), *values.shape[1:]), dtype=values.dtype)
        for stratum in np.unique(self.strata[self.rest_of]):
            members, rows = self.strata == stratum, self.strata[self.rest_of] == stratum
            of = self.rest_of[rows]
            weighted = size[members] * values[members]
            rests[rows] = (weighted.sum(axis=0) - size[of] * values[of]) / (size[members].sum() - size[of])
        return np.concatenate([values, rests])

    def extend_covariance(self, covariance: FloatArray) -> FloatArray:
        """Covariance of groups and rests, shape (k + r, k + r)."""
        return np.asarray(self.extend(self.extend(covariance).T).T)

    def standard_errors(self, extended: FloatArray) -> FloatArray:
        """Standard error of each contrast from the covariance of groups and rests; never exactly 0."""
        variance = np.diag(extended)
        squares = variance[self.plus] + variance[self.minus] - 2 * extended[self.plus, self.minus]
        return np.sqrt(np.maximum(squares, 1e-18))


def pairs_and_rests(sizes: FloatArray, strata: IntArray) -> Family:
    """Build the family of all ordered pairs within each stratum and, where it has over two groups, all rests."""
    k = len(sizes)
    first, second = np.nonzero((strata[:, None] == strata) & ~np.eye(k, dtype=bool))
    members = np.sum(strata[:, None] == strata, axis=1)
    rest_of = np.flatnonzero(members > 2)
    rest = k + np.arange(len(rest_of))
    plus = np.concatenate([first, rest_of, rest])
    minus = np.concatenate([second, rest, rest_of])
    return Family(sizes, strata, rest_of, plus, minus)


def groups_and_rests(sizes: FloatArray) -> Family:
    """Build the family of each group minus its pooled rest."""
    k = len(sizes)
    return Family(sizes, np.zeros(k, dtype=np.int64), np.arange(k), np.arange(k), k + np.arange(k))


@dataclass(frozen=True)
class Critical:
    """Critical values of one family.

    Parameters
    ----------
    value : float
        After selection: what the lower end uses.
    full : float
        Without selection: what a test of "any difference" has to exceed; for minimum detectable gaps.
    largest : ndarray, shape (draws,), or None
        Each draw's maximum, where all of them were evaluated.
    """

    value: float
    full: float
    largest: Noise | None = field(default=None, compare=False, repr=False)


def gaussian_noise(covariance: FloatArray, draws: int, rng: np.random.Generator, df: float = np.inf) -> Noise:
    """Draws of the estimates' errors, shape (k, draws): Gaussian, or multivariate t with a finite `df`."""
    values, vectors = np.linalg.eigh(covariance)
    root = (vectors * np.sqrt(np.maximum(values, 0.0))).astype(np.float32)
    noise: Noise = root @ rng.standard_normal((len(covariance), draws), dtype=np.float32)
    if np.isfinite(df):
        noise /= np.sqrt(rng.chisquare(df, draws) / df).astype(np.float32)
    return noise


def independent_noise(
    deviation: AnyArray, draws: int, rng: np.random.Generator, normals: Noise | None = None
) -> Noise:
    """Gaussian errors of separate groups, shape (k, draws).

    Parameters
    ----------
    normals : ndarray of float32, shape (k, draws), optional
        Standard normal draws to scale, which several quantities of the same groups may share.
    """
    if normals is None:
        normals = rng.standard_normal((len(deviation), draws), dtype=np.float32)
    return np.asarray(normals * deviation.astype(np.float32)[:, None])


def maxima(noise: Noise, plus: IntArray, minus: IntArray, se: FloatArray, shift: FloatArray) -> Noise:
    """Largest of ``(noise[plus] - noise[minus]) / se + shift`` in each draw, in blocks of bounded memory."""
    draws = noise.shape[1]
    best = np.full(draws, -np.inf, dtype=np.float32)
    scale = (1 / se).astype(np.float32)[:, None]
    offset = shift.astype(np.float32)[:, None]
    step = max(1, _BLOCK // max(draws, 1))
    for start in range(0, len(plus), step):
        part = slice(start, start + step)
        block = noise[plus[part]]
        block -= noise[minus[part]]
        block *= scale[part]
        block += offset[part]
        np.maximum(best, block.max(axis=0), out=best)
    return best


def two_step(
    family: Family,
    estimates: FloatArray,
    se: FloatArray,
    noise: Noise,
    alpha: float,
    df: float = np.inf,
    bound: Noise | None = None,
) -> Critical:
    """Critical value of the lower limit of the largest contrast.

    Parameters
    ----------
    family : Family
        With c contrasts.
    estimates, se : ndarray, shape (c,)
    noise : ndarray, shape (k + r, draws)
        Errors of groups and rests, drawn jointly.
    alpha : float
        Error probability of the lower end. A tenth of it is spent on finding contrasts that are surely not the
        largest; these then count for less.
    df : float
        Degrees of freedom of the draws.
    bound : ndarray, shape (draws,), optional
        An upper bound of each draw's maximum; draws are then evaluated only as far as the quantile needs, with the
        same result.

    Returns
    -------
    Critical

    Notes
    -----
    For a candidate gap d the critical value is the 1 - alpha + beta quantile of
    ``max_c [Z_c + min((est_c - d) / se_c + z, 0)]`` with z the upper beta / c point; d starts below every candidate
    that could survive and is raised to ``max_c (est_c - c(d) se_c)`` until it stays [1]_.
    """
    from scipy.special import ndtri, stdtrit

    beta = alpha / 10
    first_step = beta / len(se)
    z = -float(stdtrit(df, first_step)) if np.isfinite(df) else -float(ndtri(first_step))
    tail = _Tail(noise, family, se, bound)
    full = critical = tail.quantile(1 - alpha + beta, np.zeros(len(se)))
    for _ in range(_ROUNDS):
        candidate = np.max(estimates - critical * se)
        previous, critical = critical, tail.quantile(1 - alpha + beta, np.minimum((estimates - candidate) / se + z, 0))
        if previous - critical < 1e-3:
            break
    return Critical(critical, full, tail.bound if bound is None else None)


class _Tail:
    """Upper quantiles of the maxima, evaluating only the draws that can reach them."""

    def __init__(self, noise: Noise, family: Family, se: FloatArray, bound: Noise | None) -> None:
        self.noise, self.plus, self.minus, self.se = noise, family.plus, family.minus, se
        self.bound = maxima(noise, self.plus, self.minus, se, np.zeros(len(se))) if bound is None else bound
        self.order = np.argsort(-self.bound, kind="stable")

    def quantile(self, level: float, shift: FloatArray) -> float:
        order = self.order
        above = len(order) - int(np.ceil(level * len(order))) + 1  # the quantile is this many-th largest
        # The contrast that set the candidate has no shift, so the quantile is above 0; what cannot reach 0 is left out.
        live = np.flatnonzero(shift > -float(self.bound[order[0]]))
        found: list[AnyArray] = []
        step, start, value = max(2 * above, 256), 0, -np.inf
        while start < len(order) and self.bound[order[start]] > value:
            draws = order[start : start + step]
            block = np.ascontiguousarray(self.noise[:, draws])
            found.append(maxima(block, self.plus[live], self.minus[live], self.se[live], shift[live]))
            start += step
            seen = np.concatenate(found)
            if len(seen) >= above:
                value = float(np.partition(seen, len(seen) - above)[len(seen) - above])
        return value


def independent_bound(family: Family, deviation: AnyArray, noise: Noise, se: FloatArray) -> Noise:
    """Upper bound of each draw's maximum when groups are independent.

    A pair's standardised error is ``cos(t) g_i - sin(t) g_j`` for some angle, at most the length of the positive
    part of ``(g_i, -g_j)`` (Cauchy-Schwarz). Contrasts with rests are evaluated as they are.
    """
    k = len(deviation)
    standard: Any = noise[:k] / np.maximum(deviation, 1e-12).astype(np.float32)[:, None]
    bound = np.zeros(noise.shape[1], dtype=np.float32)
    for stratum in np.unique(family.strata):
        g = standard[family.strata == stratum]
        up, down = np.maximum(g.max(axis=0), 0), np.maximum(-g.min(axis=0), 0)
        np.maximum(bound, np.hypot(up, down), out=bound)
    rests = ~family.pairs
    if rests.any():
        exact = maxima(noise, family.plus[rests], family.minus[rests], se[rests], np.zeros(int(rests.sum())))
        np.maximum(bound, exact, out=bound)
    return bound * np.float32(1 + 1e-5)
