"""The rules for a check, all of them: each a function whose docstring is the rule in a sentence."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from raikit.check import Check
from raikit.testing.contract import class_rules, execution_rules, figure_rules, reproducibility_rules, result_rules
from raikit.testing.contract.bench import Bench
from raikit.testing.contract.rule import Case, Rule, rule_of

if TYPE_CHECKING:
    from raikit.data.dataset import Dataset


def cases(check: type[Check], data: Dataset | None = None) -> Iterator[Case]:
    """Every rule that is to be held against a check, tried on `data` too if there are any."""
    from raikit.plugins.contract import contract_problem

    name = getattr(check, "name", check.__name__)
    problem = contract_problem(check)
    yield from ((name, rule, check) for rule in WRITTEN)
    if problem is not None:
        yield from ((name, rule.untried("it breaks the contract"), None) for rule in TRIED)
        return
    try:
        bench = Bench(check, data)
    except ValueError:  # pydantic's
        yield from ((name, rule.untried("its options have no valid defaults"), None) for rule in TRIED)
    else:
        yield from ((name, rule, bench) for rule in TRIED)


_WRITTEN: tuple[Callable[[Any], str | None], ...] = (
    class_rules.contract, class_rules.docstring, class_rules.options, class_rules.produces, class_rules.required_names,
)  # fmt: skip
_TRIED: tuple[Callable[[Any], str | None], ...] = (
    execution_rules.runs, execution_rules.requires, execution_rules.small_groups, execution_rules.missing, execution_rules.tiny, execution_rules.one_answer,
    result_rules.result, result_rules.ids, result_rules.declared, result_rules.intervals, result_rules.clusters, result_rules.findings,
    figure_rules.figures,
    reproducibility_rules.deterministic, reproducibility_rules.order, reproducibility_rules.compares, reproducibility_rules.read_only, reproducibility_rules.global_state,
)  # fmt: skip
WRITTEN: tuple[Rule, ...] = tuple(map(rule_of, _WRITTEN))
TRIED: tuple[Rule, ...] = tuple(map(rule_of, _TRIED))
