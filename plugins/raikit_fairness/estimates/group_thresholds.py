"""Thresholds for each group, fitted on validation cases and compared with the audited decisions on test cases."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

import raikit
from raikit.arrays import IntArray
from raikit.format import case_noun, class_text
from raikit_fairness.estimates.case_counts import Cells
from raikit_fairness.estimates.features import Feature
from raikit_fairness.estimates.group_estimates import Draws
from raikit_fairness.estimates.threshold_optimizer import decision_probabilities, describe_rule, fit_thresholds
from raikit_fairness.estimates.tradeoff import (
    AlternativeDecisions,
    Criterion,
    Tradeoff,
    compare_decisions,
    cost_metrics,
    cost_metrics_by_group,
    furthest_pair,
    gap_metrics,
)
from raikit_fairness.settings import IntervalSettings

SUBJECT = "mitigated"
METRIC_NAMES = "mitigated", "mitigation"
_UNDEFINED = (
    ("mitigated_difference", "lower"),
    ("mitigated_accuracy", "higher"),
    ("mitigation_gain", "higher"),
    ("mitigation_cost", "lower"),
)


@dataclass(frozen=True)
class FittableGroups:
    """One feature, with the groups that thresholds can be fitted for.

    Parameters
    ----------
    validation, test : Cells
        Single cases with scores.
    positive : int
        Position of the positive class.
    validation_code : ndarray of int
        Group of each validation case, as `feature` numbers them; -1: of none.
    feature : Feature
        Of test cases; -1 where nothing is fitted for their group.
    unfit : dict of group to str
        Other groups of test cases, with the reason.
    reason : str
        Why nothing can be fitted at all; empty if something can.
    """

    validation: Cells
    test: Cells
    positive: int
    validation_code: IntArray
    feature: Feature
    unfit: dict[tuple[str | None, ...], str]
    reason: str


def find_fittable(validation: Cells, test: Cells, number: int, positive: int, label: object) -> FittableGroups:
    """Return which groups of feature `number` have validation cases of both classes; `label` is the positive one."""
    feature, known = test.features[number], validation.features[number]
    position = {group: index for index, group in enumerate(known.groups)}
    truth = validation.truth == positive
    fittable: list[int] = []
    unfit: dict[tuple[str | None, ...], str] = {}
    for index, group in enumerate(feature.groups):
        cases = known.code == position.get(group, -2)
        share = truth[cases].mean() if cases.any() else None
        if share is None:
            unfit[group] = f"the validation split has no {case_noun(1)} of them"
        elif share in (0.0, 1.0):
            which = f"{'every' if share else 'no'} validation {case_noun(1)}"
            unfit[group] = f"{which} of theirs has target {class_text(label)}"
        else:
            fittable.append(index)
    groups = [feature.groups[index] for index in fittable]
    renumbered = {position[group]: index for index, group in enumerate(groups)}
    validation_code = np.array([*(renumbered.get(code, -1) for code in range(known.k)), -1], dtype=np.int64)[known.code]
    new_code = np.full(feature.k + 1, -1, dtype=np.int64)  # the last is of cases in no group
    new_code[fittable] = np.arange(len(fittable))
    kept = replace(feature, groups=groups, code=new_code[feature.code])
    reason = "" if len(fittable) > 1 else _unfit_reason(feature, unfit)
    return FittableGroups(validation, test, positive, validation_code, kept, unfit, reason)


def _unfit_reason(feature: Feature, unfit: dict[tuple[str | None, ...], str]) -> str:
    if feature.k < 2:
        return f"{feature.title} has one group only"
    reasons = "; ".join(dict.fromkeys(unfit.values()))
    return f"thresholds can be fitted for fewer than two groups of {feature.title}: {reasons}"


def fit_and_compare(
    groups: FittableGroups, criterion: Criterion, objective: str, grid_size: int, settings: IntervalSettings, draws: Draws
) -> tuple[Tradeoff, list[list[object]]]:
    """Fit thresholds on validation cases, and compare their expected decisions about test cases with the audited ones.

    Returns
    -------
    Tradeoff
    list of list
        One row for each group of the table of rules: feature, constraint, group, validation cases, rule.
    """
    validation, test, feature, positive = groups.validation, groups.test, groups.feature, groups.positive
    assert validation.scores is not None and test.scores is not None
    cases = np.flatnonzero(groups.validation_code >= 0)
    truth = (validation.truth == positive).astype(np.int64)
    code = groups.validation_code[cases]
    optimizer = fit_thresholds(
        validation.scores[cases], truth[cases], code, criterion.name, objective, grid_size
    )  # fmt: skip
    before = (test.prediction == positive).astype(float)
    covered = np.flatnonzero(feature.code >= 0)
    after = before.copy()
    after[covered] = decision_probabilities(optimizer, test.scores[covered], feature.code[covered])
    # The pair is fixed on validation cases, because the change of a largest difference has no valid interval.
    validation_feature = replace(feature, code=groups.validation_code)
    pair = furthest_pair(validation, positive, validation_feature, criterion, settings.min_group)
    decisions = AlternativeDecisions(test, positive, before, after)
    tradeoff = compare_decisions(decisions, feature, criterion, pair, settings, draws, groups.unfit)
    rules: list[list[object]] = [
        [feature.title, criterion.name, feature.label(group), int((groups.validation_code == group).sum()),
         describe_rule(optimizer, group)]
        for group in range(feature.k)
    ]  # fmt: skip
    return tradeoff, rules


def mitigation_metrics(tradeoff: Tradeoff, settings: IntervalSettings) -> list[raikit.Metric]:
    """Return the metrics of one feature and criterion."""
    place = {"args": {"constraint": tradeoff.criterion.name}, "subject": SUBJECT}
    here = {**place, "over": list(tradeoff.feature.columns)}
    return [
        *gap_metrics(tradeoff, METRIC_NAMES, settings, SUBJECT),
        *cost_metrics(tradeoff, METRIC_NAMES, settings, here),
        *cost_metrics_by_group(tradeoff, METRIC_NAMES, settings, place),
    ]


def undefined_metrics(groups: FittableGroups, criterion: Criterion) -> list[raikit.Metric]:
    """Return the metrics of a feature that nothing could be fitted for, with the reason."""
    return [
        raikit.Metric.undefined(
            name, groups.reason, args={"constraint": criterion.name}, over=list(groups.feature.columns),
            subject=SUBJECT, direction=direction,
        )
        for name, direction in _UNDEFINED
    ]  # fmt: skip
