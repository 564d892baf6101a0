"""Did some group get worse since the baseline? The default test of the regression gate.

The claim is that some group lost more than a margin against another group or against the pooled rest, *and* is behind
that counterpart in the candidate. On the same cases most of the noise is shared by both models and cancels. Whether the
gap itself grew is a harder question; see `raikit.stats.gap_growth`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from raikit.stats._types import BoolArray, FloatArray, IntArray, Noise
from raikit.stats.constants import DRAW_BLOCK, DRAWS, POWER_QUANTILE
from raikit.stats.covariance_result import CovarianceResult
from raikit.stats.families import Family
from raikit.stats.maxt import Errors, two_step_t
from raikit.stats.mover import difference_limits
from raikit.stats.quantiles import tail_of, upper_quantile, upper_tail
from raikit.stats.two_models import (
    EXCEEDANCES,
    NOT_TESTED,
    SELECTION_SHARE,
    ContrastEstimates,
    ErrorDraws,
    TwoModels,
    WorseningResult,
)

_FIXED_POINT = 20  # Iterations until the detectable worsening no longer changes by a percent.


def worsening_test(
    cov: CovarianceResult,
    margin: float = 0.0,
    *,
    higher_is_better: bool | Sequence[bool],
    strata: ArrayLike | None = None,
    level: float = 0.95,
    draws: int = DRAWS,
    rng: np.random.Generator,
) -> WorseningResult:
    """Test whether some group lost more than a margin since the baseline and is behind now.

    Parameters
    ----------
    cov : CovarianceResult
        Of 2k rates, from `paired_covariance` or `unpaired_covariance`.
    margin : float, >= 0
    higher_is_better : bool or sequence of bool
        Direction of the rate, or of the rates of each stratum in the order of their labels.
    strata : array_like of int, shape (k,), optional
        Stratum of each group; groups are compared within strata, all strata are one family (equalized odds).
    level : float, in (0, 1)
        1 - alpha, where alpha is the error probability of the test.
    draws : int
        At least 20,000 where a tail decides.
    rng : numpy.random.Generator

    Returns
    -------
    WorseningResult

    Raises
    ------
    ValueError
        If a rate is undefined, a stratum has fewer than two groups, lengths do not match, or `level` is outside (0, 1).

    Notes
    -----
    Contrasts are all ordered pairs of groups and each group against the pooled rest. The test rejects if for one of
    them the loss exceeds the margin *and* the deficit in the candidate exceeds 0. Each condition has to clear its own
    bound (intersection-union); otherwise a gap that closes would fail every second build.

    The statistic is the maximum over contrasts of the smaller of two t ratios. For each contrast the null distribution
    violates whichever of the two conditions makes the statistic larger (the least favourable assignment, sought by
    coordinate ascent). At a tenth of the level, contrasts that surely do not matter are left out [1]_.

    With clusters or weights, t ratios are replaced by the normal values of equal tail probability, each contrast with its own
    degrees of freedom. Groups with fewer than 4 effective clusters do not decide. Where a group of cases of unequal weight
    shows no case that the models decide differently, a loss has no upper limit.

    Simulated in benchmarks/simulate_gate.py: independent cases; clusters, one-way and crossed, of equal size to Zipf's
    (exponent 1.5), with one that holds a quarter or a third; weights that are unrelated to the outcome, or up to 10 times as
    large where the models differ.

    References
    ----------
    .. [1] Romano, Shaikh and Wolf, "A practical two-step method for testing moment inequalities", Econometrica 2014.
    """
    alpha = 2 * tail_of(level)
    models = TwoModels.of(cov, strata, higher_is_better)
    if not models.deciding.any():
        return _untested_result(models, margin)
    part = models.subset(models.deciding)
    family, loss, deficit = part.family, part.loss, part.deficit
    errors = part.errors(draws, rng)
    critical = two_step_t(family, loss.value, loss.se, errors.difference, alpha, loss.df)
    test = _IntersectionUnionTest(family, loss.z(margin), deficit.z(), loss.se, deficit.se, errors)
    p_value = test.p_value(alpha)
    reach = _critical_of_test(float(test.z.max()), len(test.z), p_value, alpha, critical.value)
    proven = _lower_limits(loss, deficit, reach)
    best = int(np.argmax(proven))
    return WorseningResult(
        value=float(loss.value[best]),
        low=models.clipped(float(proven[best])),
        high=models.clipped(_upper_limit(models, margin, alpha) if models.bounded else np.inf),
        p_value=p_value,
        loser=part.group_of(int(family.plus[best])),
        against=part.group_of(int(family.minus[best])),
        minimum_detectable=_minimum_detectable(part, margin, critical.full),
        method=part.method("max-t of loss and deficit, two-step selection"),
        stratum=part.stratum_of(int(family.plus[best])),
    )


def _critical_of_test(z: float, contrasts: int, p: float, alpha: float, simultaneous: float) -> float:
    """Return a critical value that the statistic `z` reaches if and only if its p-value is at most `alpha`.

    It is the simultaneous critical value of the losses, unless that contradicts the p-value. Then it is scaled from `z` as
    Bonferroni's critical value changes between `p` and `alpha`.
    """
    if z <= 0 or p >= 0.5:
        return max(simultaneous, z)
    scaled = z * float(upper_quantile(alpha / contrasts) / upper_quantile(p / contrasts))
    if p <= alpha:
        return simultaneous if 0 < simultaneous < z else scaled
    return max(simultaneous, scaled)


def _lower_limits(loss: ContrastEstimates, deficit: ContrastEstimates, critical: float) -> FloatArray:
    """Return a lower limit of each contrast's loss; without a proven deficit it proves none, and stays at or below 0."""
    low, behind = loss.value - loss.reach(critical), deficit.value - deficit.reach(critical)
    return np.asarray(np.where(behind >= 0, low, np.minimum(np.minimum(low, behind), 0.0)))


