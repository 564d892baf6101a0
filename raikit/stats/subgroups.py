"""Rates of many overlapping groups, each beside the rate of all other cases, and their joint covariance.

Groups of a search share cases: "sex: F" contains "sex: F, age: old". All are unions of *base cells*, the finest groups,
which share none. Sums within base cells, or within clusters and base cells, therefore give the exact covariance estimate
of every group with every other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from raikit.stats._types import BoolArray, FloatArray, IntArray
from raikit.stats.constants import TINY
from raikit.stats.covariance_result import MIN_EFFECTIVE_CLUSTERS, effective_size
from raikit.stats.rates import agresti_caffo_variance
from raikit.stats.subgroup_clusters import Moments, cluster_moments
from raikit.stats.subgroup_sums import Cases, Sums, moments
from raikit.stats.unseen import Repeats

_OF_GROUP_OR_REST = 0.5  # Clusters may have cases in a group and in its rest, and then show only once what they repeat.


@dataclass(frozen=True)
class Subgroups:
    """Rates of N groups that may overlap, each with the rate of all other cases.

    Parameters
    ----------
    rates, rests : ndarray, shape (N,)
        Rate of the group, and of all cases outside it.
    shares : ndarray, shape (N,)
        Share of the group in all cases, by weight; strictly between 0 and 1.
    overall : float
        Rate of all cases: ``shares * rates + (1 - shares) * rests``.
    n_rows : ndarray of int, shape (N,)
        Cases in the group.
    n_effective, rest_effective : ndarray, shape (N,)
        Number of independent cases of equal weight that would be as informative, in the group and outside it.
    correlation : ndarray, shape (N,)
        Correlation of `rates` with `rests`: 0 unless clusters have cases in both.
    n_clusters : ndarray of int, shape (N,)
        Clusters of the group or of its rest, whichever has fewer. A case without a cluster counts as one. Without cluster
        columns, cases.
    joint : ndarray, shape (N, N)
        Correlation matrix of the differences ``rates - rests``.
    ways : int
        Number of cluster columns used: 0 (independent cases), 1 or 2.
    effective_clusters : ndarray, shape (N,)
        Effective number of clusters of the group or of its rest, whichever has fewer: 1 / sum of squared shares of the weight.
        Without cluster columns, of cases.
    dominated : ndarray of bool, shape (N,)
        Whether one to three clusters are in a class of their own, in the group or in its rest (`raikit.stats.dominance`).
    skew : ndarray, shape (N,)
        Third central moment of the difference that clusters cause, divided by its variance, both as if group and rest shared no
        cluster (`raikit.stats.skewness`). Without cluster columns, 0.
    several, repeatable : ndarray, shape (2, N)
        Clusters of several cases of the groups and of their rests, and the share of cases that are not the first of theirs.
    repeats : Repeats
        What the clusters of each group and its rest show about how many of their cases they repeat.
    """

    rates: FloatArray
    rests: FloatArray
    shares: FloatArray
    overall: float
    n_rows: IntArray
    n_effective: FloatArray
    rest_effective: FloatArray
    correlation: FloatArray
    n_clusters: IntArray
    joint: FloatArray
    ways: int
    effective_clusters: FloatArray
    dominated: BoolArray
    skew: FloatArray
    several: FloatArray
    repeatable: FloatArray
    repeats: Repeats

    def __len__(self) -> int:
        return len(self.rates)

    @property
    def difference(self) -> FloatArray:
        """Rate of the group minus rate of the rest."""
        return np.asarray(self.rates - self.rests)

    @property
    def df(self) -> FloatArray:
        """Degrees of freedom of each group's limits: its effective clusters minus one; infinite for independent cases."""
        if not self.ways:
            return np.full(len(self), np.inf)
        return np.maximum(self.effective_clusters - 1, 1.0)

    @property
    def few_clusters(self) -> BoolArray:
        """Which groups, or their rests, have fewer than 4 effective clusters, or up to three that dominate: judge none of them."""
        return np.asarray((self.ways > 0) & ((self.effective_clusters < MIN_EFFECTIVE_CLUSTERS) | self.dominated))

    def subset(self, index: ArrayLike) -> Subgroups:
        """Keep the groups at `index` (positions or a mask), in that order."""
        keep = np.arange(len(self))[np.asarray(index)]
        names = (
            "rates", "rests", "shares", "n_rows", "n_effective", "rest_effective", "correlation", "n_clusters",
            "effective_clusters", "dominated", "skew",
        )  # fmt: skip
        return replace(
            self,
            **{name: getattr(self, name)[keep] for name in names},
            joint=self.joint[np.ix_(keep, keep)],
            several=self.several[:, keep],
            repeatable=self.repeatable[:, keep],
            repeats=self.repeats.subset(keep),
        )


