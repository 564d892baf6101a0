"""Findings and the table of ``privacy.membership_inference``: what the attack recognises, whom, and other explanations."""

from __future__ import annotations

from typing import Any, Literal

import raikit
from raikit.format import (
    capitalised,
    case_noun,
    column_text,
    confidence_interval,
    count,
    group_cases,
    group_name,
    headline,
    joined,
    metric_interval,
    percent,
    sample_size,
    significant,
)
from raikit_privacy.estimates.attack import AttackedCases, AttackResult
from raikit_privacy.report import promises
from raikit_privacy.report.figures import attack_figures
from raikit_privacy.report.wording import is_decisive, numbers

_GUESSING = 0.5
_MARGIN = 0.10  # of the area: an attack that is surely nearer to guessing reveals little by the loss alone
_TIMES = 2  # An attack that surely recognises no more than twice what guessing does is no problem that these data show.
_MOST_COLUMNS = 3
_MANY_COPIES = 0.05  # share of the non-members
_FAR = 0.1  # total variation distance from which members and non-members count as two populations


def findings(result: AttackResult) -> list[raikit.Finding]:
    """Say that nothing is promised of the audited model, whom the attack recognises, and what else could explain that."""
    rates = [_rate_finding(result, rate) for rate in result.rates]
    return [promises.no_promise_finding(), _area_finding(result), *_reversal_findings(result), *rates, *_group_findings(result),
            *_caveats(result.cases)]


def _area_interval(area: raikit.Metric, level: float) -> str:
    """Write the interval of an area in percent, as sentences write the area itself."""
    return confidence_interval(area.low, area.high, "rate", level=level, value=area.value, simultaneous=area.simultaneous)


def _sample_facts(result: AttackResult, metric: raikit.Metric) -> list[tuple[str, str]]:
    """Return the numbers of members and non-members, and of clusters if there are any."""
    losses = result.cases.losses
    clusters = sample_size(None, metric.n_clusters, result.cases.cluster_names)
    return [("Training cases", f"{count(losses.members)} members from train."),
            ("Other cases", f"{count(losses.non_members)} non-members from {result.cases.split}."),
            *([("Clusters", clusters)] if clusters else []), ("Method", str(metric.method))]


def _sizes(result: AttackResult) -> str:
    losses = result.cases.losses
    return f"n = {count(losses.members)} and {count(losses.non_members)}"


def _area_finding(result: AttackResult) -> raikit.Finding:
    area, low, high = result.area, result.area.low or 0.0, result.area.high or 1.0
    decided = is_decisive(area)
    kind: Literal["undecided", "worth_knowing", "fine"]
    if decided and low > _GUESSING:
        kind, said = "worth_knowing", f"The audited model's losses give away some training {case_noun()}"
    elif decided and high < _GUESSING:
        kind, said = "worth_knowing", f"Training {case_noun()} have higher losses than others in the audited model"
    elif decided and high <= _GUESSING + _MARGIN:
        kind, said = "fine", "The attack on the audited model is not shown to beat guessing"
    else:
        kind, said = "undecided", "The attack on the audited model may beat guessing by far"
    one = case_noun(1)
    ci = _area_interval(area, result.level)
    excluded = [("Excluded", f"That an attack by the loss alone is right in more than {percent(high)} of pairs.")]
    return raikit.Finding(
        kind=kind, headline=headline(said, "The attack on the audited model was measured"),
        evidence=f"Attack AUC {numbers(area)}; guessing {significant(_GUESSING, 1)}; {_sizes(result)}",
        sentence=f"Of one training {one} and one other {one}, the training {one} has the lower {result.cases.kind} in "
                 f"{percent(area.value or 0.0)} of pairs ({ci}). Guessing gives {percent(_GUESSING)}.",
        facts=[*(excluded if kind == "fine" else []), ("About", "The audited model, measured."), *_sample_facts(result, area)],
        what="membership inference", who="everyone", certainty=ci, metrics=[result.address(area)],
        figures=[figure.id for figure in attack_figures(result)],
    )


