"""How good is it: utility and calibration."""

from __future__ import annotations

from collections.abc import Iterable

import raikit

raikit_api = 1


@raikit.hookimpl
def raikit_checks() -> Iterable[type[raikit.Check]]:
    """Bring the checks of this pillar."""
    from raikit_performance.calibration import Calibration
    from raikit_performance.classification import Classification
    from raikit_performance.confusion import ConfusionMatrix
    from raikit_performance.regression import Regression

    return [Classification, ConfusionMatrix, Calibration, Regression]
