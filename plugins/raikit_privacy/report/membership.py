"""Findings and the table of ``privacy.membership_inference``: what the attack recognises, whom, and other explanations."""

from __future__ import annotations

import raikit
from raikit.format import (
    case_noun,
    confidence_interval,
    count,
    group_text,
    joined,
    metric_interval,
    percent,
    sample_size,
)
from raikit_privacy.estimates.attack import AttackedCases, AttackResult

_MANY_COPIES = 0.05  # share of the non-members
_FAR = 0.1  # total variation distance from which members and non-members count as two populations


def findings(result: AttackResult) -> list[raikit.Finding]:
    """Say whom the attack recognises, and what else could explain it."""
    rates = [_rate_finding(result, rate) for rate in result.rates]
    return [_area_finding(result), *_reversal_findings(result), *rates, *_group_findings(result), *_caveats(result.cases)]


def _area_interval(area: raikit.Metric, level: float) -> str:
    """Write the interval of an area in percent, as sentences write the area itself."""
    return confidence_interval(area.low, area.high, "rate", level=level, value=area.value, simultaneous=area.simultaneous)


def _sample(result: AttackResult, metric: raikit.Metric) -> str:
    """Write the numbers of members and non-members, and of clusters if there are any."""
    losses = result.cases.losses
    members = f"{count(losses.members)} members, {count(losses.non_members)} non-members from {result.cases.split}"
    clusters = sample_size(None, metric.n_clusters, result.cases.cluster_names)
    return f"{members}; {clusters}" if clusters else members


def _area_finding(result: AttackResult) -> raikit.Finding:
    area = result.area
    ci = _area_interval(area, result.level)
    if (area.low or 0) > 0.5:
        verdict = "The loss separates members from non-members better than guessing"
    elif (area.high or 1) < 0.5:
        verdict = "Members have a higher loss than non-members"
    else:
        verdict = "The loss is not shown to separate members from non-members"
    return raikit.Finding(
        sentence=f"{verdict}. Of one training {case_noun(1)} and one other {case_noun(1)}, the training {case_noun(1)} has the "
                 f"lower {result.cases.kind} "
                 f"in {percent(area.value or 0.0)} of pairs, where guessing gives {percent(0.5)} ({ci}; "
                 f"{_sample(result, area)}).",
        what="membership inference", who="everyone", certainty=ci, metrics=[result.address(area)], figures=["roc"],
    )


def _reversal_findings(result: AttackResult) -> list[raikit.Finding]:
    """Say that the opposite attack works, and what can make it so: it is no sign that members are hard to recognise."""
    area = result.area
    if (area.high or 1) >= 0.5:
        return []
    noun, split = case_noun(), result.cases.split
    return [raikit.Finding(
        sentence=f"Whoever takes the higher loss for the training {case_noun(1)} is right in {percent(1 - (area.value or 0.0))} of "
                 f"pairs. Memory lowers a loss, so something else happened: the model was trained on {split} {noun}, training "
                 f"raised the loss of its own {noun}, or the two come from different populations.",
        severity="warn", what="membership inference by a high loss", metrics=[result.address(area)], figures=["roc"],
    )]


def _rate_finding(result: AttackResult, rate: raikit.Metric) -> raikit.Finding:
    fpr = percent(float(rate.args["fpr"] or 0))
    if rate.value is None:
        return raikit.Finding(sentence=f"How many members are recognised with near certainty is not measured: {rate.reason}.",
                              what="membership inference", certainty="not measured", metrics=[result.address(rate)])
    return raikit.Finding(
        sentence=f"At a false positive rate of {fpr}, {percent(rate.value)} of members are recognised, where guessing gives "
                 f"{fpr} ({metric_interval(rate)}; {_sample(result, rate)}).",
        what="membership inference at a low false positive rate", certainty=metric_interval(rate),
        metrics=[result.address(rate)], figures=["roc"],
    )


def _group_findings(result: AttackResult) -> list[raikit.Finding]:
    """Name groups whose whole interval lies above that of everyone, the most exposed first."""
    limit = result.area.high or 1.0
    exposed = [metric for metric in result.groups if metric.value is not None and (metric.low or 0.0) > limit]
    return [_group_finding(result, metric) for metric in sorted(exposed, key=lambda metric: -(metric.low or 0.0))]


