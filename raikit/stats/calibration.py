"""Expected calibration error, with limits that account for its upward bias."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from raikit.stats._types import FloatArray, IntArray
from raikit.stats.absolute_sums import AbsoluteSums
from raikit.stats.constants import DRAWS
from raikit.stats.covariance import cluster_codes, influence_covariance, rate_covariance, summed_rate_covariance
from raikit.stats.covariance_result import MIN_EFFECTIVE_CLUSTERS, CovarianceResult
from raikit.stats.dominance import dominated
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
        Standard error of the sum with fixed signs: those that the bins have, or with clusters the worst ones.
    df : float
        Degrees of freedom: effective clusters minus one; a large number without clusters.
    n_clusters : int or None
        Fewest clusters of any bin.
    bins : int
    errors : ndarray, shape (bins,)
        Share of hits minus mean score of each bin.
    variances, observed_variances : ndarray, shape (bins,)
        Of `errors`: at least Agresti and Caffo's, and as observed (too small where a bin has few hits or few misses).
    shares : ndarray, shape (bins,)
        Part of all cases (of the weight) in each bin.
    effective_clusters : float or None
        Effective number of clusters of all bins together.
    dominated : bool
        Whether one to three clusters are in a class of their own (`raikit.stats.dominance`).
    """

    value: float
    spread: FloatArray
    se: float
    df: float
    n_clusters: int | None
    bins: int
    errors: FloatArray
    variances: FloatArray
    observed_variances: FloatArray
    shares: FloatArray
    effective_clusters: float | None
    dominated: bool

    @property
    def few_clusters(self) -> bool:
        """Whether there are fewer than 4 effective clusters, or up to three that dominate: the error should decide nothing."""
        return self.dominated or (self.effective_clusters is not None and self.effective_clusters < MIN_EFFECTIVE_CLUSTERS)

    @property
    def sums(self) -> AbsoluteSums:
        """The error as a sum of absolute values, whose limits can be compared with those of other groups."""
        return AbsoluteSums.of(self.errors, self.variances, self.observed_variances, self.shares, self.se, self.df)

    @property
    def bin_errors(self) -> list[tuple[float, float, float]]:
        """Signed error, variance and weight of each bin, for `raikit.stats.calibration_change`."""
        return list(zip(self.errors.tolist(), self.variances.tolist(), self.shares.tolist(), strict=True))

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
        See `raikit.stats.absolute_sums`. Simulated in benchmarks/simulate_calibration.py: calibrated and miscalibrated
        models, 50 to 4,000 cases, tied scores, rare classes, weights, and clusters.
        """
        sums, critical = self.sums, upper_quantile(tail, self.df)
        low, high = float(sums.lower(critical, self.df)[0]), float(sums.upper(critical)[0])
        return low, min(1.0, max(high, self.value))


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
    each = ones if w is None else w
    few = _dominated([cluster_codes(c) for c in columns], each, each**2)
    return _summed_error(error, rates, few, rng, draws)


@dataclass(frozen=True)
class BinSums:
    """Sums over the cases of each bin, or of each cluster's cases in each bin.

    Parameters
    ----------
    bin : ndarray of int, shape (n,)
        From 0; every bin occurs.
    clusters : list of ndarray of int, each shape (n,)
        At most two columns; negative for cases that share no cluster.
    misses, hits : tuple of ndarray, each shape (n,)
        Number of cases without and with the event, sums of their weights and of the squared weights.
    errors : tuple of ndarray, each shape (n,)
        Sum of weight times error (event minus score), of squared weight times error, of squared weight times squared error.
    """

    bin: IntArray
    clusters: Sequence[IntArray]
    misses: tuple[FloatArray, FloatArray, FloatArray]
    hits: tuple[FloatArray, FloatArray, FloatArray]
    errors: tuple[FloatArray, FloatArray, FloatArray]


def summed_calibration_error(sums: BinSums, *, rng: np.random.Generator, draws: int = DRAWS) -> CalibrationError:
    """Estimate the expected calibration error as `calibration_error` does, from sums over cases."""
    k = int(sums.bin.max()) + 1
    n, w, w2 = (miss + hit for miss, hit in zip(sums.misses, sums.hits, strict=True))
    total = np.bincount(sums.bin, w, minlength=k).astype(float)
    mean = np.bincount(sums.bin, sums.errors[0], minlength=k) / total
    of_bin, scale = mean[sums.bin], total[sums.bin]
    error = influence_covariance(
        mean, (sums.errors[0] - of_bin * w) / scale, sums.bin, sums.clusters,
        total**2 / np.bincount(sums.bin, w2, minlength=k), total,
        squares=np.maximum(sums.errors[2] - 2 * of_bin * sums.errors[1] + of_bin**2 * w2, 0) / scale**2, counts=n,
        weight=w, weight_squares=w2,
    )  # fmt: skip
    rates = summed_rate_covariance(sums.misses, sums.hits, sums.bin, sums.clusters, k)
    return _summed_error(error, rates, _dominated(sums.clusters, w, w2), rng, draws)


def _dominated(clusters: Sequence[IntArray], w: FloatArray, w2: FloatArray) -> bool:
    """Return whether few clusters are in a class of their own; `w2` are the entries' sums of squared weights."""
    return any(_dominated_by(column, w, w2) for column in clusters)


def _dominated_by(cluster: IntArray, w: FloatArray, w2: FloatArray) -> bool:
    total, alone = float(w.sum()), cluster < 0
    share = np.bincount(cluster[~alone], w[~alone]) / total
    of_alone = float(w2[alone].sum()) / total**2
    other = of_alone * total / max(float(w[alone].sum()), 1e-300)
    concentration = np.array([share @ share + of_alone])
    return bool(dominated(np.zeros(len(share), dtype=np.int64), share, concentration, np.array([other]))[0])


def _summed_error(
    error: CovarianceResult, rates: CovarianceResult, dominated: bool, rng: np.random.Generator, draws: int
) -> CalibrationError:
    """Return the sum of the bins' absolute errors; `rates` are the bins' shares of hits."""
    clustered, k = error.ways > 0, len(error.rates)
    # A bin in which every case is a hit has an error, too.
    floor = agresti_caffo_variance(rates.rates * rates.n_effective, rates.n_effective)
    M = error.M + np.diag(np.maximum(floor - np.diag(error.M), 0))
    share = error.sizes / error.sizes.sum()
    effective = float(1 / (share @ error.concentration @ share)) if clustered else None
    df = _NO_CLUSTERS_DF if effective is None else max(effective - 1, 1.0)
    values, vectors = np.linalg.eigh(M)
    noise = (vectors * np.sqrt(np.maximum(values, 0))) @ rng.standard_normal((k, draws))
    if clustered:
        noise /= np.sqrt(rng.chisquare(df, draws) / df)
    variance = share @ np.abs(M) @ share if clustered else share**2 @ np.diag(M)
    return CalibrationError(
        value=float(share @ np.abs(error.rates)),
        spread=np.sort(share @ np.abs(noise)),
        se=float(np.sqrt(variance)),
        df=df,
        n_clusters=int(error.n_clusters.min()) if clustered else None,
        bins=k,
        errors=error.rates,
        variances=np.diag(M).copy(),
        observed_variances=np.diag(error.M).copy(),
        shares=share,
        effective_clusters=effective,
        dominated=dominated,
    )
