"""What the simulations share: how a cell of their tables is written."""

from __future__ import annotations

import math


def percent(events: float, runs: int) -> str:
    """Return the share of runs with an event and its Monte-Carlo standard error, in percent.

    The error is never below that of half an event, so that no cell claims to be exact.
    """
    number = max(runs, 1)
    share = events / number
    return f"{100 * share:5.1f} ±{100 * math.sqrt(max(share * (1 - share), 0.25 / number) / number):3.1f}"
