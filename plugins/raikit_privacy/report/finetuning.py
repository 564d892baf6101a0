"""Findings of ``privacy.dp_finetuning``: what epsilon covers, what it costs, and whom."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

import raikit
from raikit_privacy.estimates.budget import NAMES
from raikit_privacy.estimates.costs import Pairs, costs
from raikit_privacy.estimates.features import largest_clusters
from raikit_privacy.words import ground, percent, points, signed, span

if TYPE_CHECKING:
    from raikit_privacy.estimates.features import Feature
    from raikit_privacy.finetuning import Reported, Trials


def scope(ctx: raikit.CheckContext, trials: Trials) -> list[raikit.Finding]:
    """What epsilon is about: where the weights came from, one row, and a seed that is known."""
    assert ctx.model is not None
    said = [_start(ctx), *_one_row(ctx)]
    said.append(raikit.Finding(
        sentence="Noise and sampling were drawn from the run's seed: this is a measurement, not a release. The "
                 "private model was thrown away; one that is released must draw its noise from the operating system.",
        what="seeded noise", certainty="by construction",
    ))
    if trials.tested.available > len(trials.tested.frame):
        said.append(raikit.Finding(
            sentence=f"Models were compared on {len(trials.tested.frame):,} of {trials.tested.available:,} test rows, "
                     "whole clusters drawn at random (test_rows asks for more).", what="rows compared",
        ))
    return said


def _start(ctx: raikit.CheckContext) -> raikit.Finding:
    assert ctx.model is not None
    if ctx.model.kind != "fusion":
        return raikit.Finding(
            sentence="epsilon covers this fine-tuning only; whether the given weights had seen these rows is unknown.",
            severity="warn", what="scope of epsilon", certainty="unknown",
        )
    return raikit.Finding(
        sentence="epsilon covers the training of the weights, from newly drawn ones that had seen no row. Outside it are "
                 "the scaling of columns, which was fitted on the train rows, the number of train rows, which is taken as "
                 "public, and options of this check if they were chosen by trying them on these rows.",
        what="scope of epsilon", certainty="by construction",
    )


def _one_row(ctx: raikit.CheckContext) -> list[raikit.Finding]:
    largest = {column: rows for column, rows in largest_clusters(ctx, "train").items() if rows > 1}
    if not largest:
        return []
    said = " and ".join(f"one {column} is in up to {rows:,}" for column, rows in largest.items())
    return [raikit.Finding(
        sentence=f"epsilon protects one row, not all rows of a cluster: among the train rows {said}. Whoever is in k "
                 "rows has k times epsilon, and a larger delta.",
        severity="warn", what="unit of privacy", certainty="by construction",
    )]


def of_training(report: Reported) -> list[raikit.Finding]:
    """What one budget buys and costs."""
    return [_cost(report), *_twin(report), *_chance(report), _promise(report), *_groups(report)]


def _cost(report: Reported) -> raikit.Finding:
    cost, accuracy, budget = report.cost, report.accuracy, report.outcome.budget
    address = report.check.address
    direction = "costs" if (cost.value or 0) >= 0 else "gains"
    return raikit.Finding(
        sentence=f"Trained to ε = {report.outcome.epsilon:.2f} at δ = {budget.delta:.2g} (target {report.target:g}, "
                 f"accountant {NAMES[budget.accountant]}), a model is right in {percent(accuracy.value or 0)} of rows; "
                 f"the audited one is in {percent(float(report.audited.value[0]))} of the same rows. Privacy "
                 f"{direction} {signed(abs(cost.value or 0))} points ({span(cost, report.level)}; "
                 f"{ground(cost, report.ctx.cluster)}).",
        severity="note", what="accuracy with and without privacy", who="everyone", certainty=span(cost, report.level),
        metrics=[address(cost), address(accuracy), address(report.epsilon)],
        figures=[f"spending-{report.target}"],
    )


def _twin(report: Reported) -> list[raikit.Finding]:
    if report.twin is None:
        return []
    twin = report.twin
    return [raikit.Finding(
        sentence=f"Against a model trained alike but without noise the cost is {signed(twin.value or 0)} points "
                 f"({span(twin, report.level)}; {ground(twin, report.ctx.cluster)}); the rest comes of clipping, of fewer "
                 "steps and of layers that were not trained.",
        what="cost of the noise alone", metrics=[report.check.address(twin)],
    )]


def _chance(report: Reported) -> list[raikit.Finding]:
    """Whether the private model has learnt anything: its accuracy against always answering the commonest class."""
    pairs, always = report.outcome.pairs, report.trials.tested.commonest(report.ctx)
    found = costs(Pairs(pairs.private, always, pairs.weight, pairs.clusters), None, report.level)
    if found.low[0] > 0:
        return []
    return [raikit.Finding(
        sentence=f"At ε = {report.target:g} the private model is not established to be better than always answering "
                 f"the commonest class of these rows, which is right in {percent(float(np.mean(always)))} of them "
                 f"(difference {points(found.value[0])}, {report.level * 100:g} % interval {signed(found.low[0])} to "
                 f"{signed(found.high[0])}; {ground(report.accuracy, report.ctx.cluster)}).",
        severity="note", what="whether the private model is of use", metrics=[report.check.address(report.accuracy)],
    )]


def _promise(report: Reported) -> raikit.Finding:
    ceiling = report.ceiling.value or 0.0
    return raikit.Finding(
        sentence=f"What ε = {report.outcome.epsilon:.2f} promises: no attack of any kind that takes 1 % of non-members "
                 f"for members recognises more than {percent(ceiling)} of the rows that the private model was trained "
                 "on.",
        what="bound on membership inference", certainty="proved, from the accountant",
        metrics=[report.check.address(report.ceiling)],
    )


def _groups(report: Reported) -> list[raikit.Finding]:
    """Features whose groups pay differently beyond doubt, one by one; in one sentence those for which that is open."""
    known = [(feature, gap) for feature, gap in zip(report.features, report.gaps, strict=True) if gap.value is not None]
    settled = [(gap.low or 0) > 0 and "few_clusters" not in gap.flags for _, gap in known]
    unsettled = [pair for pair, beyond_doubt in zip(known, settled, strict=True) if not beyond_doubt]
    said = [_unequal(report, *pair) for pair, beyond_doubt in zip(known, settled, strict=True) if beyond_doubt]
    return [*said, *([_not_established(report, unsettled)] if unsettled else [])]


def _unequal(report: Reported, feature: Feature, gap: raikit.Metric) -> raikit.Finding:
    found = report.by_group[feature.column]
    value = np.where(found.n > 0, found.value, np.nan)
    most, least = int(np.nanargmax(value)), int(np.nanargmin(value))
    return raikit.Finding(
        sentence=f"Privacy at ε = {report.target:g} costs rows with {feature.name(most)} {signed(value[most])} points of "
                 f"accuracy and rows with {feature.name(least)} {signed(value[least])}: {signed(gap.value or 0)} points apart "
                 f"({span(gap, report.level)}; {ground(gap, report.ctx.cluster)}).",
        severity="warn", what="cost of privacy, by group", who=feature.name(most), certainty=span(gap, report.level),
        metrics=[report.check.address(gap)], figures=[f"accuracy-{report.target}-{feature.column}"],
        group={feature.column: feature.groups[most]},
    )


def _not_established(report: Reported, unsettled: list[tuple[Feature, raikit.Metric]]) -> raikit.Finding:
    each = "; ".join(
        f"{feature.column} {signed(gap.value or 0)} points apart, {signed(gap.low or 0)} to {signed(gap.high or 0)}"
        + (f" (fewer than two groups have {raikit.stats.MIN_CLUSTERS} clusters)" if "few_clusters" in gap.flags else "")
        for feature, gap in unsettled
    )
    return raikit.Finding(
        sentence=f"That privacy at ε = {report.target:g} costs some groups more than others is not established for {each} "
                 f"({report.level * 100:g} % simultaneous intervals; {report.cost.n:,} rows).",
        what="cost of privacy, by group", certainty="not established",
        metrics=[report.check.address(gap) for _, gap in unsettled],
        figures=[f"accuracy-{report.target}-{feature.column}" for feature, _ in unsettled],
    )
