"""How much worse estimates became from one run to the next, from each group's estimate, variance and degrees of freedom.

Any smooth metric enters: precision, F1, areas, losses, errors. The runs may hold different cases, the same cases, or some in
common (`raikit.stats.shared_cases`). Rates on the same cases have a test with more power (`raikit.stats.noninferiority`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr

from raikit.stats._types import FloatArray, IntArray
from raikit.stats.constants import POWER_QUANTILE, TINY
from raikit.stats.detectable_change import added_variance, first_detected, settle
from raikit.stats.quantiles import upper_quantile, upper_tail
from raikit.stats.two_models import SELECTION_SHARE

NORMAL_DF = 1e9  # degrees of freedom beyond which t is taken for normal


@dataclass(frozen=True)
class RunEstimates:
    """Estimates of k groups in one run.

    Parameters
    ----------
    value : ndarray, shape (k,)
    covariance : ndarray, shape (k, k)
    df : ndarray, shape (k,)
        Degrees of freedom of each variance.
    """

    value: FloatArray
    covariance: FloatArray
    df: FloatArray

    @classmethod
    def independent(cls, value: ArrayLike, variance: ArrayLike, df: ArrayLike) -> RunEstimates:
        """Return estimates that have no cases in common."""
        return cls(np.array(value, dtype=float), np.diag(np.array(variance, dtype=float)), np.array(df, dtype=float))

    @property
    def uncorrelated(self) -> bool:
        """Whether no two groups' estimates are correlated."""
        return bool(np.count_nonzero(self.covariance) <= np.count_nonzero(np.diag(self.covariance)))

    def oriented(self, higher_is_better: bool) -> RunEstimates:
        """Return the estimates with the sign at which larger is worse."""
        return replace(self, value=-self.value) if higher_is_better else self


@dataclass(frozen=True)
class EstimatedChange:
    """How much worse a metric became, with one-sided limits that belong to the test.

    Parameters
    ----------
    value : float
    low, high : float
        One-sided limits, each at the test's level. `low` exceeds the margin exactly where the test rejects at that level.
    p_value : float
        Of the hypothesis that the metric became worse by at most the margin.
    minimum_detectable : float
        Smallest worsening that would have been detected with 80% power.
    method : str
    loser, against : int or None
        The groups whose distance grew, for a gap.
    """

    value: float
    low: float
    high: float
    p_value: float
    minimum_detectable: float
    method: str
    loser: int | None = None
    against: int | None = None

    def name_loser(self, groups: Sequence[str]) -> str | None:
        """Return who lost against whom, in words; None for a single value."""
        if self.loser is None or self.against is None:
            return None
        return f"{groups[self.loser]} against {groups[self.against]}"


def metric_change(
    before: RunEstimates,
    after: RunEstimates,
    margin: float = 0.0,
    *,
    moved: bool,
    higher_is_better: bool,
    level: float = 0.95,
    loss: RunEstimates | None = None,
) -> EstimatedChange:
    """Test whether a metric of one or more groups became worse: `estimate_change`, `gap_change` or `gap_widening`.

    Parameters
    ----------
    moved : bool
        Whether a group's loss against another counts, or the growth of the gap itself.
    before, after, margin, higher_is_better, level, loss
        As in `estimate_change`, of the same groups.
    """
    test = estimate_change if len(after.value) == 1 else gap_change if moved else gap_widening
    return test(before, after, margin, higher_is_better=higher_is_better, level=level, loss=loss)


def joint_change(changes: Sequence[EstimatedChange]) -> tuple[EstimatedChange, int]:
    """Combine the tests of a metric's parts, such as the two rates of equalized odds, by Bonferroni.

    Parameters
    ----------
    changes : sequence of EstimatedChange
        Of each part, with the error of the family divided by their number.

    Returns
    -------
    (change, at) : EstimatedChange and int
        `at` is the part with the surest loss, whose groups `change` names.
    """
    at = max(range(len(changes)), key=lambda part: changes[part].low)
    high = max(change.high for change in changes)
    joint = replace(
        changes[at], value=min(changes[at].value, high), high=high,
        p_value=min(1.0, len(changes) * min(change.p_value for change in changes)),
        minimum_detectable=max(change.minimum_detectable for change in changes),
    )  # fmt: skip
    return joint, at


