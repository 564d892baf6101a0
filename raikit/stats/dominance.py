"""Groups in which one cluster is in a class of its own.

A cluster far larger than all others may be of another kind: the one power user, the one large hospital. Its rate is then a sample
of one. Where it happens to be like the others', the data look precise, and no method sees how far it may be off.
benchmarks/simulate_dominance.py prints how often an interval misses then, by the share of the largest cluster and by how many
clusters are as large.
"""

from __future__ import annotations

import numpy as np

from raikit.stats._types import BoolArray, FloatArray, IntArray

LEAST_PART = 0.25  # Of the sum of squared shares; with less, one cluster moves a group's rate too little beside its noise.
MOST_TIMES = 3.0  # As large as any other: clusters that are more alike show how much large ones vary.


def dominated(group: IntArray, share: FloatArray, concentration: FloatArray, others: FloatArray | None = None) -> BoolArray:
    """Return in which groups one cluster makes a quarter of the concentration and is over three times as large as any other.

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
    >>> for shares in (np.append(0.24, np.full(19, 0.04)), np.full(20, 0.05)):
    ...     print(dominated(np.zeros(20, dtype=int), shares, np.array([shares @ shares])))
    [ True]
    [False]
    """
    k, least = len(concentration), np.sqrt(LEAST_PART * concentration)
    count = share >= least[group] / MOST_TIMES  # smaller ones neither dominate nor keep another from it
    group, share = group[count], share[count]
    first, second = np.zeros(k), np.zeros(k) if others is None else others.astype(float)
    np.maximum.at(first, group, share)
    order = np.lexsort((share, group))
    same = group[order][1:] == group[order][:-1]
    next_largest = order[:-1][same]  # all but the largest of each group
    np.maximum.at(second, group[next_largest], share[next_largest])
    return np.asarray((first > 0) & (first >= least) & (first > MOST_TIMES * second))
