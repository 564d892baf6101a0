"""One-sided max-t limits over a family of contrasts, with two-step selection: the engine of every gap.

`Errors` draws the errors of groups jointly, `Maxima` finds the largest standardised contrast of every draw, and
`two_step` chooses the critical value. `raikit.stats.families` says which contrasts there are.

References
----------
.. [1] Romano, Shaikh and Wolf, "A practical two-step method for testing moment inequalities", Econometrica 2014.
.. [2] Chernozhukov, Lee and Rosen, "Intersection bounds: estimation and inference", Econometrica 2013.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from raikit.stats._types import AnyArray, FloatArray, IntArray, Noise
from raikit.stats.constants import EXCEEDANCES, TINY
from raikit.stats.families import Family, two_sided
from raikit.stats.quantiles import as_normal, as_t, upper_quantile, upper_tail

_BLOCK = 1 << 17  # Elements of a block of draws x contrasts: half a MB, which stays in the cache.
_MANY = 200  # Number of contrasts from which choosing pairs in each draw is quicker than evaluating all.
_ROUNDS = 12
_FEWEST_ABOVE = 50  # Draws above a quantile: with fewer, the probability above it has a standard error of over 14%.
_HALVINGS = 50


@dataclass(frozen=True)
class Errors:
    """Joint draws of the errors of k groups; rests are pooled only for the draws that are evaluated.

    Parameters
    ----------
    base : ndarray of float32, shape (k, draws)
        Errors; with `deviation`, standardised errors of groups that are independent of each other.
    deviation : ndarray, shape (k,), optional
    """

    base: Noise
    deviation: FloatArray | None = None

    @classmethod
    def gaussian(cls, covariance: FloatArray, draws: int, rng: np.random.Generator, df: float = np.inf) -> Errors:
        """Draw Gaussian errors with a covariance, or multivariate t ones with a finite `df`."""
        values, vectors = np.linalg.eigh(covariance)
        root = (vectors * np.sqrt(np.maximum(values, 0.0))).astype(np.float32)
        noise: Noise = root @ rng.standard_normal((len(covariance), draws), dtype=np.float32)
        return cls(_divided(noise, df, rng))

    @classmethod
    def independent(
        cls,
        variance: FloatArray,
        draws: int,
        rng: np.random.Generator,
        normals: Noise | None = None,
        df: float = np.inf,
    ) -> Errors:
        """Draw errors of separate groups; `normals`, shape (k, draws), are standard ones that quantities may share."""
        if normals is None:
            normals = rng.standard_normal((len(variance), draws), dtype=np.float32)
        deviation = np.sqrt(variance)
        return cls(_divided(normals, df, rng), np.maximum(deviation, max(1e-9 * float(deviation.max(initial=0.0)), 1e-150)))

    def at(self, family: Family, draws: AnyArray | slice = slice(None)) -> Noise:
        """Return the errors of groups and rests in some of the draws, shape (k + r, number of draws)."""
        chosen = np.ascontiguousarray(self.base[:, draws])
        if self.deviation is not None:
            chosen = chosen * self.deviation.astype(np.float32)[:, None]
        return np.asarray(family.extend(chosen))

    def bound(self, family: Family) -> Noise | None:
        """Return an upper bound of each draw's largest standardised contrast; None if groups are not independent.

        Notes
        -----
        The standardised difference of independent errors is ``cos(t) g - sin(t) h`` of the standardised errors g and h,
        which is at most ``hypot(g, h)`` (Cauchy-Schwarz). Of a pair only the positive part of ``(g_i, -g_j)`` matters.
        The standardised error of a rest is the weighted sum of its stratum without one group: at most two parts.
        """
        if self.deviation is None:
            return None
        bound = np.zeros(self.base.shape[1], dtype=np.float32)
        for stratum in np.unique(family.strata):
            members = np.flatnonzero(family.strata == stratum)
            g = self.base if len(members) == len(self.base) else self.base[members]
            up, down = g.max(axis=0), -g.min(axis=0)
            if family.pairs.any():
                np.maximum(bound, np.hypot(np.maximum(up, 0), np.maximum(down, 0)), out=bound)
            if np.isin(family.rest_of, members).any():
                largest = np.maximum(up, down)
                share = family.sizes[members] * self.deviation[members]
                np.maximum(bound, np.hypot(largest, _rest_bound(g, share, largest)), out=bound)
        return bound * np.float32(1 + 1e-5)


def _divided(noise: Noise, df: float, rng: np.random.Generator) -> Noise:
    if not np.isfinite(df):
        return noise
    scale = np.sqrt(rng.chisquare(df, noise.shape[1]) / df).astype(np.float32)
    return np.asarray(noise / scale)


def _rest_bound(g: Noise, share: FloatArray, largest: Noise) -> Noise:
    """Return an upper bound over groups of the rest's standardised error; exact for a group that outweighs its rest."""
    total = float(share @ share)
    others = np.sqrt(np.maximum(total - share**2, TINY))
    together = np.abs(share.astype(np.float32) @ g)
    heavy = share**2 > total / 2
    bound = np.zeros_like(together)
    for at in np.flatnonzero(heavy):
        own = (share[at] * g[at] - share.astype(np.float32) @ g) / others[at]
        bound = np.maximum(bound, np.abs(own)).astype(np.float32)
    if not heavy.all():
        light = ~heavy
        alone, own = (min(float(part[light].max()), 1e30) for part in (1 / others, share / others))
        reach = together * np.float32(alone) + largest * np.float32(own)
        bound = np.maximum(bound, reach)
    return np.asarray(bound)


