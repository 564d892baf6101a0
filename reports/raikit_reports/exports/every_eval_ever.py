"""``every_eval_ever.json``: the record in the format 0.3 of Every Eval Ever, one result a metric and group."""

from __future__ import annotations

import datetime
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import raikit
from raikit import format as fmt
from raikit.files import write_text
from raikit_reports.texts import clean, flat

SCHEMA_VERSION = "0.3.0"
_BOUNDS = {"rate": (0.0, 1.0), "points": (-1.0, 1.0), "ratio": (0.0, "Infinity")}
_UNITS = {"rate": "proportion", "points": "proportion"}


def write(record: raikit.Record, folder: Path) -> list[Path]:
    """Write the file; metrics without a value are left out, because the format has no place for them."""
    text = json.dumps(log(record), ensure_ascii=False, indent=1, allow_nan=False)
    return [write_text(folder / "every_eval_ever.json", text + "\n")]


def log(record: raikit.Record) -> dict[str, Any]:
    """Return the record as the format has it.

    Notes
    -----
    Texts are cleaned of what a file must not hold. Groups are in ``metric_parameters`` and in the name of the evaluation, so that
    results of several groups do not collide.
    """
    run, name = record.provenance, flat(record.name) or "model"
    when = str(_timestamp(run.started))
    return {
        "schema_version": SCHEMA_VERSION,
        "evaluation_id": f"raikit/{name}/{flat(run.run_id) or when}",
        **({"evaluation_timestamp": clean(run.started)} if run.started else {}),
        "retrieved_timestamp": when,
        "source_metadata": {
            "source_name": "raikit", "source_type": "evaluation_run",
            "source_organization_name": flat(record.owner.get("team") or "not stated"), "evaluator_relationship": "other",
        },
        "eval_library": {"name": "raikit", "version": flat(run.versions.get("raikit", raikit.__version__))},
        "model_info": {
            "name": name, "id": name,
            "additional_details": {"deployment_type": "unknown", "model_availability": "unknown",
                                   "kind": flat(record.model.get("kind", ""))},
        },
        "evaluation_results": list(_results(record)),
    }  # fmt: skip


def _timestamp(started: str) -> float:
    try:
        return datetime.datetime.fromisoformat(started).timestamp()
    except (ValueError, OverflowError, OSError):
        return 0.0


def _results(record: raikit.Record) -> Iterator[dict[str, Any]]:
    data = record.data
    source = {"dataset_name": flat(data.source) or "not stated", "source_type": "other",
              "additional_details": {"split": flat(data.audited_split), "fingerprint": flat(data.fingerprint)}}  # fmt: skip
    for check, metric in record.metrics():
        if metric.value is not None and metric.subject == "model":
            yield {
                "evaluation_result_id": clean(metric.id or metric.name),
                "evaluation_name": flat(f"{check.name}: {fmt.metric_text(metric)}", 1000),
                "source_data": source,
                "metric_config": _config(metric),
                "score_details": _score(metric, record.confidence),
            }


def _config(metric: raikit.Metric) -> dict[str, Any]:
    low, high = _BOUNDS.get(metric.unit or "", ("-Infinity", "Infinity"))
    parameters = {key: clean(str(value)) for key, value in metric.args.items()}
    parameters |= {f"group.{column}": clean(str(value)) for column, value in (metric.group or {}).items()}
    return {
        "metric_id": clean(metric.id or metric.name), "metric_name": flat(fmt.metric_words(metric.name)),
        "metric_kind": clean(metric.name), "metric_unit": _UNITS.get(metric.unit or "", clean(metric.unit or "none")),
        "metric_parameters": parameters, "lower_is_better": metric.direction == "lower", "score_type": "continuous",
        "min_score": low, "max_score": high,
        "additional_details": {"direction": metric.direction or "neither"},
    }  # fmt: skip


def _score(metric: raikit.Metric, level: float) -> dict[str, Any]:
    score: dict[str, Any] = {"score": metric.value}
    uncertainty: dict[str, Any] = {}
    ends = (metric.low, metric.high)
    if metric.method != "exact" and all(end is not None and math.isfinite(end) for end in ends):
        uncertainty["confidence_interval"] = {
            "lower": metric.low, "upper": metric.high, "confidence_level": metric.level or level,
            "method": flat(metric.method or ""),
        }  # fmt: skip
    if metric.n is not None:
        uncertainty["num_samples"] = metric.n
    if metric.flags:
        score["details"] = {"flags": clean(" ".join(metric.flags))}
    return {**score, "uncertainty": uncertainty} if uncertainty else score
