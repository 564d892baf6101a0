"""What is known about the estimates of several groups together: values, covariance, degrees of freedom, and who may decide."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from raikit.stats._types import BoolArray, FloatArray, IntArray

Scale = Literal["proportion", "positive", "real"]
MIN_EFFECTIVE_CLUSTERS = 4
"""Effective clusters that a group needs for its interval to decide; with fewer, no level was kept in simulations."""
MIN_EFFECTIVE_CASES = 5
"""Effective cases of the rarer outcome that a weighted rate needs for its interval to decide."""
MIN_SUPPORTING_CLUSTERS = 2
"""The same for effective clusters; limits of clustered rates allow for clusters that were not seen, so that fewer do."""


@dataclass(frozen=True)
class CovarianceResult:
    """Estimates of k groups with their joint uncertainty.

    Parameters
    ----------
    rates : ndarray, shape (k,)
        NaN where a group has no case in the denominator.
    M : ndarray, shape (k, k)
        Covariance of the rates: positive semi-definite, diagonal at least `vrow`.
    df : ndarray, shape (k,)
        Degrees of freedom of each variance: the effective number of clusters (without clusters, of cases) minus one, at
        least 1. Of rates of independent cases: without limit if weights are alike.
    n_clusters : ndarray of int, shape (k,)
        Clusters of each group, of the column that has fewer. A case without a cluster counts as one. Without clusters, cases.
    vrow : ndarray, shape (k,)
        Variance of each rate if cases were independent.
    n_rows : ndarray, shape (k,)
        Cases in the denominator (Kish's effective number if weighted).
    n_effective : ndarray, shape (k,)
        Number of independent cases that would be as informative: rate (1 - rate) / variance, at most `n_rows`; of rates
        without clusters, at most the cases. Where a
        rate of exactly 0 or 1 hides its variance, the effective number of clusters. For means: ``n_rows * vrow / M_ii``.
    sizes : ndarray, shape (k,)
        Sum of weight times denominator, by which groups are pooled.
    concentration : ndarray, shape (k, k)
        Sum over clusters of the product of their shares of two groups' weights (the larger of the columns). Without
        clusters, over cases.
    one_more : ndarray, shape (k,)
        Square of the largest move that one cluster makes towards more of the rarer outcome (for means: upwards).
    skew : ndarray, shape (k,)
        Third central moment of each rate divided by its variance, as far as clusters cause it and towards more of the rarer
        outcome; at least 0 (`raikit.stats.skewness`).
    supporting : ndarray, shape (k,)
        Effective number of clusters (without clusters: cases) that hold the rarer outcome. For means, of contributions.
    several, repeatable : ndarray, shape (k,)
        Number of clusters of several cases, and share of the cases that are not the first of theirs (of the columns, the fewest
        and the most).
    between : ndarray, shape (k,)
        Variance that clusters add to that of independent cases, at least 0.
    few_events : ndarray of bool, shape (k,)
        Rates of weighted cases of which fewer than 5 effective cases (with clusters, 2 effective clusters) have the rarer
        outcome: how often it truly occurs cannot be known, because those that were not seen may weigh more.
    dominated : ndarray of bool, shape (k,)
        Groups in which one to three clusters are in a class of their own (`raikit.stats.dominance`).
    scale : {"proportion", "positive", "real"}
        Which limits apply: exact limits of a proportion at the effective sample size (a rate, or any quantity between 0
        and 1), symmetric limits of the logarithm (errors and losses), or symmetric limits.
    ways : int
        Number of cluster columns used: 0 (independent cases), 1 or 2.
    weighted : bool
        Whether rates are of cases with different weights.
    """

    rates: FloatArray
    M: FloatArray
    df: FloatArray
    n_clusters: IntArray
    vrow: FloatArray
    n_rows: FloatArray
    n_effective: FloatArray
    sizes: FloatArray
    concentration: FloatArray
    one_more: FloatArray
    skew: FloatArray
    supporting: FloatArray
    several: FloatArray
    repeatable: FloatArray
    between: FloatArray
    few_events: BoolArray
    dominated: BoolArray
    scale: Scale
    ways: int
    weighted: bool = False

    @property
    def proportion(self) -> bool:
        """Whether limits of proportions apply."""
        return self.scale == "proportion"

    @property
    def effective_clusters(self) -> FloatArray:
        """Effective number of clusters of each group, 1 / sum of squared shares; without clusters, of cases (Kish)."""
        return effective_number(np.diag(self.concentration))

    @property
    def common_df(self) -> float:
        """Degrees of freedom of draws for all groups: the fewest of any that may decide, if there are two of those."""
        enough = self.df[~self.few_clusters]
        return float((enough if len(enough) > 1 else self.df).min(initial=1e9))

    @property
    def few_clusters(self) -> BoolArray:
        """Which groups have fewer than 4 effective clusters, or up to three that dominate. They are shown, but decide nothing."""
        if not self.ways:
            return np.zeros(len(self.rates), dtype=bool)
        return np.asarray((self.effective_clusters < MIN_EFFECTIVE_CLUSTERS) | self.dominated)

    def subset(self, index: ArrayLike) -> CovarianceResult:
        """Keep the groups at `index` (positions or a mask), in that order."""
        keep = np.arange(len(self.rates))[np.asarray(index)]
        square = np.ix_(keep, keep)
        return replace(
            self,
            **{name: getattr(self, name)[keep] for name in PER_GROUP},
            M=self.M[square],
            concentration=self.concentration[square],
        )


PER_GROUP = (
    "rates", "df", "n_clusters", "vrow", "n_rows", "n_effective", "sizes", "one_more", "skew", "supporting", "several",
    "repeatable", "between", "few_events", "dominated",
)  # fmt: skip
"""Names of the arrays of `CovarianceResult` with one entry per group."""


def effective_number(concentration: FloatArray) -> FloatArray:
    """Return one over the sum of squared shares; 0 where there are none."""
    return np.divide(1.0, concentration, out=np.zeros(len(concentration)), where=concentration > 0)


def effective_size(
    rates: FloatArray,
    variance: FloatArray,
    vrow: FloatArray,
    n_rows: FloatArray,
    n_units: FloatArray | IntArray,
    proportion: bool,
) -> FloatArray:
    """Return `CovarianceResult.n_effective`; all arrays have shape (k,)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        n = rates * (1 - rates) / variance if proportion else n_rows * vrow / variance
    # A rate of 0 or 1 hides its variance, whatever has been added to it.
    n = np.where((variance > 0) & (n > 0), np.minimum(n, n_rows), np.minimum(n_units, n_rows))
    return np.asarray(np.nan_to_num(n))


def cluster_prefix(ways: int) -> str:
    """Return the beginning of a method's name that says how many cluster columns were used."""
    return {0: "", 1: "one-way cluster ", 2: "two-way cluster "}[ways]
