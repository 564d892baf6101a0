"""Finished runs, read back as pandas frames without any plugin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from raikit.errors import RunError
from raikit.limits import read_json
from raikit.run.directory import PREDICTIONS, RECORD
from raikit.run.predictions import Predictions
from raikit.run.record import Measurements, Record
from raikit.run.results import SCHEMA_VERSION


@dataclass(frozen=True)
class RunView:
    """A run as `Check.compare` gets it, which may not have been judged yet.

    Attributes
    ----------
    folder : Path
        Holds ``predictions.parquet``.
    record : Measurements
        The `Record` of a finished run. While an audit compares itself with a baseline, its `verdict` and `gate` are None.
    is_file : bool
        Whether this is a baseline in a single file, which has no rows.
    counts : sequence of mapping
        Of such a file: rows of every group, target and prediction. Empty if some are suppressed.
    """

    folder: Path
    record: Measurements
    is_file: bool = False
    counts: Sequence[Mapping[str, Any]] = ()

    @cached_property
    def predictions(self) -> Predictions:
        """The scored cases."""
        return Predictions(self.folder / PREDICTIONS, self.record.data.audited_split)

    @cached_property
    def metrics(self) -> pd.DataFrame:
        """One row per metric: its fields, with the check and pillar that measured it."""
        rows = [
            {"check": check.name, "pillar": check.pillar, **metric.model_dump()}
            for check, metric in self.record.metrics()
        ]
        return pd.DataFrame(rows)

    @cached_property
    def checks(self) -> pd.DataFrame:
        """One row per check: status, reason, seconds, plugin."""
        keep = ("name", "pillar", "plugin", "plugin_version", "status", "reason", "seconds", "cost")
        return pd.DataFrame([{field: getattr(check, field) for field in keep} for check in self.record.checks])

    @cached_property
    def rules(self) -> pd.DataFrame:
        """One row per gate rule and matched address; empty before the run is judged."""
        gate = self.record.gate
        return pd.DataFrame([rule.model_dump() for rule in gate.rules] if gate else [])

    @cached_property
    def findings(self) -> pd.DataFrame:
        """One row per finding."""
        return pd.DataFrame(
            [
                {"check": check.name, **finding.model_dump()}
                for check in self.record.checks
                for finding in check.findings
            ]
        )


@dataclass(frozen=True)
class Run(RunView):
    """A finished run as pandas frames.

    Examples
    --------
    ``load_run("runs/triage").metrics.query("name == 'equalized_odds_difference'")``
    """

    record: Record


def load_run(path: str | Path) -> Run:
    """Read the record of a finished run.

    Parameters
    ----------
    path : str or Path
        A run directory, or its ``audit.json``.

    Raises
    ------
    RunError
        If there is no record, it is not one of raikit, or its schema has another major version.
    """
    folder = Path(path)
    if folder.name == RECORD:
        folder = folder.parent
    try:
        content = read_json(folder / RECORD)
    except FileNotFoundError:
        raise RunError(f"{folder}: there is no {RECORD}, so this is not a run of raikit.") from None
    except OSError as error:
        raise RunError(f"{folder / RECORD}: {error.strerror or error}.") from None
    except ValueError:
        content = None
    version = content.get("schema_version") if isinstance(content, dict) else None
    if version not in (None, SCHEMA_VERSION):
        raise RunError(f"{folder / RECORD}: schema version {version!r}; this version of raikit reads {SCHEMA_VERSION!r}.")
    try:
        return Run(folder, Record.model_validate(content if version else None))
    except ValueError:
        raise RunError(f"{folder / RECORD}: this is not a record of an audit, or it was changed.") from None
