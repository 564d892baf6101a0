"""Estimates of one measure in every group that can be compared, from counts or from clustered cases."""

from __future__ import annotations

import zlib
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from raikit import stats
from raikit.arrays import BoolArray, FloatArray, IntArray
from raikit.stats import Contrasts, CovarianceResult, Gap
from raikit_fairness.settings import IntervalSettings


class Draws:
    """Random numbers for the quantities of one feature. None depends on which other quantities are computed.

    Parameters
    ----------
    seed : int
    columns : tuple of str
        Columns of the feature.
    draws : int
    """

    def __init__(self, seed: int, columns: tuple[str, ...], draws: int) -> None:
        self.seed, self.columns, self.draws = seed, columns, draws
        self._normals: npt.NDArray[np.float32] | None = None

    def rng(self, *key: object) -> np.random.Generator:
        """Return the generator that belongs to one quantity."""
        return np.random.default_rng([self.seed, zlib.crc32(repr((*key, self.columns)).encode())])

    def normals(self, keep: BoolArray) -> npt.NDArray[np.float32]:
        """Return standard normal draws of the groups in `keep`, shape (kept, draws), the same for every quantity."""
        if self._normals is None or len(self._normals) < len(keep):  # a longer array begins with the same draws
            self._normals = self.rng("normals").standard_normal((len(keep), self.draws), dtype=np.float32)
        normals = self._normals[: len(keep)]
        return normals if keep.all() else normals[keep]


@dataclass(frozen=True)
class Intervals:
    """Intervals of each group by itself.

    Parameters
    ----------
    low, high, effective_n : ndarray, shape (k,)
    method : str
    unreliable : ndarray of bool, shape (k,)
        Groups whose data do not vary, so that no interval is valid.
    """

    low: FloatArray
    high: FloatArray
    effective_n: FloatArray
    method: str
    unreliable: BoolArray


@dataclass(frozen=True)
class Uncertainty:
    """Variances of k groups' estimates with their degrees of freedom.

    Parameters
    ----------
    variance, df : ndarray, shape (k,)
    covariance : ndarray, shape (k, k), or None
        Where groups may share clusters.
    """

    variance: FloatArray
    df: FloatArray
    covariance: FloatArray | None = None


class Estimates(ABC):
    """A rate or mean of k groups.

    Attributes
    ----------
    n : ndarray of int, shape (k,)
        Cases in the denominator.
    """

    n: IntArray

    @property
    @abstractmethod
    def value(self) -> FloatArray:
        """Return rates or means, shape (k,); NaN where the denominator is empty."""

    @property
    @abstractmethod
    def overall(self) -> float:
        """Return the value of all groups together."""

    @property
    def largest_difference(self) -> float:
        """Return how far apart two groups can be at most; 1 for rates."""
        return 1.0

    @property
    def n_clusters(self) -> IntArray | None:
        """Return the clusters of each group, by the column that has fewer; None without cluster columns."""
        return None

    @property
    def defined(self) -> BoolArray:
        """Return which groups have a value."""
        return np.asarray(~np.isnan(self.value))

    @property
    def few_clusters(self) -> BoolArray:
        """Return which groups have too few clusters for an interval to hold its level."""
        few = np.zeros(len(self.n), dtype=bool)
        return few if self.n_clusters is None else self.n_clusters < stats.MIN_EFFECTIVE_CLUSTERS

    @property
    def few_events(self) -> BoolArray:
        """Return in which groups too few cases hold the rarer outcome for an interval of weighted cases to hold its level."""
        return np.zeros(len(self.n), dtype=bool)

    @property
    def open_high(self) -> BoolArray:
        """Return which groups have so heavy a tail that the high end of their interval is not valid."""
        return np.zeros(len(self.n), dtype=bool)

    @property
    def support(self) -> IntArray:
        """Return the cases that each group's value rests on: those of the scarcer class, where it needs both."""
        return self.n

    def judged(self, settings: IntervalSettings) -> BoolArray:
        """Return which groups are large enough to decide whether a limit is kept."""
        return np.asarray(self.defined & (self.support >= settings.min_group) & ~self.few_clusters & ~self.few_events)

    @abstractmethod
    def intervals(self, level: float) -> Intervals:
        """Compute the interval of each group by itself."""

    @abstractmethod
    def uncertainty(self) -> Uncertainty:
        """Return what a later run is compared with."""

    def bins(self, group: int) -> list[tuple[float, float, float]]:
        """Return signed error, variance and weight of each bin, of a calibration error."""
        return []

    @abstractmethod
    def gap(self, keep: BoolArray, settings: IntervalSettings, draws: Draws) -> Gap:
        """Compute the largest difference over the groups in `keep`; `worst` and `best` are positions among them."""

    @abstractmethod
    def ratio(self, keep: BoolArray, settings: IntervalSettings, draws: Draws, p_value: float | None = None) -> Gap:
        """Compute smallest over largest of the groups in `keep`; `p_value` is that of their gap, if known."""

    @abstractmethod
    def versus_rest(self, keep: BoolArray, settings: IntervalSettings, draws: Draws) -> Contrasts:
        """Compare each group in `keep` with all others in it together."""

    @abstractmethod
    def versus(self, reference: int, keep: BoolArray, settings: IntervalSettings) -> Contrasts:
        """Compare each other group in `keep` with the reference, simultaneously by Bonferroni."""


