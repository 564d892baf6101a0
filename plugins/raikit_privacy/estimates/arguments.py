"""Arguments of metrics."""

from __future__ import annotations


def as_argument(value: float) -> int | float:
    """Return a whole number as an int, so that a record holds ``target=8`` and not ``target=8.0``."""
    return int(value) if float(value).is_integer() else value