def subgroup_rates(
    events: ArrayLike,
    cell: ArrayLike,
    members: ArrayLike,
    clusters: Sequence[ArrayLike] = (),
    weight: ArrayLike | None = None,
    *,
    squares: ArrayLike | None = None,
    counts: ArrayLike | None = None,
) -> Subgroups:
    """Compute the rates of overlapping groups and of all other cases, with their joint covariance.

    Parameters
    ----------
    events : array_like of bool, shape (n,)
        Whether the event occurred, for each case of the denominator. Leave other cases out.
    cell : array_like of int, shape (n,)
        Base cell of each case, from 0 to m - 1.
    members : array_like of bool, shape (N, m)
        Which base cells make up each group.
    clusters : sequence of array_like of int, each shape (n,)
        No column (independent cases), one or two. A negative number marks a case that shares no cluster.
    weight : array_like, shape (n,), optional
        Sampling weights, >= 0; their scale does not matter.
    squares, counts : array_like, shape (n,), optional
        If entries are cells of alike cases: sums of squared weights and numbers of cases (`weight` holds sums of weights).

    Returns
    -------
    Subgroups

    Raises
    ------
    ValueError
        If a group or its rest has no case with a weight, lengths differ, there are over two cluster columns, or a weight
        is negative.

    Notes
    -----
    The contribution of case i to the difference of group g is ``w_i (x_i - p_g) / W_g`` inside and
    ``-w_i (x_i - q_g) / (W - W_g)`` outside. For independent cases, products of contributions are summed over cases; all
    cases of one base cell and outcome contribute alike, so this is fast. For clustered cases, contributions are first
    summed within clusters and divided by one minus the cluster's share, as in `raikit.stats.rate_covariance`: of the group
    inside, of the rest outside. Two columns give ``V_1 + V_2 - V_12`` [1]_; no variance is below that of either column alone,
    or that of independent cases. A Gaussian multiplier bootstrap draws from the same covariance [2]_.

    References
    ----------
    .. [1] Cameron, Gelbach and Miller, "Robust inference with multiway clustering", JBES 2011, section 2.
    .. [2] Chernozhukov, Chetverikov and Kato, "Gaussian approximations and multiplier bootstrap for maxima of sums of
       high-dimensional random vectors", Annals of Statistics 2013.

    Examples
    --------
    >>> groups = subgroup_rates([1, 0, 0, 0, 1, 1], [0, 0, 1, 1, 2, 2], [[1, 0, 0], [1, 1, 0]])
    >>> groups.rates.tolist(), groups.rests.tolist()
    ([0.5, 0.25], [0.5, 1.0])
    """
    cases = Cases.of(events, cell, members, clusters, weight, squares, counts)
    sums = Sums.of(cases)
    matrix, own, rest = moments(cases.separate(np.ones(len(cases.cell), dtype=bool)), cases.members, sums)
    numbers, effective = np.array([sums.n, sums.n_rest]), np.array([sums.kish, sums.kish_rest])
    nothing = np.zeros((2, len(own)))
    single = Moments(matrix, np.diag(matrix).copy(), own, rest, numbers, effective, nothing[0] > 0, *(nothing,) * 3)
    found = cluster_moments(cases, sums).at_least(single) if cases.clusters else single
    inside = effective_size(sums.p, found.own, own, sums.kish, found.effective[0], proportion=True)
    outside = effective_size(sums.q, found.rest, rest, sums.kish_rest, found.effective[1], proportion=True)
    smoothed = agresti_caffo_variance(sums.p * inside, inside) + agresti_caffo_variance(sums.q * outside, outside)
    covariance = (found.own + found.rest - found.difference) / 2 if cases.clusters else np.zeros(len(own))
    return Subgroups(
        rates=sums.p,
        rests=sums.q,
        shares=sums.w / sums.total,
        overall=sums.overall,
        n_rows=sums.n,
        n_effective=inside,
        rest_effective=outside,
        correlation=np.clip(covariance / np.sqrt(np.maximum(found.own * found.rest, TINY)), -1.0, 1.0),
        n_clusters=found.numbers.min(axis=0),
        joint=_correlations(found.matrix, np.maximum(found.difference, smoothed)),
        ways=len(cases.clusters),
        effective_clusters=found.effective.min(axis=0),
        dominated=found.dominated,
        skew=(found.skew[0] * found.own - found.skew[1] * found.rest) / np.maximum(found.own + found.rest, TINY),
        several=found.several,
        repeatable=found.repeatable,
        repeats=Repeats.of(
            np.array([sums.p, sums.q]), found.effective, found.several, np.array([found.own - own, found.rest - rest]),
            distinct=_OF_GROUP_OR_REST,
        ),
    )


def _correlations(matrix: FloatArray, variance: FloatArray) -> FloatArray:
    """Return correlations at variances of at least those of the matrix, so that no estimate counts as certain."""
    scale = 1 / np.sqrt(variance)
    correlations = matrix * np.outer(scale, scale)
    np.fill_diagonal(correlations, 1.0)
    return np.asarray((correlations + correlations.T) / 2)
