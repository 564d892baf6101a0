"""Write numbers, intervals and groups for people: one quantity reads the same in every sentence, table and format.

A measured value and its interval share their decimals. Shares have one decimal, and two significant digits below 1%; more
only where the interval is so narrow that its ends would read alike. Other numbers show two significant digits of the
interval's width, because more would claim a precision that the data do not have.
"""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Mapping, Sequence
from typing import Protocol

MINUS = "\u2212"
_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_BIN = re.compile(r"\[\S+, \S+\)")
_SHARES = {"rate": "%", "points": " pp"}  # units that are shown times 100, with what follows the number
_MOST_DECIMALS = 6
_NARROW = 0.2  # percentage points: ends of a narrower interval read alike with one decimal


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
        text = f"{magnitude:,.{decimals}f}"
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
    """Return how many decimals a value and its interval deserve, in the unit in which they are shown.

    Without an interval (``low`` equal to ``high``, or None) the value is exact and keeps what it has, up to three
    significant digits.
    """
    scale = 100 if unit in _SHARES else 1
    shown = abs(value or 0.0) * scale
    width = (high - low) * scale if low is not None and high is not None else 0.0
    if width > 1e15 or shown > 1e15:
        return 0
    if width <= 0:
        return 0 if float(shown).is_integer() else _significant_decimals(shown, 3)
    by_width = 1 - math.floor(math.log10(width))
    if scale == 1:
        return min(max(by_width, 0), _MOST_DECIMALS)
    by_value = _significant_decimals(shown, 2) if 0 < shown < 1 else 1
    return min(max(1, by_value, by_width if width < _NARROW else 1), _MOST_DECIMALS)


def _significant_decimals(value: float, digits: int) -> int:
    """Return how many decimals show so many digits of a number, without zeros at the end."""
    places = min(max(digits - 1 - math.floor(math.log10(abs(value))), 0), _MOST_DECIMALS) if value else 0
    while places and round(value, places) == round(value, places - 1):
        places -= 1
    return places


def significant(value: float, digits: int = 3) -> str:
    """Write a measurement with so many significant digits, and never round away what stands before the point.

    Examples
    --------
    >>> significant(0.123456), significant(-1083.2), significant(1000), significant(999.96, 4)
    ('0.123', '-1,083', '1,000', '1,000')
    """
    return f"{value:,.0f}" if abs(value) >= 10 ** (digits - 1) else f"{float(f'{value:.{digits}g}'):,.15g}"


def as_given(value: float) -> str:
    """Write a limit or a setting as a person would have written it.

    Examples
    --------
    >>> as_given(0.1), as_given(1000.0), as_given(1234567.5)
    ('0.1', '1,000', '1,234,567.5')
    """
    return f"{value:,.15g}"


def percent(share: float, *, signed: bool = False) -> str:
    """Write a share between 0 and 1 that stands without an interval: one decimal, two significant digits below 1%.

    Examples
    --------
    >>> percent(0.1651), percent(0.57), percent(0.0), percent(0.00042)
    ('16.5%', '57.0%', '0.0%', '0.042%')
    """
    return number(share * 100, _share_decimals(share), signed=signed) + "%"


def points(difference: float, *, signed: bool = False, short: bool = False) -> str:
    """Write a difference of shares; `short` is for tables and axes.

    Examples
    --------
    >>> points(-0.012), points(0.08, short=True), points(0.01)
    ('−1.2 percentage points', '8.0 pp', '1.0 percentage points')
    """
    return number(difference * 100, _share_decimals(difference), signed=signed) + (" pp" if short else " percentage points")


def _share_decimals(share: float) -> int:
    shown = abs(share) * 100
    return max(1, _significant_decimals(shown, 2)) if 0 < shown < 1 else 1


def joined(names: Sequence[str]) -> str:
    """Join names for a sentence.

    Examples
    --------
    >>> joined(["a"]), joined(["a", "b", "c"]), joined([])
    ('a', 'a, b and c', '')
    """
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else "".join(names)


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
    day = f"{when.day} {_MONTHS[when.month - 1]} {when.year}"
    if len(text.strip()) <= 10:
        return day
    zone = "" if when.tzinfo is None else f" {when.tzname() or ''}".rstrip()
    return f"{day}, {when:%H:%M}{zone}"


