"""Findings and the settings of ``privacy.dp_finetuning``: what privacy costs, whom, and what it guarantees."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

import raikit
from raikit.format import (
    capitalised,
    column_text,
    confidence_interval,
    count,
    group_cases,
    group_name,
    headline,
    joined,
    measure,
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
from raikit_privacy.report.wording import at_most, is_decisive, numbers, percent_at_most
from raikit_privacy.words import plain

_MUCH = 0.05  # of accuracy: groups that surely differ by no more pay about the same


def untrainable_finding(reason: str, addresses: list[str]) -> raikit.Finding:
    """Say why no private model was trained, and what would help."""
    return raikit.Finding(
        kind="undecided", headline="This model cannot be trained privately as it is",
        evidence="Not measured: its cases see each other, or a guarantee would not hold",
        sentence=f"No private model was trained. {reason}.",
        facts=[("What would help", "A model that computes each case by itself: BatchNorm becomes GroupNorm."),
               ("Tool", "opacus.validators.ModuleValidator.fix replaces such layers.")],
        severity="note", what="differentially private training", metrics=addresses,
    )


def unknown_start_finding(problem: str, addresses: list[str]) -> raikit.Finding:
    """Say that nothing is claimed, because the initial weights may have seen the cases, and what would help."""
    return raikit.Finding(
        kind="undecided", headline="Initial weights may have seen training cases, so no privacy is claimed",
        evidence="Not measured: no private model was trained",
        sentence=f"No private model was trained, and nothing is claimed about privacy or its cost. {problem}.",
        severity="warn", what="differentially private training", certainty="cannot be decided", metrics=addresses,
    )


def training_findings(report: TrainingReport) -> list[raikit.Finding]:
    """Say what one budget costs, what it guarantees, and which groups pay."""
    return [_cost_finding(report), *_twin_findings(report), *_chance_findings(report), _bound_finding(report),
            _not_attacked_finding(report), *_group_findings(report)]


def _copies(report: TrainingReport) -> tuple[str, bool]:
    """Return what the private copies are called, and whether there are several."""
    several = report.outcome.pairs.trainings > 1
    return ("private copies" if several else "the private copy"), several


def _cost_finding(report: TrainingReport) -> raikit.Finding:
    cost, accuracy = report.cost, report.accuracy
    copies, several = _copies(report)
    verb = "are" if several else "is"
    kind: Literal["undecided", "worth_knowing"] = "worth_knowing"
    if is_decisive(cost) and (cost.low or 0.0) > 0:
        said = f"{capitalised(copies)} {verb} right less often than the audited model"
    elif is_decisive(cost) and (cost.high or 0.0) < 0:
        said = f"{capitalised(copies)} {verb} right more often than the audited model"
    else:
        kind, said = "undecided", f"Whether {copies} {verb} right less often cannot be decided"
    audited = percent(float(report.audited.value[0]))
    return raikit.Finding(
        kind=kind, headline=said,
        evidence=f"Accuracy {percent(accuracy.value or 0.0)} vs {audited} audited; accuracy lost {numbers(cost)}; "
                 f"n = {count(cost.n or 0)}",
        sentence="The difference includes whatever else its recipe changes, such as clipping and layers that are not trained."
                 f"{_weights_sentence(report)} {_noise_sentence(report)}",
        facts=[("Budget", _budget(report)), ("Sample", _size(report, cost)), ("Method", str(cost.method))],
        severity="note", what="accuracy with and without privacy", who="everyone", certainty=metric_interval(cost),
        metrics=[report.address(metric) for metric in (cost, accuracy, report.epsilon)],
        figures=[f"spending-{report.target}"],
    )


def _budget(report: TrainingReport) -> str:
    budget = report.outcome.budget
    return (f"ε = {at_most(report.outcome.epsilon)} at δ = {plain(budget.delta)}; target {report.target:g}; accountant "
            f"{NAMES[budget.accountant]}")


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


def _size(report: TrainingReport, metric: raikit.Metric) -> str:
    return sample_size(metric.n, metric.n_clusters, report.cluster_names)


def _noise_sentence(report: TrainingReport) -> str:
    """Say whether the interval of a finding covers the randomness of private training."""
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
    costly = is_decisive(report.twin) and (report.twin.low or 0.0) > 0
    return [raikit.Finding(
        kind="worth_knowing" if costly else "undecided",
        headline=("Noise alone lowers the accuracy of private training" if costly
                  else "Whether noise alone costs accuracy cannot be decided"),
        sentence="It is compared with a model trained in the same way but without noise. The rest of the cost is due to "
                 f"clipping, other steps and layers that were not trained.{_weights_sentence(report)} {_noise_sentence(report)}",
        facts=[("Sample", _size(report, report.twin)), ("Method", str(report.twin.method))],
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
    copies, several = _copies(report)
    worse = high < 0
    return [raikit.Finding(
        kind="worth_knowing" if worse else "undecided",
        headline=f"{capitalised(copies)} {('are' if several else 'is') if worse else 'may be'} "
                 f"{'worse' if worse else 'no better'} than always guessing one class",
        evidence=f"Accuracy {percent(report.accuracy.value or 0.0)}; guessing the most frequent class "
                 f"{percent(float(np.mean(majority)))}; difference {points(value, short=True)}, {ci.removesuffix(' pp')}; "
                 f"n = {count(report.accuracy.n or 0)}",
        sentence=_noise_sentence(report), facts=[("Sample", _size(report, report.accuracy))],
        severity="note", what="usefulness of the private model", metrics=[report.address(report.accuracy)],
    )]


def _bound_finding(report: TrainingReport) -> raikit.Finding:
    """State the bound with its conditions: secret noise, the weights alone, where training starts, and how it clips."""
    condition = f" This is so provided that {report.condition}." if report.condition else ""
    if not report.outcome.no_shortcut:
        condition += (" The bound also assumes that clipping is right for every case, as for those on which it was "
                      "compared.")
    epsilon, ceiling = at_most(report.outcome.epsilon), percent_at_most(report.bound.value or 0.0)
    budget = report.outcome.budget
    return raikit.Finding(
        kind="worth_knowing", headline="A private copy limits what any attack on its weights recognises",
        evidence=f"ε = {epsilon} at δ = {plain(budget.delta)}; at {percent(0.01)} false positives any attack recognises at most "
                 f"{ceiling} of training cases",
        sentence=f"With secret noise, ε = {epsilon} bounds every membership attack on the private weights. "
                 f"At a false positive rate of {percent(0.01)}, none recognises a single training case with a probability above "
                 f"{ceiling}. Whoever is in several cases, or has copies, may be recognised more often. An attack that also uses "
                 f"what was fitted without noise is not bounded.{condition}",
        facts=[("About", "The private copy, promised; it was deleted. The audited model has no such bound."),
               ("Accountant", NAMES[budget.accountant]), ("Noise multiplier", f"{budget.noise_multiplier:.3g}")],
        what="bound on membership inference",
        certainty="from the accountant" + (", under a condition that cannot be checked" if report.condition else ""),
        severity="warn" if report.condition else "note",
        metrics=[report.address(report.bound)],
    )


def _not_attacked_finding(report: TrainingReport) -> raikit.Finding:
    """Say that the promise was not put to the test."""
    return raikit.Finding(
        kind="method", headline="The private copy was not attacked", evidence="Measured: nothing; the promise is computed",
        facts=[("About", "The private copy, measured."), ("Why", "The bound holds for every attack, so one attack adds little.")],
        what="attack on the private copy", certainty="not measured", metrics=[report.address(report.bound)],
    )


def _group_findings(report: TrainingReport) -> list[raikit.Finding]:
    """Return a finding for each feature: its groups certainly pay differently, surely about the same, or neither is shown."""
    return [_group_finding(report, feature, gap) for feature, gap in zip(report.features, report.gaps, strict=True)
            if gap.value is not None]


def _group_finding(report: TrainingReport, feature: SensitiveFeature, gap: raikit.Metric) -> raikit.Finding:
    most, least = report.ends(feature)
    sides = {name: report.side(feature, index) for name, index in (("worse", most), ("better", least))}
    decided = "few_clusters" not in gap.flags
    column = column_text(feature.column)
    kind: Literal["undecided", "worth_knowing", "fine"]
    if decided and (gap.low or 0.0) > 0:
        kind, said = "worth_knowing", headline(
            f"Private training would cost {group_cases(sides['worse'].group)} the most accuracy",
            f"Private training would cost {group_name(sides['worse'].group)} the most accuracy",
            "Private training would cost one group the most accuracy")
    elif decided and (gap.high or 1.0) <= _MUCH:
        kind, said = "fine", headline(f"Private training would cost all groups of {column} about the same",
                                      "Private training would cost all groups about the same")
    else:
        kind, said = "undecided", headline(f"Whether private training would cost one {column} more cannot be decided",
                                           "Whether private training would cost one group more cannot be decided")
    facts = [("Excluded", f"A difference above {points(gap.high or 0.0)} between any two groups.")] if kind == "fine" else []
    facts += [("Too few", "Fewer than two groups have enough clusters of similar size.")] if not decided else []
    worse, better = (measure(side.value, side.low, side.high, "points") for side in sides.values())
    return raikit.Finding(
        kind=kind, headline=said, measure="accuracy_cost", **sides,
        evidence=f"Accuracy lost {worse} vs {better}; gap {numbers(gap)}; n = {count(sides['worse'].n or 0)} and "
                 f"{count(sides['better'].n or 0)}",
        sentence=f"{_noise_sentence(report)}{_weights_sentence(report)}",
        facts=[*facts, ("About", f"Private copies at ε = {report.target:g}, measured."), ("Compared with", (
            f"{capitalised(group_cases(sides['better'].group))}, who lose least.")), ("Sample", _size(report, gap)),
            ("Method", str(gap.method))],
        severity="warn" if kind == "worth_knowing" and not report.flags else "note", what="cost of privacy, by group",
        who=feature.text(most) if kind == "worth_knowing" else "", certainty=metric_interval(gap), metrics=[report.address(gap)],
        figures=[f"accuracy-{report.target}-{feature.column}"], group={feature.column: feature.groups[most]},
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
    return ("The gradient of each case was computed by itself, which is slower. Book-keeping is not right for this model: "
            f"{'; '.join(reasons)}.")