def _untested_result(models: TwoModels, margin: float) -> WorseningResult:
    """Return estimates without any claim, where no two groups have enough clusters."""
    family, loss, deficit = models.family, models.loss, models.deficit
    strongest = int(np.argmax(np.minimum(loss.z(margin), deficit.z())))
    loser, against = int(family.plus[strongest]), int(family.minus[strongest])
    least = -2.0 if models.cov.proportion else -np.inf
    return WorseningResult(
        value=float(loss.value[strongest]),
        low=least,
        high=-least,
        p_value=1.0,
        loser=models.group_of(loser),
        against=models.group_of(against),
        minimum_detectable=-least,
        method=models.method(NOT_TESTED),
        stratum=models.stratum_of(loser),
    )


def _upper_limit(models: TwoModels, margin: float, alpha: float) -> float:
    """Return the largest pointwise upper limit of a loss, over contrasts whose deficit may exceed the margin.

    Only the truly worst contrast has to be covered, so their number needs no correction. A contrast whose deficit is
    surely within the margin harms nobody by more than the margin, whatever it lost. Its limit is cut to the margin;
    otherwise a gap that has closed would stay undecided.
    """
    loss, deficit = models.loss, models.deficit
    reach = deficit.value + upper_quantile(SELECTION_SHARE * alpha, deficit.df) * deficit.se
    ends = loss.value + upper_quantile((1 - SELECTION_SHARE) * alpha, loss.df) * loss.se
    return float(np.max(np.where(reach > margin, ends, np.minimum(ends, margin))))


