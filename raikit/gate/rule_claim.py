"""A rule on one metric: what its intervals prove, and the decision once the error that it may make is known."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from raikit.format import as_given, case_noun, confidence, estimate, joined
from raikit.gate.family import ROUNDING
from raikit.gate.intervals import ONE_TRAINING, OPEN_ENDS, DecidingInterval, MeasuredLevel, at_level, measured_levels
from raikit.gate.needed_data import add_needed_data
from raikit.run.record import Rule
from raikit.run.results import Metric, plain

if TYPE_CHECKING:
    from raikit.config.schema import RuleConfig

# Flags of metrics on which no rule can be decided, with the reason.
_UNDECIDABLE = {
    "few_clusters": "too few clusters, or up to three that dominate, for a valid interval",
    "few_events": "too few weighted {cases}, of those that the value rests on, for a valid interval",
    "unreliable": "no valid interval exists",
    ONE_TRAINING: "the value is that of one training, and its interval leaves out how much trainings differ",
}


@dataclass
class RuleClaim:
    """A rule on a metric that has a value, see `raikit.gate.family.Claim`.

    Parameters
    ----------
    rule : Rule
        Not yet judged.
    metric : Metric
    total : int
        Number of cases among which those of the metric were found.
    own : MeasuredLevel
        The intervals at the rule's own level.
    levels : list of MeasuredLevel
        All that were measured, the least strict first.
    """

    rule: Rule
    metric: Metric
    total: int
    own: MeasuredLevel
    levels: list[MeasuredLevel]
    p_value: float | None = None
    own_error: float = field(init=False)
    looser: list[MeasuredLevel] = field(init=False)

    def __post_init__(self) -> None:
        self.own_error = self.own.error
        self.looser = [one for one in self.levels if one.error > self.own_error + ROUNDING]
        self.levels = [one for one in self.levels if one.error <= self.own_error + ROUNDING]
        if self.own.level is not None:
            self.rule.p_value = self.p_value = self._p_value()

    def decide(self, error: float, size: int) -> None:
        """Decide the rule."""
        assert self.p_value is not None
        if self.p_value <= error + ROUNDING:
            # The level that just suffices: the interval at every measured level before the p-value is beyond the limit.
            shown = next(one for one in self.levels if one.error <= error + ROUNDING)
            self._fail(shown, size)
        elif self._is_beyond(self.own):
            self._leave_open(error, size)
        else:
            self.decide_at_own_level()

    def decide_at_own_level(self) -> None:
        """Decide the rule by its own level alone."""
        rule, limit = self.rule, self._limit
        judged = self.own.judged
        if self._is_beyond(self.own):
            self._fail(self.own, 1)
        elif broken := next((one for one in self.looser if self._is_beyond(one)), None):
            # Small groups may prove a breach at a lower confidence. A pass at a higher one would contradict it.
            self._leave_open_between(broken)
        elif judged is not None and judged.keeps(limit, self._bound):
            self._show(judged, self.own)
            rule.status = "pass"
            rule.reason = f"the whole interval {judged} is {'at most' if self._bound == 'max' else 'at least'} {as_given(limit)}"
            self._note()
        else:
            shown = self.own.undecided(limit)
            self._show(shown, self.own)
            rule.status, rule.reason = "inconclusive", f"the interval {shown} contains the limit {as_given(limit)}"
            if judged is None and self.own.whole.keeps(limit, self._bound):
                rule.reason = "no pass without groups that are large enough"
            self._note()
            add_needed_data(rule, self._known(self.own), self.metric, self.total)

    @property
    def _limit(self) -> float:
        assert self.rule.limit is not None
        return self.rule.limit

    @property
    def _bound(self) -> Literal["max", "min"]:
        assert self.rule.bound is not None
        return self.rule.bound

    def _is_beyond(self, measured: MeasuredLevel) -> bool:
        return measured.whole.is_beyond(self._limit, self._bound)

    def _p_value(self) -> float:
        """Return the smallest measured error at which the interval is beyond the limit, as it is at all larger ones; else 1."""
        smallest = 1.0
        for measured in self.levels:
            if not self._is_beyond(measured):
                break
            smallest = measured.error
        return smallest

    def _fail(self, shown: MeasuredLevel, size: int) -> None:
        # A breach comes first: small groups may prove a gap that the groups on which a pass is judged do not show. Where these
        # show it as well, theirs is the number to read: the ends of the other may be groups of a case or two.
        judged = shown.judged
        breach = judged if judged is not None and judged.is_beyond(self._limit, self._bound) else shown.whole
        self._show(breach, shown)
        end, side = ("low", "above") if self._bound == "max" else ("high", "below")
        self.rule.status = "fail"
        self.rule.reason = f"even the {end} end of {breach} is {side} {as_given(self._limit)}{self._correction(shown, size)}"
        self._note()

    def _leave_open(self, error: float, size: int) -> None:
        """Leave undecided what is beyond the limit at the rule's own level, but not at that of the family."""
        rule, own, limit = self.rule, confidence(self.own.level or 0.0), as_given(self._limit)
        undecided = [measured for measured in self.levels if not self._is_beyond(measured)]
        shown = next((one for one in undecided if one.error <= error + ROUNDING), undecided[-1] if undecided else None)
        rule.status = "inconclusive"
        if shown is None:
            self._shown = self.levels[-1].whole
            rule.low = rule.high = rule.level = None  # no interval decides
            rule.reason = (
                f"all of {self.levels[-1].whole} breaks the limit {limit}, but {size} rules judged together need "
                f"{confidence(1 - 2 * error)}, at which it was not measured; {_REMEDY}"
            )
            self._note()
            return
        self._show(shown.whole, shown)
        rule.reason = (
            f"the interval {shown.whole} contains the limit {limit}{self._correction(shown, size)}; "
            f"the rule alone would fail at {own}"
        )
        self._note()
        add_needed_data(rule, self._known(shown), self.metric, self.total)

    def _leave_open_between(self, broken: MeasuredLevel) -> None:
        """Leave undecided what is beyond the limit at a less strict level than the rule's own."""
        rule, limit, shown = self.rule, as_given(self._limit), self.own.whole
        self._show(shown, self.own)
        rule.status = "inconclusive"
        rule.reason = (
            f"the interval {shown} contains the limit {limit}; at {confidence(broken.level or 0.0)} all of {broken.whole} "
            "would break it"
        )
        self._note()
        add_needed_data(rule, self._known(self.own), self.metric, self.total)

    def _correction(self, shown: MeasuredLevel, size: int) -> str:
        if size == 1 or shown is self.own or shown.level is None:
            return ""
        return f"; at {confidence(shown.level)}, because {size} rules and regressions are judged together"

    def _show(self, interval: DecidingInterval, at: MeasuredLevel) -> None:
        self.rule.value, self.rule.level = interval.value, at.level
        self.rule.low, self.rule.high = plain(interval.low), plain(interval.high)
        self._shown = interval

    def _known(self, measured: MeasuredLevel) -> DecidingInterval:
        """Return what is known for planning: small groups may have proven an end that is beyond the judged value."""
        whole, judged = measured.whole, measured.judged or measured.whole
        if self._bound == "max":
            low, high = whole.low, max(judged.high, whole.low)
        else:
            low, high = min(judged.low, whole.high), whole.high
        return DecidingInterval(min(max(judged.value, low), high), low, high)

    def _note(self) -> None:
        """Add to the reason which groups the interval leaves out, and about which the rule says nothing."""
        metric, notes, nothing = self.metric, [], groups_without_value(self.metric)
        judged = metric.judged
        if judged is not None and judged.value is None:
            notes.append(judged.reason)
        elif judged is not None:
            without, names = self._shown.value == judged.value, "; ".join(judged.left_out)
            whole = estimate(metric.value or 0.0, metric.low or 0.0, metric.high or 0.0)
            small = estimate(judged.value or 0.0, judged.low or 0.0, judged.high or 0.0)
            notes.append(f"judged without {names}; over all groups it is {whole}" if without
                         else f"over all groups; without {names} it is {small}")
            nothing += judged.left_out if without else []
        if undefined := undefined_groups(metric):
            notes.append(undefined)
        if self.rule.status == "inconclusive" and (flags := [flag for flag in OPEN_ENDS if flag in metric.flags]):
            end = "either" if len(flags) > 1 else f"the {flags[0].removeprefix('open_')}"
            notes.append(f"the tail is too heavy, or clusters are too few, for {end} end of the interval to be valid")
        if rests_on := unchecked_condition(metric, self.rule):
            notes.append(rests_on)
        self.rule.not_judged = list(dict.fromkeys(nothing))
        self.rule.reason = "; ".join([self.rule.reason, *notes])


