"""Groups in which one to three clusters are in a class of their own.

Clusters far larger than all others may be of another kind: the one power user, the two large hospitals. Their rates are then a
sample of one or two. Where these happen to be like the others', the data look precise, and no method sees how far they may be off.
As with groups of few clusters, four are needed. benchmarks/simulate_dominance.py prints how often an interval misses otherwise,
by the share of the largest clusters and by how many are as large.
"""

from __future__ import annotations

import numpy as np

from raikit.stats._types import BoolArray, FloatArray, IntArray

MOST_CLUSTERS = 3  # One fewer than the effective clusters that a group needs.
LEAST_PART = 0.05  # Of the sum of squared shares; with less, large clusters move a group's rate too little beside its noise.
LEAST_PART_AMONG_CASES = 0.25  # The same where all else are single cases: beside them any family would be in a class of its own.
MOST_TIMES = 3.0  # As large as the next: sizes without such a step are those of one kind, of which small ones are examples too.


def dominated(group: IntArray, share: FloatArray, concentration: FloatArray, others: FloatArray | None = None) -> BoolArray:
    """Return in which groups one, two or three clusters are each over three times as large as any other.

    Together they make a twentieth of the concentration, and each a third of that. Where all else are cases that share no
    cluster, they make a quarter.

    Parameters
    ----------
    group : ndarray of int, shape (n,)
        Group of each entry: one for each cluster that has cases in it.
    share : ndarray, shape (n,)
        Share of the group's weight that the cluster holds.
    concentration : ndarray, shape (k,)
        Sum of the squared shares of each group's clusters, and of its cases that share none.
    others : ndarray, shape (k,), optional
        Share of a case that shares no cluster, which counts as a cluster of its own.

    Returns
    -------
    ndarray of bool, shape (k,)
        False for a group without clusters.

    Examples
    --------
    >>> for shares in ([0.2, 0.2, *[0.04] * 15], [0.05] * 20):
    ...     each = np.array(shares)
    ...     print(dominated(np.zeros(len(each), dtype=int), each, np.array([each @ each])))
    [ True]
    [False]
    """
    largest = _largest(group, share, concentration)
    large, following = largest[:-1], largest[1:] if others is None else np.maximum(largest[1:], others)
    among_cases = np.zeros(large.shape, dtype=bool) if others is None else largest[1:] <= others
    part = np.where(among_cases, LEAST_PART_AMONG_CASES, LEAST_PART)
    makes_much = (np.cumsum(large**2, axis=0) >= part * concentration) & (large >= _least(concentration))
    return np.asarray(((large > 0) & (large > MOST_TIMES * following) & makes_much).any(axis=0))


def _least(concentration: FloatArray) -> FloatArray:
    """Return the smallest share with which a cluster may dominate a group."""
    return np.asarray(np.sqrt(LEAST_PART / MOST_CLUSTERS * concentration))


def _largest(group: IntArray, share: FloatArray, concentration: FloatArray) -> FloatArray:
    """Return the shares of the four largest clusters of each group, descending; 0 where one is too small to matter."""
    matters = share >= _least(concentration)[group] / MOST_TIMES  # smaller ones neither dominate nor keep others from it
    group, share = group[matters], share[matters]
    order = np.lexsort((-share, group))
    group, share = group[order], share[order]
    rank = np.arange(len(group)) - np.searchsorted(group, group)
    first = rank <= MOST_CLUSTERS
    table = np.zeros((MOST_CLUSTERS + 1, len(concentration)))
    table[rank[first], group[first]] = share[first]
    return table
