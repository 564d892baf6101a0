"""List everything public: ``./dev surface`` after a change, ``./dev surface --release`` when a version is released.

Every line of ``reference/public-surface.txt`` is a name, two spaces, and its kind or type. One test compares the file with the
code. Another looks in CHANGELOG.md for what differs from ``reference/public-surface-released.txt``, the last release.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import re
import sys
import tomllib
import types
import typing
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import click
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

ROOT = Path(__file__).resolve().parents[1]
CURRENT = ROOT / "docs" / "reference" / "public-surface.txt"
RELEASED = ROOT / "docs" / "reference" / "public-surface-released.txt"

Line = tuple[str, str]  # a name, and its kind or type

# --- Python -------------------------------------------------------------------------------------------------------


def type_text(annotation: Any) -> str:
    """Return a type as its author wrote it, without modules and without pydantic's validators."""
    if isinstance(annotation, typing.ForwardRef):
        annotation = annotation.__forward_arg__
    if isinstance(annotation, str):
        validated = re.fullmatch(r"Annotated\[(.*), \w+\(.*\)\]", annotation)
        return validated[1] if validated else annotation
    if annotation in (None, type(None)):
        return "None"
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return type_text(arguments[0])
    if origin in (typing.Union, types.UnionType):
        return " | ".join(type_text(part) for part in arguments)
    if origin is typing.Literal:
        return f"Literal[{', '.join(map(repr, arguments))}]"
    if origin is not None and arguments:
        return f"{getattr(origin, '__name__', origin)}[{', '.join(type_text(part) for part in arguments)}]"
    return getattr(annotation, "__name__", None) or str(annotation).replace("typing.", "")


def signature_text(function: Any) -> str:
    """Return parameters with types and defaults, without the receiver of a method."""
    shown, by_name_only = [], False
    signature = inspect.signature(function)
    for parameter in signature.parameters.values():
        if parameter.name in ("self", "cls") or parameter.name.startswith("_"):
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and not by_name_only:
            shown.append("*")
        by_name_only = parameter.kind in (parameter.KEYWORD_ONLY, parameter.VAR_POSITIONAL)
        stars = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
        typed = "" if parameter.annotation is parameter.empty else f": {type_text(parameter.annotation)}"
        default = "" if parameter.default is parameter.empty else f" = {default_text(parameter.default)}"
        shown.append(f"{stars}{parameter.name}{typed}{default}")
    returns = "" if signature.return_annotation is signature.empty else f" -> {type_text(signature.return_annotation)}"
    return f"({', '.join(shown)}){returns}"


def default_text(value: Any) -> str:
    """Return a default without addresses in memory."""
    if inspect.isfunction(value) or inspect.isclass(value):
        return value.__name__
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))


def fields_of(model: type[BaseModel]) -> Iterator[tuple[str, str, str]]:
    """Yield name, type and default of each field of a pydantic model; a required field has an empty default."""
    for name, field in model.model_fields.items():
        default = field.get_default(call_default_factory=True)
        if isinstance(default, BaseModel):
            default = type(default).__name__ + "()"
        else:
            default = "" if default is PydanticUndefined else default_text(default)
        yield name, type_text(model.__annotations__.get(name, field.annotation)), default


def class_lines(name: str, kind: type) -> Iterator[Line]:
    """Yield a class and its public attributes, inherited ones of raikit's classes included."""
    bases = [base for base in kind.__mro__ if base.__module__.startswith("raikit")]
    yield name, f"class({', '.join(base.__name__ for base in kind.__bases__ if base is not object)})"
    seen: dict[str, str] = {}
    if issubclass(kind, BaseModel):
        seen |= {field: f": {type_} = {default}" if default else f": {type_}" for field, type_, default in fields_of(kind)}
    elif "__init__" in vars(kind):
        seen["__init__"] = signature_text(kind)
    for base in bases:
        for attribute, annotation in inspect.get_annotations(base).items():
            if not attribute.startswith("_") and attribute not in seen:
                default = default_of(base, attribute)
                seen[attribute] = f": {type_text(annotation)}" + ("" if default is _NONE else f" = {default_text(default)}")
        for attribute, value in vars(base).items():
            if not attribute.startswith("_") and attribute not in seen and attribute != "model_config":
                seen[attribute] = attribute_text(value)
    for attribute in sorted(seen):
        yield f"{name}.{attribute}", seen[attribute]


