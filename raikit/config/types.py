"""Words of audit.yaml that every later stage uses: the tasks, the modalities, and how to raise an error at a key."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ValidationInfo, field_validator

from raikit.errors import RaikitError

Task = Literal["binary", "multiclass", "regression"]
# What a configuration may say: the last three have lists as targets, and are reduced to cases of one label (`raikit.data.parts`).
DeclaredTask = Literal["binary", "multiclass", "regression", "multilabel", "token_classification", "answers"]
Modality = Literal["text", "image", "audio", "tabular"]

# A key of audit.yaml as the path that leads to it: ("data", "sensitive", 0).
Key = tuple[str | int, ...]
# error(key, problem) returns the exception to raise; it names the file and the line of the key.
Error = Callable[[Key, str], RaikitError]

_ONE_OF = {"rules": "rule", "regressions": "regression", "waivers": "waiver", "required": "check"}


_BLANK_LETTERS = frozenset("\u115f\u1160\u3164\uffa0")  # Unicode calls the fillers of Hangul letters


def is_legible(value: str) -> bool:
    """Return whether a text says something: it has a letter or a digit that is not invisible."""
    return any(sign.isalnum() and sign not in _BLANK_LETTERS for sign in value)


def key_text(key: Key) -> str:
    """Write a key for a person, who counts the items of a list from 1.

    Examples
    --------
    >>> key_text(("gate", "rules", 0, "metric")), key_text(("data", "sensitive", 1))
    ('gate.rules, rule 1, metric', 'data.sensitive, item 2')
    """
    text, last = "", ""
    for part in key:
        if isinstance(part, int):
            text += f", {_ONE_OF.get(last, 'item')} {part + 1}"
        else:
            text += (", " if ", " in text else "." if text else "") + str(part)
            last = str(part)
    return text


_LEAST, _MOST = 1e-100, 1e100  # the size of a number with which something is computed
MOST_CONFIDENCE, LEAST_ERROR = 1 - 1e-9, 1e-9  # beyond them, one minus a level is rounding


def refuse_flag(section: type[BaseModel], name: str | None, value: Any) -> Any:
    """Return the value of a key, or raise `ValueError` if it is true or false and the key wants a number.

    Pydantic takes true for 1, so ``max: true`` would be a limit that every rate keeps.
    """
    if isinstance(value, bool) and name in section.model_fields:
        kinds = _kinds(section.model_fields[name].annotation)
        if kinds & {int, float} and bool not in kinds:
            raise ValueError(f"must be a number, not {str(value).lower()}")
    return value


def refuse_absurd(value: Any) -> Any:
    """Return a value, or raise `ValueError` if it is a number, or has one, whose square or inverse is no number any more."""
    items = value if isinstance(value, list | tuple) else value.values() if isinstance(value, Mapping) else [value]
    for item in items:
        if isinstance(item, float) and item and math.isfinite(item) and not _LEAST <= abs(item) <= _MOST:
            raise ValueError(f"must be 0 or between {_LEAST:g} and {_MOST:g} in size, and {item:g} is not")
    return value


class NumbersToComputeWith(BaseModel):
    """Base of sections whose numbers are examined by `refuse_flag` and `refuse_absurd`."""

    @field_validator("*", mode="before")
    @classmethod
    def _no_flag(cls, value: Any, info: ValidationInfo) -> Any:
        return refuse_flag(cls, info.field_name, value)

    @field_validator("*")
    @classmethod
    def _not_absurd(cls, value: Any) -> Any:
        return refuse_absurd(value)


def _kinds(annotation: Any) -> set[Any]:
    """Return the classes among which a value may be one; of a list or a mapping, only that itself."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _kinds(get_args(annotation)[0])
    if origin in (Union, UnionType):
        return set().union(*map(_kinds, get_args(annotation)))
    return {origin or annotation}
