"""What a differentially private training may spend, and what it has spent.

The neighbouring relation is "one row added or removed"; sampling is Poisson. Opacus does the accounting; here is chosen
how much noise a target needs, and what the spent budget promises against an attacker.
"""

from __future__ import annotations

import contextlib
import functools
import math
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

Accountant = Literal["prv", "rdp"]

NAMES = {"prv": "PRV (Gopi et al. 2021)", "rdp": "RDP (Mironov 2017)"}
TOLERANCE = 0.005  # share of the target that may stay unspent

# Outside these PRV's mesh needs gigabytes, or its Fourier transform loses delta in rounding; RDP has no such limits.
_MOST_EPSILON, _MOST_STEPS, _LEAST_DELTA = 50.0, 200_000, 1e-10
_MOST_NOISE = 1e6
_FAILURES = (ArithmeticError, MemoryError, RuntimeError, ValueError)


@dataclass(frozen=True)
class Budget:
    """A target and the noise that keeps it.

    Parameters
    ----------
    target, delta : float
    sample_rate : float
        Probability with which each row is in a step.
    steps : int
        Steps that the noise was chosen for.
    noise_multiplier : float
        Standard deviation of the noise over the clipping norm.
    accountant : {"prv", "rdp"}
    """

    target: float
    delta: float
    sample_rate: float
    steps: int
    noise_multiplier: float
    accountant: Accountant

    def spent(self, steps: int, delta: float | None = None) -> float:
        """Epsilon after `steps` noisy steps at `delta` (absent: the budget's own)."""
        if not steps:
            return 0.0
        return epsilon(self.noise_multiplier, self.sample_rate, steps, delta or self.delta, self.accountant)


def default_delta(rows: int) -> float:
    """The smaller of 1e-5 and a tenth of one over the number of rows."""
    return min(1e-5, 1 / (10 * rows))


@functools.lru_cache(maxsize=256)
def epsilon(noise_multiplier: float, sample_rate: float, steps: int, delta: float, accountant: Accountant) -> float:
    """Epsilon of `steps` Poisson-subsampled Gaussian mechanisms: an upper bound, by Opacus's accountant."""
    from opacus.accountants import create_accountant

    counter = create_accountant(mechanism=accountant)
    counter.history = [(noise_multiplier, sample_rate, steps)]
    with _without_advice():
        return float(counter.get_epsilon(delta=delta))


@contextlib.contextmanager
def _without_advice() -> Iterator[None]:
    """RDP's hint that other orders might give a smaller epsilon: it is a bound with those that it has."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Optimal order is", category=UserWarning)
        yield


def plan(target: float, delta: float, sample_rate: float, steps: int, accountant: Accountant = "prv") -> Budget:
    """Find the least noise with which `steps` steps keep within (`target`, `delta`).

    Parameters
    ----------
    target, delta : float, > 0
    sample_rate : float, in (0, 1]
    steps : int, >= 1
    accountant : {"prv", "rdp"}
        PRV is the tighter one. RDP takes its place where PRV is not to be trusted, and the result says so.

    Returns
    -------
    Budget
        With at most `target` spent after `steps`.

    Raises
    ------
    ValueError
        If no noise is enough.

    References
    ----------
    .. [1] Abadi et al., "Deep Learning with Differential Privacy", CCS 2016.
    .. [2] Mironov, Talwar and Zhang, "Renyi Differential Privacy of the Sampled Gaussian Mechanism", 2019.
    .. [3] Gopi, Lee and Wutschitz, "Numerical Composition of Differential Privacy", NeurIPS 2021.
    """
    guess = max(0.5, sample_rate * math.sqrt(2 * steps * math.log(1 / delta)) / target)
    loose = Budget(target, delta, sample_rate, steps, guess, "rdp")
    if accountant == "rdp" or not prv_is_safe(target, delta, sample_rate, steps):
        return _least_noise(loose, TOLERANCE)
    start = _least_noise(loose, 10 * TOLERANCE)
    try:
        return _least_noise(replace(start, accountant="prv", noise_multiplier=0.95 * start.noise_multiplier), TOLERANCE,
                            most=start.noise_multiplier)
    except _FAILURES:
        return _least_noise(start, TOLERANCE)


def prv_is_safe(target: float, delta: float, sample_rate: float, steps: int) -> bool:
    """Whether the PRV accountant's mesh fits in memory and its rounding stays below delta."""
    return target <= _MOST_EPSILON and steps <= _MOST_STEPS and delta >= _LEAST_DELTA and sample_rate < 1


