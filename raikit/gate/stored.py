"""The policy that a record holds."""

from __future__ import annotations

from raikit.config.schema import GateConfig
from raikit.run.record import Record
from raikit.run.settings import changed_settings, settings_of


def stored_policy(record: Record) -> GateConfig:
    """Return the policy that a run was judged by.

    Raises
    ------
    RunError
        If it cannot be read.
    """
    try:
        return GateConfig.model_validate(settings_of(record).get("gate", {}))
    except ValueError:
        raise changed_settings() from None
