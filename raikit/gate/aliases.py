"""Resolve the names that people write into the ids that checks measure: once, before anything is matched or judged.

A check declares in `Check.aliases` by which other names its metrics are known. Policies, ``raikit compare`` and messages go
through here, so that every other module knows ids alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from raikit.address import Pattern, PatternParts, format, parse, pattern_parts
from raikit.errors import ConfigError

if TYPE_CHECKING:
    from raikit.check import Check
    from raikit.config.schema import GateConfig

_COMPLEMENT = re.compile(r"(?:(?P<whole>[01]) - )?(?P<id>.*)", re.DOTALL)


def complement_parts(target: str) -> tuple[int | None, str]:
    """Return the number from which a metric is taken, and the metric: ``1 - x`` is (1, x), and x alone (None, x)."""
    parts = _COMPLEMENT.fullmatch(target)
    assert parts is not None  # its last part matches anything
    return int(parts["whole"]) if parts["whole"] else None, parts["id"]


@dataclass(frozen=True)
class _Alias:
    """Another name with the arguments that it has, and the id; `whole` minus the metric, where it is not None."""

    args: Mapping[str, str]
    target: PatternParts
    whole: int | None

    @classmethod
    def of(cls, alias: str, target: str) -> _Alias:
        whole, id = complement_parts(target)
        return cls(pattern_parts(alias).items() or {}, pattern_parts(id), whole)

    def fits(self, items: Mapping[str, str]) -> bool:
        """Return whether the arguments that the alias names are written, with its values."""
        return all(key in items and value in ("*", items[key]) for key, value in self.args.items())

    def id(self, written: PatternParts, items: Mapping[str, str]) -> str:
        """Return the id in the place of the name; what the alias does not name of the arguments is kept."""
        shared = next((items[key] for key, value in self.args.items() if value == "*"), "")
        own = {key: shared if value == "*" else value for key, value in (self.target.items() or {}).items()}
        return _written(written, self.target.name, {key: value for key, value in items.items() if key not in self.args} | own)


class Aliases:
    """The other names of metrics, and the ids that they stand for.

    Parameters
    ----------
    names : mapping of str to str
        As in `Check.aliases`.
    produces : iterable of str
        Patterns of ids. What one of them declares with its arguments is an id, even if its name is an alias.
    columns : sequence of str
        The sensitive columns in the order of addresses, so that ``[race,sex]`` is found where the id has ``[sex,race]``.

    Examples
    --------
    >>> aliases = Aliases({"fairness.tpr": "fairness.true_positive_rate", "fairness.recall(average=micro)": "fairness.accuracy"})
    >>> aliases.resolve("fairness.tpr(class=cat)[sex=F]")
    'fairness.true_positive_rate(class=cat)[sex=F]'
    >>> aliases.resolve("fairness.recall(average=micro)[sex]")
    'fairness.accuracy[sex]'
    """

    def __init__(
        self, names: Mapping[str, str] | None = None, produces: Iterable[str] = (), columns: Sequence[str] = ()
    ) -> None:
        self.names, self._columns = dict(names or {}), list(columns)
        self._declared = [pattern for pattern in produces if "(" in pattern]
        self._by_name: dict[str, list[_Alias]] = {}
        for alias, target in self.names.items():
            self._by_name.setdefault(pattern_parts(alias).name, []).append(_Alias.of(alias, target))

    @classmethod
    def of(cls, checks: Iterable[type[Check]], columns: Sequence[str] = ()) -> Aliases:
        """Collect the aliases of checks; of two checks with one alias the first decides."""
        names: dict[str, str] = {}
        produces: list[str] = []
        for check in checks:
            if isinstance(check.aliases, Mapping):  # a broken check may hold anything here
                names = {str(alias): str(target) for alias, target in check.aliases.items()} | names
            if isinstance(check.produces, list | tuple):
                produces += map(str, check.produces)
        return cls(names, produces, columns)

    def resolve(self, written: str) -> str:
        """Return the pattern with the id in place of an alias, and its arguments in the order of addresses.

        A ``*`` in a name stands for ids alone, so that a pattern never matches a metric by one of its other names.
        """
        parts = pattern_parts(written)
        parts = replace(parts, brackets=_in_order(parts.brackets, self._columns))
        items = parts.items()
        if "*" in parts.name or items is None:
            return f"{parts.name}{'' if parts.args is None else f'({parts.args})'}{parts.brackets}"
        alias = self._alias(written, parts.name, items)
        return _written(parts, parts.name, items) if alias is None or alias.whole is not None else alias.id(parts, items)

    def complement(self, written: str) -> tuple[int, str] | None:
        """Return the number from which a metric is taken, and the metric's id, if `written` is a name of what is left."""
        parts = pattern_parts(written)
        items = parts.items()
        alias = self._alias(written, parts.name, items) if items is not None else None
        return (alias.whole, alias.id(parts, items or {})) if alias is not None and alias.whole is not None else None

    def _alias(self, written: str, name: str, items: Mapping[str, str]) -> _Alias | None:
        """Return the alias that was written, that with most arguments if there are several; None if it is an id."""
        fitting = [alias for alias in self._by_name.get(name, []) if alias.fits(items)]
        best = max(fitting, key=lambda alias: len(alias.args), default=None)
        is_id = items and best is not None and not best.args and any(map(Pattern(written).overlaps, self._declared))
        return None if is_id else best

    def resolve_policy(self, policy: GateConfig) -> GateConfig:
        """Return the policy with ids in its rules, regressions and waivers; each keeps the name that was written."""
        return policy.model_copy(update={
            key: [item.resolved(self.resolve(item.metric)) for item in getattr(policy, key)]
            for key in ("rules", "regressions", "waivers")
        })  # fmt: skip


def _in_order(brackets: str, columns: Sequence[str]) -> str:
    """Return brackets with their columns in the order of `columns`; as they are if one of them is not among these."""
    if "," not in brackets:
        return brackets
    try:
        parts = parse(f"a.b{brackets}")
    except ConfigError:  # a * in them, or no address at all
        return brackets
    if not set(parts.over) <= set(columns):
        return brackets
    return format("a.b", over=sorted(parts.over, key=list(columns).index), group=parts.group).removeprefix("a.b")


def _written(parts: PatternParts, name: str, items: Mapping[str, str]) -> str:
    """Write a pattern with another name and other arguments, which are put in the order of addresses."""
    args = ",".join(f"{key}={items[key]}" for key in sorted(items))
    return f"{name}({args}){parts.brackets}" if args else f"{name}{parts.brackets}"
