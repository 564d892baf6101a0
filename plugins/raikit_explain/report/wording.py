"""Shares in words: whole percentages where few cases were explained, because a decimal of them says nothing."""

from __future__ import annotations

from raikit.format import confidence, confidence_interval, number, percent, points

FEW = 200


def share(value: float | None, n: int) -> str:
    """Write a share that `n` cases were explained for.

    Examples
    --------
    >>> share(0.268, 128), share(0.268, 1280)
    ('27%', '26.8%')
    """
    return f"{number((value or 0.0) * 100, 0)}%" if n < FEW else percent(value or 0.0)


def gap(value: float, n: int) -> str:
    """Write a difference of two shares.

    Examples
    --------
    >>> gap(0.206, 128), gap(0.206, 1280)
    ('21 pp', '20.6 pp')
    """
    return f"{number(value * 100, 0)} pp" if n < FEW else points(value, short=True)


def ends(low: float | None, high: float | None, n: int, *, level: float, value: float | None, simultaneous: bool = False) -> str:
    """Write the interval of a share or of a difference of shares, without its unit.

    Examples
    --------
    >>> ends(0.157, 0.253, 128, level=0.95, value=0.206), ends(0.157, 0.253, 1280, level=0.95, value=0.206)
    ('95% CI 16 to 25', '95% CI 15.7 to 25.3')
    """
    if low is None or high is None or low == high or n >= FEW:
        return confidence_interval(low, high, "rate", level=level, value=value, simultaneous=simultaneous).removesuffix("%")
    family = "simultaneous " if simultaneous else ""
    return f"{family}{confidence(level)} CI {number(low * 100, 0)} to {number(high * 100, 0)}"
