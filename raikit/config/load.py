"""From a file and ``--set`` options to a validated `AuditConfig`; every mistake is one sentence with its line."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from raikit.config.schema import AuditConfig, GateConfig, TrainConfig
from raikit.config.training import FusionTraining
from raikit.config.yamlfile import Document, Key, parse_value, read
from raikit.errors import ConfigError, listed, nearest


@dataclass(frozen=True)
class LoadedConfig:
    """A configuration with where it came from: `folder` is what its paths are relative to."""

    audit: AuditConfig
    document: Document

    @property
    def folder(self) -> Path:
        return self.document.path.resolve().parent

    def error(self, key: Sequence[str | int], problem: str) -> ConfigError:
        """A `ConfigError` that begins with the file, the line and the key."""
        return ConfigError(f"{self.document.where(tuple(key))}: {problem}")


def load(path: Path, sets: Iterable[str] = ()) -> LoadedConfig:
    """Read audit.yaml, put the ``KEY=VALUE`` of `sets` over it, and validate.

    Raises
    ------
    ConfigError
        Names the file, the line, the key and, for an unknown key, the nearest valid one.
    """
    document = read(path)
    for item in sets:
        _put(document, item)
    try:
        audit = AuditConfig.model_validate(document.data)
    except ValidationError as error:
        raise explain(error, AuditConfig, document) from None
    if audit.model.train is not None:
        _check_training(audit, audit.model.train, document)
    if audit.gate.policy is not None:
        audit = audit.model_copy(update={"gate": _policy(audit.gate.policy, document)})
    return LoadedConfig(audit, document)


def _policy(name: str, document: Document) -> GateConfig:
    """The section `gate`, from a file of its own that somebody else may own."""
    path = document.path.resolve().parent / name
    if not path.is_file():
        raise ConfigError(f"{document.where(('gate', 'policy'))}: there is no file {name!r} beside {document.path.name}.")
    return read_policy(path)[0]


def read_policy(path: Path) -> tuple[GateConfig, Document, Key]:
    """Read a file that holds a gate section, as the whole of it or under ``gate:``; with where its keys stand."""
    document = read(path)
    at: Key = ("gate",) if "gate" in document.data else ()
    try:
        policy = GateConfig.model_validate(document.data.get("gate", document.data))
    except ValidationError as error:
        raise explain(error, GateConfig, document, at) from None
    if policy.policy is not None:
        raise ConfigError(f"{document.where((*at, 'policy'))}: a policy file names no other one.")
    return policy, document, at


def _check_training(audit: AuditConfig, train: TrainConfig, document: Document) -> None:
    try:
        settings = FusionTraining.model_validate(train.model_extra)
    except ValidationError as error:
        raise explain(error, FusionTraining, document, ("model", "train")) from None
    sensitive = [feature.column for feature in audit.data.sensitive]
    for column in settings.reweight:
        if column not in sensitive:
            where = document.where(("model", "train", "reweight"))
            raise ConfigError(f"{where}: {column!r} is not among data.sensitive.{nearest(column, sensitive)}")


def _put(document: Document, item: str) -> None:
    """Apply one ``--set KEY=VALUE``; below ``checks`` the rest of the key is one name (checks have dots in theirs)."""
    dotted, equals, written = item.partition("=")
    if not equals or not dotted:
        raise ConfigError(f"--set {item!r}: write KEY=VALUE, such as seed=3 or checks.fairness.intersections=1.")
    *parents, last = dotted.split(".", 1) if dotted.startswith("checks.") else dotted.split(".")
    at = document.data
    for part in parents:
        below = at.setdefault(part, {})
        if not isinstance(below, dict):
            raise ConfigError(f"--set {item!r}: {part!r} is not a mapping in {document.path.name}.")
        at = below
    at[last] = parse_value(written)


def explain(error: ValidationError, model: type[BaseModel], document: Document, at: Key = ()) -> ConfigError:
    """Turn pydantic's first complaint into one sentence; `at` is where in the document `model` stands."""
    # a misspelt required key is both unknown and missing: say which word was wrong
    first = min(error.errors(), key=lambda item: item["type"] != "extra_forbidden")
    loc = tuple(part for part in first["loc"] if isinstance(part, int) or not _is_union_tag(str(part)))
    where = document.where((*at, *loc))
    if first["type"] == "extra_forbidden":
        known = fields_at(model, loc[:-1])
        hint = nearest(str(loc[-1]), known)
        return ConfigError(f"{where}: there is no such key.{hint} Keys here: {listed(known)}.")
    if first["type"] == "missing":
        return ConfigError(f"{where}: this key is required.")
    message = str(first["msg"]).removeprefix("Value error, ")
    given = first.get("input")
    shown = f", not {given!r}" if isinstance(given, str | int | float | bool) and len(str(given)) < 60 else ""
    shown = "" if first["type"] == "value_error" else shown
    return ConfigError(f"{where}: {message[0].lower()}{message[1:]}{shown}.")


def _is_union_tag(part: str) -> bool:
    return "[" in part or part in {"str", "int", "float", "bool", "function-after", "function-before", "any"}


def fields_at(model: type[BaseModel], loc: Sequence[str | int]) -> list[str]:
    """Names of the fields of the model that stands at `loc` below `model`."""
    current: Any = model
    for part in loc:
        annotation: Any = None
        if isinstance(current, type) and issubclass(current, BaseModel):
            field = current.model_fields.get(str(part))
            annotation = field.annotation if field else None
        else:
            arguments = typing.get_args(current)
            annotation = arguments[-1] if arguments else None
        current = _unwrapped(annotation)
        if current is None:
            return []
    if isinstance(current, type) and issubclass(current, BaseModel):
        return list(current.model_fields)
    return []


def _unwrapped(annotation: Any) -> Any:
    """The model (or container) inside ``X | None`` and ``Annotated[X, …]``."""
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return _unwrapped(typing.get_args(annotation)[0])
    if origin in (typing.Union, types.UnionType):
        inner = [item for item in typing.get_args(annotation) if item is not type(None)]
        return _unwrapped(inner[0]) if inner else None
    return annotation
