"""Epsilon of DP-SGD from the distribution of the privacy loss, and of the Gaussian mechanism in closed form.

The neighbouring relation is "one case added or removed". Both directions are computed and the larger epsilon is returned.
Everything that is cut off or rounded counts as a certain breach, so the result is an upper bound, up to the rounding of a
Fourier transform, which is estimated and added too.

References
----------
.. [1] Koskela, Jälkö and Honkela, "Computing Tight Differential Privacy Guarantees Using FFT", AISTATS 2020.
.. [2] Doroshenko et al., "Connect the Dots: Tighter Discrete Approximations of Privacy Loss Distributions", PoPETs 2022.
.. [3] Balle and Wang, "Improving the Gaussian Mechanism for Differential Privacy", ICML 2018, theorem 8.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.optimize import brentq, minimize_scalar
from scipy.special import log_ndtr, logsumexp, ndtr

Floats = NDArray[np.float64]

_TAIL = 12.0  # standard deviations of the noise beyond which an outcome counts as a breach: 2e-33
_CELLS_PER_DEVIATION = 40.0  # of the loss of one step; raises its variance by 0.01%
_MAX_CELLS = 2**19
_MAX_LOSS = 700.0  # exp of more is infinite
_CUT = 1e-4  # share of delta that is given away to cut the composed distribution off


def gaussian_epsilon(noise_multiplier: float, steps: int, delta: float) -> float:
    """Compute epsilon of `steps` Gaussian mechanisms of which each sees every case; exact [3]_."""
    mu = math.sqrt(steps) / noise_multiplier

    def excess(epsilon: float) -> float:
        first, second = ndtr(mu / 2 - epsilon / mu), math.exp(epsilon + log_ndtr(-mu / 2 - epsilon / mu))
        return float(first - second - delta)

    if excess(0.0) <= 0:
        return 0.0
    most = mu * mu / 2 + mu * math.sqrt(2 * math.log(1 / delta)) + 1
    found = float(brentq(excess, 0.0, most, xtol=1e-12))
    return found * (1 + 1e-9) + 1e-9


def subsampled_epsilon(noise_multiplier: float, sample_rate: float, steps: int, delta: float) -> float:
    """Compute an upper bound on epsilon of `steps` Gaussian mechanisms that see each case with probability `sample_rate`.

    Parameters
    ----------
    noise_multiplier : float, > 0
    sample_rate : float, in (0, 1)
    steps : int
    delta : float
        Above about 1e-10; below, rounding exceeds it and the result is infinite or far too large.
    """
    removed, added = _one_step(noise_multiplier, sample_rate)
    return max(_composed(removed, steps, delta).epsilon(delta), _composed(added, steps, delta).epsilon(delta))


@dataclass(frozen=True)
class _LossDistribution:
    """Probabilities of privacy losses ``(first + i) * width``, and of an infinite loss."""

    first: int
    width: float
    probability: Floats
    infinite: float

    @property
    def losses(self) -> Floats:
        return np.asarray(self.width * np.arange(self.first, self.first + len(self.probability)), dtype=np.float64)

    def epsilon(self, delta: float) -> float:
        """Return the smallest epsilon for which delta is enough: the zero of ``sum p (1 - exp(epsilon - loss)) - delta``."""
        infinite = self.infinite + float(self.probability[self.losses > _MAX_LOSS].sum())
        if infinite >= delta:
            return math.inf
        counted = (self.losses > 0) & (self.losses <= _MAX_LOSS)
        losses, probability = self.losses[counted], self.probability[counted]
        above = np.cumsum(probability[::-1])[::-1] + infinite
        scaled = np.cumsum((probability * np.exp(-losses))[::-1])[::-1]
        at = int(np.searchsorted(-(above - np.exp(losses) * scaled), -delta))  # the first loss that is enough
        if at == len(losses) or scaled[at] <= 0:
            return float(losses[-1]) if len(losses) else 0.0
        return max(0.0, math.log(max(above[at] - delta, 1e-300) / scaled[at]))


def _one_step(noise: float, rate: float) -> tuple[_LossDistribution, _LossDistribution]:
    """Return the loss distributions of one step when a case is removed, and when it is added."""
    def loss(outcome: Floats) -> Floats:
        return np.logaddexp(math.log1p(-rate), math.log(rate) + (2 * outcome - 1) / (2 * noise**2))

    outcomes = np.linspace(-8 * noise, 1 + 8 * noise, 4001)
    density = np.exp(-((outcomes - rate) ** 2) / (2 * noise**2))
    spread = math.sqrt(np.average((loss(outcomes) - np.average(loss(outcomes), weights=density)) ** 2, weights=density))
    most = float(loss(np.array([1 + _TAIL * noise]))[0])
    width = max(spread / _CELLS_PER_DEVIATION, (most - math.log1p(-rate)) / _MAX_CELLS)
    first, last = math.floor(math.log1p(-rate) / width), math.ceil(most / width)
    edges = width * np.arange(first, last + 1)
    # log((exp(edge) - 1 + rate) / rate): where an outcome has this loss; the lowest loss is that of minus infinity.
    with np.errstate(invalid="ignore", divide="ignore"):
        inner = np.expm1(edges) + rate
        outcome = np.where(inner > 0, noise**2 * np.log(np.maximum(inner, 1e-300) / rate) + 0.5, -np.inf)
    outcome[0] = -np.inf
    without, shifted = _masses(outcome / noise), _masses((outcome - 1) / noise)
    with_case = (1 - rate) * without + rate * shifted
    removed = _connect(first, width, with_case[:-1], without[:-1], infinite=with_case[-1])
    added = _connect(-last, width, without[-2::-1], with_case[-2::-1], infinite=0.0)
    added.probability[0] += without[-1]
    return removed, added


def _masses(edges: Floats) -> Floats:
    """Return the standard normal probability between edges, accurate in both tails, and above the last one."""
    low, high = edges[:-1], edges[1:]
    between = np.where(low > 0, ndtr(-low) - ndtr(-high), ndtr(high) - ndtr(low))
    return np.append(between, ndtr(-edges[-1]))


def _connect(first: int, width: float, p: Floats, q: Floats, infinite: float) -> _LossDistribution:
    """Move each cell's probability to its two ends, so that those under p and under q both stay what they are [2]_."""
    edges = width * np.arange(first, first + len(p) + 1)
    low = (q - p * np.exp(-edges[1:])) * np.exp(edges[:-1]) / -np.expm1(-width)
    low = np.clip(low, 0.0, p)
    probability = np.zeros(len(edges))
    probability[:-1] += low
    probability[1:] += p - low
    return _LossDistribution(first, width, probability, float(infinite))