_NONE = object()


def default_of(kind: type, attribute: str) -> Any:
    """Return the default of an attribute; `_NONE` if it is required or made for each object."""
    if dataclasses.is_dataclass(kind):
        by_name = {field.name: field.default for field in dataclasses.fields(kind)}
        if attribute in by_name:  # the class attribute may be a descriptor, so ask the field
            return _NONE if by_name[attribute] is dataclasses.MISSING else by_name[attribute]
    return _NONE if issubclass(kind, tuple) else vars(kind).get(attribute, _NONE)  # a named tuple keeps getters in its attributes


def attribute_text(value: Any) -> str:
    """Describe one attribute of a class."""
    if isinstance(value, property | cached_property):
        getter = value.fget if isinstance(value, property) else value.func
        return f": {type_text(inspect.signature(getter).return_annotation)}  (read only)"
    if isinstance(value, classmethod | staticmethod):
        return f"{signature_text(value.__func__)}  ({type(value).__name__})"
    if inspect.isclass(value):
        return f"class({', '.join(base.__name__ for base in value.__bases__)})"
    return signature_text(value) if callable(value) else f"= {default_text(value)}"


def public_names(module: Any) -> list[str]:
    """Return ``__all__``, or else the names without an underscore that a module defines itself."""
    if hasattr(module, "__all__"):
        return sorted(module.__all__)
    return sorted(
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__
    )


def module_lines(module_name: str) -> Iterator[Line]:
    """Yield everything public of a module."""
    module = importlib.import_module(module_name)
    for name in public_names(module):
        value, full = getattr(module, name), f"{module_name}.{name}"
        if inspect.ismodule(value) and not callable(value):
            continue  # it has a section of its own
        if inspect.isclass(value):
            yield from class_lines(full, value)
        elif callable(value) and not name.startswith("__") and hasattr(value, "__name__"):
            yield full, signature_text(value)
        elif name != "__version__":
            yield full, f": {type_text(type(value))}"


# --- hooks, files, command line -----------------------------------------------------------------------------------


def hook_lines() -> Iterator[Line]:
    """Yield the hooks, and the version of their contract."""
    from raikit import hookspecs

    yield "raikit_api", f"= {hookspecs.API_VERSION}"
    for name, hook in vars(hookspecs).items():
        if hasattr(hook, "raikit_spec"):
            yield name, signature_text(hook)


def record_lines() -> Iterator[Line]:
    """Yield the parts of audit.json that are not names of `raikit`."""
    import raikit
    from raikit.run import record, results

    yield "schema_version", f'= "{results.SCHEMA_VERSION}"'
    for name, kind in vars(record).items():
        if inspect.isclass(kind) and issubclass(kind, BaseModel) and kind.__module__ == record.__name__:
            listed = name in raikit.__all__ or issubclass(raikit.Record, kind)  # there, or as attributes of `raikit.Record`
            fields = () if listed else fields_of(kind)
            yield from ((f"{name}.{field}", f": {type_}") for field, type_, _ in fields)


def config_lines() -> Iterator[Line]:
    """Yield the keys of audit.yaml."""
    from raikit.config.schema import AuditConfig

    def walk(model: type[BaseModel], prefix: str, seen: tuple[type, ...]) -> Iterator[Line]:
        for name, field in model.model_fields.items():
            key, type_ = f"{prefix}{name}", type_text(model.__annotations__.get(name, field.annotation))
            yield key, f": {type_}"
            for inner, dot in _models_in(field.annotation):
                if inner not in seen:
                    yield from walk(inner, key + dot, (*seen, inner))

    yield from walk(AuditConfig, "", (AuditConfig,))


def _models_in(annotation: Any, dot: str = ".") -> Iterator[tuple[type[BaseModel], str]]:
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        yield annotation, dot
    for part in typing.get_args(annotation):
        yield from _models_in(part, "[]." if typing.get_origin(annotation) is list else dot)


