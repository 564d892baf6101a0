"""Privacy budgets: the noise that a target needs, the epsilon that steps spend, and the bound on attacks that follows.

The neighbouring relation is "one case added or removed"; sampling is Poisson. Every accountant gives an upper bound on
epsilon, and none looks at the cases, so the smallest bound holds too. RDP and PRV are Opacus's; PRV computes the removal of
a case only, which is the larger epsilon in every setting of ``benchmarks/simulate_accountants.py``.
"""

from __future__ import annotations

import contextlib
import functools
import math
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from scipy.special import ndtr, ndtri

from raikit_privacy.estimates.privacy_loss import gaussian_epsilon, subsampled_epsilon

Accountant = Literal["pld", "prv", "rdp", "gaussian"]

NAMES = {
    "pld": "PLD (Koskela et al. 2020)", "prv": "PRV (Gopi et al. 2021)", "rdp": "RDP (Mironov 2017)",
    "gaussian": "exact Gaussian (Balle and Wang 2018)",
}
TOLERANCE = 0.005  # share of the target that may stay unspent

# Outside these limits PRV's mesh needs gigabytes, or a Fourier transform loses delta in rounding. RDP has neither limit.
_PRV_MAX_EPSILON, _PRV_MAX_STEPS, _MIN_DELTA = 50.0, 200_000, 1e-10
_MAX_NOISE = 1e12
# Opacus's own orders end at 63, with which RDP stays above ln(1/delta) / 62 whatever the noise. Its sums overflow above 1,000.
_LARGE_ORDERS = (72, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 640, 768, 896, 1000)
_FAILURES = (ArithmeticError, MemoryError, RuntimeError, ValueError)


@dataclass(frozen=True)
class Budget:
    """A target and the noise that keeps within it.

    Parameters
    ----------
    target, delta : float
    sample_rate : float
        Probability with which each case is in a step.
    steps : int
        Steps for which the noise was chosen.
    noise_multiplier : float
        Standard deviation of the noise over the clipping norm.
    accountant : {"pld", "prv", "rdp", "gaussian"}
    """

    target: float
    delta: float
    sample_rate: float
    steps: int
    noise_multiplier: float
    accountant: Accountant

    def spent(self, steps: int, delta: float | None = None) -> float:
        """Compute epsilon after `steps` noisy steps at `delta` (absent: the budget's own)."""
        if not steps:
            return 0.0
        return epsilon(self.noise_multiplier, self.sample_rate, steps, delta or self.delta, self.accountant)


def default_delta(n: int) -> float:
    """Return the smaller of 1e-5 and a tenth of one over the number of cases."""
    return min(1e-5, 1 / (10 * n))


@functools.lru_cache(maxsize=256)
def epsilon(noise_multiplier: float, sample_rate: float, steps: int, delta: float, accountant: Accountant) -> float:
    """Compute an upper bound on epsilon of `steps` Poisson-subsampled Gaussian mechanisms.

    Raises
    ------
    ValueError
        If the accountant cannot be used at this sample rate.
    """
    if (accountant == "gaussian") != (sample_rate == 1) and accountant != "rdp":
        raise ValueError(f"The {accountant} accountant cannot be used at a sample rate of {sample_rate:g}.")
    if accountant == "gaussian":
        return gaussian_epsilon(noise_multiplier, steps, delta)
    if accountant == "pld":
        return subsampled_epsilon(noise_multiplier, sample_rate, steps, delta)
    from opacus.accountants import RDPAccountant, create_accountant

    opacus_accountant = create_accountant(mechanism=accountant)
    opacus_accountant.history = [(noise_multiplier, sample_rate, steps)]
    orders = {"alphas": [*RDPAccountant.DEFAULT_ALPHAS, *_LARGE_ORDERS]} if accountant == "rdp" else {}
    with _without_advice():
        return float(opacus_accountant.get_epsilon(delta=delta, **orders))


@contextlib.contextmanager
def _without_advice() -> Iterator[None]:
    """Silence RDP's advice that other orders might give a smaller epsilon: with its own orders it is a bound already."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Optimal order is", category=UserWarning)
        yield


def plan(target: float, delta: float, sample_rate: float, steps: int, accountant: Accountant = "pld") -> Budget:
    """Find the smallest noise with which `steps` steps keep within (`target`, `delta`).

    Parameters
    ----------
    target, delta : float, > 0
    sample_rate : float, in (0, 1]
    steps : int, >= 1
    accountant : {"pld", "prv", "rdp"}
        PLD is the tightest. Where every case is in every step, the exact epsilon of the Gaussian mechanism replaces PLD and
        PRV. PLD replaces PRV where this is not numerically safe or needs more noise than RDP; where PLD is not safe, RDP
        does. The result names the one that was used.

    Returns
    -------
    Budget
        With at most `target` spent after `steps`.

    Raises
    ------
    ValueError
        If no noise is found with which the accountant keeps within the target.

    References
    ----------
    .. [1] Abadi et al., "Deep Learning with Differential Privacy", CCS 2016.
    .. [2] Mironov, Talwar and Zhang, "Renyi Differential Privacy of the Sampled Gaussian Mechanism", 2019.
    .. [3] Gopi, Lee and Wutschitz, "Numerical Composition of Differential Privacy", NeurIPS 2021.
    """
    guess = max(0.5, sample_rate * math.sqrt(2 * steps * math.log(1 / delta)) / target)
    start = Budget(target, delta, sample_rate, steps, guess, "rdp")
    rough = None
    with contextlib.suppress(*_FAILURES):  # RDP has a smallest epsilon; it is fast, and near where it reaches the target
        rough = _smallest_noise(start, TOLERANCE if accountant == "rdp" else 10 * TOLERANCE)
    for name in _tighter(accountant, sample_rate):
        if not is_safe(name, target, delta, steps):
            continue
        with contextlib.suppress(*_FAILURES):
            if rough is None:
                return _smallest_noise(replace(start, accountant=name), TOLERANCE)
            tighter = replace(rough, accountant=name, noise_multiplier=0.95 * rough.noise_multiplier)
            return _smallest_noise(tighter, TOLERANCE, most=rough.noise_multiplier)
    if rough is None:
        remedy = "a larger epsilon, or the accountant pld" if accountant == "rdp" else "a larger epsilon or delta"
        raise ValueError(f"No noise was found with which an accountant shows an epsilon of at most {target:g} at a delta of "
                         f"{delta:.2g}. Choose {remedy}")
    return _smallest_noise(rough, TOLERANCE)


def _tighter(accountant: Accountant, sample_rate: float) -> tuple[Accountant, ...]:
    """Return what is tried before RDP: what was asked for, and PLD where that cannot be used."""
    if accountant == "rdp":
        return ()
    return ("gaussian",) if sample_rate == 1 else tuple(dict.fromkeys((accountant, "pld")))


def is_safe(accountant: Accountant, target: float, delta: float, steps: int) -> bool:
    """Return whether the accountant's mesh fits in memory and its rounding errors stay below delta."""
    if accountant in ("rdp", "gaussian"):
        return True
    small = accountant == "pld" or (target <= _PRV_MAX_EPSILON and steps <= _PRV_MAX_STEPS)
    return small and delta >= _MIN_DELTA


