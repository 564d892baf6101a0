"""What a plugin of another distribution provides, as data, and check classes made from it that hold none of its code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal, Self, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic_core import InitErrorDetails, PydanticCustomError

from raikit.check import Check, CheckOptions, Requires
from raikit.errors import PluginError

# validate(check, values) returns the validated options, or the faults as `raikit.plugins.describe` writes them.
Validate = Callable[[str, Mapping[str, Any]], Mapping[str, Any]]


class _Data(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class CheckDescription(_Data):
    """A check class without its code.

    Attributes
    ----------
    name, pillar, cost, requires, produces, aliases
        As in `raikit.Check`.
    doc : str
        The docstring of the class.
    options : dict
        The JSON Schema of its options.
    compares : bool
        Whether the class has a `compare`.
    problem : str or None
        Why the check cannot run: it breaks the contract, or its name is taken.
    """

    name: str
    pillar: str = ""
    cost: Literal["quick", "slow"] = "quick"
    requires: dict[str, list[str] | int] = Field(default_factory=dict)
    produces: list[str] = Field(default_factory=list)
    aliases: dict[str, str] = Field(default_factory=dict)
    doc: str = ""
    options: dict[str, Any] = Field(default_factory=dict)
    compares: bool = False
    problem: str | None = None


class PluginDescription(_Data):
    """A plugin without its code: what became of its import, and what its hooks provide."""

    status: Literal["ok", "error", "incompatible", "ambiguous", "disabled", "local"]
    reason: str | None = None
    hooks: list[str] = Field(default_factory=list)
    warnings: list[str] = Field(default_factory=list)
    checks: list[CheckDescription] = Field(default_factory=list)
    loaders: list[str] = Field(default_factory=list)
    formats: list[str] = Field(default_factory=list)


class DescribedOptions(CheckOptions):
    """Options whose class lives in another process, which validates them."""

    model_config = ConfigDict(extra="allow", frozen=True, protected_namespaces=())
    validator: ClassVar[Callable[[Mapping[str, Any]], Mapping[str, Any]]]
    schema_of_class: ClassVar[dict[str, Any]]

    @classmethod
    def model_validate(cls, obj: Any, **_: Any) -> Self:
        """Have the options validated by their own class.

        Raises
        ------
        ValidationError
            As the class itself would raise it.
        PluginError
            If the other process fails.
        """
        answer = cls.validator(obj)
        if faults := answer.get("faults"):
            raise ValidationError.from_exception_data(cls.__name__, [_error(fault) for fault in faults])
        return cast("Self", cls.model_construct(**answer["options"]))

    def model_dump(self, **_: Any) -> dict[str, Any]:
        """Return the options as their own class wrote them, which is JSON already."""
        return {name: value for name, value in vars(self).items() if name in self.model_fields_set} | (self.model_extra or {})

    @classmethod
    def model_json_schema(cls, *_: Any, **__: Any) -> dict[str, Any]:
        """Return the schema of the class itself."""
        return cls.schema_of_class


def _error(fault: Mapping[str, Any]) -> InitErrorDetails:
    kind = PydanticCustomError(cast("Any", str(fault["type"])), cast("Any", str(fault["msg"])))
    return InitErrorDetails(type=kind, loc=tuple(fault["loc"]), input=fault["input"])


def described_check(described: CheckDescription, validate: Validate) -> type[Check]:
    """Return a class with the facts of a check and none of its code.

    Parameters
    ----------
    described : CheckDescription
    validate : callable
        ``validate(check, values)`` has the check's options validated in its own process.
    """
    fields = _fields(described.options, described.options.get("$defs", {}), set())
    options = create_model("Options", __base__=DescribedOptions, **fields)
    options.validator = lambda values: validate(described.name, values)
    options.schema_of_class = described.options
    facts = {
        "__doc__": described.doc,
        "name": described.name,
        "pillar": described.pillar,
        "cost": described.cost,
        "requires": _requires(described.requires),
        "produces": described.produces,
        "aliases": described.aliases,
        "Options": options,
        "run": _elsewhere,
        "compare": _elsewhere if described.compares else None,
    }
    return cast("type[Check]", type("DescribedCheck", (Check,), facts))


def _requires(described: Mapping[str, list[str] | int]) -> Requires:
    given = {name: set(value) if isinstance(value, list) else value for name, value in described.items()}
    return Requires(**{name: given[name] for name in Requires.__dataclass_fields__ if name in given})  # type: ignore[arg-type]


def _elsewhere(self: Check, *_: Any) -> Any:
    raise PluginError(f"{self.name} runs in a process of its own, not in this one")


def _fields(schema: Mapping[str, Any], known: Mapping[str, Any], above: set[str]) -> dict[str, Any]:
    """Return fields with the names of options and of theirs, so that an error can list the valid keys."""
    fields: dict[str, Any] = {}
    for name, property_ in schema.get("properties", {}).items():
        reference = str(property_.get("$ref", "")).rpartition("/")[2]
        nested = known.get(reference, {}) if reference not in above else {}
        inner = _fields(nested, known, {*above, reference})
        kind: Any = create_model(reference, **inner) | None if inner else Any
        if name.isidentifier() and not name.startswith("_"):
            fields[name] = (kind, None)
    return fields
