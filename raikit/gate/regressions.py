"""Regressions against a baseline: each is a test, and all tests of a gate are one family. It knows no pillar.

A check with `compare` estimates how much worse its metrics became; what it leaves out is compared from the two records
(`raikit.gate.comparing`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from raikit.address import Pattern
from raikit.config.schema import RegressionConfig
from raikit.errors import ConfigError, PluginError, RaikitError, raised
from raikit.format import p_value, significant
from raikit.gate.comparing import compare_records
from raikit.run.margins import Margin, Margins
from raikit.run.record import Rule
from raikit.run.results import Comparison, Metric

if TYPE_CHECKING:
    from raikit.config.schema import GateConfig
    from raikit.run.reader import RunView

DEFAULT_PATTERN, DEFAULT_MARGIN = "fairness.*_difference", 0.02


class Comparer(Protocol):
    """What is needed of a check, in this or another process, to compare two runs."""

    @property
    def name(self) -> str:
        """Return the name of the check."""

    @property
    def compare(self) -> Callable[[RunView, RunView, Any], list[Comparison]] | None:
        """Return the function that compares two runs, None if there is none."""


def with_default(policy: GateConfig) -> GateConfig:
    """Add the default regression to a policy that has none."""
    if policy.regressions:
        return policy
    return policy.model_copy(
        update={"regressions": [RegressionConfig(metric=DEFAULT_PATTERN, margin=DEFAULT_MARGIN)]}
    )


def judge(policy: GateConfig, candidate: RunView, baseline: RunView | None, checks: Mapping[str, Comparer]) -> list[Rule]:
    """Judge all regressions of a policy.

    Parameters
    ----------
    policy : GateConfig
    candidate : RunView
        It need not be judged yet.
    baseline : RunView or None
        If None, this is the first run, and every regression is ``missing`` with that reason.
    checks : mapping of str to Comparer
        Checks that can compare runs, by name.

    Returns
    -------
    list of Rule
        One per configured regression and matched address.

    Raises
    ------
    ConfigError
        If the policy asks for something that these runs cannot give.
    """
    if baseline is None:
        why = "no baseline: this is the first run"
        first = [_unjudged(config, config.metric, None, None, reason=why) for config in policy.regressions]
        return [rule.model_copy(update={"severity": "warn"}) for rule in first]
    if baseline.is_file and policy.if_rows_differ == "refuse":
        raise ConfigError("gate.if_rows_differ: refuse needs a run as the baseline, because a file has no cases.")
    now, before = _directed(candidate), _directed(baseline)
    rules: list[Rule] = []
    tests: list[_Test | None] = []
    for config in policy.regressions:
        matched = [address for address in {**now, **before} if Pattern(config.metric).matches(address)]
        if not matched:
            rules.append(_unjudged(config, config.metric, None, None, reason=_why_no_match(config, candidate, baseline)))
            tests.append(None)
        for address in matched:
            new, old = now.get(address), before.get(address)
            rules.append(_unjudged(config, address, new, old, reason=_why_not_comparable(new, old)))
            tests.append(None if rules[-1].reason else (address, Margin(config.margin, config.test)))
    comparisons = _compare(dict.fromkeys(test for test in tests if test), policy, candidate, baseline, checks)
    _decide_family(rules, [comparisons.get(test) if test else None for test in tests], policy, now)
    return rules


def _directed(run: RunView) -> dict[str, Metric]:
    """Return the metrics that can get worse, by address."""
    return {str(metric.id): metric for _, metric in run.record.metrics() if metric.direction is not None}


def _why_no_match(config: RegressionConfig, candidate: RunView, baseline: RunView) -> str:
    addresses = (str(metric.id) for run in (candidate, baseline) for _, metric in run.record.metrics())
    if any(map(Pattern(config.metric).matches, addresses)):
        return "of the metrics that it matches, none has a direction that is better"
    return "neither run has measured it"


def _why_not_comparable(new: Metric | None, old: Metric | None) -> str:
    if new is None or old is None:
        return f"the {'candidate' if new is None else 'baseline'} has not measured it"
    for name, metric in (("candidate", new), ("baseline", old)):
        if metric.value is None:
            return f"undefined in the {name}: {metric.reason}"
    return ""


def _unjudged(config: RegressionConfig, address: str, new: Metric | None, old: Metric | None, reason: str) -> Rule:
    """Return a regression on an address, before it is judged."""
    name = config.id or f"{config.metric} margin={config.margin:g}"
    return Rule(
        id=name if address == config.metric else f"{name} :: {address}",
        sentence=f"{address} is worse than in the baseline by at most {config.margin:g}",
        metric=address,
        pattern=config.metric,
        kind="regression",
        limit=config.margin,
        bound="max",
        severity=config.severity,
        baseline=old.value if old is not None else None,
        unit=_unit(new),
        n=new.n if new is not None else None,
        n_clusters=new.n_clusters if new is not None else None,
        status="missing",
        reason=reason,
    )


def _unit(metric: Metric | None) -> str | None:
    """Return the unit of a loss: a difference of two rates is in percentage points."""
    return None if metric is None else "points" if metric.unit == "rate" else metric.unit


_Test = tuple[str, Margin]  # the address of a metric, and how much worse it may become


def _compare(
    tests: Iterable[_Test], policy: GateConfig, candidate: RunView, baseline: RunView, checks: Mapping[str, Comparer]
) -> dict[_Test, Comparison | str]:
    """Compare the runs by the check that measured a metric, else by their records; return a reason if that failed."""
    owner = {str(metric.id): check.name for check, metric in candidate.record.metrics()}
    now, before = _directed(candidate), _directed(baseline)
    by_check: dict[tuple[str, Margin], list[str]] = {}
    for address, margin in tests:
        by_check.setdefault((owner[address], margin), []).append(address)
    comparisons: dict[_Test, Comparison | str] = {}
    for (name, margin), addresses in by_check.items():
        margins = Margins(dict.fromkeys(addresses, margin), policy.if_rows_differ, policy.family_error(0.95))
        result = _compare_by_check(checks.get(name), candidate, baseline, margins)
        for address in addresses:
            comparisons[address, margin] = (
                result
                if isinstance(result, str)
                else result.get(address) or compare_records(now[address], before[address], margin, margins.error)
            )
    return comparisons


def _compare_by_check(
    check: Comparer | None, candidate: RunView, baseline: RunView, margins: Margins
) -> dict[str, Comparison] | str:
    """Return the comparisons of a check by address, or a sentence if it crashed."""
    compare: Any = getattr(check, "compare", None)
    if check is None or compare is None:
        return {}
    try:
        return {comparison.metric: comparison for comparison in compare(candidate, baseline, margins)}
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        if isinstance(error, RaikitError) and not isinstance(error, PluginError):
            raise  # the policy asks for something that these runs cannot give
        return f"{check.name} crashed while comparing: {raised(error)}"


def _decide_family(
    rules: Sequence[Rule], comparisons: Sequence[Comparison | str | None], policy: GateConfig, now: Mapping[str, Metric]
) -> None:
    """Decide all regressions of the gate together, with p-values adjusted by Holm's method."""
    from raikit.stats import holm

    tested: list[tuple[Rule, Comparison, float]] = []
    for rule, comparison in zip(rules, comparisons, strict=True):
        if isinstance(comparison, str):
            rule.reason = comparison
        elif comparison is not None and comparison.p_value is None:
            rule.reason = comparison.reason or "it could not be compared"
        elif comparison is not None:
            tested.append((rule, comparison, comparison.p_value or 0.0))
    adjusted = holm([p for _, _, p in tested]).tolist() if tested else []
    for (rule, comparison, _), p in zip(tested, adjusted, strict=True):
        _decide(rule, comparison, p, len(tested), policy, now.get(rule.metric))


