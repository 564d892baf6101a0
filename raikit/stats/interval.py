"""An estimate with its interval, and the flags that go with it."""

from __future__ import annotations

from dataclasses import dataclass

from raikit.stats.covariance_result import CovarianceResult


@dataclass(frozen=True)
class Interval:
    """One estimate with its uncertainty.

    Parameters
    ----------
    value, low, high : float
        Estimate and ends of the interval; `low` or `high` is infinite where the data do not bound that side.
    method : str
        Name of the procedure, for a table cell: ``"Clopper-Pearson"``, ``"two-way cluster t (df 19)"``.
    n : float
        Number of cases (Kish's effective number if weighted).
    n_clusters : int, optional
        Fewest clusters of any cluster column.
    flags : tuple of str
        ``"few_clusters"``: fewer than 4 effective clusters, or up to three that dominate. ``"no_variation"``: the data do not
        vary, so they do not show how far off the estimate may be. ``"unreliable"``: decide nothing on this interval.
        ``"open_high"``, ``"open_low"``: decide nothing on this end.
    """

    value: float
    low: float
    high: float
    method: str
    n: float
    n_clusters: int | None = None
    flags: tuple[str, ...] = ()


def without_variation(
    value: float,
    bounds: tuple[float, float],
    method: str,
    n: float,
    n_clusters: int | None,
    flags: tuple[str, ...],
) -> Interval:
    """Return the widest possible interval, for data that do not vary."""
    marked = tuple(dict.fromkeys((*flags, "no_variation", "unreliable")))
    return Interval(value, *bounds, f"none (no variation for {method})", n, n_clusters, marked)


def cluster_number(cov: CovarianceResult) -> int | None:
    """Return the number of clusters behind a single estimate; None without cluster columns."""
    return int(cov.n_clusters[0]) if cov.ways else None


def cluster_flags(cov: CovarianceResult) -> tuple[str, ...]:
    """Return the flags of a single estimate."""
    few = ("few_clusters",) if cov.ways and cov.few_clusters[0] else ()
    return (*few, "unreliable") if cov.n_clusters[0] < 2 else few
