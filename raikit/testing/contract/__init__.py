"""The conformance test: tries every rule of the plugin contract on a plugin, with real data.

The modules named ``*_rules`` hold the rules. Each rule is a function whose docstring is the rule, addressed to the author of
the plugin. `subject` finds what is tested, `bench` runs a check on many data sets, and `isolated` does all of it in another
process, for the command line.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from raikit.check import Check
from raikit.testing.contract.rule import Conformity, ContractRule, PlannedRule, rule_of, run_rules

if TYPE_CHECKING:
    from raikit.data.dataset import Dataset
    from raikit.testing.contract.subject import ConformanceTarget

__all__ = ["Conformity", "check_conformance", "conformance", "planned_rules", "rules", "run_rules"]

Plugin = type[Check] | ModuleType | str | Path


def conformance(plugin: Plugin, *, data: Dataset | None = None) -> list[Conformity]:
    """Try every rule of the contract on a plugin and on each check, report format and model loader that it provides.

    Parameters
    ----------
    plugin : Check class, module, str or Path
        A single check; the module of a plugin; the name of an installed entry point or distribution; a file of checks, as
        ``plugins: {local: [checks.py]}`` names it; or the folder of a package, installed or not, for all plugins that it declares.
    data : Dataset, optional
        Checks are tried on these data first, and then on generated data. Give data that a check can measure if the generated
        data hold nothing for it.

    Returns
    -------
    list of Conformity
        One for each rule and each check, report format and model loader. Where a rule does not apply or could not be tried,
        the status is ``not applicable`` and the reason says why.

    Raises
    ------
    ConfigError
        If no plugin of that name is installed, the file does not exist, or the folder declares no plugin.

    Examples
    --------
    >>> from raikit import Check, CheckResult, Metric
    >>> class Rows(Check):
    ...     "How many rows there are."
    ...     name, pillar, produces = "mine.rows", "mine", ["mine.rows"]
    ...     def run(self, ctx):
    ...         return CheckResult(metrics=[Metric.exact("rows", ctx.predictions.size())])
    >>> [outcome.rule for outcome in conformance(Rows) if outcome.status == "failed"]
    []
    """
    from raikit.testing.contract.subject import subjects_of

    return run_rules(planned for subject in subjects_of(plugin) for planned in planned_rules(subject, data))


def planned_rules(subject: ConformanceTarget, data: Dataset | None = None) -> Iterator[PlannedRule]:
    """Yield every rule for a plugin and for everything that it provides."""
    from raikit.testing.contract import check_rules, format_rules, loader_rules, plugin_rules

    yield from plugin_rules.planned(subject)
    for check in subject.checks:
        yield from check_rules.planned(check, data)
    for name, writer in subject.formats.items():
        yield from format_rules.planned(name, writer)
    for name, loader in subject.loaders.items():
        yield from loader_rules.planned(name, loader)


def rules() -> dict[str, list[ContractRule]]:
    """Return every rule with its sentence, grouped by what it applies to."""
    from raikit.testing.contract import check_rules, format_rules, loader_rules, plugin_rules

    return {
        "a plugin": list(map(rule_of, plugin_rules.RULES)),
        "a check": [*check_rules.CLASS_RULES, *check_rules.RUN_RULES],
        "a report format": list(map(rule_of, format_rules.RULES)),
        "a model loader": list(map(rule_of, loader_rules.RULES)),
    }


def check_conformance(plugin: Plugin, *, data: Dataset | None = None) -> None:
    """Assert that a plugin keeps the contract: the one line that every plugin's own tests need.

    Parameters
    ----------
    plugin : Check class, module, str or Path
        As for `conformance`.
    data : Dataset, optional
        As for `conformance`.

    Raises
    ------
    AssertionError
        If a rule is broken; the message is a table of the broken rules with their reasons.
    """
    from raikit.testing.contract.outcome_table import format_table

    __tracebackhide__ = True
    failed = [outcome for outcome in conformance(plugin, data=data) if outcome.status == "failed"]
    if failed:
        rules = "1 rule of the contract is" if len(failed) == 1 else f"{len(failed)} rules of the contract are"
        raise AssertionError(f"{rules} broken:\n{format_table(failed)}")