def _decide(rule: Rule, comparison: Comparison, p: float, family: int, policy: GateConfig, new: Metric | None) -> None:
    """Fail a rule whose regression is proven, pass one that surely kept the margin; write the reason."""
    rule.value, rule.low, rule.high, rule.paired = comparison.value, comparison.low, comparison.high, comparison.paired
    rule.n, rule.level, rule.loser = comparison.n or rule.n, 1 - policy.family_error(0.95), comparison.loser
    loser = f"{comparison.loser}: " if comparison.loser else ""
    method = f"{'paired' if comparison.paired else 'unpaired'}, {comparison.method}"
    margin, value = significant(rule.limit or 0.0), significant(comparison.value or 0.0)
    test = f"p {p_value(p)} by Holm's method over {family} regressions" if family > 1 else f"p {p_value(p)}"
    if policy.decide_on == "estimate":
        rule.status = "fail" if (comparison.value or 0.0) > (rule.limit or 0.0) else "pass"
        rule.reason = f"{loser}worse by {value}, on the estimate alone ({method})"
    elif p <= policy.family_error(0.95):
        rule.status, rule.reason = "fail", f"{loser}worse by {value}, surely by more than {margin} ({test}; {method})"
    elif comparison.high is not None and comparison.high <= (rule.limit or 0.0):
        rule.status, rule.reason = "pass", f"worse by at most {significant(comparison.high)} ({method})"
    else:
        smallest = comparison.minimum_detectable
        power = f"; one of {significant(smallest)} would have been detected (80% power)" if smallest is not None else ""
        rule.status = "inconclusive"
        rule.reason = f"no worsening by more than {margin} is shown ({test}; {method}){power}"
    if comparison.reason:
        rule.reason += f"; {comparison.reason}"
    if new is not None and new.value is not None and rule.baseline is not None:
        # If the group that lost was ahead, the gap narrowed: the metric itself shows that.
        rule.reason += f"; the metric went from {significant(rule.baseline)} to {significant(new.value)}"
