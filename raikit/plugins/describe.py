"""Describe a loaded plugin as data, and validate the options of its checks: what its child process does for raikit's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from raikit.errors import raised
from raikit.plugins.description import CheckDescription, PluginDescription

if TYPE_CHECKING:
    from raikit.check import Check, CheckOptions
    from raikit.plugins.registry import CheckEntry, Registry


def describe_plugin(registry: Registry) -> PluginDescription:
    """Describe the only plugin of a registry."""
    (record,) = registry.plugins
    return PluginDescription(
        status=record.status,
        reason=record.reason,
        hooks=record.hooks,
        warnings=record.warnings,
        checks=[_describe_check(entry) for entry in (*registry.checks.values(), *registry.broken)],
        loaders=list(registry.loaders),
        formats=list(registry.formats),
        comparison_formats=list(registry.comparison_formats),
    )


def _describe_check(entry: CheckEntry) -> CheckDescription:
    check = entry.check
    if entry.problem is not None:
        return CheckDescription(name=check.name, doc=check.__doc__ or "", problem=entry.problem)
    requires = {name: sorted(value) if isinstance(value, frozenset) else value for name, value in asdict(check.requires).items()}
    return CheckDescription(
        name=check.name,
        pillar=check.pillar,
        cost=check.cost,
        requires=requires,
        produces=[str(pattern) for pattern in check.produces],
        aliases=dict(check.aliases),
        doc=check.__doc__ or "",
        options=options_schema(check.Options),
        compares=check.compare is not None,
    )


def options_schema(options: type[CheckOptions]) -> dict[str, Any]:
    """Return the schema of a check's options; one that allows anything if the types of a plugin have none."""
    try:
        return options.model_json_schema()
    except Exception as error:
        properties: dict[str, Any] = {name: {} for name in options.model_fields}
        return {
            "type": "object", "properties": properties,
            "description": f"Options without a schema ({raised(error).splitlines()[0]})",
        }  # fmt: skip


def validate_options(check: type[Check], values: Mapping[str, Any]) -> dict[str, Any]:
    """Validate options with a check's own class, and return them or the faults as data."""
    try:
        return {"options": check.Options.model_validate(dict(values)).model_dump(mode="json")}
    except ValidationError as error:
        return {"faults": [_fault(item) for item in error.errors(include_url=False, include_context=False)]}


def _fault(error: Any) -> dict[str, Any]:
    given = error["input"] if isinstance(error["input"], str | int | float | bool) else None
    return {"type": error["type"], "loc": list(error["loc"]), "msg": error["msg"], "input": given}
