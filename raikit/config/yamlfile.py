"""YAML files with the line of every key; read by the safe loader only."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from raikit.config.types import Key, key_text
from raikit.errors import ConfigError
from raikit.limits import Limits, check_regular, read_bytes, remedy, variable

_VALUES = 100_000  # for each megabyte that a file may have
QUESTION = "?"  # a value that a person has yet to choose
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_TAG = "tag:yaml.org,2002:"
_TAGS = {yaml.MappingNode: {"map"}, yaml.SequenceNode: {"seq"},
         yaml.ScalarNode: {"null", "bool", "int", "float", "timestamp", "str"}}  # fmt: skip
_NAMES = {"null": "null", "bool": "boolean", "int": "integer", "float": "number", "timestamp": "date", "str": "text"}
_LARGEST = 10**18  # of an integer; no key needs a larger one, and many libraries cannot hold it
_TWO_READINGS = re.compile(r"[-+]?(0[0-9_]+|0b.*|.*[_:].*)")  # numbers of YAML 1.1 alone: 010 is 8, 1:30 is 90, 1_0 is 10
_FRAMES = 8  # calls inside one another for a level of nesting


class _Loader(yaml.SafeLoader):
    """A safe loader that reads only true and false as booleans, because a class called "no" must stay text.

    The parser of the library calls itself for every level of nesting, so the levels are counted.
    """

    depth, most = 0, 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Read a node with all that lies in it."""
        self.depth += 1
        try:
            if self.depth > self.most:
                mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
                raise yaml.composer.ComposerError(None, None, _too_deep(self.most), mark)
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1


def _too_deep(most: int) -> str:
    return f"more than {most} levels of nesting, which are not read; set {variable('depth')} to raise the limit"


_Loader.yaml_implicit_resolvers = {
    first: [(tag, regexp) for tag, regexp in resolvers if tag != "tag:yaml.org,2002:bool"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
for _letter, _word in (("t", "true"), ("f", "false"), ("T", "True"), ("F", "False")):
    _Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(f"^{_word}$"), [_letter])


@dataclass
class Document:
    """A parsed file: its data, the line (from 1) of every key, and the comment beside every open question."""

    path: Path
    data: dict[str, Any]
    lines: dict[Key, int] = field(default_factory=dict)
    comments: dict[Key, str] = field(default_factory=dict)

    def where(self, key: Key) -> str:
        """Return ``audit.yaml, line 9: data.sensitive``."""
        return f"{self.place(key)}: {key_text(key)}" if key else self.place(key)

    def place(self, key: Key) -> str:
        """Return ``audit.yaml, line 9``, the line of the deepest part of `key` that the file contains."""
        for length in range(len(key), 0, -1):
            if (line := self.lines.get(key[:length])) is not None:
                return f"{self.path.name}, line {line}"
        return self.path.name


def read(path: Path) -> Document:
    """Read a YAML mapping.

    Raises
    ------
    ConfigError
        If the file is missing, is not YAML, is not a mapping, or has a duplicate key; names the line.
    """
    try:
        check_regular(path)
        size, most = path.stat().st_size, Limits.of_environment().config_megabytes * 1_000_000
        if size > most:
            many = f"{size:,} bytes, more than the {most:,} that are read"
            raise ConfigError(f"{path.name} has {many}; {remedy('config_megabytes')}.")
        source = read_bytes(path)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}.") from None
    document = Document(path, {})
    data = _parse(source, document)
    if not isinstance(data, dict):
        raise ConfigError(f"{path.name} must be a mapping of keys (name, data, model …), not a {type(data).__name__}.")
    document.data = data
    return document


def _parse(source: bytes, document: Document) -> Any:
    """Return the value of a text in YAML, and note in the document where its keys stand."""
    path = document.path
    loader = _load_text(source, path)
    try:
        node = _compose(loader)
        if node is None:
            raise ConfigError(f"{path.name} is empty; create it with `raikit init DATA`.")
        return _build(loader, document, node)
    except yaml.reader.ReaderError as error:
        raise _not_text(path, error) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "this is not YAML"
        raise ConfigError(f"{path.name}{line}: {problem}.") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path.name} is not UTF-8 ({error.reason} at byte {error.start}); save it as UTF-8.") from None
    finally:
        loader.dispose()


def _compose(loader: _Loader) -> yaml.Node | None:
    """Parse a text within the limit of depth."""
    loader.most = Limits.of_environment().depth
    with _room_for(loader.most):
        return loader.get_single_node()


def _build(loader: _Loader, document: Document, node: yaml.Node) -> Any:
    with _room_for(loader.most):
        return _Builder(loader, document, loader.most).value(node, ())


