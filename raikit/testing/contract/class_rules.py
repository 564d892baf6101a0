"""The rules for a check that its class shows, before it runs."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import get_args

from raikit.address import Pattern
from raikit.check import Check
from raikit.config.types import Modality, Task
from raikit.data.splits import ORDER
from raikit.errors import nearest
from raikit.gate.aliases import Aliases, complement_parts
from raikit.models.base import Capability
from raikit.plugins.contract import contract_problem
from raikit.testing.contract.rule import Broken, NotApplicable, first_few
from raikit.testing.run import ROLES, own_columns

_LONGEST_TITLE = 120
_MISTYPED = 0.8  # From this similarity on, a required column is taken for a mistyped role.


def contract(check: type[Check]) -> None:
    """Give the check a name, a pillar, a cost, options and a `run`; produce only addresses below its own prefix."""
    if problem := contract_problem(check):
        raise Broken(problem)


def docstring(check: type[Check]) -> None:
    """Begin the docstring with a line that can be the check's title in the report."""
    title = (vars(check).get("__doc__") or "").strip().split("\n\n")[0]
    if not title:
        raise Broken("it has no docstring; its first line is the check's title in the report")
    if len(title) > _LONGEST_TITLE:
        raise Broken(f"its title has {len(title)} characters; write at most {_LONGEST_TITLE}, then an empty line")


def options(check: type[Check]) -> str:
    """Give every option a description and a valid default."""
    fields = getattr(check.Options, "model_fields", {})
    if bare := [name for name, field in fields.items() if not (field.description or "").strip()]:
        raise Broken(f"the option {bare[0]!r} has no description; add Field(…, description='…')")
    if bare := [name for name, field in fields.items() if field.is_required()]:
        raise Broken(f"the option {bare[0]!r} has no default; a check must run without configuration")
    try:
        written = check.Options().model_dump(mode="json")
        again = check.Options.model_validate(written).model_dump(mode="json")
    except ValueError as error:
        raise Broken(f"its defaults are not valid: {' '.join(str(error).split())[:300]}") from None
    if again != written:
        raise Broken("its defaults change when they are written as JSON and read back, as --resume does")
    return f"{len(fields)} option{'' if len(fields) == 1 else 's'}"


def produces(check: type[Check]) -> str:
    """List the addresses in `produces`, so that a mistyped rule is found before data are read."""
    if not check.produces:
        raise Broken(f'`produces` is empty; write produces = ["{check.prefix()}.…"]')
    return first_few(map(str, check.produces))


def aliases(check: type[Check]) -> str | None:
    """Let every alias stand for a metric of the check, and let none be the name of a metric itself."""
    if contract_problem(check):
        raise NotApplicable("it breaks the contract")
    declared, every = [Pattern(str(pattern)) for pattern in check.produces], Aliases.of([check])
    for alias, target in check.aliases.items():
        if Pattern(alias).is_bare and any(pattern.matches(alias) for pattern in declared):
            raise Broken(f"{alias!r} is an alias and a metric that `produces` declares; remove one of them")
        id = complement_parts(target)[1]
        if not any(Pattern(id).overlaps(pattern.pattern) for pattern in declared):
            raise Broken(f"the alias {alias!r} stands for {id!r}, which `produces` does not declare")
        if (other := every.resolve(id)) != id:
            raise Broken(f"the alias {alias!r} stands for {id!r}, which is an alias of {other!r}; name that")
    return first_few(check.aliases) or None


def required_names(check: type[Check]) -> str | None:
    """Use only names in `requires` that raikit knows."""
    needs = check.requires
    known_names: dict[str, tuple[Iterable[str], Iterable[str]]] = {
        "capability": (needs.capabilities, get_args(Capability)),
        "modality": (needs.modalities, get_args(Modality)),
        "task": (needs.tasks, get_args(Task)),
        "split": (needs.splits, ORDER),
    }
    for kind, (required, known) in known_names.items():
        if unknown := sorted(set(required) - set(known)):
            raise Broken(f"unknown {kind} {unknown[0]!r}.{nearest(unknown[0], known)} Known: {', '.join(known)}")
    for column in own_columns(check):
        if near := difflib.get_close_matches(column, ROLES, n=1, cutoff=_MISTYPED):
            raise Broken(f"unknown column role {column!r}. Did you mean {near[0]!r}? Known: {', '.join(ROLES)}")
        return f"the column {column!r} is not a role; the user's data must hold it"
    return None
