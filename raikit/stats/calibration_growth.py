"""How much a calibration error, or a gap between groups' calibration errors, grew from one run to the next.

An estimated calibration error is biased upwards, so a small candidate looks worse than a large baseline of the same model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import gammaincc, gammainccinv

from raikit.stats._types import FloatArray
from raikit.stats.changes import EstimatedChange, ordered_pairs
from raikit.stats.constants import POWER_QUANTILE, TINY
from raikit.stats.quantiles import upper_quantile

_FOLDED = np.array([(2 / np.pi) ** 0.5, 1 - 2 / np.pi, (2 / np.pi) ** 0.5 * (4 / np.pi - 1)])  # cumulants of |z|
_LEAST_SKEW = 1e-3  # the gamma distribution of a smaller skewness is normal for all purposes, and overflows
_MANY_DF = 1000.0  # degrees of freedom from which t is taken for normal


@dataclass(frozen=True)
class BinErrors:
    """Signed errors of the bins of one calibration error.

    Parameters
    ----------
    error, variance, weight : ndarray, shape (b,)
        Share of hits minus mean score, or the reverse; `weight` sums to 1.
    df : float
        Degrees of freedom of the variances; infinite without clusters.
    """

    error: FloatArray
    variance: FloatArray
    weight: FloatArray
    df: float = np.inf

    @property
    def value(self) -> float:
        """Return the expected calibration error."""
        return float(self.weight @ np.abs(self.error))

    @property
    def folded(self) -> FloatArray:
        """Return the first three cumulants of the sum of the bins' absolute noise."""
        scale = self.weight * np.sqrt(self.variance)
        return np.asarray(_FOLDED * np.array([scale.sum(), (scale**2).sum(), (scale**3).sum()]))

    @property
    def signed(self) -> FloatArray:
        """Return the same of the sum of the bins' noise."""
        return np.array([0.0, float(self.weight**2 @ self.variance), 0.0])


def calibration_change(
    before: Sequence[BinErrors], after: Sequence[BinErrors], margin: float = 0.0, *, level: float = 0.95
) -> EstimatedChange:
    """Test whether a calibration error, or the gap between groups, became worse by more than a margin.

    Parameters
    ----------
    before, after : sequence of BinErrors
        One each for a single calibration error. Two groups or more for their gap: the claim is then that some group lost more
        than the margin against another one, and is behind it now.
    margin : float
    level : float, in (0.5, 1)
        One-sided: 1 - alpha.

    Notes
    -----
    With a bin's true error d and its noise e, ``|d + e| - |d| <= |e|``, and ``|d| - |d + e|`` is stochastically at most a
    normal number with the variance of e. So whatever the true errors are, the worsening is overestimated by at most a sum of
    folded normals (of the side whose error counts as worse) plus normals (of the other side). The test takes that sum's
    quantile, by a gamma distribution with its first three cumulants. That keeps the level for normal noise of bins that share
    no cases; of runs on the same cases the noise is positively correlated, and the test is conservative.
    """
    if len(before) == 1:
        return _single_change(before[0], after[0], margin, 1 - level)
    return _gap_change(before, after, margin, 1 - level)


def _single_change(before: BinErrors, after: BinErrors, margin: float, alpha: float) -> EstimatedChange:
    value, df = np.array([after.value - before.value]), min(before.df, after.df)
    up, down = _Excess(after.folded + before.signed, df), _Excess(before.folded + after.signed, df)
    low, high = (float(end[0]) for end in (value - up.quantile(alpha), value + down.quantile(alpha)))
    # The baseline may be calibrated: what noise adds to its error then hides as much of a worsening.
    noise = float(before.folded[0]) + POWER_QUANTILE * float((before.signed + after.signed)[1]) ** 0.5
    detectable = margin + float(up.quantile(alpha)[0]) + noise
    return EstimatedChange(float(value[0]), low, high, float(up.tail(value - margin)[0]), detectable, _METHOD)


