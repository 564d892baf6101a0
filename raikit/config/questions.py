"""Open questions in audit.yaml: ``target: "?"      # one of approve or reject`` stops an audit until a person answers it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from raikit.config.types import Key
from raikit.config.yamlfile import QUESTION, Document
from raikit.errors import ConfigError

_VALUES_OF_CELLS = {("data", "missing"), ("data", "labels")}  # what cells contain, which may be a question mark


def refuse_questions(document: Document) -> None:
    """Raise if a value is still ``"?"``.

    Raises
    ------
    ConfigError
        Names the file, the line and the key of the first one, and what the comment on its line proposes.
    """
    keys = list(_open_questions(document.data, ()))
    if not keys:
        return
    proposal = document.comments.get(keys[0]) or "the answer"
    others = ", ".join(_dotted(key) for key in keys[1:])
    also = f" {others} {'waits' if len(keys) == 2 else 'wait'} for an answer, too." if others else ""
    raise ConfigError(f'{document.where(keys[0])} is an open question; in place of "{QUESTION}" write {proposal}.{also}')


def _dotted(key: Key) -> str:
    return ".".join(map(str, key))


def _open_questions(value: Any, key: Key) -> Iterator[Key]:
    if key in _VALUES_OF_CELLS:
        return
    if value == QUESTION:
        yield key
    elif isinstance(value, dict):
        for name, below in value.items():
            yield from _open_questions(below, (*key, str(name)))
    elif isinstance(value, list):
        for index, below in enumerate(value):
            yield from _open_questions(below, (*key, index))
