"""What a plugin of another distribution provides, as data, and check classes made from it that hold none of its code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar, Literal, Self, cast

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic_core import InitErrorDetails, PydanticCustomError

from raikit.check import Check, CheckOptions, Requires
from raikit.console import clean
from raikit.errors import PluginError
from raikit.plugins.contract import MOST

_DEEPEST = 8  # levels of options within options whose names are known here

_Text = Annotated[str, AfterValidator(lambda text: clean(text[:2000]))]


class _Data(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Fault(_Data):
    """What is wrong with an option."""

    type: str
    msg: _Text
    loc: list[str | int]
    input: str | int | float | bool | None = None


class ValidatedOptions(_Data):
    """The options of a check as their class has validated them, or what is wrong with them."""

    options: dict[str, Any] = Field(default_factory=dict)
    faults: list[Fault] = Field(default_factory=list, max_length=1000)


# validate(check, values)
Validate = Callable[[str, Mapping[str, Any]], ValidatedOptions]


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
    requires: dict[str, list[str] | bool | int] = Field(default_factory=dict)
    produces: list[str] = Field(default_factory=list)
    aliases: dict[str, str] = Field(default_factory=dict)
    doc: _Text = ""
    options: dict[str, Any] = Field(default_factory=dict)
    compares: bool = False
    problem: _Text | None = None


class PluginDescription(_Data):
    """A plugin without its code: what became of its import, and what its hooks provide."""

    status: Literal["ok", "error", "incompatible", "ambiguous", "disabled", "local"]
    reason: _Text | None = None
    hooks: list[_Text] = Field(default_factory=list, max_length=MOST)
    warnings: list[_Text] = Field(default_factory=list, max_length=MOST)
    checks: list[CheckDescription] = Field(default_factory=list, max_length=MOST)
    loaders: list[_Text] = Field(default_factory=list, max_length=MOST)
    formats: list[_Text] = Field(default_factory=list, max_length=MOST)
    comparison_formats: list[_Text] = Field(default_factory=list, max_length=MOST)


class DescribedOptions(CheckOptions):
    """Options whose class lives in another process, which validates them."""

    model_config = ConfigDict(extra="allow", frozen=True, protected_namespaces=())
    validator: ClassVar[Callable[[Mapping[str, Any]], ValidatedOptions]]
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
        if answer.faults:
            raise ValidationError.from_exception_data(cls.__name__, [_error(fault) for fault in answer.faults])
        return cast("Self", cls.model_construct(set(answer.options), **answer.options))

    def model_dump(self, **_: Any) -> dict[str, Any]:
        """Return the options as their own class wrote them, which is JSON already."""
        return {name: value for name, value in vars(self).items() if name in self.model_fields_set} | (self.model_extra or {})

    @classmethod
    def model_json_schema(cls, *_: Any, **__: Any) -> dict[str, Any]:
        """Return the schema of the class itself."""
        return cls.schema_of_class


def _error(fault: Fault) -> InitErrorDetails:
    kind = PydanticCustomError(cast("Any", fault.type), cast("Any", fault.msg))
    return InitErrorDetails(type=kind, loc=tuple(fault.loc), input=fault.input)


def described_check(described: CheckDescription, validate: Validate) -> type[Check]:
    """Return a class with the facts of a check and none of its code.

    Parameters
    ----------
    described : CheckDescription
    validate : callable
        ``validate(check, values)`` has the check's options validated in its own process.
    """
    fields = _Fields(described.options.get("$defs")).of(described.options)
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


def _requires(described: Mapping[str, list[str] | bool | int]) -> Requires:
    given = {name: set(value) if isinstance(value, list) else value for name, value in described.items()}
    return Requires(**{name: given[name] for name in Requires.__dataclass_fields__ if name in given})  # type: ignore[arg-type]


def _elsewhere(self: Check, *_: Any) -> Any:
    raise PluginError(f"{self.name} runs in a process of its own, not in this one")


class _Fields:
    """Fields with the names of options and of theirs, so that an error can list the valid keys.

    Parameters
    ----------
    definitions : mapping
        The definitions of a JSON Schema, of which nothing is taken for granted. Each becomes one class, however often it is used.
    """

    def __init__(self, definitions: Any) -> None:
        self._definitions = definitions if isinstance(definitions, Mapping) else {}
        self._kinds: dict[str, Any] = {}

    def of(self, schema: Any, depth: int = 0) -> dict[str, Any]:
        """Return the fields of a schema. A name that every class of options has, such as `copy`, cannot be one."""
        properties = schema.get("properties") if isinstance(schema, Mapping) else None
        if not isinstance(properties, Mapping) or depth == _DEEPEST:
            return {}
        return {
            name: (self._kind(property_, depth + 1), None)
            for name, property_ in properties.items()
            if name.isidentifier() and not name.startswith("_") and not hasattr(DescribedOptions, name)
        }

    def _kind(self, property_: Any, depth: int) -> Any:
        reference = str(property_.get("$ref", "")).rpartition("/")[2] if isinstance(property_, Mapping) else ""
        if reference not in self._kinds:
            self._kinds[reference] = Any  # while its own fields are made, which may refer to it
            if inner := self.of(self._definitions.get(reference), depth):
                self._kinds[reference] = create_model("Options", **inner) | None
        return self._kinds[reference]
