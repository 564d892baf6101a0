"""Findings and the settings of ``privacy.dp_finetuning``: what privacy costs, whom, and what it guarantees."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

import raikit
from raikit.format import (
    confidence,
    confidence_interval,
    count,
    interval,
    joined,
    metric_interval,
    percent,
    points,
    sample_size,
)
from raikit_privacy.estimates.budget import NAMES
from raikit_privacy.estimates.costs import PairedCorrectness, costs
from raikit_privacy.estimates.features import SensitiveFeature
from raikit_privacy.estimates.training_report import TrainingReport
from raikit_privacy.estimates.trials import TrialOutcome, Trials
from raikit_privacy.report.wording import at_most, percent_at_most


def untrainable_finding(reason: str, addresses: list[str]) -> raikit.Finding:
    """Say why no private model was trained, and what would help."""
    return raikit.Finding(
        sentence=f"No private model was trained. {reason}. Change the model so that it computes each case by itself, and train "
                 "it again. BatchNorm becomes GroupNorm; opacus.validators.ModuleValidator.fix does it.",
        severity="note", what="differentially private training", metrics=addresses,
    )


def unknown_start_finding(problem: str, addresses: list[str]) -> raikit.Finding:
    """Say that nothing is claimed, because the initial weights may have seen the cases, and what would help."""
    return raikit.Finding(
        sentence=f"No private model was trained, and nothing is claimed about privacy or its cost. {problem}.",
        severity="warn", what="differentially private training", certainty="cannot be decided", metrics=addresses,
    )


def training_findings(report: TrainingReport) -> list[raikit.Finding]:
    """Say what one budget costs, what it guarantees, and which groups pay."""
    return [_cost_finding(report), *_twin_findings(report), *_chance_findings(report), _bound_finding(report),
            *_group_findings(report)]


def _cost_finding(report: TrainingReport) -> raikit.Finding:
    cost, accuracy, budget = report.cost, report.accuracy, report.outcome.budget
    effect = "costs" if (cost.value or 0) >= 0 else "gains"
    return raikit.Finding(
        sentence=f"A model trained to ε = {at_most(report.outcome.epsilon)} at δ = {budget.delta:.2g} (target {report.target:g}, "
                 f"accountant {NAMES[budget.accountant]}) is right in {percent(accuracy.value or 0)} of cases; the audited "
                 f"one is right in {percent(float(report.audited.value[0]))} of the same cases. Private training {effect} "
                 f"{points(abs(cost.value or 0))} ({_evidence(report, cost)}). That includes whatever else its recipe changes: "
                 f"other steps, clipping, layers that are not trained{_without_weights(report)}. {_noise_sentence(report)}",
        severity="note", what="accuracy with and without privacy", who="everyone", certainty=metric_interval(cost),
        metrics=[report.address(metric) for metric in (cost, accuracy, report.epsilon)],
        figures=[f"spending-{report.target}"],
    )


def _without_weights(report: TrainingReport) -> str:
    """Name the weights of cases that the audited model was trained with, as far as is known, and the private one without."""
    ctx = report.ctx
    reweighted = list(ctx.model.training.get("reweight") or ()) if ctx.model is not None else []
    kinds = [f"the column {ctx.weight}"] if ctx.weight else []
    kinds += [f"reweighting by {joined(reweighted)}"] if reweighted else []
    return f", and weights of cases, which private training does not use ({joined(kinds)})" if kinds else ""


def _weights_sentence(report: TrainingReport) -> str:
    """Say that a difference of groups may be due to weights; empty without any."""
    weights = _without_weights(report).removeprefix(", and ")
    return f" A part of it may be due to {weights}." if weights else ""


def _evidence(report: TrainingReport, metric: raikit.Metric) -> str:
    return f"{metric_interval(metric)}; {sample_size(metric.n, metric.n_clusters, report.cluster_names)}"


def _noise_sentence(report: TrainingReport) -> str:
    """Say whether the interval before this sentence covers the randomness of private training."""
    trainings = report.outcome.pairs.trainings
    if trainings == 1:
        return "This is one training; another draw of its noise may give another number, which the interval does not cover."
    return (
        f"This is the mean of {trainings} trainings. The interval covers others that do not fail in ways that none of these did; "
        f"up to {percent(1 - (1 - report.level) ** (1 / trainings))} of trainings may."
    )


def _twin_findings(report: TrainingReport) -> list[raikit.Finding]:
    if report.twin is None:
        return []
    return [raikit.Finding(
        sentence=f"Compared with a model trained in the same way but without noise, privacy costs "
                 f"{points(report.twin.value or 0)} ({_evidence(report, report.twin)}). The rest of the cost is due to "
                 f"clipping, other steps and layers that were not trained{_without_weights(report)}. "
                 f"{_noise_sentence(report)}",
        what="cost of the noise alone", metrics=[report.address(report.twin)],
    )]


def _chance_findings(report: TrainingReport) -> list[raikit.Finding]:
    """Say so if the private model is not shown to be better than always predicting the most frequent class."""
    pairs, majority = report.outcome.pairs, report.trials.cases.majority_correct(report.ctx)
    gain = costs(PairedCorrectness(pairs.private, majority, pairs.weight, pairs.clusters), None, report.level)
    value, low, high = (float(end[0]) for end in (gain.value, gain.low, gain.high))
    if low > 0:
        return []
    ci = confidence_interval(low, high, "points", level=report.level, value=value)
    n, n_clusters = report.accuracy.n, report.accuracy.n_clusters
    return [raikit.Finding(
        sentence=f"At ε = {report.target:g} the private model is not shown to be better than always predicting the most "
                 f"frequent class, which is right in {percent(float(np.mean(majority)))} of these cases (difference "
                 f"{points(value)}, {ci}; {sample_size(n, n_clusters, report.cluster_names)}). {_noise_sentence(report)}",
        severity="note", what="usefulness of the private model", metrics=[report.address(report.accuracy)],
    )]


def _bound_finding(report: TrainingReport) -> raikit.Finding:
    """State the bound with its conditions: secret noise, the weights alone, where training starts, and how it clips."""
    condition = f" This is so provided that {report.condition}." if report.condition else ""
    if not report.outcome.no_shortcut:
        condition += (" The bound also assumes that clipping is right for every case, as for those on which it was "
                      "compared.")
    return raikit.Finding(
        sentence=f"With secret noise, ε = {at_most(report.outcome.epsilon)} bounds every membership attack on the private weights. "
                 f"At a false positive rate of {percent(0.01)}, none recognises a single training case with a probability above "
                 f"{percent_at_most(report.bound.value or 0.0)}. Whoever is in several cases, or has copies, may be recognised "
                 f"more often. An attack that also uses what was fitted without noise is not bounded.{condition}",
        what="bound on membership inference",
        certainty="from the accountant" + (", under a condition that cannot be checked" if report.condition else ""),
        severity="warn" if report.condition else "note",
        metrics=[report.address(report.bound)],
    )


def _group_findings(report: TrainingReport) -> list[raikit.Finding]:
    """Return one finding for each feature whose groups certainly pay differently, and one for all others together."""
    gaps = [(feature, gap) for feature, gap in zip(report.features, report.gaps, strict=True) if gap.value is not None]
    certain = [(gap.low or 0) > 0 and "few_clusters" not in gap.flags for _, gap in gaps]
    unequal = [_unequal_finding(report, *pair) for pair, shown in zip(gaps, certain, strict=True) if shown]
    undecided = [pair for pair, shown in zip(gaps, certain, strict=True) if not shown]
    return [*unequal, *([_undecided_finding(report, undecided)] if undecided else [])]


def _unequal_finding(report: TrainingReport, feature: SensitiveFeature, gap: raikit.Metric) -> raikit.Finding:
    costs = report.by_group[feature.column]
    value = np.where(costs.n > 0, costs.value, np.nan)
    most, least = int(np.nanargmax(value)), int(np.nanargmin(value))
    return raikit.Finding(
        sentence=f"Privacy at ε = {report.target:g} costs {feature.text(most)} {points(float(value[most]))} of accuracy and "
                 f"{feature.text(least)} {points(float(value[least]))}: a difference of {points(gap.value or 0)} "
                 f"({_evidence(report, gap)}).{_weights_sentence(report)} {_noise_sentence(report)}",
        severity="note" if report.flags else "warn", what="cost of privacy, by group", who=feature.text(most),
        certainty=metric_interval(gap), metrics=[report.address(gap)], figures=[f"accuracy-{report.target}-{feature.column}"],
        group={feature.column: feature.groups[most]},
    )


def _undecided_finding(report: TrainingReport, undecided: Sequence[tuple[SensitiveFeature, raikit.Metric]]) -> raikit.Finding:
    gaps = "; ".join(
        f"{feature.column} {points(gap.value or 0)}, {interval(gap.low, gap.high, gap.unit, value=gap.value)}"
        + (" (fewer than two groups have enough clusters of similar size)" if "few_clusters" in gap.flags else "")
        for feature, gap in undecided
    )
    return raikit.Finding(
        sentence=f"Privacy at ε = {report.target:g} is not shown to cost some groups more than others. Largest differences: "
                 f"{gaps} (simultaneous {confidence(report.level)} CI; {sample_size(report.cost.n)}).{_weights_sentence(report)} "
                 f"{_noise_sentence(report)}",
        what="cost of privacy, by group", certainty="not shown",
        metrics=[report.address(gap) for _, gap in undecided],
        figures=[f"accuracy-{report.target}-{feature.column}" for feature, _ in undecided],
    )


def settings_table(trials: Trials, outcomes: Sequence[TrialOutcome]) -> raikit.Table:
    """Return how each private model was trained, one row per budget."""
    recipe = trials.recipe
    rows = [[
        outcome.budget.target, outcome.epsilon, outcome.budget.delta, NAMES[outcome.budget.accountant],
        outcome.budget.noise_multiplier, recipe.max_grad_norm, recipe.sample_rate, outcome.steps, recipe.learning_rate,
    ] for outcome in outcomes]
    titles = [("target", "Target ε", "number"), ("epsilon", "Spent ε", "number"), ("delta", "δ", "number"),
              ("accountant", "Accountant", "text"), ("noise", "Noise multiplier", "number"), ("clip", "Clipping norm", "number"),
              ("rate", "Sampling rate", "number"), ("steps", "Steps", "integer"), ("learning_rate", "Learning rate", "number")]
    return raikit.Table(
        id="training", title="Settings of private training", rows=rows,
        columns=[raikit.Column(name=name, title=title, format=form) for name, title, form in titles],
        note=f"{count(recipe.rows)} training cases; {recipe.epochs} epochs of {recipe.steps_per_epoch} steps; Poisson sampling; "
             f"SGD with momentum; layers: {recipe.layers}; sampling weights not used in training. Every epoch was run and the "
             f"last weights were kept; no epoch was chosen by its validation score. {_clipping_note(outcomes)}",
    )


def _clipping_note(outcomes: Sequence[TrialOutcome]) -> str:
    reasons = list(dict.fromkeys(outcome.no_shortcut for outcome in outcomes if outcome.no_shortcut))
    if not reasons:
        return ("Clipping was compared with one gradient per case on some of the cases, before and during training; they "
                "agree up to rounding.")
    return ("The gradient of each case was computed by itself, which is slower. Opacus's shortcut is not right for this model: "
            f"{'; '.join(reasons)}.")
