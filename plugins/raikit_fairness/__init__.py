"""The fairness pillar: which groups the model is worse for.

It brings the checks of the pillar, and `assess`: the same measurements in one call, on arrays or a file.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import raikit

if TYPE_CHECKING:
    from raikit_fairness.assessment import Assessment as Assessment
    from raikit_fairness.assessment import assess as assess

__all__ = ["Assessment", "assess"]
raikit_api = 1


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    module = import_module("raikit_fairness.assessment")
    globals().update({public: getattr(module, public) for public in __all__})
    return globals()[name]


@raikit.hookimpl
def raikit_checks() -> Iterable[type[raikit.Check]]:
    """Return the checks of this pillar."""
    from raikit_fairness.checks.groups import GroupMetrics
    from raikit_fairness.checks.impact import ImpactRatios
    from raikit_fairness.checks.mitigation import Mitigation
    from raikit_fairness.checks.parts import EntityGaps, LabelGaps
    from raikit_fairness.checks.reweighting import Reweighting
    from raikit_fairness.checks.search import Search
    from raikit_fairness.checks.thresholds import Thresholds

    return [GroupMetrics, LabelGaps, EntityGaps, ImpactRatios, Thresholds, Mitigation, Reweighting, Search]
