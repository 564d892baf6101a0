"""For whom is it worse."""

from __future__ import annotations

from collections.abc import Iterable

import raikit

raikit_api = 1


@raikit.hookimpl
def raikit_checks() -> Iterable[type[raikit.Check]]:
    """Bring the checks of this pillar."""
    from raikit_fairness.check import Groups
    from raikit_fairness.impact import ImpactRatios

    return [
        Groups,
        ImpactRatios,
    ]
