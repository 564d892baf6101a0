"""Regressions against a baseline: each is a test, and all tests of a gate are one family. It knows no pillar.

A check with `compare` estimates how much worse its metrics became; what it leaves out is compared from the two records
(`raikit.gate.comparing`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from raikit.address import Pattern
from raikit.config.schema import RegressionConfig
from raikit.errors import ConfigError, PluginError, RaikitError, raised
from raikit.gate.comparing import compare_records
from raikit.gate.family import ROUNDING
from raikit.gate.regression_claim import RegressionClaim, Test, not_compared
from raikit.gate.rules import as_written
from raikit.run.labelled import words_of
from raikit.run.margins import Margin, Margins
from raikit.run.record import Rule
from raikit.run.results import Comparison, Metric

if TYPE_CHECKING:
    from raikit.config.schema import GateConfig
    from raikit.run.reader import RunView

_BOUNDED = ("rate", "points", "ratio")  # units of metrics between 0 and 1, as far as they have a direction
DEFAULT_PATTERN, DEFAULT_MARGIN = "fairness.*_difference", 0.02
NO_BASELINE = "no baseline: this is the first run"


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


def compare(
    policy: GateConfig, candidate: RunView, baseline: RunView | None, checks: Mapping[str, Comparer], confidence: float = 0.95
) -> Regressions:
    """Compare two runs as the regressions of a policy ask; the gate decides what that proves, together with its rules.

    Parameters
    ----------
    policy : GateConfig
    candidate : RunView
        It need not be judged yet.
    baseline : RunView or None
        If None, this is the first run, and every regression is ``missing`` with that reason.
    checks : mapping of str to Comparer
        Checks that can compare runs, by name.
    confidence : float
        The level of the run.

    Returns
    -------
    Regressions
        One rule per configured regression and matched address, and the claims among them that are still to be decided.

    Raises
    ------
    ConfigError
        If the policy asks for something that these runs cannot give.
    """
    if baseline is None:
        first = [_unjudged(config, config.metric, None, None, reason=NO_BASELINE) for config in policy.regressions]
        return Regressions([rule.model_copy(update={"severity": "warn"}) for rule in first])
    if baseline.is_file and policy.if_rows_differ == "refuse":
        raise ConfigError("gate.if_rows_differ: refuse needs a run as the baseline, because a file has no cases.")
    now, before = _directed(candidate), _directed(baseline)
    comparing = RunPair(policy, candidate, baseline, checks)
    rules: list[Rule] = []
    tests: list[tuple[Rule, Test]] = []
    for config in policy.regressions:
        matched = list(filter(Pattern(config.metric).matches, {**now, **before}))
        if not matched:
            rules.append(_unjudged(config, config.metric, None, None, reason=_why_no_match(config, candidate, baseline)))
        for address in matched:
            new, old = now.get(address), before.get(address)
            if config.metric == DEFAULT_PATTERN and _is_undefined_in_both(new, old):
                continue  # nobody asked for it by name, such as a false positive rate where no case is negative
            rules.append(_unjudged(config, address, new, old, reason=_why_not_comparable(new, old)))
            if rules[-1].reason and config.metric == DEFAULT_PATTERN and new is not None and old is not None:
                rules[-1].severity = "warn"  # undefined in one run, such as the precision of a class that only the other predicts
            if not rules[-1].reason:
                tests.append((rules[-1], (address, Margin(config.margin, config.test))))
    error, words = policy.family_error(confidence), words_of(candidate.record)
    comparisons = comparing.compare_first(dict.fromkeys(test for _, test in tests), error)
    claims = []
    for rule, test in tests:
        comparison = comparisons[test]
        if isinstance(comparison, str):
            rule.reason = comparison
        elif comparison.p_value is None:
            rule.reason = comparison.reason or "it could not be compared"
        else:
            left_out = not_compared(now[rule.metric], candidate, baseline)
            claims.append(RegressionClaim(rule, comparison, error, comparing, test, now[rule.metric], left_out, words))
    if policy.decide_on == "estimate":
        for claim in claims:
            claim.decide_on_estimate()
        claims = []
    return Regressions(rules, claims, _worst_possible([before[rule.metric] for rule, _ in tests]))


@dataclass(frozen=True)
class Regressions:
    """Rules of a policy's regressions, the claims among them that the gate still has to decide, and warnings."""

    rules: list[Rule] = field(default_factory=list)
    claims: list[RegressionClaim] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def _worst_possible(metrics: Iterable[Metric]) -> list[str]:
    """Return a warning for each metric that is at its worst in the baseline, so that nothing can regress from it."""
    return [
        f"the baseline has {metric.id} at its worst value, {metric.value:g}: nothing can be worse; is it the right baseline?"
        for metric in {str(metric.id): metric for metric in metrics}.values()
        if metric.unit in _BOUNDED and metric.value == (0 if metric.direction == "higher" else 1)
    ]