def _group_finding(result: AttackResult, metric: raikit.Metric) -> raikit.Finding:
    area, group = result.area, group_text(metric.over, metric.group)
    ci = _area_interval(metric, result.level)
    return raikit.Finding(
        sentence=f"Members with {group} are recognised more often than members overall: in {percent(metric.value or 0)} of "
                 f"pairs ({ci}; {sample_size(metric.n, metric.n_clusters, result.cases.cluster_names)}), against "
                 f"{percent(area.value or 0)} ({_area_interval(area, result.level)}).",
        severity="warn", what="membership inference, by group", who=group, group=metric.group, certainty=ci,
        metrics=[result.address(metric)], figures=["exposure"],
    )


def _caveats(cases: AttackedCases) -> list[raikit.Finding]:
    """Say what other explanations the numbers have than memory."""
    sentence = ("An attacker who trains models of the same kind may recognise more: this attack uses nothing but the loss, and "
                "what it finds is a lower bound. It takes the model to have been trained on the train cases and on no "
                f"{cases.split} case.")
    if cases.split == "validation":
        sentence += (f" If the model was chosen by its validation loss (early stopping), its loss on validation {case_noun()} "
                     f"is lower, "
                     "and memorisation is underestimated.")
    findings = [raikit.Finding(sentence=sentence, what="membership inference", certainty="by construction")]
    if cases.split == "test":
        findings.append(raikit.Finding(
            sentence=f"Non-members are test {case_noun()}. If they come from other people than training {case_noun()}, the "
                     f"attack separates the "
                     "populations, and that is not memory.",
            severity="warn", what="population of the non-members"))
    return [*findings, *_people_findings(cases), *_copies_findings(cases), *_population_findings(cases)]


def _people_findings(cases: AttackedCases) -> list[raikit.Finding]:
    """Say that cases are told apart and not people, where non-members are of people who are in training cases too."""
    shared = cases.with_a_member()
    if not shared:
        return []
    whose = joined([f"{count(number)} share a {column}" for column, number in shared])
    return [raikit.Finding(
        sentence=f"Of {count(cases.losses.non_members)} non-members, {whose} with training {case_noun()}. The attack tells "
                 f"training {case_noun()} from other {case_noun()}. It does not tell whether what belongs to one {shared[0][0]} "
                 "was trained on or not, which may be far easier.",
        severity="warn", what="unit of privacy", certainty="by construction")]


def _copies_findings(cases: AttackedCases) -> list[raikit.Finding]:
    if not cases.copies:
        return []
    return [raikit.Finding(
        sentence=f"{count(cases.copies)} of {count(cases.losses.non_members)} non-members have the same inputs as a training case, "
                 "not counting copies under other file names or spellings. The model has seen these inputs, so the attack does not "
                 "measure how it recognises training cases among new ones. It recognises fewer if the targets are the same too, "
                 "and may recognise more if they differ.",
        severity="warn" if cases.copies > _MANY_COPIES * cases.losses.non_members else "note", what="copies of training cases")]


def _population_findings(cases: AttackedCases) -> list[raikit.Finding]:
    far = [(column, distance) for column, distance in cases.distances() if distance > _FAR]
    if not far:
        return []
    columns = ", ".join(f"{column} ({percent(distance)} of {case_noun()} would have to differ)" for column, distance in far)
    return [raikit.Finding(
        sentence=f"Members and non-members differ in {columns}; {count(cases.losses.members)} members, "
                 f"{count(cases.losses.non_members)} non-members. A part of what the attack finds may be that difference and not "
                 "memory.",
        severity="warn", what="population of the non-members")]


def population_table(cases: AttackedCases) -> raikit.Table:
    """Return how much non-members differ from members, one row per column."""
    return raikit.Table(
        id="population", title="How much members and non-members differ",
        columns=[raikit.Column(name="column", title="Column"),
                 raikit.Column(name="distance", title=f"Share of {case_noun()} that would have to differ", format="percent")],
        rows=[[column, distance] for column, distance in cases.distances()],
        note=f"{count(cases.losses.members)} members (train) and {count(cases.losses.non_members)} non-members ({cases.split}). "
             f"Total variation distance of the groups' shares; with few {case_noun()} it is above 0 by chance.",
    )
