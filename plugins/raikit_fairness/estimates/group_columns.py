"""Columns of groups and clusters that people pass to `assess`, coded and named as in an audit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

import raikit
from raikit.address import text
from raikit.arrays import Groups, IntArray, cluster_codes, group_codes
from raikit.data.groups import MAX_UNBINNED, as_text, bin_edges
from raikit.data.spellings import lookalike_note


def coded_groups(values: pd.Series[Any], name: str) -> Groups:
    """Code the groups of a column, and write their names as an audit does: 2.0 is ``2``, True is ``true``.

    Raises
    ------
    DataError
        If the column holds lists, mappings or bytes, or more than 20 different numbers.
    """
    codes, distinct = _factorized(values, name)
    numeric = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
    if numeric and len(distinct) > MAX_UNBINNED:
        edges = ", ".join(text(edge) for edge in bin_edges(values, 4))
        raise raikit.DataError(
            f"{name!r} has {len(distinct):,} different numbers; put them in bins, for example "
            f"pd.cut(values, [-np.inf, {edges}, np.inf], right=False), or give them as text."
        )
    # Values that are written alike, such as 2 and 2.0 among objects, are one group.
    written = group_codes(as_text(pd.Series(distinct, dtype=None if len(distinct) else object), name))
    places = np.append(written.codes, len(written.names))
    return Groups(places[codes], written.names + [None] * bool((codes < 0).any()))


def coded_clusters(columns: Mapping[str, pd.Series[Any]], names: Sequence[str]) -> tuple[list[IntArray], list[str]]:
    """Code cluster columns; see `raikit.arrays.cluster_codes`.

    Raises
    ------
    DataError
        If a column holds lists or mappings.
    """
    for name in names:
        if pd.api.types.is_object_dtype(columns[name]):
            _factorized(columns[name], name)
    return cluster_codes(pd.DataFrame({name: columns[name] for name in names}), names)


def cluster_notes(columns: Mapping[str, pd.Series[Any]], names: Sequence[str]) -> tuple[str, ...]:
    """Say which clusters differ only in how they are written; only text is looked at."""
    notes = []
    for name in names:
        values = columns[name]
        if isinstance(values.dtype, pd.CategoricalDtype):
            values = values.cat.categories.to_series()
        if pd.api.types.is_object_dtype(values) or isinstance(values.dtype, pd.StringDtype):
            notes.append(lookalike_note(name, values.dropna().unique().tolist(), "cluster"))
    return tuple(note for note in notes if note is not None)


def _factorized(values: pd.Series[Any], name: str) -> tuple[IntArray, Any]:
    try:
        codes, distinct = pd.factorize(values)
    except TypeError:
        raise raikit.DataError(f"{name!r} holds lists or mappings; use numbers, text, booleans or dates.") from None
    return np.asarray(codes), distinct
