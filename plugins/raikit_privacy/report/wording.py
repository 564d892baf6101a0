"""Bounds in words: rounded up, because a bound that is rounded down is not one."""

from __future__ import annotations

import math

from raikit.format import percent


def at_most(value: float) -> str:
    """Write a bound with two decimals, or three significant digits below 0.1.

    Examples
    --------
    >>> at_most(7.9512), at_most(8.0), at_most(0.0041203)
    ('7.96', '8.00', '0.00413')
    """
    places = 2 if value >= 0.1 or value <= 0 else 2 - math.floor(math.log10(value))
    return f"{math.ceil(value * 10**places - 1e-6) / 10**places:.{places}f}"


def percent_at_most(share: float) -> str:
    """Write a bound on a share.

    Examples
    --------
    >>> percent_at_most(0.02501), percent_at_most(0.025), percent_at_most(0.99999), percent_at_most(0.000121)
    ('2.6%', '2.5%', '100.0%', '0.013%')
    """
    step = 1e-3 if share >= 0.01 or share <= 0 else 10.0 ** (math.floor(math.log10(share)) - 1)
    return percent(min(1.0, math.ceil(share / step - 1e-6) * step))
