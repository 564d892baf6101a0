"""Rules judged on intervals: a rule holds if the whole interval keeps the limit, and is broken if all of it is beyond."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from raikit.address import Pattern, pattern_parts
from raikit.errors import listed
from raikit.format import as_given
from raikit.gate.family import decide_alone
from raikit.gate.needed_data import total_cases
from raikit.gate.rule_claim import RuleClaim, claim_or_decide
from raikit.run.record import CheckRecord, Rule
from raikit.run.results import Metric

if TYPE_CHECKING:
    from raikit.config.schema import MetricSection, RuleConfig


def judge_rule(
    config: RuleConfig,
    checks: Sequence[CheckRecord],
    audited: int,
    decide_on: Literal["interval", "estimate"],
    confidence: float = 0.95,
) -> list[Rule]:
    """Judge a configured rule on every metric that it matches, each by the rule's own level.

    Parameters
    ----------
    config, checks, audited, decide_on, confidence
        As in `match_rule`.

    Returns
    -------
    list of Rule
        One per matched metric; a single one with status ``missing`` if there is none.
    """
    rules, claims = match_rule(config, checks, audited, decide_on, confidence)
    decide_alone(claims)
    return rules


def match_rule(
    config: RuleConfig,
    checks: Sequence[CheckRecord],
    audited: int,
    decide_on: Literal["interval", "estimate"],
    confidence: float,
) -> tuple[list[Rule], list[RuleClaim]]:
    """Apply a configured rule to every metric that it matches.

    Parameters
    ----------
    config : RuleConfig
    checks : sequence of CheckRecord
    audited : int
        Number of audited cases.
    decide_on : {"interval", "estimate"}
    confidence : float
        The level of the run.

    Returns
    -------
    rules : list of Rule
        One per matched metric; a single one with status ``missing`` if there is none.
    claims : list of RuleClaim
        Those of them that are still to be decided, because they may fail by chance.
    """
    rules, claims = [], []
    for check, metrics in _named(config.metric, checks):
        for metric in metrics:
            rule = _unjudged(config, str(metric.id))
            rule.n, rule.n_clusters, rule.unit, rule.check = metric.n, metric.n_clusters, metric.unit, check.name
            rule.counts = metric.counts
            claim = claim_or_decide(rule, config, metric, total_cases(check, metric, audited), decide_on, confidence)
            rules.append(rule)
            claims += [claim] if claim is not None else []
    return rules or [_missing(config, checks)], claims


def _named(name: str, checks: Sequence[CheckRecord]) -> list[tuple[CheckRecord, list[Metric]]]:
    """Return the metrics that a rule names, by their check.

    A name alone means the gap over each feature and intersection. What single groups differ by from the rest or from a reference
    has the same name where a gap does, and a sign, so that a maximum would judge half of it: a rule names it with its argument.
    """
    pattern = Pattern(name)
    found = [(check, [metric for metric in check.metrics if metric.id and pattern.matches(metric.id)]) for check in checks]
    if set(name) & set("*([") or all(_is_contrast(metric) for _, metrics in found for metric in metrics):
        return found
    return [(check, [metric for metric in metrics if not _is_contrast(metric)]) for check, metrics in found]


def _is_contrast(metric: Metric) -> bool:
    """Return whether a metric is what one group differs by from others."""
    return "to" in metric.args and metric.group is not None


def may_measure(check: CheckRecord, wanted: Pattern) -> bool:
    """Return whether a check may measure what a rule names: by its declared metrics, else by its prefix."""
    return may_measure_any(check.name, check.produces, wanted)


def may_measure_any(name: str, produces: Sequence[str], wanted: Pattern) -> bool:
    """Return whether a check of this name that declares `produces` may measure what a rule names."""
    return any(wanted.overlaps(pattern) for pattern in produces or [f"{name.split('.', 1)[0]}.*"])


def describe_status(check: CheckRecord) -> str:
    """Describe in words why a check has no results."""
    words = {"error": "crashed", "skipped": "was skipped", "deselected": "was left out"}
    return f"{words.get(check.status, check.status)} ({check.reason})"


def as_written(config: MetricSection) -> str:
    """Return the name that the policy has for a metric, to follow the metric's own; empty if it is the same."""
    return f" (written {config.written})" if config.written else ""


def limit_of(config: RuleConfig) -> float:
    """Return the maximum or minimum of a rule."""
    limit = config.max if config.max is not None else config.min
    assert limit is not None
    return limit


def scale_warnings(rules: Sequence[Rule]) -> list[str]:
    """Warn of limits written in percent for shares: any measurement would keep them, or none."""
    return list(
        dict.fromkeys(
            f"{rule.pattern}: limit {as_given(rule.limit)} on a quantity between {'0' if rule.unit == 'rate' else '-1'} and 1; "
            f"write {as_given(rule.limit / 100)} for {as_given(rule.limit)}%"
            for rule in rules
            if rule.unit in ("rate", "points") and rule.limit is not None and abs(rule.limit) > 1
        )
    )


def direction_warnings(rules: Sequence[Rule], checks: Sequence[CheckRecord]) -> list[str]:
    """Warn of a minimum at or below 0 for a metric of which less is better: other tools give a difference a direction."""
    lower = {str(metric.id) for check in checks for metric in check.metrics if metric.direction == "lower"}
    return list(
        dict.fromkeys(
            f"{rule.metric}: less is better, so that `min: {as_given(rule.limit)}` can hardly be broken; write `max`"
            for rule in rules
            if rule.bound == "min" and rule.limit is not None and rule.limit <= 0 and rule.metric in lower
        )
    )


# --- rules without a decision -------------------------------------------------------------------------------------


def _unjudged(config: RuleConfig, address: str) -> Rule:
    """Return a rule on an address, before it is judged."""
    limit, word = limit_of(config), "most" if config.max is not None else "least"
    bound: Literal["max", "min"] = "max" if config.max is not None else "min"
    at_level = f" at {config.confidence:g}" if config.confidence is not None else ""
    name = config.id or f"{config.metric} {bound}={limit:.15g}{at_level}"
    return Rule(
        id=name if address == config.metric else f"{name} :: {address}",
        sentence=f"{address}{as_written(config)} is at {word} {as_given(limit)}",
        metric=address,
        pattern=config.metric,
        written=config.written,
        limit=limit,
        bound=bound,
        severity=config.severity,
        status="missing",
    )


def _missing(config: RuleConfig, checks: Sequence[CheckRecord]) -> Rule:
    """Return a rule that matched no metric; the reason names the checks that might have measured one."""
    wanted = Pattern(config.metric)
    silent = [check for check in checks if check.status != "ok" and may_measure(check, wanted)]
    why = "; ".join(f"{check.name} {describe_status(check)}" for check in silent)
    why = why or f"no check measured it{_same_name(wanted, checks)}"
    rule = _unjudged(config, config.metric)
    rule.reason = f"no measurement: {why}"
    return rule


def _same_name(wanted: Pattern, checks: Sequence[CheckRecord]) -> str:
    """Return what was measured under the name that a rule has with other columns or arguments, to follow a sentence."""
    name = Pattern(pattern_parts(wanted.pattern).name)
    measured = [str(metric.id) for check in checks for metric in check.metrics if metric.id and name.matches(metric.id)]
    return f"; of that name there is {listed(measured, 3)}" if measured else ""