def estimate_change(
    before: RunEstimates,
    after: RunEstimates,
    margin: float = 0.0,
    *,
    higher_is_better: bool,
    level: float = 0.95,
    loss: RunEstimates | None = None,
) -> EstimatedChange:
    """Test whether a single metric became worse by more than a margin, by Welch's t.

    Parameters
    ----------
    before, after : RunEstimates
        Of one group.
    margin : float
    higher_is_better : bool
    level : float, in (0.5, 1)
        One-sided: 1 - alpha.
    loss : RunEstimates, optional
        The difference `after` minus `before` with its own variance, where the runs share cases (`shared_loss`).
    """
    lost = _loss(before, after, higher_is_better, loss)
    value, df = float(lost.value[0]), float(lost.df[0])
    se = max(float(lost.covariance[0, 0]) ** 0.5, TINY)
    quantile = float(_quantile(1 - level, df))
    added = _Added(after, higher_is_better, loss is not None)
    needed = settle(lambda worse: margin + (quantile + POWER_QUANTILE) * np.sqrt(se**2 + added(worse)), 1)
    reach = quantile * se
    return EstimatedChange(
        value, value - reach, value + reach, float(_tail((value - margin) / se, df)), float(needed[0]), f"{_method(df)}"
    )


def gap_change(
    before: RunEstimates,
    after: RunEstimates,
    margin: float = 0.0,
    *,
    higher_is_better: bool,
    level: float = 0.95,
    loss: RunEstimates | None = None,
) -> EstimatedChange:
    """Test whether some group lost more than a margin against another one, and is behind it now.

    Parameters
    ----------
    before, after : RunEstimates
        Of the same k groups, two or more.
    margin, higher_is_better, level, loss
        As in `estimate_change`.

    Notes
    -----
    For every ordered pair of groups both the loss since the baseline must exceed the margin and the deficit in the candidate
    must exceed 0, each by Welch's t (intersection-union). The correction over pairs is Tukey's (the studentised range) where
    groups share no clusters, else Bonferroni's. Deficits are tested at twice the level: of two groups only one can have lost
    against the other, so only one of the two ordered pairs needs its deficit to be excluded.

    benchmarks/simulate_comparisons.py prints what was simulated: independent cases, clusters of even and uneven size, and
    weights related to the outcome.
    """
    lost, now = _loss(before, after, higher_is_better, loss), after.oriented(higher_is_better)
    plus, minus = ordered_pairs(len(now.value))
    losses, deficits = _Contrasts.of(lost, plus, minus), _Contrasts.of(now, plus, minus)
    pairs, alpha = _Pairs(len(now.value), lost.uncorrelated and now.uncorrelated), 1 - level
    each, each_deficit = pairs.tail(alpha), pairs.tail(2 * alpha)
    p = np.maximum(pairs.p_value(losses.tail(margin)), pairs.p_value(deficits.tail(0.0)) / 2)
    low, behind = losses.low(each), deficits.low(each_deficit)
    # A pair whose deficit is not proven proves no loss: its limit stays at or below 0, and so within any margin.
    proven = np.where(behind > 0, low, np.minimum(np.minimum(low, behind), 0.0))
    best = int(np.argmax(proven))
    high = _upper_limit(losses, deficits, margin, alpha)
    return EstimatedChange(
        value=min(float(losses.value[best]), high), low=float(proven[best]), high=high, p_value=float(p.min()),
        minimum_detectable=_detectable(
            losses, deficits, margin, (each, each_deficit), _Added(after, higher_is_better, loss is not None, plus)
        ),
        method=f"{_method(float(losses.df.min()))} of loss and deficit, {pairs.name}",
        loser=int(plus[best]), against=int(minus[best]),
    )  # fmt: skip


