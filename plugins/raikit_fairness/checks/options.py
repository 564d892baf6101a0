"""The options that every check of gaps between groups has."""

from __future__ import annotations

from pydantic import Field

import raikit
from raikit_fairness.settings import IntervalSettings


class GapOptions(raikit.CheckOptions):
    """How groups are read and how the intervals of their gaps are computed."""

    min_group: int = Field(
        30, ge=1, description="Groups with fewer cases are marked. They may prove a gap; a pass is judged without them."
    )
    max_groups: int | None = Field(
        None, ge=2, description="More groups of one feature stop the check; absent: data.max_groups."
    )
    confidence: float | None = Field(None, gt=0.5, le=1 - 1e-9, description="Level of the intervals; absent: the run's.")
    draws: int = Field(20_000, ge=1_000, description="Draws behind simultaneous limits; fewer are imprecise.")

    def most_groups(self, ctx: raikit.CheckContext) -> int:
        """Return the most groups that one feature may have, by the configuration if the options do not say."""
        return self.max_groups or ctx.max_groups

    def settings(self, ctx: raikit.CheckContext) -> IntervalSettings:
        """Return the settings of intervals, at the run's level if the options name none."""
        return IntervalSettings(self.confidence or ctx.confidence, self.draws, self.min_group, levels=ctx.levels)

    @property
    def between_runs(self) -> IntervalSettings:
        """The settings of comparisons of two runs, whose levels follow from their margins."""
        return IntervalSettings(0.95, self.draws, self.min_group)
