"""How intervals of the pillar are computed. Light enough for the checks' options, which plugin discovery imports."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

import raikit

Correction = Literal["holm", "benjamini-hochberg"]


@dataclass(frozen=True)
class IntervalSettings:
    """How intervals are computed, and when a group is large enough to be judged.

    Parameters
    ----------
    level : float
        Confidence level, in (0.5, 1).
    draws : int
        Random draws behind simultaneous limits.
    min_group : int
        Fewest cases in the denominator with which a group counts when a limit is shown to be kept. Smaller groups may still
        prove a gap.
    simultaneous : bool
        Whether the groups' own intervals hold for all groups of a feature at once (Sidak), or each by itself.
    correction : {"holm", "benjamini-hochberg"}
        Correction of p-values over the features of a disparity.
    levels : Levels
        Further levels at which the gate may need intervals.
    """

    level: float
    draws: int
    min_group: int
    simultaneous: bool = False
    correction: Correction = "holm"
    levels: raikit.Levels = field(default_factory=raikit.Levels)

    def at(self, level: float) -> IntervalSettings:
        """Return the same settings at another level."""
        return replace(self, level=level)

    def group_level(self, n_groups: int) -> float:
        """Return the level of one group's own interval, where `n_groups` groups have one."""
        return float(self.level ** (1 / max(n_groups, 1))) if self.simultaneous else self.level
