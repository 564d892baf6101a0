"""How numbers are written. Every format and every place goes through here, so that one quantity reads the same twice.

A value and its interval share their decimals, and the interval's width decides how many there are: two significant
digits of the width, because more would claim a precision that the data do not have.
"""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Mapping

GROUP = ","  # as in the sentences of findings, so that a number reads the same in both
PERCENT = "\u202f%"
MINUS = "\u2212"
MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_BIN = re.compile(r"\[\S+, \S+\)")
_PERCENT = {"rate": PERCENT, "points": " points"}


def number(value: float, decimals: int, *, signed: bool = False) -> str:
    """Write `value` with so many decimals, grouped by threes; `signed` puts a plus before what is positive.

    Examples
    --------
    >>> number(-1234.5, 1)
    '−1,234.5'
    >>> number(0.25, 1, signed=True)
    '+0.2'
    """
    magnitude = abs(value)
    if magnitude > 1e300:  # in percent it would be no number at all
        text = "more than 10³⁰⁰"
    elif magnitude and (magnitude >= 1e15 or magnitude < 0.5 * 10**-6):
        mantissa, exponent = f"{magnitude:.1e}".split("e")
        text = f"{mantissa} × 10{str(int(exponent)).translate(_SUPERSCRIPT)}"
    else:
        text = f"{magnitude:,.{decimals}f}".replace(",", GROUP)
    if not any(digit in text for digit in "123456789"):
        return text  # a zero has no sign, even if rounding made it
    return (MINUS if value < 0 else "+" if signed else "") + text


def count(value: int | None) -> str:
    """Write a number of rows, clusters or parameters.

    Examples
    --------
    >>> count(12000), count(None)
    ('12,000', '–')
    """
    return "–" if value is None else number(value, 0)


def decimals(value: float | None, low: float | None, high: float | None, unit: str | None) -> int:
    """How many decimals a value and its interval deserve, in the unit in which they are shown."""
    scale = 100 if unit in _PERCENT else 1
    width = (high - low) * scale if low is not None and high is not None else 0.0
    if width > 1e15 or abs(value or 0.0) * scale > 1e15:
        return 0
    if width > 0:
        wanted = 1 - math.floor(math.log10(width))
    elif value is None or float(value * scale).is_integer():
        wanted = 0
    else:  # no estimate: three significant digits, without trailing zeros
        wanted = _significant(value * scale, 3)
    return min(max(wanted, 1 if scale == 100 and width > 0 else 0), 6)


def _significant(value: float, digits: int) -> int:
    """How many decimals show so many digits of a number, those left out that would be zeros at the end."""
    places = min(max(digits - 1 - math.floor(math.log10(abs(value))), 0), 6) if value else 0
    while places and round(value, places) == round(value, places - 1):
        places -= 1
    return places


def moment(text: str) -> str:
    """Write an ISO time for people; what is none stays as it is.

    Examples
    --------
    >>> moment("2026-11-24T18:40:12Z"), moment("yesterday")
    ('24 November 2026, 18:40 UTC', 'yesterday')
    """
    try:
        when = datetime.datetime.fromisoformat(text.strip())
    except ValueError:
        return text
    day = f"{when.day} {MONTHS[when.month - 1]} {when.year}"
    if len(text.strip()) <= 10:
        return day
    zone = "" if when.tzinfo is None else f" {when.tzname() or ''}".rstrip()
    return f"{day}, {when:%H:%M}{zone}"


def suffix(unit: str | None) -> str:
    """What stands after a number of this unit, its space included."""
    if unit in _PERCENT:
        return _PERCENT[unit]
    return f" {unit}" if unit and unit != "ratio" else ""


def measure(
    value: float | None,
    low: float | None = None,
    high: float | None = None,
    unit: str | None = None,
    *,
    signed: bool = False,
    reason: str | None = None,
) -> str:
    """Write a value in its unit, with the decimals that its interval allows.

    Examples
    --------
    >>> measure(0.199, 0.113, 0.207, "rate")
    '19.9\u202f%'
    >>> measure(0.061, 0.028, 0.094, "points", signed=True)
    '+6.1 points'
    >>> measure(None, reason="no row is positive")
    'undefined: no row is positive'
    """
    if value is None:
        return f"undefined: {reason}" if reason else "undefined"
    scale = 100 if unit in _PERCENT else 1
    return number(value * scale, decimals(value, low, high, unit), signed=signed) + suffix(unit)