def _reversal_findings(result: AttackResult) -> list[raikit.Finding]:
    """Say that the opposite attack works, and what can make it so: it is no sign that members are hard to recognise."""
    area = result.area
    if (area.high or 1) >= _GUESSING:
        return []
    noun, split = case_noun(), result.cases.split
    return [raikit.Finding(
        kind="worth_knowing", evidence=f"Attack AUC {numbers(area)}, below guessing; {_sizes(result)}",
        headline=headline(f"A high loss gives away training {noun} of the audited model",
                                                "A high loss gives training data away"),
        sentence=f"Whoever takes the higher loss for the training {case_noun(1)} is right in {percent(1 - (area.value or 0.0))} of "
                 f"pairs. Memory lowers a loss, so something else happened.",
        facts=[("May be", f"The model was trained on {split} {noun}."), ("Or", f"Training raised the loss of its own {noun}."),
               ("Or", f"The {noun} of both splits come from different populations."), *_sample_facts(result, area)],
        severity="warn", what="membership inference by a high loss", metrics=[result.address(area)], figures=["roc"],
    )]


def _rate_finding(result: AttackResult, rate: raikit.Metric) -> raikit.Finding:
    fpr = float(rate.args["fpr"] or 0)
    common: dict[str, Any] = {"what": "membership inference at a low false positive rate", "metrics": [result.address(rate)]}
    if rate.value is None:
        return raikit.Finding(
            kind="undecided", headline="Whether single cases are recognised for sure is not measured",
            evidence=capitalised(str(rate.reason)), certainty="not measured", **common)
    low, high, decided = rate.low or 0.0, rate.high or 1.0, is_decisive(rate)
    kind: Literal["undecided", "worth_knowing", "fine"]
    if decided and low > fpr:
        kind, said = "worth_knowing", "The attack recognises some of the audited model's training cases almost surely"
    elif decided and high <= _TIMES * fpr:
        kind, said = "fine", "The attack is not shown to recognise any training case almost surely"
    else:
        kind, said = "undecided", "The attack may recognise training cases of the audited model almost surely"
    excluded = [("Excluded", f"That more than {percent(high)} of training {case_noun()} are recognised.")]
    return raikit.Finding(
        kind=kind, headline=said, certainty=metric_interval(rate),
        evidence=f"Recognised at {percent(fpr)} false positives {numbers(rate)}; guessing {percent(fpr)}; {_sizes(result)}",
        facts=[*(excluded if kind == "fine" else []),
               ("Almost surely", f"Of other {case_noun()}, {percent(fpr)} are taken for training {case_noun()}."),
               ("About", "The audited model, measured."), *_sample_facts(result, rate)],
        figures=["roc"], **common,
    )


def _group_findings(result: AttackResult) -> list[raikit.Finding]:
    """Name groups whose whole interval lies above that of everyone, the most exposed first."""
    limit = result.area.high or 1.0
    exposed = [metric for metric in result.groups if metric.value is not None and (metric.low or 0.0) > limit]
    return [_group_finding(result, metric) for metric in sorted(exposed, key=lambda metric: -(metric.low or 0.0))]


def _group_finding(result: AttackResult, metric: raikit.Metric) -> raikit.Finding:
    area, group, whose = result.area, group_name(metric.group or {}), group_cases(metric.group or {})
    size = sample_size(metric.n, metric.n_clusters, result.cases.cluster_names)
    return raikit.Finding(
        kind="worth_knowing", severity="warn",
        headline=headline(f"The attack recognises {whose} more often than others",
                          f"The attack recognises {whose} more often", "The attack recognises one group more often"),
        evidence=f"Attack AUC {numbers(metric)}; everyone {numbers(area)}; {size}",
        facts=[("About", "The audited model, measured."), ("Method", str(metric.method))],
        what="membership inference, by group", who=group, group=metric.group, certainty=_area_interval(metric, result.level),
        metrics=[result.address(metric)], figures=["exposure"],
    )


