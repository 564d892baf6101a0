"""What does it remember: differentially private fine-tuning, and whether a row's loss betrays its membership."""

from __future__ import annotations

from typing import TYPE_CHECKING

import raikit

if TYPE_CHECKING:
    from collections.abc import Iterable

raikit_api = 1


@raikit.hookimpl
def raikit_checks() -> Iterable[type[raikit.Check]]:
    """The checks of the pillar "privacy"."""
    from raikit_privacy.finetuning import PrivateFineTuning
    from raikit_privacy.inference import MembershipInference

    return [PrivateFineTuning, MembershipInference]
