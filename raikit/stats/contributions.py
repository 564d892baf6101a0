"""How many cases, or clusters, the variance of a mean rests on, and which end of its interval is not valid with so few."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from raikit.stats._types import AnyArray, FloatArray
from raikit.stats.covariance import cluster_codes, known_size, unit_codes
from raikit.stats.dominance import stands_apart

OPEN_HIGH, OPEN_LOW = "open_high", "open_low"
_FEWEST, _ENOUGH = 10, 30  # Effective contributions; by simulation (benchmarks/simulate_errors.py and simulate_clusters.py).


@dataclass(frozen=True)
class Deviations:
    """Deviations of cases, or of clusters' means, from the mean.

    Parameters
    ----------
    values : ndarray, shape (n,)
    units : float
        Effective number of cases or clusters; of clusters, fewer than n where sizes are uneven.
    """

    values: FloatArray
    units: float

    @property
    def effective(self) -> float:
        """Return the effective number of squared deviations, ``(sum d^2)^2 / sum d^4``."""
        squares = self.values**2
        fourth = float(squares @ squares)
        return float(squares.sum()) ** 2 / fourth if fourth > 0 else 0.0

    @property
    def few(self) -> bool:
        """Return whether so few deviations make up the variance that an end on their side is not valid."""
        n = len(self.values)
        alike = min(max(_FEWEST, self.units**0.5), _ENOUGH)  # as many as that of `units` deviations
        return bool(self.effective < max(_FEWEST, min(alike * n / max(self.units, 1.0), n / 4)))


def deviations_from_mean(
    values: ArrayLike, weight: ArrayLike | None = None, clusters: Sequence[ArrayLike] = ()
) -> list[Deviations]:
    """Return the weighted deviations of the cases, or for each cluster column those of the clusters' means.

    Clusters count with their means, not their sums: sizes that are uneven are no tail.
    """
    data = np.asarray(values, dtype=float)
    w = np.ones(len(data)) if weight is None else np.asarray(weight, dtype=float)
    deviation = w * (data - float(w @ data) / float(w.sum()))
    if not clusters:
        return [Deviations(deviation, float(len(data)))]
    codes = [unit_codes(column) for column in clusters]
    return [_of_means(*(np.bincount(code, part).astype(float) for part in (deviation, w))) for code in codes]


def effective_contributions(deviations: Sequence[Deviations]) -> float:
    """Return the effective number of squared deviations of the column with the fewest."""
    return min(column.effective for column in deviations)


def open_ends(deviations: Sequence[Deviations]) -> tuple[str, ...]:
    """Return the flags of the ends of a mean's interval that are not valid: ``open_high``, ``open_low``.

    Notes
    -----
    Of n deviations the effective number must be ``max(10, sqrt(n))``, and 30 are enough. Of clusters of uneven size the share
    of effective deviations must be that of as many as their effective number, up to a quarter. Otherwise the end is open on
    each side whose largest deviation is at least half of the largest of all. An index of the tail (Hill) tells less: among 50
    values it hardly separates a Pareto tail from a normal one.
    """
    few = [column.values for column in deviations if column.few]
    sides = {OPEN_HIGH: [values.max() for values in few], OPEN_LOW: [-values.min() for values in few]}
    largest = [float(np.abs(values).max()) for values in few]
    return tuple(
        flag for flag, side in sides.items() if any(own >= whole / 2 for own, whole in zip(side, largest, strict=True))
    )


def cluster_apart(weight: ArrayLike, clusters: Sequence[ArrayLike], counts: ArrayLike | None = None) -> bool:
    """Return whether the largest cluster of a column is so much larger than the others that a mean may not decide.

    Parameters
    ----------
    weight : array_like, shape (n,)
    clusters : sequence of array_like of int, each shape (n,)
    counts : array_like, shape (n,), optional
        Number of cases of each entry, where entries are sums of alike cases.
    """
    w = np.asarray(weight, dtype=float)
    number = np.ones(len(w)) if counts is None else np.asarray(counts, dtype=float)
    keep = w > 0
    return any(_apart(w[keep], number[keep], np.asarray(column)[keep]) for column in clusters)


def _apart(w: FloatArray, counts: FloatArray, cluster: AnyArray) -> bool:
    codes = unit_codes(cluster)
    alone = np.zeros(int(codes.max(initial=-1)) + 1, dtype=bool)
    alone[codes[cluster_codes(cluster) < 0]] = True
    number = np.where(alone, np.bincount(codes, counts), 1.0)
    return stands_apart(np.bincount(codes, w) / number, number, alone)


def known_df(contributions: FloatArray, weight: FloatArray) -> float:
    """Return degrees of freedom of a variance of weighted cases, from the squared contributions that it rests on.

    Parameters
    ----------
    contributions, weight : ndarray, shape (n,)
        Of independent cases, each contribution with its case's weight.

    Returns
    -------
    float
        Few where heavy cases contribute much. The more the effective number of squared contributions is that of cases that weigh
        alike, the better the variance is known; without limit where weights are alike.
    """
    counted = weight > 0
    own, alike = ((part**2) for part in (contributions[counted], contributions[counted] / weight[counted]))
    if not own.any():
        return float("inf")
    return float(known_size(*(np.array([part.sum() ** 2 / (part @ part)]) for part in (own, alike)))[0])


def _of_means(sums: FloatArray, weights: FloatArray) -> Deviations:
    sums, weights = sums[weights > 0], weights[weights > 0]
    return Deviations(sums / weights, float(weights.sum() ** 2 / (weights @ weights)))
