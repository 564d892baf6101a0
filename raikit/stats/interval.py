"""The interval of one number, with the name of the procedure that gave it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Interval:
    """One estimate with its uncertainty.

    Parameters
    ----------
    value, low, high : float
        Estimate and ends; `low` or `high` is infinite where the data do not bound that side.
    method : str
        Fit for a table cell: ``"Clopper-Pearson"``, ``"two-way cluster t (df 19)"``.
    n : float
        Rows behind it (Kish's effective number if weighted).
    n_clusters : int, optional
        Fewest clusters of any cluster column.
    flags : tuple of str
        ``"few_clusters"``, ``"unreliable"``, ``"no_variation"``.
    """

    value: float
    low: float
    high: float
    method: str
    n: float
    n_clusters: int | None = None
    flags: tuple[str, ...] = ()
