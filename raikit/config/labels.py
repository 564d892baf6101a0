"""`data.unit` and `data.labels`: what a case is called, and the words for columns, groups and classes."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from raikit.naming import as_code, plural_of

_LONG_FORM = {"name", "noun", "values", "missing"}
_LONGEST = 100


def _as_words(value: Any) -> Any:
    if isinstance(value, int | float):
        return as_code(value)
    if isinstance(value, str) and (
        not 0 < len(value) <= _LONGEST or value != value.strip() or any(unicodedata.category(sign) == "Cc" for sign in value)
    ):
        raise ValueError(f"a label is one line of 1 to {_LONGEST} characters without spaces at its ends")
    return value


Words = Annotated[str, BeforeValidator(_as_words, json_schema_input_type=str | int | float | bool)]


class UnitConfig(BaseModel):
    """What one case is called, and what several are."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    one: Words
    many: Words


class LabelsConfig(BaseModel):
    """The name of a column and the labels of its values; a mapping alone gives the labels, a text alone the name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Words | None = Field(None, description="What the column is called.")
    noun: Words | None = Field(None, description="How a sentence calls a group, {} for its label: '{} applicants', 'people "
                                                 "aged {}'.")
    values: dict[str, Words] = Field(default_factory=dict, description="Labels by value: {F: Women, M: Men}.")
    missing: Words | None = Field(None, description="What the missing group is called; in the short form the key null.")

    @model_validator(mode="after")
    def _noun_has_a_place(self) -> Self:
        if self.noun is not None and self.noun.count("{}") != 1:
            raise ValueError(f"`noun` has {{}} once, where the label of a group stands, as in '{{}} applicants'; not {self.noun!r}")
        return self

    @model_validator(mode="after")
    def _labels_differ(self) -> Self:
        by_label: dict[str, str] = {}
        for value, label in [*self.values.items(), *([("null", self.missing)] if self.missing else [])]:
            if (other := by_label.setdefault(label, value)) != value:
                raise ValueError(f"{other!r} and {value!r} have the same label {label!r}; groups need different ones")
        return self


def as_unit(value: Any) -> Any:
    """Return a unit as a mapping; the plural follows from the singular by rule."""
    return {"one": value, "many": plural_of(value)} if isinstance(value, str) else value


def as_labels(value: Any) -> Any:
    """Return the labels of a column in their long form, with values as addresses have them.

    Raises
    ------
    ValueError
        If the two forms are mixed, or a value occurs twice.
    """
    if isinstance(value, str):
        return {"name": value}
    if not isinstance(value, Mapping):
        return value
    keys = set(value)
    if "values" in keys or (keys and keys <= _LONG_FORM):
        if others := sorted(str(key) for key in keys - _LONG_FORM):
            raise ValueError(f"the value {others[0]!r} stands beside `values`; move it below that key")
        long = dict(value)
    else:
        long = {"values": value}
    if isinstance(long.get("values"), Mapping):
        long["values"], missing = _by_code(long["values"])
        if missing is not None:
            long["missing"] = missing
    return long


def _by_code(values: Mapping[Any, Any]) -> tuple[dict[str, Any], Any]:
    """Return labels by value as an address has it, and that of the missing group."""
    labels: dict[str, Any] = {}
    for value, label in values.items():
        if value is None:
            continue
        if as_code(value) in labels:
            raise ValueError(f"the value {as_code(value)!r} has two labels")
        labels[as_code(value)] = label
    return labels, values.get(None)


Unit = Annotated[UnitConfig, BeforeValidator(as_unit, json_schema_input_type=str | UnitConfig)]
Labels = Annotated[LabelsConfig, BeforeValidator(as_labels, json_schema_input_type=str | LabelsConfig | dict[str, Words])]
