"""``metrics.csv`` and ``metrics.parquet``: every metric of the record, one a row."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import raikit
from raikit import format as fmt
from raikit.files import atomic, write_text
from raikit_reports.texts import clean

if TYPE_CHECKING:
    import pyarrow as pa

COLUMNS = (
    "address", "pillar", "check", "metric", "arguments", "over", "group", "group_in_words", "value", "low", "high", "level",
    "unit", "n", "n_clusters", "direction", "method", "simultaneous", "p_value", "p_adjusted", "flags", "reason", "subject",
)  # fmt: skip
_NUMBERS = {"value", "low", "high", "level", "p_value", "p_adjusted"}
_COUNTS = {"n", "n_clusters"}
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def rows(record: raikit.Record) -> list[dict[str, Any]]:
    """Return a mapping for each metric, with `COLUMNS` as keys; mappings and lists are JSON."""
    return [_row(record, check, metric) for check, metric in record.metrics()]


def _row(record: raikit.Record, check: raikit.CheckRecord, metric: raikit.Metric) -> dict[str, Any]:
    level = metric.level if metric.method != "exact" else None
    return {
        "address": clean(metric.id or metric.name), "pillar": clean(check.pillar), "check": clean(check.name),
        "metric": clean(metric.name), "arguments": _json(metric.args), "over": _json(metric.over or []),
        "group": _json(metric.group) if metric.group else "", "group_in_words": clean(fmt.group_text(metric.over, metric.group)),
        "value": metric.value, "low": metric.low, "high": metric.high,
        "level": None if metric.value is None or metric.method == "exact" else level or record.confidence,
        "unit": clean(metric.unit or ""), "n": metric.n, "n_clusters": metric.n_clusters, "direction": metric.direction or "",
        "method": clean(metric.method or ""), "simultaneous": metric.simultaneous, "p_value": metric.p_value,
        "p_adjusted": metric.p_adjusted, "flags": clean(" ".join(metric.flags)), "reason": clean(metric.reason or ""),
        "subject": clean(metric.subject),
    }  # fmt: skip


def _json(value: Any) -> str:
    return clean(json.dumps(value, ensure_ascii=False)) if value else ""


def write_csv(record: raikit.Record, folder: Path) -> list[Path]:
    """Write ``metrics.csv`` (UTF-8). A text that a spreadsheet would run as a formula begins with an apostrophe."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in rows(record):
        writer.writerow({name: _inert(value) for name, value in row.items()})
    return [write_text(folder / "metrics.csv", text.getvalue())]


def _inert(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def write_parquet(record: raikit.Record, folder: Path) -> list[Path]:
    """Write ``metrics.parquet`` with the columns of the CSV, typed."""
    import pyarrow.parquet as pq

    path = folder / "metrics.parquet"
    with atomic(path) as partial:
        pq.write_table(_table(record), partial)
    return [path]


def _table(record: raikit.Record) -> pa.Table:
    import pyarrow as pa

    kinds = {name: pa.float64() if name in _NUMBERS else pa.int64() if name in _COUNTS else pa.string() for name in COLUMNS}
    schema = pa.schema({**kinds, "simultaneous": pa.bool_()})
    return pa.Table.from_pylist(rows(record), schema=schema)
