"""What is known of one measure in every group: estimates that can be compared, from counts or from clustered rows."""

from __future__ import annotations

import zlib
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np

    from raikit.stats import Contrasts, CovarianceResult, Gap
    from raikit_fairness.estimates.case_counts import BoolArray, FloatArray, IntArray


Correction = Literal["holm", "benjamini-hochberg"]


@dataclass(frozen=True)
class Settings:
    """How intervals are made.

    Parameters
    ----------
    level : float
    draws : int
    min_group : int
        Rows in the denominator from which on a group is judged.
    simultaneous : bool
        Whether the groups' own intervals hold for all groups of a feature at once (Sidak), or each by itself.
    correction : {"holm", "benjamini-hochberg"}
        Of p-values over the features of a disparity.
    """

    level: float
    draws: int
    min_group: int
    simultaneous: bool = False
    correction: Correction = "holm"

    def of_groups(self, defined: int) -> float:
        """Level of one group's own interval, where `defined` groups have one."""
        return float(self.level ** (1 / max(defined, 1))) if self.simultaneous else self.level


class Draws:
    """Random numbers for the quantities of one feature: none depends on which others are asked for.

    Parameters
    ----------
    seed : int
    columns : tuple of str
        Of the feature.
    draws : int
    """

    def __init__(self, seed: int, columns: tuple[str, ...], draws: int) -> None:
        self.seed, self.columns, self.draws = seed, columns, draws
        self._normals: Any = None

    def rng(self, *key: object) -> np.random.Generator:
        """A generator of one quantity's own."""
        import numpy as np

        return np.random.default_rng([self.seed, zlib.crc32(repr((*key, self.columns)).encode())])

    def normals(self, keep: BoolArray) -> Any:
        """Standard normal draws of the groups in `keep`, shape (kept, draws), the same for every quantity."""
        import numpy as np

        if self._normals is None or len(self._normals) < len(keep):  # more rows begin with the same ones
            self._normals = self.rng("normals").standard_normal((len(keep), self.draws), dtype=np.float32)
        found = self._normals[: len(keep)]
        return found if keep.all() else found[keep]


@dataclass(frozen=True)
class Intervals:
    """Each group by itself.

    Parameters
    ----------
    low, high, effective_n : ndarray, shape (k,)
    method : str
    unreliable : ndarray of bool, shape (k,)
        Where the data do not vary, so that no interval is valid.
    """

    low: FloatArray
    high: FloatArray
    effective_n: FloatArray
    method: str
    unreliable: BoolArray


class Estimates(ABC):
    """A rate or mean of k groups.

    Attributes
    ----------
    n : ndarray of int, shape (k,)
        Rows in the denominator.
    """

    n: IntArray

    @property
    @abstractmethod
    def value(self) -> FloatArray:
        """Rates or means; NaN where the denominator is empty."""

    @property
    @abstractmethod
    def overall(self) -> float:
        """Of all groups together."""

    @property
    def n_clusters(self) -> IntArray | None:
        """Clusters of each group, of the column that has fewer; None without cluster columns."""
        return None

    @property
    def defined(self) -> BoolArray:
        """Groups that have a value."""
        import numpy as np

        return np.asarray(~np.isnan(self.value))

    @property
    def few_clusters(self) -> BoolArray:
        """Groups with too few clusters for any interval to hold its level."""
        import numpy as np

        from raikit.stats import MIN_CLUSTERS

        return np.zeros(len(self.n), dtype=bool) if self.n_clusters is None else self.n_clusters < MIN_CLUSTERS

    @property
    def support(self) -> IntArray:
        """Rows that a group's value rests on: of the scarcer class, where it needs both."""
        return self.n

    def judged(self, settings: Settings) -> BoolArray:
        """Groups that are large enough to decide whether a limit is kept."""
        import numpy as np

        return np.asarray(self.defined & (self.support >= settings.min_group) & ~self.few_clusters)

    @abstractmethod
    def intervals(self, level: float) -> Intervals:
        """Interval of each group by itself."""

    @abstractmethod
    def gap(self, keep: BoolArray, settings: Settings, draws: Draws) -> Gap:
        """Largest difference over the groups in `keep`; `worst` and `best` count within them."""

    @abstractmethod
    def ratio(self, keep: BoolArray, settings: Settings, draws: Draws, p_value: float | None = None) -> Gap:
        """Smallest over largest of the groups in `keep`; `p_value` is that of their gap, if known."""

    @abstractmethod
    def versus_rest(self, keep: BoolArray, settings: Settings, draws: Draws) -> Contrasts:
        """Each group in `keep` against all others in it together."""

    @abstractmethod
    def versus(self, reference: int, keep: BoolArray, settings: Settings) -> Contrasts:
        """Each group in `keep` but the reference against it, simultaneous by Bonferroni."""


