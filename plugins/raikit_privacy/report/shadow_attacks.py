"""Findings, tables and figures of ``privacy.shadow_attacks``."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

import raikit
from raikit.format import (
    capitalised,
    case_noun,
    confidence,
    confidence_interval,
    count,
    group_cases,
    group_name,
    headline,
    measure,
    metric_interval,
    percent,
    sample_size,
    significant,
)
from raikit_privacy.estimates import membership
from raikit_privacy.estimates.shadow_membership import NAMES, Attack, ShadowResult
from raikit_privacy.report.figures import area_by_group
from raikit_privacy.report.membership import comparability_findings
from raikit_privacy.report.wording import is_decisive, numbers

_GUESSING = 0.5
_MARGIN = 0.10  # of the area: an attack that is surely nearer to guessing reveals little
_TIMES = 2  # as in `raikit_privacy.report.membership`
_MOST_POINTS = 200
_NEEDS: dict[Attack, str] = {
    "bavaria": "shadow models", "rmia": "shadow models", "lira": "shadow models",
    "lira_offline": "shadow models that have not seen the case", "calibrated": "shadow models that have not seen the case",
    "quantile": "classes and groups of cases that were not trained on", "entropy": "scores alone", "loss": "scores and target",
}


def findings(result: ShadowResult) -> list[raikit.Finding]:
    """Say whether any attack recognises training cases, how surely at low false positive rates, which groups, and what it means."""
    rates = result.rates[result.declared]
    return [_area_finding(result), *(_rate_finding(result, at) for at in range(len(rates))), *_group_findings(result),
            _method_finding(result), *comparability_findings(result.cases)]


def not_measured_finding(reason: str, addresses: list[str]) -> raikit.Finding:
    """Say why no shadow model was trained."""
    return raikit.Finding(
        kind="undecided", headline="Attacks with shadow models do not apply to this model",
        evidence="Not measured: no shadow model was trained",
        sentence=f"{capitalised(reason)}.", what="attacks with shadow models", certainty="not measured", metrics=addresses)


def _sizes(result: ShadowResult) -> str:
    losses = result.cases.losses
    return f"n = {count(losses.members)} and {count(losses.non_members)}"


def _facts(result: ShadowResult, metric: raikit.Metric) -> list[tuple[str, str]]:
    losses = result.cases.losses
    clusters = sample_size(None, metric.n_clusters, result.cases.cluster_names)
    return [("About", "The audited model, measured."), ("Training cases", f"{count(losses.members)} members from train."),
            ("Other cases", f"{count(losses.non_members)} non-members from {result.cases.split}."),
            *([("Clusters", clusters)] if clusters else []), ("Method", str(metric.method))]


def _area_finding(result: ShadowResult) -> raikit.Finding:
    attack = result.strongest
    area = result.areas[attack]
    largest = max(metric.high or 1.0 for metric in result.areas.values())
    decided = all(is_decisive(metric) for metric in result.areas.values())
    kind: Literal["undecided", "worth_knowing", "fine"]
    if is_decisive(area) and (area.low or 0.0) > _GUESSING:
        kind, said = "worth_knowing", f"An attacker with shadow models recognises some training {case_noun()}"
    elif decided and largest <= _GUESSING + _MARGIN:
        kind, said = "fine", "No attack with shadow models is shown to beat guessing"
    else:
        kind, said = "undecided", "Attacks with shadow models may beat guessing by far"
    excluded = [("Excluded", f"That one of these attacks is right in more than {percent(largest)} of pairs.")]
    one = case_noun(1)
    return raikit.Finding(
        kind=kind, headline=headline(said, "Attacks with shadow models were tried"),
        evidence=f"Attack AUC of {NAMES[attack]} {numbers(area)}; guessing {significant(_GUESSING, 1)}; {_sizes(result)}",
        sentence=f"Of one training {one} and one other {one}, the strongest attack picks the training {one} in "
                 f"{percent(area.value or 0.0)} of pairs. Guessing gives {percent(_GUESSING)}.",
        facts=[*(excluded if kind == "fine" else []),
               ("Strongest", f"{NAMES[attack]}, of {count(len(result.areas))} attacks tried."),
               *_facts(result, area)],
        severity="warn" if kind == "worth_knowing" else "note", what="membership inference with shadow models", who="everyone",
        certainty=confidence_interval(area.low, area.high, "rate", level=result.level, value=area.value,
                                      simultaneous=area.simultaneous),
        metrics=[result.address(area)], figures=["shadow-roc"])


def _rate_finding(result: ShadowResult, at: int) -> raikit.Finding:
    rates = {attack: rates[at] for attack, rates in result.rates.items()}
    fpr = float(rates[result.declared].args["fpr"] or 0)
    measured = {attack: rate for attack, rate in rates.items() if rate.value is not None}
    common: dict[str, Any] = {"what": f"membership inference with shadow models at {percent(fpr)} false positives"}
    if not measured:
        rate = rates[result.declared]
        return raikit.Finding(
            kind="undecided", headline="Whether shadow models give single cases away is not measured",
            evidence=capitalised(str(rate.reason)), certainty="not measured", metrics=[result.address(rate)], **common)
    attack = max(measured, key=lambda name: measured[name].low or 0.0)
    rate, largest = measured[attack], max(rate.high or 1.0 for rate in measured.values())
    kind: Literal["undecided", "worth_knowing", "fine"]
    if is_decisive(rate) and (rate.low or 0.0) > fpr:
        kind, said = "worth_knowing", f"Some training {case_noun()} are recognised almost surely"
    elif all(map(is_decisive, measured.values())) and largest <= _TIMES * fpr:
        kind, said = "fine", f"No training {case_noun(1)} is shown to be recognised almost surely"
    else:
        kind, said = "undecided", f"Training {case_noun()} may be recognised almost surely"
    excluded = [("Excluded", f"That one of these attacks recognises more than {percent(largest)} of training {case_noun()}.")]
    return raikit.Finding(
        kind=kind, headline=headline(said, "Attacks at a low false positive rate were tried"), certainty=metric_interval(rate),
        evidence=f"{NAMES[attack]} recognises {numbers(rate)} at {percent(fpr)} false positives; guessing {percent(fpr)}; "
                 f"{_sizes(result)}",
        facts=[*(excluded if kind == "fine" else []),
               ("Almost surely", f"Of other {case_noun()}, {percent(fpr)} are taken for training {case_noun()}."),
               *_facts(result, rate)],
        severity="warn" if kind == "worth_knowing" else "note", metrics=[result.address(rate)], figures=["shadow-roc"], **common)


def _group_findings(result: ShadowResult) -> list[raikit.Finding]:
    """Name groups whose whole interval lies above that of everyone, the most exposed first."""
    everyone = result.areas[result.declared]
    exposed = [metric for metric in result.groups
               if metric.name == "shadow_auc" and metric.value is not None and (metric.low or 0.0) > (everyone.high or 1.0)]
    return [
        raikit.Finding(
            kind="worth_knowing", severity="warn",
            headline=headline(f"Shadow models recognise {group_cases(metric.group or {})} more often than others",
                              "Shadow models recognise one group more often than others"),
            evidence=f"Attack AUC {numbers(metric)}; everyone {numbers(everyone)}; "
                     f"{sample_size(metric.n, metric.n_clusters, result.cases.cluster_names)}",
            facts=[("About", "The audited model, measured."), ("Attack", NAMES[result.declared]), ("Method", str(metric.method))],
            what="membership inference with shadow models, by group", who=group_name(metric.group or {}), group=metric.group,
            certainty=metric_interval(metric), metrics=[result.address(metric)], figures=["exposure"])
        for metric in sorted(exposed, key=lambda metric: -(metric.low or 0.0))
    ]


def _method_finding(result: ShadowResult) -> raikit.Finding:
    losses = result.cases.losses
    return raikit.Finding(
        kind="method", headline="How shadow models were trained, and what they do not show",
        evidence=f"{count(result.models)} models, each on half of {count(len(losses))} {case_noun()}",
        sentence="Shadow models have the audited model's settings. A stronger attacker may train more of them, or see more than "
                 "scores.",
        facts=[("Preprocessing", f"The audited model's own, which learnt from its training {case_noun()}."),
               ("Size", f"Each is trained on about {count(len(losses) // 2)} {case_noun()}."),
               ("Audited model", f"Trained on {count(losses.members)} {case_noun()}."),
               ("Groups", f"Examined with {NAMES[result.declared]}, which was chosen beforehand."),
               ("Lower bound", "Attacks bound what is revealed from below. No known guarantee bounds it from above.")],
        what="attacks with shadow models", certainty="by construction")


def tables(result: ShadowResult) -> list[raikit.Table]:
    """Return what each attack recognises, one row per attack."""
    fprs = [float(rate.args["fpr"] or 0) for rate in result.rates[result.declared]]
    columns = [raikit.Column(name="attack", title="Attack"), raikit.Column(name="needs", title="What the attacker needs"),
               raikit.Column(name="auc", title=f"AUC, {confidence(result.level)} CI"),
               *(raikit.Column(name=f"tpr{at}", title=f"Recognised at {percent(fpr)} false positives")
                 for at, fpr in enumerate(fprs))]
    rows = [[NAMES[attack], _NEEDS[attack], _cell(result.areas[attack]), *map(_cell, result.rates[attack])]
            for attack in result.scores]
    return [raikit.Table(
        id="shadow-attacks", title="What each attack recognises", columns=columns, rows=rows,
        note=f"Guessing has an AUC of 0.5, and recognises as many as the false positive rate says. {count(result.models)} shadow "
             f"models. {result.areas[result.declared].method}. Intervals hold for all attacks together.")]


def _cell(metric: raikit.Metric) -> str:
    """Write a value with its interval; a refusal with what would be needed."""
    if metric.value is None:
        return f"not measured: {metric.reason}"
    value = measure(metric.value, metric.low, metric.high, metric.unit)
    low, high = (measure(end, metric.low, metric.high, metric.unit) for end in (metric.low, metric.high))
    return f"{value} ({low} to {high})"


def figures(result: ShadowResult) -> list[raikit.Figure]:
    """Return the ROC curves of the declared attack and of the loss alone, and the areas of groups."""
    areas = [metric for metric in result.groups if metric.name == "shadow_auc"]
    groups = area_by_group(areas, result.level)
    return [_roc(result), *([groups] if groups else [])]


def _roc(result: ShadowResult) -> raikit.Figure:
    """Draw ROC curves on logarithmic axes, which show low false positive rates."""
    attacks = [attack for attack in result.scores if attack in (result.declared, "loss")]
    data = [point for attack in attacks for point in _points(result, attack)]
    least = min([1e-2, *(min(row["false_positive_rate"], row["true_positive_rate"]) for row in data)])
    names = [NAMES[attack] for attack in attacks]
    area = result.areas[result.declared]
    beside = " Grey: the loss alone." if len(attacks) > 1 else ""
    return raikit.Figure(
        id="shadow-roc", title="How well attacks separate members from non-members",
        subtitle=f"black: {names[0]};{' grey: loss alone;' if beside else ''} logarithmic axes; dashed: guessing",
        alt=f"ROC curve of {names[0]} on logarithmic axes, beside the diagonal of guessing. Its area is "
            f"{numbers(area)}; 0.5 is guessing.{beside}",
        spec=_roc_spec(least, names), data=data)


def _points(result: ShadowResult, attack: Attack) -> list[dict[str, Any]]:
    false, true = membership.roc(result.losses(attack))
    wanted = np.concatenate([np.linspace(0, len(false) - 1, _MOST_POINTS).astype(int),
                             np.searchsorted(false, np.geomspace(1e-4, 1, 80)).clip(max=len(false) - 1)])
    return [{"attack": NAMES[attack], "false_positive_rate": float(false[i]), "true_positive_rate": float(true[i])}
            for i in np.unique(wanted) if false[i] > 0 and true[i] > 0]


def _roc_spec(least: float, names: list[str]) -> dict[str, Any]:
    scale = {"type": "log", "domain": [least, 1], "nice": False}
    axis = {"format": "~%", "values": [0.0001, 0.001, 0.01, 0.1, 1]}
    tones = ["var(--ink)", "var(--ink-2)"][: len(names)]
    across: dict[str, Any] = {
        name: {"field": f"{field}_positive_rate", "type": "quantitative", "scale": scale, "axis": axis,
               "title": f"{field} positive rate"}
        for name, field in (("x", "false"), ("y", "true"))}
    color = {"field": "attack", "type": "nominal", "legend": None, "scale": {"domain": names, "range": tones}}
    chance = {"mark": {"type": "rule", "strokeDash": [4, 4], "color": "var(--ink-2)"}, "encoding": {
        "x": {"datum": least}, "x2": {"datum": 1}, "y": {"datum": least}, "y2": {"datum": 1}}}
    return {"height": 300, "layer": [
        chance, {"mark": {"type": "line", "interpolate": "step-after"}, "encoding": {**across, "color": color}}]}
