"""Privacy: differentially private fine-tuning, and membership inference on the audited model.

`checks` declares the checks and imports nothing heavy; `estimates` measures; `report` writes findings, tables and figures.
"""

from __future__ import annotations

from collections.abc import Iterable

import raikit

raikit_api = 1


@raikit.hookimpl
def raikit_checks() -> Iterable[type[raikit.Check]]:
    """Return the checks of the pillar "privacy"."""
    from raikit_privacy.checks import Canaries, MembershipInference, PrivateFineTuning, ShadowAttacks

    return [MembershipInference, ShadowAttacks, PrivateFineTuning, Canaries]  # what is known of the audited model is told first