def _minimum_detectable(models: TwoModels, margin: float, critical: float) -> float:
    """Return the worsening that clears both bounds with 80% power, for the least favourable group, level before.

    A rate that got worse by X has up to ``X (1 - X) / n`` more variance than one that did not: the cases that changed.
    """
    family, parts = models.family, (models.loss, models.deficit)

    def needed(changed: FloatArray) -> FloatArray:
        wider = (replace(part, se=np.sqrt(part.se**2 + changed)) for part in parts)
        loss, deficit = (part.reach(critical) + POWER_QUANTILE * part.se for part in wider)
        return np.maximum(margin + loss, deficit)

    size = needed(np.zeros(len(family.plus)))
    if models.cov.proportion:
        n = models.cov.n_effective[models.k :][family.plus]
        for _ in range(_FIXED_POINT):
            share = np.minimum(size, 0.5)
            size = needed(share * (1 - share) / n)
    return family.least_favourable(size)


@dataclass(frozen=True)
class _IntersectionUnionTest:
    """Test of "for some contrast both the loss and the deficit are above their bounds", on normal values."""

    family: Family
    z_loss: FloatArray
    z_deficit: FloatArray
    se_loss: FloatArray
    se_deficit: FloatArray
    errors: ErrorDraws

    @property
    def z(self) -> FloatArray:
        return np.minimum(self.z_loss, self.z_deficit)

    def p_value(self, alpha: float) -> float:
        """Return the smallest level at which the test rejects; a tenth of the level goes to the first step."""
        observed, p = float(self.z.max()), alpha
        for _ in range(4):
            previous = p
            p = min(1.0, self._exceedance(observed, SELECTION_SHARE * p) / (1 - SELECTION_SHARE))
            if abs(p - previous) <= 0.02 * previous or p > 0.5:
                break
        return p

    def _exceedance(self, observed: float, beta: float) -> float:
        """Return the probability that the statistic reaches `observed` in the least favourable null of the first step.

        Of each contrast one condition is false. If it is the loss, its true t ratio is at most 0 and at most the
        observed one plus z; the deficit's is at most the observed one plus z. If the observed ratio is above z, the
        loss cannot be the false one. The same holds with the two exchanged.
        """
        z = float(upper_quantile(beta / (4 * len(self.z))))
        shifts = []
        for null, other in ((self.z_loss, self.z_deficit), (self.z_deficit, self.z_loss)):
            shift = np.where(null > z, -np.inf, np.minimum(null + z, 0.0))
            shifts.append((shift, other + z))
        # Both ratios have to reach it, so the rarer of the two bounds the probability.
        tails = [upper_tail(observed - np.minimum(own, far)) for own, far in shifts]
        # Bonferroni's bound is never below the truth, and close to it far out in the tail.
        bonferroni = float(np.sum(np.maximum(*tails)))
        if bonferroni * self.errors.candidate.base.shape[1] < 0.5:
            return bonferroni
        live = np.flatnonzero(np.maximum(*tails) > 1e-9)
        return min(bonferroni, self._share_of_draws(observed, live, shifts))

    def _share_of_draws(self, observed: float, live: IntArray, shifts: list[tuple[FloatArray, FloatArray]]) -> float:
        reached: list[tuple[BoolArray, BoolArray]] = []
        draws, seen, exceeding = self.errors.candidate.base.shape[1], 0, 0
        plus, minus = self.family.plus[live], self.family.minus[live]
        (loss_null, deficit_bound), (deficit_null, loss_bound) = ((own[live], far[live]) for own, far in shifts)
        while seen < draws and exceeding < EXCEEDANCES:
            block = slice(seen, seen + DRAW_BLOCK)
            loss = _standardised(self.errors.difference, self.family, block, plus, minus, self.se_loss[live])
            deficit = _standardised(self.errors.candidate, self.family, block, plus, minus, self.se_deficit[live])
            by_loss = _both_reach(loss, deficit, loss_null, deficit_bound, observed)
            by_deficit = _both_reach(deficit, loss, deficit_null, loss_bound, observed)
            either = np.any(by_loss | by_deficit, axis=0)
            reached.append((by_loss[:, either], by_deficit[:, either]))
            exceeding += int(either.sum())
            seen = min(seen + DRAW_BLOCK, draws)
        first, second = (np.concatenate(side, axis=1) for side in zip(*reached, strict=True))
        return (1 + _least_favourable_count(first, second)) / (1 + seen)


