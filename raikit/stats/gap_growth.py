"""Did the gap itself grow since the baseline? The harder test of the regression gate (`test: gap`).

To claim that the gap grew, the test has to exclude that the baseline's own gap, over all its pairs, was as large. Where
the baseline had no gap, no procedure has much power for that; `raikit.stats.noninferiority` asks a question that has.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from raikit.stats._types import FloatArray, IntArray, Noise
from raikit.stats.constants import DRAW_BLOCK, DRAWS, POWER_QUANTILE, TINY
from raikit.stats.covariance_result import CovarianceResult
from raikit.stats.detectable_change import settle
from raikit.stats.maxt import Errors
from raikit.stats.quantiles import tail_of, upper_quantile, upper_tail
from raikit.stats.two_models import (
    EXCEEDANCES,
    NOT_TESTED,
    SELECTION_SHARE,
    TwoModels,
    WorseningResult,
)

MOST_GROUPS = 10
"""Most groups in a stratum for the calibrated test, whose level was not simulated with more."""

MOST_PAIRS = 100
"""Most pairs for which limits invert the test; beyond it they are Bonferroni's."""

_SWEEPS = 60


def gap_increase_test(
    cov: CovarianceResult,
    margin: float = 0.0,
    *,
    higher_is_better: bool | Sequence[bool] = True,
    strata: ArrayLike | None = None,
    level: float = 0.95,
    draws: int = DRAWS,
    rng: np.random.Generator,
) -> WorseningResult:
    """Test whether the gap (the largest difference between two groups) grew by more than a margin.

    Parameters
    ----------
    cov, margin, higher_is_better, strata, level, draws, rng
        As in `worsening_test`; the direction only decides which group is named as the loser.

    Returns
    -------
    WorseningResult
        `loser` and `against` are the candidate's widest pair. `low` inverts the test of the p-value, `high` the
        intersection-union test of the opposite claim; over 100 pairs both are Bonferroni's. `minimum_detectable` is
        for the pair that was the widest, if that it had a gap is proven. Else the gap is new, and has to be several times larger.

    Raises
    ------
    ValueError
        As `worsening_test`.

    Notes
    -----
    The statistic is ``min_c' max_c (b_c - a_c' - margin) / se(c, c')`` over pairs c of the candidate (B) and c' of the
    baseline (A): whichever pair was the baseline's gap, some pair now exceeds it.

    Calibrated test: the null distribution is that of the closest state, in the metric of the errors, in which no pair
    of B exceeds the most binding pair of A by more than the margin. Pairs of B within a standard error of that bound are
    lifted to it, and other pairs of A lowered by one standard error. That it keeps its level everywhere is not proved.
    It did in the simulations of benchmarks/simulate_gate.py: independent, unweighted cases.

    With clusters, or over 10 groups, an intersection-union test is used instead: a two-step max-t over c for every c',
    all of which have to reject [1]_. It has less power. Its level is proved in large samples of independent cases; with
    clusters, only clusters of similar size were simulated.

    References
    ----------
    .. [1] Romano, Shaikh and Wolf, "A practical two-step method for testing moment inequalities", Econometrica 2014.
    """
    alpha = 2 * tail_of(level)
    models = TwoModels.of(cov, strata, higher_is_better)
    decides = models.deciding.any()
    part = models.subset(models.deciding) if decides else models
    noise = Errors.gaussian(part.joint, draws, rng, part.df).base
    before, after = part.oriented
    increase = _GapIncreaseTest.of(part, after, before, noise[part.k :], noise[: part.k])
    decrease = increase.swapped()
    calibrated = not part.cov.ways and np.unique(part.strata, return_counts=True)[1].max() <= MOST_GROUPS
    test = increase.calibrated_p if calibrated else increase.intersection_union_p
    widest = int(np.argmax(increase.b))
    loser, against = int(increase.plus[widest]), int(increase.minus[widest])
    if len(increase.b) <= MOST_PAIRS:
        ends = f"lower limit from the test{', upper two-step' if calibrated else ''}"
        low, high = increase.lower_limit(test, alpha, margin), -decrease.lower_limit(decrease.intersection_union_p, alpha)
    else:
        ends, low, high = "Bonferroni limits", increase.bonferroni_limit(alpha), -decrease.bonferroni_limit(alpha)
    procedure = f"{'calibrated' if calibrated else 'two-step'} test of the gaps' difference, {ends}"
    return WorseningResult(
        value=float(increase.b.max() - increase.a.max()),
        low=models.clipped(low if decides else -np.inf),
        high=models.clipped(high if decides and models.bounded else np.inf),
        p_value=test(margin, alpha) if decides else 1.0,
        loser=part.group_of(loser),
        against=part.group_of(against),
        minimum_detectable=models.clipped(increase.detectable(margin, alpha, _changing_cases(part)) if decides else np.inf),
        method=part.method(procedure if decides else NOT_TESTED),
        stratum=part.stratum_of(loser),
    )


