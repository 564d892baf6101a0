"""Explainability: which inputs decisions rest on, and whether two ways of measuring that agree.

`checks` declares the check and imports nothing heavy; `estimates` measures; `report` writes findings, tables and figures.
"""

from __future__ import annotations

import raikit

raikit_api = 1


@raikit.hookimpl
def raikit_checks() -> list[type[raikit.Check]]:
    """Return the checks of the pillar "explainability"."""
    from raikit_explain.checks import Attributions
    from raikit_explain.perturbation_check import Perturbations
    from raikit_explain.probe_check import Probes

    return [Attributions, Perturbations, Probes]
