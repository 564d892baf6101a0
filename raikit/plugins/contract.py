"""Validate plugins and check classes; each problem is one sentence for the row of the plugin or the check."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from raikit.check import Check, CheckOptions, Requires
from raikit.errors import raised
from raikit.gate.aliases import complement_parts
from raikit.hookspecs import API_VERSION

MOST = 1000  # checks of a plugin, and patterns and aliases of a check
LONGEST_NAME = 100  # characters; a check's name is that of a file too
_LONGEST_PATTERN = 300
_CHECK_NAME = re.compile(r"[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)+")


def incompatibility(plugin: Any) -> str | None:
    """Return why a plugin cannot work with this version of the plugin API; None if it can."""
    declared = getattr(plugin, "raikit_api", None)
    if not isinstance(declared, int) or isinstance(declared, bool):
        return f"states no `raikit_api`; add `raikit_api = {API_VERSION}` to the plugin module"
    if declared > API_VERSION:
        return f"is written for plugin API {declared}; this version supports plugin API {API_VERSION}: upgrade raikit"
    if declared < 1:
        return f"is written for plugin API {declared}, which is retired; this version supports plugin API {API_VERSION}"
    return None


def contract_problem(check: Any) -> str | None:
    """Return what is wrong with a check class, in one sentence; None if it keeps the contract."""
    try:
        return _validate_check_class(check)
    except Exception as error:
        return f"{getattr(check, '__name__', 'a check')} cannot be inspected: {raised(error)}"


def _validate_check_class(check: Any) -> str | None:
    if not (isinstance(check, type) and issubclass(check, Check)):
        return f"raikit_checks returned {check!r}, which is not a subclass of raikit.Check"
    name = getattr(check, "name", None)
    if not isinstance(name, str):
        return f"{check.__name__} has no `name`"
    if not _CHECK_NAME.fullmatch(name):
        return f"the name {name!r} must look like 'pillar.what_it_checks' in lower case"
    if len(name) > LONGEST_NAME:
        return f"the name {name[:30]!r}… has {len(name):,} characters; the limit is {LONGEST_NAME}"
    if not isinstance(getattr(check, "pillar", None), str) or not check.pillar:
        return f"{name} has no `pillar`"
    if len(check.pillar) > LONGEST_NAME:
        return f"{name}: `pillar` has {len(check.pillar):,} characters; the limit is {LONGEST_NAME}"
    if check.cost not in ("quick", "slow"):
        return f"{name}: cost is 'quick' or 'slow', not {check.cost!r}"
    if not (isinstance(check.Options, type) and issubclass(check.Options, CheckOptions)):
        return f"{name}: Options must be a subclass of raikit.CheckOptions"
    if getattr(check.run, "__isabstractmethod__", False):
        return f"{name} has no `run`"
    if not isinstance(check.requires, Requires):
        return f"{name}: `requires` is raikit.Requires(…), not {type(check.requires).__name__}"
    if stray := [item for item in _requirements(check.requires) if not isinstance(item, str)]:
        return f"{name}: `requires` holds {stray[0]!r}, which is not a name"
    if not isinstance(check.produces, list | tuple):
        kind = "a single string" if isinstance(check.produces, str) else type(check.produces).__name__
        return f"{name}: `produces` is a list of address patterns, not {kind}"
    if len(check.produces) > MOST or any(len(str(pattern)) > _LONGEST_PATTERN for pattern in check.produces):
        return f"{name}: `produces` is a list of at most {MOST:,} address patterns of at most {_LONGEST_PATTERN} characters"
    stray = [pattern for pattern in check.produces if not str(pattern).startswith(f"{check.prefix()}.")]
    if stray:
        return f"{name} declares in `produces` {stray[0]!r}, but it owns only {check.prefix()}.*"
    return _validate_aliases(check)


def _validate_aliases(check: type[Check]) -> str | None:
    aliases, own = check.aliases, f"{check.prefix()}."
    if not isinstance(aliases, Mapping):
        return f"{check.name}: `aliases` is a mapping of names to names, not {type(aliases).__name__}"
    if len(aliases) > MOST:
        return f"{check.name}: `aliases` has {len(aliases):,} names; the limit is {MOST:,}"
    for alias, target in aliases.items():
        if not (isinstance(alias, str) and isinstance(target, str)):
            return f"{check.name}: `aliases` is a mapping of names to names, not {alias!r} to {target!r}"
        if not alias.startswith(own) or not complement_parts(target)[1].startswith(own):
            return f"{check.name} declares in `aliases` {alias!r} for {target!r}, but it owns only {own}*"
    return None


def _requirements(requires: Requires) -> Iterator[Any]:
    """Iterate over the names in a check's requirements, with the smallest number of cases if it is not a number."""
    for value in vars(requires).values():
        yield from value if isinstance(value, frozenset) else [] if isinstance(value, int) else [value]