def interval(
    low: float | None,
    high: float | None,
    unit: str | None = None,
    *,
    value: float | None = None,
    signed: bool = False,
    bare: bool = False,
) -> str:
    """Write both ends of an interval, the unit once; `bare` leaves out a unit that is a word and stands beside it.

    Examples
    --------
    >>> interval(0.113, 0.207, "rate")
    '11.3 to 20.7\u202f%'
    >>> interval(3, 3), interval(None, None)
    ('computed, no sampling error', '–')
    """
    if low is None or high is None:
        return "–"
    if low == high:
        return "computed, no sampling error"
    places = decimals(value, low, high, unit)
    scale = 100 if unit in _PERCENT else 1
    ends = [number(end * scale, places, signed=signed) for end in (low, high)]
    return f"{ends[0]} to {ends[1]}" + ("" if bare and unit != "rate" else suffix(unit))


def p_value(value: float | None) -> str:
    """Write a p-value.

    Examples
    --------
    >>> [p_value(p) for p in (0.00002, 0.0123, 0.4567, None)]
    ['< 0.001', '0.012', '0.46', '–']
    """
    if value is None:
        return "–"
    if value < 0.001:
        return "< 0.001"
    if value > 0.99:
        return "> 0.99"
    return f"{value:.3f}" if value < 0.1 else f"{value:.2f}"


def share(value: float) -> str:
    """Write a confidence level or another round share: ``95 %``."""
    return f"{value * 100:.4g}{PERCENT}"


def scalar(value: object) -> str:
    """Write a cell whose kind nobody declared.

    Examples
    --------
    >>> scalar(0.123456), scalar(True), scalar(None), scalar(1234)
    ('0.1235', 'yes', '–', '1,234')
    """
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return count(value)
    if isinstance(value, float):
        if value.is_integer() and abs(value) < 1e15:
            return number(value, 0)
        return number(value, _significant(value, 4)) if math.isfinite(value) else "–"
    return str(value)


def cell(value: object, kind: str) -> str:
    """Write a table's cell by its column's `format`."""
    if value is None or isinstance(value, str | bool) or not isinstance(value, int | float):
        return scalar(value)
    if kind == "p":
        return p_value(value)
    if kind == "percent":
        return number(value * 100, 1) + PERCENT
    if kind == "integer":
        return number(value, 0)
    return scalar(value)


def seconds(value: float) -> str:
    """Write a duration.

    Examples
    --------
    >>> seconds(0.04), seconds(94.2), seconds(7325)
    ('0.04 s', '1 min 34 s', '2 h 2 min')
    """
    if value < 60:
        return f"{value:.2g} s" if value < 9.95 else f"{value:.0f} s"
    minutes, rest = divmod(round(value), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def rows_and_clusters(n: int | None, clusters: int | None) -> str:
    """Write how much data stands behind a value.

    Examples
    --------
    >>> rows_and_clusters(1000, 126), rows_and_clusters(1, None), rows_and_clusters(None, None)
    ('1,000 rows, 126 clusters', '1 row', '')
    """
    parts = [(n, "row"), (clusters, "cluster")]
    return ", ".join(f"{count(many)} {noun}{'' if many == 1 else 's'}" for many, noun in parts if many is not None)


def group_text(over: list[str] | None, group: Mapping[str, object] | None) -> str:
    """Write the group of an address for people: ``sex = F, race missing``; a value that holds a separator is quoted."""
    if group:
        return ", ".join(
            f"{column} missing" if value is None else f"{column} = {_quoted(scalar_text(value))}"
            for column, value in group.items()
        )
    return " and ".join(over or ())


def _quoted(value: str) -> str:
    """A value that could be taken for more than one, or for none, in quotation marks; a bin has brackets already."""
    return f"“{value}”" if not value or (re.search("[,;=]", value) and not _BIN.fullmatch(value)) else value


def scalar_text(value: object) -> str:
    """Write a group's value as it stands in the data: 1900 is a name here, not a quantity."""
    return str(value).lower() if isinstance(value, bool) else str(value)
