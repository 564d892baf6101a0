"""Metrics of private training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np

import raikit
from raikit.arrays import IntArray, cluster_codes
from raikit.format import case_noun, stored_group
from raikit_privacy.estimates.arguments import as_argument
from raikit_privacy.estimates.budget import true_positive_rate_bound
from raikit_privacy.estimates.costs import GroupEstimates, accuracies, cost_gap, costs
from raikit_privacy.estimates.features import SensitiveFeature
from raikit_privacy.estimates.trials import TrialOutcome, Trials, delta_condition, unchecked_condition, unit_condition

SUBJECT = "dp_model"
_TITLES = {
    "epsilon": "ε of the private copy", "delta": "δ of the private copy", "noise_multiplier": "noise multiplier",
    "membership_tpr_ceiling": "most that any attack recognises at 1% false positives", "accuracy": "accuracy of the private copy",
    "accuracy_cost": "accuracy lost", "accuracy_cost_difference": "gap in accuracy lost",
}


def title_of(name: str, target: object, to: str = "") -> str:
    """Return what people call a metric of a private copy: ``accuracy lost, ε = 8``."""
    return f"{_TITLES[name]}{' to noise alone' if to else ''}, {'target ' * (name == 'epsilon')}ε = {target}"


class TrainingReport:
    """Metrics of one private training, and the estimates that findings and figures look at again.

    Parameters
    ----------
    ctx : CheckContext
    trials : Trials
    outcome : TrialOutcome
    address : callable
        Returns the address of a metric.
    """

    def __init__(
        self, ctx: raikit.CheckContext, trials: Trials, outcome: TrialOutcome, address: Callable[[raikit.Metric], str]
    ) -> None:
        self.ctx, self.trials, self.outcome, self.address = ctx, trials, outcome, address
        self.target, self.level = as_argument(outcome.budget.target), ctx.confidence
        self.condition = unchecked_condition(trials, outcome)
        self.features = trials.cases.features(ctx)
        self.cluster_names = cluster_codes(trials.cases.frame, ctx.cluster)[1]
        pairs = outcome.pairs
        self.audited = accuracies(pairs, pairs.reference, None, self.level)
        self.accuracy = self._overall("accuracy", accuracies(pairs, pairs.private, None, self.level), "higher")
        self.cost = self._overall("accuracy_cost", costs(pairs, None, self.level), "lower")
        self.twin = None if outcome.twin is None else self._overall(
            "accuracy_cost", costs(outcome.twin, None, self.level), "lower", to="twin")
        unit, delta = unit_condition(trials), delta_condition(trials)
        self.epsilon = self._exact("epsilon", outcome.epsilon, direction="lower", condition=_both(self.condition, unit, delta))
        self.bound = self._exact(
            "membership_tpr_ceiling", true_positive_rate_bound(outcome.budget, outcome.steps, 0.01),
            args=self._args(fpr=0.01), direction="lower", unit="rate", condition=_both(self.condition, unit))
        self.by_group = {feature.column: costs(pairs, feature, self.level) for feature in self.features}
        self.gaps = [self._gap(feature) for feature in self.features]

    def ends(self, feature: SensitiveFeature) -> tuple[int, int]:
        """Return the positions of the groups that lose most and least accuracy."""
        costs = self.by_group[feature.column]
        value = np.where(costs.n > 0, costs.value, np.nan)
        return int(np.nanargmax(value)), int(np.nanargmin(value))

    def side(self, feature: SensitiveFeature, index: int) -> raikit.Side:
        """Return one group with the accuracy that it loses."""
        costs = self.by_group[feature.column]
        return raikit.Side(group={feature.column: feature.groups[index]}, value=float(costs.value[index]),
                           low=float(costs.low[index]), high=float(costs.high[index]), n=int(costs.n[index]))

    @property
    def randomness(self) -> str:
        """What intervals say of the randomness of private training, for `method`."""
        trainings = self.outcome.pairs.trainings
        if trainings == 1:
            return ", of one training, whose randomness is not covered"
        return f", over {trainings} trainings and others that do not fail"

    @property
    def flags(self) -> list[str]:
        """Flags of all estimates: with one training, no interval covers what is judged."""
        return ["one_training"] if self.outcome.pairs.trainings == 1 else []

    @property
    def metrics(self) -> list[raikit.Metric]:
        """All metrics, the budget first."""
        budget = self.outcome.budget
        delta = self._exact("delta", budget.delta, direction="lower")
        noise = self._exact("noise_multiplier", budget.noise_multiplier)
        groups = [metric for feature in self.features for metric in self._group_costs(feature)]
        twin = [self.twin] if self.twin is not None else []
        return [self.epsilon, delta, noise, self.bound, self.accuracy, self.cost, *twin, *groups, *self.gaps]

    def _args(self, **more: Any) -> dict[str, Any]:
        return {"target": self.target, **more}

    def _exact(self, name: str, value: float, **fields: Any) -> raikit.Metric:
        """Return a metric that is computed rather than estimated."""
        return raikit.Metric.exact(
            name, value, n=self.trials.recipe.rows, subject=SUBJECT, title=title_of(name, self.target),
            **{"args": self._args(), **fields})

    def _overall(
        self, name: str, estimates: GroupEstimates, direction: Literal["lower", "higher"], **args: Any
    ) -> raikit.Metric:
        return self._metric(name, estimates, 0, args=self._args(**args), direction=direction)

    def _group_costs(self, feature: SensitiveFeature) -> list[raikit.Metric]:
        return [
            self._metric("accuracy_cost", self.by_group[feature.column], index, args=self._args(), direction="lower",
                         over=[feature.column], group={feature.column: feature.groups[index]}, simultaneous=True)
            for index in range(feature.k)
        ]

    def _metric(self, name: str, estimates: GroupEstimates, index: int, **fields: Any) -> raikit.Metric:
        n, value = int(estimates.n[index]), float(estimates.value[index])
        fields["title"] = title_of(name, self.target, str(fields["args"].get("to", "")))
        if not n or np.isnan(value):
            return raikit.Metric.undefined(name, f"no {case_noun(1)} of this group was compared", subject=SUBJECT, **fields)
        small = n < self.trials.options.min_group and "group" in fields
        flags = [*self.flags, *(["few_clusters"] if estimates.few_clusters[index] else []), *(["small_group"] if small else [])]
        return raikit.Metric(
            name, value, low=estimates.low[index], high=estimates.high[index], n=n, method=estimates.method + self.randomness,
            level=self.level, n_clusters=None if estimates.n_clusters is None else int(estimates.n_clusters[index]),
            flags=flags, subject=SUBJECT, unit="rate" if name == "accuracy" else "points", **fields,
        )

    def _gap(self, feature: SensitiveFeature) -> raikit.Metric:
        """Return the largest difference of two groups' costs; `judged` is over the groups that are large enough."""
        fields: dict[str, Any] = {"args": self._args(), "over": [feature.column], "direction": "lower", "unit": "points",
                                  "subject": SUBJECT, "title": title_of("accuracy_cost_difference", self.target)}
        try:
            gap, groups = cost_gap(self.outcome.pairs, feature, self.level, self.ctx.rng)
        except ValueError as problem:
            return raikit.Metric.undefined("accuracy_cost_difference", str(problem), **fields)
        counts = np.bincount(feature.code, minlength=feature.k)
        small = [feature.address(i) for i in groups if counts[i] < self.trials.options.min_group]
        clusters, few = self.by_group[feature.column].n_clusters, self.by_group[feature.column].few_clusters
        return raikit.Metric(
            "accuracy_cost_difference", gap.value, low=gap.low, high=gap.high, n=int(counts[groups].sum()),
            method=gap.method + self.randomness, level=self.level, simultaneous=True, p_value=gap.p_value,
            minimum_detectable=gap.minimum_detectable,
            n_clusters=None if clusters is None else int(clusters[groups].min()),
            flags=[*self.flags, *(["few_clusters"] if int((~few[groups]).sum()) < 2 else [])],
            judged=self._judged(feature, small) if small else None, pair=self._pair(feature, groups), compares="accuracy_cost",
            **fields,
        )

    def _judged(self, feature: SensitiveFeature, small: list[str]) -> dict[str, Any]:
        """Return the gap over groups that are large enough, as `raikit.JudgedOver` has it."""
        smallest = self.trials.options.min_group
        reason = f"groups with fewer than {smallest} {case_noun()} are not judged"
        try:
            gap, groups = cost_gap(self.outcome.pairs, feature, self.level, self.ctx.rng, smallest)
        except ValueError:
            reason = f"{reason}; fewer than two are left"
            return {"value": None, "low": None, "high": None, "left_out": small, "reason": reason}
        return {"value": gap.value, "low": gap.low, "high": gap.high, "left_out": small, "reason": reason,
                "pair": self._pair(feature, groups), "compares": "accuracy_cost"}

    def _pair(self, feature: SensitiveFeature, groups: IntArray) -> list[str]:
        """Return the groups that lose least and most accuracy, as `raikit.Metric.pair` has them."""
        value = self.by_group[feature.column].value[groups]
        ends = groups[int(np.nanargmin(value))], groups[int(np.nanargmax(value))]
        return [stored_group({feature.column: feature.groups[int(index)]}) for index in ends]


def _both(*clauses: str) -> str:
    return ", and ".join(filter(None, clauses))


def undefined_metrics(targets: tuple[float, ...], reason: str) -> list[raikit.Metric]:
    """Return the metrics of a model that cannot be trained privately, with the reason."""
    quantities: tuple[tuple[str, Literal["lower", "higher"], dict[str, Any]], ...] = (
        ("epsilon", "lower", {}), ("membership_tpr_ceiling", "lower", {"fpr": 0.01}), ("accuracy", "higher", {}),
        ("accuracy_cost", "lower", {}))
    return [
        raikit.Metric.undefined(name, reason, args={"target": as_argument(target)} | args, subject=SUBJECT, direction=direction,
                                title=title_of(name, as_argument(target)))
        for target in targets
        for name, direction, args in quantities
    ]
