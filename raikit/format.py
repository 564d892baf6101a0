"""Numbers in sentences: plain, with separators between thousands, never ``1e+03``."""

from __future__ import annotations


def brief(value: float, digits: int = 3) -> str:
    """Write a measurement with so many significant digits, and never round away what stands before the point.

    Examples
    --------
    >>> brief(0.123456), brief(-1083.2), brief(1000), brief(999.96, 4)
    ('0.123', '-1,083', '1,000', '1,000')
    """
    return f"{value:,.0f}" if abs(value) >= 10 ** (digits - 1) else f"{float(f'{value:.{digits}g}'):,.15g}"


def exact(value: float) -> str:
    """Write a limit as a person would have written it.

    Examples
    --------
    >>> exact(0.1), exact(1000.0), exact(1234567.5)
    ('0.1', '1,000', '1,234,567.5')
    """
    return f"{value:,.15g}"
