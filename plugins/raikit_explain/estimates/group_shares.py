"""Whether decisions about different groups rest on different things: differences of mean shares, tested together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from raikit import stats
from raikit.arrays import FloatArray, IntArray
from raikit_explain.estimates.sampling import Sample

LEAST_CASES = 8  # of a group and of the rest; the variance of fewer is not known


@dataclass(frozen=True)
class ShareDifference:
    """The mean share of something in the decisions about a group, beside that of the other groups.

    Attributes
    ----------
    column : str
    group : object
        Value of the column.
    thing : str
        Whose share it is.
    share, rest : float
    low, high : float
        Of the difference ``share - rest``, by itself.
    n : int
        Cases of the group.
    p : float
        Adjusted by Holm over all differences.
    """

    column: str
    group: Any
    thing: str
    share: float
    rest: float
    low: float
    high: float
    n: int
    p: float


def share_differences(
    sample: Sample, columns: Sequence[str], things: Sequence[str], shares: FloatArray, level: float
) -> list[ShareDifference]:
    """Compare each group with the other groups of its column.

    Parameters
    ----------
    sample : Sample
        Its frame has the columns.
    columns : sequence of str
        Sensitive ones. Of a column with two groups the first is compared with the second. Cases without a value take no part:
        often they lack an input too, which would make a difference of its own.
    things : sequence of str
    shares : ndarray, shape (n, things)
        NaN in cases that do not count.
    level : float
        Of the intervals.

    Returns
    -------
    list of ShareDifference
        The smallest p-values first. Groups with fewer than 8 cases, or too few clusters, are left out, as are those whose rest is
        so.
    """
    found = [difference for column in columns for group, code in _codes(sample.frame[column])
             for place, thing in enumerate(things)
             if (difference := _difference(sample, column, group, code, thing, shares[:, place], level)) is not None]
    adjusted = stats.holm([difference.p for difference in found])
    result = [ShareDifference(**(vars(difference) | {"p": float(p)})) for difference, p in zip(found, adjusted, strict=True)]
    return sorted(result, key=lambda difference: difference.p)


def _codes(values: pd.Series[Any]) -> list[tuple[Any, IntArray]]:
    """Return each group with the codes of all cases: 0 in the group, 1 in another, -1 without a value."""
    groups = sorted(values.dropna().unique(), key=str)
    missing = values.isna().to_numpy(dtype=bool)
    codes = [(group, np.where(missing, -1, np.where((values == group).fillna(False).to_numpy(dtype=bool), 0, 1)))
             for group in groups]
    return codes if len(codes) != 2 else codes[:1]


def _difference(
    sample: Sample, column: str, group: Any, codes: IntArray, thing: str, values: FloatArray, level: float
) -> ShareDifference | None:
    known = np.isfinite(values) & (codes >= 0)
    code = codes[known]
    if min((code == 0).sum(), (code == 1).sum()) < LEAST_CASES or not np.ptp(values[known]):
        return None
    weight = None if sample.weight is None else sample.weight[known]
    covariance = stats.rate_covariance(
        values[known], np.ones(int(known.sum())), code, [cluster[known] for cluster in sample.clusters], weight, groups=2,
        proportion=False)
    if covariance.few_clusters.any() or not np.isfinite(covariance.rates).all() or not (np.diag(covariance.M) > 0).all():
        return None
    found = stats.clustered_difference(covariance, level)
    return ShareDifference(column, group, thing, float(covariance.rates[0]), float(covariance.rates[1]), float(found.low[0]),
                           float(found.high[0]), int((code == 0).sum()), float(found.p_value[0]))
