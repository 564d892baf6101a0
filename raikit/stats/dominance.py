"""Groups in which one cluster is in a class of its own.

A cluster far larger than all others may be of another kind: the one power user, the one large hospital. Its rate is then a sample
of one. Where it happens to be like the others', the data look precise, and no method sees how far it may be off.
benchmarks/simulate_dominance.py prints how often an interval misses then, by the share of the largest cluster and by how many
clusters are as large.
"""

from __future__ import annotations

import numpy as np

from raikit.stats._types import BoolArray, FloatArray, IntArray

LEAST_SHARE = 0.05  # With less, one cluster was simulated to move a group's rate too little to matter.
MOST_TIMES = 3.0  # As large as any other: clusters that are more alike show how much large ones vary.


def dominated(group: IntArray, share: FloatArray, k: int, others: FloatArray | None = None) -> BoolArray:
    """Return in which groups one cluster holds at least 5%, and over three times as much as the next largest.

    Parameters
    ----------
    group : ndarray of int, shape (n,)
        Group of each entry: one for each cluster that has cases in it.
    share : ndarray, shape (n,)
        Share of the group's weight that the cluster holds.
    k : int
    others : ndarray, shape (k,), optional
        Share of a case that shares no cluster, which counts as a cluster of its own.

    Returns
    -------
    ndarray of bool, shape (k,)
        False for a group without clusters.

    Examples
    --------
    >>> shares = np.append(0.24, np.full(19, 0.04))
    >>> dominated(np.zeros(20, dtype=int), shares, 1), dominated(np.zeros(19, dtype=int), np.full(19, 1 / 19), 1)
    (array([ True]), array([False]))
    """
    count = share >= LEAST_SHARE / MOST_TIMES  # smaller ones neither dominate nor keep another from it
    group, share = group[count], share[count]
    first, second = np.zeros(k), np.zeros(k) if others is None else others.astype(float)
    np.maximum.at(first, group, share)
    order = np.lexsort((share, group))
    same = group[order][1:] == group[order][:-1]
    next_largest = order[:-1][same]  # all but the largest of each group
    np.maximum.at(second, group[next_largest], share[next_largest])
    return np.asarray((first >= LEAST_SHARE) & (first > MOST_TIMES * second))
