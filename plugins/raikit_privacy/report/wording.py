"""Numbers in words. Bounds are rounded up, because a bound that is rounded down is not one."""

from __future__ import annotations

import math

import raikit
from raikit.format import confidence_interval, measure, percent


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


def is_decisive(metric: raikit.Metric) -> bool:
    """Return whether the interval of a metric decides anything about the models that were measured."""
    return metric.value is not None and not {"few_clusters", "few_events", "unreliable"}.intersection(metric.flags)


def numbers(metric: raikit.Metric) -> str:
    """Write a value with its interval for a line of evidence: ``0.584, 95% CI 0.552 to 0.614``."""
    value = measure(metric.value, metric.low, metric.high, metric.unit)
    ci = confidence_interval(metric.low, metric.high, metric.unit, level=metric.level, value=metric.value,
                             simultaneous=metric.simultaneous)
    return f"{value}, {ci.removesuffix('%').removesuffix(' pp')}"
