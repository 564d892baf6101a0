"""A regression on one metric: what its test proves, and the decision once the error that it may make is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from raikit.format import class_text, joined, p_value, significant, stored_group
from raikit.gate.family import ROUNDING
from raikit.run.labelled import words_of
from raikit.run.margins import Margin
from raikit.run.reader import RunView
from raikit.run.record import AGAINST, Rule
from raikit.run.results import Comparison, Metric

Test = tuple[str, Margin]
"""The address of a metric, and how much worse it may become."""


class Comparing(Protocol):
    """Compares two runs again, with the interval at another error."""

    def compare_again(self, test: Test, error: float) -> Comparison | str:
        """Return a comparison whose interval errs with half of `error` at either end, or why there is none."""


@dataclass
class RegressionClaim:
    """A regression that could be tested, see `raikit.gate.family.Claim`.

    Parameters
    ----------
    rule : Rule
        Not yet judged.
    comparison : Comparison
        With its interval at the error that `own_error` names, half of it at either end.
    own_error : float
        Error probability of the family.
    comparing : Comparing
        Compares again, for the interval at a corrected level.
    test : (address, Margin)
    new : Metric
        Of the candidate.
    left_out : NotCompared
    words : callable
        From a group as the record names it to the words in which people read it.
    """

    rule: Rule
    comparison: Comparison
    own_error: float
    comparing: Comparing
    test: Test
    new: Metric
    left_out: NotCompared
    words: Callable[[str], str] = str
    p_value: float | None = field(init=False)

    def __post_init__(self) -> None:
        self.p_value = self.rule.p_value = self.comparison.p_value
        self.rule.paired, self.rule.loser = self.comparison.paired, self._in_words(self.comparison.loser)
        self.rule.n, self.rule.value = self.comparison.n or self.rule.n, self.comparison.value
        self.rule.not_judged = list(self.left_out.groups)
        self._show(self.comparison, 1 - self.own_error)

    def decide(self, error: float, size: int) -> None:
        """Fail a regression that is proven, pass one that surely kept the margin; write the reason."""
        assert self.p_value is not None
        rule, margin = self.rule, significant(self._margin)
        is_proven = self.p_value <= error + ROUNDING
        if self.p_value <= self.own_error + ROUNDING:
            is_proven = self._show_deciding(error, is_proven)
        if not is_proven and rule.low is not None:
            # A test may ask for more than a loss: that the group is behind now. What it does not exclude at this level, the
            # interval may not exclude either.
            rule.low = min(rule.low, self._margin)
        test = f"p {p_value(self.p_value)}"
        if size > 1:
            test += f", needs {p_value(error)} because {size} rules and regressions are judged together"
        if is_proven:
            rule.status = "fail"
            rule.reason = f"{self._loss}, surely by more than {margin} ({test}; {self._method})"
        elif rule.high is not None and rule.high <= self._margin:
            rule.status = "pass"
            rule.reason = f"worse by at most {significant(rule.high)} ({self._method})"
        else:
            rule.status = "inconclusive"
            rule.reason = f"no worsening by more than {margin} is shown ({test}; {self._method}){self._power}"
        self._note()

    def decide_on_estimate(self) -> None:
        """Decide on the value alone, as the policy asks."""
        self.rule.status = "fail" if (self.comparison.value or 0.0) > self._margin else "pass"
        self.rule.reason = f"{self._loss}, on the estimate alone ({self._method})"
        self._note()

    def _in_words(self, loser: str | None) -> str | None:
        return loser and AGAINST.join(self.words(group) for group in loser.split(AGAINST))

    @property
    def _margin(self) -> float:
        return self.rule.limit or 0.0

    @property
    def _loss(self) -> str:
        """Who lost how much against whom; of a metric that compares no groups, how much worse it is."""
        value, pair = significant(self.comparison.value or 0.0), self.rule.pair_of_loss
        return f"{pair[0]} lost {value} against {pair[1]}" if pair else f"worse by {value}"

    @property
    def _method(self) -> str:
        paired = "paired" if self.comparison.paired else "unpaired"
        return f"{paired}, {self.comparison.method}" if self.comparison.method else paired

    @property
    def _power(self) -> str:
        smallest = self.comparison.minimum_detectable
        if smallest is None:
            return ""
        return f"; judged alone, one of {significant(smallest)} would have been detected (80% power)"

    def _show_deciding(self, error: float, is_proven: bool) -> bool:
        """Show the interval at the level that decides, and return whether the regression is proven by test and interval."""
        again = self.comparing.compare_again(self.test, 2 * error)
        if isinstance(again, str) or again.low is None or again.high is None:
            self.rule.low = self.rule.high = self.rule.level = None  # no interval at that level
            return is_proven
        self._show(again, 1 - 2 * error)
        return is_proven and again.low > self._margin

    def _show(self, comparison: Comparison, level: float) -> None:
        self.rule.low, self.rule.high, self.rule.level = comparison.low, comparison.high, level

    def _note(self) -> None:
        """Add what the check says, what happened to the metric itself, and the groups that were not compared."""
        rule, new = self.rule, self.new
        if self.comparison.reason:
            rule.reason += f"; {self.comparison.reason}"
        if new.value is not None and rule.baseline is not None:
            # If the group that lost was ahead of the widest gap's, the gap may have narrowed: the metric itself shows that.
            itself = " itself" if rule.pair_of_loss else ""
            rule.reason += f"; the metric{itself} went from {significant(rule.baseline)} to {significant(new.value)}"
        if self.left_out.reason:
            rule.reason += f"; {self.left_out.reason}"


@dataclass(frozen=True)
class NotCompared:
    """Groups about which a comparison says nothing, and a sentence about them."""

    groups: tuple[str, ...] = ()
    reason: str = ""


def not_compared(metric: Metric, candidate: RunView, baseline: RunView) -> NotCompared:
    """Return the groups of a metric that only one run holds, or in which it is not defined in one of them, in words.

    Runs are compared by the codes of the data, because they may be labelled differently.
    """
    new, old = (_groups(metric, run) for run in (candidate, baseline))
    parts = [(new - old, "only in the candidate"), (old - new, "only in the baseline")]
    for name, run in (("candidate", candidate), ("baseline", baseline)):
        measured = run.record.find(str(metric.id))
        parts.append((set(measured.excluded) if measured else set(), f"not defined in the {name}"))
    if not any(groups for groups, _ in parts):
        return NotCompared()
    both = words_of(baseline.record), words_of(candidate.record)

    def words(group: str) -> str:
        return class_text(group) if metric.over is None else next((word for of in both if (word := of(group)) != group), group)

    parts = [({words(group) for group in groups}, where) for groups, where in parts]
    said = [f"{joined(sorted(groups))} {'is' if len(groups) == 1 else 'are'} {where}" for groups, where in parts if groups]
    names = tuple(dict.fromkeys(group for groups, _ in parts for group in sorted(groups)))
    return NotCompared(names, f"{', '.join(said)}, so this regression says nothing about {_them(names)}")


def _them(names: tuple[str, ...]) -> str:
    return "it" if len(names) == 1 else "them"


def _groups(metric: Metric, run: RunView) -> set[str]:
    """Return the groups over which a metric is taken, in words, that a run holds; a gap names only their columns."""
    if metric.over is None or metric.group:
        return set()
    return {
        stored_group(other.group)
        for _, other in run.record.metrics()
        if other.group and other.over == metric.over and other.value is not None
    }
