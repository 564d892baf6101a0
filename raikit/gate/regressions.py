"""Regressions against a baseline: every one is a test, all of a gate are one family, and no pillar is known here.

A check that has `compare` says how much worse its metrics are; for any other the two intervals are compared, unpaired.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from raikit.address import Pattern
from raikit.errors import ConfigError
from raikit.format import significant
from raikit.run.margins import Margin, Margins
from raikit.run.record import Rule
from raikit.run.results import Comparison, Metric

if TYPE_CHECKING:
    from raikit.config.schema import GateConfig, RegressionConfig
    from raikit.run.reader import RunView

DEFAULT_PATTERN, DEFAULT_MARGIN = "fairness.*_difference", 0.02


class Comparer(Protocol):
    """A check, here or in another process, as far as comparing two runs needs it; `compare` may be absent."""

    @property
    def name(self) -> str:
        """Return the name of the check."""

    @property
    def compare(self) -> Callable[[RunView, RunView, Any], list[Comparison]] | None:
        """Return the function that compares two runs, None if the check has none."""


def with_default(policy: GateConfig) -> GateConfig:
    """The policy that a baseline is given to without saying what must not regress."""
    from raikit.config.schema import RegressionConfig

    if policy.regressions:
        return policy
    return policy.model_copy(
        update={"regressions": [RegressionConfig(metric=DEFAULT_PATTERN, margin=DEFAULT_MARGIN)]}
    )


def judge(policy: GateConfig, candidate: RunView, baseline: RunView | None, checks: Mapping[str, Comparer]) -> list[Rule]:
    """Rows of all regression rules.

    Parameters
    ----------
    policy : GateConfig
    candidate : RunView
        It need not have been judged yet.
    baseline : RunView or None
        None: this is the first run, and every regression is `missing` with that reason.
    checks : mapping of name to Check
        Those that can compare runs.

    Returns
    -------
    list of Rule
        One per rule and matched address.
    """
    if baseline is None:
        first = [_row(rule, rule.metric, None, None, reason="no baseline: this is the first run") for rule in policy.regressions]
        return [row.model_copy(update={"severity": "warn"}) for row in first]
    if baseline.is_file and policy.if_rows_differ == "refuse":
        raise ConfigError("gate.if_rows_differ: refuse needs a run as the baseline: a file holds no rows to tell.")
    now, before = _directed(candidate), _directed(baseline)
    rows: list[Rule] = []
    tests: list[_Test | None] = []
    for rule in policy.regressions:
        matched = [address for address in {**now, **before} if Pattern(rule.metric).matches(address)]
        if not matched:
            rows.append(_row(rule, rule.metric, None, None, reason=_nothing(rule, candidate, baseline)))
            tests.append(None)
        for address in matched:
            rows.append(_row(rule, address, now.get(address), before.get(address)))
            rows[-1].reason = _absent(now.get(address), before.get(address))
            tests.append(None if rows[-1].reason else (address, Margin(rule.margin, rule.test)))
    found = _compared(dict.fromkeys(test for test in tests if test), policy, candidate, baseline, checks)
    _decide(rows, [found.get(test) if test else None for test in tests], policy, now)
    return rows


def _directed(run: RunView) -> dict[str, Metric]:
    """Metrics that can get worse."""
    return {str(metric.id): metric for _, metric in run.record.metrics() if metric.direction is not None}


def _nothing(rule: RegressionConfig, candidate: RunView, baseline: RunView) -> str:
    every = (str(metric.id) for run in (candidate, baseline) for _, metric in run.record.metrics())
    if any(map(Pattern(rule.metric).matches, every)):
        return "nothing that it matches has a better direction"
    return "neither run has measured it"


def _absent(new: Metric | None, old: Metric | None) -> str:
    if new is None or old is None:
        return f"the {'candidate' if new is None else 'baseline'} has not measured it"
    for name, metric in (("candidate", new), ("baseline", old)):
        if metric.value is None:
            return f"undefined in the {name}: {metric.reason}"
    return ""


def _row(rule: RegressionConfig, address: str, new: Metric | None, old: Metric | None, reason: str = "") -> Rule:
    name = rule.id or f"{rule.metric} margin={rule.margin:g}"
    return Rule(
        id=name if address == rule.metric else f"{name} :: {address}",
        sentence=f"{address} is worse than in the baseline by at most {rule.margin:g}",
        metric=address,
        pattern=rule.metric,
        kind="regression",
        limit=rule.margin,
        bound="max",
        severity=rule.severity,
        baseline=old.value if old is not None else None,
        unit=_unit(new),
        n=new.n if new is not None else None,
        n_clusters=new.n_clusters if new is not None else None,
        status="missing",
        reason=reason,
    )


def _unit(metric: Metric | None) -> str | None:
    """Of a loss: a difference of two rates is told in points."""
    return None if metric is None else "points" if metric.unit == "rate" else metric.unit


_Test = tuple[str, Margin]  # an address and what it may lose


def _compared(
    tests: Iterable[_Test], policy: GateConfig, candidate: RunView, baseline: RunView, checks: Mapping[str, Comparer]
) -> dict[_Test, Comparison | str]:
    """Each test done by the check that measured it, else from the two intervals; or why that failed."""
    owner = {str(metric.id): check.name for check, metric in candidate.record.metrics()}
    now, before = _directed(candidate), _directed(baseline)
    asked: dict[tuple[str, Margin], list[str]] = {}
    for address, margin in tests:
        asked.setdefault((owner[address], margin), []).append(address)
    found: dict[_Test, Comparison | str] = {}
    for (name, margin), addresses in asked.items():
        margins = Margins(dict.fromkeys(addresses, margin), policy.if_rows_differ, policy.regression_error)
        done = _by_check(checks.get(name), candidate, baseline, margins)
        for address in addresses:
            found[address, margin] = (
                done if isinstance(done, str) else done.get(address) or by_intervals(now[address], before[address], margin.margin)
            )
    return found


def _by_check(check: Comparer | None, candidate: RunView, baseline: RunView, margins: Margins) -> dict[str, Comparison] | str:
    """What a check's own `compare` says, by address; a sentence if it crashes."""
    from raikit.errors import PluginError, RaikitError, raised

    compare: Any = getattr(check, "compare", None)
    if check is None or compare is None:
        return {}
    try:
        return {comparison.metric: comparison for comparison in compare(candidate, baseline, margins)}
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        if isinstance(error, RaikitError) and not isinstance(error, PluginError):
            raise  # the policy asks for what these runs cannot give
        return f"{check.name} crashed while comparing: {raised(error)}"


