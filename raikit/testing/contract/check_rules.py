"""The rules for a check, all of them, in the order in which they are tried."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from raikit.check import Check
from raikit.plugins.contract import contract_problem
from raikit.testing.contract import class_rules, execution_rules, figure_rules, reproducibility_rules, result_rules
from raikit.testing.contract.bench import Bench
from raikit.testing.contract.rule import ContractRule, PlannedRule, rule_of

if TYPE_CHECKING:
    from raikit.data.dataset import Dataset

_CLASS_RULES: tuple[Callable[[Any], str | None], ...] = (
    class_rules.contract,
    class_rules.docstring,
    class_rules.options,
    class_rules.produces,
    class_rules.aliases,
    class_rules.required_names,
)
_RUN_RULES: tuple[Callable[[Any], str | None], ...] = (
    execution_rules.runs,
    execution_rules.requires,
    execution_rules.small_groups,
    execution_rules.missing,
    execution_rules.tiny,
    execution_rules.one_answer,
    result_rules.result,
    result_rules.ids,
    result_rules.declared,
    result_rules.intervals,
    result_rules.clusters,
    result_rules.findings,
    result_rules.wording,
    figure_rules.figures,
    reproducibility_rules.deterministic,
    reproducibility_rules.order,
    reproducibility_rules.compares,
    reproducibility_rules.read_only,
    reproducibility_rules.global_state,
)
CLASS_RULES: tuple[ContractRule, ...] = tuple(map(rule_of, _CLASS_RULES))  # They take the class.
RUN_RULES: tuple[ContractRule, ...] = tuple(map(rule_of, _RUN_RULES))  # They take a `Bench`, on which the check runs.


def planned(check: type[Check], data: Dataset | None = None) -> Iterator[PlannedRule]:
    """Yield every rule for a check; it is tried on `data` too, if given."""
    name = getattr(check, "name", check.__name__)
    problem = contract_problem(check)
    yield from (PlannedRule(name, rule, check) for rule in CLASS_RULES)
    if problem is not None:
        yield from _disabled(name, "it breaks the contract")
        return
    try:
        bench = Bench(check, data)
    except ValueError:  # Pydantic refuses the defaults of the options.
        yield from _disabled(name, "its options have no valid defaults")
    else:
        yield from (PlannedRule(name, rule, bench) for rule in RUN_RULES)


def _disabled(name: str, reason: str) -> Iterator[PlannedRule]:
    return (PlannedRule(name, rule.disabled(reason), None) for rule in RUN_RULES)
