"""Clusters that were not seen: what limits of rates allow for.

Where each cluster repeats one of its cases, few clusters hold most of the rarer outcome. If none of them is among the sampled
ones, the data look like independent cases, and no variance shows what is missing. The probability that none of G clusters
repeats a case with the rarer outcome is ``(1 - rate)^G``, so rates up to ``1 - tail^(1/G)`` cannot be excluded: the exact limit of
0 among G clusters of several cases. The limit towards more of the rarer outcome is at least that, so that a few wrong predictions
do not prove more than none.

It is nearer where the data bound the share of their cases that clusters repeat. If so many clusters with the rarer outcome are
expected, in all groups together, that some would have been seen, the rate of a group without any is at most its own limit divided
by one minus that share. That supposes that clusters of all groups repeat their cases alike. Contrasts take the share that is
estimated: with its upper limit nothing would be shown between groups of a dozen clusters. So a gap may be claimed wrongly where
no cluster of any group shows that it repeats cases.

At levels above 95% there is more: such clusters may be absent in part, which would happen several times as often as is promised.
So a strict limit adds the square of half a cluster's share to the variance: one more cluster of average size, half of whose cases
have the rarer outcome. A whole cluster is more than the simulated designs need, and makes limits of few clusters half as wide
again. It is added from 99%, and in part between 98% and 99%. Losses have no rarer outcome: their high end allows for a cluster of
cases like the worst that was seen (`raikit.stats.tails`). benchmarks/simulate_repeats.py prints how often limits miss.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

from raikit.stats._types import FloatArray, IntArray
from raikit.stats.constants import TINY
from raikit.stats.covariance_result import CovarianceResult, effective_size
from raikit.stats.quantiles import tail_of

NOTHING_AT, ALL_AT = 0.98, 0.99  # Levels up to which nothing is added, and from which all is.
_PART_OF_A_CLUSTER = 0.5
_MOST_REPEATED = 1 - 1e-9
_ROUNDING = 1e-9  # A p-value of just 2% agrees with an interval at 98% that excludes the null.


@dataclass(frozen=True)
class Repeats:
    """What the clusters of one or more groups show about the share of their cases that repeat another of their cases.

    Parameters
    ----------
    expected : ndarray
        Expected number of clusters that repeat a case with the rarer outcome, if all repeat.
    square : ndarray, same shape
        Estimated square of the share, the intraclass correlation; it may exceed 1.
    """

    expected: FloatArray
    square: FloatArray

    @classmethod
    def of(
        cls, rates: FloatArray, units: FloatArray, several: FloatArray, between: FloatArray, *, distinct: float = 1.0
    ) -> Repeats:
        """Pool groups along the first axis.

        Parameters
        ----------
        rates, units, several : ndarray, shape (k, ...)
            Rates, effective clusters, and clusters of several cases: the others show nothing.
        between : ndarray, shape (k, ...)
            Variance that clusters add to that of independent cases.
        distinct : float, in (0, 1]
            Share of the clusters of all groups that are not those of another group as well.
        """
        p = np.nan_to_num(np.minimum(rates, 1 - rates))
        added, most = np.sum(np.nan_to_num(between) * units * several, axis=0), np.sum(p * (1 - p) * several, axis=0)
        return cls(np.asarray(distinct * np.sum(p * several, axis=0)), np.asarray(added / np.maximum(most, TINY)))

    def subset(self, index: IntArray) -> Repeats:
        """Keep the entries at `index`."""
        return Repeats(self.expected[index], self.square[index])

    @property
    def seen(self) -> FloatArray:
        """Estimated share."""
        return np.asarray(np.sqrt(np.clip(self.square, 0.0, _MOST_REPEATED)))

    def at_most(self, z: ArrayLike) -> FloatArray:
        """Return an upper limit of the share at the normal quantile `z`: 1 where no cluster need have been seen."""
        normal = np.maximum(np.asarray(z, dtype=float), 0.0)
        seen = 1 - normal / np.sqrt(np.maximum(self.expected, TINY))  # of the expected number, at least this part
        square = np.divide(self.square, seen, out=np.ones(np.shape(seen)), where=seen > 0)
        return np.asarray(np.sqrt(np.clip(square, 0.0, _MOST_REPEATED)))


def farthest(far: FloatArray, several: FloatArray, repeated: FloatArray, tail: ArrayLike) -> FloatArray:
    """Return upper limits of the rarer outcome's rate that allow for none seen of the clusters that repeat it.

    Parameters
    ----------
    far : ndarray, shape (k,)
        Limits that suppose that such clusters were seen.
    several : ndarray, shape (k,)
        Clusters of several cases.
    repeated : ndarray
        Upper limits of the share of cases that repeat another; they broadcast.
    tail : array_like, in (0, 1)
        Error probability of the limits; it broadcasts.

    Examples
    --------
    >>> farthest(np.array([0.03, 0.2]), np.array([40.0, 40.0]), np.array(1.0), 0.025).round(3).tolist()
    [0.088, 0.2]
    >>> farthest(np.array([0.03, 0.2]), np.array([40.0, 40.0]), np.array(0.4), 0.025).round(3).tolist()
    [0.05, 0.2]
    """
    none = -np.expm1(np.log(tail) / np.maximum(several, 1.0))
    return np.asarray(np.fmax(far, np.fmin(np.where(several > 0, none, 0.0), far / np.maximum(1 - repeated, TINY))))


def distinct_share(units: FloatArray, concentration: FloatArray) -> float:
    """Return the share of the clusters of groups that are not also those of others: 1 / k where k groups share all of theirs.

    Parameters
    ----------
    units : ndarray, shape (k,)
        Effective clusters of each group.
    concentration : ndarray, shape (k, k)
        Of `CovarianceResult`.
    """
    total = float(units.sum())
    together = float(units @ np.nan_to_num(concentration) @ units)
    return float(np.clip(total / together, 0.0, 1.0)) if together > 0 else 1.0


def with_unseen_cluster(cov: CovarianceResult, level: float) -> CovarianceResult:
    """Add to the variances of clustered rates what one cluster that was not seen may change, as far as the level asks for it.

    Parameters
    ----------
    cov : CovarianceResult
    level : float, in (0, 1)
        Of the interval, or of all intervals together.

    Returns
    -------
    CovarianceResult
        The same up to a level of 98%, and for what is no rate of clustered cases.

    Examples
    --------
    >>> from raikit.stats import rate_covariance
    >>> cov = rate_covariance([0, 1] * 40, [1] * 80, [0] * 80, [np.repeat(np.arange(40), 2)], proportion=True)
    >>> [round(float(np.sqrt(with_unseen_cluster(cov, level).M[0, 0])), 3) for level in (0.98, 0.99)]
    [0.056, 0.058]
    """
    added = (_PART_OF_A_CLUSTER * unseen_share(cov, level)) ** 2
    if not (added.any() and cov.proportion):
        return cov
    M = cov.M + np.diag(added)
    size = effective_size(cov.rates, np.diag(M), cov.vrow, cov.n_rows, cov.effective_clusters, proportion=True)
    old, new = np.diag(cov.M), np.diag(M)
    skew = cov.skew * np.divide(old, new, out=np.ones(len(new)), where=new > 0)  # the third moment stays what it was
    return replace(cov, M=M, n_effective=np.minimum(cov.n_effective, size), skew=skew)


def unseen_share(cov: CovarianceResult, level: float) -> FloatArray:
    """Return the share of one more cluster of average size in each group, as far as the level asks for it; 0 without clusters."""
    held, part = cov.effective_clusters, _part(level) if cov.ways else 0.0
    return np.asarray(np.divide(part, held, out=np.zeros(len(held)), where=held > 0))


def with_unseen_p(plain: FloatArray, strict: FloatArray, two_sided: bool = True) -> FloatArray:
    """Return p-values that agree with limits of `with_unseen_cluster` at 98% and from 99%, and are no smaller between.

    Parameters
    ----------
    plain, strict : ndarray
        Those without what is added, and with all of it.
    two_sided : bool
        Whether they are compared with one minus the level, or with half of that.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> with_unseen_p(np.array([0.2, 0.001, 0.001]), np.array([0.4, 0.1, 0.004])).round(3).tolist()
    [0.2, 0.02, 0.004]
    """
    free = (1 - NOTHING_AT) / (1 if two_sided else 2) * (1 - _ROUNDING)
    return np.asarray(np.where(plain >= free, plain, np.minimum(np.maximum(plain, strict), free)))


def _part(level: float) -> float:
    """Return which part of a cluster is added: by the normal quantile of the level, from none to one."""
    tail, (start, end) = tail_of(level), (-ndtri(tail_of(each)) for each in (NOTHING_AT, ALL_AT))
    return float(np.clip((-ndtri(tail) - start) / (end - start), 0.0, 1.0))
