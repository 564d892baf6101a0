"""The checks of the pillar "privacy": what they require, produce and compose. Estimation is imported when they run."""

from raikit_privacy.checks.canaries import Canaries
from raikit_privacy.checks.finetuning import PrivateFineTuning
from raikit_privacy.checks.membership import MembershipInference
from raikit_privacy.checks.shadow_attacks import ShadowAttacks

__all__ = ["Canaries", "MembershipInference", "PrivateFineTuning", "ShadowAttacks"]
