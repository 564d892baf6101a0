"""Differences between the calibration errors of groups, whose biases differ: a small group's is larger."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from raikit.stats._types import FloatArray, IntArray
from raikit.stats.absolute_sums import AbsoluteSums, difference_of_sums
from raikit.stats.calibration import CalibrationError
from raikit.stats.constants import DRAWS
from raikit.stats.families import Family
from raikit.stats.gaps import Contrasts, Gap
from raikit.stats.maxt import Errors, Maxima
from raikit.stats.quantiles import tail_of, upper_quantile
from raikit.stats.validation import TOO_FEW_GROUPS


def calibration_gap(
    errors: Sequence[CalibrationError],
    level: float = 0.95,
    draws: int = DRAWS,
    *,
    independent: bool = True,
    rng: np.random.Generator,
) -> Gap:
    """Estimate the largest difference between the calibration errors of groups.

    Parameters
    ----------
    errors : sequence of CalibrationError
        At least two, of groups that share no case.
    level : float, in (0, 1)
    draws : int
    independent : bool
        Whether no cluster has cases in two groups.
    rng : numpy.random.Generator

    Returns
    -------
    Gap
        `value` is the difference of the plain estimates, which are biased by different amounts: it can lie outside the
        interval.

    Raises
    ------
    ValueError
        If there are fewer than two groups, or `level` is outside (0, 1).

    Notes
    -----
    Differences have the limits of `raikit.stats.absolute_sums`. The lower end is simultaneous over all ordered pairs (max-t
    over independent groups, Bonferroni where clusters cross groups), the upper end pointwise.

    Simulated in benchmarks/simulate_calibration.py.
    """
    sums, tail = _at_least_two(errors), tail_of(level)
    first, second = (sums.take(side) for side in _pairs(len(errors)))
    df = float(sums.df.min())
    critical = _critical(sums.se, tail, df, draws, rng) if independent else _bonferroni(len(errors), tail, df)
    low = float(difference_of_sums(first, second, critical, independent=independent)[0].max())
    high = float(difference_of_sums(first, second, upper_quantile(tail, df), independent=independent)[1].max())
    worst, best = int(np.argmin(sums.value)), int(np.argmax(sums.value))
    value = float(sums.value[best] - sums.value[worst])
    method = f"limits free of the bias, MOVER, {'max-t' if independent else 'Bonferroni'}"
    return Gap(value, max(0.0, low), min(1.0, high), None, critical, None, worst, best, method)


def calibration_ratio(errors: Sequence[CalibrationError], level: float = 0.95) -> Gap:
    """Estimate the smallest calibration error of a group divided by the largest.

    Parameters
    ----------
    errors, level
        As in `calibration_gap`.

    Returns
    -------
    Gap
        Ratios of limits: for the upper end those of all groups at once, for the lower end those of one pair (Bonferroni).

    Raises
    ------
    ValueError
        If there are fewer than two groups, or `level` is outside (0, 1).
    """
    sums, tail = _at_least_two(errors), tail_of(level)
    k = len(errors)
    (low_all, high_all), (low_one, high_one) = (
        (sums.lower(critical, sums.df), sums.upper(critical))
        for critical in (upper_quantile(part, sums.df) for part in (tail / (2 * k), tail / 2))
    )
    first, second = _pairs(k)
    with np.errstate(divide="ignore", invalid="ignore"):
        high = float(np.nanmin(high_all[first] / low_all[second]))
        low = float(np.nanmin(low_one[first] / high_one[second]))
        value = float(sums.value.min() / sums.value.max())
    worst, best = int(np.argmin(sums.value)), int(np.argmax(sums.value))
    method = "limits of each group free of the bias, Bonferroni"
    return Gap(value, low, min(1.0, high), None, float("nan"), None, worst, best, method)


def calibration_contrasts(
    first: Sequence[CalibrationError], second: Sequence[CalibrationError], level: float = 0.95, *, independent: bool = True
) -> Contrasts:
    """Compare calibration errors in pairs, simultaneously by Bonferroni.

    Parameters
    ----------
    first, second : sequence of CalibrationError
        Elementwise of cases that they do not share.
    level, independent
        As in `calibration_gap`.

    Returns
    -------
    Contrasts
        Without p-values.
    """
    one, other = _joined(first), _joined(second)
    m = len(first)
    critical = upper_quantile(tail_of(level) / max(m, 1), np.minimum(one.df, other.df))
    high = difference_of_sums(one, other, critical, independent=independent)[1]
    low = -difference_of_sums(other, one, critical, independent=independent)[1]
    unknown = np.full(m, np.nan)
    method = f"limits free of the bias, MOVER, Bonferroni over {m} groups"
    low, high = np.maximum(low, -1.0), np.minimum(high, 1.0)
    return Contrasts(one.value - other.value, low, high, unknown, unknown, float("nan"), method)


def _at_least_two(errors: Sequence[CalibrationError]) -> AbsoluteSums:
    if len(errors) < 2:
        raise ValueError(TOO_FEW_GROUPS)
    return _joined(errors)


def _joined(errors: Sequence[CalibrationError]) -> AbsoluteSums:
    return AbsoluteSums.join([error.sums for error in errors])


def _pairs(k: int) -> tuple[IntArray, IntArray]:
    first, second = np.nonzero(~np.eye(k, dtype=bool))
    return first, second


def _critical(se: FloatArray, tail: float, df: float, draws: int, rng: np.random.Generator) -> float:
    """Return the upper quantile of the largest standardised difference over all ordered pairs."""
    k, none = len(se), np.zeros(0, dtype=np.int64)
    plus, minus = _pairs(k)
    family = Family(np.ones(k), np.zeros(k, dtype=np.int64), none, plus, minus)
    errors = Errors.independent(se**2, draws, rng, df=df)
    return Maxima(family, errors, np.hypot(se[plus], se[minus])).quantile(1 - tail, np.zeros(len(plus)))


def _bonferroni(k: int, tail: float, df: float) -> float:
    """Return a critical value for all pairs: over the pairs, or over both limits of each group if these are fewer."""
    return float(upper_quantile(tail / min(2 * k, k * (k - 1)), df))
