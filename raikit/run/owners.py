"""Names that stand for the distribution of a plugin; light enough for commands that must start at once."""

from __future__ import annotations

FIRST_PARTY = "raikit"  # raikit's own plugins
LOCAL = "local"  # checks in files beside audit.yaml, which belong to no distribution