def _gap_change(before: Sequence[BinErrors], after: Sequence[BinErrors], margin: float, alpha: float) -> EstimatedChange:
    plus, minus = ordered_pairs(len(after))
    a, b = (np.array([bins.value for bins in run]) for run in (before, after))
    folded_a, folded_b = (np.array([bins.folded for bins in run]) for run in (before, after))
    signed_a, signed_b = (np.array([bins.signed for bins in run]) for run in (before, after))
    df, each = min(bins.df for bins in (*before, *after)), alpha / len(plus)
    loss, deficit = (b - a)[plus] - (b - a)[minus], b[plus] - b[minus]
    up = _Excess(folded_b[plus] + folded_a[minus] + signed_a[plus] + signed_b[minus], df)
    down = _Excess(folded_a[plus] + folded_b[minus] + signed_b[plus] + signed_a[minus], df)
    behind = _Excess(folded_b[plus] + signed_b[minus], df)
    low, deficit_low = loss - up.quantile(each), deficit - behind.quantile(each)
    # A pair whose deficit is not proven proves no loss: its limit stays at or below 0, and so within any margin.
    low = np.where(deficit_low > 0, low, np.minimum(np.minimum(low, deficit_low), 0.0))
    p = np.maximum(up.tail(loss - margin), behind.tail(deficit))
    best = int(np.argmax(low))
    # All groups may be calibrated but the loser: what noise adds to the other errors then hides as much of its loss.
    noise_now, noise = signed_b[plus, 1] + signed_b[minus, 1], signed_a[plus, 1] + signed_a[minus, 1]
    hidden = folded_a[plus, 0] + np.maximum(folded_b[minus, 0] - folded_a[minus, 0], 0.0)
    needed = np.maximum(
        margin + up.quantile(each) + hidden + POWER_QUANTILE * np.sqrt(noise + noise_now),
        behind.quantile(each) + folded_b[minus, 0] + POWER_QUANTILE * np.sqrt(noise_now),
    )
    return EstimatedChange(
        value=float(loss[best]), low=float(low[best]), high=float((loss + down.quantile(alpha)).max()),
        p_value=min(1.0, len(plus) * float(p.min())),
        minimum_detectable=float(needed.reshape(len(after), -1).min(axis=1).max()),
        method=f"{_METHOD}, over {len(plus)} ordered pairs (Bonferroni)", loser=int(plus[best]), against=int(minus[best]),
    )  # fmt: skip


_METHOD = "difference of calibration errors, bias bounded by the bins' noise"


@dataclass(frozen=True)
class _Excess:
    """Upper bound of what a worsening is overestimated by: cumulants of shape (3,) or (c, 3), and degrees of freedom."""

    cumulants: FloatArray
    df: float

    def _parts(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        mean, variance, third = np.atleast_2d(self.cumulants).T
        scale = np.sqrt(np.maximum(variance, TINY))
        return mean, scale, 4 / np.maximum(third / scale**3, _LEAST_SKEW) ** 2

    def quantile(self, tail: float) -> FloatArray:
        """Return the bound's upper quantile, widened as t is against the normal distribution."""
        mean, scale, shape = self._parts()
        inflation = float(upper_quantile(tail, self.df) / upper_quantile(tail)) if self.df < _MANY_DF else 1.0
        return np.asarray(inflation * (mean + scale * (gammainccinv(shape, tail) - shape) / np.sqrt(shape)))

    def tail(self, excess: FloatArray) -> FloatArray:
        """Return the probability that the bound reaches `excess`, the inverse of `quantile`."""
        if self.df >= _MANY_DF:
            mean, scale, shape = self._parts()
            return np.asarray(gammaincc(shape, np.maximum(shape + np.sqrt(shape) * (excess - mean) / scale, 0.0)))
        low, high = np.full(len(excess), -300.0), np.full(len(excess), np.log(0.5))  # logarithms of the probability
        for _ in range(50):
            middle = (low + high) / 2
            reached = np.array([self.quantile(float(np.exp(m)))[i] for i, m in enumerate(middle)]) >= excess
            low, high = np.where(reached, middle, low), np.where(reached, high, middle)
        return np.asarray(np.where(high >= np.log(0.5) - 1e-9, 1.0, np.exp(high)))
