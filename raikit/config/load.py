"""Read audit.yaml and ``--set`` options into a validated `AuditConfig`; errors name the file, the line and the key.

The keys are in `raikit.config.schema`; `raikit.config.yamlfile` knows the line of each. Options of checks are validated by
`raikit.audit.selection`, once the checks are known.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from raikit.config.questions import refuse_questions
from raikit.config.schema import AuditConfig, GateConfig, TrainConfig
from raikit.config.training import TRAININGS, SearchSettings, with_values
from raikit.config.types import Key, key_text
from raikit.config.yamlfile import Document, parse_value, read
from raikit.errors import ConfigError, listed, nearest

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails


@dataclass(frozen=True)
class LoadedConfig:
    """A validated configuration and the file it came from."""

    audit: AuditConfig
    document: Document

    @property
    def folder(self) -> Path:
        """The folder that paths in the configuration are relative to."""
        return self.document.path.resolve().parent

    def error(self, key: Sequence[str | int], problem: str) -> ConfigError:
        """Return a `ConfigError` that begins with the file, the line and the key."""
        return ConfigError(f"{self.document.where(tuple(key))}: {problem}")


def load(path: Path, sets: Iterable[str] = ()) -> LoadedConfig:
    """Read audit.yaml, apply ``KEY=VALUE`` settings on top of it, and validate.

    Parameters
    ----------
    path : Path
    sets : iterable of str
        Values of ``--set``.

    Raises
    ------
    ConfigError
        If anything is wrong; names the file, the line, the key and, for an unknown key, the nearest valid one. So is a
        question that ``raikit init`` asked and nobody has answered.
    """
    document = read(path)
    for setting in sets:
        _apply_setting(document, setting)
    refuse_questions(document)
    return validated(document)


def validated(document: Document) -> LoadedConfig:
    """Return the configuration that a document holds, which need not come from a file.

    Raises
    ------
    ConfigError
        As `load`.
    """
    try:
        audit = AuditConfig.model_validate(document.data)
    except ValidationError as error:
        raise explain(error, AuditConfig, document) from None
    if audit.data.target is None and not audit.model.is_table:
        where = document.where(("data", "target"))
        raise ConfigError(f"{where} is required; only decisions (model.load: {{kind: predictions}}) have none.")
    if audit.model.train is not None:
        _check_training(audit, audit.model.train, document)
    if audit.gate.policy is not None:
        audit = audit.model_copy(update={"gate": _load_policy(audit.gate.policy, document)})
    return LoadedConfig(audit, document)


def _load_policy(name: str, document: Document) -> GateConfig:
    """Read the `gate` section from a file of its own, which somebody else may own."""
    path = document.path.resolve().parent / name
    if not path.is_file():
        raise ConfigError(f"{document.where(('gate', 'policy'))}: there is no file {name!r} beside {document.path.name}.")
    return read_policy(path)[0]


def read_policy(path: Path) -> tuple[GateConfig, Document, Key]:
    """Read a policy file: a `gate` section, alone or under ``gate:``; also return the document and the section's key."""
    document = read(path)
    section: Key = ("gate",) if "gate" in document.data else ()
    try:
        policy = GateConfig.model_validate(document.data.get("gate", document.data))
    except ValidationError as error:
        raise explain(error, GateConfig, document, section) from None
    if policy.policy is not None:
        raise ConfigError(f"{document.where((*section, 'policy'))}: a policy file must not name another one; remove this key.")
    return policy, document, section


def _check_training(audit: AuditConfig, train: TrainConfig, document: Document) -> None:
    kind = TRAININGS[train.kind]
    try:
        settings = kind.model_validate(train.model_extra)
    except ValidationError as error:
        raise explain(error, kind, document, ("model", "train")) from None
    sensitive = [feature.column for feature in audit.data.sensitive]
    for column in getattr(settings, "reweight", []):
        if column not in sensitive:
            where = document.where(("model", "train", "reweight"))
            raise ConfigError(f"{where}: {column!r} is not among data.sensitive.{nearest(column, sensitive)}")
    for name in getattr(settings, "encoders", {}):
        if name not in audit.data.inputs:
            where = document.where(("model", "train", "encoders", name))
            raise ConfigError(f"{where}: {name!r} is not among data.inputs.{nearest(name, audit.data.inputs)}")
    search: SearchSettings | None = getattr(settings, "search", None)
    if search is not None:
        for key in search.ranges:
            _check_range(search, key, train, document)


