"""The conformance test: whether a plugin keeps the contract, tried on real data rather than believed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from raikit.check import Check
from raikit.testing.contract.rule import Conformity as Conformity
from raikit.testing.contract.rule import held as held
from raikit.testing.contract.rule import table as table

if TYPE_CHECKING:
    from raikit.data.dataset import Dataset
    from raikit.testing.contract.rule import Case, Rule
    from raikit.testing.contract.subject import Subject

__all__ = ["Conformity", "check_conformance", "conformance", "held", "table"]

Plugin = type[Check] | ModuleType | str | Path


def conformance(plugin: Plugin, *, data: Dataset | None = None) -> list[Conformity]:
    """Try every rule of the contract on a plugin and all that it brings.

    Parameters
    ----------
    plugin : Check class, module, str or Path
        A check by itself; a plugin's module; the name of an installed entry point or distribution; or a file of checks, as
        ``plugins: {local: [checks.py]}`` names it.
    data : Dataset, optional
        Checks are tried on these, too, and first: give data that they can measure where those that the kit makes have
        nothing for them.

    Returns
    -------
    list of Conformity
        One for each rule and each check, report format and model loader; ``not applicable`` where a rule says nothing about
        it or could not be tried, with the reason.

    Raises
    ------
    ConfigError
        If nothing of that name is installed, or there is no such file.

    Examples
    --------
    >>> from raikit import Check, CheckResult, Metric
    >>> class Rows(Check):
    ...     "How many rows there are."
    ...     name, pillar, produces = "mine.rows", "mine", ["mine.rows"]
    ...     def run(self, ctx):
    ...         return CheckResult(metrics=[Metric.exact("rows", ctx.predictions.size())])
    >>> [found.rule for found in conformance(Rows) if found.status == "failed"]
    []
    """
    from raikit.testing.contract.subject import subject_of

    return held(cases(subject_of(plugin), data))


def cases(subject: Subject, data: Dataset | None = None) -> Iterator[Case]:
    """Every rule that is to be held against a plugin and against all that it brings."""
    from raikit.testing.contract import check_rules, format_rules, loader_rules, plugin_rules

    yield from plugin_rules.cases(subject)
    for check in subject.checks:
        yield from check_rules.cases(check, data)
    for name, writer in subject.formats.items():
        yield from format_rules.cases(name, writer)
    for name, loader in subject.loaders.items():
        yield from loader_rules.cases(name, loader)


def rules() -> dict[str, list[Rule]]:
    """Every rule with its sentence, by what it is held against."""
    from raikit.testing.contract import check_rules, format_rules, loader_rules, plugin_rules
    from raikit.testing.contract.rule import rule_of

    return {
        "a plugin": list(map(rule_of, plugin_rules.RULES)),
        "a check": [*check_rules.WRITTEN, *check_rules.TRIED],
        "a report format": list(map(rule_of, format_rules.RULES)),
        "a model loader": list(map(rule_of, loader_rules.RULES)),
    }


def check_conformance(plugin: Plugin, *, data: Dataset | None = None) -> None:
    """Assert that a plugin keeps the contract: the one line of a plugin's own tests.

    Parameters
    ----------
    plugin : Check class, module, str or Path
        As for `conformance`.
    data : Dataset, optional
        As for `conformance`.

    Raises
    ------
    AssertionError
        With the table of what failed, and why.
    """
    __tracebackhide__ = True
    failed = [found for found in conformance(plugin, data=data) if found.status == "failed"]
    if failed:
        rules = "1 rule of the contract is" if len(failed) == 1 else f"{len(failed)} rules of the contract are"
        raise AssertionError(f"{rules} broken:\n{table(failed)}")

