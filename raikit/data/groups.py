"""Sensitive features as text, the way an address names a group: one spelling for each value, numbers in bins."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from raikit.address import text
from raikit.config.schema import SensitiveConfig
from raikit.config.types import Error, Key
from raikit.data.cells import as_label, refuse_lone_surrogates
from raikit.errors import DataError
from raikit.limits import check_labels

_EXACT = 2**53  # from here on floats make one number of several whole ones
MAX_UNBINNED = 20  # up to this many different numbers are groups as they are


def read_groups(
    values: pd.Series[Any],
    feature: SensitiveConfig,
    max_groups: int,
    error: Error,
    key: Key = ("data", "sensitive"),
) -> pd.Series[Any]:
    """Return the group of each case as text; null is the missing group.

    Parameters
    ----------
    values : Series, shape (n,)
    feature : SensitiveConfig
        Says how numbers are binned.
    max_groups : int
        ``data.max_groups``.
    error : callable
        Makes the error that names a key.
    key : tuple
        Where audit.yaml names the feature.

    Raises
    ------
    ConfigError
        If there are more than 20 different numbers without bins (bins are proposed), bins for text, or too many groups.
    """
    column = feature.column
    numeric = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
    if feature.bins or feature.quantiles:
        if not numeric:
            kind = "true and false" if pd.api.types.is_bool_dtype(values) else "text"
            raise error(key, f"{column!r} holds {kind}, and only numbers can be put in bins.")
        edges = feature.bins or bin_edges(values, feature.quantiles or 2)
        return bin_numbers(values, edges).rename(column)
    if numeric and (many := values.nunique()) > MAX_UNBINNED:
        proposal = ", ".join(text(edge) for edge in bin_edges(values, 4))
        raise error(
            key,
            f"{column!r} has {many:,} different numbers; put them in bins, for example "
            f"{{column: {column}, bins: [{proposal}]}}.",
        )
    groups = as_text(values, column)
    if (many := groups.nunique(dropna=False)) > max_groups:
        raise error(
            key,
            f"{column!r} has {many:,} groups, more than data.max_groups ({max_groups}); merge rare groups, "
            "remove the feature, or raise data.max_groups.",
        )
    check_labels(f"the sensitive column {column!r}", groups.dropna().unique())
    return groups


def bin_numbers(values: pd.Series[Any], edges: Sequence[float]) -> pd.Series[Any]:
    """Return the bin of each number; bins are closed on the left, and the outer ones are open-ended.

    Parameters
    ----------
    values : Series of numbers, shape (n,)
    edges : sequence of float
        Inner edges, rising: k of them give k + 1 bins.

    Examples
    --------
    >>> bin_numbers(pd.Series([24.9, 25, 40, None]), [25, 40]).tolist()
    ['[-inf, 25)', '[25, 40)', '[40, inf)', nan]
    """
    names = [text(edge) for edge in edges]
    # The outer bins are written like the inner ones, so that a list of groups reads and sorts as one scale.
    labels = [
        f"[-inf, {names[0]})",
        *(f"[{low}, {high})" for low, high in pairwise(names)),
        f"[{names[-1]}, inf)",
        None,
    ]
    numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
    codes = np.searchsorted(np.asarray(edges, dtype=np.float64), numbers, side="right")
    codes[np.isnan(numbers)] = -1
    return _labels_at(labels, codes, values)


def bin_edges(values: pd.Series[Any], bins: int) -> list[float]:
    """Compute inner edges that divide numbers into about equally large bins, rounded as far as possible.

    The edges differ from each other, and no outer bin is empty unless all numbers are the same.
    """
    numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
    numbers = numbers[np.isfinite(numbers)]
    if not numbers.size:
        return [0.0]
    low, high = float(numbers.min()), float(numbers.max())
    if low == high:
        return [low]
    exact = sorted({edge for edge in np.quantile(numbers, np.arange(1, bins) / bins).tolist() if edge > low})
    exact = exact or [float(numbers[numbers > low].min())]  # nearly all numbers are the lowest one
    for digits in range(2, 17):
        rounded = [float(f"{edge:.{digits}g}") for edge in exact]
        if len(set(rounded)) == len(exact) and low < rounded[0] and rounded[-1] <= high:
            return rounded
    return exact


def as_text(values: pd.Series[Any], column: str) -> pd.Series[Any]:
    """Write values as an address does: 3.0 is ``3``, True is ``true``, dates are ISO; missing values stay null.

    Raises
    ------
    DataError
        If the column holds bytes, lists or mappings, or floats so large that several codes may have become one.
    """
    if isinstance(values.dtype, pd.StringDtype):
        return values
    if pd.api.types.is_integer_dtype(values):
        return values.astype("str")
    codes, distinct = _factorize(values, column)
    _refuse_merged(distinct, column)
    only_days = all(isinstance(value, datetime) and value.time() == datetime.min.time() for value in distinct)
    # Midnights of two time zones are different moments of one day.
    only_days = only_days and len({value.date() for value in distinct}) == len(distinct)
    return _labels_at([*(_written(value, only_days) for value in distinct), None], codes, values.rename(column))


def _refuse_merged(distinct: Sequence[Any], column: str) -> None:
    """Raise if some of the values are floats that stand for several whole numbers, such as codes of 18 digits beside decimals."""
    floats = [float(value) for value in distinct if isinstance(value, float | np.floating)]
    if any(_EXACT <= abs(value) < np.inf for value in floats):
        raise DataError(
            f"column {column!r} holds numbers of 16 or more digits that are kept as floats, so that different ones became "
            f"one; write them as text (in CSV, data.as_text: [{column}] is enough)."
        )


def refuse_nested(values: pd.Series[Any], column: str) -> None:
    """Raise DataError if a column holds bytes, lists or mappings, which are neither labels nor numbers."""
    if pd.api.types.is_object_dtype(values):
        _factorize(values, column)


def _factorize(values: pd.Series[Any], column: str) -> tuple[np.ndarray, list[Any]]:
    try:
        codes, uniques = pd.factorize(values)
    except TypeError:
        raise DataError(f"column {column!r} holds lists or mappings; use numbers, text, booleans or dates.") from None
    short = getattr(uniques.dtype, "kind", "") == "f" and uniques.dtype != np.float64
    distinct = list(uniques.to_numpy() if short else uniques)  # an index gives short floats as long ones: 0.1 as 0.10000000149
    if any(isinstance(value, bytes) for value in distinct):
        raise DataError(f"column {column!r} holds bytes; use numbers, text, booleans or dates.")
    if any(isinstance(value, pd.DateOffset) for value in distinct):  # Arrow's intervals, in which nanoseconds may be lost
        raise DataError(f"column {column!r} holds durations; write them as numbers or text.")
    return np.asarray(codes), distinct


def _written(value: Any, only_days: bool) -> str:
    if only_days:
        return str(value.date().isoformat())
    if isinstance(value, date):  # a datetime is a date too
        return value.isoformat()
    return text(as_label(value))


def _labels_at(labels: list[str | None], codes: np.ndarray, like: pd.Series[Any]) -> pd.Series[Any]:
    """Return the label of each code, the last one for -1, in the type that Parquet gives back."""
    with refuse_lone_surrogates(str(like.name)):
        return pd.Series(pd.array(np.array(labels, dtype=object)[codes], dtype="str"), index=like.index, name=like.name)