def _directed(run: RunView) -> dict[str, Metric]:
    """Return the metrics that can get worse, by address."""
    return {str(metric.id): metric for _, metric in run.record.metrics() if metric.direction is not None}


def _why_no_match(config: RegressionConfig, candidate: RunView, baseline: RunView) -> str:
    addresses = (str(metric.id) for run in (candidate, baseline) for _, metric in run.record.metrics())
    if any(map(Pattern(config.metric).matches, addresses)):
        return "of the metrics that it matches, none has a direction that is better"
    return "neither run has measured it"


def _is_undefined_in_both(new: Metric | None, old: Metric | None) -> bool:
    return new is not None and old is not None and new.value is None and old.value is None


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
        sentence=f"{address}{as_written(config)} is worse than in the baseline by at most {config.margin:g}",
        metric=address,
        pattern=config.metric,
        written=config.written,
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


@dataclass
class RunPair:
    """Two runs, and how they are compared.

    Those that may fail are compared again at the level that decides, all at once: it is the same for them.
    """

    policy: GateConfig
    candidate: RunView
    baseline: RunView
    checks: Mapping[str, Comparer]
    _suspects: list[Test] = field(default_factory=list)
    _again: dict[float, dict[Test, Comparison | str]] = field(default_factory=dict)

    def compare_first(self, tests: Iterable[Test], error: float) -> dict[Test, Comparison | str]:
        """Compare all metrics, and remember which of them may fail at this error."""
        comparisons = self.compare(tests, error)
        self._suspects = [test for test, one in comparisons.items() if not isinstance(one, str) and _is_small(one, error)]
        return comparisons

    def compare_again(self, test: Test, error: float) -> Comparison | str:
        """Return a comparison whose interval errs with half of `error` at either end."""
        if error not in self._again:
            self._again[error] = self.compare(self._suspects, error)
        return self._again[error][test]

    def compare(self, tests: Iterable[Test], error: float) -> dict[Test, Comparison | str]:
        """Compare the runs by the check that measured a metric, else by the two intervals.

        Parameters
        ----------
        tests : iterable of (address, Margin)
        error : float
            Of the intervals, half of it at either end.

        Returns
        -------
        dict of test to Comparison or str
            A reason where a check crashed.
        """
        owner = {str(metric.id): check.name for check, metric in self.candidate.record.metrics()}
        now, before = _directed(self.candidate), _directed(self.baseline)
        by_check: dict[tuple[str, Margin], list[str]] = {}
        for address, margin in tests:
            by_check.setdefault((owner[address], margin), []).append(address)
        comparisons: dict[Test, Comparison | str] = {}
        for (name, margin), addresses in by_check.items():
            margins = Margins(dict.fromkeys(addresses, margin), self.policy.if_rows_differ, error)
            result = _compare_by_check(self.checks.get(name), self.candidate, self.baseline, margins)
            for address in addresses:
                new, old = now[address], before[address]
                if isinstance(result, str):
                    comparisons[address, margin] = result
                    continue
                if (found := result.get(address)) is None:
                    found = compare_records(new, old, margin, error)
                elif not found.paired:
                    found = found.within_tails(new, old)
                comparisons[address, margin] = found.within_bounds(new, margin.test)
        return comparisons


def _is_small(comparison: Comparison, error: float) -> bool:
    return comparison.p_value is not None and comparison.p_value <= error + ROUNDING


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