@contextmanager
def _room_for(levels: int) -> Iterator[None]:
    """Let functions call themselves once more for each level, however deep the stack is already."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(before + _FRAMES * levels)
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


def _load_text(source: bytes, path: Path) -> _Loader:
    try:
        return _Loader(source)
    except yaml.reader.ReaderError as error:
        raise _not_text(path, error) from None


def _not_text(path: Path, error: yaml.reader.ReaderError) -> ConfigError:
    """Return the error of bytes that are no text, or of characters that YAML does not allow."""
    what = "holds a control character" if error.reason == "special characters are not allowed" else "is not UTF-8"
    return ConfigError(f"{path.name} {what} (position {error.position}); save it as UTF-8 text.")


class _Builder:
    """Builder of values from YAML nodes; it notes their lines, and counts nodes so that aliases cannot explode."""

    def __init__(self, loader: _Loader, document: Document, depth: int) -> None:
        self.loader, self.document, self.nodes, self.depth = loader, document, 0, depth
        self.most = _VALUES * Limits.of_environment().config_megabytes

    def value(self, node: yaml.Node, key: Key) -> Any:
        """Build the value at `key`."""
        self.nodes += 1
        if self.nodes > self.most:
            many = f"more than {self.most:,} values, aliases included"
            raise ConfigError(f"{self.document.path.name} has {many}; shorten it, or {remedy('config_megabytes')}.")
        if len(key) > self.depth:  # an anchor may lie within itself
            raise ConfigError(f"{self.document.place(key[:1])}: {_too_deep(self.depth)}.")
        self.document.lines.setdefault(key, node.start_mark.line + 1)
        if node.tag.removeprefix(_TAG) not in _TAGS[type(node)]:
            tag = node.tag.replace(_TAG, "!!", 1)
            raise ConfigError(f"{self.document.place(key)}: the tag {tag!r} is not read; write plain YAML.")
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, key)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*key, index)) for index, item in enumerate(node.value)]
        value = self.scalar(node, key)
        if isinstance(value, str) and not value.isascii() and _SURROGATE.search(value):
            raise ConfigError(f"{self.document.where(key)}: unpaired surrogate; write the character itself.")
        if value == QUESTION:
            self.document.comments[key] = _comment_after(node.end_mark)
        return value

    def scalar(self, node: yaml.Node, key: Key) -> Any:
        """Build a value that is neither a mapping nor a list."""
        kind = node.tag.removeprefix(_TAG)
        try:
            value = self.loader.construct_object(node)
        except (ValueError, LookupError, AttributeError, TypeError, OverflowError) as error:
            # A value that looks like a date and is none says why; a tag that does not fit has only an internal reason.
            why = str(error) if kind == "timestamp" and isinstance(error, ValueError) else f"this is no {_NAMES[kind]}"
            raise ConfigError(f"{self.document.where(key)}: {why}.") from None
        if kind in ("int", "float") and _TWO_READINGS.fullmatch(node.value):
            raise ConfigError(f"{self.document.where(key)}: YAML reads {node.value} as {value}; write it so, or put it in "
                              "quotation marks to have a text.")
        if isinstance(value, int) and abs(value) > _LARGEST:
            raise ConfigError(f"{self.document.where(key)}: the number is larger than 10^18; write it as text, in quotation marks.")
        return value

    def mapping(self, node: yaml.MappingNode, key: Key) -> dict[Any, Any]:
        """Build the mapping at `key`."""
        mapping: dict[Any, Any] = {}
        for name_node, value_node in node.value:
            name = self.value(name_node, (*key, "?"))
            self.document.lines.pop((*key, "?"), None)
            line = name_node.start_mark.line + 1
            if isinstance(name, dict | list):
                raise ConfigError(f"{self.document.path.name}, line {line}: a key must be text.")
            if name in mapping:
                raise ConfigError(f"{self.document.path.name}, line {line}: duplicate key {name!r}; remove one.")
            self.document.lines[(*key, str(name))] = line
            mapping[name] = self.value(value_node, (*key, str(name)))
        return mapping


def _comment_after(mark: yaml.Mark) -> str:
    """Return the comment on the rest of the line after a mark; empty if there is none."""
    buffer = mark.buffer or ""
    end = buffer.find("\n", mark.pointer)
    rest = buffer[mark.pointer : end if end >= 0 else len(buffer)].splitlines()
    comment = re.fullmatch(r".*?\s#\s*(.*?)[\s\0.]*", rest[0]) if rest else None
    return comment[1] if comment else ""


def parse_value(written: str, key: str) -> Any:
    """Read the VALUE of ``--set KEY=VALUE`` as YAML would; what is no YAML is text.

    Raises
    ------
    ConfigError
        If it looks like a date and is none, is too large, or has a tag or an unpaired surrogate.
    """
    document = Document(Path(f"--set {key.replace('/', '.')}"), {})
    if _SURROGATE.search(written):
        raise ConfigError(f"{document.path.name}: unpaired surrogate; write the character itself.")
    try:
        loader = _Loader(written)
        node = _compose(loader)
    except yaml.YAMLError:
        return written
    return None if node is None else _build(loader, document, node)