def _changing_cases(part: TwoModels) -> FloatArray:
    """Return each group's effective number of cases, which may change if rates get worse; infinite for other metrics."""
    return part.cov.n_effective[part.k :] if part.cov.proportion else np.full(part.k, np.inf)


@dataclass(frozen=True)
class _GapIncreaseTest:
    """Pairs of the candidate (b) against pairs of the baseline (a), with draws of the errors of both models' rates.

    Parameters
    ----------
    plus, minus : ndarray of int, shape (c,)
    b, a : ndarray, shape (c,)
        Differences of each pair.
    own, other, cross : ndarray, shape (k, k)
        Covariance of the candidate's rates, of the baseline's, and between them.
    noise_b, noise_a : ndarray of float32, shape (k, draws)
    df : float
    """

    plus: IntArray
    minus: IntArray
    b: FloatArray
    a: FloatArray
    own: FloatArray
    other: FloatArray
    cross: FloatArray
    noise_b: Noise
    noise_a: Noise
    df: float

    @classmethod
    def of(cls, part: TwoModels, after: FloatArray, before: FloatArray, noise_b: Noise, noise_a: Noise) -> _GapIncreaseTest:
        k, M = part.k, part.joint
        plus, minus = np.nonzero((part.strata[:, None] == part.strata) & ~np.eye(k, dtype=bool))
        b, a = after[plus] - after[minus], before[plus] - before[minus]
        return cls(plus, minus, b, a, M[k:, k:], M[:k, :k], M[k:, :k], noise_b, noise_a, part.df)

    def swapped(self) -> _GapIncreaseTest:
        """Return the test of the opposite claim, with the baseline in the candidate's place."""
        parts = self.other, self.own, self.cross.T, self.noise_a, self.noise_b
        return _GapIncreaseTest(self.plus, self.minus, self.a, self.b, *parts, self.df)

    def se(self, at: int) -> FloatArray:
        """Return the standard error of ``b_c - a_at`` for all c, shape (c,)."""
        i, j, p, q = self.plus, self.minus, int(self.plus[at]), int(self.minus[at])
        spread = self.own[i, i] + self.own[j, j] - 2 * self.own[i, j]
        fixed = self.other[p, p] + self.other[q, q] - 2 * self.other[p, q]
        shared = self.cross[i, p] - self.cross[i, q] - self.cross[j, p] + self.cross[j, q]
        least = 1e-9 * float(np.abs(np.append(self.a, self.b)).max()) + 1e-12
        return np.asarray(np.maximum(np.sqrt(np.maximum(spread + fixed - 2 * shared, 0.0)), least))

    def t(self, at: int, margin: float) -> FloatArray:
        """Return the t ratio of ``b_c - a_at - margin`` for all c, shape (c,)."""
        return np.asarray((self.b - self.a[at] - margin) / self.se(at))

    def detectable(self, margin: float, alpha: float, n: FloatArray) -> float:
        """Return the growth that is detected with 80% power; `n` are the groups' effective cases.

        Where a gap of the baseline's widest pair is not proven, another pair may become the widest, from no gap at all. It then
        has to exceed the baseline's largest difference, and its errors do not cancel those of the widest pair.
        """
        at, z = int(np.argmax(self.a)), float(upper_quantile(alpha / len(self.a), self.df))
        p, q, se = int(self.plus[at]), int(self.minus[at]), self.se(at)
        own = float(self.other[p, p] + self.other[q, q] - 2 * self.other[p, q]) ** 0.5
        is_old = bool(self.a[at] > z * own)
        start, variance = (0.0, se[at : at + 1] ** 2) if is_old else (float(self.a[at]), se**2)
        cases = n[self.plus[at : at + 1] if is_old else self.plus]

        def needed(worse: FloatArray) -> FloatArray:
            changed = np.minimum(worse, 0.5)
            more = changed * (1 - changed) / cases
            return np.asarray(margin + start + (z + POWER_QUANTILE) * np.sqrt(variance + more))

        return float(settle(needed, len(cases)).max())

    def lower_limit(self, test: Callable[[float, float], float], alpha: float, margin: float | None = None) -> float:
        """Return the largest margin that the test rejects, by bisection to a thousandth of the range.

        With a `margin`, the limit is above it if and only if the test rejects that margin.
        """
        value = float(self.b.max() - self.a.max())
        reach = 12 * float(max(self.se(at)[at] for at in (int(np.argmax(self.a)), int(np.argmax(self.b)))))
        below, above = value - reach, value
        rejected = margin is not None and margin < value and test(margin, alpha) <= alpha
        if margin is not None and below < margin < above:
            below, above = (margin, above) if rejected else (below, margin)
        for _ in range(10):
            middle = (below + above) / 2
            below, above = (middle, above) if test(middle, alpha) <= alpha else (below, middle)
        return (below + above) / 2 if rejected else below

    def bonferroni_limit(self, alpha: float) -> float:
        """Return a lower limit without draws: for every pair of the baseline, the best of the candidate's pairs."""
        z = float(upper_quantile(alpha / len(self.b), self.df))
        return min(float(np.max(self.b - self.a[at] - z * self.se(at))) for at in range(len(self.a)))

    def intersection_union_p(self, margin: float, alpha: float) -> float:
        """Return the largest p-value of one two-step max-t test per pair of the baseline."""
        strongest = np.array([self.t(at, margin).max() for at in range(len(self.a))])
        largest = 0.0
        for at in np.argsort(strongest):
            bound = float(np.minimum(1.0, len(self.b) * upper_tail(strongest[at], self.df)) / (1 - SELECTION_SHARE))
            if bound <= largest:
                break  # The p-values of the remaining pairs have smaller bounds still.
            largest = max(largest, _two_step_p(self, int(at), margin, alpha))
        return largest

    def calibrated_p(self, margin: float, alpha: float) -> float:
        """Return the p-value in the closest null state (see `gap_increase_test`); `alpha` is not used."""
        strongest = np.array([self.t(at, margin).max() for at in range(len(self.a))])
        binding = int(np.argmin(strongest))
        if strongest[binding] <= 0:
            return 1.0
        b, a = self._null_state(binding, margin)
        order = np.append(binding, np.delete(np.argsort(-a), np.flatnonzero(np.argsort(-a) == binding)))
        exceeded, seen, draws = 0, 0, self.noise_b.shape[1]
        scale = [(1 / self.se(int(at))).astype(np.float32) for at in order]
        while seen < draws and exceeded < EXCEEDANCES:
            block = slice(seen, seen + DRAW_BLOCK)
            nb, na = (n[self.plus, block] - n[self.minus, block] for n in (self.noise_b, self.noise_a))
            nb, na = nb + b.astype(np.float32)[:, None], na + (a + margin).astype(np.float32)[:, None]
            for at, inverse in zip(order, scale, strict=True):
                reached = np.max((nb - na[at]) * inverse[:, None], axis=0) >= strongest[binding]
                nb, na = nb[:, reached], na[:, reached]
                if not nb.shape[1]:
                    break
            exceeded, seen = exceeded + nb.shape[1], min(seen + DRAW_BLOCK, draws)
        return (1 + exceeded) / (1 + seen)

    def _null_state(self, binding: int, margin: float) -> tuple[FloatArray, FloatArray]:
        """Return the pairs of B and of A in the closest null state, made as hard as possible to tell from growth."""
        k, pairs = len(self.own), np.arange(len(self.b))
        contrasts = np.zeros((len(self.b), 2 * k))  # of the rates (b, a)
        contrasts[pairs, self.plus] += 1
        contrasts[pairs, self.minus] -= 1
        contrasts[:, k + self.plus[binding]] -= 1
        contrasts[:, k + self.minus[binding]] += 1
        joint = np.block([[self.own, self.cross], [self.cross.T, self.other]])
        weights = _hildreth(self.b - self.a[binding] - margin, contrasts @ joint @ contrasts.T)
        step = joint @ contrasts.T @ weights
        b = self.b - (step[self.plus] - step[self.minus])
        a = self.a - (step[k + self.plus] - step[k + self.minus])
        room, se = a[binding] + margin - b, self.se(binding)
        lifted = b + room * np.clip(2 - room / se, 0.0, 1.0)
        spread = self.other[self.plus, self.plus] + self.other[self.minus, self.minus]
        lowered = a - np.sqrt(np.maximum(spread - 2 * self.other[self.plus, self.minus], 0.0))
        lowered[binding] = a[binding]
        return lifted, lowered


