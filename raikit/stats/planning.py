"""How many cases would settle whether an estimate keeps a limit."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import binom

from raikit.stats._types import BoolArray, FloatArray, IntArray
from raikit.stats.constants import POWER_QUANTILE
from raikit.stats.families import pairs_and_rests
from raikit.stats.maxt import Errors, two_step
from raikit.stats.quantiles import tail_of, upper_quantile
from raikit.stats.rates import agresti_caffo_variance
from raikit.stats.validation import validate_counts

UNCERTAINTY = 4  # Factor within which a number of cases planned from a pilot is right in most cases. Print a range.
MOST_CASES = 10_000_000  # Larger numbers are not planned for.
_POWER = 0.8
_SIMULATIONS = 2_000  # Simulated data sets per size; the answer has one significant digit.
_DRAWS = 5_000  # Draws behind each critical value.
_RATE_SIZES = 600  # Sizes tried for a rate, each about 2% larger than the last.
_STEPS = 48  # Sizes tried between the pilot's and ten million cases.


def rows_needed(value: float, low: float, high: float, n: float, limit: float, level: float = 0.95) -> RowsNeeded:
    """Compute the number of cases that would settle "value <= limit" (or ">=") with 80% power.

    The estimate is assumed to be the true value.

    Parameters
    ----------
    value, low, high : float
        The estimate and its interval from n cases.
    n : float, > 0
    limit : float
        The threshold of the rule.
    level : float, in (0, 1)
        Level of the interval.

    Returns
    -------
    RowsNeeded
        `rows` is at least n while the interval contains `limit`, and None if more than ten million cases would be needed.
        If `limit` lies within one standard error of the value, `high` is None: the true value may be the limit itself.

    Raises
    ------
    ValueError
        If n is not positive, the value lies outside its interval, or `level` is outside (0, 1).

    Notes
    -----
    ``n ((h + 0.84 se) / |value - limit|)^2``, where h is the distance from the value to the end of the interval that has
    to clear the limit, and se the distance to the farther end divided by the normal quantile. A normal approximation,
    off by up to a factor of 2 even if the value is the truth, and by more where the value is a rate near 0 or 1: use
    `rate_rows_needed` there, and `rows_to_settle` for a gap of rates.

    Examples
    --------
    >>> rows_needed(0.05, 0.0, 0.13, 1000, limit=0.10)
    RowsNeeded(rows=5000, low=1000, high=20000, assumed=0.05)
    >>> rows_needed(0.09, 0.05, 0.13, 1000, limit=0.10)
    RowsNeeded(rows=30000, low=8000, high=None, assumed=0.09)
    """
    if not (n > 0 and low <= value <= high):
        raise ValueError("needs n > 0 and low <= value <= high")
    if not all(map(math.isfinite, (value, low, high, limit))):
        return RowsNeeded(None, None, None, value)
    if not low <= limit <= high:
        return RowsNeeded(math.ceil(n), math.ceil(n), math.ceil(n), value)
    z = float(upper_quantile(tail_of(level)))
    h = high - value if value < limit else value - low
    se = max(high - value, value - low) / z
    with np.errstate(divide="ignore", over="ignore"):
        rows = n * float(np.square(np.divide(h + POWER_QUANTILE * se, abs(value - limit))))
    return _rounded(rows if rows <= MOST_CASES else None, n, value, bounded=abs(value - limit) > se)


def rate_rows_needed(
    value: float, low: float, high: float, n: float, limit: float, level: float = 0.95, *, trials: float
) -> RowsNeeded:
    """Compute the number of cases that would settle a rule on a rate with exact limits, with 80% power.

    The estimate is assumed to be the true rate.

    Parameters
    ----------
    value, low, high, n, limit, level
        As in `rows_needed`.
    trials : float, > 0
        Number of independent cases in the denominator of the rate; the answer is n times what these have to grow by.

    Returns
    -------
    RowsNeeded

    Raises
    ------
    ValueError
        As `rows_needed`.

    Notes
    -----
    From binomial probabilities. The interval of a rate of 1 shrinks with the number of cases, not with its root: 120 cases
    without a failure become a proven 0.999 with 3,700 cases, where a normal approximation asks for 200,000.

    Examples
    --------
    >>> rate_rows_needed(1.0, 0.97, 1.0, 120, limit=0.98, trials=120)
    RowsNeeded(rows=200, low=200, high=700, assumed=1.0)
    """
    if not (n > 0 and trials > 0 and 0 <= low <= value <= high <= 1):
        raise ValueError("needs n > 0, trials > 0 and 0 <= low <= value <= high <= 1")
    if not low <= limit <= high or value == limit or not 0 < limit < 1:
        return rows_needed(value, low, high, n, limit, level)
    tail = tail_of(level)
    sizes = np.unique(np.round(np.geomspace(max(trials, 1.0), trials * max(MOST_CASES / n, 1.0), _RATE_SIZES)))
    if value > limit:  # the lower limit is at least the limit from this number of events on
        power = binom.sf(binom.isf(tail, sizes, limit), sizes, value)
    else:
        power = binom.cdf(binom.ppf(tail, sizes, limit) - 1, sizes, value)
    short = np.flatnonzero(power < _POWER)  # powers of counts go up and down
    after = int(short[-1]) + 1 if len(short) else 0
    rows = n * float(sizes[after]) / trials if after < len(sizes) else None
    se = max(high - value, value - low) / float(upper_quantile(tail))
    return _rounded(rows, n, value, bounded=abs(value - limit) > se)


def _rounded(
    rows: float | None, floor: float, assumed: float, *, known: bool = False, bounded: bool = True
) -> RowsNeeded:
    """Round to one significant digit (two if the profile is known) and add a range; nothing falls below `floor`.

    A range that is not `bounded` has no upper end.
    """
    if rows is None:
        return RowsNeeded(None, None, None, assumed)
    factor = 2 if known else UNCERTAINTY
    low, high = (_rounded_at_least(max(end, floor), floor) for end in (rows / factor, rows * factor))
    rounded = _rounded_at_least(max(rows, floor), floor, 2 if known else 1)
    return RowsNeeded(rounded, low, high if bounded else None, assumed)


def _rounded_at_least(rows: float, floor: float, digits: int = 1) -> int:
    """Round to `digits` significant digits, upwards where rounding would fall below `floor`."""
    unit = 10 ** max(math.floor(math.log10(max(rows, 1))) - digits + 1, 0)
    rounded = round(rows / unit) * unit
    return int(rounded if rounded >= floor else math.ceil(floor / unit) * unit)


@dataclass(frozen=True)
class RowsNeeded:
    """Total number of cases that would settle a rule with 80% power.

    Parameters
    ----------
    rows : int or None
        One significant digit, or two if the rates are known. None: more than ten million.
    low, high : int or None
        Plausible range: a factor of 4 either way if planned from a pilot, of 2 if the rates are known. `high` alone is None
        if the pilot's value is within one standard error of the limit. The number then has no known upper bound.
    assumed : float
        The value that was assumed to be true. Print it with the number.
    """

    rows: int | None
    low: int | None
    high: int | None
    assumed: float


def rows_to_settle(
    x: ArrayLike,
    n: ArrayLike,
    limit: float,
    level: float = 0.95,
    *,
    rng: np.random.Generator,
    known: bool = False,
    whole: float | None = None,
) -> RowsNeeded:
    """Estimate the number of cases that would settle a rule on a gap of rates, by simulation at growing sizes.

    Parameters
    ----------
    x, n : array_like, shape (k,)
        Successes and trials per group; larger samples are assumed to have the same shares of groups.
    limit : float
        The rule is "gap <= limit".
    level : float, in (0, 1)
    rng : numpy.random.Generator
    known : bool
        Whether the rates are an assumption ("if the gap is really 0.05") instead of a pilot's estimates. Known rates are
        not shrunk, and no gap is too close to the limit.
    whole : float, optional
        Number of cases from which the trials come, if not all are trials (a rate of positives). The answer counts those.

    Returns
    -------
    RowsNeeded

    Raises
    ------
    ValueError
        As `gap`.

    Notes
    -----
    Estimated rates spread further than true ones. They are shrunk to their inverse-variance mean by
    ``sqrt(max(0, 1 - (k - 1) / Q))``, James and Stein's factor [1]_ on the scale of the spread, where Q is the sum of
    squared standardised deviations from that mean. If the limit lies within one standard error of the estimated gap, the
    true gap may be the limit itself, and the range of the answer has no upper end.

    References
    ----------
    .. [1] James and Stein, "Estimation with quadratic loss", Berkeley Symposium 1961.
    """
    events, trials = validate_counts(x, n)
    variance = agresti_caffo_variance(events, trials)
    rates = events / trials
    profile = rates if known else _shrunk(rates, variance)
    assumed, top, bottom = float(np.ptp(profile)), int(np.argmax(rates)), int(np.argmin(rates))
    near = float(np.sqrt(variance[top] + variance[bottom]))
    bounded = known or abs(float(np.ptp(rates)) - limit) > near
    whole = float(trials.sum()) if whole is None else whole
    rows = _smallest_settling(profile, variance, whole, limit, tail_of(level), rng)
    return _rounded(rows, 1 if known else whole, assumed, known=known, bounded=bounded)


def _shrunk(rates: FloatArray, variance: FloatArray) -> FloatArray:
    mean = float(np.average(rates, weights=1 / variance))
    q = float(np.sum((rates - mean) ** 2 / variance))
    factor = math.sqrt(max(0.0, 1 - (len(rates) - 1) / q)) if q > 0 else 0.0
    return np.asarray(mean + factor * (rates - mean))


def _smallest_settling(
    profile: FloatArray, variance: FloatArray, n: float, limit: float, alpha: float, rng: np.random.Generator
) -> float | None:
    """Return the smallest size at which 80% of simulated data sets are settled, interpolated on a geometric grid."""
    family = pairs_and_rests(1 / variance, np.zeros(len(profile), dtype=np.int64))
    noise = rng.standard_normal((len(profile), _SIMULATIONS))
    errors = Errors.independent(variance, _DRAWS, rng)
    previous, before = 0.0, 1.0
    for rows in np.geomspace(1.0, max(MOST_CASES / n, 2.0), _STEPS):
        scaled = variance / rows
        se = family.independent_standard_errors(scaled)
        extended = family.extend(profile)
        shrunk = Errors(errors.base, np.sqrt(scaled))
        critical = two_step(family, extended[family.plus] - extended[family.minus], se, shrunk, alpha).value
        seen = family.extend(profile[:, None] + np.sqrt(scaled)[:, None] * noise)
        share = _settled(seen, family.plus, family.minus, se, family.pairs, limit, critical, alpha)
        if share >= _POWER:
            part = (_POWER - previous) / (share - previous) if previous > 0 else 1.0
            return float(n * before * (rows / before) ** part)
        previous, before = share, float(rows)
    return None


def _settled(
    seen: FloatArray, plus: IntArray, minus: IntArray, se: FloatArray, pairs: BoolArray, limit: float,
    critical: float, alpha: float,
) -> float:  # fmt: skip
    """Return the share of simulated data sets in which one end of the interval clears the limit."""
    differences = seen[plus] - seen[minus]
    low = np.max(differences - critical * se[:, None], axis=0)
    high = np.max((differences + float(upper_quantile(alpha)) * se[:, None])[pairs], axis=0)
    return float(np.mean((low > limit) | (high <= limit)))
