"""The audit in one run: what guesses about canaries show of epsilon, beside what the accountant proved."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import raikit
from raikit.format import count
from raikit_privacy.estimates import one_run
from raikit_privacy.estimates.arguments import as_argument
from raikit_privacy.estimates.budget import Budget
from raikit_privacy.estimates.canaries import CanaryTraining
from raikit_privacy.estimates.features import SensitiveFeature, features_of
from raikit_privacy.estimates.one_run import Bound, Guesses, GuessPlan

SHARES = (0.2, 0.8)  # of the canaries, which are guessed where no numbers are declared
_DELTAS = (1e-4, 1e-3, 1e-2, 3e-2, 0.1, 0.2, 0.4, 0.6)  # at which the accountant is asked too
_CONDITION = "epsilon is not above what these canaries can show: they bound it from below only"
SUBJECT = "dp_model"


@dataclass(frozen=True)
class CanaryAudit:
    """What canaries show of one private training.

    Parameters
    ----------
    budget : Budget
    epsilon : float
        That the accountant proved for the steps that were made.
    training : CanaryTraining
    guesses : Guesses
    allowed : dict of int to int
        Most right guesses that the proved curve allows, by the number of guesses.
    bound, steinke, gaussian : Bound
        For any mechanism (f-DP), the same by Steinke et al., and for a Gaussian mechanism.
    groups : list of (SensitiveFeature, int, Guesses or None, Bound or None)
        The same bound from the canaries of each group; None where there are too few.
    level : float
    """

    budget: Budget
    epsilon: float
    training: CanaryTraining
    guesses: Guesses
    allowed: dict[int, int]
    bound: Bound
    steinke: Bound
    gaussian: Bound
    groups: list[tuple[SensitiveFeature, int, Guesses | None, Bound | None]]
    level: float

    @property
    def target(self) -> int | float:
        """The target epsilon, as addresses have it."""
        return as_argument(self.budget.target)

    @property
    def contradicted(self) -> bool:
        """Whether more guesses are right than the proof allows, or the bound exceeds the proved epsilon."""
        return self.bound.epsilon > self.epsilon or any(
            right > self.allowed[made] for made, right in self.guesses.correct.items())

    @property
    def could_contradict(self) -> bool:
        """Whether guesses that are all right would contradict the proof."""
        return any(most < made for made, most in self.allowed.items())

    @property
    def metrics(self) -> list[raikit.Metric]:
        """The bound, right guesses, and the bounds of groups."""
        common: dict[str, Any] = {"subject": SUBJECT, "direction": "lower"}
        canaries = len(self.training.canaries)
        epsilon = rounded_down(self.bound.epsilon)
        metrics = [raikit.Metric(
            "epsilon_lower_bound", epsilon, low=epsilon, high=epsilon, n=canaries,
            counts="canary", level=self.level, method=self.bound.method, args={"target": self.target}, promised=self.epsilon,
            flags=["bound"], title=f"measured lower bound on ε, target ε = {self.target}", condition=_CONDITION, **common)]
        metrics += [raikit.Metric.exact(
            "right_guesses", right, n=made, counts="guess", args={"target": self.target, "guesses": made},
            promised=self.allowed[made], title=f"right guesses about canaries, target ε = {self.target}", **common)
            for made, right in self.guesses.correct.items()]
        for feature, index, guesses, bound in self.groups:
            fields: dict[str, Any] = {"args": {"target": self.target}, "over": [feature.column],
                                      "group": {feature.column: feature.groups[index]}, **common}
            if bound is None or guesses is None:
                metrics.append(raikit.Metric.undefined("epsilon_lower_bound", "too few canaries in this group", **fields))
                continue
            epsilon = rounded_down(bound.epsilon)
            metrics.append(raikit.Metric(
                "epsilon_lower_bound", epsilon, low=epsilon, high=epsilon, n=guesses.canaries, counts="canary",
                level=self.level, method=f"{bound.method}, Bonferroni over groups", simultaneous=True, condition=_CONDITION,
                flags=["bound"], **fields))
        return metrics


def audit(
    ctx: raikit.CheckContext, budget: Budget, training: CanaryTraining, declared: Sequence[int], min_group: int
) -> CanaryAudit:
    """Guess which canaries were in, and bound epsilon from the number of right guesses.

    Parameters
    ----------
    ctx : CheckContext
    budget : Budget
    training : CanaryTraining
    declared : sequence of int
        Numbers of guesses, from before the scores were seen; each pays for its share of the error. Empty: a fifth and four fifths
        of the canaries.
    min_group : int
        Fewest canaries of a group that is bounded by itself.

    Raises
    ------
    ValueError
        If more guesses are declared than there are canaries.
    """
    level, canaries = ctx.confidence, training.canaries
    plan = GuessPlan(tuple(declared) or guess_counts(len(canaries)))
    guesses = plan.guess(training.scores, canaries.inserted)
    epsilon, error = budget.spent(training.steps), (1 - level) / len(plan.counts)
    curve = [(max(budget.spent(training.steps, delta), 0.0), delta) for delta in (budget.delta, *_DELTAS) if delta >= budget.delta]
    allowed = {made: one_run.most_right(len(canaries), made, curve, error) for made in plan.counts}
    return CanaryAudit(
        budget, epsilon, training, guesses, allowed, one_run.any_curve_bound(guesses, budget.delta, level),
        one_run.steinke_bound(guesses, budget.delta, level), one_run.gaussian_curve_bound(guesses, budget.delta, level),
        _group_bounds(ctx, budget, training, min_group), level)


def guess_counts(canaries: int) -> tuple[int, ...]:
    """Return the numbers of guesses that are declared by default."""
    return tuple(dict.fromkeys(max(round(share * canaries), 1) for share in SHARES))


def _group_bounds(
    ctx: raikit.CheckContext, budget: Budget, training: CanaryTraining, min_group: int
) -> list[tuple[SensitiveFeature, int, Guesses | None, Bound | None]]:
    """Bound epsilon from the canaries of each group alone: the coins of others are part of the data then."""
    assert ctx.data is not None
    canaries = training.canaries
    frame = ctx.data.frame(list(ctx.sensitive), "train").iloc[canaries.positions].reset_index(drop=True)
    bounds: list[tuple[SensitiveFeature, int, Guesses | None, Bound | None]] = []
    for feature in features_of(frame, ctx.sensitive):
        members = [feature.code == index for index in range(feature.k)]
        level = 1 - (1 - ctx.confidence) / max(sum(int(one.sum()) >= min_group for one in members), 1)
        for index, one in enumerate(members):
            if int(one.sum()) < min_group:
                bounds.append((feature, index, None, None))
                continue
            guesses = GuessPlan(guess_counts(int(one.sum()))).guess(training.scores[one], canaries.inserted[one])
            bounds.append((feature, index, guesses, one_run.any_curve_bound(guesses, budget.delta, level)))
    return bounds


def rounded_down(bound: float) -> float:
    """Round a lower bound to two decimals, down: rounded up, it would not be one.

    Examples
    --------
    >>> rounded_down(1.799), rounded_down(0.0)
    (1.79, 0.0)
    """
    return math.floor(bound * 100 + 1e-9) / 100


def undefined_metrics(targets: Sequence[float], reason: str) -> list[raikit.Metric]:
    """Return the metrics of a model that cannot be trained privately, with the reason."""
    return [raikit.Metric.undefined("epsilon_lower_bound", reason, args={"target": as_argument(target)}, subject=SUBJECT,
                                    direction="lower") for target in targets]


def too_many_guesses(declared: Sequence[int], canaries: int) -> str:
    """Return what is wrong with declared numbers of guesses; empty if nothing is."""
    if declared and max(declared) > canaries:
        return f"{count(max(declared))} guesses are declared, and there are {count(canaries)} canaries"
    return ""