def maxima(noise: Noise, plus: IntArray, minus: IntArray, se: FloatArray, shift: FloatArray) -> Noise:
    """Return the largest of ``(noise[plus] - noise[minus]) / se + shift`` in each draw, in blocks of bounded memory."""
    draws = noise.shape[1]
    best = np.full(draws, -np.inf, dtype=np.float32)
    scale = (1 / se).astype(np.float32)[:, None]
    offset = shift.astype(np.float32)[:, None]
    shifted = bool(np.any(shift))
    step = max(1, _BLOCK // max(draws, 1))
    first, second = (np.empty((min(step, len(plus)), draws), dtype=np.float32) for _ in range(2))
    for start in range(0, len(plus), step):
        part = slice(start, start + step)
        rows = len(plus[part])
        block = np.take(noise, plus[part], axis=0, out=first[:rows], mode="clip")
        block -= np.take(noise, minus[part], axis=0, out=second[:rows], mode="clip")
        block *= scale[part]
        if shifted:
            block += offset[part]
        np.maximum(best, block.max(axis=0), out=best)
    return best


@dataclass(frozen=True)
class _Block:
    """Errors of groups and rests in some draws; where pairs are chosen, also standardised errors and outermost groups."""

    noise: Noise
    standard: Noise | None = None
    outer: Sequence[tuple[IntArray, list[IntArray], list[IntArray]]] = ()


class Maxima:
    """Largest standardised contrasts of the draws, evaluated only where an upper bound does not decide.

    Parameters
    ----------
    family : Family
    errors : Errors
    se : ndarray, shape (c,)
        Standard errors of the contrasts.
    """

    def __init__(self, family: Family, errors: Errors, se: FloatArray) -> None:
        self.family, self.errors, self.se = family, errors, se
        self.no_shift, self.pairs = np.zeros(len(se)), int(family.pairs.sum())
        bound = errors.bound(family)
        self.exact = bound is None
        self.bound = maxima(errors.at(family), family.plus, family.minus, se, self.no_shift) if bound is None else bound
        self._order: IntArray | None = None
        self._blocks: dict[tuple[int, int], _Block] = {}

    @property
    def draws(self) -> int:
        """Number of draws."""
        return len(self.bound)

    @property
    def order(self) -> IntArray:
        """Draws by descending bound."""
        if self._order is None:
            self._order = np.argsort(-self.bound)
        return self._order

    def safe_quantile(self, level: float, shift: FloatArray, df: float = np.inf) -> float:
        """Return a quantile of ``max_c [Z_c + shift_c]``, or a larger number where too few draws lie above it to be counted.

        That number is exceeded by the contrasts with a probability of ``1 - level`` in sum: a bound under any dependence.
        """
        if (1 - level) * self.draws >= _FEWEST_ABOVE:
            return self.quantile(level, shift)
        return union_quantile(1 - level, shift, df)

    def quantile(self, level: float, shift: FloatArray) -> float:
        """Return a quantile of ``max_c [Z_c + shift_c]``, where some contrast has no shift and no shift is positive."""
        order = self.order
        above = len(order) - int(np.ceil(level * len(order))) + 1  # rank of the quantile from the top
        # The contrast without a shift keeps the quantile above 0, so contrasts that cannot reach 0 are left out.
        live = np.flatnonzero(shift > -float(self.bound[order[0]]))
        largest: list[AnyArray] = []
        step, start, value = max(2 * above, 256), 0, -np.inf
        while start < len(order) and self.bound[order[start]] > value:
            if (start, step) not in self._blocks:  # The rounds of a two-step procedure share their draws.
                self._blocks[start, step] = self._block(order[start : start + step])
            largest.append(self._largest(self._blocks[start, step], live, shift))
            start += step
            seen = np.concatenate(largest)
            if len(seen) >= above:
                value = float(np.partition(seen, len(seen) - above)[len(seen) - above])
        return value

    def p_value(self, observed: float) -> float:
        """Return the share of draws that reach `observed`, counted until 400 have (Besag and Clifford 1991)."""
        exceeded, step = 0, 1_000
        every = np.arange(len(self.se))
        for start in range(0, self.draws, step):
            open_ = start + np.flatnonzero(self.bound[start : start + step] >= observed)
            if self.exact:
                exceeded += len(open_)
            elif len(open_):
                exceeded += int(np.sum(self._largest(self._block(open_), every, self.no_shift) >= observed))
            if exceeded >= EXCEEDANCES:
                return exceeded / min(start + step, self.draws)
        return (1 + exceeded) / (1 + self.draws)

    def _block(self, draws: IntArray) -> _Block:
        noise = self.errors.at(self.family, draws)
        if self.errors.deviation is None or self.pairs <= _MANY:
            return _Block(noise)
        g = noise[: len(self.family.sizes)] / self.errors.deviation.astype(np.float32)[:, None]
        strata = [np.flatnonzero(self.family.strata == stratum) for stratum in np.unique(self.family.strata)]
        return _Block(noise, g, [(members, _outermost(g, members), _outermost(-g, members)) for members in strata])

    def _largest(self, block: _Block, live: IntArray, shift: FloatArray) -> AnyArray:
        if block.outer and (largest := self._largest_far_out(block, shift)) is not None:
            return largest
        return maxima(block.noise, self.family.plus[live], self.family.minus[live], self.se[live], shift[live])

    def _largest_far_out(self, block: _Block, shift: FloatArray) -> AnyArray | None:
        """Evaluate few pairs: only groups far out in a draw can form its largest difference, as no shift is positive.

        None where selection has shifted the outermost pairs, so that too many pairs remain for this to be quicker.
        """
        family, noise, g = self.family, block.noise, block.standard
        assert g is not None
        rests, draws = np.flatnonzero(~family.pairs), np.arange(noise.shape[1])
        best = maxima(noise, family.plus[rests], family.minus[rests], self.se[rests], shift[rests])
        for _, tops, bottoms in block.outer:
            for i, j in itertools.product(tops, bottoms):
                np.maximum(best, self._values(noise, draws, i, j, shift), out=best)
        known = best * np.float32(1 - 1e-5)
        for members, tops, bottoms in block.outer:
            chosen = _far_out(g, members, known, g[tops[0], draws], -g[bottoms[0], draws])
            if chosen is None:
                return None
            draw, i, j = chosen
            if len(draw):
                starts = np.flatnonzero(np.diff(draw, prepend=-1))
                largest = np.maximum.reduceat(self._values(noise, draw, i, j, shift), starts)
                best[draw[starts]] = np.maximum(best[draw[starts]], largest)
        return best

    def _values(self, noise: Noise, draw: IntArray, i: IntArray, j: IntArray, shift: FloatArray) -> AnyArray:
        """Return the shifted standardised contrasts of groups i and j, one per draw; -inf where i equals j."""
        at = self._pair[i, j]
        value = (noise[i, draw] - noise[j, draw]) * self._scale[at] + shift.astype(np.float32)[at]
        return np.where(i == j, np.float32(-np.inf), value)

    @cached_property
    def _scale(self) -> Noise:
        return (1 / self.se).astype(np.float32)

    @cached_property
    def _pair(self) -> IntArray:
        """Position of the contrast of group i minus group j, shape (k, k)."""
        k, pairs = len(self.family.sizes), np.flatnonzero(self.family.pairs)
        position = np.zeros((k, k), dtype=np.int64)
        position[self.family.plus[pairs], self.family.minus[pairs]] = pairs
        return position


_PAYS = 0.05  # Share of all pairs up to which choosing them is quicker than evaluating all.
_OUTER = 3  # Groups on either side of a draw whose differences are tried first.


def _outermost(g: Noise, members: IntArray) -> list[IntArray]:
    """Return the groups with the largest values in each draw, in descending order."""
    standard, few = g[members], min(_OUTER, len(members))
    if few < len(members):
        chosen = np.argpartition(-standard, few - 1, axis=0)[:few]
    else:
        chosen = np.broadcast_to(np.arange(few)[:, None], standard.shape)
    order = np.argsort(-np.take_along_axis(standard, chosen, axis=0), axis=0)
    return list(members[np.take_along_axis(chosen, order, axis=0)])


def _far_out(
    g: Noise, members: IntArray, known: Noise, up: Noise, down: Noise
) -> tuple[IntArray, IntArray, IntArray] | None:
    """Return the pairs (i, j) of a stratum that may have a larger difference than the known one, with their draws.

    By Cauchy-Schwarz the difference of a pair is at most the length of the positive part of ``(g_i, -g_j)``. Each of the
    two groups therefore has to be far enough out to exceed `known` with the outermost partner (`up` above, `down` below).
    """
    standard, draws = g[members], np.arange(g.shape[1])
    # Where the outermost partner alone reaches the known value, no group is ruled out.
    at_least = [
        np.where(side >= known, -np.inf, np.sqrt(np.maximum(known**2 - side**2, 0)))
        for side in (np.maximum(down, 0), np.maximum(up, 0))
    ]
    above, below = standard >= at_least[0], -standard >= at_least[1]
    if above.sum(axis=0) @ below.sum(axis=0) > _PAYS * len(members) ** 2 * len(draws):
        return None
    plus_draw, plus = np.nonzero(above.T)
    minus_draw, minus = np.nonzero(below.T)
    first = np.searchsorted(minus_draw, draws)
    partners = np.bincount(minus_draw, minlength=len(draws))[plus_draw]
    draw, i = np.repeat(plus_draw, partners), np.repeat(plus, partners)
    nth = np.arange(len(draw)) - np.repeat(np.cumsum(partners) - partners, partners)
    j = minus[first[draw] + nth]
    return draw, members[i], members[j]


@dataclass(frozen=True)
class Critical:
    """Critical values of one family.

    Parameters
    ----------
    value : float
        After selection; for the lower end.
    full : float
        Without selection: what a test of "any difference" has to exceed. For minimum detectable gaps.
    maxima : Maxima
    """

    value: float
    full: float
    maxima: Maxima = field(compare=False, repr=False)


def two_step_t(
    family: Family, estimates: FloatArray, se: FloatArray, errors: Errors, alpha: float, df: FloatArray | float
) -> Critical:
    """Compute the critical value of the lower limit of the largest contrast, where each has its own degrees of freedom.

    Parameters
    ----------
    family, estimates, se, alpha
        As in `two_step`.
    errors : Errors
        Normal draws.
    df : float or ndarray, shape (c,)
        Degrees of freedom of each contrast's standard error.

    Returns
    -------
    Critical
        Normal quantiles; contrast c takes that of t with the same tail probability, ``as_t(value, df[c])``.

    Notes
    -----
    As `two_step`, on the normal scale: t statistics are replaced by the normal values of equal tail probability, so that a
    contrast with few degrees of freedom widens no other. A statistic below 0 shrinks, so that selection is cautious.
    """
    beta = alpha / 10
    z = float(upper_quantile(beta / len(se)))
    tail = Maxima(family, errors, se)
    full = critical = tail.safe_quantile(1 - alpha + beta, np.zeros(len(se)))
    for _ in range(_ROUNDS):
        candidate = np.max(estimates - as_t(critical, df) * se)
        distance = as_normal((estimates - candidate) / se, df)
        previous, critical = critical, tail.safe_quantile(1 - alpha + beta, np.minimum(distance + z, 0))
        if previous - critical < 1e-3:
            break
    return Critical(critical, full, tail)


def two_step(
    family: Family, estimates: FloatArray, se: FloatArray, errors: Errors, alpha: float, df: float = np.inf
) -> Critical:
    """Compute the critical value of the lower limit of the largest contrast.

    Parameters
    ----------
    family : Family
        With c contrasts.
    estimates, se : ndarray, shape (c,)
    errors : Errors
        Of the groups, drawn jointly.
    alpha : float
        Error probability of the lower end. A tenth of it is spent on finding contrasts that are surely not the
        largest; their draws are shifted down.
    df : float
        Degrees of freedom of the draws; infinite for normal ones.

    Returns
    -------
    Critical

    Notes
    -----
    For a candidate gap d the critical value is the 1 - alpha + beta quantile of
    ``max_c [Z_c + min((est_c - d) / se_c + z, 0)]`` with z the upper beta / c quantile. d starts at the limit without
    selection and is raised to ``max_c (est_c - c(d) se_c)`` until it no longer changes [1]_.

    References
    ----------
    .. [1] Romano, Shaikh and Wolf, "A practical two-step method for testing moment inequalities", Econometrica 2014.
    """
    beta = alpha / 10
    z = float(upper_quantile(beta / len(se), df))
    tail = Maxima(family, errors, se)
    full = critical = tail.safe_quantile(1 - alpha + beta, np.zeros(len(se)), df)
    for _ in range(_ROUNDS):
        candidate = np.max(estimates - critical * se)
        shift = np.minimum((estimates - candidate) / se + z, 0)
        previous, critical = critical, tail.safe_quantile(1 - alpha + beta, shift, df)
        if previous - critical < 1e-3:
            break
    return Critical(critical, full, tail)


def simultaneous_critical(family: Family, errors: Errors, se: FloatArray, level: float, df: float = np.inf) -> float:
    """Compute the two-sided max-t critical value: the `level` quantile of the largest absolute standardised error."""
    return Maxima(two_sided(family), errors, np.append(se, se)).safe_quantile(level, np.zeros(2 * len(se)), df)


def union_quantile(tail: float, shift: FloatArray, df: float = np.inf) -> float:
    """Return the x for which ``P(Z + shift_c > x)``, summed over the contrasts, is `tail`; Z is normal or Student's t."""
    low, high = float(upper_quantile(tail, df)), float(upper_quantile(tail / len(shift), df))
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if float(np.sum(upper_tail(middle - shift, df))) > tail else (low, middle)
    return high
