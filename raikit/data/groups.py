"""Sensitive features as text, the way an address names a group: one spelling for each value, numbers in bins."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from raikit.address import text
from raikit.config.schema import SensitiveConfig
from raikit.data.tables import as_label
from raikit.errors import DataError, RaikitError

# Up to this many different numbers are groups as they are.
MOST_UNBINNED = 20

Key = Sequence[str | int]
Error = Callable[[Key, str], RaikitError]


def group_of(
    values: pd.Series[Any], feature: SensitiveConfig, most: int, error: Error, key: Key = ("data", "sensitive")
) -> pd.Series[Any]:
    """One sensitive column as text, null where it is missing (which is a group of its own).

    Parameters
    ----------
    most : int
        ``data.max_groups``.
    key : sequence
        Where audit.yaml names the feature.

    Raises
    ------
    ConfigError
        Numbers with more than 20 values and no bins (with a proposal), bins for text, or too many groups.
    """
    column = feature.column
    numeric = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
    if feature.bins or feature.quantiles:
        if not numeric:
            kind = "true and false" if pd.api.types.is_bool_dtype(values) else "text"
            raise error(key, f"{column!r} holds {kind}, and only numbers can be put in bins.")
        edges = feature.bins or edges_of(values, feature.quantiles or 2)
        return binned(values, edges).rename(column)
    if numeric and (many := values.nunique()) > MOST_UNBINNED:
        proposal = ", ".join(text(edge) for edge in edges_of(values, 4))
        raise error(
            key,
            f"{column!r} has {many:,} different numbers; put them in bins, for example "
            f"{{column: {column}, bins: [{proposal}]}}.",
        )
    groups = as_text(values, column)
    if (many := groups.nunique(dropna=False)) > most:
        raise error(
            key,
            f"{column!r} has {many:,} groups, more than data.max_groups ({most}); merge rare ones, "
            "leave it out, or raise data.max_groups.",
        )
    return groups


def binned(values: pd.Series[Any], edges: Sequence[float]) -> pd.Series[Any]:
    """Numbers as the bins that they are in, closed on the left; the outer bins are open-ended.

    Parameters
    ----------
    values : Series of numbers
    edges : sequence of float
        Inner edges, rising: k of them give k + 1 bins.

    Examples
    --------
    >>> binned(pd.Series([24.9, 25, 40, None]), [25, 40]).tolist()
    ['[-inf, 25)', '[25, 40)', '[40, inf)', nan]
    """
    names = [text(edge) for edge in edges]
    # the outer bins are written like the inner ones, so that a list of groups reads and sorts as one scale
    labels = [
        f"[-inf, {names[0]})",
        *(f"[{low}, {high})" for low, high in pairwise(names)),
        f"[{names[-1]}, inf)",
        None,
    ]
    numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
    codes = np.searchsorted(np.asarray(edges, dtype=np.float64), numbers, side="right")
    codes[np.isnan(numbers)] = -1
    return _taken(labels, codes, values)


def edges_of(values: pd.Series[Any], parts: int) -> list[float]:
    """Inner edges that part numbers into about equally many, each as round as it can be.

    They differ from each other, and the outer bins hold something unless all numbers are the same.
    """
    numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
    numbers = numbers[np.isfinite(numbers)]
    if not numbers.size:
        return [0.0]
    low, high = float(numbers.min()), float(numbers.max())
    if low == high:
        return [low]
    exact = sorted({edge for edge in np.quantile(numbers, np.arange(1, parts) / parts).tolist() if edge > low})
    exact = exact or [float(numbers[numbers > low].min())]  # most of them are the lowest
    for digits in range(2, 17):
        rounded = [float(f"{edge:.{digits}g}") for edge in exact]
        if len(set(rounded)) == len(exact) and low < rounded[0] and rounded[-1] <= high:
            return rounded
    return exact


def as_text(values: pd.Series[Any], column: str) -> pd.Series[Any]:
    """Values as an address writes them: 3.0 is ``3``, True is ``true``, dates are ISO; missing stays null.

    Raises
    ------
    DataError
        If the column holds bytes, lists or mappings.
    """
    if isinstance(values.dtype, pd.StringDtype):
        return values
    if pd.api.types.is_integer_dtype(values):
        return values.astype("str")
    codes, distinct = _coded(values, column)
    days = all(isinstance(value, datetime) and value.time() == datetime.min.time() for value in distinct)
    return _taken([*(_written(value, days) for value in distinct), None], codes, values).rename(column)


def _coded(values: pd.Series[Any], column: str) -> tuple[np.ndarray, list[Any]]:
    try:
        codes, distinct = pd.factorize(values)
    except TypeError:
        raise DataError(f"the column {column!r} holds lists or mappings; a role needs plain values.") from None
    found = list(distinct)
    if any(isinstance(value, bytes) for value in found):
        raise DataError(f"the column {column!r} holds bytes; a role needs plain values.")
    return np.asarray(codes), found


def _written(value: Any, days: bool) -> str:
    if days:
        return str(value.date().isoformat())
    if isinstance(value, date):  # a datetime is one too
        return value.isoformat()
    return text(as_label(value))


def _taken(labels: list[str | None], codes: np.ndarray, like: pd.Series[Any]) -> pd.Series[Any]:
    """The label of each code, the last for -1, in the type that Parquet gives back."""
    return pd.Series(pd.array(np.array(labels, dtype=object)[codes], dtype="str"), index=like.index, name=like.name)
