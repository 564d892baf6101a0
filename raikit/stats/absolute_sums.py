"""Limits of sums of absolute values, such as expected calibration errors, whose signs have to be estimated.

The plain estimate ``sum w |d|`` of errors d is biased upwards, because noise has an absolute value too. Two estimates
bracket the truth. The *floor* takes the sign of each error from a copy with independent noise of the same size, averaged over
that noise; a wrong sign can only make the sum smaller, so it is biased downwards, and it is nearly unbiased where the signs
are clear. The upper limit asks which true sum would make an estimate as small as this one unlikely. Of all errors with a
given sum, those in proportion to their standard errors make the estimate smallest on average (it is convex in them).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr

from raikit.stats._types import FloatArray
from raikit.stats.constants import TINY
from raikit.stats.quantiles import upper_quantile, upper_tail

_HALVINGS = 40


@dataclass(frozen=True)
class AbsoluteSums:
    """Sums ``sum w |d|`` of k groups.

    Parameters
    ----------
    value : ndarray, shape (k,)
        Plain estimates, biased upwards.
    floor : ndarray, shape (k,)
        Estimates that are biased downwards.
    scale : ndarray, shape (k,)
        Sum of the weighted standard errors of the parts.
    noise : ndarray, shape (k,)
        The same of their observed standard errors: the bias of the plain estimate must not be taken for larger than it is.
    se : ndarray, shape (k,)
        Standard error of the sum with fixed signs.
    df : ndarray, shape (k,)
        Degrees of freedom of the standard errors.
    """

    value: FloatArray
    floor: FloatArray
    scale: FloatArray
    noise: FloatArray
    se: FloatArray
    df: FloatArray

    @classmethod
    def of(
        cls, errors: FloatArray, variances: FloatArray, observed: FloatArray, shares: FloatArray, se: float, df: float
    ) -> AbsoluteSums:
        """Return the sum of one group from the errors of its parts.

        Parameters
        ----------
        errors, variances, observed, shares : ndarray, shape (b,)
            `variances` are too large rather than too small. Those `observed` may be too small, and are 0 where nothing varies.
        se, df : float
        """
        deviation = np.sqrt(variances)
        x = errors / np.maximum(deviation, TINY)
        floor = shares @ (deviation * (x * (2 * ndtr(x) - 1) - 2 * _density(x)))
        parts = shares @ np.abs(errors), floor, shares @ deviation, shares @ np.sqrt(observed), se, df
        return cls(*(np.array([part], dtype=float) for part in parts))

    @classmethod
    def join(cls, groups: Sequence[AbsoluteSums]) -> AbsoluteSums:
        """Join the sums of groups."""
        return cls(*(np.concatenate([getattr(group, field.name) for group in groups]) for field in fields(cls)))

    def take(self, index: ArrayLike) -> AbsoluteSums:
        """Return the sums of the groups at `index`."""
        at = np.asarray(index)
        return AbsoluteSums(*(getattr(self, field.name)[at] for field in fields(self)))

    def reach(self, critical: ArrayLike, df: ArrayLike) -> FloatArray:
        """Return how far below its floor a sum can lie, at `critical` standard errors of t on `df`.

        Where fewer than two parts carry the noise, the floor has both tails of one absolute value, so half of the error
        probability is used.
        """
        both = upper_quantile(upper_tail(critical, df) / 2, df)
        return np.asarray(np.where(self.scale**2 < 2 * self.se**2, both, critical) * self.se)

    def lower(self, critical: ArrayLike, df: ArrayLike) -> FloatArray:
        """Return lower limits."""
        return np.asarray(np.maximum(self.floor - self.reach(critical, df), 0.0))

    def upper(self, critical: ArrayLike) -> FloatArray:
        """Return upper limits; with 0, the sums whose plain estimates would be these on average.

        With errors of kappa standard errors each, the estimate is ``noise m(kappa)`` on average, with a variance of at most
        ``se^2 v(kappa)``, m and v those of the absolute value of a normal variable.
        """
        distance = np.asarray(critical) * self.se
        noise = np.maximum(self.noise, 1e-6 * self.scale + TINY)
        low, high = np.zeros(np.broadcast(distance, noise).shape), (self.value + distance) / noise
        for _ in range(_HALVINGS):
            kappa = (low + high) / 2
            mean = _mean_absolute(kappa)
            deviation = np.sqrt(np.maximum(1 + kappa**2 - mean**2, 0.0))
            beyond = noise * mean - distance * deviation >= self.value
            low, high = np.where(beyond, low, kappa), np.where(beyond, kappa, high)
        return np.asarray(high * noise)


def difference_of_sums(
    first: AbsoluteSums, second: AbsoluteSums, critical: ArrayLike, *, independent: bool
) -> tuple[FloatArray, FloatArray]:
    """Compute limits of the differences of sums, elementwise, at `critical` standard errors.

    Parameters
    ----------
    first, second : AbsoluteSums
    critical : array_like
    independent : bool
        Whether the two share no cluster. If they may, their reaches are added instead of their squares.

    Returns
    -------
    (low, high) : ndarray

    Notes
    -----
    MOVER around the floor of one and the ceiling of the other, so that bias only makes the limits wider. Where the second
    sum is not shown to be above 0, the upper limit is that of the first alone.
    """
    df = np.minimum(first.df, second.df)
    down = [sums.reach(critical, df) for sums in (first, second)]
    ceilings = [sums.upper(0.0) for sums in (first, second)]
    up = [np.maximum(sums.upper(critical) - ceiling, 0.0) for sums, ceiling in zip((first, second), ceilings, strict=True)]
    joined = np.hypot if independent else np.add
    low = first.floor - ceilings[1] - joined(down[0], up[1])
    high = ceilings[0] - second.floor + joined(up[0], down[1])
    alone = ceilings[0] + up[0]
    return np.asarray(low), np.asarray(np.where(second.floor > down[1], high, alone))


def _density(x: FloatArray) -> FloatArray:
    return np.asarray(np.exp(-np.minimum(x * x, 1e4) / 2) / np.sqrt(2 * np.pi))


def _mean_absolute(x: FloatArray) -> FloatArray:
    """Return the mean of ``|x + e|`` for a standard normal e."""
    return np.asarray(2 * _density(x) + x * (2 * ndtr(x) - 1))
