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
        The complete audit. A report uses it alone, because the model, the data and the
        plugins may be gone.
    folder : Path
        The run directory.

    Returns
    -------
    list of Path
        The files that were written; the manifest of the run holds their hashes.
    """
    path = folder / "plugin_name.csv"
    partial = path.with_suffix(".partial")  # a reader never sees half a file
    # Characters that UTF-8 cannot hold (lone surrogates) become question marks.
    with partial.open("w", encoding="utf-8", errors="replace", newline="") as stream:
        table = csv.DictWriter(stream, COLUMNS)
        table.writeheader()
        table.writerows(rows(record))
    os.replace(partial, path)
    return [path]


def rows(record: raikit.Record) -> list[dict[str, object]]:
    """Make a row of each metric, in the order of the record; undefined values are "
    "empty."""
    return [
        {
            "metric": metric.id,
            "value": metric.value,
            "low": metric.low,
            "high": metric.high,
            "level": metric.level,
            "n": metric.n,
            "method": safe_text(metric.method),
            "reason": safe_text(metric.reason),
            "check": check.name,
            "plugin": safe_text(check.plugin),
            "plugin_version": safe_text(check.plugin_version),
        }
        for check, metric in record.metrics()
    ]


def safe_text(text: str | None) -> str:
    """Quote text that a spreadsheet would run as a formula."""
    text = text or ""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
