"""Trackers of experiments: what an audit found, logged where a team looks at its other runs."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import raikit

NAMES = ("mlflow", "tensorboard", "wandb")


def log(record: raikit.Record, run: Path) -> None:
    """Log an audit to each tracker of its configuration.

    Parameters
    ----------
    record : Record
        As people read it.
    run : Path
        Folder of the run.

    Raises
    ------
    RunError
        If the package of a tracker is not installed. The record is on disk by then, and the verdict stays.
    """
    settings = _settings(record)
    for name in NAMES:
        if settings.get(name):
            try:
                tracker = import_module(f"raikit_reports.trackers.{name}")
            except ImportError as error:
                needed = f"pip install {_PACKAGES[name]}"
                raise raikit.RunError(f"trackers.{name} needs a package that is not installed: {needed} ({error}).") from None
            tracker.log(record, run, settings[name], Path(record.provenance.config_path).parent)


_PACKAGES = {"mlflow": "mlflow-skinny", "tensorboard": "tensorboard", "wandb": "wandb"}


def _settings(record: raikit.Record) -> dict[str, Any]:
    """Return the trackers of a record's configuration; empty if it has none."""
    try:
        settings = json.loads(record.provenance.config).get("trackers")
    except (ValueError, AttributeError):
        return {}
    return settings if isinstance(settings, dict) else {}
