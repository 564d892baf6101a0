"""Write numbers, intervals and groups for people, so that a quantity reads the same in every sentence, table and format.

A value and its interval have the same number of decimals. Shares have one decimal, and two significant digits below 1%.
They have more only if the interval is so narrow that its ends would otherwise look equal. Other numbers show two
significant digits of the interval's width: more would claim a precision that the data do not have. A value that would be shown
as 0, or rounded up from less than one unit, has two significant digits of its own, unless its sign is open.
"""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Mapping, Sequence
from typing import Protocol

from raikit.naming import names_in_use, plural_of

MINUS = "\u2212"
_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_BIN = re.compile(r"\[\S+, \S+\)")
_SHARES = {"rate": "%", "points": " pp"}  # units that are shown times 100, with what follows the number
_MOST_DECIMALS = 6
_ROUNDING = 1e-9  # of a share, or of the width of the interval beside a number: less is written as 0
_NARROW = 0.2  # percentage points; with one decimal, the ends of a narrower interval would look equal
_ACRONYMS = {"roc": "ROC", "auc": "AUC", "tpr": "TPR", "fpr": "FPR", "f1": "F1", "r2": "R²"}
MOST_HEADLINE_WORDS = 12
_NUMBER_WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


def number(value: float, decimals: int, *, signed: bool = False) -> str:
    """Write `value` with `decimals` decimals and thousands separators; `signed` adds a plus sign to positive numbers.

    Examples
    --------
    >>> number(-1234.5, 1)
    '−1,234.5'
    >>> number(0.25, 1, signed=True)
    '+0.2'
    """
    magnitude = abs(value)
    if magnitude > 1e300:  # times 100 it would overflow
        text = "more than 10³⁰⁰"
    elif magnitude and (magnitude >= 1e15 or magnitude < 0.5 * 10**-6):
        mantissa, exponent = f"{magnitude:.1e}".split("e")
        text = f"{mantissa} × 10{str(int(exponent)).translate(_SUPERSCRIPT)}"
    else:
        text = f"{magnitude:,.{decimals}f}"
    if not any(digit in text for digit in "123456789"):
        return text  # zero has no sign, even if it is the result of rounding
    return (MINUS if value < 0 else "+" if signed else "") + text


def count(value: int | None) -> str:
    """Write a number of cases, clusters or parameters.

    Examples
    --------
    >>> count(12000), count(None)
    ('12,000', '–')
    """
    return "–" if value is None else number(value, 0)


def decimals(value: float | None, low: float | None, high: float | None, unit: str | None) -> int:
    """Return the number of decimals for a value and its interval, in the unit in which they are shown.

    Without an interval (`low` equal to `high`, or None) the value is exact and is shown with up to three significant
    digits.

    Examples
    --------
    >>> decimals(0.16, 0.113, 0.207, "points"), decimals(3.14159, None, None, "ms"), decimals(0.105, 0.02, 36.1, "nats")
    (1, 2, 1)
    """
    scale = 100 if unit in _SHARES else 1
    shown = abs(_without_rounding(value or 0.0, low, high, unit)) * scale
    width = (high - low) * scale if low is not None and high is not None else 0.0
    if width > 1e15 or shown > 1e15:
        return 0
    if width <= 0:
        return 0 if float(shown).is_integer() else _significant_decimals(shown, 3)
    by_width = 1 - math.floor(math.log10(width))
    if scale == 1:
        hidden = 0 < shown < 10.0 ** -max(by_width, 0) and low is not None and high is not None and low * high >= 0
        return min(max(_significant_decimals(shown, 2) if hidden else by_width, 0), _MOST_DECIMALS)
    by_value = _significant_decimals(shown, 2) if 0 < shown < 1 else 1
    return min(max(1, by_value, by_width if width < _NARROW else 1), _MOST_DECIMALS)


