"""Lower bounds on epsilon from guesses about canaries that were inserted at random into one training.

Each canary is in the training or not by the toss of its own fair coin. Whoever sees what the training released guesses some
coins and leaves the others. How many numbers of guesses are tried is part of the input and is paid for (Bonferroni): with the
best of many and no correction, a bound would be false in far more runs than its level says.

Two bounds hold for every training that is (epsilon, delta)-differentially private: `steinke_bound`, and `any_curve_bound`.
`gaussian_curve_bound` holds for trainings whose trade-off curve is a Gaussian mechanism's, such as noisy steps with every case
in each. `assuming_gaussian` further takes the scores for normal, and no decision may rest on it.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np
from scipy.special import bdtrc, expit, ndtr, ndtri

from raikit import stats
from raikit.arrays import BoolArray, FloatArray, IntArray
from raikit_privacy.estimates.privacy_loss import gaussian_epsilon

Condition = Literal["none", "gaussian curve", "gaussian scores"]

_MOST = 60.0  # Neither bound goes beyond it: no number of canaries that fits in memory shows more.
_STEPS = 50  # halvings; the bound is the low end, so that rounding never raises it


@dataclass(frozen=True)
class Guesses:
    """How many coins were guessed right, for each number of guesses that was declared before the scores were seen.

    Parameters
    ----------
    canaries : int
    correct : mapping of int to int
        Right guesses of each declared number of guesses. All declared numbers must be here: each pays its share of the error.

    Raises
    ------
    ValueError
        Without a number of guesses, or if more guesses are right than were made, or made than there are canaries.
    """

    canaries: int
    correct: Mapping[int, int]

    def __post_init__(self) -> None:
        if not self.correct:
            raise ValueError("declare at least one number of guesses")
        for made, right in self.correct.items():
            if not 0 <= right <= made or not 1 <= made <= self.canaries:
                raise ValueError(f"{right} of {made} guesses on {self.canaries} canaries: right guesses cannot outnumber guesses, "
                                 "and guesses cannot outnumber canaries")
        object.__setattr__(self, "correct", MappingProxyType(dict(self.correct)))


@dataclass(frozen=True)
class Bound:
    """A lower bound on epsilon.

    Parameters
    ----------
    epsilon : float
        0 if nothing is shown.
    delta, level : float
    method : str
    condition : {"none", "gaussian curve", "gaussian scores"}
        What must hold beside the random insertion. Only a bound without a condition contradicts every claim of (epsilon, delta).
    guesses : int
        The declared number of guesses that gave the bound.
    tried : int
        How many numbers were declared, and paid for.
    """

    epsilon: float
    delta: float
    level: float
    method: str
    condition: Condition = "none"
    guesses: int = 0
    tried: int = 1

    def contradicts(self, claimed: float, *, gaussian: bool = False) -> bool:
        """Return whether the bound is above a claimed epsilon; never if it rests on an assumption that the claim does not make.

        Parameters
        ----------
        claimed : float
            At the delta of the bound.
        gaussian : bool
            Whether the claim is that of a Gaussian mechanism: every case is in every step.
        """
        allowed = self.condition == "none" or (self.condition == "gaussian curve" and gaussian)
        return allowed and self.epsilon > claimed


@dataclass(frozen=True)
class GuessPlan:
    """Numbers of guesses, declared before scores are seen.

    Parameters
    ----------
    counts : tuple of int
        Each is tried, and each has its share of the error.
    sides : {"both", "in"}
        both: the highest half is guessed to be in, the lowest half to be out. in: only the highest are guessed, to be in.
    """

    counts: tuple[int, ...]
    sides: Literal["both", "in"] = "both"

    def __post_init__(self) -> None:
        if not self.counts or len(set(self.counts)) != len(self.counts) or min(self.counts) < 1:
            raise ValueError("numbers of guesses must be positive, and none may be a duplicate")

    def guess(self, scores: FloatArray, inserted: BoolArray) -> Guesses:
        """Guess by the ranks of the scores, and count right guesses.

        Parameters
        ----------
        scores : ndarray, shape (canaries,)
            Higher for canaries that seem to be in the training. They may depend on what was released and on nothing else that
            depends on the coins. Ties are in the order of the canaries, which must not depend on the coins either.
        inserted : ndarray of bool, shape (canaries,)
            The coins.

        Raises
        ------
        ValueError
            If a score is NaN, or more guesses are declared than there are canaries.
        """
        scores = np.asarray(scores, dtype=float)
        if np.isnan(scores).any():
            raise ValueError("a canary has no score (NaN)")
        if max(self.counts) > len(scores):
            raise ValueError(f"{max(self.counts)} guesses were declared, and there are {len(scores)} canaries")
        ordered = np.asarray(inserted, dtype=bool)[np.argsort(-scores, kind="stable")]
        right_in = np.append(0, np.cumsum(ordered))
        right_out = np.append(0, np.cumsum(~ordered[::-1]))
        high = [made if self.sides == "in" else (made + 1) // 2 for made in self.counts]
        return Guesses(len(scores), {made: int(right_in[top] + right_out[made - top])
                                     for made, top in zip(self.counts, high, strict=True)})


def steinke_bound(guesses: Guesses, delta: float, level: float = 0.95) -> Bound:
    """Compute the bound of Steinke, Nasr and Jagielski [1]_ (theorem 5.2), best of the declared numbers of guesses.

    References
    ----------
    .. [1] Steinke, Nasr and Jagielski, "Privacy Auditing with One (1) Training Run", NeurIPS 2023.
    """
    return _best(guesses, delta, level, "Steinke et al. 2023", "none", _steinke)


def any_curve_bound(guesses: Guesses, delta: float, level: float = 0.95) -> Bound:
    """Compute the f-DP bound [1]_ with the trade-off curve of (epsilon, delta) itself, which every such training satisfies.

    References
    ----------
    .. [1] Mahloujifar, Melis and Chaudhuri, "Auditing f-Differential Privacy in One Run", ICML 2025 (2024), algorithm 3.
    """
    return _best(guesses, delta, level, "f-DP, any mechanism (Mahloujifar et al. 2024)", "none", _any_curve)


def gaussian_curve_bound(guesses: Guesses, delta: float, level: float = 0.95) -> Bound:
    """Compute the f-DP bound [1]_ of Gaussian mechanisms: the epsilon at `delta` of the weakest one that is not rejected.

    A training that is (epsilon, delta)-private need not have a Gaussian's trade-off curve: randomised response has not, and
    this bound exceeds its epsilon. So the bound says something about Gaussian mechanisms only.

    References
    ----------
    .. [1] Mahloujifar, Melis and Chaudhuri, "Auditing f-Differential Privacy in One Run", ICML 2025 (2024), algorithm 3.
    """
    return _best(guesses, delta, level, "f-DP, Gaussian mechanisms (Mahloujifar et al. 2024)", "gaussian curve", _gaussian_curve)


def most_right(canaries: int, made: int, curve: Sequence[tuple[float, float]], error: float) -> int:
    """Return the most right guesses that a training may have; more have a chance below `error` [1]_.

    Parameters
    ----------
    canaries, made : int
        Canaries, and guesses about them.
    curve : sequence of (float, float)
        Every (epsilon, delta) that the training is proved to satisfy. All together allow less than any one of them: each alone
        allows that everything is revealed with a probability of delta.
    error : float
        Share of this number of guesses in the error of the test.

    References
    ----------
    .. [1] Mahloujifar, Melis and Chaudhuri, "Auditing f-Differential Privacy in One Run", ICML 2025 (2024), algorithm 3.
    """
    pairs = np.array(curve, dtype=float)
    shrink, grow, delta = np.exp(-pairs[:, 0]), np.exp(np.minimum(pairs[:, 0], 700.0)), pairs[:, 1]

    def least(p: float) -> float:
        return float(max(((p - delta) * shrink).max(), (1 - delta - grow * (1 - p)).max(), 0.0))

    low, high = 0, made + 1  # `low` is possible; `high` is impossible, because there are no more guesses
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _is_impossible(canaries, made, middle, error, least) else (middle, high)
    return low


def assuming_gaussian(
    scores: FloatArray, inserted: BoolArray, delta: float, rng: np.random.Generator, level: float = 0.95
) -> Bound:
    """Estimate a bound that takes scores for independent and normal, with one spread and a shift where a canary is in.

    A threshold is chosen on a random half of the canaries. On the other half, exact limits of both error rates bound the shift in
    standard deviations, and so the epsilon of a Gaussian mechanism. Where scores are not normal it can be false: show it as
    an assumption, and decide nothing by it.

    Parameters
    ----------
    scores, inserted : ndarray, shape (canaries,)
    delta : float
    rng : numpy.random.Generator
        Draws the half.
    level : float
    """
    scores, inserted = np.asarray(scores, dtype=float), np.asarray(inserted, dtype=bool)
    chosen = np.zeros(len(scores), dtype=bool)
    chosen[rng.permutation(len(scores))[: len(scores) // 2]] = True
    thresholds = np.unique(scores[chosen])
    shifts = _least_shifts(scores[chosen], inserted[chosen], thresholds, 1 - level)
    threshold = thresholds[[int(np.argmax(shifts))]]
    shift = float(_least_shifts(scores[~chosen], inserted[~chosen], threshold, 1 - level)[0])
    return Bound(_epsilon_of(shift, delta), delta, level, "assuming Gaussian noise", "gaussian scores", int((~chosen).sum()))


def _least_shifts(scores: FloatArray, inserted: BoolArray, thresholds: FloatArray, error: float) -> FloatArray:
    """Return the least shift in standard deviations that both error rates allow at each threshold (Clopper-Pearson)."""
    inside, outside = np.sort(scores[inserted]), np.sort(scores[~inserted])
    false_positives = len(outside) - np.searchsorted(outside, thresholds, side="left")
    false_negatives = np.searchsorted(inside, thresholds, side="left")
    with np.errstate(divide="ignore"):
        return np.asarray(-ndtri(_upper(false_positives, len(outside), error / 2))
                          - ndtri(_upper(false_negatives, len(inside), error / 2)))


def _upper(events: IntArray, n: int, error: float) -> FloatArray:
    """Return upper limits of a rate, each false with probability `error` at most; 1 without cases."""
    if not n:
        return np.ones(len(events))
    return np.asarray(stats.clopper_pearson(events, n, 1 - 2 * error)[1])


def _best(
    guesses: Guesses, delta: float, level: float, method: str, condition: Condition,
    bound: Callable[[int, int, int, float, float], float],
) -> Bound:
    """Return the highest bound of the declared numbers of guesses, each with an even share of the error."""
    if not 0 <= delta < 1 or not 0 < level < 1:
        raise ValueError("delta must be at least 0 and below 1, and the level between 0 and 1")
    tried = len(guesses.correct)
    error = (1 - level) / tried
    bounds = {made: bound(guesses.canaries, made, right, delta, error) for made, right in guesses.correct.items()}
    made = max(bounds, key=lambda one: bounds[one])
    return Bound(bounds[made], delta, level, method, condition, made, tried)


def _largest_rejected(rejects: Callable[[float], bool], most: float) -> float:
    """Return the largest value that is surely rejected, 0 if none is; whatever lies below a rejected one is rejected too."""
    low, high = 0.0, most
    if not rejects(0.0):
        return 0.0
    if rejects(most):
        return most
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if rejects(middle) else (low, middle)
    return low


@functools.lru_cache(maxsize=10_000)
def _steinke(canaries: int, made: int, right: int, delta: float, error: float) -> float:
    return _largest_rejected(lambda epsilon: steinke_p_value(canaries, made, right, epsilon, delta) <= error, _MOST)


def steinke_p_value(canaries: int, made: int, right: int, epsilon: float, delta: float) -> float:
    """Bound the chance of `right` or more right guesses under any (epsilon, delta)-private training.

    The chance is that of a binomial with ``q = exp(epsilon) / (1 + exp(epsilon))``, plus at most
    ``2 canaries delta max_i P(right - i <= Binomial < right) / i``.
    """
    rate = float(expit(epsilon))
    tail = _binomial_tail(np.arange(right + 1), made, rate)  # P(Binomial >= j)
    chance = float(tail[right])
    if delta and right:
        below = (tail[right - 1::-1] - chance) / np.arange(1, right + 1)
        chance += 2 * canaries * delta * float(below.max())
    return min(chance, 1.0)


def _binomial_tail(least: IntArray, n: int, rate: float) -> FloatArray:
    return np.where(least > 0, bdtrc(np.maximum(least - 1, 0), n, rate), 1.0)


@functools.lru_cache(maxsize=10_000)
def _any_curve(canaries: int, made: int, right: int, delta: float, error: float) -> float:
    def rejects(epsilon: float) -> bool:
        shrink, grow = math.exp(-epsilon), math.exp(epsilon)
        return _is_impossible(canaries, made, right, error,
                              lambda p: max((p - delta) * shrink, 1 - delta - grow * (1 - p), 0.0))

    return _largest_rejected(rejects, _MOST)


@functools.lru_cache(maxsize=10_000)
def _gaussian_curve(canaries: int, made: int, right: int, delta: float, error: float) -> float:
    def rejects(shift: float) -> bool:
        return _is_impossible(canaries, made, right, error, lambda p: float(ndtr(ndtri(p) - shift)))

    if not delta:
        raise ValueError("a Gaussian mechanism has an epsilon only where delta is above 0")
    return _epsilon_of(_largest_rejected(rejects, math.sqrt(2 * _MOST)), delta)


def _epsilon_of(shift: float, delta: float) -> float:
    """Return the epsilon of a Gaussian mechanism, rounded down: it is used for lower bounds."""
    return max(gaussian_epsilon(1 / shift, 1, delta) * (1 - 2e-9) - 2e-9, 0.0) if shift > 0 else 0.0


def _is_impossible(canaries: int, made: int, right: int, error: float, least: Callable[[float], float]) -> bool:
    """Return whether a training with this trade-off curve has `right` or more right guesses with a chance below `error`.

    Suppose the chance were `error`. For each i, the mass of right guesses in outcomes with more than i right ones, and that
    of wrong guesses in outcomes with at least i, are the two error rates of a test; `least` gives the smallest second for a
    first. Going down from `right`, each outcome needs some mass. If all masses exceed what there is, the chance is smaller.
    """
    good, bad = error * right / canaries, error * (made - right) / canaries
    for i in range(right - 1, -1, -1):
        needed = least(good)
        if needed > bad:
            good, bad = min(good + i / (made - i) * (needed - bad), 1.0), needed
        else:  # Nor does any outcome below need more mass.
            break
    return good + bad > made / canaries
