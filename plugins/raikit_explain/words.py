"""How numbers are written in sentences and drawings."""

from __future__ import annotations

from collections.abc import Sequence

MINUS = "−"


def signed(value: float) -> str:
    """Two decimals with a sign; from 10 on one, from 100 on none.

    Examples
    --------
    >>> signed(0.154), signed(-12.34), signed(0.001)
    ('+0.15', '−12.3', '0.00')
    """
    digits = 2 if abs(value) < 9.995 else 1 if abs(value) < 99.95 else 0
    written = f"{abs(value):.{digits}f}"
    if not float(written):
        return written
    return ("+" if value > 0 else MINUS) + written


def percent(share: float) -> str:
    """A share between 0 and 1; one decimal below ten percent.

    Examples
    --------
    >>> percent(0.573), percent(0.0213), percent(0.0)
    ('57 %', '2.1 %', '0 %')
    """
    digits = 0 if abs(share) >= 0.0995 or share == 0 else 1
    return f"{100 * share:.{digits}f} %".replace("-", MINUS)


def points(difference: float) -> str:
    """A difference of shares, in points.

    Examples
    --------
    >>> points(0.08), points(-0.012)
    ('8 points', '−1.2 points')
    """
    digits = 0 if abs(difference) >= 0.0995 else 1
    written = f"{100 * difference:.{digits}f}".removesuffix(".0").replace("-", MINUS)
    return f"{written} point{'' if written in ('1', MINUS + '1') else 's'}"


def listed(names: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