def _significant_decimals(value: float, digits: int) -> int:
    """Return the number of decimals that shows `digits` significant digits of `value`, without trailing zeros."""
    places = min(max(digits - 1 - math.floor(math.log10(abs(value))), 0), _MOST_DECIMALS) if value else 0
    while places and round(value, places) == round(value, places - 1):
        places -= 1
    return places


def significant(value: float, digits: int = 3, *, signed: bool = False) -> str:
    """Write a measurement with `digits` significant digits, and all digits before the decimal point.

    Examples
    --------
    >>> significant(0.123456), significant(-1083.2), significant(1000), significant(999.96, 4)
    ('0.123', '-1,083', '1,000', '1,000')
    """
    text = f"{value:,.0f}" if abs(value) >= 10 ** (digits - 1) else f"{float(f'{value:.{digits}g}'):,.15g}"
    return f"+{text}" if signed and value > 0 and text != "0" else text


def estimate(value: float, low: float, high: float, digits: int = 3, *, signed: bool = False) -> str:
    """Write a value and its interval as raw numbers, as limits in a policy are written: a share as 0.16, not 16%.

    Use `measure` and `interval` where the unit is shown.

    Examples
    --------
    >>> estimate(0.16, 0.1132, 0.2071), estimate(0.076, -0.004, 0.156, signed=True)
    ('0.16 [0.113, 0.207]', '+0.076 [-0.004, +0.156]')
    >>> estimate(0.5, 2e-148, 1)
    '0.5 [0, 1]'
    """
    written, first, last = (
        significant(_without_rounding(number, low, high), digits, signed=signed) for number in (value, low, high)
    )
    return f"{written} [{first}, {last}]"


def _without_rounding(value: float, low: float | None, high: float | None, unit: str | None = None) -> float:
    """Return 0 for a number that is nothing beside its interval or, without one, is no share of any number of cases."""
    width = high - low if low is not None and high is not None else 0.0
    return 0.0 if abs(value) < _ROUNDING * (width or (unit in _SHARES)) else value


def as_given(value: float) -> str:
    """Write a limit or a setting as a person would write it.

    Examples
    --------
    >>> as_given(0.1), as_given(1000.0), as_given(1234567.5)
    ('0.1', '1,000', '1,234,567.5')
    """
    return f"{value:,.15g}"


def percent(share: float, *, signed: bool = False) -> str:
    """Write a share between 0 and 1 that has no interval: one decimal, two significant digits below 1%.

    Examples
    --------
    >>> percent(0.1651), percent(0.57), percent(0.0), percent(0.00042)
    ('16.5%', '57.0%', '0.0%', '0.042%')
    """
    share = _without_rounding(share, None, None, "rate")
    return number(share * 100, _share_decimals(share), signed=signed) + "%"


def points(difference: float, *, signed: bool = False, short: bool = False) -> str:
    """Write a difference of shares that has no interval; `short` is for tables, axes and annotations.

    Examples
    --------
    >>> points(-0.012), points(0.08, short=True), points(0.01)
    ('−1.2 percentage points', '8.0 pp', '1.0 percentage points')
    >>> points(2e-150, short=True)
    '0.0 pp'
    """
    difference = _without_rounding(difference, None, None, "points")
    return number(difference * 100, _share_decimals(difference), signed=signed) + suffix("points", short=short)


def _share_decimals(share: float) -> int:
    shown = abs(share) * 100
    return max(1, _significant_decimals(shown, 2)) if 0 < shown < 1 else 1


def in_words(number: int) -> str:
    """Write a number up to twelve as a word.

    Examples
    --------
    >>> in_words(0), in_words(12), in_words(1300)
    ('no', 'twelve', '1,300')
    """
    return _NUMBER_WORDS[number] if number < len(_NUMBER_WORDS) else count(number)


def counted(number: int, noun: str, plural: str | None = None, *, words: bool = False) -> str:
    """Write a number of things, with the noun in the singular or plural; `words` writes small numbers as words.

    Examples
    --------
    >>> counted(1, "case"), counted(1200, "case"), counted(2, "entry", "entries"), counted(2, "rule", words=True)
    ('1 case', '1,200 cases', '2 entries', 'two rules')
    """
    written = in_words(number) if words else count(number)
    return f"{written} {noun if number == 1 else plural or plural_of(noun)}"