def _standardised(
    errors: Errors, family: Family, draws: slice, plus: IntArray, minus: IntArray, se: FloatArray
) -> Noise:
    noise = errors.at(family, draws)
    return np.asarray((noise[plus] - noise[minus]) * (1 / se).astype(np.float32)[:, None])


def _both_reach(own: Noise, other: Noise, shift: FloatArray, bound: FloatArray, observed: float) -> BoolArray:
    """Return the draws in which both ratios of a contrast reach `observed`, under the shifts of its null."""
    return np.asarray((own >= (observed - shift)[:, None]) & (other >= (observed - bound)[:, None]))


def _least_favourable_count(first: BoolArray, second: BoolArray) -> int:
    """Return the largest number of draws in which some contrast exceeds, one condition chosen per contrast.

    The choice is sought by coordinate ascent.
    """
    use = second.sum(axis=1) > first.sum(axis=1)
    chosen = np.where(use[:, None], second, first)
    cover = chosen.sum(axis=0)
    for _ in range(3):
        changed = False
        for c in np.flatnonzero(np.any(first != second, axis=1)):
            cover -= chosen[c]
            free = cover == 0
            gains = int(np.sum(second[c] & free)) - int(np.sum(first[c] & free))
            if gains and bool(gains > 0) != bool(use[c]):
                use[c], changed = gains > 0, True
                chosen[c] = second[c] if use[c] else first[c]
            cover += chosen[c]
        if not changed:
            break
    return int(np.sum(cover > 0))


def mover_difference(
    value_a: float,
    low_a: float,
    high_a: float,
    value_b: float,
    low_b: float,
    high_b: float,
    margin: float = 0.0,
    higher_is_better: bool = True,
    level: float = 0.95,
) -> tuple[float, float, float, float]:
    """Compute how much worse a metric became, from two intervals alone.

    Both intervals are taken to come from different cases. Where both models saw the same cases, the result is wide.

    Parameters
    ----------
    value_a, low_a, high_a, value_b, low_b, high_b : float
        Baseline and candidate with their two-sided intervals at `level`.
    margin : float
    higher_is_better : bool
    level : float, in (0, 1)

    Returns
    -------
    (value, low, high, p_value)
        The worsening (positive: worse), its two one-sided limits at `level`, and the p-value of "it got worse by more
        than `margin`".

    Raises
    ------
    ValueError
        If a value lies outside its interval, or `level` outside (0, 1).

    Notes
    -----
    MOVER [1]_. Each side of an interval is taken for that of a normal distribution, so that it scales with the
    quantile. The level is therefore approximate for skewed intervals.

    References
    ----------
    .. [1] Zou and Donner, "Construction of confidence limits about effect measures", Statistics in Medicine 2008.

    Examples
    --------
    >>> [round(v, 4) for v in mover_difference(0.90, 0.88, 0.92, 0.85, 0.83, 0.87)]
    [0.05, 0.0263, 0.0737, 0.0003]
    """
    a, b = (value_a, low_a, high_a), (value_b, low_b, high_b)
    if not (low_a <= value_a <= high_a and low_b <= value_b <= high_b):
        raise ValueError("each value must lie in its interval")
    first, second = (a, b) if higher_is_better else (b, a)
    low, high = (float(v) for v in difference_limits(*first, *second))
    value, two_sided = first[0] - second[0], float(upper_quantile(tail_of(level)))
    below, above = (value - low) / two_sided, (high - value) / two_sided  # the standard error of each side
    one_sided = float(upper_quantile(2 * tail_of(level)))
    se = below if value >= margin else above
    ends = value, value - one_sided * below, value + one_sided * above
    if not se > 0:
        return *ends, 0.0 if value > margin else 1.0
    return *ends, float(upper_tail((value - margin) / se))
