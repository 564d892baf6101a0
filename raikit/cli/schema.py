"""The JSON schemas of audit.yaml, with the options of every installed check and the settings of training, and of audit.json."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from raikit.config.schema import AuditConfig, ConfigSection
from raikit.config.training import TRAININGS
from raikit.plugins.describe import options_schema
from raikit.plugins.discovery import discover

if TYPE_CHECKING:
    from raikit.plugins.registry import Registry


def audit_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of audit.yaml, with the options of every installed check under ``checks``."""
    registry = discover()
    schema = AuditConfig.model_json_schema()
    named = {
        name: {
            "description": (entry.check.__doc__ or "").strip().split("\n")[0],
            "anyOf": [{"type": "boolean"}, {"type": "null"}, options_schema(entry.check.Options)],
        }
        for name, entry in registry.checks.items()
        if entry.problem is None
    }
    pillars = {
        pillar: {
            "description": f"Every quick check of {pillar}; options go to each check that has them.",
            "anyOf": [
                {"type": "boolean"},
                {"type": "null"},
                {"type": "object", "properties": _options(registry, pillar)},
            ],
        }
        for pillar in registry.pillars
    }
    schema["properties"]["checks"] = {
        "anyOf": [{"type": "null"}, {"type": "object", "properties": {**pillars, **named}}],
        "description": "Names of pillars or checks with their options; absent: every applicable quick one.",
    }
    schema["$defs"]["TrainConfig"] = {"oneOf": [_training(kind, settings) for kind, settings in TRAININGS.items()]}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "raikit audit.yaml", **schema}


def record_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of audit.json. A reader must ignore fields that it does not name."""
    from raikit.run.record import Record

    schema = Record.model_json_schema(mode="serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "raikit audit.json"}


def _training(kind: str, settings: type[ConfigSection]) -> dict[str, Any]:
    """Return the schema of the settings of one kind of training; without a kind, the fusion model is trained."""
    training = settings.model_json_schema()
    training["properties"]["kind"] = {"const": kind}
    if kind != "fusion":
        training["required"] = ["kind", *training.get("required", [])]
    return training


def _options(registry: Registry, pillar: str) -> dict[str, Any]:
    """Return the properties of all options that the checks of a pillar have."""
    properties: dict[str, Any] = {}
    for entry in registry.checks.values():
        if entry.problem is None and entry.check.pillar == pillar:
            properties |= options_schema(entry.check.Options).get("properties", {})
    return properties
