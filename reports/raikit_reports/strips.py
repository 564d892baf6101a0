"""The geometry of an interval drawn about its limit: the limit in the middle, right of it a breach.

Every rule gets a scale of its own, so that one line runs through the table and the eye reads verdicts, not axes.
"""

from __future__ import annotations

from dataclasses import dataclass

WIDTH, MIDDLE, REACH = 220, 110, 98


@dataclass(frozen=True)
class Strip:
    """Places on a drawing of `WIDTH` units; `low` and `high` are None where there is no interval."""

    at: int
    low: int | None = None
    high: int | None = None


def draw(
    value: float | None, low: float | None, high: float | None, limit: float | None, bound: str | None
) -> Strip | None:
    """Place a value and its interval about `limit`; None if there is nothing to place.

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
    # The way from the limit to nothing gives the scale, as long as the interval neither leaves the strip nor vanishes.
    span = min(max(abs(limit), 1.12 * farthest), 4 * farthest)
    places = [round(MIDDLE + REACH * distance / span) for distance in away]
    if low is None or high is None or low == high:
        return Strip(places[0])
    return Strip(places[0], min(places[1:]), max(places[1:]))
