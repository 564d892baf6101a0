"""Groups in which one to three clusters are in a class of their own.

Clusters far larger than all others may be of another kind: the one power user, the two large hospitals. Their rates are then a
sample of one or two. Where these happen to be like the others', the data look precise, and no method sees how far they may be off.
As with groups of few clusters, four are needed. benchmarks/simulate_dominance.py prints how often an interval misses otherwise,
by the share of the largest clusters and by how many are as large.

A mean may be further off than a rate, because values have no largest one. So a smaller step is too much for it, if the sizes of
the other clusters are alike.
"""

from __future__ import annotations

import numpy as np

from raikit.stats._types import BoolArray, FloatArray, IntArray

MOST_CLUSTERS = 3  # One fewer than the effective clusters that a group needs.
LEAST_PART = 0.05  # Of the sum of squared shares; with less, large clusters move a group's rate too little beside its noise.
LEAST_PART_AMONG_CASES = 0.25  # The same where all else are single cases: beside them any family would be in a class of its own.
MOST_TIMES = 3.0  # As large as the next: sizes without such a step are those of one kind, of which small ones are examples too.

LEAST_TIMES = 1.5  # As large as the next, for means: with less, the largest cluster weighs little more than any other.
SPREADS = 1.5  # The same in standard deviations of the others' log sizes: a step that sizes of one kind seldom have.


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


def stands_apart(size: FloatArray, counts: FloatArray, alone: BoolArray) -> bool:
    """Return whether the largest cluster is so much larger than the next that a mean may not decide.

    Sizes of clusters of one kind have some spread, and a largest cluster in line with it. One is out of line if its logarithm is
    1.5 standard deviations of the others' above the next, and it is over 1.5 times as large; three times always suffices. As in
    `dominated`, it makes a twentieth of the sum of squared sizes, or a quarter where all else are single cases.

    Parameters
    ----------
    size : ndarray, shape (n,)
        Positive weight of each cluster, and of each case that shares none.
    counts : ndarray, shape (n,)
        Number of clusters or such cases of that size.
    alone : ndarray of bool, shape (n,)
        Which are cases that share no cluster.

    Returns
    -------
    bool

    Examples
    --------
    >>> for largest in (50.0, 29.0):
    ...     sizes = np.array([largest, 20.0])
    ...     print(stands_apart(sizes, np.array([1.0, 39.0]), np.zeros(2, dtype=bool)))
    True
    False
    """
    order = np.argsort(size)
    (others, largest), number = np.split(size[order], [-1]), counts[order]
    if not len(others) or number[-1] > 1:
        return False
    logarithms, number = np.log(others), number[:-1]
    spread = np.sqrt(np.average((logarithms - np.average(logarithms, weights=number)) ** 2, weights=number))
    step = np.clip(np.exp(SPREADS * spread), LEAST_TIMES, MOST_TIMES)
    part = LEAST_PART_AMONG_CASES if alone[order[:-1]].all() else LEAST_PART
    together = number @ others**2 + largest**2
    return bool(largest > step * others[-1] and largest**2 >= part * together)


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
