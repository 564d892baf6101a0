"""YAML that knows on which line each key stands. Safe loader only."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from raikit.errors import ConfigError

_MOST_BYTES = 1_000_000
_MOST_NODES = 100_000

Key = tuple[str | int, ...]
_SURROGATE = re.compile(r"[\ud800-\udfff]")


class _Loader(yaml.SafeLoader):
    """YAML 1.1 reads ``no``, ``on`` and ``y`` as booleans; a class called "no" must stay text."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, regexp) for tag, regexp in resolvers if tag != "tag:yaml.org,2002:bool"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
for _letter, _word in (("t", "true"), ("f", "false"), ("T", "True"), ("F", "False")):
    _Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(f"^{_word}$"), [_letter])


@dataclass
class Document:
    """A parsed file: plain Python data, and the line (from 1) of every key."""

    path: Path
    data: dict[str, Any]
    lines: dict[Key, int] = field(default_factory=dict)

    def where(self, key: Key) -> str:
        """``audit.yaml, line 9: data.sensitive`` for the deepest part of `key` that the file has."""
        dotted = ".".join(str(part) for part in key)
        for length in range(len(key), 0, -1):
            if (line := self.lines.get(key[:length])) is not None:
                return f"{self.path.name}, line {line}: {dotted}"
        return f"{self.path.name}: {dotted}" if dotted else self.path.name


def read(path: Path) -> Document:
    """Read a YAML mapping.

    Raises
    ------
    ConfigError
        If the file is missing, is no YAML, is no mapping, or has a key twice; with the line.
    """
    try:
        source = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}.") from None
    if len(source) > _MOST_BYTES:
        raise ConfigError(f"{path.name} has {len(source):,} bytes; a configuration has at most {_MOST_BYTES:,}.")
    loader = _Loader(source)
    try:
        node = loader.get_single_node()
        document = Document(path, {})
        if node is None:
            raise ConfigError(f"{path.name} is empty; `raikit init DATA` writes one to start from.")
        data = _Walk(loader, document).value(node, ())
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "this is no YAML"
        raise ConfigError(f"{path.name}{line}: {problem}.") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path.name}: it is not UTF-8 ({error.reason} at byte {error.start}).") from None
    finally:
        loader.dispose()
    if not isinstance(data, dict):
        raise ConfigError(f"{path.name} must be a mapping of keys (name, data, model …), not a {type(data).__name__}.")
    document.data = data
    return document


class _Walk:
    """Build values from nodes, noting lines; counts nodes so that aliases cannot explode."""

    def __init__(self, loader: _Loader, document: Document) -> None:
        self.loader, self.document, self.nodes = loader, document, 0

    def value(self, node: yaml.Node, key: Key) -> Any:
        self.nodes += 1
        if self.nodes > _MOST_NODES:
            raise ConfigError(f"{self.document.path.name}: more than {_MOST_NODES:,} values, aliases included.")
        self.document.lines.setdefault(key, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, key)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*key, index)) for index, item in enumerate(node.value)]
        try:
            value = self.loader.construct_object(node)
        except ValueError as error:
            raise ConfigError(f"{self.document.where(key)}: {error}.") from None
        if isinstance(value, str) and not value.isascii() and _SURROGATE.search(value):
            raise ConfigError(f"{self.document.where(key)}: half of a surrogate pair is no character; write it whole.")
        return value

    def mapping(self, node: yaml.MappingNode, key: Key) -> dict[Any, Any]:
        built: dict[Any, Any] = {}
        for name_node, value_node in node.value:
            name = self.value(name_node, (*key, "?"))
            self.document.lines.pop((*key, "?"), None)
            line = name_node.start_mark.line + 1
            if isinstance(name, dict | list):
                raise ConfigError(f"{self.document.path.name}, line {line}: a key must be a name.")
            if name in built:
                raise ConfigError(f"{self.document.path.name}, line {line}: the key {name!r} stands twice.")
            self.document.lines[(*key, str(name))] = line
            built[name] = self.value(value_node, (*key, str(name)))
        return built


def parse_value(written: str) -> Any:
    """Read the VALUE of ``--set KEY=VALUE`` as YAML would."""
    try:
        return yaml.load(written, _Loader)  # noqa: S506 (a subclass of SafeLoader)
    except yaml.YAMLError:
        return written
