"""The rules for a check, all of them: each a function whose docstring is the rule in a sentence."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from raikit.check import Check
from raikit.testing.contract import of_class, of_figures, of_repeating, of_result, of_running, verdict
from raikit.testing.contract.bench import Bench
from raikit.testing.contract.verdict import Rule, rule_of

if TYPE_CHECKING:
    from raikit.data.dataset import Dataset


def cases(check: type[Check], data: Dataset | None = None) -> Iterator[verdict.Case]:
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
    of_class.contract, of_class.docstring, of_class.options, of_class.produces, of_class.required_names,
)  # fmt: skip
_TRIED: tuple[Callable[[Any], str | None], ...] = (
    of_running.runs, of_running.requires, of_running.small_groups, of_running.missing, of_running.tiny, of_running.one_answer,
    of_result.result, of_result.ids, of_result.declared, of_result.intervals, of_result.clusters, of_result.findings,
    of_figures.figures,
    of_repeating.deterministic, of_repeating.order, of_repeating.compares, of_repeating.read_only, of_repeating.global_state,
)  # fmt: skip
WRITTEN: tuple[Rule, ...] = tuple(map(rule_of, _WRITTEN))
TRIED: tuple[Rule, ...] = tuple(map(rule_of, _TRIED))
