"""``bom.cdx.json``: the audited model as a component of a CycloneDX 1.7 bill of materials, with its model card."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import raikit
from raikit import format as fmt
from raikit.files import write_text
from raikit_reports.texts import clean, flat

SPEC_VERSION = "1.7"
_SPACE = uuid.UUID("6f9619ff-8b86-5d01-b42d-00cf4fc964ff")


def write(record: raikit.Record, folder: Path) -> list[Path]:
    """Write the file; the same record gives the same bytes."""
    text = json.dumps(bill(record), ensure_ascii=False, indent=1, allow_nan=False)
    return [write_text(folder / "bom.cdx.json", text + "\n")]


def bill(record: raikit.Record) -> dict[str, Any]:
    """Return the bill of materials: the model with its card, and the software that measured it."""
    run = record.provenance
    serial = uuid.uuid5(_SPACE, f"{record.name} {run.run_id} {run.started}".encode("utf-8", "replace").decode())
    return {
        "$schema": f"http://cyclonedx.org/schema/bom-{SPEC_VERSION}.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": SPEC_VERSION,
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        "metadata": {"tools": {"components": [
            {"type": "application", "name": "raikit", "version": flat(run.versions.get("raikit", raikit.__version__))}
        ]}},
        "components": [_model(record), *_libraries(record)],
    }  # fmt: skip


def _model(record: raikit.Record) -> dict[str, Any]:
    model: dict[str, Any] = {
        "type": "machine-learning-model", "bom-ref": "model", "name": flat(record.name) or "model", "modelCard": _card(record),
        "properties": [
            {"name": "raikit:verdict", "value": record.verdict}, {"name": "raikit:run", "value": flat(record.provenance.run_id)},
            {"name": "raikit:answer", "value": flat(record.summary.answer, 1000)},
        ],
    }  # fmt: skip
    if team := record.owner.get("team"):
        model["publisher"] = flat(team)
    return model


def _card(record: raikit.Record) -> dict[str, Any]:
    data = record.data
    return {
        "modelParameters": {
            "task": flat(data.task) or "not stated",
            "datasets": [{"type": "dataset", "name": flat(data.source) or "audited data", "classification": "not stated"}],
            "inputs": [{"format": flat(entry.modality)} for entry in data.inputs],
        },
        "quantitativeAnalysis": {"performanceMetrics": list(_metrics(record))},
        "considerations": {
            "useCases": [clean(record.intended_use)] if record.intended_use else [],
            "technicalLimitations": [clean(text) for text in data.limits],
            "fairnessAssessments": list(_assessments(record)),
        },
    }  # fmt: skip


def _metrics(record: raikit.Record) -> Iterator[dict[str, Any]]:
    """Yield each metric of the model that has a value; its group is the slice."""
    for _, metric in record.metrics():
        if metric.value is None or metric.subject != "model":
            continue
        entry: dict[str, Any] = {"type": clean(metric.id or metric.name), "value": repr(metric.value)}
        if metric.group:
            entry["slice"] = clean(fmt.group_text(metric.over, metric.group))
        if metric.method != "exact":
            entry["confidenceInterval"] = {"lowerBound": repr(metric.low), "upperBound": repr(metric.high)}
        yield entry


def _assessments(record: raikit.Record) -> Iterator[dict[str, Any]]:
    """Yield the gaps that a rule found broken or that a reader should know, from the side of those served worse."""
    for statement in raikit.statements(record):
        if statement.gap is not None and statement.kind in ("rule_broken", "worth_knowing"):
            yield {"groupAtRisk": clean(fmt.group_name(statement.gap.worse.group)),
                   "harms": clean(f"{statement.headline}. {statement.evidence}")}  # fmt: skip


def _libraries(record: raikit.Record) -> Iterator[dict[str, Any]]:
    for name, version in sorted(record.provenance.versions.items()):
        if name not in ("python", "raikit") and flat(name):
            yield {"type": "library", "name": flat(name), "version": flat(version)}
