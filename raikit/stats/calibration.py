"""Expected calibration error with limits that are free of its bias."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from raikit.stats._types import FloatArray, IntArray
from raikit.stats.covariance import rate_covariance


@dataclass(frozen=True)
class CalibrationError:
    """Mean absolute distance of a bin's mean score to how often it came true.

    Parameters
    ----------
    value : float, in [0, 1]
        Above 0 even for a calibrated model, because it adds up absolute deviations.
    spread : ndarray, shape (draws,)
        What a calibrated model would show on these bins, sorted.
    se : float
        Standard error of the sum with the signs that the bins have.
    df : int
        Clusters less one; a large number without clusters.
    n_clusters : int or None
    bins : int
    """

    value: float
    spread: FloatArray
    se: float
    df: int
    n_clusters: int | None
    bins: int

    def limits(self, tail: float) -> tuple[float, float]:
        """Limits that each err with probability `tail`.

        Notes
        -----
        With e the bins' errors, ``sum share |d + e| - sum share |d| <= sum share |e|``: the lower limit subtracts the
        upper quantile of the right side, so that it stays at 0 for a calibrated model. The true error is a sum with
        fixed signs, so the upper limit needs that sum's standard error only.
        """
        from scipy.special import stdtrit

        at = min(len(self.spread) - 1, int(np.ceil((1 - tail) * len(self.spread))))
        low = max(0.0, self.value - float(self.spread[at]))
        return low, min(1.0, self.value - float(stdtrit(self.df, tail)) * self.se)


def equal_bins(score: FloatArray, bins: int) -> IntArray:
    """Number `bins` bins of equally many rows (fewer where scores are tied), by score."""
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
    draws: int = 20_000,
) -> CalibrationError:
    """Estimate the expected calibration error over given bins.

    Parameters
    ----------
    hit : array_like of bool, shape (n,)
        Whether what was scored came true.
    score : array_like, shape (n,)
    bin : array_like of int, shape (n,)
        From 0, each with weight; rows with a negative one are left out.
    weight : array_like, shape (n,), optional
    clusters : sequence of array_like of int
        None, one or two columns.
    rng : numpy.random.Generator
    draws : int
    """
    place = np.asarray(bin)
    inside = place >= 0
    came, p, place = np.asarray(hit, dtype=float)[inside], np.asarray(score, dtype=float)[inside], place[inside]
    w = None if weight is None else np.asarray(weight, dtype=float)[inside]
    columns = [np.asarray(c)[inside] for c in clusters]
    k, ones = int(place.max()) + 1, np.ones(len(place))
    error = rate_covariance(came - p, ones, place, columns, w, k, scale="real")
    rates = rate_covariance(came, ones, place, columns, w, k, scale="proportion")
    smooth = (rates.rates * rates.n_effective + 1) / (rates.n_effective + 2)
    floor = smooth * (1 - smooth) / (rates.n_effective + 2)  # a bin that is all hits has an error too
    M = error.M + np.diag(np.maximum(floor - np.diag(error.M), 0))
    share = error.sizes / error.sizes.sum()
    df = error.df if columns else 1_000_000
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
    )