def _least_noise(budget: Budget, tolerance: float, most: float = _MOST_NOISE) -> Budget:
    """Search from the budget's noise by regula falsi on log noise and log epsilon; never above the target.

    Raises
    ------
    ValueError
        If `most` noise is not enough, or the accountant gives no positive number.
    """
    def spent_with(noise: float) -> float:
        found = replace(budget, noise_multiplier=noise).spent(budget.steps)
        if not 0 < found < math.inf:
            raise ValueError(f"the {budget.accountant} accountant gave {found} for a noise multiplier of {noise:.3g}")
        return found

    enough = budget.noise_multiplier
    spent = spent_with(enough)
    while spent > budget.target:
        if enough >= most:
            raise ValueError(f"no noise is enough for epsilon {budget.target:g}: the privacy budget is too low")
        enough = min(1.4 * enough, most)
        spent = spent_with(enough)
    little, above = enough, spent
    while above <= budget.target:
        enough, spent = little, above
        if spent >= budget.target * (1 - tolerance):
            return replace(budget, noise_multiplier=enough)
        little /= 1.2
        above = spent_with(little)
    return replace(budget, noise_multiplier=_between(spent_with, (little, above), (enough, spent), budget.target, tolerance))


def _between(
    spent_with: Callable[[float], float], little: tuple[float, float], enough: tuple[float, float], target: float,
    tolerance: float,
) -> float:
    """The noise between two, of which the first spends more than the target and the second at most it."""
    aim = math.log(target * (1 - tolerance / 2))
    for _ in range(20):
        if enough[1] >= target * (1 - tolerance):
            break
        share = (math.log(little[1]) - aim) / (math.log(little[1]) - math.log(enough[1]))
        noise = math.exp(math.log(little[0]) + share * (math.log(enough[0]) - math.log(little[0])))
        found = spent_with(noise)
        little, enough = (little, (noise, found)) if found <= target else ((noise, found), enough)
    return enough[0]


def spent_by_epoch(budget: Budget, steps_per_epoch: int, most: int = 5) -> Iterator[tuple[int, float]]:
    """Epoch and epsilon so far, for at most about `most` epochs evenly apart, the last among them."""
    epochs = budget.steps // steps_per_epoch
    apart = max(1, math.ceil(epochs / most))
    for epoch in sorted({*range(apart, epochs + 1, apart), epochs}):
        yield epoch, budget.spent(epoch * steps_per_epoch)


def most_true_positives(budget: Budget, steps: int, false_positives: float) -> float:
    """The highest true positive rate that any membership attack can have at a false positive rate.

    Every (epsilon, delta) that the training keeps bounds it by ``exp(epsilon) fpr + delta`` and by
    ``1 - exp(-epsilon) (1 - delta - fpr)`` [1]_; the least over several delta is given. Because delta = 0.1 with a
    small epsilon is among them, this is far below what the budget's own delta would allow.

    References
    ----------
    .. [1] Kairouz, Oh and Viswanath, "The Composition Theorem for Differential Privacy", ICML 2015, theorem 2.1.
    """
    bounds = [1.0]
    for delta in (budget.delta, 1e-2, 3e-2, 0.1):
        spent = budget.spent(steps, delta)
        if not math.isfinite(spent) or spent > 700:
            continue
        spent = max(spent, 0.0)
        bounds += [math.exp(spent) * false_positives + delta, 1 - math.exp(-spent) * (1 - delta - false_positives)]
    return min(bounds)
