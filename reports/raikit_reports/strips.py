"""Geometry of an interval drawn around its limit: the limit is in the middle, and a breach is to its right.

Every rule has its own scale, so that the limits form one line through the table and people compare verdicts, not axes.
"""

from __future__ import annotations

from dataclasses import dataclass

WIDTH, MIDDLE, REACH = 220, 110, 98


@dataclass(frozen=True)
class Strip:
    """Positions on a drawing of `WIDTH` units; `low` and `high` are None without an interval."""

    at: int
    low: int | None = None
    high: int | None = None


def draw(
    value: float | None, low: float | None, high: float | None, limit: float | None, bound: str | None
) -> Strip | None:
    """Return the positions of a value and its interval around `limit`, None without a value or limit.

    Examples
    --------
    >>> draw(0.16, 0.11, 0.21, 0.10, "max")
    Strip(at=158, low=118, high=198)
    >>> draw(0.95, 0.95, 0.95, 0.90, "min").at < 110
    True
    """
    if value is None or limit is None:
        return None
    away = [(end - limit) * (-1 if bound == "min" else 1) for end in (value, low, high) if end is not None]
    farthest = max(abs(distance) for distance in away)
    if farthest == 0:
        return Strip(MIDDLE)
    # The distance from zero to the limit sets the scale, unless the interval would leave the drawing or vanish.
    span = min(max(abs(limit), 1.12 * farthest), 4 * farthest)
    positions = [round(MIDDLE + REACH * distance / span) for distance in away]
    if low is None or high is None or low == high:
        return Strip(positions[0])
    return Strip(positions[0], min(positions[1:]), max(positions[1:]))
