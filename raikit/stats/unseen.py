"""A cluster that was not seen: what limits of rates allow for it at levels above 95%.

A few clusters may be much worse than all others, because each repeats one wrong prediction. Where none of them is among the
sampled ones, the data look like independent cases, and no variance shows what is missing. At 95% that is one of the ways in which
an interval may miss; at 99% it would happen several times as often as is promised. So a strict limit adds the square of half a
cluster's share to the variance: one more cluster of average size, half of whose cases have the rarer outcome. A whole cluster is
more than the simulated designs need, and makes limits of few clusters half as wide again. It is added from 99%, and in part
between 98% and 99%. Losses have no rarer outcome: their high end allows for a cluster of cases like the worst that was seen
(`raikit.stats.tails`). benchmarks/simulate_repeats.py prints how often limits miss.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.special import ndtri

from raikit.stats._types import FloatArray
from raikit.stats.covariance_result import CovarianceResult, effective_size
from raikit.stats.quantiles import tail_of

NOTHING_AT, ALL_AT = 0.98, 0.99  # Levels up to which nothing is added, and from which all is.
_PART_OF_A_CLUSTER = 0.5
_ROUNDING = 1e-9  # A p-value of just 2% agrees with an interval at 98% that excludes the null.


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