def _caveats(cases: AttackedCases) -> list[raikit.Finding]:
    """Say what other explanations the numbers have than memory."""
    facts = [("Assumed", f"The model was trained on the train cases and on no {cases.split} case.")]
    if cases.split == "validation":
        facts.append(("Early stopping", (
            "If the model was chosen by its validation loss (early stopping), that loss is lower. Memory is then underestimated.")))
    findings = [raikit.Finding(
        kind="method", headline="The attack is a lower bound on what the audited model reveals", facts=facts,
        evidence="It uses nothing but the loss of each case",
        sentence="An attacker who trains models of the same kind may recognise more: this attack uses nothing but the loss.",
        what="membership inference", certainty="by construction")]
    if cases.split == "test":
        findings.append(raikit.Finding(
            kind="worth_knowing", headline="The attack compares training cases with test cases, which may differ",
            evidence=f"There are no validation {case_noun()}, or the options name test {case_noun()}",
            sentence=f"Non-members are test {case_noun()}. If they come from other people than training {case_noun()}, the "
                     "attack separates the populations, and that is not memory.",
            severity="warn", what="population of the non-members"))
    return [*findings, *comparability_findings(cases)]


def comparability_findings(cases: AttackedCases) -> list[raikit.Finding]:
    """Say what else than memory may separate members from non-members, and where telling cases apart tells no people apart."""
    return [*_people_findings(cases), *_copies_findings(cases), *_population_findings(cases)]


def _people_findings(cases: AttackedCases) -> list[raikit.Finding]:
    """Say that cases are told apart and not people, where non-members are of people who are in training cases too."""
    shared = cases.with_a_member()
    if not shared:
        return []
    whose = joined([f"{count(number)} share a {column_text(column)}" for column, number in shared])
    return [raikit.Finding(
        kind="method", headline="The attack tells cases apart, not people",
        evidence=f"{capitalised(whose)} with training {case_noun()}",
        sentence=f"Of {count(cases.losses.non_members)} non-members, {whose} with training {case_noun()}. Whether anything of one "
                 f"{column_text(shared[0][0])} was trained on is another question. It may be far easier to answer.",
        severity="warn", what="unit of privacy", certainty="by construction")]


def _copies_findings(cases: AttackedCases) -> list[raikit.Finding]:
    if not cases.copies:
        return []
    many = cases.copies > _MANY_COPIES * cases.losses.non_members
    return [raikit.Finding(
        kind="worth_knowing" if many else "method", headline="The attack is tried on copies of training cases",
        evidence=f"{count(cases.copies)} of {count(cases.losses.non_members)} non-members have the inputs of a training case",
        sentence=f"{count(cases.copies)} of {count(cases.losses.non_members)} non-members have the same inputs as a training case. "
                 "The model has seen these inputs.",
        facts=[("Effect", "The attack recognises fewer if the targets are the same too, and may recognise more if they differ."),
               ("Not counted", "Copies under other file names or spellings.")],
        severity="warn" if many else "note", what="copies of training cases")]


def _population_findings(cases: AttackedCases) -> list[raikit.Finding]:
    far = [(column, distance) for column, distance in cases.distances() if distance > _FAR]
    if not far:
        return []
    shown = far[:_MOST_COLUMNS]
    names = joined([column_text(column) for column, _ in shown])
    return [raikit.Finding(
        kind="worth_knowing", severity="warn",
        headline=headline(f"Members and non-members of the attack differ in {names}", "Members and non-members differ"),
        evidence="; ".join(f"{column_text(column)} {percent(distance)} of {case_noun()}" for column, distance in shown),
        sentence=f"Members and non-members differ in {names}. A part of what the attack "
                 "finds may be that difference and not memory.",
        facts=[(f"Differ in {column_text(column)}", f"{percent(distance)} of {case_noun()} would have to have another value.")
               for column, distance in far],
        what="population of the non-members")]


def population_table(cases: AttackedCases) -> raikit.Table:
    """Return how much non-members differ from members, one row per column."""
    return raikit.Table(
        id="population", title="How much members and non-members differ",
        columns=[raikit.Column(name="column", title="Column"),
                 raikit.Column(name="distance", title=f"Share of {case_noun()} that would have to differ", format="percent")],
        rows=[[column_text(column), distance] for column, distance in cases.distances()],
        note=f"{count(cases.losses.members)} members (train) and {count(cases.losses.non_members)} non-members ({cases.split}). "
             f"Total variation distance of the groups' shares; with few {case_noun()} it is above 0 by chance.",
    )