def _composed(step: _LossDistribution, steps: int, delta: float) -> _LossDistribution:
    """Return the distribution of the sum of `steps` losses, by a Fourier transform on a window that holds nearly all of it."""
    low, high = _window(step, steps, _CUT * delta)
    size = fft.next_fast_len(high - low + 1, real=True)
    folded = np.bincount((step.first + np.arange(len(step.probability))) % size, step.probability, minlength=size)
    composed = fft.irfft(fft.rfft(folded) ** steps, size)
    rounding = max(0.0, -float(composed[composed < 0].sum()))
    composed = np.roll(np.maximum(composed, 0.0), -(low % size))
    # What lies above the window has been folded to its low end, and counts as infinite besides.
    infinite = -math.expm1(steps * math.log1p(-step.infinite)) + _CUT * delta + 2 * rounding
    return _LossDistribution(low, step.width, composed, infinite)


def _window(step: _LossDistribution, steps: int, cut: float) -> tuple[int, int]:
    """Return the positions outside which the sum of losses lies with a probability of at most `cut` on either side (Chernoff)."""
    log_p = np.log(np.maximum(step.probability, 1e-320))
    mean = float(step.probability @ step.losses)
    spread = math.sqrt(max(float(step.probability @ (step.losses - mean) ** 2), 1e-300) * steps)
    ends = []
    for sign in (-1, 1):
        def bound(log_tilt: float, signed: Floats = sign * step.losses) -> float:
            tilt = math.exp(log_tilt) / spread
            return float((steps * logsumexp(log_p + tilt * signed) - math.log(cut)) / tilt)

        # Each tilt gives a bound. Where few cases are in a step, the loss has a long tail, and the best tilt is large.
        best = minimize_scalar(bound, bounds=(math.log(0.01), math.log(1e5)), method="bounded", options={"xatol": 0.05})
        ends.append(sign * float(best.fun))
    return math.floor(ends[0] / step.width), math.ceil(ends[1] / step.width)