def case_noun(number: int = 2) -> str:
    """Return what a case is called (``data.unit``): in the singular for one, else in the plural.

    Examples
    --------
    >>> case_noun(), case_noun(1)
    ('cases', 'case')
    """
    return names_in_use().unit[number != 1]


def cases(number: int, *, words: bool = False) -> str:
    """Write a number of cases, called what ``data.unit`` says.

    Examples
    --------
    >>> cases(1), cases(1200), cases(2, words=True)
    ('1 case', '1,200 cases', 'two cases')
    """
    return counted(number, *names_in_use().unit, words=words)


def capitalised(text: str) -> str:
    """Write a text with a capital letter, as at the beginning of a sentence; all other letters stay.

    Examples
    --------
    >>> capitalised("true positives in New York")
    'True positives in New York'
    """
    return text[:1].upper() + text[1:]


def headline(*candidates: str) -> str:
    """Return the first headline that is short enough; else the last, cut. The first names most, the last fits always.

    Examples
    --------
    >>> headline("Decisions rest most on " + "the very long name of an input, as its owner has it", "One input dominates")
    'One input dominates'
    """
    fitting = (text for text in candidates if text and len(text.split()) <= MOST_HEADLINE_WORDS)
    return next(fitting, " ".join(candidates[-1].split()[: MOST_HEADLINE_WORDS - 1]) + " …")


def joined(names: Sequence[str]) -> str:
    """Join names for a sentence.

    Examples
    --------
    >>> joined(["a"]), joined(["a", "b", "c"]), joined([])
    ('a', 'a, b and c', '')
    """
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else "".join(names)


