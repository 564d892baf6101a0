"""Small numbers in words, for estimates and reports alike."""

from __future__ import annotations

import numpy as np


def plain(value: float) -> str:
    """Write a small probability with two significant digits and without an exponent.

    Examples
    --------
    >>> plain(1e-05), plain(0.0123), plain(2.26e-12)
    ('0.00001', '0.012', '0.0000000000023')
    """
    return np.format_float_positional(float(f"{value:.2g}"), trim="-")