def _two_step_p(test: _GapIncreaseTest, at: int, margin: float, alpha: float) -> float:
    """Return the p-value of "some pair of B exceeds pair `at` of A by more than the margin"."""
    t, inverse = test.t(at, margin), (1 / test.se(at)).astype(np.float32)
    observed, draws, p = float(t.max()), test.noise_b.shape[1], alpha
    if observed <= 0:
        return 1.0
    for _ in range(3):
        shift = np.minimum(t + float(upper_quantile(SELECTION_SHARE * p / len(t), test.df)), 0.0)
        needed = observed - shift
        tails = upper_tail(needed, test.df)
        share, live = float(tails.sum()), np.flatnonzero(tails > 1e-9)
        if share * draws >= 0.5:
            exceeded, seen = 0, 0
            plus, minus, wanted = test.plus[live], test.minus[live], needed[live].astype(np.float32)[:, None]
            while seen < draws and exceeded < EXCEEDANCES:
                block = slice(seen, seen + DRAW_BLOCK)
                fixed = test.noise_a[test.plus[at], block] - test.noise_a[test.minus[at], block]
                noise = (test.noise_b[plus, block] - test.noise_b[minus, block] - fixed) * inverse[live][:, None]
                exceeded += int(np.any(noise >= wanted, axis=0).sum())
                seen = min(seen + DRAW_BLOCK, draws)
            share = min(share, (1 + exceeded) / (1 + seen))
        previous, p = p, min(1.0, share / (1 - SELECTION_SHARE))
        if abs(p - previous) <= 0.02 * previous or p > 0.5:
            break
    return p


def _hildreth(excess: FloatArray, gram: FloatArray) -> FloatArray:
    """Return weights >= 0 of the projection onto ``excess - gram @ weights <= 0``, by Hildreth's coordinate steps."""
    weights, excess = np.zeros(len(excess)), excess.copy()
    small = 1e-9 * float(np.abs(excess).max(initial=TINY))
    for _ in range(_SWEEPS):
        largest_step = 0.0
        for c in np.flatnonzero((excess > small) | (weights > 0)):
            step = max(excess[c] / max(gram[c, c], TINY), -weights[c])
            weights[c] += step
            excess -= step * gram[:, c]
            largest_step = max(largest_step, abs(step) * gram[c, c])
        if largest_step <= small:
            break
    return weights