def _smallest_noise(budget: Budget, tolerance: float, most: float = _MAX_NOISE) -> Budget:
    """Search from the budget's noise by regula falsi on log noise and log epsilon; epsilon never exceeds the target.

    Raises
    ------
    ValueError
        If `most` noise is not enough, or the accountant gives no number.
    """

    def spent_with(noise: float) -> float:
        spent = replace(budget, noise_multiplier=noise).spent(budget.steps)
        if not spent >= 0:
            raise ValueError(f"The {budget.accountant} accountant gave {spent} for a noise multiplier of {noise:.3g}.")
        return max(spent, 1e-12)  # 0 where delta alone is enough

    enough = budget.noise_multiplier
    spent = spent_with(enough)
    while spent > budget.target:
        if enough >= most:
            raise ValueError(f"No noise is enough for epsilon {budget.target:g}.")
        enough = min(1.4 * enough, most)
        spent = spent_with(enough)
    too_little, excess = enough, spent
    while excess <= budget.target:
        enough, spent = too_little, excess
        if spent >= budget.target * (1 - tolerance):
            return replace(budget, noise_multiplier=enough)
        too_little /= 1.3
        excess = spent_with(too_little)
    noise = _regula_falsi(spent_with, (too_little, excess), (enough, spent), budget.target, tolerance)
    return replace(budget, noise_multiplier=noise)


def _regula_falsi(
    spent_with: Callable[[float], float], too_little: tuple[float, float], enough: tuple[float, float], target: float,
    tolerance: float,
) -> float:
    """Return a noise between two (noise, epsilon) pairs: the first spends more than the target, the second does not."""
    aim = math.log(target * (1 - tolerance / 2))
    for step in range(60):
        if enough[1] >= target * (1 - tolerance):
            break
        share = 0.5
        if math.isfinite(too_little[1]) and step % 3 < 2:  # halving now and then, where epsilon falls all at once
            share = (math.log(too_little[1]) - aim) / (math.log(too_little[1]) - math.log(enough[1]))
        noise = math.exp(math.log(too_little[0]) + share * (math.log(enough[0]) - math.log(too_little[0])))
        spent = spent_with(noise)
        too_little, enough = (too_little, (noise, spent)) if spent <= target else ((noise, spent), enough)
        if enough[0] < too_little[0] * (1 + 1e-6):
            break
    return enough[0]


def spent_by_epoch(budget: Budget, steps_per_epoch: int, most: int = 5) -> Iterator[tuple[int, float]]:
    """Yield epoch and epsilon so far, for about `most` epochs at most, evenly spaced, the last one included."""
    epochs = budget.steps // steps_per_epoch
    interval = max(1, math.ceil(epochs / most))
    for epoch in sorted({*range(interval, epochs + 1, interval), epochs}):
        yield epoch, budget.spent(epoch * steps_per_epoch)


def true_positive_rate_bound(budget: Budget, steps: int, false_positives: float) -> float:
    """Compute the highest true positive rate that any membership attack can have at a false positive rate.

    Every (epsilon, delta) that the training satisfies bounds it by ``exp(epsilon) fpr + delta`` and by
    ``1 - exp(-epsilon) (1 - delta - fpr)`` [1]_; the smallest bound over several delta is returned. Because delta = 0.1
    with a small epsilon is among them, it is far below the bound at the budget's own delta. Where every case is in every
    step, the rate of the best attack is known [2]_ and returned.

    References
    ----------
    .. [1] Kairouz, Oh and Viswanath, "The Composition Theorem for Differential Privacy", ICML 2015, theorem 2.1.
    .. [2] Dong, Roth and Su, "Gaussian Differential Privacy", JRSS B 2022.
    """
    if budget.accountant == "gaussian":
        return float(ndtr(ndtri(false_positives) + math.sqrt(steps) / budget.noise_multiplier))
    bounds = [1.0]
    for delta in (budget.delta, 1e-2, 3e-2, 0.1):
        spent = budget.spent(steps, delta)
        if not math.isfinite(spent) or spent > 700:
            continue
        spent = max(spent, 0.0)
        bounds += [math.exp(spent) * false_positives + delta, 1 - math.exp(-spent) * (1 - delta - false_positives)]
    return min(bounds)
