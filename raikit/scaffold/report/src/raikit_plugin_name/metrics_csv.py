"""Every metric of an audit as a row of a CSV file, for spreadsheets and dashboards."""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import raikit

COLUMNS = [
    "metric",
    "value",
    "low",
    "high",
    "level",
    "n",
    "method",
    "reason",
    "check",
    "plugin",
    "plugin_version",
]


def write(record: raikit.Record, folder: Path) -> list[Path]:
    """Write ``plugin_name.csv`` into a run.

    Parameters
    ----------
    record : raikit.Record
        The whole audit. A report is written from it alone: the model, the data and the
        plugins that measured may be gone.
    folder : Path
        The run directory.

    Returns
    -------
    list of Path
        The files that were written; the manifest of the run hashes them.
    """
    path = folder / "plugin_name.csv"
    partial = path.with_suffix(".partial")  # nobody ever reads half of it
    # what UTF-8 cannot hold (half a surrogate pair) becomes a question mark
    with partial.open("w", encoding="utf-8", errors="replace", newline="") as stream:
        table = csv.DictWriter(stream, COLUMNS)
        table.writeheader()
        table.writerows(rows(record))
    os.replace(partial, path)
    return [path]


def rows(record: raikit.Record) -> list[dict[str, object]]:
    """One row for each metric, in the order of the record; what is undefined is empty."""
    return [
        {
            "metric": metric.id,
            "value": metric.value,
            "low": metric.low,
            "high": metric.high,
            "level": metric.level,
            "n": metric.n,
            "method": inert(metric.method),
            "reason": inert(metric.reason),
            "check": check.name,
            "plugin": inert(check.plugin),
            "plugin_version": inert(check.plugin_version),
        }
        for check, metric in record.metrics()
    ]


def inert(text: str | None) -> str:
    """Text that no spreadsheet takes for a formula, whoever wrote it."""
    text = text or ""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
