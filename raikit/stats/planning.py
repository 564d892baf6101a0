"""How many rows would settle a question."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from raikit.stats._types import BoolArray, FloatArray, IntArray, counts, tail_of
from raikit.stats.maxt import Errors, pairs_and_rests, two_step

UNCERTAINTY = 4  # a number of rows from a pilot is right within this factor in most cases: print a range
_POWER = 0.8416212335729143  # normal quantile of 80 % power
_LARGEST = 10_000_000
_DRAWS = 2_000  # of "would it be settled?"; the answer has one digit
_STEPS = 48  # sizes tried between the pilot's and ten million rows


def rows_needed(value: float, low: float, high: float, n: float, limit: float, level: float = 0.95) -> RowsNeeded:
    """Rows with which "value <= limit" (or ">=") would be settled with 80 % power, if the value is what it seems.

    Parameters
    ----------
    value, low, high : float
        The estimate and its interval from n rows.
    n : float, > 0
    limit : float
        The rule's threshold.
    level : float, in (0, 1)
        Level of the interval.

    Returns
    -------
    RowsNeeded
        `rows` is never below n while the interval contains `limit`; None if `limit` lies within one standard error of the
        value or more than ten million rows would be needed: "cannot be settled at a practical size".

    Notes
    -----
    ``n ((h + 0.84 se) / |value - limit|)^2`` with h the distance from the value to the end of the interval that has
    to clear the limit, and se the distance to the farther end over the normal quantile. Rough: a factor of 2 even
    if the value is the truth. For a gap of rates use `rows_to_settle`.

    Examples
    --------
    >>> rows_needed(0.05, 0.0, 0.13, 1000, limit=0.10)
    RowsNeeded(rows=5000, low=1000, high=20000, assumed=0.05)
    >>> rows_needed(0.09, 0.0, 0.17, 1000, limit=0.10).rows is None
    True
    """
    from scipy.special import ndtri

    if not (n > 0 and low <= value <= high):
        raise ValueError("needs n > 0 and low <= value <= high")
    if not all(map(math.isfinite, (value, low, high, limit))):
        return RowsNeeded(None, None, None, value)
    if not low <= limit <= high:
        return RowsNeeded(math.ceil(n), math.ceil(n), math.ceil(n), value)
    z = -float(ndtri(tail_of(level)))
    h = high - value if value < limit else value - low
    se = max(high - value, value - low) / z
    if abs(value - limit) <= se or value == limit:
        return RowsNeeded(None, None, None, value)
    rows = n * ((h + _POWER * se) / (value - limit)) ** 2
    return _rounded(rows if rows <= _LARGEST else None, n, value)


def _rounded(rows: float | None, floor: float, assumed: float, known: bool = False) -> RowsNeeded:
    """One digit (two of what is known) and a range, none of it below `floor`."""
    if rows is None:
        return RowsNeeded(None, None, None, assumed)
    factor = 2 if known else UNCERTAINTY
    low, high = (_rounded_at_least(max(end, floor), floor) for end in (rows / factor, rows * factor))
    return RowsNeeded(_rounded_at_least(max(rows, floor), floor, 2 if known else 1), low, high, assumed)


def _rounded_at_least(rows: float, floor: float, digits: int = 1) -> int:
    """Round to so many significant digits, upwards where rounding would fall below `floor`."""
    unit = 10 ** max(math.floor(math.log10(max(rows, 1))) - digits + 1, 0)
    rounded = round(rows / unit) * unit
    return int(rounded if rounded >= floor else math.ceil(floor / unit) * unit)


@dataclass(frozen=True)
class RowsNeeded:
    """Rows in all that would settle a rule, with 80 % power.

    Parameters
    ----------
    rows : int or None
        One significant digit, two from a profile that is known; None: cannot be settled at a practical size.
    low, high : int or None
        Range in which the number may well lie: `rows` itself within a factor of `UNCERTAINTY` from a pilot, of 2 from a
        profile that is known.
    assumed : float
        The value that was taken for true. Print it with the number.
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
    """Rows with which a rule on a gap of rates would be settled, by simulating "settled?" at growing sizes.

    Parameters
    ----------
    x, n : array_like, shape (k,)
        Successes and trials per group; larger samples are thought to have the same shares of groups.
    limit : float
        The rule is "gap <= limit".
    level : float, in (0, 1)
    rng : numpy.random.Generator
    known : bool
        The rates are what is to be assumed ("if the gap is really .05"), not what a pilot happened to show: they are
        not shrunk, and no estimate is too close to the limit.
    whole : float, optional
        Rows among which the trials were found, if not all are trials (a rate of positives): the answer counts those.

    Returns
    -------
    RowsNeeded

    Notes
    -----
    Estimated rates spread further than true ones, so they are shrunk to their inverse-variance mean by
    ``sqrt(max(0, 1 - (k - 1) / Q))`` (James and Stein's factor on the scale of the spread). A limit within one
    standard error of the estimated gap cannot be settled at a practical size: any number would be noise.

    References
    ----------
    .. [1] James and Stein, "Estimation with quadratic loss", Berkeley Symposium 1961.
    """
    events, trials = counts(x, n)
    smoothed = (events + 1) / (trials + 2)
    variance = smoothed * (1 - smoothed) / (trials + 2)
    rates = events / trials
    profile = rates if known else _shrunk(rates, variance)
    assumed, top, bottom = float(np.ptp(profile)), int(np.argmax(rates)), int(np.argmin(rates))
    near = float(np.sqrt(variance[top] + variance[bottom]))
    if not known and abs(float(np.ptp(rates)) - limit) <= near:
        return RowsNeeded(None, None, None, assumed)
    whole = float(trials.sum()) if whole is None else whole
    rows = _smallest_settling(profile, variance, whole, limit, tail_of(level), rng)
    return _rounded(rows, 1 if known else whole, assumed, known)