def gap_widening(
    before: RunEstimates,
    after: RunEstimates,
    margin: float = 0.0,
    *,
    higher_is_better: bool,
    level: float = 0.95,
    loss: RunEstimates | None = None,
) -> EstimatedChange:
    """Test whether the gap itself (the largest difference between two groups) grew by more than a margin.

    Parameters
    ----------
    before, after, margin, higher_is_better, level, loss
        As in `gap_change`.

    Notes
    -----
    Whichever pair was the baseline's gap, some pair of the candidate must exceed it by the margin: an intersection-union test
    over the baseline's pairs, Bonferroni over the candidate's. A gap that is new needs several times as many cases as one
    that was there (`raikit.stats.gap_growth`).
    """
    first, second = before.oriented(higher_is_better), after.oriented(higher_is_better)
    plus, minus = ordered_pairs(len(first.value))
    a, b = _Contrasts.of(first, plus, minus), _Contrasts.of(second, plus, minus)
    lost = _loss(before, after, higher_is_better, loss)
    shared = _between((before.covariance + after.covariance - lost.covariance) / 2, plus, minus)
    value = b.value - a.value[:, None]  # pairs of the baseline by pairs of the candidate
    se = np.sqrt(np.maximum(b.variance + a.variance[:, None] - 2 * shared, TINY))
    change = _Contrasts.of(lost, plus, minus)
    df = np.minimum(a.df[:, None], b.df)
    df = df if loss is None else np.minimum(df, change.df)  # of the variance that is left once shared cases cancel
    each = (1 - level) / len(plus)
    p = min(1.0, len(plus) * float(_tail((value - margin) / se, df).min(axis=1).max()))
    low = float((value - _quantile(each, df) * se).max(axis=1).min())
    high = float((value + _quantile(each, df) * se).max(axis=1).min())
    widest = int(np.argmax(b.value))
    growth = float(b.value.max() - a.value.max())
    at = int(np.argmax(a.value)), widest
    surely_behind = a.low(each)[at[0]] > 0
    quantile, variance = float(_quantile(each, df[at])) + POWER_QUANTILE, float(se[at]) ** 2
    added = _Added(after, higher_is_better, loss is not None, plus[widest : widest + 1])
    start = margin + (0.0 if surely_behind else float(a.value.max()))
    detectable = float(settle(lambda worse: start + quantile * np.sqrt(variance + added(worse)), 1)[0])
    return EstimatedChange(
        growth, min(low, growth), max(high, growth), p, detectable,
        f"{_method(float(df.min()))} of the gaps' difference (Bonferroni over {len(plus)} pairs)",
        int(plus[widest]), int(minus[widest]),
    )  # fmt: skip


@dataclass(frozen=True)
class _Pairs:
    """Correction of one-sided tests over all ordered pairs of k groups."""

    k: int
    uncorrelated: bool

    @property
    def name(self) -> str:
        """Return the correction as a method's name has it."""
        return f"{'Tukey' if self.uncorrelated else 'Bonferroni'} over {self.k} groups"

    def p_value(self, tail: FloatArray) -> FloatArray:
        """Return the p-values of the family from those of single pairs."""
        if not self.uncorrelated:
            return np.minimum(1.0, self.k * (self.k - 1) * tail)
        return range_tail(upper_quantile(np.clip(tail, TINY, 0.5)), self.k)

    def tail(self, alpha: float) -> float:
        """Return the level of each pair at which the family has level `alpha`; the inverse of `p_value`."""
        return _tukey_tail(alpha, self.k) if self.uncorrelated else alpha / (self.k * (self.k - 1))


@lru_cache(maxsize=256)
def _tukey_tail(alpha: float, k: int) -> float:
    """Return the one-sided tail probability of each of k groups' pairs at which the studentised range has tail `alpha`."""
    low, high = 0.0, 40.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if float(range_tail(np.array([middle]), k)[0]) > alpha else (low, middle)
    return float(upper_tail(low))


def range_tail(z: FloatArray, k: int) -> FloatArray:
    """Return the probability that some pair of k standard normal numbers is ``sqrt(2) z`` apart, for z >= 0.

    References
    ----------
    .. [1] Tukey, "The problem of multiple comparisons", 1953.

    Examples
    --------
    >>> range_tail(np.array([1.96, 2.728]), 5).round(3).tolist()[1]
    0.05
    """
    smallest = _GRID[:, None]  # integrate over the largest of the numbers, and whether all others are near it
    below, far = ndtr(smallest), ndtr(smallest - np.sqrt(2) * np.asarray(z))
    inside = -np.expm1((k - 1) * np.log1p(-np.minimum(far / below, 1 - 1e-16)))
    density = np.exp(-smallest**2 / 2) / np.sqrt(2 * np.pi)
    return np.asarray(np.minimum(1.0, k * np.sum(density * below ** (k - 1) * inside, axis=0) * (_GRID[1] - _GRID[0])))


_GRID = np.linspace(-8.0, 12.0, 401)


@dataclass(frozen=True)
class _Contrasts:
    """Differences between two groups each: values, variances and degrees of freedom (Welch), all of shape (c,)."""

    value: FloatArray
    variance: FloatArray
    df: FloatArray

    @classmethod
    def of(cls, estimates: RunEstimates, plus: IntArray, minus: IntArray) -> _Contrasts:
        v, M = np.diag(estimates.covariance), estimates.covariance
        variance = np.maximum(v[plus] + v[minus] - 2 * M[plus, minus], TINY)
        return cls(estimates.value[plus] - estimates.value[minus], variance,
                   welch(v[plus], estimates.df[plus], v[minus], estimates.df[minus]))

    @property
    def se(self) -> FloatArray:
        return np.sqrt(self.variance)

    def tail(self, margin: float) -> FloatArray:
        return _tail((self.value - margin) / self.se, self.df)

    def low(self, tail: float) -> FloatArray:
        return np.asarray(self.value - _quantile(tail, self.df) * self.se)

    def high(self, tail: float) -> FloatArray:
        return np.asarray(self.value + _quantile(tail, self.df) * self.se)


