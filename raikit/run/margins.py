"""How much worse metrics may become from one run to the next: the question that `Check.compare` answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Margin:
    """How much worse a metric may become.

    Parameters
    ----------
    margin : float
        In the unit of the metric.
    test : {"moved", "gap"}
        For disparities: ``moved`` tests whether a disadvantaged group lost more than the margin, ``gap`` whether the gap
        itself grew.
    """

    margin: float
    test: Literal["moved", "gap"] = "moved"


@dataclass(frozen=True)
class Margins:
    """The metrics that a check compares, with their margins.

    Parameters
    ----------
    of : mapping of address to Margin
        Metrics of both runs, by address.
    if_rows_differ : {"overlap", "refuse", "unpaired"}
        What to do if the runs have different cases: compare the shared ones, raise an error, or compare unpaired.
    error : float
        Error of the interval that `Comparison` reports, half of it at either end; the p-value does not depend on it. Also
        the one-sided significance level for which `Comparison.minimum_detectable` is computed.
    """

    of: Mapping[str, Margin]
    if_rows_differ: Literal["overlap", "refuse", "unpaired"] = "overlap"
    error: float = 0.05