_REMEDY = "run the audit again with this policy, or ask the check's authors to use `ctx.levels`"


def groups_without_value(metric: Metric) -> list[str]:
    """Return the groups in which a metric is not defined, so that a rule says nothing about them.

    An average over classes allows for any value of a class without cases, so its rule is about that class too.
    """
    return [] if "empty_class" in metric.flags else list(metric.excluded)


def unchecked_condition(metric: Metric, rule: Rule) -> str:
    """Say what a rule that holds takes for granted; a broken one is broken without it."""
    return f"provided that {metric.condition}" if metric.condition and rule.status == "pass" else ""


def undefined_groups(metric: Metric) -> str:
    """Say in which groups a metric is not defined, and that nothing is decided about them; empty if there are none."""
    if not (groups := groups_without_value(metric)):
        return ""
    why = f" ({metric.excluded_reason})" if metric.excluded_reason else ""
    what = "not compared" if metric.excluded_reason.startswith("data.missing_group") else "not defined"
    return f"{what} for {joined(groups)}{why}, so this rule says nothing about {'it' if len(groups) == 1 else 'them'}"


def claim_or_decide(
    rule: Rule, config: RuleConfig, metric: Metric, total: int, decide_on: Literal["interval", "estimate"], run_level: float
) -> RuleClaim | None:
    """Return the claim of a rule on a metric; None if it is decided already, in place, without a test."""
    rule.value, rule.low, rule.high, rule.level = metric.value, metric.low, metric.high, metric.level
    if metric.value is None:
        rule.reason = f"undefined: {metric.reason}"
        return None
    levels = measured_levels(metric, run_level)
    wanted = config.confidence or metric.level or run_level
    own = at_level(levels, wanted)
    if decide_on == "estimate":
        _decide_on_estimate(rule, levels[0])
    elif flag := next((flag for flag in _UNDECIDABLE if flag in metric.flags), None):
        rule.status, rule.reason = "inconclusive", _UNDECIDABLE[flag].format(cases=case_noun())
    elif own is None:
        rule.status, rule.low, rule.high, rule.level = "inconclusive", None, None, None
        rule.reason = f"it was not measured at {confidence(wanted)}, the level of this rule; {_REMEDY}"
    else:
        claim = RuleClaim(rule, metric, total, own, levels)
        if claim.p_value is not None:
            return claim
        claim.decide_at_own_level()
        return None
    if undefined := undefined_groups(metric):
        rule.not_judged, rule.reason = groups_without_value(metric), f"{rule.reason}; {undefined}"
    if rests_on := unchecked_condition(metric, rule):
        rule.reason = f"{rule.reason}; {rests_on}"
    return None


def _decide_on_estimate(rule: Rule, measured: MeasuredLevel) -> None:
    interval = measured.judged or measured.whole
    assert rule.limit is not None
    rule.value, rule.low, rule.high = interval.value, interval.low, interval.high
    holds = interval.value <= rule.limit if rule.bound == "max" else interval.value >= rule.limit
    rule.status, rule.reason = ("pass" if holds else "fail"), "decided on the estimate alone, as the policy asks"
