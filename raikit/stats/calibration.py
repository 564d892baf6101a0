"""Expected calibration error, with limits that account for its upward bias."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from raikit.stats._types import FloatArray, IntArray
from raikit.stats.constants import DRAWS
from raikit.stats.covariance import rate_covariance
from raikit.stats.quantiles import upper_quantile
from raikit.stats.rates import agresti_caffo_variance

_NO_CLUSTERS_DF = 1_000_000


@dataclass(frozen=True)
class CalibrationError:
    """Mean absolute difference between the mean score of a bin and its share of hits.

    Parameters
    ----------
    value : float, in [0, 1]
        Above 0 even for a calibrated model, because it adds up absolute deviations.
    spread : ndarray, shape (draws,)
        Errors that a calibrated model would show on these bins, sorted.
    se : float
        Standard error of the sum with the signs that the bins have.
    df : int
        Degrees of freedom: clusters minus one; a large number without clusters.
    n_clusters : int or None
        Fewest clusters of any bin.
    bins : int
    bin_errors : list of (float, float, float)
        Signed error, variance and weight of each bin, for `raikit.stats.calibration_change`.
    """

    value: float
    spread: FloatArray
    se: float
    df: float
    n_clusters: int | None
    bins: int
    bin_errors: list[tuple[float, float, float]]

    def limits(self, tail: float) -> tuple[float, float]:
        """Compute limits that each err with probability about `tail`.

        Parameters
        ----------
        tail : float, in (0, 1)

        Returns
        -------
        (low, high) : float, in [0, 1]

        Notes
        -----
        With e the bins' errors, ``sum share |d + e| - sum share |d| <= sum share |e|``. The lower limit subtracts the
        upper quantile of the right side, so that it stays at 0 for a calibrated model. The true error is a sum with
        fixed signs, so the upper limit needs only that sum's standard error.
        """
        at = min(len(self.spread) - 1, int(np.ceil((1 - tail) * len(self.spread))))
        low = max(0.0, self.value - float(self.spread[at]))
        return low, min(1.0, self.value + float(upper_quantile(tail, self.df)) * self.se)


def equal_bins(score: FloatArray, bins: int) -> IntArray:
    """Assign cases to bins of equal size by score.

    Parameters
    ----------
    score : ndarray, shape (n,)
    bins : int
        Number of bins; where scores are tied there may be fewer.

    Returns
    -------
    ndarray of int, shape (n,)
        Numbers of the bins, from 0.
    """
    edges = np.unique(np.quantile(score, np.arange(1, bins) / bins, method="inverted_cdf"))
    return np.unique(np.searchsorted(edges, score, side="left"), return_inverse=True)[1].reshape(-1)


def calibration_error(
    hit: ArrayLike,
    score: ArrayLike,
    bin: ArrayLike,
    weight: ArrayLike | None = None,
    clusters: Sequence[ArrayLike] = (),
    *,
    rng: np.random.Generator,
    draws: int = DRAWS,
) -> CalibrationError:
    """Estimate the expected calibration error over given bins.

    Parameters
    ----------
    hit : array_like of bool, shape (n,)
        Whether the predicted event occurred.
    score : array_like, shape (n,), in [0, 1]
    bin : array_like of int, shape (n,)
        Bin of each case, from 0. Every bin needs a case with a weight. Cases with a negative bin are left out.
    weight : array_like, shape (n,), optional
    clusters : sequence of array_like of int, each shape (n,)
        No column, one or two.
    rng : numpy.random.Generator
    draws : int

    Returns
    -------
    CalibrationError

    Raises
    ------
    ValueError
        If lengths differ, there are over two cluster columns, or a weight is negative.
    """
    place = np.asarray(bin)
    inside = place >= 0
    occurred, p, place = np.asarray(hit, dtype=float)[inside], np.asarray(score, dtype=float)[inside], place[inside]
    w = None if weight is None else np.asarray(weight, dtype=float)[inside]
    columns = [np.asarray(c)[inside] for c in clusters]
    k, ones = int(place.max()) + 1, np.ones(len(place))
    error = rate_covariance(occurred - p, ones, place, columns, w, k, scale="real")
    rates = rate_covariance(occurred, ones, place, columns, w, k, scale="proportion")
    # A bin in which every case is a hit has an error, too.
    floor = agresti_caffo_variance(rates.rates * rates.n_effective, rates.n_effective)
    M = error.M + np.diag(np.maximum(floor - np.diag(error.M), 0))
    share = error.sizes / error.sizes.sum()
    df = error.common_df if columns else _NO_CLUSTERS_DF
    values, vectors = np.linalg.eigh(M)
    noise = (vectors * np.sqrt(np.maximum(values, 0))) @ rng.standard_normal((k, draws))
    if columns:
        noise /= np.sqrt(rng.chisquare(df, draws) / df)
    variance = share @ np.abs(M) @ share if columns else share**2 @ np.diag(M)
    return CalibrationError(
        value=float(share @ np.abs(error.rates)),
        spread=np.sort(share @ np.abs(noise)),
        se=float(np.sqrt(variance)),
        df=df,
        n_clusters=int(error.n_clusters.min()) if columns else None,
        bins=k,
        bin_errors=list(zip(error.rates.tolist(), np.diag(M).tolist(), share.tolist(), strict=True)),
    )