def command_lines() -> Iterator[Line]:
    """Yield commands, their arguments and options."""
    from raikit.cli.app import app

    def walk(command: click.Command, name: str) -> Iterator[Line]:
        arguments = [item.make_metavar(click.Context(command)) for item in command.params if isinstance(item, click.Argument)]
        yield name, " ".join(arguments) or "(no arguments)"
        for option in command.params:
            if isinstance(option, click.Option):
                kind = "flag" if option.is_flag else option.metavar or option.type.name.upper()
                more = ", may be repeated" if option.multiple else ", required" if option.required else ""
                yield f"{name} {option.opts[-1]}", kind + more
        for inner in getattr(command, "commands", {}).values():
            yield from walk(inner, f"{name} {inner.name}")

    yield from walk(app, "raikit")


def exit_code_lines() -> Iterator[Line]:
    """Yield the exit codes of an audit."""
    from raikit.cli.app import EXIT_CODES

    codes = re.findall(r"(\d+) ([^,(.]+(?:\([^)]*\))?)", EXIT_CODES)
    yield from ((f"exit {code}", meaning.strip()) for code, meaning in codes)


def environment_lines() -> Iterator[Line]:
    """Yield the environment variables that the source reads by a literal name."""
    sources = [path.read_text("utf-8") for folder in ("raikit", "reports") for path in (ROOT / folder).rglob("*.py")]
    names = re.findall(r"[\"'](RAIKIT_[A-Z_]+|GITHUB_ACTIONS|GITHUB_STEP_SUMMARY)[\"']", "\n".join(sources))
    yield from ((name, "environment variable") for name in sorted(set(names)))


def pytest_lines() -> Iterator[Line]:
    """Yield the options and fixtures that raikit adds to pytest."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for module in project["entry-points"]["pytest11"].values():
        source = inspect.getsource(importlib.import_module(module))
        yield from ((f"pytest {name}", "option of pytest") for name in re.findall(r"addoption\(\s*\"(--[\w-]+)\"", source))
        yield from ((name, "fixture of pytest") for name in re.findall(r"@pytest\.fixture[^\n]*\ndef ([a-z]\w*)", source))


SECTIONS = {
    "hooks": hook_lines,
    "raikit": lambda: module_lines("raikit"),
    "raikit.testing": lambda: module_lines("raikit.testing"),
    "raikit.stats": lambda: module_lines("raikit.stats"),
    "raikit.arrays": lambda: module_lines("raikit.arrays"),
    "raikit.format": lambda: module_lines("raikit.format"),
    "raikit.address": lambda: module_lines("raikit.address"),
    "audit.yaml": config_lines,
    "audit.json": record_lines,
    "command line": command_lines,
    "exit codes": exit_code_lines,
    "environment": environment_lines,
    "pytest": pytest_lines,
}


def surface() -> str:
    """Return the text of the file: every section with its lines."""
    from raikit import __version__

    lines_of_file = [f"# Everything public in raikit {__version__}: name, two spaces, kind or type. Written by ./dev surface."]
    for section, lines in SECTIONS.items():
        lines_of_file += ["", f"[{section}]", *(f"{name}  {what}" for name, what in lines())]
    return "\n".join(lines_of_file) + "\n"


def entries(text: str) -> dict[str, str]:
    """Return the lines of a surface file by name."""
    lines = (line for line in text.splitlines() if line and not line.startswith(("#", "[")))
    return dict(line.split("  ", 1) for line in lines)


def changed(released: str, current: str) -> list[str]:
    """Return names that were added, removed or changed, without the attributes of added or removed names."""
    before, after = entries(released), entries(current)
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    whole = {name for name in names if name not in before or name not in after}
    return sorted(name for name in names if not any(parent in whole for parent in _parents(name)))


def _parents(name: str) -> list[str]:
    return [name[: match.start()] for match in re.finditer(r"[. ]|\[\]", name)]


def unannounced(names: list[str], changelog: str) -> list[str]:
    """Return the names that the unreleased section of CHANGELOG.md does not have in backticks."""
    section = re.search(r"^## [^\n]*unreleased.*?(?=^## |\Z)", changelog, re.DOTALL | re.MULTILINE | re.IGNORECASE)
    spans = re.findall(r"`([^`\n]+)`", section[0]) if section else []
    announced = {re.sub(r"( [A-Z][A-Z|.]*)+$", "", span) for span in spans}  # `raikit plugins new NAME` names a command
    return [name for name in names if name not in announced]


if __name__ == "__main__":
    CURRENT.write_text(surface(), encoding="utf-8")
    if "--release" in sys.argv[1:]:
        RELEASED.write_text(CURRENT.read_text(encoding="utf-8"), encoding="utf-8")
