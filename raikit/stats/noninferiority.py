"""Did the candidate get worse than the baseline? Tests of the regression gate, on the same rows where there are any.

The question that can be answered (`moved`): did some group lose more than a margin against another group or the rest,
and is it behind them now? On the same rows most of the noise is shared and cancels. The harder question, whether the
*gap* grew (`gap_moved`), has to exclude that the baseline's own gap, over all its pairs, was as large; no procedure
answers it well where the baseline had none. Nothing here looks at an estimate without its error.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from raikit.stats._types import AnyArray, BoolArray, FloatArray, IntArray, tail_of
from raikit.stats.covariance import CovarianceResult, degrees_of_freedom, influence_covariance, rate_covariance
from raikit.stats.maxt import Errors, Family, Noise, pairs_and_rests, two_step
from raikit.stats.mover import difference_limits

_POWER = 0.8416212335729143  # normal quantile of 80 % power
_BLOCK = 2_000  # draws looked at together
_ENOUGH = 800  # exceedances after which a large p-value is known well enough
_SELECT = 0.1  # share of the level spent on finding contrasts that surely do not matter


def paired_covariance(
    events_a: ArrayLike,
    events_b: ArrayLike,
    denominator: ArrayLike,
    group: ArrayLike,
    clusters: Sequence[ArrayLike] = (),
    weight: ArrayLike | None = None,
    *,
    squares: ArrayLike | None = None,
    counts: ArrayLike | None = None,
    groups: int | None = None,
) -> CovarianceResult:
    """Rates of k groups under two models on the same rows, with the joint covariance of all 2k.

    Parameters
    ----------
    events_a, events_b : array_like, shape (n,)
        What the baseline (A) and the candidate (B) count on each row: 0 or 1, or any number for a mean.
    denominator, group, clusters, weight, squares, counts, groups
        As in `raikit.stats.rate_covariance`; entries may be rows or cells of rows alike in everything given here.

    Returns
    -------
    CovarianceResult
        Entries 0 .. k-1 are A, entries k .. 2k-1 are B. NaN where a group has no row in the denominator.

    Notes
    -----
    Without clusters and for counts, the table of (A, B) of each group with half a row added to each of its four cells
    gives the three variances; their margins are Agresti and Caffo's. Different groups are then independent. With
    clusters, contributions of both models are summed within them [1]_, and the variance of a group's own B - A is never
    below that of the table: a group in which A and B always agree would otherwise have a difference without error.

    References
    ----------
    .. [1] Cameron, Gelbach and Miller, "Robust inference with multiway clustering", JBES 2011.
    """
    a, b, den = (np.asarray(v, dtype=float) for v in (events_a, events_b, denominator))
    code = np.asarray(group).astype(np.int64)
    columns = [np.asarray(c) for c in clusters]
    if any(len(v) != len(a) for v in (b, den, code, *columns)):
        raise ValueError("events, denominator, group and clusters must have one entry per row")
    rows = np.ones(len(a)) if counts is None else np.asarray(counts, dtype=float)
    w = rows if weight is None else np.asarray(weight, dtype=float)
    w2 = (w**2 if weight is not None else w) if squares is None else np.asarray(squares, dtype=float)
    k = groups if groups is not None else int(code.max(initial=-1)) + 1
    keep = (code >= 0) & (w > 0) & ((den != 0) | (a != 0) | (b != 0))
    a, b, den, code, w, w2, rows = (v[keep] for v in (a, b, den, code, w, w2, rows))
    columns = [c[keep] for c in columns]
    binary = bool(np.all((den == 1) & ((a == 0) | (a == 1)) & ((b == 0) | (b == 1))))
    both = rate_covariance(
        np.append(a, b),
        np.tile(den, 2),
        np.append(code, code + k),
        [np.tile(c, 2) for c in columns],
        np.tile(w, 2),
        2 * k,
        scale="proportion" if binary else "real",
        squares=np.tile(w2, 2),
        counts=np.tile(rows, 2),
    )
    total = both.sizes[code]
    influence = w * ((b - a) - (both.rates[k:] - both.rates[:k])[code] * den) / total
    own = influence_covariance(
        both.rates[k:] - both.rates[:k],
        influence,
        code,
        columns,
        both.n_rows[:k],
        both.sizes[:k],
        squares=w2 * (influence / w) ** 2,
        counts=rows,
    )
    variance, M = np.diag(own.M).copy(), both.M.copy()
    if binary:
        n = both.n_rows[:k]
        table = _joint_table(code, w, a, b, k, n)
        variance = np.maximum(variance, table.difference) if columns else table.difference
        if not columns:
            M[np.diag_indices(2 * k)] = np.append(table.first, table.second)
    each = np.diag(M)
    i = np.arange(k)
    M[i, k + i] = M[k + i, i] = (each[:k] + each[k:] - variance) / 2
    return replace(both, M=_positive(M))


@dataclass(frozen=True)
class _JointTable:
    """Variances of the rates of A, of B and of their difference, one per group."""

    first: FloatArray
    second: FloatArray
    difference: FloatArray


def _joint_table(
    code: IntArray, w: FloatArray, a: FloatArray, b: FloatArray, k: int, n: FloatArray
) -> _JointTable:
    """Variances from the 2x2 table of each group, half a row added to each cell (of n effective rows)."""
    cell = np.bincount(4 * code + 2 * a.astype(np.int64) + b.astype(np.int64), w, minlength=4 * k).reshape(k, 4)
    share = cell / np.maximum(cell.sum(axis=1, keepdims=True), 1e-300)
    p = (share * n[:, None] + 0.5) / (n[:, None] + 2)
    first, second, moved = p[:, 2] + p[:, 3], p[:, 1] + p[:, 3], p[:, 1] + p[:, 2]
    difference = moved - (p[:, 1] - p[:, 2]) ** 2
    return _JointTable(*(v / (n + 2) for v in (first * (1 - first), second * (1 - second), difference)))


def unpaired_covariance(
    a: CovarianceResult | tuple[ArrayLike, ArrayLike], b: CovarianceResult | tuple[ArrayLike, ArrayLike]
) -> CovarianceResult:
    """Rates of k groups under two models that were measured on different rows (a baseline known only by its counts).

    Parameters
    ----------
    a, b : (x, n) or CovarianceResult
        Events and trials per group (effective ones if weighted), or rates with their covariance.

    Returns
    -------
    CovarianceResult
        Entries 0 .. k-1 are A, entries k .. 2k-1 are B; no covariance between the two.
    """
    first, second = (v if isinstance(v, CovarianceResult) else _of_counts(*v) for v in (a, b))
    if len(first.rates) != len(second.rates):
        raise ValueError("both models need the same groups")
    names = ("rates", "n_clusters", "vrow", "n_rows", "n_effective", "sizes")
    parts: dict[str, Any] = {name: np.append(getattr(first, name), getattr(second, name)) for name in names}
    k = len(first.rates)
    M = np.zeros((2 * k, 2 * k))
    M[:k, :k], M[k:, k:] = first.M, second.M
    df = degrees_of_freedom(parts["n_clusters"])
    return replace(first, M=M, df=df, ways=max(first.ways, second.ways), **parts)


def _of_counts(x: ArrayLike, n: ArrayLike) -> CovarianceResult:
    events, trials = np.asarray(x, dtype=float), np.asarray(n, dtype=float)
    if events.shape != trials.shape or np.any((events < 0) | (events > trials)):
        raise ValueError("x must lie between 0 and n in every group")
    k = len(trials)
    group = np.tile(np.arange(k), 2)
    cells = np.append(np.ones(k), np.zeros(k))
    rows = np.append(events, trials - events)
    return rate_covariance(cells, np.ones(2 * k), group, groups=k, proportion=True, counts=rows)


@dataclass(frozen=True)
class Moved:
    """What `moved` and `gap_moved` found.

    Parameters
    ----------
    value : float
        `moved`: how much the loser lost against the other side since the baseline, positive if it got worse.
        `gap_moved`: gap of the candidate less gap of the baseline.
    low : float
        Lower limit (one-sided, at the rule's level) of the largest loss, simultaneous over all contrasts.
    high : float
        Upper limit (one-sided, pointwise) of the largest loss of a group that may be behind.
    p_value : float
        Smallest alpha at which the claim of the test holds: fit for Holm.
    loser, against : int
        Groups of the contrast for which the claim is strongest; `against` is -1 for the pooled rest.
    minimum_detectable : float
        Smallest worsening that these data could have shown with 80 % power.
    method : str
    stratum : int
        The stratum of the two groups.
    """

    value: float
    low: float
    high: float
    p_value: float
    loser: int
    against: int
    minimum_detectable: float
    method: str
    stratum: int = 0


def moved(
    cov: CovarianceResult,
    margin: float = 0.0,
    *,
    higher_is_better: bool | Sequence[bool],
    strata: ArrayLike | None = None,
    level: float = 0.95,
    draws: int = 20_000,
    rng: np.random.Generator,
) -> Moved:
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
        1 - alpha; alpha is the chance that the claim is made where it is false.
    draws : int
        At least 20,000 where a tail decides.
    rng : numpy.random.Generator

    Returns
    -------
    Moved

    Raises
    ------
    ValueError
        If a rate is undefined, or there are not two groups to compare.

    Notes
    -----
    Contrasts are all ordered pairs and each group against the pooled rest. The claim is that for one
    of them the loss exceeds the margin *and* the deficit in the candidate exceeds 0; both have to clear their own bound
    (intersection-union), so that a gap which closes and leaves both groups level is no regression every other time.
    The statistic is the larger over contrasts of the smaller of two t ratios. Its null distribution takes for each
    contrast whichever of the two conditions is the more often violated by chance (the least favourable assignment,
    sought by coordinate ascent), and leaves out, at a tenth of the level, what surely cannot matter [1]_.
    With clusters draws are t, and groups with fewer than 8 clusters do not decide.

    References
    ----------
    .. [1] Romano, Shaikh and Wolf, "A practical two-step method for testing moment inequalities", Econometrica 2014.
    """
    alpha = 2 * tail_of(level)
    setup = _Setup.of(cov, strata, higher_is_better)
    if not setup.deciding.any():
        return _undecided(setup, margin, alpha)
    part = setup.only(setup.deciding)
    family, loss, deficit = part.family, part.loss, part.deficit
    errors = part.errors(draws, rng)
    ends = two_step(family, loss.value, loss.se, errors.difference, alpha, part.df)
    t_loss, t_behind = (loss.value - margin) / loss.se, deficit.value / deficit.se
    claim = _Claim(family, t_loss, t_behind, loss.se, deficit.se, errors, part.df)
    strongest = int(np.argmax(claim.t))
    low = float(np.max(loss.value - ends.value * loss.se))
    return Moved(
        value=float(loss.value[strongest]),
        low=setup.clipped(low),
        high=setup.clipped(_upper(setup, margin, alpha)),
        p_value=claim.p_value(alpha),
        loser=setup.index(part, int(family.plus[strongest])),
        against=setup.index(part, int(family.minus[strongest])),
        minimum_detectable=_detectable(part, margin, ends.full),
        method=part.method("max-t of loss and deficit, two-step selection"),
        stratum=part.stratum_of(int(family.plus[strongest])),
    )


@dataclass(frozen=True)
class _Contrast:
    """Estimates and standard errors of the contrasts of one quantity."""

    value: FloatArray
    se: FloatArray


@dataclass(frozen=True)
class _Draws:
    """Joint draws of the errors of the candidate's rates and of the differences to the baseline."""

    candidate: Errors
    difference: Errors


@dataclass(frozen=True)
class _Setup:
    """Rates oriented so that larger is worse, and the contrasts between them."""

    cov: CovarianceResult
    labels: IntArray
    sign: FloatArray
    kept: IntArray

    @classmethod
    def of(cls, cov: CovarianceResult, strata: ArrayLike | None, higher_is_better: bool | Sequence[bool]) -> _Setup:
        k = len(cov.rates) // 2
        if np.any(np.isnan(cov.rates)):
            raise ValueError("a group without rows in the denominator has no rate: leave it out of both models")
        labels = np.zeros(k, dtype=np.int64) if strata is None else np.asarray(strata).astype(np.int64)
        if labels.shape != (k,) or len(cov.rates) % 2:
            raise ValueError("strata must have one entry per group, and the covariance two rates per group")
        found, position, sizes = np.unique(labels, return_inverse=True, return_counts=True)
        if not k or sizes.min() < 2:
            raise ValueError("fewer than two groups in which the rate is defined, so there is nothing to compare")
        better = [higher_is_better] * len(found) if isinstance(higher_is_better, bool) else list(higher_is_better)
        if len(better) != len(found):
            raise ValueError(f"{len(found)} strata need {len(found)} directions, not {len(better)}")
        return cls(cov, labels, np.where(np.asarray(better)[position], -1.0, 1.0), np.arange(k))

    @property
    def k(self) -> int:
        return len(self.labels)

    @property
    def df(self) -> float:
        return float(self.cov.df) if self.cov.ways else np.inf

    @property
    def deciding(self) -> BoolArray:
        """Groups with at least 8 clusters, in strata that have two of them."""
        if not self.cov.ways:
            return np.ones(self.k, dtype=bool)
        few = self.cov.few_clusters
        enough = ~(few[: self.k] | few[self.k :])
        labels, position = np.unique(self.labels, return_inverse=True)
        return np.asarray(enough & (np.bincount(position, enough, minlength=len(labels)) >= 2)[position])

    def only(self, keep: BoolArray) -> _Setup:
        if keep.all():
            return self
        return _Setup(self.cov.subset(np.tile(keep, 2)), self.labels[keep], self.sign[keep], self.kept[keep])

    @property
    def family(self) -> Family:
        """Each group against each other and the rest, pooled by the candidate's sizes: a change of sizes is no loss."""
        full = pairs_and_rests(self.cov.sizes[self.k :], self.labels)
        group = full.plus < self.k
        return replace(full, plus=full.plus[group], minus=full.minus[group])

    @property
    def joint(self) -> FloatArray:
        """Covariance of the 2k oriented rates."""
        sign = np.tile(self.sign, 2)
        return np.asarray(self.cov.M * np.outer(sign, sign))

    @property
    def oriented(self) -> tuple[FloatArray, FloatArray]:
        return self.sign * self.cov.rates[: self.k], self.sign * self.cov.rates[self.k :]

    def _contrast(self, values: FloatArray, covariance: FloatArray) -> _Contrast:
        family, extended = self.family, self.family.extend(values)
        se = family.standard_errors(family.extend_covariance(covariance))
        # a difference without any variance (means that all moved alike) is known as well as the machine counts
        least = 1e-9 * float(np.max(np.abs(self.cov.rates))) + 1e-12
        return _Contrast(extended[family.plus] - extended[family.minus], np.maximum(se, least))

    @property
    def loss(self) -> _Contrast:
        k, M = self.k, self.joint
        a, b = self.oriented
        return self._contrast(b - a, M[:k, :k] + M[k:, k:] - M[:k, k:] - M[k:, :k])

    @property
    def deficit(self) -> _Contrast:
        return self._contrast(self.oriented[1], self.joint[self.k :, self.k :])

    def errors(self, draws: int, rng: np.random.Generator) -> _Draws:
        both = Errors.gaussian(self.joint, draws, rng, self.df).base
        return _Draws(Errors(both[self.k :]), Errors(both[self.k :] - both[: self.k]))

    def index(self, part: _Setup, quantity: int) -> int:
        return int(part.kept[quantity]) if quantity < part.k else -1

    def stratum_of(self, quantity: int) -> int:
        return int(self.labels[quantity if quantity < self.k else self.family.rest_of[quantity - self.k]])

    def clipped(self, value: float) -> float:
        return float(np.clip(value, -2.0, 2.0)) if self.cov.proportion else float(value)

    def method(self, how: str) -> str:
        ways = {0: "", 1: "one-way cluster ", 2: "two-way cluster "}[self.cov.ways]
        paired = "paired" if np.any(self.cov.M[: self.k, self.k :]) else "unpaired"
        return f"{paired} {ways}{how}" + (f", t draws (df {self.cov.df})" if self.cov.ways else "")


def _undecided(setup: _Setup, margin: float, alpha: float) -> Moved:
    """No two groups have enough clusters: estimates are shown, nothing is claimed."""
    family, loss = setup.family, setup.loss
    at = int(np.argmax(np.minimum((loss.value - margin) / loss.se, setup.deficit.value / setup.deficit.se)))
    loser, against = (setup.index(setup, int(side[at])) for side in (family.plus, family.minus))
    text, stratum = setup.method("not tested: under 8 clusters in every pair"), setup.stratum_of(int(family.plus[at]))
    least = -2.0 if setup.cov.proportion else -np.inf
    return Moved(float(loss.value[at]), least, -least, 1.0, loser, against, -least, text, stratum)


def _upper(setup: _Setup, margin: float, alpha: float) -> float:
    """Largest pointwise upper limit of a loss, over contrasts whose deficit may exceed the margin.

    Only the truly worst contrast has to be covered, so no correction for their number. One whose deficit is surely no
    larger than the margin harms nobody by more, whatever it lost: a gap that has closed is not left undecided for ever.
    """
    loss, deficit = setup.loss, setup.deficit
    reach = deficit.value + _quantile(_SELECT * alpha, setup.df) * deficit.se
    ends = loss.value + _quantile((1 - _SELECT) * alpha, setup.df) * loss.se
    return float(np.max(np.where(reach > margin, ends, np.minimum(ends, margin))))


def _detectable(setup: _Setup, margin: float, full: float) -> float:
    """Worsening of one group, level before, that clears both bounds with 80 % power, for the least favourable group."""
    loss, deficit, family = setup.loss, setup.deficit, setup.family
    need = np.maximum(margin + (full + _POWER) * loss.se, (full + _POWER) * deficit.se)
    smallest = np.full(setup.k + len(family.rest_of), np.inf)
    np.minimum.at(smallest, family.plus, need)
    return float(smallest[: setup.k].max())


def _quantile(tail: ArrayLike, df: float) -> FloatArray:
    """Upper quantile of Student's t, or of the normal distribution."""
    from scipy.special import ndtri, stdtrit

    return np.asarray(-stdtrit(df, tail) if np.isfinite(df) else -ndtri(tail))


def _survival(t: ArrayLike, df: float) -> FloatArray:
    """Probability above t."""
    from scipy.special import ndtr, stdtr

    return np.asarray(stdtr(df, -np.asarray(t)) if np.isfinite(df) else ndtr(-np.asarray(t)))


@dataclass(frozen=True)
class _Claim:
    """"For some contrast both the loss and the deficit are above their bounds": its p-value."""

    family: Family
    t_loss: FloatArray
    t_behind: FloatArray
    se_loss: FloatArray
    se_behind: FloatArray
    errors: _Draws
    df: float

    @property
    def t(self) -> FloatArray:
        return np.minimum(self.t_loss, self.t_behind)

    def p_value(self, alpha: float) -> float:
        """Smallest level at which the claim holds; a tenth of it goes to the first step."""
        observed, p = float(self.t.max()), alpha
        for _ in range(4):
            previous, p = p, min(1.0, self._exceeding(observed, _SELECT * p) / (1 - _SELECT))
            if abs(p - previous) <= 0.02 * previous or p > 0.5:
                break
        return p

    def _exceeding(self, observed: float, beta: float) -> float:
        """Probability that the statistic reaches `observed` in the least favourable null world of the first step.

        Of each contrast one condition is false. If it is the loss, the loss's true t ratio is at most 0 and at most
        what was seen plus z, and the deficit's at most what was seen plus z; it cannot be the loss if what was seen is
        above z. Likewise the other way round.
        """
        z = float(_quantile(beta / (4 * len(self.t)), self.df))
        shifts = []
        for null, other in ((self.t_loss, self.t_behind), (self.t_behind, self.t_loss)):
            shift = np.where(null > z, -np.inf, np.minimum(null + z, 0.0))
            shifts.append((shift, other + z))
        # both ratios have to get there, so the rarer of the two bounds it
        tails = [_survival(observed - np.minimum(own, far), self.df) for own, far in shifts]
        together = float(np.sum(np.maximum(*tails)))  # Bonferroni: never below the truth, and close to it far out
        if together * self.errors.candidate.base.shape[1] < 0.5:
            return together
        live = np.flatnonzero(np.maximum(*tails) > 1e-9)
        return min(together, self._share(observed, live, shifts))

    def _share(self, observed: float, live: IntArray, shifts: list[tuple[FloatArray, FloatArray]]) -> float:
        exceeds: list[tuple[BoolArray, BoolArray]] = []
        draws, seen, found = self.errors.candidate.base.shape[1], 0, 0
        plus, minus = self.family.plus[live], self.family.minus[live]
        (loss_null, behind_seen), (behind_null, loss_seen) = ((own[live], far[live]) for own, far in shifts)
        while seen < draws and found < _ENOUGH:
            block = slice(seen, seen + _BLOCK)
            loss = _standardised(self.errors.difference, self.family, block, plus, minus, self.se_loss[live])
            behind = _standardised(self.errors.candidate, self.family, block, plus, minus, self.se_behind[live])
            by_loss = _reach(loss, behind, loss_null, behind_seen, observed)
            by_behind = _reach(behind, loss, behind_null, loss_seen, observed)
            any_ = np.any(by_loss | by_behind, axis=0)
            exceeds.append((by_loss[:, any_], by_behind[:, any_]))
            found += int(any_.sum())
            seen = min(seen + _BLOCK, draws)
        first, second = (np.concatenate(side, axis=1) for side in zip(*exceeds, strict=True))
        return (1 + _least_favourable(first, second)) / (1 + seen)


def _standardised(
    errors: Errors, family: Family, draws: slice, plus: IntArray, minus: IntArray, se: FloatArray
) -> Noise:
    noise = errors.at(family, draws)
    return np.asarray((noise[plus] - noise[minus]) * (1 / se).astype(np.float32)[:, None])


def _reach(own: Noise, other: Noise, shift: FloatArray, far: FloatArray, observed: float) -> BoolArray:
    """Draws in which both ratios of a contrast reach `observed`, by the shifts that its null world allows."""
    return np.asarray((own >= (observed - shift)[:, None]) & (other >= (observed - far)[:, None]))


def _least_favourable(first: BoolArray, second: BoolArray) -> int:
    """Most draws in which some contrast exceeds, one condition chosen per contrast; by coordinate ascent."""
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


def gap_moved(
    cov: CovarianceResult,
    margin: float = 0.0,
    *,
    higher_is_better: bool | Sequence[bool] = True,
    strata: ArrayLike | None = None,
    level: float = 0.95,
    draws: int = 20_000,
    rng: np.random.Generator,
) -> Moved:
    """Test whether the gap itself (largest difference between two groups) grew by more than a margin.

    Parameters
    ----------
    cov, margin, higher_is_better, strata, level, draws, rng
        As in `moved`; the direction only names the loser.

    Returns
    -------
    Moved
        `loser` and `against` are the candidate's widest pair. `low` inverts the test of the p-value, `high` the
        provable test of the opposite claim; over 100 pairs both are Bonferroni's. `minimum_detectable` holds for a
        pair that was already the widest; a new gap has to be several times larger.

    Raises
    ------
    ValueError
        As `moved`.

    Notes
    -----
    The statistic is ``min_c' max_c (b_c - a_c' - margin) / se(c, c')`` over pairs c of the candidate and c' of the
    baseline: whichever pair was the baseline's gap, some pair now exceeds it. Its null world ("calibrated") is the
    closest one, in the metric of the errors, in which no pair of B exceeds the most binding pair of A by more than the
    margin; pairs of B within a standard error of that bound are lifted to it and other pairs of A lowered by one. Not
    proved to hold its level uniformly; it did wherever it was tried (benchmarks/simulate_gate.py). With clusters, or
    over 10 groups, the test is the provable one: for every c' a two-step max-t over c, all of which have to reject [1]_.

    References
    ----------
    .. [1] Romano, Shaikh and Wolf, "A practical two-step method for testing moment inequalities", Econometrica 2014.
    """
    alpha = 2 * tail_of(level)
    setup = _Setup.of(cov, strata, higher_is_better)
    decides = setup.deciding.any()
    part = setup.only(setup.deciding) if decides else setup
    both = Errors.gaussian(part.joint, draws, rng, part.df).base
    before, after = part.oriented
    grown = _GapTest.of(part, after, before, both[part.k :], both[: part.k])
    shrunk = grown.swapped()
    calibrated = not part.cov.ways and np.unique(part.labels, return_counts=True)[1].max() <= _MOST_GROUPS
    test = grown.calibrated if calibrated else grown.provable
    widest = int(np.argmax(grown.b))
    loser, against = int(grown.plus[widest]), int(grown.minus[widest])
    if len(grown.b) <= _MOST_PAIRS:
        ends = f"lower limit from the test{', upper two-step' if calibrated else ''}"
        low, high = grown.lower(test, alpha), -shrunk.lower(shrunk.provable, alpha)
    else:
        ends, low, high = "Bonferroni limits", grown.bonferroni(alpha), -shrunk.bonferroni(alpha)
    how = f"{'calibrated' if calibrated else 'two-step'} test of the gaps' difference, {ends}"
    z = float(_quantile(alpha / 2, part.df)) + _POWER
    return Moved(
        value=float(grown.b.max() - grown.a.max()),
        low=setup.clipped(low if decides else -np.inf),
        high=setup.clipped(high if decides else np.inf),
        p_value=test(margin, alpha) if decides else 1.0,
        loser=int(part.kept[loser]),
        against=int(part.kept[against]),
        minimum_detectable=margin + z * float(grown.se(widest)[widest]) if decides else setup.clipped(np.inf),
        method=part.method(how) if decides else part.method("not tested: under 8 clusters in every pair"),
        stratum=int(part.labels[loser]),
    )


_MOST_GROUPS = 10  # the calibrated test was not tried with more
_MOST_PAIRS = 100  # up to which limits are sought by inverting the test
_SWEEPS = 60


@dataclass(frozen=True)
class _GapTest:
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
    def of(cls, part: _Setup, after: FloatArray, before: FloatArray, noise_b: Noise, noise_a: Noise) -> _GapTest:
        k, M = part.k, part.joint
        plus, minus = np.nonzero((part.labels[:, None] == part.labels) & ~np.eye(k, dtype=bool))
        b, a = after[plus] - after[minus], before[plus] - before[minus]
        return cls(plus, minus, b, a, M[k:, k:], M[:k, :k], M[k:, :k], noise_b, noise_a, part.df)

    def swapped(self) -> _GapTest:
        """Test of the opposite claim: the baseline in the candidate's place."""
        parts = self.other, self.own, self.cross.T, self.noise_a, self.noise_b
        return _GapTest(self.plus, self.minus, self.a, self.b, *parts, self.df)

    def se(self, at: int) -> FloatArray:
        """Standard error of ``b_c - a_at`` for all c."""
        i, j, p, q = self.plus, self.minus, int(self.plus[at]), int(self.minus[at])
        spread = self.own[i, i] + self.own[j, j] - 2 * self.own[i, j]
        fixed = self.other[p, p] + self.other[q, q] - 2 * self.other[p, q]
        shared = self.cross[i, p] - self.cross[i, q] - self.cross[j, p] + self.cross[j, q]
        least = 1e-9 * float(np.abs(np.append(self.a, self.b)).max()) + 1e-12
        return np.asarray(np.maximum(np.sqrt(np.maximum(spread + fixed - 2 * shared, 0.0)), least))

    def t(self, at: int, margin: float) -> FloatArray:
        return np.asarray((self.b - self.a[at] - margin) / self.se(at))

    def lower(self, test: Callable[[float, float], float], alpha: float) -> float:
        """Largest margin that the test rejects, by bisection (to a thousandth of the way)."""
        value = float(self.b.max() - self.a.max())
        reach = 12 * float(max(self.se(at)[at] for at in (int(np.argmax(self.a)), int(np.argmax(self.b)))))
        below, above = value - reach, value
        for _ in range(10):
            middle = (below + above) / 2
            below, above = (middle, above) if test(middle, alpha) <= alpha else (below, middle)
        return below

    def bonferroni(self, alpha: float) -> float:
        """Lower limit without draws, for many pairs: for every pair of the baseline, the best of the candidate's."""
        z = float(_quantile(alpha / len(self.b), self.df))
        return min(float(np.max(self.b - self.a[at] - z * self.se(at))) for at in range(len(self.a)))

    def provable(self, margin: float, alpha: float) -> float:
        """p-value by one two-step max-t test per pair of the baseline; the least convincing of them counts."""
        strongest = np.array([self.t(at, margin).max() for at in range(len(self.a))])
        worst = 0.0
        for at in np.argsort(strongest):
            most = float(np.minimum(1.0, len(self.b) * _survival(strongest[at], self.df)) / (1 - _SELECT))
            if most <= worst:
                break  # the others are at least as convincing
            worst = max(worst, _two_step_p(self, int(at), margin, alpha))
        return worst

    def calibrated(self, margin: float, alpha: float) -> float:
        """p-value in the closest null world (see `gap_moved`); `alpha` plays no part."""
        strongest = np.array([self.t(at, margin).max() for at in range(len(self.a))])
        binding = int(np.argmin(strongest))
        if strongest[binding] <= 0:
            return 1.0
        b, a = self._null_world(binding, margin)
        order = np.append(binding, np.delete(np.argsort(-a), np.flatnonzero(np.argsort(-a) == binding)))
        exceeded, seen, draws = 0, 0, self.noise_b.shape[1]
        scale = [(1 / self.se(int(at))).astype(np.float32) for at in order]
        while seen < draws and exceeded < _ENOUGH:
            block = slice(seen, seen + _BLOCK)
            nb, na = (n[self.plus, block] - n[self.minus, block] for n in (self.noise_b, self.noise_a))
            nb, na = nb + b.astype(np.float32)[:, None], na + (a + margin).astype(np.float32)[:, None]
            for at, inverse in zip(order, scale, strict=True):
                reached = np.max((nb - na[at]) * inverse[:, None], axis=0) >= strongest[binding]
                nb, na = nb[:, reached], na[:, reached]
                if not nb.shape[1]:
                    break
            exceeded, seen = exceeded + nb.shape[1], min(seen + _BLOCK, draws)
        return (1 + exceeded) / (1 + seen)

    def _null_world(self, binding: int, margin: float) -> tuple[FloatArray, FloatArray]:
        """Pairs of B and of A in the closest world without a grown gap, then made harder to tell from a grown one."""
        k, pairs = len(self.own), np.arange(len(self.b))
        rows = np.zeros((len(self.b), 2 * k))  # of the rates (b, a)
        rows[pairs, self.plus] += 1
        rows[pairs, self.minus] -= 1
        rows[:, k + self.plus[binding]] -= 1
        rows[:, k + self.minus[binding]] += 1
        joint = np.block([[self.own, self.cross], [self.cross.T, self.other]])
        weights = _hildreth(self.b - self.a[binding] - margin, rows @ joint @ rows.T)
        step = joint @ rows.T @ weights
        b = self.b - (step[self.plus] - step[self.minus])
        a = self.a - (step[k + self.plus] - step[k + self.minus])
        room, se = a[binding] + margin - b, self.se(binding)
        lifted = b + room * np.clip(2 - room / se, 0.0, 1.0)
        spread = self.other[self.plus, self.plus] + self.other[self.minus, self.minus]
        lowered = a - np.sqrt(np.maximum(spread - 2 * self.other[self.plus, self.minus], 0.0))
        lowered[binding] = a[binding]
        return lifted, lowered


def _two_step_p(test: _GapTest, at: int, margin: float, alpha: float) -> float:
    """p-value of "some pair of B exceeds pair `at` of A by more than the margin"."""
    t, inverse = test.t(at, margin), (1 / test.se(at)).astype(np.float32)
    observed, draws, p = float(t.max()), test.noise_b.shape[1], alpha
    if observed <= 0:
        return 1.0
    for _ in range(3):
        shift = np.minimum(t + float(_quantile(_SELECT * p / len(t), test.df)), 0.0)
        needed = observed - shift
        tails = _survival(needed, test.df)
        share, live = float(tails.sum()), np.flatnonzero(tails > 1e-9)
        if share * draws >= 0.5:
            exceeded, seen = 0, 0
            plus, minus, wanted = test.plus[live], test.minus[live], needed[live].astype(np.float32)[:, None]
            while seen < draws and exceeded < _ENOUGH:
                block = slice(seen, seen + _BLOCK)
                fixed = test.noise_a[test.plus[at], block] - test.noise_a[test.minus[at], block]
                noise = (test.noise_b[plus, block] - test.noise_b[minus, block] - fixed) * inverse[live][:, None]
                exceeded += int(np.any(noise >= wanted, axis=0).sum())
                seen = min(seen + _BLOCK, draws)
            share = min(share, (1 + exceeded) / (1 + seen))
        previous, p = p, min(1.0, share / (1 - _SELECT))
        if abs(p - previous) <= 0.02 * previous or p > 0.5:
            break
    return p


def _hildreth(excess: FloatArray, gram: FloatArray) -> FloatArray:
    """Weights of the projection onto ``excess - gram @ weights <= 0``, weights >= 0 (Hildreth's coordinate steps)."""
    weights, excess = np.zeros(len(excess)), excess.copy()
    small = 1e-9 * float(np.abs(excess).max(initial=1e-300))
    for _ in range(_SWEEPS):
        moved_by = 0.0
        for c in np.flatnonzero((excess > small) | (weights > 0)):
            step = max(excess[c] / max(gram[c, c], 1e-300), -weights[c])
            weights[c] += step
            excess -= step * gram[:, c]
            moved_by = max(moved_by, abs(step) * gram[c, c])
        if moved_by <= small:
            break
    return weights


def _positive(matrix: AnyArray) -> FloatArray:
    """Nearest positive semi-definite matrix by clipped eigenvalues; the NaN of an undefined rate stay."""
    if np.isnan(matrix).any():
        return np.asarray(matrix)
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray(matrix if values.min(initial=0) >= 0 else (vectors * np.maximum(values, 0)) @ vectors.T)


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
    """How much worse a metric became, from two intervals alone (unpaired; wide where both saw the same rows).

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

    Notes
    -----
    MOVER [1]_; each side of an interval is taken for that of a normal distribution, so it scales with the quantile.

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
    value, wide = first[0] - second[0], float(_quantile(tail_of(level), np.inf))
    below, above = (value - low) / wide, (high - value) / wide  # standard errors of either side
    one_sided = float(_quantile(2 * tail_of(level), np.inf))
    se = below if value >= margin else above
    ends = value, value - one_sided * below, value + one_sided * above
    if not se > 0:
        return *ends, 0.0 if value > margin else 1.0
    return *ends, float(_survival((value - margin) / se, np.inf))