def by_intervals(new: Metric, old: Metric, margin: float) -> Comparison:
    """Compare two runs by nothing but the two intervals of a metric, as if their rows were unrelated.

    References
    ----------
    .. [1] Zou and Donner, "Construction of confidence limits about effect measures", Statistics in Medicine 2008.
    """
    from scipy.special import ndtri

    from raikit.stats import mover_difference

    (a, a_low, a_high), (b, b_low, b_high) = _ends(old), _ends(new)
    value, low, high, p = mover_difference(
        a, a_low, a_high, b, b_low, b_high, margin, higher_is_better=new.direction == "higher", level=new.level or 0.95
    )
    # one-sided ends become those of a two-sided interval, which people read
    level = new.level or 0.95
    stretch = float(ndtri((1 + level) / 2) / ndtri(level))
    low, high = value - stretch * (value - low), value + stretch * (high - value)
    return Comparison(
        metric=str(new.id), value=value, low=low, high=high, p_value=p, margin=margin, n=new.n,
        method="MOVER on both intervals",
    )  # fmt: skip


def _ends(metric: Metric) -> tuple[float, float, float]:
    return float(metric.value or 0.0), float(metric.low or 0.0), float(metric.high or 0.0)


def _decide(
    rows: Sequence[Rule], found: Sequence[Comparison | str | None], policy: GateConfig, now: Mapping[str, Metric]
) -> None:
    """Fail what is proven by Holm over all regressions of the gate; pass what surely kept the margin."""
    from raikit.stats import holm

    tested: list[tuple[Rule, Comparison, float]] = []
    for row, item in zip(rows, found, strict=True):
        if isinstance(item, str):
            row.reason = item
        elif item is not None and item.p_value is None:
            row.reason = item.reason or "it could not be compared"
        elif item is not None:
            tested.append((row, item, item.p_value or 0.0))
    adjusted = holm([p for _, _, p in tested]).tolist() if tested else []
    for (row, item, _), p in zip(tested, adjusted, strict=True):
        _settle(row, item, p, len(tested), policy, now.get(row.metric))


def _settle(row: Rule, item: Comparison, p: float, family: int, policy: GateConfig, new: Metric | None) -> None:
    row.value, row.low, row.high, row.paired, row.n = item.value, item.low, item.high, item.paired, item.n or row.n
    row.level, row.loser = 1 - policy.regression_error, item.loser
    who = f"{item.loser}: " if item.loser else ""
    how = f"{'paired' if item.paired else 'unpaired'}, {item.method}"
    margin, value = significant(row.limit or 0.0), significant(item.value or 0.0)
    tested = f"p {significant(p)} by Holm over {family} regressions" if family > 1 else f"p {significant(p)}"
    if policy.decide_on == "estimate":
        row.status = "fail" if (item.value or 0.0) > (row.limit or 0.0) else "pass"
        row.reason = f"{who}worse by {value}, on the estimate alone ({how})"
    elif p <= policy.regression_error:
        row.status, row.reason = "fail", f"{who}worse by {value}, surely by more than {margin} ({tested}; {how})"
    elif item.high is not None and item.high <= (row.limit or 0.0):
        row.status, row.reason = "pass", f"worse by at most {significant(item.high)} ({how})"
    else:
        could = item.minimum_detectable
        shown = f"; these data could have shown a worsening of {significant(could)}" if could is not None else ""
        row.status = "inconclusive"
        row.reason = f"no worsening by more than {margin} is established ({tested}; {how}){shown}"
    if item.reason:
        row.reason += f"; {item.reason}"
    if new is not None and new.value is not None and row.baseline is not None:
        # a gap that closes is told as one: whoever lost was ahead
        row.reason += f"; itself it went from {significant(row.baseline)} to {significant(new.value)}"
