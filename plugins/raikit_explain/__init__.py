"""Why does it decide so: what each decision rests on, and whether two ways of asking give one answer."""

from __future__ import annotations

import raikit

raikit_api = 1


@raikit.hookimpl
def raikit_checks() -> list[type[raikit.Check]]:
    """The checks of this pillar."""
    from raikit_explain.checks import Attributions

    return [Attributions]
