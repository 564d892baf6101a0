"""What an error may say of a table's columns: their names, unless the first row is a case and no header."""

from __future__ import annotations

import re
from collections.abc import Sequence

from raikit.errors import listed, nearest

_VALUE = re.compile(
    r"\s*[-+(]?[$€£]?[\d.,\s]*\d[\d.,\s/:+-]*[%)]?\s*"  # a number, an amount, a telephone number
    r"|\s*\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([ T].*)?"  # a date
    r"|[^@\s]+@[^@\s]+\.[^@\s]+"
)
_INTEGER = re.compile(r"\d{1,6}")
_YEARS = range(1800, 2200)
_LONGEST = 100  # characters of a name


def columns_there(names: Sequence[str], missing: str = "", limit: int = 30) -> str:
    """Return a sentence that lists the columns of a table, after a guess at the one that is `missing`.

    Of a table without a header the names are a case of its data; then the sentence says so and quotes none.

    Examples
    --------
    >>> columns_there(["age", "sex"], "sax")
    "Did you mean 'sex'? Columns there: age, sex."
    >>> columns_there(["34", "F", "Jane Doe"], "sex")
    '1 of its 3 columns is named like a value; the first row must be the header, so add one.'
    """
    if values := count_values(names):
        be = "is named like a value" if values == 1 else "are named like values"
        return f"{values:,} of its {len(names):,} columns {be}; the first row must be the header, so add one."
    hint = nearest(missing, names).strip() if missing else ""
    return f"{hint} Columns there: {listed(names, limit)}.".strip()


def count_values(names: Sequence[str]) -> int:
    """Return how many names of columns are values.

    Those are numbers, dates, addresses of e-mail and long texts. Names that only count (0, 1, 2 …) or are years are none: pandas
    writes the first, and pivot tables the second.
    """
    values = [name for name in names if _VALUE.fullmatch(name) or len(name) > _LONGEST]
    numbers = sorted({int(name) for name in values if _INTEGER.fullmatch(name)})
    counts = len(numbers) == len(values) and numbers == list(range(numbers[0], numbers[0] + len(numbers))) if numbers else False
    years = bool(numbers) and len(numbers) == len(values) and all(number in _YEARS for number in numbers)
    if (counts and (len(numbers) > 1 or numbers[0] == 0) and numbers[0] in (0, 1)) or (years and len(numbers) > 1):
        return 0
    return len(values)