def _loss(
    before: RunEstimates, after: RunEstimates, higher_is_better: bool, loss: RunEstimates | None
) -> RunEstimates:
    """Return how much worse each group became, with its variance; larger is worse."""
    if loss is not None:
        return loss.oriented(higher_is_better)
    df = welch(np.diag(before.covariance), before.df, np.diag(after.covariance), after.df)
    change = RunEstimates(after.value - before.value, before.covariance + after.covariance, df)
    return change.oriented(higher_is_better)


def ordered_pairs(k: int) -> tuple[IntArray, IntArray]:
    """Return the positions of both groups of every ordered pair."""
    if k < 2:
        raise ValueError("a gap needs two groups")
    plus, minus = np.nonzero(~np.eye(k, dtype=bool))
    return plus, minus


def _between(cross: FloatArray, plus: IntArray, minus: IntArray) -> FloatArray:
    """Return the covariance of each pair of the baseline (rows of `cross`) with each pair of the candidate."""
    rows = cross[plus] - cross[minus]
    return np.asarray(rows[:, plus] - rows[:, minus])


def _upper_limit(losses: _Contrasts, deficits: _Contrasts, margin: float, alpha: float) -> float:
    """Return the largest pointwise upper limit of a loss; of a pair surely less than the margin apart, the margin at most.

    Only the truly worst pair has to be covered, so the number of pairs needs no correction.
    """
    ends, reach = losses.high((1 - SELECTION_SHARE) * alpha), deficits.high(SELECTION_SHARE * alpha)
    return float(np.max(np.where(reach > margin, ends, np.minimum(ends, margin))))


@dataclass(frozen=True)
class _Added:
    """The variance that a worsening of each group, or of the groups at `of`, adds (`raikit.stats.detectable_change`)."""

    after: RunEstimates
    higher_is_better: bool
    shared: bool
    of: IntArray | None = None

    def __call__(self, worse: FloatArray) -> FloatArray:
        """Return it for the groups' worsenings."""
        value, variance = self.after.value, np.diag(self.after.covariance)
        if self.of is not None:
            value, variance = value[self.of], variance[self.of]
        return added_variance(value, variance, worse, higher_is_better=self.higher_is_better, shared=self.shared)


def _detectable(
    losses: _Contrasts, deficits: _Contrasts, margin: float, tails: tuple[float, float], added: _Added
) -> float:
    """Return the worsening that the least favourable group would show with 80% power, groups being equal before.

    Loss and deficit must both be shown. Both hold the candidate's errors, so that they are shown together at least as often as
    if they were independent.
    """
    size = len(losses.value)
    of_loss, of_deficit = (_quantile(tail, part.df) for tail, part in zip(tails, (losses, deficits), strict=True))

    def power(worse: FloatArray) -> FloatArray:
        more = added(worse)
        shown = ndtr((worse - margin) / np.sqrt(losses.variance + more) - of_loss)
        return np.asarray(shown * ndtr(worse / np.sqrt(deficits.variance + more) - of_deficit))

    k = round((1 + (1 + 4 * size) ** 0.5) / 2)
    needed = first_detected(power, np.maximum(losses.se, deficits.se))
    return float(needed.reshape(k, k - 1).min(axis=1).max())


def welch(v1: FloatArray, df1: FloatArray, v2: FloatArray, df2: FloatArray) -> FloatArray:
    """Return the degrees of freedom of a sum of two variances (Welch and Satterthwaite)."""
    total = np.maximum(v1 + v2, TINY)
    first, second = ((v / total) ** 2 / np.maximum(df, TINY) for v, df in ((v1, df1), (v2, df2)))  # 0: nothing is known
    return np.asarray(1 / np.maximum(first + second, 1 / NORMAL_DF))


def _quantile(tail: float, df: ArrayLike) -> FloatArray:
    return upper_quantile(tail, np.minimum(df, NORMAL_DF))


def _tail(t: ArrayLike, df: ArrayLike) -> FloatArray:
    return upper_tail(t, np.minimum(df, NORMAL_DF))


def _method(df: float) -> str:
    return "Welch t" if df >= 1000 else f"Welch t (df {df:.0f})"