def _shrunk(rates: FloatArray, variance: FloatArray) -> FloatArray:
    mean = float(np.average(rates, weights=1 / variance))
    q = float(np.sum((rates - mean) ** 2 / variance))
    factor = math.sqrt(max(0.0, 1 - (len(rates) - 1) / q)) if q > 0 else 0.0
    return np.asarray(mean + factor * (rates - mean))


def _smallest_settling(
    profile: FloatArray, variance: FloatArray, n: float, limit: float, alpha: float, rng: np.random.Generator
) -> float | None:
    """Smallest size in a geometric ladder at which 80 % of draws are settled, on a straight line between steps."""
    family = pairs_and_rests(1 / variance, np.zeros(len(profile), dtype=np.int64))
    noise = rng.standard_normal((len(profile), _DRAWS))
    errors = Errors.independent(variance, 5_000, rng)
    previous, before = 0.0, 1.0
    for rows in np.geomspace(1.0, max(_LARGEST / n, 2.0), _STEPS):
        scaled = variance / rows
        se = family.standard_errors(family.extend_covariance(np.diag(scaled)))
        extended = family.extend(profile)
        shrunk = Errors(errors.base, np.sqrt(scaled))
        critical = two_step(family, extended[family.plus] - extended[family.minus], se, shrunk, alpha).value
        seen = family.extend(profile[:, None] + np.sqrt(scaled)[:, None] * noise)
        share = _settled(seen, family.plus, family.minus, se, family.pairs, limit, critical, alpha)
        if share >= 0.8:
            part = (0.8 - previous) / (share - previous) if previous > 0 else 1.0
            return float(n * before * (rows / before) ** part)
        previous, before = share, float(rows)
    return None


def _settled(
    seen: FloatArray, plus: IntArray, minus: IntArray, se: FloatArray, pairs: BoolArray, limit: float,
    critical: float, alpha: float,
) -> float:  # fmt: skip
    """Share of draws in which one end of the interval clears the limit."""
    from scipy.special import ndtri

    differences = seen[plus] - seen[minus]
    low = np.max(differences - critical * se[:, None], axis=0)
    high = np.max((differences + float(-ndtri(alpha)) * se[:, None])[pairs], axis=0)
    return float(np.mean((low > limit) | (high <= limit)))
