"""Merging of entries that are alike, so that what follows costs as much as there are different ones."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from raikit.stats._types import AnyArray, FloatArray, IntArray

_FEWEST = 1 << 12  # merging fewer entries saves nothing


def merge_outcomes(
    num: FloatArray, den: FloatArray, group: IntArray, clusters: Sequence[IntArray], sums: Sequence[FloatArray]
) -> tuple[FloatArray, FloatArray, IntArray, list[IntArray], list[FloatArray]]:
    """Merge entries of the same numerator, denominator, group and clusters, where these have few combinations.

    Parameters
    ----------
    num, den : ndarray, shape (n,)
        Entries are merged if they are all 0 or 1.
    group : ndarray of int, shape (n,)
        From 0.
    clusters : sequence of ndarray of int, each shape (n,)
        From 0; -1 for entries that share none.
    sums : sequence of ndarray, each shape (n,)
        Weights, squared weights and numbers of cases, which add up.

    Returns
    -------
    num, den, group, clusters, sums
        As they were, or of the merged entries.
    """
    columns = [group, *(codes + 1 for codes in clusters)]
    size = 4 * math.prod(int(codes.max(initial=0)) + 1 for codes in columns)
    if len(num) < _FEWEST or 2 * size > len(num) or not (_binary(num) and _binary(den)):
        return num, den, group, list(clusters), list(sums)
    shape = (*(int(codes.max(initial=0)) + 1 for codes in columns), 2, 2)
    code = np.zeros(len(num), dtype=np.int64)
    for part, length in zip((*columns, num, den), shape, strict=True):
        code *= length
        code += part.astype(np.int64, copy=False)
    totals = [np.bincount(code, part, minlength=size).astype(float, copy=False) for part in sums]
    occurs = np.flatnonzero(np.bincount(code, minlength=size))
    group, *units, outcome, inside = np.unravel_index(occurs, shape)
    return (
        outcome.astype(float), inside.astype(float), group, [codes - 1 for codes in units],
        [part[occurs] for part in totals],
    )  # fmt: skip


def number_values(values: AnyArray) -> IntArray:
    """Assign numbers to the values that occur, from 0, in ascending order."""
    if values.dtype.kind in "iu" and len(values) and values.min() >= 0 and (size := int(values.max()) + 1) <= 4 * len(values):
        occurs = np.zeros(size, dtype=bool)
        occurs[values] = True
        if occurs.all():
            return values.astype(np.int64, copy=False)
        return np.asarray((np.cumsum(occurs) - 1)[values])
    return np.unique(values, return_inverse=True)[1].reshape(-1)


def _binary(values: FloatArray) -> bool:
    return bool(((values == 0) | (values == 1)).all())