def moment(text: str) -> str:
    """Write an ISO time for people; return any other text unchanged.

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


def suffix(unit: str | None, *, short: bool = True) -> str:
    """Return what follows a number of this unit, including the space; without `short`, "pp" is spelled out.

    Examples
    --------
    >>> suffix("rate"), suffix("points"), suffix("points", short=False), suffix("ms"), suffix("ratio")
    ('%', ' pp', ' percentage points', ' ms', '')
    """
    if unit == "points" and not short:
        return " percentage points"
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
    short: bool = True,
    reason: str | None = None,
) -> str:
    """Write a value in its unit, with the decimals that its interval justifies.

    Parameters
    ----------
    value, low, high : float, optional
        In the metric's own unit: a share is between 0 and 1.
    unit : str, optional
        As `raikit.Metric.unit`.
    signed : bool
        Whether a positive value gets a plus sign.
    short : bool
        Whether to write "pp", for tables and annotations, or "percentage points", for sentences.
    reason : str, optional
        Why there is no value.

    Examples
    --------
    >>> measure(0.199, 0.113, 0.207, "rate")
    '19.9%'
    >>> measure(0.061, 0.028, 0.094, "points", signed=True)
    '+6.1 pp'
    >>> measure(0.061, 0.028, 0.094, "points", short=False)
    '6.1 percentage points'
    >>> measure(None, reason="no case is positive")
    'undefined: no case is positive'
    """
    if value is None:
        return f"undefined: {reason}" if reason else "undefined"
    value, scale = _without_rounding(value, low, high, unit), 100 if unit in _SHARES else 1
    return number(value * scale, decimals(value, low, high, unit), signed=signed) + suffix(unit, short=short)


def interval(
    low: float | None,
    high: float | None,
    unit: str | None = None,
    *,
    value: float | None = None,
    signed: bool = False,
    bare: bool = False,
) -> str:
    """Write both ends of an interval, with the unit once.

    Parameters
    ----------
    low, high : float or None
    unit : str, optional
        As `raikit.Metric.unit`.
    value : float, optional
        The value beside it, for equal decimals.
    signed : bool
        Whether positive ends get a plus sign.
    bare : bool
        Whether to leave out a unit other than %, because it is written beside the interval.

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
    ends = [number(_without_rounding(end, low, high) * scale, places, signed=signed) for end in (low, high)]
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
    """Write an interval with its level, as in evidence lines and tables.

    Parameters
    ----------
    low, high : float or None
    unit : str, optional
        As `raikit.Metric.unit`.
    level : float or None
        None if the level is unknown; it is then left out.
    value : float, optional
        The value beside it, for equal decimals.
    simultaneous : bool
        Whether the level holds for all intervals of a family together.

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


class Measurement(Protocol):
    """What `metric_text` reads of a `raikit.Metric`."""

    @property
    def name(self) -> str:
        """Name without its prefix."""

    @property
    def args(self) -> Mapping[str, object]:
        """Arguments of its address."""

    @property
    def over(self) -> Sequence[str] | None:
        """Columns of its address."""

    @property
    def group(self) -> Mapping[str, object] | None:
        """Fixed values of these columns."""


def metric_words(name: str) -> str:
    """Write the name of a metric in words, with acronyms as they are usually written.

    Examples
    --------
    >>> metric_words("equalized_odds_difference"), metric_words("roc_auc")
    ('equalized odds difference', 'ROC AUC')
    """
    return " ".join(_ACRONYMS.get(word, word) for word in name.replace("_", " ").strip().split(" "))


def metric_text(metric: Measurement) -> str:
    """Write what a metric measures, for a sentence: its address in words.

    Examples
    --------
    >>> from raikit import Metric
    >>> metric_text(Metric.exact("selection_rate", 0.2, over=["sex"], group={"sex": "F"}))
    'selection rate of sex: F'
    >>> metric_text(Metric.exact("accuracy_difference", 0.1, over=["sex", "race"])), metric_text(Metric.exact("roc_auc", 0.9))
    ('accuracy difference over sex and race', 'ROC AUC')
    """
    arguments = ", ".join(f"{key} {as_stored(value)}" for key, value in metric.args.items())
    place = group_text(metric.over, metric.group)
    return (
        metric_words(metric.name)
        + (f" ({arguments})" if arguments else "")
        + (f" {'of' if metric.group else 'over'} {place}" if place else "")
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
    >>> confidence(0.95), confidence(0.999), confidence(0.999999)
    ('95%', '99.9%', '99.9999%')
    """
    written = (f"{level * 100:.{digits}g}%" for digits in range(4, 18))
    return next((one for one in written if one != "100%"), "100%")  # no interval covers everything