@dataclass(frozen=True)
class CountedRates(Estimates):
    """Rates of independent cases that weigh alike.

    Parameters
    ----------
    n : ndarray of int, shape (k,)
    events : ndarray, shape (k,)
        Cases of the denominator that are counted.
    key : str
        Name of the quantity; its random numbers depend on it.
    """

    n: IntArray
    events: FloatArray
    key: str = ""

    @property
    def value(self) -> FloatArray:
        """Return the rates, shape (k,)."""
        rates: FloatArray = np.divide(self.events, self.n, out=np.full(len(self.n), np.nan), where=self.n > 0)
        return rates

    @property
    def overall(self) -> float:
        """Return the rate of all groups together."""
        return float(self.events.sum() / self.n.sum()) if self.n.sum() > 0 else float("nan")

    def counts(self, keep: BoolArray) -> tuple[FloatArray, FloatArray]:
        """Return successes and trials."""
        return self.events[keep], self.n[keep].astype(float)

    def intervals(self, level: float) -> Intervals:
        """Compute Clopper-Pearson intervals."""
        events, trials = self.counts(np.ones(len(self.n), dtype=bool))
        low, high = stats.clopper_pearson(events, trials, level)
        return Intervals(low, high, trials, "Clopper-Pearson", np.zeros(len(trials), dtype=bool))

    def uncertainty(self) -> Uncertainty:
        """Return the variances with two more successes and two more failures, so that none is 0."""
        events, trials = self.counts(np.ones(len(self.n), dtype=bool))
        smoothed = (events + 2) / (trials + 4)
        return Uncertainty(smoothed * (1 - smoothed) / np.maximum(trials, 1), np.maximum(trials - 1, 0))

    def gap(self, keep: BoolArray, settings: IntervalSettings, draws: Draws) -> Gap:
        """Compute the largest difference of rates."""
        rng, normals = draws.rng(self.key, "gap"), draws.normals(keep)
        return stats.gap(*self.counts(keep), settings.level, settings.draws, rng=rng, normals=normals)

    def ratio(self, keep: BoolArray, settings: IntervalSettings, draws: Draws, p_value: float | None = None) -> Gap:
        """Compute the smallest rate over the largest."""
        rng, normals = draws.rng(self.key, "gap"), draws.normals(keep)
        counts = self.counts(keep)
        return stats.ratio(*counts, settings.level, settings.draws, rng=rng, normals=normals, p_value=p_value)

    def versus_rest(self, keep: BoolArray, settings: IntervalSettings, draws: Draws) -> Contrasts:
        """Compare each group with the pooled rest."""
        rng, normals = draws.rng(self.key, "rest"), draws.normals(keep)
        return stats.group_vs_rest(*self.counts(keep), settings.level, settings.draws, rng=rng, normals=normals)

    def versus(self, reference: int, keep: BoolArray, settings: IntervalSettings) -> Contrasts:
        """Compare each group with the reference."""
        others = keep.copy()
        others[reference] = False
        tail = (1 - settings.level) / 2 / max(int(others.sum()), 1)
        events, trials = self.counts(np.ones(len(keep), dtype=bool))
        low, high = stats.clopper_pearson(events, trials, 1 - 2 * tail)
        p = self.value
        value = p[others] - p[reference]
        lows, highs = stats.difference_limits(
            p[others], low[others], high[others], p[reference], low[reference], high[reference]
        )
        variance = _smoothed_variance(events, trials)
        p_value = 2 * ndtr(-np.abs(value) / np.sqrt(variance[others] + variance[reference]))
        method = f"MOVER, exact limits, Bonferroni over {int(others.sum())} groups; p normal, Holm"
        return stats.Contrasts(value, lows, highs, p_value, stats.holm(p_value), float("nan"), method)

    def complement(self) -> CountedRates:
        """Return the share of the denominator's cases that the rate does not count."""
        return replace(self, events=self.n - self.events, key=f"1 - {self.key}")


