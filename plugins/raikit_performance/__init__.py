"""Predictive performance and calibration.

`checks` declares the checks and imports nothing heavy; each of the other modules computes one topic and writes it up.
"""

from __future__ import annotations

from collections.abc import Iterable

import raikit

raikit_api = 1


@raikit.hookimpl
def raikit_checks() -> Iterable[type[raikit.Check]]:
    """Return the checks of the pillar "performance"."""
    from raikit_performance.checks import (
        Answers,
        Calibration,
        Classification,
        ConfusionMatrix,
        Entities,
        Labels,
        Regression,
    )

    return [Entities, Labels, Answers, Classification, ConfusionMatrix, Calibration, Regression]
