"""The configuration that a record holds, which may have been changed since."""

from __future__ import annotations

from typing import Any

from raikit.errors import RunError
from raikit.limits import parse_json
from raikit.run.record import Record


def settings_of(record: Record) -> dict[str, Any]:
    """Return the configuration of a run; empty for a baseline file, which has none.

    Raises
    ------
    RunError
        If it is no mapping of keys.
    """
    try:
        settings = parse_json((record.provenance.config or "{}").encode("utf-8"), "the configuration in the record")
    except ValueError:
        settings = None
    if not isinstance(settings, dict):
        raise changed_settings()
    return settings


def changed_settings() -> RunError:
    """Return the error of a record whose configuration is not one of raikit."""
    return RunError("the configuration in the record is not one of raikit, or it was changed; run the audit again.")