@dataclass(frozen=True)
class Counted(Estimates):
    """Rates of independent rows.

    Parameters
    ----------
    n : ndarray of int, shape (k,)
    events, w, w2 : ndarray, shape (k,)
        Over the denominator's rows: weight of those counted, sum of weights, sum of their squares. Without weights
        these are numbers of rows.
    weighted : bool
    key : str
        What is counted; its random numbers depend on it.
    """

    n: IntArray
    events: FloatArray
    w: FloatArray
    w2: FloatArray
    weighted: bool
    key: str = ""

    @property
    def value(self) -> FloatArray:
        import numpy as np

        rates: FloatArray = np.divide(self.events, self.w, out=np.full(len(self.w), np.nan), where=self.w > 0)
        return rates

    @property
    def overall(self) -> float:
        return float(self.events.sum() / self.w.sum()) if self.w.sum() > 0 else float("nan")

    def counts(self, keep: BoolArray) -> tuple[FloatArray, FloatArray]:
        """Successes and trials; with weights, as many as carry the same information (Kish)."""
        from raikit import stats

        if not self.weighted:
            return self.events[keep], self.w[keep]
        return stats.effective_counts(self.events[keep], self.w[keep], self.w2[keep])

    def intervals(self, level: float) -> Intervals:
        import numpy as np

        from raikit import stats

        every = np.ones(len(self.n), dtype=bool)
        x, n = self.counts(every)
        low, high = stats.clopper_pearson(x, n, level)
        method = "Clopper-Pearson" + (" at Kish's effective n" if self.weighted else "")
        return Intervals(low, high, n, method, np.zeros(len(n), dtype=bool))

    def gap(self, keep: BoolArray, settings: Settings, draws: Draws) -> Gap:
        from raikit import stats

        return stats.gap(*self.counts(keep), settings.level, settings.draws, rng=draws.rng(self.key, "gap"),
                         normals=draws.normals(keep))

    def ratio(self, keep: BoolArray, settings: Settings, draws: Draws, p_value: float | None = None) -> Gap:
        from raikit import stats

        return stats.ratio(*self.counts(keep), settings.level, settings.draws, rng=draws.rng(self.key, "gap"),
                           normals=draws.normals(keep), p_value=p_value)

    def versus_rest(self, keep: BoolArray, settings: Settings, draws: Draws) -> Contrasts:
        from raikit import stats

        found = stats.group_vs_rest(*self.counts(keep), settings.level, settings.draws, rng=draws.rng(self.key, "rest"),
                                    normals=draws.normals(keep))
        return self._weighted_rest(found, keep) if self.weighted else found

    def versus(self, reference: int, keep: BoolArray, settings: Settings) -> Contrasts:
        import numpy as np
        from scipy.special import ndtr

        from raikit import stats

        others = keep.copy()
        others[reference] = False
        tail = (1 - settings.level) / 2 / max(int(others.sum()), 1)
        x, n = self.counts(np.ones(len(keep), dtype=bool))
        low, high = stats.clopper_pearson(x, n, 1 - 2 * tail)
        p = self.value
        value = p[others] - p[reference]
        lows, highs = stats.difference_limits(p[others], low[others], high[others], p[reference], low[reference],
                                              high[reference])
        smooth = (x + 1) / (n + 2)
        variance = smooth * (1 - smooth) / (n + 2)
        p_value = 2 * ndtr(-np.abs(value) / np.sqrt(variance[others] + variance[reference]))
        return stats.Contrasts(value, lows, highs, p_value, stats.holm(p_value), float("nan"),
                               f"MOVER, exact limits, Bonferroni over {int(others.sum())} groups; p normal, Holm")

    def _weighted_rest(self, found: Contrasts, keep: BoolArray) -> Contrasts:
        """Contrasts whose rest is pooled by weight, not by effective numbers of rows."""
        import numpy as np
        from scipy.special import ndtr

        from raikit import stats

        sides = []
        for rest in (False, True):
            parts = [(part[keep].sum() - part[keep] if rest else part[keep]) for part in (self.events, self.w, self.w2)]
            x, n = stats.effective_counts(np.clip(parts[0], 0, None), parts[1], parts[2])
            tail = float(ndtr(-found.critical))
            smooth = (x + 1) / (n + 2)
            sides.append((x / n, *stats.clopper_pearson(x, n, 1 - 2 * tail), smooth * (1 - smooth) / (n + 2)))
        (p, l1, u1, v1), (q, l2, u2, v2) = sides
        low, high = stats.difference_limits(p, l1, u1, q, l2, u2)
        p_value = 2 * ndtr(-np.abs(p - q) / np.sqrt(v1 + v2))
        return replace(found, value=p - q, low=low, high=high, p_value=p_value, p_adjusted=stats.holm(p_value),
                       method="max-t, MOVER, exact limits at Kish's effective n; p normal, Holm")

    def complement(self) -> Counted:
        """Share of the rows in the denominator that the rate does not count."""
        import numpy as np

        return replace(self, events=np.clip(self.w - self.events, 0, None), key=f"1 - {self.key}")


