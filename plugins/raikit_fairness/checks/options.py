"""The options that every check of gaps between groups has."""

from __future__ import annotations

from pydantic import Field

import raikit
from raikit_fairness.estimates.group_estimates import Settings


class GapOptions(raikit.CheckOptions):
    """How groups are read and how the intervals of their gaps are made."""

    min_group: int = Field(30, ge=1, description="Groups with fewer rows are shown, marked, and never decide.")
    max_groups: int = Field(500, ge=2, description="More groups of one feature stop the check.")
    confidence: float | None = Field(None, gt=0.5, lt=1, description="Level of the intervals; absent: the run's.")
    draws: int = Field(20_000, ge=1_000, description="Draws behind simultaneous limits; fewer are rough.")

    def settings(self, ctx: raikit.CheckContext) -> Settings:
        """How intervals are made, at the run's level where the options name none."""
        return Settings(self.confidence or ctx.confidence, self.draws, self.min_group)