def _smoothed_variance(events: FloatArray, trials: FloatArray) -> FloatArray:
    """Return the variance of rates with one more success and one more failure, so that none is 0."""
    smoothed = (events + 1) / (trials + 2)
    variance: FloatArray = smoothed * (1 - smoothed) / (trials + 2)
    return variance


@dataclass(frozen=True)
class ClusteredEstimates(Estimates):
    """Rates or means of cases that share clusters or have weights, or means of independent cases.

    Parameters
    ----------
    cov : CovarianceResult
    n : ndarray of int, shape (k,)
    everyone : float
        Value of all groups together.
    bounds : (float, float)
        Smallest and largest possible value.
    key : str
        Name of the quantity; its random numbers depend on it.
    """

    cov: CovarianceResult
    n: IntArray
    everyone: float
    bounds: tuple[float, float] = (0.0, 1.0)
    key: str = ""

    @property
    def overall(self) -> float:
        """Return the value of all groups together."""
        return self.everyone

    @property
    def largest_difference(self) -> float:
        """Return how far apart two groups can be at most, which is less than what t limits may say."""
        return self.bounds[1] - self.bounds[0]

    @property
    def value(self) -> FloatArray:
        """Return the values, shape (k,)."""
        return self.cov.rates

    @property
    def n_clusters(self) -> IntArray | None:
        """Return the clusters of each group; None without cluster columns."""
        return self.cov.n_clusters if self.cov.ways else None

    @property
    def few_clusters(self) -> BoolArray:
        """Return which groups, or their parts, have too few clusters."""
        return self.cov.few_clusters

    @property
    def few_events(self) -> BoolArray:
        """Return in which groups too few cases, or clusters, hold the rarer outcome of weighted cases."""
        return self.cov.few_events & self.defined

    def intervals(self, level: float) -> Intervals:
        """Compute the interval of each group, as wide as its bounds where nothing varies."""
        result = stats.clustered_rate_interval(self.cov, level)
        low, high = (np.clip(end, *self.bounds) for end in (result.low, result.high))
        constant = self.defined & (np.diag(self.cov.M) <= 0) & (not self.cov.proportion)
        low, high = np.where(constant, self.bounds[0], low), np.where(constant, self.bounds[1], high)
        return Intervals(low, high, result.n_effective, result.method, np.asarray(constant, dtype=bool))

    def uncertainty(self) -> Uncertainty:
        """Return the covariance; of independent cases, degrees of freedom are at most those that a value rests on."""
        df = np.minimum(self.cov.df, (self.cov.supporting if self.cov.ways else self.support) - 1.0)
        few, M = self.few_clusters | self.cov.few_events | ~self.defined, np.nan_to_num(self.cov.M)
        return Uncertainty(np.diag(M), np.where(few, 0.0, np.maximum(df, 0.0)), M if self.cov.ways else None)

    def gap(self, keep: BoolArray, settings: IntervalSettings, draws: Draws) -> Gap:
        """Compute the largest difference."""
        rng = draws.rng(self.key, "gap")
        return stats.clustered_gap(self.cov.subset(keep), settings.level, settings.draws, rng=rng)

    def ratio(self, keep: BoolArray, settings: IntervalSettings, draws: Draws, p_value: float | None = None) -> Gap:
        """Compute the smallest value over the largest."""
        rng = draws.rng(self.key, "ratio")
        return stats.clustered_ratio(self.cov.subset(keep), settings.level, settings.draws, rng=rng)

    def versus_rest(self, keep: BoolArray, settings: IntervalSettings, draws: Draws) -> Contrasts:
        """Compare each group with the pooled rest."""
        rng = draws.rng(self.key, "rest")
        return stats.clustered_group_vs_rest(self.cov.subset(keep), settings.level, settings.draws, rng=rng)

    def versus(self, reference: int, keep: BoolArray, settings: IntervalSettings) -> Contrasts:
        """Compare each group with the reference."""
        others = [int(group) for group in np.flatnonzero(keep) if group != reference]
        level = 1 - (1 - settings.level) / max(len(others), 1)
        differences = [stats.clustered_difference(self.cov.subset([group, reference]), level) for group in others]
        return stats.join_contrasts(differences, f"Bonferroni over {len(others)} groups")

    def complement(self) -> ClusteredEstimates:
        """Return the share of the denominator's cases that the rate does not count."""
        cov = replace(self.cov, rates=1 - self.cov.rates)
        return replace(self, cov=cov, everyone=1 - self.everyone, key=f"1 - {self.key}")


Rates = CountedRates | ClusteredEstimates