@dataclass(frozen=True)
class Clustered(Estimates):
    """Rates or means from rows that share clusters (and means of independent rows).

    Parameters
    ----------
    cov : CovarianceResult
    n : ndarray of int, shape (k,)
    everyone : float
        Value of all groups together.
    bounds : (float, float)
        What the value cannot leave.
    key : str
        What is estimated; its random numbers depend on it.
    """

    cov: CovarianceResult
    n: IntArray
    everyone: float
    bounds: tuple[float, float] = (0.0, 1.0)
    key: str = ""

    @property
    def overall(self) -> float:
        return self.everyone

    @property
    def value(self) -> FloatArray:
        return self.cov.rates

    @property
    def n_clusters(self) -> IntArray | None:
        return self.cov.n_clusters if self.cov.ways else None

    @property
    def few_clusters(self) -> BoolArray:
        return self.cov.few_clusters if self.cov.ways else super().few_clusters

    def intervals(self, level: float) -> Intervals:
        import numpy as np

        from raikit import stats

        found = stats.clustered_rate_interval(self.cov, level)
        low, high = (np.clip(end, *self.bounds) for end in (found.low, found.high))
        still = self.defined & (np.diag(self.cov.M) <= 0) & (not self.cov.proportion)
        low, high = np.where(still, self.bounds[0], low), np.where(still, self.bounds[1], high)
        return Intervals(low, high, found.n_effective, found.method, np.asarray(still, dtype=bool))

    def gap(self, keep: BoolArray, settings: Settings, draws: Draws) -> Gap:
        from raikit import stats

        return stats.clustered_gap(self.cov.subset(keep), settings.level, settings.draws, rng=draws.rng(self.key, "gap"))

    def ratio(self, keep: BoolArray, settings: Settings, draws: Draws, p_value: float | None = None) -> Gap:
        from raikit import stats

        return stats.clustered_ratio(self.cov.subset(keep), settings.level, settings.draws,
                                     rng=draws.rng(self.key, "ratio"))

    def versus_rest(self, keep: BoolArray, settings: Settings, draws: Draws) -> Contrasts:
        from raikit import stats

        return stats.clustered_group_vs_rest(self.cov.subset(keep), settings.level, settings.draws,
                                             rng=draws.rng(self.key, "rest"))

    def versus(self, reference: int, keep: BoolArray, settings: Settings) -> Contrasts:
        import numpy as np

        from raikit import stats

        others = [int(at) for at in np.flatnonzero(keep) if at != reference]
        level = 1 - (1 - settings.level) / max(len(others), 1)
        found = [stats.clustered_difference(self.cov.subset([at, reference]), level) for at in others]
        return stats.join_contrasts(found, f"Bonferroni over {len(others)} groups")

    def complement(self) -> Clustered:
        """Share of the rows in the denominator that the rate does not count."""
        return replace(self, cov=replace(self.cov, rates=1 - self.cov.rates), everyone=1 - self.everyone,
                       key=f"1 - {self.key}")
