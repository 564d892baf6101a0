"""Findings of ``privacy.membership_inference``: what the attack recognises, whom, and what else it might be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import raikit
from raikit_privacy.words import ground, percent

if TYPE_CHECKING:
    from raikit_privacy.inference import Attacked


def _between(metric: raikit.Metric, level: float, scale: float = 1.0, form: str = ".3f") -> str:
    low, high = (metric.low or 0.0) * scale, (metric.high or 0.0) * scale
    return f"{level * 100:g} % {'simultaneous ' if metric.simultaneous else ''}interval {low:{form}} to {high:{form}}"


def area_finding(check: raikit.Check, rows: Attacked, area: raikit.Metric, ctx: raikit.CheckContext) -> raikit.Finding:
    value, between = area.value or 0.0, _between(area, ctx.confidence, 100, ".1f")
    if (area.low or 0) > 0.5:
        said = "The loss tells members from non-members better than guessing"
    elif (area.high or 1) < 0.5:
        said = "Members have a higher loss than non-members, which memory cannot explain: they are of two populations"
    else:
        said = "That the loss tells members from non-members is not established"
    return raikit.Finding(
        sentence=f"{said}: of a row that was trained on and one that was not, the first has the lower {rows.kind} in "
                 f"{percent(value)} of pairs, where guessing gives 50 % ({between}; {rows.losses.members:,} members, "
                 f"{rows.losses.others:,} non-members from {rows.split}{_clusters(area, ctx)}).",
        what="membership inference", who="everyone", certainty=between, metrics=[check.address(area)], figures=["roc"],
    )


def rate_finding(check: raikit.Check, rows: Attacked, rate: raikit.Metric, ctx: raikit.CheckContext) -> raikit.Finding:
    fpr = float(rate.args["fpr"] or 0)
    if rate.value is None:
        return raikit.Finding(sentence=f"How many members are recognised almost surely is not known: {rate.reason}.",
                              what="membership inference", certainty="not measured", metrics=[check.address(rate)])
    between = _between(rate, ctx.confidence, 100, ".1f")
    return raikit.Finding(
        sentence=f"At a threshold that takes {percent(fpr)} of non-members for members, {percent(rate.value)} of "
                 f"members are recognised, where guessing gives {percent(fpr)} ({between}; {rows.losses.members:,} "
                 f"members, {rows.losses.others:,} non-members{_clusters(rate, ctx)}).",
        what="membership inference at few false alarms", certainty=between, metrics=[check.address(rate)], figures=["roc"],
    )


def group_findings(
    check: raikit.Check, area: raikit.Metric, groups: list[raikit.Metric], ctx: raikit.CheckContext
) -> list[raikit.Finding]:
    """Groups whose whole interval lies above the estimate for everyone."""
    exposed = [m for m in groups if m.value is not None and (m.low or 0.0) > (area.high or 1.0)]
    return [
        raikit.Finding(
            sentence=f"Members with {_named(metric)} are recognised more often than members at large: in "
                     f"{percent(metric.value or 0)} of pairs ({_between(metric, ctx.confidence, 100, '.1f')}; "
                     f"{ground(metric, ctx.cluster)}), against {percent(area.value or 0)} "
                     f"({_between(area, ctx.confidence, 100, '.1f')}).",
            severity="warn", what="membership inference, by group", who=_named(metric), group=metric.group,
            certainty=_between(metric, ctx.confidence, 100, ".1f"), metrics=[check.address(metric)], figures=["exposure"],
        )
        for metric in sorted(exposed, key=lambda m: -(m.low or 0.0))
    ]


def _named(metric: raikit.Metric) -> str:
    return ", ".join(f"{column}={'null' if value is None else value}" for column, value in (metric.group or {}).items())


def _clusters(metric: raikit.Metric, ctx: raikit.CheckContext) -> str:
    return "" if metric.n_clusters is None else f"; {metric.n_clusters:,} clusters ({' and '.join(ctx.cluster)})"


def caveats(rows: Attacked, ctx: raikit.CheckContext) -> list[raikit.Finding]:
    """What would make the numbers say something else than memory."""
    said = ("An attacker who trains models of the same kind may recognise more: this attack uses nothing but the "
            "loss, and what it finds is a lower bound.")
    if rows.split == "validation":
        said += (" If the model was chosen by its validation loss (early stopping), validation rows have a lower loss "
                 "for it, and memory is underestimated.")
    found = [raikit.Finding(sentence=said, what="membership inference", certainty="by construction")]
    if rows.split == "test":
        found.append(raikit.Finding(
            sentence="Non-members are test rows. If they come from other people than train rows, the attack tells the "
                     "populations apart, and that is not "
                     "memory.", severity="warn", what="population of the non-members"))
    far = [(column, distance) for column, distance in rows.distances() if distance > 0.1]
    if far:
        named = ", ".join(f"{column} ({percent(distance)} of rows would have to differ)" for column, distance in far)
        found.append(raikit.Finding(
            sentence=f"Members and non-members differ in {named}; {rows.losses.members:,} members, "
                     f"{rows.losses.others:,} non-members. A part of what the attack finds may be that difference and "
                     "not memory.",
            severity="warn", what="population of the non-members"))
    return found
