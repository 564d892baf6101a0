"""How many rows would settle a question."""

from __future__ import annotations

import math

from raikit.stats._types import tail_of

UNCERTAINTY = 4  # a number of rows from a pilot is right within this factor about half of the time: print a range
_POWER = 0.8416212335729143  # normal quantile of 80 % power
_LARGEST = 10_000_000


def rows_needed(value: float, low: float, high: float, n: float, limit: float, level: float = 0.95) -> int | None:
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
    int or None
        One significant digit, never below n while the interval contains `limit`; None if `limit` lies within one
        standard error of the value or more than ten million rows would be needed: "cannot be settled at a
        practical size".

    Notes
    -----
    ``n ((h + 0.84 se) / |value - limit|)^2`` with h the distance from the value to the end of the interval that has
    to clear the limit, and se the distance to the farther end over the normal quantile. Rough: a factor of 2 even
    if the value is the truth, a factor of 4 (`UNCERTAINTY`) from a pilot about half of the time. Print it as a
    range and say that it assumes the value to be true.

    Examples
    --------
    >>> rows_needed(0.05, 0.0, 0.13, 1000, limit=0.10)
    5000
    >>> rows_needed(0.09, 0.0, 0.17, 1000, limit=0.10) is None
    True
    """
    from scipy.special import ndtri

    if not (n > 0 and low <= value <= high):
        raise ValueError("needs n > 0 and low <= value <= high")
    if not all(map(math.isfinite, (value, low, high, limit))):
        return None
    if not low <= limit <= high:
        return math.ceil(n)
    z = -float(ndtri(tail_of(level)))
    h = high - value if value < limit else value - low
    se = max(high - value, value - low) / z
    if abs(value - limit) <= se or value == limit:
        return None
    rows = n * ((h + _POWER * se) / (value - limit)) ** 2
    return _one_digit_at_least(rows, n) if rows <= _LARGEST else None


def _one_digit_at_least(rows: float, floor: float) -> int:
    """Round to one significant digit, upwards where rounding would fall below `floor`."""
    unit = 10 ** math.floor(math.log10(max(rows, 1)))
    rounded = round(rows / unit) * unit
    return int(rounded if rounded >= floor else math.ceil(floor / unit) * unit)
