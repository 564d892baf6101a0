"""What metrics may lose from one run to the next: the question that `Check.compare` answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Margin:
    """What a metric may lose.

    Parameters
    ----------
    margin : float
    test : {"moved", "gap"}
        Of disparities: whether some group lost more than the margin and is behind, or whether the gap itself grew.
    """

    margin: float
    test: Literal["moved", "gap"] = "moved"


@dataclass(frozen=True)
class Margins:
    """What a check is asked to compare.

    Parameters
    ----------
    of : mapping of address to Margin
        Metrics that both runs have.
    if_rows_differ : {"overlap", "refuse", "unpaired"}
    error : float
        One-sided level of each test.
    """

    of: Mapping[str, Margin]
    if_rows_differ: Literal["overlap", "refuse", "unpaired"] = "overlap"
    error: float = 0.05
