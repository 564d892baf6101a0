"""The rules for a check that can be read off its class."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import get_args

from raikit.check import Check
from raikit.config.types import Modality, Task
from raikit.data.splits import ORDER
from raikit.errors import nearest
from raikit.models.base import Capability
from raikit.testing.contract.rule import Broken, first_few
from raikit.testing.run import ROLES, own_columns

_LONGEST_TITLE = 120
_MISTYPED = 0.8  # likeness from which a column of the user's is rather a role with a typing mistake


def contract(check: type[Check]) -> None:
    """It has a name, a pillar, a cost, options and a `run`, and says what it produces below its own prefix."""
    from raikit.plugins.contract import contract_problem

    if problem := contract_problem(check):
        raise Broken(problem)


def docstring(check: type[Check]) -> None:
    """Its docstring begins with a line that the report can take as its title."""
    title = (vars(check).get("__doc__") or "").strip().split("\n\n")[0]
    if not title:
        raise Broken("it has no docstring; its first line is the check's title in the report")
    if len(title) > _LONGEST_TITLE:
        raise Broken(f"its docstring begins with {len(title)} characters; a title has at most {_LONGEST_TITLE}, then an empty line")


def options(check: type[Check]) -> str:
    """Every option has a description and a default that is valid."""
    fields = getattr(check.Options, "model_fields", {})
    if bare := [name for name, field in fields.items() if not (field.description or "").strip()]:
        raise Broken(f"the option {bare[0]!r} has no description: Field(…, description='…')")
    if bare := [name for name, field in fields.items() if field.is_required()]:
        raise Broken(f"the option {bare[0]!r} has no default; a check runs as soon as it is installed")
    try:
        written = check.Options().model_dump(mode="json")
        again = check.Options.model_validate(written).model_dump(mode="json")
    except ValueError as error:
        raise Broken(f"its defaults are not valid: {' '.join(str(error).split())[:300]}") from None
    if again != written:
        raise Broken("its defaults are different when they are written down and read back, as a resumed run does")
    return f"{len(fields)} option{'' if len(fields) == 1 else 's'}"


def produces(check: type[Check]) -> str:
    """It says which addresses it produces, so that a mistyped rule is found before data are read."""
    if not check.produces:
        raise Broken(f'it says nothing; write produces = ["{check.prefix()}.…"]')
    return first_few(map(str, check.produces))


def required_names(check: type[Check]) -> str | None:
    """What it requires is called as the harness calls it."""
    needs = check.requires
    words: dict[str, tuple[Iterable[str], Iterable[str]]] = {
        "capability": (needs.capabilities, get_args(Capability)),
        "modality": (needs.modalities, get_args(Modality)),
        "task": (needs.tasks, get_args(Task)),
        "split": (needs.splits, ORDER),
    }
    for what, (asked, there) in words.items():
        if stray := sorted(set(asked) - set(there)):
            raise Broken(f"no {what} is called {stray[0]!r}.{nearest(stray[0], there)} Known: {', '.join(there)}")
    for column in own_columns(check):
        if near := difflib.get_close_matches(column, ROLES, n=1, cutoff=_MISTYPED):
            raise Broken(f"no role of a column is called {column!r}. Did you mean {near[0]!r}? Known: {', '.join(ROLES)}")
        return f"the column {column!r} is the user's own"
    return None
