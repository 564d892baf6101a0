"""Bootstrap intervals of smooth statistics that have no formula (RMSE, R2, macro-F1)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr, ndtri

from raikit.stats._types import FloatArray, IntArray
from raikit.stats.covariance import unit_codes
from raikit.stats.covariance_result import MIN_EFFECTIVE_CLUSTERS
from raikit.stats.dominance import dominated
from raikit.stats.interval import Interval, without_variation
from raikit.stats.quantiles import tail_of

Statistic = Callable[[FloatArray], FloatArray]
_BLOCK = 1 << 22  # Elements of one block of resampled weights: 32 MB.
_JACKKNIFE = 200  # Blocks left out one at a time for BCa's acceleration.


def bootstrap_interval(
    statistic: Statistic,
    rows: int | None = None,
    *,
    counts: ArrayLike | None = None,
    clusters: Sequence[ArrayLike] = (),
    level: float = 0.95,
    draws: int = 2_000,
    rng: np.random.Generator,
    kind: Literal["bca", "percentile"] = "bca",
    bounds: tuple[float, float] = (-np.inf, np.inf),
) -> Interval:
    """Compute a bootstrap interval of a *smooth* statistic (RMSE, R2, macro-F1), not of a largest difference.

    Parameters
    ----------
    statistic : callable
        Takes non-negative weights, shape (b, m), and returns b values; m is the number of cases, or of cells if `counts`
        is given. The statistic has to multiply in sampling weights itself.
    rows : int, optional
        Number of cases.
    counts : array_like of int, shape (m,), optional
        Cases per cell, instead of `rows`: much faster for statistics of a table of counts.
    clusters : sequence of array_like of int, each shape (rows,)
        One column: whole clusters are drawn. Two: the product of two independent draws (pigeonhole bootstrap),
        which is conservative and uses percentiles.
    level : float, in (0, 1)
    draws : int
    rng : numpy.random.Generator
    kind : {"bca", "percentile"}
        "bca" corrects for bias and skewness.
    bounds : (float, float)
        Range of the statistic, (0, 1) for a macro-F1.

    Returns
    -------
    Interval
        If the statistic is the same in every draw (a perfect score on few cases), the ends are the bounds and the flags
        ``no_variation`` and ``unreliable``. Draws in which it is NaN are dropped; if they are over 1%, the flag is
        ``unreliable``. The flag ``few_clusters`` marks fewer than 4 effective clusters, or up to three that dominate.

    Raises
    ------
    ValueError
        If neither or both of `rows` and `counts` are given, `counts` comes with clusters, there are over two cluster
        columns, lengths differ, or the statistic is undefined on the data.

    Notes
    -----
    The level is approximate: with heavy tails (squared errors of prices) the interval misses far more often than stated.

    References
    ----------
    .. [1] Efron, "Better bootstrap confidence intervals", JASA 1987.
    .. [2] Owen, "The pigeonhole bootstrap", Annals of Applied Statistics 2007.
    """
    sampler = _Sampler.of(rows, counts, clusters)
    value = float(statistic(sampler.whole[None, :])[0])
    if np.isnan(value):
        raise ValueError("the statistic is undefined on these data")
    step = max(1, _BLOCK // len(sampler.whole))
    sizes = [min(step, draws - start) for start in range(0, draws, step)]
    drawn = np.concatenate([np.asarray(statistic(sampler.draw(size, rng)), dtype=float) for size in sizes])
    defined = drawn[~np.isnan(drawn)]
    clusters_drawn = sampler.n_clusters
    few = sampler.clustered and (sampler.effective_clusters < MIN_EFFECTIVE_CLUSTERS or sampler.dominated)
    flags: tuple[str, ...] = ("few_clusters",) if few else ()
    flags = flags if len(defined) >= 0.99 * draws else (*flags, "unreliable")
    bca = kind == "bca" and len(clusters) < 2
    method = f"{sampler.name} bootstrap, {'BCa' if bca else 'percentile'}"
    method += ", conservative" if len(clusters) == 2 else ""
    if not len(defined) or np.ptp(defined) <= 1e-12 * abs(value):
        return without_variation(value, bounds, method, sampler.n, clusters_drawn, flags)
    tail = tail_of(level)
    ends = _bca_tails(value, defined, sampler.leave_out(statistic), tail) if bca else (tail, 1 - tail)
    low, high = (float(end) for end in np.quantile(defined, ends))
    return Interval(value, min(low, value), max(high, value), method, sampler.n, clusters_drawn, flags)


def _bca_tails(value: float, drawn: FloatArray, left_out: FloatArray, tail: float) -> tuple[float, float]:
    below = (np.sum(drawn < value) + np.sum(drawn == value) / 2) / len(drawn)
    z0 = float(ndtri(np.clip(below, 1 / len(drawn), 1 - 1 / len(drawn))))
    d = np.nanmean(left_out) - left_out
    d = d[~np.isnan(d)]
    spread = float(np.sum(d**2)) ** 1.5
    a = float(np.sum(d**3)) / (6 * spread) if spread > 0 else 0.0
    z = z0 + ndtri(np.array([tail, 1 - tail]))
    low, high = ndtr(z0 + z / (1 - np.clip(a * z, -0.9, 0.9)))
    return float(low), float(high)


class _Sampler:
    """Source of resampled weights: of cells, cases, whole clusters, or two crossed clusters."""

    def __init__(self, whole: FloatArray, units: list[IntArray], cells: bool) -> None:
        self.whole, self.units, self.cells = whole, units, cells
        self.n = float(whole.sum())

    @classmethod
    def of(cls, rows: int | None, counts: ArrayLike | None, clusters: Sequence[ArrayLike]) -> _Sampler:
        if (rows is None) == (counts is None) or (counts is not None and clusters):
            raise ValueError("give either `rows` (with clusters, if any) or `counts`")
        if counts is not None:
            return cls(np.asarray(counts, dtype=float), [], cells=True)
        whole = np.ones(int(rows or 0))
        units = [unit_codes(c) for c in clusters]
        if len(units) > 2 or any(len(u) != len(whole) for u in units):
            raise ValueError("at most two cluster columns, each with one entry per case")
        return cls(whole, units or [np.arange(len(whole))], cells=False)

    @property
    def clustered(self) -> bool:
        return not self.cells and (len(self.units) > 1 or int(self.units[0].max(initial=-1)) + 1 < len(self.whole))

    @property
    def n_clusters(self) -> int | None:
        return min(int(u.max()) + 1 for u in self.units) if self.clustered else None

    @property
    def effective_clusters(self) -> float:
        """Effective number of clusters, of the column that has fewer: 1 / sum of squared shares of the cases."""
        return min(self.n**2 / float(np.sum(np.bincount(u).astype(float) ** 2)) for u in self.units)

    @property
    def dominated(self) -> bool:
        """Whether one to three clusters are in a class of their own."""
        sizes = (np.bincount(unit) / self.n for unit in self.units)
        return any(dominated(np.zeros(len(each), dtype=np.int64), each, np.array([each @ each]))[0] for each in sizes)

    @property
    def name(self) -> str:
        return ("two-way cluster" if len(self.units) > 1 else "cluster") if self.clustered else "row"

    def draw(self, size: int, rng: np.random.Generator) -> FloatArray:
        """Draw the weights of `size` resamples, shape (size, m)."""
        if self.cells:
            total = self.whole.sum()
            return rng.multinomial(int(total), self.whole / total, size=size).astype(float)
        weights = np.ones((size, len(self.whole)))
        for unit in self.units:
            g = int(unit.max()) + 1
            chosen = rng.integers(g, size=(size, g)) + np.arange(size)[:, None] * g
            weights *= np.bincount(chosen.ravel(), minlength=size * g).reshape(size, g)[:, unit]
        return weights

    def leave_out(self, statistic: Statistic) -> FloatArray:
        """Return the statistic without each of about 200 blocks of cases or clusters; for cells, without one case of each."""
        if self.cells:
            return self._leave_out_cells(statistic)
        unit = self.units[0]
        g = int(unit.max()) + 1
        block = (np.arange(g) * min(_JACKKNIFE, g) // g)[unit]
        if g == len(self.whole):  # A block takes every 200th case, so that the blocks of a sorted table are alike.
            block = np.arange(g) % min(_JACKKNIFE, g)
        parts = [statistic((block != b).astype(float)[None, :])[0] for b in range(int(block.max()) + 1)]
        return np.asarray(parts, dtype=float)

    def _leave_out_cells(self, statistic: Statistic) -> FloatArray:
        filled = np.flatnonzero(self.whole)
        parts = [float(statistic((self.whole - (np.arange(len(self.whole)) == c))[None, :])[0]) for c in filled]
        return np.repeat(np.asarray(parts), np.minimum(self.whole[filled], 1 << 20).astype(np.int64))