def scalar(value: object) -> str:
    """Write a value of unknown kind.

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
    """Write a cell of a table by the `raikit.Column.format` of its column: text, integer, number, percent or p.

    Examples
    --------
    >>> cell(0.25, "percent"), cell(12000, "integer"), cell(0.00002, "p"), cell(None, "number")
    ('25.0%', '12,000', '< 0.001', '–')
    """
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


def sample_size(
    n: int | None, clusters: int | None = None, cluster_names: Sequence[str] = (), counts: str = ""
) -> str:
    """Write the number of cases and clusters behind a value; `counts` is what one is called if it is no case.

    Examples
    --------
    >>> sample_size(1000, 126), sample_size(1), sample_size(1200, 40, ["speaker"]), sample_size(None)
    ('1,000 cases, 126 clusters', '1 case', '1,200 cases, 40 clusters (speaker)', '')
    >>> sample_size(2, 1, counts="entity")
    '2 entities, 1 cluster'
    """
    number = "" if n is None else counted(n, counts, plural_of(counts)) if counts else cases(n)
    parts = [number, "" if clusters is None else counted(clusters, "cluster")]
    written = ", ".join(part for part in parts if part)
    names = joined([column_text(name) for name in cluster_names])
    return f"{written} ({names})" if clusters is not None and names else written


def group_text(over: Sequence[str] | None, group: Mapping[str, object] | None) -> str:
    """Write the group of an address, or its columns, for people; quote a value that contains a separator.

    The words are those of ``data.labels``. What another run is compared by, such as `raikit.Ingredient.group`, is written by
    `stored_group` instead.

    Examples
    --------
    >>> group_text(["sex", "race"], {"sex": "F", "race": None}), group_text(["sex", "race"], None)
    ('sex: F, race: missing', 'sex and race')
    """
    if group:
        return ", ".join(f"{column_text(column)}: {_quoted_value(column, value)}" for column, value in group.items())
    return columns_text(over or ())


def group_name(group: Mapping[str, object]) -> str:
    """Write a group by the words that ``data.labels`` has for it (Black women aged under 25), else as `group_text` does.

    Examples
    --------
    >>> group_name({"sex": "F"})
    'sex: F'
    """
    names = names_in_use()
    if len(group) == 1 and (own := names.own_name(*next(iter(group.items())))):
        return own
    return names.phrase(group, _plain) or group_text(None, group)


def group_cases(group: Mapping[str, object]) -> str:
    """Write the cases of a group as the subject of a sentence, by the words that ``data.labels`` has for it.

    Examples
    --------
    >>> group_cases({"sex": "F"})
    'cases with sex: F'
    """
    return names_in_use().phrase(group, _plain) or f"{case_noun()} with {group_text(None, group)}"


def group_label(group: Mapping[str, object]) -> str:
    """Write a group in few words, for axes and cells: ``Black, aged under 25``; a column without words with its name.

    Examples
    --------
    >>> group_label({"sex": "F", "race": None})
    'sex: F, race: missing'
    """
    names = names_in_use()
    return ", ".join(dict.fromkeys(names.short(column, value) or _plain(column, value) for column, value in group.items()))


def _plain(column: str, value: object) -> str:
    return group_text(None, {column: value})


def stored_group(group: Mapping[str, object]) -> str:
    """Write a group in the codes of the data, as a record keeps it: for `raikit.Metric.pair`, `excluded` and ingredients.

    Examples
    --------
    >>> stored_group({"sex": "F", "race": None})
    'sex: F, race: missing'
    """
    return ", ".join(
        f"{column}: {'missing' if value is None else _quoted(as_stored(value))}" for column, value in group.items()
    )


def column_text(column: str) -> str:
    """Write a column for people, by the name that ``data.labels`` gives it.

    Examples
    --------
    >>> column_text("sex")
    'sex'
    """
    return names_in_use().column(column)


def columns_text(columns: Sequence[str]) -> str:
    """Write the columns of an intersection for people.

    Examples
    --------
    >>> columns_text(["sex", "race"])
    'sex and race'
    """
    return " and ".join(column_text(column) for column in columns)


def value_text(column: str, value: object) -> str:
    """Write a value of a column for people, by its label; None is the missing group.

    Examples
    --------
    >>> value_text("sex", "F"), value_text("sex", None), value_text("smokes", True)
    ('F', 'missing', 'true')
    """
    return names_in_use().value(column, value)


def class_text(label: object) -> str:
    """Write a class for people, by its label.

    Examples
    --------
    >>> class_text("approved"), class_text(1), class_text(True)
    ('approved', '1', 'True')
    """
    return names_in_use().of_class(label)


def _quoted_value(column: str, value: object) -> str:
    return value_text(column, value) if value is None else _quoted(value_text(column, value))


def _quoted(value: str) -> str:
    """Quote a value that is empty or could be read as more than one; a bin has brackets already."""
    return f"“{value}”" if not value.strip() or (re.search("[,;:=]", value) and not _BIN.fullmatch(value)) else value


def as_stored(value: object) -> str:
    """Write a group's value or a metric's argument as it is in the data: 1900 is a name here, not a quantity.

    Examples
    --------
    >>> as_stored(1900), as_stored(True), as_stored(0.5)
    ('1900', 'true', '0.5')
    """
    return str(value).lower() if isinstance(value, bool) else str(value)