def suffix(unit: str | None) -> str:
    """Return what stands after a number of this unit, its space included.

    Examples
    --------
    >>> suffix("rate"), suffix("points"), suffix("ms"), suffix("ratio")
    ('%', ' pp', ' ms', '')
    """
    if unit in _SHARES:
        return _SHARES[unit]
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
    '19.9%'
    >>> measure(0.061, 0.028, 0.094, "points", signed=True)
    '+6.1 pp'
    >>> measure(None, reason="no case is positive")
    'undefined: no case is positive'
    """
    if value is None:
        return f"undefined: {reason}" if reason else "undefined"
    scale = 100 if unit in _SHARES else 1
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
    """Write both ends of an interval, the unit once.

    `bare` leaves out a unit that is a word and stands beside the interval.

    Examples
    --------
    >>> interval(0.113, 0.207, "rate")
    '11.3 to 20.7%'
    >>> interval(3, 3), interval(None, None)
    ('computed, no sampling error', '–')
    """
    if low is None or high is None:
        return "–"
    if low == high:
        return "computed, no sampling error"
    places = decimals(value, low, high, unit)
    scale = 100 if unit in _SHARES else 1
    ends = [number(end * scale, places, signed=signed) for end in (low, high)]
    return f"{ends[0]} to {ends[1]}" + ("" if bare and unit != "rate" else suffix(unit))


def confidence_interval(
    low: float | None,
    high: float | None,
    unit: str | None = None,
    *,
    level: float | None = 0.95,
    value: float | None = None,
    simultaneous: bool = False,
) -> str:
    """Write an interval with its level, as evidence lines and tables have it.

    Parameters
    ----------
    low, high : float or None
    unit : str, optional
        As `raikit.Metric.unit`.
    level : float or None
        None: the level is not known and is left out.
    value : float, optional
        The value that stands beside it, for equal decimals.
    simultaneous : bool
        Whether the level holds for all intervals of the family together.

    Examples
    --------
    >>> confidence_interval(0.85, 0.891, "rate")
    '95% CI 85.0 to 89.1%'
    >>> confidence_interval(0.028, 0.094, "points", simultaneous=True)
    'simultaneous 95% CI 2.8 to 9.4 pp'
    """
    kind = f"{'simultaneous ' if simultaneous else ''}{confidence(level) + ' ' if level is not None else ''}CI"
    return f"{kind} {interval(low, high, unit, value=value)}"


class Estimate(Protocol):
    """What `metric_interval` reads of a `raikit.Metric`."""

    @property
    def value(self) -> float | None:
        """The estimate; None if undefined."""

    @property
    def low(self) -> float | None:
        """Lower end of its interval."""

    @property
    def high(self) -> float | None:
        """Upper end of its interval."""

    @property
    def level(self) -> float | None:
        """Level of the interval; None for the run's."""

    @property
    def unit(self) -> str | None:
        """As `raikit.Metric.unit`."""

    @property
    def simultaneous(self) -> bool:
        """Whether the level holds for a family of intervals."""


def metric_interval(metric: Estimate) -> str:
    """Write the interval of a metric, with its own unit, level and decimals.

    Examples
    --------
    >>> from raikit import Metric
    >>> metric_interval(Metric("recall", 0.87, low=0.85, high=0.891, level=0.95, n=900, method="Wilson", unit="rate"))
    '95% CI 85.0 to 89.1%'
    """
    return confidence_interval(
        metric.low, metric.high, metric.unit, level=metric.level, value=metric.value, simultaneous=metric.simultaneous
    )


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


def confidence(level: float) -> str:
    """Write a confidence level.

    Examples
    --------
    >>> confidence(0.95), confidence(0.999)
    ('95%', '99.9%')
    """
    return f"{level * 100:.4g}%"


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
        return number(value, _significant_decimals(value, 4)) if math.isfinite(value) else "–"
    return str(value)


def cell(value: object, kind: str) -> str:
    """Write a cell of a table by its column's ``format``: text, integer, number, percent or p."""
    if value is None or isinstance(value, str | bool) or not isinstance(value, int | float):
        return scalar(value)
    if kind == "p":
        return p_value(value)
    if kind == "percent":
        return percent(value)
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


def sample_size(n: int | None, clusters: int | None = None, cluster_names: Sequence[str] = ()) -> str:
    """Write how much data stands behind a value.

    Examples
    --------
    >>> sample_size(1000, 126), sample_size(1), sample_size(1200, 40, ["speaker"]), sample_size(None)
    ('1,000 cases, 126 clusters', '1 case', '1,200 cases, 40 clusters (speaker)', '')
    """
    parts = [(n, "case"), (clusters, "cluster")]
    written = ", ".join(f"{count(many)} {noun}{'' if many == 1 else 's'}" for many, noun in parts if many is not None)
    return f"{written} ({joined(cluster_names)})" if clusters is not None and cluster_names else written


def group_text(over: Sequence[str] | None, group: Mapping[str, object] | None) -> str:
    """Write the group of an address; a value that holds a separator is quoted.

    Examples
    --------
    >>> group_text(["sex", "race"], {"sex": "F", "race": None}), group_text(["sex", "race"], None)
    ('sex: F, race: missing', 'sex and race')
    """
    if group:
        return ", ".join(
            f"{column}: {'missing' if value is None else _quoted(as_stored(value))}" for column, value in group.items()
        )
    return " and ".join(over or ())


def _quoted(value: str) -> str:
    """Put a value that could be read as more than one, or as none, in quotation marks; a bin has brackets already."""
    return f"“{value}”" if not value.strip() or (re.search("[,;:=]", value) and not _BIN.fullmatch(value)) else value


def as_stored(value: object) -> str:
    """Write a group's value or a metric's argument as it stands in the data: 1900 is a name here, not a quantity.

    Examples
    --------
    >>> as_stored(1900), as_stored(True), as_stored(0.5)
    ('1900', 'true', '0.5')
    """
    return str(value).lower() if isinstance(value, bool) else str(value)