def _check_range(search: SearchSettings, key: str, train: TrainConfig, document: Document) -> None:
    """Raise unless each value that a search may try is one that training takes."""
    where, kind = document.where(("model", "train", "search", "ranges", key)), TRAININGS[train.kind]
    if key in ("search", "kind"):
        raise ConfigError(f"{where}: a search chooses no {key!r}; name a setting of training.")
    for value in search.values_of(key):
        try:
            kind.model_validate(with_values(train.model_extra or {}, {key: value}))
        except KeyError:
            raise ConfigError(f"{where}: model.train has no {key.rpartition('.')[0]!r} of which it could be a part.") from None
        except ValidationError as error:
            first = most_telling(error)
            if first["type"] == "extra_forbidden":
                hint = nearest(key, kind.model_fields)
                raise ConfigError(f"{where}: training knows no setting {key!r}.{hint}") from None
            raise ConfigError(f"{where}: training cannot use {value!r}; {problem_text(first)}.") from None


def _apply_setting(document: Document, setting: str) -> None:
    """Apply one ``--set KEY=VALUE``; below ``checks`` the rest of the key is one name, because check names contain dots."""
    dotted, equals, written = setting.partition("=")
    if not equals or not dotted:
        raise ConfigError(f"--set {setting!r}: write KEY=VALUE, such as seed=3 or checks.fairness.intersections=1.")
    *parents, last = dotted.split(".", 1) if dotted.startswith("checks.") else dotted.split(".")
    section = document.data
    for part in parents:
        below = section.setdefault(part, {})
        if not isinstance(below, dict):
            raise ConfigError(f"--set {setting!r}: {part!r} is not a mapping in {document.path.name}.")
        section = below
    section[last] = parse_value(written, dotted)


def explain(error: ValidationError, model: type[BaseModel], document: Document, at: Key = ()) -> ConfigError:
    """Turn the most telling of pydantic's errors into one sentence.

    Parameters
    ----------
    error : ValidationError
    model : type
        What was validated.
    document : Document
    at : tuple
        The key of the document under which `model` was read.
    """
    first = most_telling(error)
    loc = tuple(part for part in first["loc"] if isinstance(part, int) or not _is_union_tag(str(part)))
    key = (*at, *loc)
    if first["type"] == "extra_forbidden":
        unknown = str(first["loc"][-1])  # which may look like a tag of a union
        above = loc[:-1] if loc and loc[-1] == unknown else loc
        valid = fields_at(model, above)
        parent = f" in {key_text((*at, *above))}" if (*at, *above) else ""
        hint = nearest(unknown, valid)
        return ConfigError(
            f"{document.place((*at, *above, unknown))}: unknown key {unknown!r}{parent}.{hint} Valid keys: {listed(valid)}."
        )
    if first["type"] == "missing":
        return ConfigError(f"{document.where(key)} is required.")
    return ConfigError(f"{document.where(key)}: {problem_text(first)}.")


def most_telling(error: ValidationError) -> ErrorDetails:
    """Return the first unknown key, else the first error: a misspelt required key is both unknown and missing."""
    return min(error.errors(), key=lambda item: item["type"] != "extra_forbidden")


def problem_text(error: ErrorDetails) -> str:
    """Write one of pydantic's errors as the end of a sentence: ``must be greater than 0, not -1``."""
    message = str(error["msg"]).removeprefix("Value error, ")
    message = f"must be {message.removeprefix('Input should be ')}" if message.startswith("Input should be ") else message
    message = message[0].lower() + message[1:]
    value = error.get("input")
    if error["type"] == "value_error" or not isinstance(value, str | int | float | bool) or len(str(value)) >= 60:
        return message
    return f"{message}, not {value!r}"


def _is_union_tag(part: str) -> bool:
    return "[" in part or part in {"str", "int", "float", "bool", "function-after", "function-before", "any"}


def fields_at(model: type[BaseModel], loc: Sequence[str | int]) -> list[str]:
    """Return the names of the fields of the nested model at `loc` in `model`."""
    current: Any = model
    for part in loc:
        annotation: Any = None
        if isinstance(current, type) and issubclass(current, BaseModel):
            field = current.model_fields.get(str(part))
            annotation = field.annotation if field else None
        else:
            arguments = typing.get_args(current)
            annotation = arguments[-1] if arguments else None
        current = _unwrap(annotation)
        if current is None:
            return []
    if isinstance(current, type) and issubclass(current, BaseModel):
        return list(current.model_fields)
    return []


def _unwrap(annotation: Any) -> Any:
    """Return the model (or container) inside ``X | None`` and ``Annotated[X, …]``."""
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return _unwrap(typing.get_args(annotation)[0])
    if origin in (typing.Union, types.UnionType):
        inner = [item for item in typing.get_args(annotation) if item is not type(None)]
        return _unwrap(inner[0]) if inner else None
    return annotation
